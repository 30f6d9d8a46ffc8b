//! A drill in a folder of its own, by a process that can be known again.

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fateshare::drill::document::{Drill, Outcome, Row};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::{LIMIT, Terminal, fateshare, fixture, poll};

/// What everything that a drill starts has in its environment.
const MARK: &str = "FATESHARE_DRILL_TEST";

/// A main process and a sidecar that behave.
pub(crate) const GOOD: &str = "main: {name: web, command: [./fixture, '-', web, 'exit-on=SIGTERM:0', wait]}\n\
    sidecars:\n- {name: config-server, command: [./fixture, '-', it, 'exit-on=SIGTERM:0', wait]}\n\
    exit_codes: {main_success: 69}\n";

/// Whether groups have PID namespaces of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Apart,
    Here,
}

/// A drill that is to be made.
pub(crate) struct Setting {
    dir: TempDir,
    mark: String,
    command: Command,
    words: Vec<String>,
    by_nobody: bool,
    /// Standard output and error, if they are not pipes that are read.
    outputs: Option<(OwnedFd, Stdio)>,
}

/// One that is under way.
pub(crate) struct Going {
    pub(crate) dir: TempDir,
    mark: String,
    child: Child,
    files: Vec<PathBuf>,
    started: Instant,
}

/// One that is over.
pub(crate) struct Made {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) dir: TempDir,
}

impl Setting {
    /// With this spec as `fateshare.yml`.
    pub(crate) fn new(spec: &str) -> Self {
        let mut setting = Self::empty();
        setting.file("fateshare.yml", spec);
        setting
    }

