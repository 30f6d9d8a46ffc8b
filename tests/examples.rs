//! The examples with manifests: each resolves to what Cloud Foundry would run, and those that can run
//! here do.
//!
//! `SNAPSHOTS=overwrite cargo test --test examples` writes `tests/examples/`; read the difference.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[path = "support/ports.rs"]
mod ports;

use ports::free_port;

const LIMIT: Duration = Duration::from_secs(20);

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn fateshare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fateshare"));
    command.args(arguments).current_dir(root()).env_clear().stdin(Stdio::null());
    command.env("PATH", "/usr/bin:/bin");
    command
}

/// A name, and the arguments that resolve an example.
const RESOLVED: [(&str, &[&str]); 9] = [
    ("my-app", &["examples/my-app/manifest.yml"]),
    ("my-app-worker", &["examples/my-app/manifest.yml", "--process", "worker"]),
    ("sidecar-dependent-app", &["examples/sidecar-dependent-app/manifest.yml"]),
    ("java-with-memory", &["examples/java-with-memory/manifest.yml"]),
    ("worker", &["examples/worker/manifest.yml", "--process", "worker"]),
    (
        "several-apps",
        &[
            "examples/several-apps/manifest.yml",
            "--vars-file",
            "examples/several-apps/vars.yml",
            "--app",
            "shop-dev",
        ],
    ),
    (
        "several-apps-prod",
        &[
            "examples/several-apps/manifest.yml",
            "--vars-file",
            "examples/several-apps/vars.yml",
            "--app",
            "catalogue-prod",
            "--var",
            "stage=prod",
        ],
    ),
    (
        "sidecar-buildpack",
        &[
            "examples/sidecar-buildpack-launch-yml/manifest.yml",
            "--deps-dir",
            "examples/sidecar-buildpack-launch-yml/deps",
            "--procfile",
            "examples/sidecar-buildpack-launch-yml/Procfile",
        ],
    ),
    ("shared-socket", &["examples/shared-socket/manifest.yml"]),
];

#[test]
fn each_resolves_to_what_the_platform_would_run() {
    let overwrite = std::env::var_os("SNAPSHOTS").is_some_and(|mode| mode == "overwrite");
    for (name, arguments) in RESOLVED {
        let output =
            fateshare(&[&["resolve", "--strict"], arguments].concat()).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{name}: {said}");
        let spec = String::from_utf8(output.stdout).expect("UTF-8");
        let spec = spec.replace(root().to_str().expect("UTF-8"), "ROOT");
        let beside = root().join("tests/examples").join(format!("{name}.yml"));
        if overwrite {
            fs::write(&beside, &spec).expect("written");
        }
        let expected = fs::read_to_string(&beside).expect("the spec beside");
        assert_eq!(spec, expected, "{name}");
    }
}

#[test]
fn every_manifest_of_the_examples_is_among_them() {
    for entry in fs::read_dir(root().join("examples")).expect("the examples") {
        let manifest = entry.expect("an entry").path().join("manifest.yml");
        if manifest.exists() {
            let name = manifest.strip_prefix(root()).expect("below it").to_str().expect("UTF-8");
            assert!(RESOLVED.iter().any(|(_, arguments)| arguments[0] == name), "{name}");
        }
    }
}

/// A running example.
struct Running {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        // stdout and stderr come the same way, in their order.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        command.stdout(writer.try_clone().expect("a pipe")).stderr(writer);
        let child = command.spawn().expect("it runs");
        drop(command);
        let (send, lines) = std::sync::mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    #[track_caller]
    fn wait_for(&mut self, part: &str) {
        let end = Instant::now() + LIMIT;
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            self.seen.push(line);
            if self.seen.last().is_some_and(|line| line.contains(part)) {
                return;
            }
        }
        panic!("nobody said `{part}`: {:#?}", self.seen);
    }

    /// The member whose command line has this.
    fn member(&self, part: &str) -> Pid {
        let pid = self.child.id();
        let children =
            fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("/proc");
        let found = children.split_ascii_whitespace().find(|child| {
            let line = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
            line.replace('\0', " ").contains(part)
        });
        let found = found.unwrap_or_else(|| panic!("no {part}: {:#?}", self.seen));
        Pid::from_raw(found.parse().expect("a number"))
    }

    fn code(&mut self) -> Option<i32> {
        let end = Instant::now() + LIMIT;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return status.code();
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("it did not end: {:#?}", self.seen);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A copy of an example's manifest in a folder of its own, with the programs where they are this time.
fn copied(example: &str) -> tempfile::TempDir {
    let debug = Path::new(env!("CARGO_BIN_EXE_fateshare")).parent().expect("a folder");
    let programs = debug.join("examples");
    assert!(programs.join("shared-socket").exists(), "run `cargo build --examples` first");
    let manifest = root().join("examples").join(example).join("manifest.yml");
    let manifest = fs::read_to_string(manifest).expect("the manifest");
    let dir = tempfile::tempdir().expect("a folder");
    let manifest = manifest
        .replace("../../target/debug/examples", programs.to_str().expect("UTF-8"))
        .replace("/tmp/fateshare-example-queue", dir.path().join("queue").to_str().expect("UTF-8"));
    fs::write(dir.path().join("manifest.yml"), manifest).expect("written");
    dir
}

#[test]
fn the_socket_and_the_file_are_shared_and_so_is_the_fate() {
    let dir = copied("shared-socket");
    let mut command = fateshare(&["run", "--log-format", "text"]);
    command.current_dir(dir.path()).env("SHARED", dir.path());
    let mut running = Running::start(command);
    running.wait_for("web     | the counter says 2, the file has 2 lines");
    kill(running.member("shared-socket count"), Signal::SIGKILL).expect("it lives");
    running.wait_for("counter (pid");
    assert!(running.seen.last().is_some_and(|line| line.contains("was killed by SIGKILL")));
    assert_eq!(running.code(), Some(137), "{:#?}", running.seen);
}

#[test]
fn the_worker_runs_without_a_port() {
    let dir = copied("worker");
    let mut command = fateshare(&["run", "--process", "worker", "--log-format", "text"]);
    command.current_dir(dir.path());
    let mut running = Running::start(command);
    running.wait_for("worker | ");
    running.wait_for(" mails are there");
    let pid = i32::try_from(running.child.id()).expect("a number");
    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it lives");
    assert_eq!(running.code(), Some(143), "{:#?}", running.seen);
}

#[test]
fn the_tutorials_app_runs_from_its_manifest() {
    let dir = copied("sidecar-dependent-app");
    // A free port for the sidecar too.
    let port = free_port();
    let path = dir.path().join("manifest.yml");
    let manifest = fs::read_to_string(&path).expect("it").replace("8082", &port.to_string());
    fs::write(&path, manifest).expect("written");
    let apps = free_port().to_string();
    let mut command = fateshare(&["run", "--port", &apps, "--log-format", "text"]);
    command.current_dir(dir.path()).env("FATESHARE_LOG", "info");
    let mut running = Running::start(command);
    running.wait_for("healthy after");
    kill(running.member("./config-server"), Signal::SIGKILL).expect("it lives");
    running.wait_for("config-server (pid");
    running.wait_for("exit 137");
    assert_eq!(running.code(), Some(137), "{:#?}", running.seen);
}
