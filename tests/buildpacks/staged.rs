//! An app staged by a buildpack, and launched.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::ends;
use super::ports::free_port;

const LIMIT: Duration = Duration::from_secs(20);
/// Set for one run only, so that whatever it leaves is found.
const MARK: &str = "FATESHARE_BUILDPACKS_TEST";

/// What Cloud Foundry's launcher turns into when it has set the environment; its arguments are the app's
/// directory and the start command.
const LAUNCHER: &str = r#"
cd "$1" || exit
echo 'Invoking pre-start scripts.'
for script in ../profile.d/* .profile.d/* .profile; do
    if [ -f "$script" ]; then . "./$script"; fi
done
echo 'Invoking start command.'
exec bash -c "$2"
"#;

/// A folder like the platform's, with the example's app in `app`.
pub(super) struct Droplet(TempDir);

impl Droplet {
    /// With the app `app` of this example, not staged yet.
    pub(super) fn new(example: &str, app: &str) -> Self {
        let droplet = Self(tempfile::tempdir().expect("a folder"));
        copy(&examples().join(example).join(app), &droplet.path("app"));
        copy(&program("examples/sidecar-dependent-app"), &droplet.path("app"));
        droplet
    }

    /// With an app of the sidecar buildpack, staged by it and by the last buildpack after it.
    pub(super) fn staged(app: &str) -> Self {
        let droplet = Self::new("sidecar-buildpack", app);
        let buildpack = Buildpack::of("sidecar-buildpack", &droplet);
        buildpack.has("examples/config-server");
        buildpack.has("fateshare");
        for name in ["cache", "deps/0", "tmp", "profile.d"] {
            droplet.folder(name);
        }
        let mut supply = buildpack.script("supply");
        ends(supply.args(["app", "cache", "deps", "0"]), 0);
        // What every last buildpack does that is made with libbuildpack.
        let path = "export PATH=$DEPS_DIR/0/bin:$PATH\n";
        droplet.write("profile.d/000_multi-supply.sh", path);
        let script = droplet.read("deps/0/profile.d/config-server.sh");
        droplet.write("profile.d/0_config-server.sh", &script);
        droplet
    }

    pub(super) fn path(&self, inside: &str) -> PathBuf {
        self.0.path().join(inside)
    }

    pub(super) fn folder(&self, name: &str) -> PathBuf {
        fs::create_dir_all(self.path(name)).expect("a folder");
        self.path(name)
    }

    #[track_caller]
    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    /// Starts the `Procfile`'s command as the platform does: what runs then is the process that the
    /// launcher was.
    pub(super) fn launch(&self) -> Running {
        let procfile = self.read("app/Procfile");
        let start_command = procfile.strip_prefix("web: ").expect("a command").trim_end();
        let (port, sidecars) = (free_port(), free_port());
        self.folder("app/.profile.d");
        self.write("app/.profile.d/once.sh", "echo once >> ../ran\n");
        let exports = format!("export FROM_PROFILE=yes CONFIG_SERVER_PORT={sidecars}\n");
        self.write("app/.profile", &exports);
        let mut command = Command::new("/bin/bash");
        command.args(["-c", LAUNCHER, "launcher"]).arg(self.path("app")).arg(start_command);
        command.current_dir(self.path("")).env_clear().env("PATH", "/usr/bin:/bin");
        for (name, directory) in [("HOME", "app"), ("TMPDIR", "tmp"), ("DEPS_DIR", "deps")] {
            command.env(name, self.path(directory));
        }
        let guid = "3f6c2a52-7a53-4a8e-9c5c-0a3a3f5f9c11";
        let about = format!(r#"{{"application_name":"app","host":"0.0.0.0","port":{port}}}"#);
        let text = port.to_string();
        command.envs([
            ("LANG", "en_US.UTF-8"),
            ("PORT", &text),
            ("VCAP_APP_PORT", &text),
            ("VCAP_APP_HOST", "0.0.0.0"),
            ("VCAP_APPLICATION", &about),
            ("VCAP_SERVICES", "{}"),
            ("MEMORY_LIMIT", "256m"),
            ("INSTANCE_GUID", guid),
            ("INSTANCE_INDEX", "0"),
            ("CF_INSTANCE_GUID", guid),
            ("CF_INSTANCE_INDEX", "0"),
            ("CF_INSTANCE_IP", "127.0.0.1"),
        ]);
        self.start(command, port)
    }

    /// Starts what is to answer on this port.
    pub(super) fn start(&self, mut command: Command, port: u16) -> Running {
        let log = self.path("log");
        let file = File::create(&log).expect("a log file");
        let mark = format!("{}-{port}", process::id());
        command.env(MARK, &mark).stdin(Stdio::null());
        command.stdout(file.try_clone().expect("a log file")).stderr(file);
        Running { child: command.spawn().expect("it runs"), log, port, mark }
    }
}

/// A copy of a buildpack, without what somebody may have put into its `vendor`.
pub(super) struct Buildpack(pub(super) PathBuf);

impl Buildpack {
    pub(super) fn of(example: &str, droplet: &Droplet) -> Self {
        let folder = droplet.folder("buildpack");
        copy(&examples().join(example).join("bin"), &folder);
        Self(folder)
    }

    /// Brings one of the built programs.
    pub(super) fn has(&self, built: &str) {
        fs::create_dir_all(self.0.join("vendor")).expect("a folder");
        copy(&program(built), &self.0.join("vendor"));
    }

    /// One of its scripts, in the droplet's folder.
    pub(super) fn script(&self, name: &str) -> Command {
        let mut command = Command::new(self.0.join("bin").join(name));
        command.current_dir(self.0.parent().expect("the droplet"));
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command
    }
}

/// What was launched, ended when dropped.
pub(super) struct Running {
    child: Child,
    log: PathBuf,
    port: u16,
    mark: String,
}

impl Running {
    /// The app answers, and so does its sidecar.
    #[track_caller]
    pub(super) fn wait_for_config(&mut self) {
        let end = Instant::now() + LIMIT;
        while Instant::now() < end && self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let answer = get(self.port, "/config");
            if answer.is_ok_and(|it| it.contains(" 200 OK\r\n") && it.contains("\"Scope\"")) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("no /config:\n{}", self.output());
    }

    /// This very process executes this program.
    #[track_caller]
    pub(super) fn assert_is(&self, program: &Path) {
        let own = fs::read_link(format!("/proc/{}/exe", self.child.id())).expect("/proc");
        assert_eq!(own, program.canonicalize().expect("it is there"));
    }

    /// The child that executes the program of this name.
    #[track_caller]
    pub(super) fn member(&self, name: &str) -> Pid {
        let pid = self.child.id();
        let children =
            fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("/proc");
        let found = children.split_ascii_whitespace().find(|child| {
            let line = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
            Path::new(line.split('\0').next().unwrap_or_default()).ends_with(name)
        });
        let found = found.unwrap_or_else(|| panic!("no {name}:\n{}", self.output()));
        Pid::from_raw(found.parse().expect("a number"))
    }

    pub(super) fn stop(&self) {
        let pid = i32::try_from(self.child.id()).expect("a number");
        kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it lives");
    }

    /// Its end: nothing that it has started is left.
    #[track_caller]
    pub(super) fn assert_ends(&mut self, code: i32) {
        let end = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                break status;
            }
            assert!(Instant::now() < end, "it did not end:\n{}", self.output());
            thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(status.code(), Some(code), "{}", self.output());
        let mark = format!("{MARK}={}", self.mark);
        for process in fs::read_dir("/proc").expect("/proc").flatten() {
            let environment = fs::read(process.path().join("environ")).unwrap_or_default();
            let marked = environment.split(|&byte| byte == 0).any(|entry| entry == mark.as_bytes());
            assert!(!marked, "{} is left", process.path().display());
        }
    }

    pub(super) fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    #[track_caller]
    pub(super) fn assert_said(&self, line: &str) {
        let output = self.output();
        assert!(output.lines().any(|it| it == line), "nobody said `{line}`:\n{output}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// A built program. `cargo test` builds the examples; `cargo test --test buildpacks` alone does not.
pub(super) fn program(built: &str) -> PathBuf {
    let fateshare = Path::new(env!("CARGO_BIN_EXE_fateshare"));
    let program = fateshare.parent().expect("a folder").join(built);
    assert!(program.exists(), "{built} is not built: run `cargo build --bins --examples` first");
    program
}

/// By a process of its own: a program that is open for writing cannot be executed, and children that
/// other tests start just then would hold it open.
pub(super) fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-R").args([from, to]).status().expect("cp runs");
    assert!(status.success(), "{} to {}", from.display(), to.display());
}

fn get(port: u16, path: &str) -> io::Result<String> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    server.set_read_timeout(Some(Duration::from_secs(5)))?;
    server.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
    server.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
