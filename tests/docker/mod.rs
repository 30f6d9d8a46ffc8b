//! A Docker Engine for a test: the one that runs here, else one of our own in a temporary folder.

use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use tempfile::TempDir;

/// What a finished `docker` command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) ok: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// An engine that answers. One that we started is stopped, and its folder removed, when this is dropped.
pub(crate) struct Engine {
    own: Option<Own>,
}

struct Own {
    daemon: Child,
    folder: TempDir,
    /// Whether Docker's bridge on this host is ours to remove.
    bridge: bool,
}

impl Engine {
    /// The engine that runs here, else our own; or why there is neither.
    #[allow(dead_code, reason = "some tests take none but their own")]
    pub(crate) fn find() -> Result<Self, String> {
        let running = Self { own: None };
        let why = match running.try_docker(&["info", "--format", "{{.ServerVersion}}"]) {
            Ok(said) if said.ok => return Ok(running),
            Ok(said) => said.stderr.trim().to_owned(),
            Err(error) => return Err(format!("docker: {error}")),
        };
        if !geteuid().is_root() {
            return Err(format!("{why}; and to start one takes root"));
        }
        Own::start(false).map(|own| Self { own: Some(own) })
    }

    /// An engine that shares nothing with others, not even the network: what it is told to be (a swarm, say)
    /// stays with it. Its containers are reached by `docker exec` and by their processes alone.
    #[allow(dead_code, reason = "most tests take any engine")]
    pub(crate) fn alone() -> Result<Self, String> {
        if !geteuid().is_root() {
            return Err("to start an engine takes root".to_owned());
        }
        Own::start(true).map(|own| Self { own: Some(own) })
    }

    /// What `DOCKER_HOST` has to be for programs that ask this engine.
    #[allow(dead_code, reason = "most tests have no such program")]
    pub(crate) fn host(&self) -> Option<String> {
        self.own.as_ref().map(Own::host)
    }

    /// Runs `docker ARGS...`, which must succeed, and returns its standard output.
    #[track_caller]
    pub(crate) fn docker(&self, args: &[&str]) -> String {
        let said = self.docker_said(args);
        assert!(said.ok, "docker {args:?} failed: {}", said.stderr);
        said.stdout
    }

    /// Runs `docker ARGS...`, whatever comes of it.
    pub(crate) fn docker_said(&self, args: &[&str]) -> Said {
        self.try_docker(args).unwrap_or_else(|error| panic!("docker: {error}"))
    }

    /// `docker`, told where the engine is; it reads nothing.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("docker");
        if let Some(own) = &self.own {
            command.arg("--host").arg(own.host());
        }
        command.stdin(Stdio::null());
        command
    }

    fn try_docker(&self, args: &[&str]) -> io::Result<Said> {
        let output = self.command().args(args).output()?;
        Ok(Said {
            ok: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

/// Polls; for everything that has no promise of its own. Whoever looks by starting a program looks less often: most of
/// the machine is others'.
#[track_caller]
#[allow(dead_code, reason = "not every test with an engine waits so")]
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    const LIMIT: Duration = Duration::from_mins(2);
    let end = Instant::now() + LIMIT;
    loop {
        let look = Instant::now();
        if done() {
            return;
        }
        assert!(Instant::now() < end, "waited {LIMIT:?} for {what}");
        thread::sleep(rest(look.elapsed()));
    }
}

/// How long to wait after a look that took so long.
pub(crate) fn rest(look: Duration) -> Duration {
    (look * 4).clamp(Duration::from_millis(20), Duration::from_secs(1))
}

/// Nothing is skipped silently, and nothing at all where everything is required.
pub(crate) fn cannot_run(test: &str, why: &str) {
    assert!(
        env::var_os("FATESHARE_TEST_REQUIRE_ALL").is_none_or(|value| value != "1"),
        "cannot run here: {why}"
    );
    // Not eprintln!, which a passing test does not show.
    let _ = writeln!(io::stderr(), "SKIPPED {test}: {why}");
}

impl Own {
    fn start(alone: bool) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("fateshare-docker-")
            .tempdir()
            .map_err(|error| error.to_string())?;
        let at = |name: &str| folder.path().join(name);
        let log = File::create(at("log")).map_err(|error| error.to_string())?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let bridge = !alone && !ip_link("show");
        let mut command = Command::new(if alone { "unshare" } else { "dockerd" });
        if alone {
            // In a network of its own it finds no loopback interface that is up. And a containerd that runs here
            // already could not see its mounts: where it sees none it starts one of its own.
            let script = "ip link set lo up && if [ -d /run/containerd ]; then \
                mount -t tmpfs none /run/containerd; fi && exec dockerd \"$@\"";
            command.args(["--net", "--mount", "--propagation=slave", "sh", "-c", script, "sh"]);
        }
        let daemon = command
            .arg("--host")
            .arg(format!("unix://{}", at("socket").display()))
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("exec"))
            .arg("--pidfile")
            .arg(at("pid"))
            // Published ports go through docker's own proxy, and the host's packet filter stays as it is.
            .args(["--iptables=false", "--ip6tables=false", "--ip-masq=false"])
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| format!("no Docker Engine runs, and dockerd: {error}"))?;
        let mut own = Self { daemon, folder, bridge };
        let end = Instant::now() + Duration::from_mins(2);
        while Instant::now() < end && own.daemon.try_wait().is_ok_and(|ended| ended.is_none()) {
            if own.answers() {
                return Ok(own);
            }
            thread::sleep(Duration::from_millis(100));
        }
        let log = std::fs::read_to_string(own.log()).unwrap_or_default();
        let last = log.lines().last().unwrap_or_default();
        Err(format!("no Docker Engine runs, and our own does not start: {last}"))
    }

    fn answers(&self) -> bool {
        Command::new("docker")
            .arg("--host")
            .arg(self.host())
            .arg("info")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("socket").display())
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.daemon.id()) {
            // It stops its containers and its containerd, and removes its mounts.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let end = Instant::now() + Duration::from_secs(30);
        while self.daemon.try_wait().is_ok_and(|ended| ended.is_none()) {
            if Instant::now() > end {
                let _ = self.daemon.kill();
                let _ = self.daemon.wait();
            }
            thread::sleep(Duration::from_millis(20));
        }
        if self.bridge {
            ip_link("delete");
        }
    }
}

/// `ip link ACTION docker0`, the interface of Docker's default network.
fn ip_link(action: &str) -> bool {
    Command::new("ip")
        .args(["link", action, "docker0"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
