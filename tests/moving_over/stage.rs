//! What stands in for a container: a folder with both programs and an example's files, in which the image's
//! command is PID 1, and a pipe for its output.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::ports::free_port;
use crate::support::{LIMIT, fateshare, poll, proc, running, unshare};

/// Both programs; the app is the main process.
pub(crate) const APP: &str = "sidecar-dependent-app";
pub(crate) const SIDECAR: &str = "config-server";

/// An image: the files of a folder beside both programs, and what it starts.
pub(crate) struct Image {
    dir: TempDir,
    entrypoint: Vec<String>,
    port: u16,
    config_port: String,
}

impl Image {
    /// From a folder of `examples/moving-over` and a Dockerfile's line, `ENTRYPOINT ["...", ...]`.
    #[track_caller]
    pub(crate) fn new(folder: &str, dockerfile: &str) -> Self {
        let dir = TempDir::with_prefix("fateshare-test-").expect("a folder");
        let examples = fateshare().with_file_name("examples");
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/moving-over").join(folder);
        let files = fs::read_dir(folder).expect("the example").map(|it| it.expect("a file").path());
        let programs = [APP, SIDECAR].map(|name| examples.join(name));
        for program in &programs {
            assert!(program.exists(), "run `cargo build --examples` first");
        }
        // Another process copies: what we have open for writing cannot be executed.
        let copied = Command::new("cp").args(programs).args(files).arg(dir.path()).status();
        assert!(copied.expect("the program `cp`").success());
        let line = dockerfile.lines().find_map(|line| line.strip_prefix("ENTRYPOINT "));
        let entrypoint = serde_json::from_str(line.expect("an entrypoint")).expect("a JSON list");
        let image = Self { dir, entrypoint, port: free_port(), config_port: String::new() };
        Self { config_port: free_port().to_string(), ..image }
    }

    /// The sidecar cannot start: it exits with 2.
    pub(crate) fn with_a_broken_sidecar(mut self) -> Self {
        "nonsense".clone_into(&mut self.config_port);
        self
    }

    /// Changes one of its files.
    pub(crate) fn with_file(self, name: &str, change: impl FnOnce(&str) -> String) -> Self {
        let path = self.dir.path().join(name);
        let text = fs::read_to_string(&path).expect("a file of the example");
        let changed = change(&text);
        assert_ne!(text, changed, "{name} is changed");
        fs::write(path, changed).expect("it is written");
        self
    }

    /// Where a file of its folder is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// One more option, behind the first word.
    pub(crate) fn with_option(mut self, option: &str) -> Self {
        self.entrypoint.insert(1, option.to_owned());
        self
    }

    /// Starts it as PID 1 of a namespace of its own.
    pub(crate) fn start(self) -> Container {
        let port = self.port.to_string();
        let fateshare = fateshare().to_str().expect("UTF-8");
        let words = self.entrypoint.iter().map(|word| match word.as_str() {
            "8080" => port.as_str(),
            "/usr/bin/fateshare" => fateshare,
            word => word,
        });
        let around = unshare().expect("it was asked for");
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let mut command = Command::new(&around[0]);
        command.args(&around[1..]).args(words).current_dir(self.dir.path());
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/");
        command.env("PORT", &port).env("CONFIG_SERVER_PORT", &self.config_port);
        command.env("FATESHARE_SOCKET", "none");
        command.stdin(Stdio::null());
        command.stdout(writer.try_clone().expect("a pipe")).stderr(writer);
        let child = command.spawn().expect("it runs");
        drop(command);
        let output = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&output);
        let reading = thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                lock(&sink).extend_from_slice(&bytes[..count]);
            }
        });
        Container { image: self, child, output, reading: Some(reading) }
    }
}

/// A running image. Whatever is left of it ends when this is dropped.
pub(crate) struct Container {
    image: Image,
    child: Child,
    output: Arc<Mutex<Vec<u8>>>,
    reading: Option<JoinHandle<()>>,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) code: Option<i32>,
    /// Everything that was written, with the usual ports.
    pub(crate) output: String,
}

impl Container {
    /// Everything that was written so far, with the usual ports.
    pub(crate) fn output(&self) -> String {
        let output = String::from_utf8_lossy(&lock(&self.output)).into_owned();
        let output = output.replace(&self.image.port.to_string(), "8080");
        output.replace(&self.image.config_port, "8082")
    }

