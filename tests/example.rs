//! The example pair, run by its own `fateshare.yml` as its README says.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

#[path = "support/ports.rs"]
mod ports;

use ports::free_port;

const LIMIT: Duration = Duration::from_secs(20);
/// Set for one run only, so that whatever it leaves is found.
const MARK: &str = "FATESHARE_EXAMPLE_TEST";

#[test]
fn the_death_of_the_config_server_ends_the_app() {
    let mut pair = Pair::start();
    pair.wait_for_config();
    let app = pair.member("./sidecar-dependent-app");
    let config_server = pair.member("./config-server");
    // What `pgrep config-server` looks at.
    let name = fs::read_to_string(format!("/proc/{config_server}/comm")).unwrap_or_default();
    assert_eq!(name, "config-server\n");

    kill(config_server, Signal::SIGKILL).expect("kill");
    let status = pair.wait();
    let output = pair.output();
    assert_eq!((status.code(), status.signal()), (Some(137), None), "{output}");
    let verdict = format!(
        "fateshare: config-server (pid {config_server}) was killed by SIGKILL, not by fateshare; stopping web"
    );
    assert!(output.lines().any(|line| line == verdict), "{output}");
    assert!(output.lines().any(|line| line == "app: stopped"), "{output}");
    pair.assert_nothing_left();
    assert!(!Path::new(&format!("/proc/{app}")).exists());
}

#[test]
fn the_death_of_the_app_ends_the_config_server() {
    let mut pair = Pair::start();
    pair.wait_for_config();
    let app = pair.member("./sidecar-dependent-app");

    kill(app, Signal::SIGKILL).expect("kill");
    let status = pair.wait();
    let output = pair.output();
    assert_eq!(status.code(), Some(137), "{output}");
    let verdict = format!(
        "fateshare: web (pid {app}) was killed by SIGKILL, not by fateshare; stopping config-server"
    );
    assert!(output.lines().any(|line| line == verdict), "{output}");
    assert!(output.lines().any(|line| line == "config-server: stopped"), "{output}");
    pair.assert_nothing_left();
}

#[test]
fn both_stop_gracefully_on_sigterm() {
    let mut pair = Pair::start();
    pair.wait_for_config();
    pair.send(Signal::SIGTERM);
    let status = pair.wait();
    let output = pair.output();
    assert_eq!(status.code(), Some(0), "{output}");
    for line in ["app: stopped", "config-server: stopped"] {
        assert!(output.lines().any(|said| said == line), "{output}");
    }
    pair.assert_nothing_left();
}

#[test]
fn no_request_ends_them() {
    let mut pair = Pair::start();
    pair.wait_for_config();
    let requests: [&[u8]; 6] = [
        b"",
        b"\r\n\r\n",
        b"\xff\x00\xfe\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
        b"GET /nothing HTTP/1.1\r\n\r\n",
        &[b'x'; 16_000],
    ];
    for port in [pair.port, pair.config_port] {
        for request in requests {
            // Both ends may hang up early: only the next answer counts.
            let _ = ask(port, request);
        }
    }
    let greeting = ask(pair.port, b"GET / HTTP/1.1\r\n\r\n").expect("an answer");
    assert!(greeting.contains(" 200 OK\r\n") && greeting.contains("sidecar"), "{greeting}");
    pair.wait_for_config();
    pair.send(Signal::SIGTERM);
    assert_eq!(pair.wait().code(), Some(0), "{}", pair.output());
}

/// A running `fateshare run fateshare.yml`, ended when dropped.
struct Pair {
    fateshare: Child,
    folder: TempDir,
    port: u16,
    config_port: u16,
    mark: String,
}

impl Pair {
    /// Runs the example's own spec, with free ports and the folder where Cargo put the programs this time.
    fn start() -> Self {
        let (port, config_port) = (free_port(), free_port());
        let mut spec = fs::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("examples/sidecar-dependent-app/fateshare.yml"),
        )
        .expect("the example's spec");
        let programs = programs();
        for (from, to) in [
            ("../../target/debug/examples", programs.to_str().expect("a UTF-8 path")),
            ("PORT: 8080", &format!("PORT: {port}")),
            ("SERVER_PORT: 8082", &format!("SERVER_PORT: {config_port}")),
        ] {
            assert!(spec.contains(from), "no {from} in the spec");
            spec = spec.replace(from, to);
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("fateshare.yml");
        fs::write(&file, spec).expect("the spec is written");
        let log = File::create(folder.path().join("log")).expect("a log file");
        let mark = format!("{}-{port}", process::id());
        let fateshare = Command::new(env!("CARGO_BIN_EXE_fateshare"))
            .arg("run")
            .arg(&file)
            .env(MARK, &mark)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log)
            .spawn()
            .expect("fateshare can be run");
        Self { fateshare, folder, port, config_port, mark }
    }

    fn wait_for_config(&mut self) {
        let end = Instant::now() + LIMIT;
        while Instant::now() < end && self.fateshare.try_wait().is_ok_and(|ended| ended.is_none()) {
            let answer = ask(self.port, b"GET /config?x=y HTTP/1.1\r\nHost: localhost\r\n\r\n");
            if answer
                .is_ok_and(|answer| answer.contains(" 200 OK\r\n") && answer.contains("\"Scope\""))
            {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("no /config:\n{}", self.output());
    }

    /// The member whose command line is this program and nothing else.
    fn member(&self, program: &str) -> Pid {
        let pid = self.fateshare.id();
        let children =
            fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("/proc");
        let found = children.split_ascii_whitespace().find(|child| {
            fs::read_to_string(format!("/proc/{child}/cmdline"))
                .is_ok_and(|line| line.trim_end_matches('\0') == program)
        });
        let found = found.unwrap_or_else(|| panic!("no {program}:\n{}", self.output()));
        Pid::from_raw(found.parse().expect("a pid"))
    }

    fn send(&self, signal: Signal) {
        let pid = i32::try_from(self.fateshare.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("kill");
    }

    fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + LIMIT;
        while Instant::now() < end {
            if let Some(status) = self.fateshare.try_wait().expect("wait") {
                return status;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("fateshare did not end:\n{}", self.output());
    }

    fn output(&self) -> String {
        let bytes = fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[track_caller]
    fn assert_nothing_left(&self) {
        let mark = format!("{MARK}={}", self.mark);
        for process in fs::read_dir("/proc").expect("/proc").flatten() {
            let environment = fs::read(process.path().join("environ")).unwrap_or_default();
            let marked = environment.split(|&byte| byte == 0).any(|entry| entry == mark.as_bytes());
            assert!(!marked, "{} is left", process.path().display());
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = self.fateshare.kill();
        let _ = self.fateshare.wait();
    }
}

fn ask(port: u16, request: &[u8]) -> io::Result<String> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    server.set_read_timeout(Some(Duration::from_secs(5)))?;
    server.write_all(request)?;
    server.shutdown(std::net::Shutdown::Write)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Where the example programs are. `cargo test` builds them; `cargo test --test example` alone does not.
fn programs() -> PathBuf {
    let debug = Path::new(env!("CARGO_BIN_EXE_fateshare")).parent().expect("a folder");
    let folder = debug.join("examples");
    for program in ["sidecar-dependent-app", "config-server"] {
        assert!(
            folder.join(program).exists(),
            "{program} is not built: run `cargo build --examples` first"
        );
    }
    folder
}