    /// Without one.
    pub(crate) fn empty() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let dir = TempDir::with_prefix("fateshare-drill-").expect("a folder");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mark = format!("{}-{number}", std::process::id());
        let mut command = Command::new(fateshare());
        command.current_dir(dir.path()).env(MARK, &mark).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FATESHARE_") {
                command.env_remove(name);
            }
        }
        for name in ["GITHUB_ACTIONS", "PORT", "NO_COLOR"] {
            command.env_remove(name);
        }
        // What lies there would be drawn in other letters.
        command.env("LC_ALL", "C.UTF-8").env(MARK, &mark);
        Self { dir, mark, command, words: Vec::new(), by_nobody: false, outputs: None }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn file(&mut self, name: &str, text: &str) -> &mut Self {
        let path = self.dir.path().join(name);
        fs::write(&path, text).expect("a file");
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
        self
    }

    /// A program that the tests were built with.
    pub(crate) fn program(&mut self, from: &Path, name: &str) -> &mut Self {
        let path = self.dir.path().join(name);
        fs::copy(from, &path).expect("a copy");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
        self
    }

    /// The fixture, as `./fixture`.
    pub(crate) fn fixture(&mut self) -> &mut Self {
        self.program(fixture(), "fixture")
    }

    pub(crate) fn env(&mut self, name: &str, value: &str) -> &mut Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn arguments(&mut self, words: &[&str]) -> &mut Self {
        self.words.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// As a user who may do nothing in particular.
    pub(crate) fn by_nobody(&mut self) -> &mut Self {
        self.by_nobody = true;
        self
    }

    pub(crate) fn place(&mut self, place: Place) -> &mut Self {
        if place == Place::Here {
            self.command.env("FATESHARE_FAIL", "clone_apart:1");
        }
        self
    }

    /// With what it says on this terminal.
    pub(crate) fn start_on(mut self, terminal: &Terminal) -> Going {
        self.outputs = Some((terminal.slave().into(), terminal.slave().into()));
        self.start()
    }

    /// With its table to a pipe.
    pub(crate) fn start_into(mut self, pipe: std::io::PipeWriter) -> Going {
        self.outputs = Some((pipe.into(), Stdio::piped()));
        self.start()
    }

    pub(crate) fn start(mut self) -> Going {
        let mut files = files(self.dir.path());
        if self.by_nobody {
            let program = self.dir.path().join("fateshare-as-nobody");
            fs::copy(fateshare(), &program).expect("a copy");
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("its mode");
            files.push(program.clone());
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(program);
            command.current_dir(self.dir.path()).stdin(Stdio::null());
            for (name, value) in self.command.get_envs() {
                match value {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
            self.command = command;
        }
        let command = self.command.arg("drill").args(&self.words);
        let (stdout, stderr) = match self.outputs.take() {
            Some((stdout, stderr)) => (Stdio::from(stdout), stderr),
            None => (Stdio::piped(), Stdio::piped()),
        };
        let child = command.stdout(stdout).stderr(stderr).spawn();
        files.sort();
        Going {
            child: child.expect("a drill"),
            dir: self.dir,
            mark: self.mark,
            files,
            started: Instant::now(),
        }
    }

    pub(crate) fn run(self) -> Made {
        self.start().wait()
    }
}

impl Going {
    pub(crate) fn send(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("it is our child");
    }

    /// Before that a signal ends it as any program.
    pub(crate) fn wait_until_it_takes_signals(&self) {
        let blocks = || {
            let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
            let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"))?;
            blocked.trim().contains(|digit| digit != '0').then_some(())
        };
        poll(LIMIT, blocks).expect("it blocks signals");
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid")
    }

    /// Whether it has been at work for a while, and no group is there any more.
    pub(crate) fn has_no_members(&self) -> bool {
        let age = self.started.elapsed();
        age > Duration::from_secs(2) && processes(&self.mark).len() == 1
    }

    /// Nobody reads what it prints any more.
    pub(crate) fn close_stdout(&mut self) {
        drop(self.child.stdout.take());
    }

    /// Waits for its end. Nothing of it may be left then but what it was told to write.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Made {
        let out = self.child.stdout.take().map(read);
        let err = self.child.stderr.take().map(read);
        let status = poll(LIMIT * 3, || self.child.try_wait().expect("its status"));
        let Some(status) = status else {
            let _ = self.child.kill();
            panic!("the drill does not end: {:?}", processes(&self.mark));
        };
        let killed = status.signal() == Some(9);
        let join = |reader: Option<std::thread::JoinHandle<String>>| {
            reader.map(|it| it.join().expect("it was read")).unwrap_or_default()
        };
        let left = if killed {
            poll(Duration::from_secs(20), || processes(&self.mark).is_empty().then_some(()))
                .map_or_else(|| processes(&self.mark), |()| Vec::new())
        } else {
            processes(&self.mark)
        };
        for (pid, _) in &left {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        let (stdout, stderr) = (join(out), join(err));
        let shown = format!("{status}\n{stdout}\n{stderr}");
        assert!(left.is_empty(), "still there: {left:?}\n{shown}");
        let sockets = fs::read_to_string("/proc/net/unix").unwrap_or_default();
        let name = format!("@fateshare-drill-{}-", self.child.id());
        assert!(!sockets.contains(&name), "a socket is left\n{shown}");
        Made { code: status.code(), stdout, stderr, dir: self.dir }
    }

    /// The same; no file may be there that was not before.
    #[track_caller]
    pub(crate) fn wait_without_files(self) -> Made {
        let files_before = self.files.clone();
        let made = self.wait();
        let after: Vec<PathBuf> = files(made.dir.path());
        assert_eq!(after, files_before, "{}", made.stdout);
        made
    }
}

impl Made {
    #[track_caller]
    pub(crate) fn code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// What `--json` has printed.
    #[track_caller]
    pub(crate) fn drill(&self) -> Drill {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.stdout, self.stderr))
    }
}

/// The row of this strike.
#[track_caller]
pub(crate) fn row<'a>(drill: &'a Drill, target: &str, strike: &str) -> &'a Row {
    let found = drill.strikes.iter().find(|row| row.target == target && row.strike == strike);
    found.unwrap_or_else(|| panic!("{target} {strike}: {:?}", drill.strikes))
}

/// What each strike came to, in short.
pub(crate) fn outcomes(drill: &Drill) -> Vec<(String, Outcome, String)> {
    let rows = drill.strikes.iter();
    rows.map(|row| (format!("{} {}", row.target, row.strike), row.outcome, row.note.clone()))
        .collect()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

fn read(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Every process with this mark that has not ended, with its command line.
fn processes(mark: &str) -> Vec<(i32, String)> {
    let wanted = format!("{MARK}={mark}");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|it| it == wanted.as_bytes()) {
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push((pid, String::from_utf8_lossy(&command).replace('\0', " ")));
        }
    }
    found
}