    /// Waits until some line ends with each of these.
    #[track_caller]
    pub(crate) fn wait_for(&self, ends: &[&str]) {
        for end in ends {
            let said = || self.output().lines().any(|line| line.ends_with(end)).then_some(());
            assert!(poll(LIMIT, said).is_some(), "nobody said `{end}`:\n{}", self.output());
        }
    }

    /// Waits until both programs listen, and know what to do when they are asked to stop.
    #[track_caller]
    pub(crate) fn wait_until_it_serves(&self) {
        self.wait_for(&[
            "app: listening on port 8080",
            "config-server: listening on localhost:8082",
        ]);
        for program in [APP, SIDECAR] {
            let pid = self.pid(program);
            let caught = || {
                let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
                let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
                let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
                (mask & (1 << (Signal::SIGTERM as i32 - 1)) != 0).then_some(())
            };
            assert!(poll(LIMIT, caught).is_some(), "{program} does not catch SIGTERM");
        }
        // And whoever started them waits: a bash that has not come to its `wait -n` misses an end.
        let asleep = || self.processes().into_iter().all(proc::sleeps).then_some(());
        assert!(poll(LIMIT, asleep).is_some(), "somebody is busy:\n{}", self.output());
    }

    /// A connection to the app with half a request: it has work to finish.
    #[track_caller]
    pub(crate) fn with_open_request(&self) -> TcpStream {
        use std::io::Write;
        let connect = || {
            let mut app = TcpStream::connect((Ipv4Addr::LOCALHOST, self.image.port))?;
            app.write_all(b"GET / HTTP/1.0\r\n").map(|()| app)
        };
        let open = connect().expect("the app listens");
        // It accepts one after the other: who was first is known when the second has an answer.
        let mut second = connect().expect("the app listens");
        second.write_all(b"\r\n").expect("the rest of it");
        let mut answer = String::new();
        second.read_to_string(&mut answer).expect("an answer");
        assert!(answer.contains("200 OK"), "{answer}");
        open
    }

    /// Everything that runs in its folder, but for the program around it.
    fn processes(&self) -> Vec<i32> {
        let dir = fs::canonicalize(self.image.dir.path()).expect("the folder");
        let here = |pid: &i32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|it| it == dir);
        let around = self.child.id().cast_signed();
        proc::all().into_iter().filter(|pid| *pid != around && here(pid)).collect()
    }

    /// The process that runs one of the programs.
    #[track_caller]
    pub(crate) fn pid(&self, program: &str) -> i32 {
        let dir = fs::canonicalize(self.image.dir.path()).expect("the folder");
        let path: PathBuf = dir.join(program);
        let is_it =
            |pid: &i32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|it| it == path);
        let found = poll(LIMIT, || self.processes().into_iter().find(is_it));
        found.unwrap_or_else(|| panic!("no {program}:\n{}", self.output()))
    }

    /// Signals one of the programs.
    #[track_caller]
    pub(crate) fn signal(&self, program: &str, signal: Signal) {
        running::send(self.pid(program), signal as i32);
    }

    /// A stop request to PID 1, as `docker stop` makes it.
    #[track_caller]
    pub(crate) fn stop(&self) {
        let children = proc::children(self.child.id().cast_signed());
        let (init, _) = children.first().expect("PID 1");
        running::send(*init, Signal::SIGTERM as i32);
    }

    /// Whether one of the programs runs now.
    pub(crate) fn runs(&self, program: &str) -> bool {
        let is_it = |pid: i32| {
            fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|name| program.starts_with(name.trim()))
        };
        self.processes().into_iter().any(is_it)
    }

    /// Waits for the end, after which nothing is left.
    #[track_caller]
    pub(crate) fn end(mut self) -> Seen {
        let ended = poll(LIMIT, || self.child.try_wait().expect("our own child"));
        let status = ended.unwrap_or_else(|| panic!("it did not end:\n{}", self.output()));
        assert_eq!(self.processes(), Vec::<i32>::new(), "left behind:\n{}", self.output());
        // Nobody has the pipe any more.
        let reading = self.reading.take().expect("read once");
        reading.join().expect("the output is read");
        Seen { code: status.code(), output: self.output() }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // The kernel ends the whole namespace with its PID 1.
        for (pid, _) in proc::children(self.child.id().cast_signed()) {
            running::send(pid, Signal::SIGKILL as i32);
        }
        let _ = self.child.wait();
    }
}

fn lock(bytes: &Mutex<Vec<u8>>) -> std::sync::MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}
