//! On this machine.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use tempfile::TempDir;

use crate::ports::free_port;
use crate::{Format, LIMIT, Stage, manifest, perform};

/// Who runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Root,
    SomebodyElse,
}

/// Makes a test for each format.
macro_rules! in_each_format {
    ($($name:ident: $who:expr, $options:expr;)+) => {$(
        mod $name {
use super::*;

            #[test]
            fn text() {
                on_this_machine($who, $options, Format::Text);
            }

            #[test]
            fn raw() {
                on_this_machine($who, $options, Format::Raw);
            }

            #[test]
            fn json() {
                on_this_machine($who, $options, Format::Json);
            }

            #[test]
            fn cf() {
                on_this_machine($who, $options, Format::CloudFoundry);
            }
        }
    )+};
}

in_each_format! {
    as_root: Who::Root, &[];
    as_root_in_a_namespace: Who::Root, &["--pid1"];
    as_somebody_else: Who::SomebodyElse, &[];
    as_somebody_else_in_a_namespace: Who::SomebodyElse, &["--pid1"];
}

fn on_this_machine(who: Who, options: &[&str], format: Format) {
    if who == Who::Root && !geteuid().is_root() {
        return crate::docker::cannot_run("the tutorial as root", "this is somebody else");
    }
    perform(&mut Host::start(who, options, format), format);
}

struct Host {
    dir: TempDir,
    child: Child,
    port: u16,
    apart: bool,
    ended: Option<i32>,
}

impl Host {
    fn start(who: Who, options: &[&str], format: Format) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name);
        let fateshare = Path::new(env!("CARGO_BIN_EXE_fateshare"));
        let built = fateshare.parent().expect("a folder");
        for program in ["fateshare", "examples/sidecar-dependent-app", "examples/config-server"] {
            assert!(built.join(program).exists(), "run `cargo build --examples` first");
        }
        // Another process copies: what we have open for writing cannot be executed.
        let examples = ["sidecar-dependent-app", "config-server"];
        let copied = Command::new("install")
            .args(["-m", "755"])
            .arg(fateshare)
            .args(examples.map(|name| built.join("examples").join(name)))
            .arg(dir.path())
            .status();
        assert!(copied.expect("the program `install`").success());
        let chmod = Command::new("chmod").arg("755").arg(dir.path()).status();
        assert!(chmod.expect("the program `chmod`").success());
        fs::write(at("manifest.yml"), manifest(".", free_port())).expect("written");

        let port = free_port();
        let log = File::options().create(true).append(true).open(at("log")).expect("a file");
        let program = at("fateshare");
        let mut command = if who == Who::SomebodyElse && geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]);
            command.arg(program);
            command
        } else {
            Command::new(program)
        };
        command.args(["run", "--recreate", "--log-format", format.name()]).args(options);
        command.args(["--port", &port.to_string()]);
        command.current_dir(dir.path()).env_clear().env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("one more")).stderr(log);
        let child = command.spawn().expect("it runs");
        Self { dir, child, port, apart: options.contains(&"--pid1"), ended: None }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a number"))
    }

    /// The group's fateshare.
    fn inner(&self) -> String {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.expect("/proc has lists of children");
        children.split_ascii_whitespace().next().expect("a group runs").to_owned()
    }

    /// Runs a script where the group lives: in its namespace, as in a container, where it has one.
    fn inside(&self, script: &str) -> String {
        let output = self.run_inside(script);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {error}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn run_inside(&self, script: &str) -> Output {
        let inner = self.inner();
        let mut command = if self.apart && geteuid().is_root() {
            let mut command = Command::new("nsenter");
            command.args(["--target", &inner, "--pid", "--mount", "--", "sh", "-c", script]);
            command
        } else {
            let mut command = Command::new("sh");
            // Others may run on this machine that have the same names.
            let mine = script.replace("pgrep", &format!("pgrep -P {inner}"));
            command.args(["-c", &mine]);
            command
        };
        command.output().expect("a shell")
    }

    /// Everything that runs in the folder of this test, which is the app's.
    fn processes(&self) -> Vec<String> {
        let dir = fs::canonicalize(self.dir.path()).expect("the folder");
        let entries = fs::read_dir("/proc").expect("/proc").flatten();
        let here = |path: &Path| fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd == dir);
        let found = entries.map(|entry| entry.path()).filter(|path| here(path));
        found.map(|path| path.display().to_string()).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Stage for Host {
    fn address(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).expect("the log")
    }

    fn ps(&self) -> String {
        // All of them are seen there; so the check at the end can fail.
        assert_eq!(self.processes().len(), 4, "{:?}", self.processes());
        let space = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).expect("it lives");
        assert_eq!(space(&self.inner()) != space("self"), self.apart);
        let shown = self.inside("ps aux");
        if self.apart && geteuid().is_root() {
            // As in the tutorial: the init is PID 1, and there is nobody else.
            assert!(shown.lines().skip(1).any(|row| row.contains(" run --recreate ")), "{shown}");
            assert!(shown.lines().count() < 8, "{shown}");
            return shown;
        }
        let ours = self.inside("pgrep .");
        let ours: Vec<&str> = ours.lines().collect();
        let is_ours =
            |row: &&str| row.split_ascii_whitespace().nth(1).is_some_and(|pid| ours.contains(&pid));
        shown.lines().filter(is_ours).collect::<Vec<_>>().join("\n")
    }

    fn kill_the_sidecar(&self) {
        // Where the namespace goes, the shell that did this goes with it, and has no status to tell.
        let output = self.run_inside("kill -9 $(pgrep config-server)");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }

    fn stop(&self) {
        kill(self.pid(), Signal::SIGINT).expect("it runs");
    }

    fn code(&mut self) -> i32 {
        let end = Instant::now() + LIMIT;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                let code = status.code().unwrap_or(-1);
                self.ended = Some(code);
                assert_eq!(self.processes(), Vec::<String>::new(), "nothing is left");
                return code;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("it did not end:\n{}", self.log());
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = kill(self.pid(), Signal::SIGTERM);
            thread::sleep(Duration::from_millis(500));
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
