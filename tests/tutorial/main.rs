//! Cloud Foundry's sidecar tutorial, step by step: run the app from its manifest, look at its processes,
//! see the logs of both, kill the sidecar, watch the crash, and find everything back.
//!
//! In each log format, as root and as somebody else, with and without a PID namespace of its own, and in
//! a container. The steps are in this file; where they are taken is in the others.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

mod container;
#[path = "../docker/mod.rs"]
mod docker;
mod host;
#[path = "../support/ports.rs"]
mod ports;

const LIMIT: Duration = Duration::from_secs(40);

/// What the sidecar's answer has, passed on by the app.
const CONFIG: [&str; 2] = ["\"Scope\"", "\"Password\""];
/// What the platform says of the crash.
const DESCRIPTION: &str = "APP/PROC/WEB/SIDECAR/CONFIG-SERVER: Exited with status 137";

/// A log format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    Raw,
    Json,
    CloudFoundry,
}

impl Format {
    const ALL: [Self; 4] = [Self::Text, Self::Raw, Self::Json, Self::CloudFoundry];

    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Raw => "raw",
            Self::Json => "json",
            Self::CloudFoundry => "cf",
        }
    }

    /// Whether a line of the log is this member's, and has this text.
    fn is(self, line: &str, member: &str, text: &str) -> bool {
        match self {
            Self::Text if member == "fateshare" => {
                line.strip_prefix("fateshare: ").is_some_and(|said| said.contains(text))
            }
            Self::Text => line
                .split_once(" | ")
                .is_some_and(|(label, said)| label.trim_end() == member && said.contains(text)),
            Self::Raw => line.contains(text),
            Self::Json => {
                let object: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
                object["member"] == member
                    && object["message"].as_str().is_some_and(|said| said.contains(text))
            }
            Self::CloudFoundry => {
                let source = match member {
                    "web" => "[APP/PROC/WEB/0] OUT ",
                    "config-server" => "[APP/PROC/WEB/SIDECAR/CONFIG-SERVER/0] OUT ",
                    _ => "[FATESHARE/0] OUT ",
                };
                line.split_once(source).is_some_and(|(_, said)| said.contains(text))
            }
        }
    }
}

/// Where the tutorial is performed.
trait Stage {
    /// The app's address.
    fn address(&self) -> io::Result<std::net::SocketAddr>;
    /// Everything that was written so far.
    fn log(&self) -> String;
    /// What `ps aux` shows of the group.
    fn ps(&self) -> String;
    /// `kill -9 $(pgrep config-server)`
    fn kill_the_sidecar(&self);
    /// What a stop request is: Ctrl-C, `docker stop`.
    fn stop(&self);
    /// The exit code, once it has ended; nothing of it must be left then.
    fn code(&mut self) -> i32;
}

/// The tutorial.
fn perform(stage: &mut impl Stage, format: Format) {
    wait_for_config(stage);

    // It is healthy where the platform asks, not here alone.
    assert!(!stage.log().contains("would call it unhealthy"), "{}", stage.log());

    // Both processes, by their own names and no shell between.
    let shown = stage.ps();
    for program in ["./config-server", "./sidecar-dependent-app"] {
        let rows = shown.lines().filter(|row| row.trim_end().ends_with(program));
        assert_eq!(rows.count(), 1, "{program}\n{shown}");
    }

    // A refresh shows a line of each, under its label.
    let lines = |log: &str| {
        let of = |member, text| log.lines().filter(|line| format.is(line, member, text)).count();
        [of("web", "app: asking the config server"), of("config-server", "config-server: request")]
    };
    let before = lines(&stage.log());
    assert!(config(stage).is_some(), "{}", stage.log());
    wait_until(stage, "a line of each", |log| {
        lines(log).iter().zip(before).all(|(now, before)| *now > before)
    });

    stage.kill_the_sidecar();

    let crash = format!("crash 1 ({DESCRIPTION}); recreating at once");
    wait_until(stage, "the crash line", |log| {
        log.lines().any(|line| format.is(line, "fateshare", &crash))
    });
    let log = stage.log();
    let says = |text: &str| log.lines().any(|line| format.is(line, "fateshare", text));
    assert!(says("config-server (pid "), "{log}");
    assert!(says(") was killed by SIGKILL, not by fateshare; stopping web"), "{log}");
    assert!(says(&format!("Cloud Foundry would say: {DESCRIPTION}")), "{log}");
    if format == Format::CloudFoundry {
        let record = format!("\"reason\"=>\"CRASHED\", \"exit_description\"=>\"{DESCRIPTION}\"");
        let api = |line: &str| line.contains("[API/0] OUT App instance exited with guid ");
        assert!(log.lines().any(|line| api(line) && line.contains(&record)), "{log}");
    }

    // The container is back, and answers.
    let again = |log: &str| log.matches("app: listening on port").count() == 2;
    wait_until(stage, "the app again", again);
    wait_for_config(stage);

    stage.stop();
    assert_eq!(stage.code(), 0, "{}", stage.log());
    assert_eq!(stage.log().matches("crash ").count(), 1, "{}", stage.log());
}

/// What `/config` answers, if it does.
fn config(stage: &impl Stage) -> Option<String> {
    let ask = || -> io::Result<String> {
        let mut app = TcpStream::connect_timeout(&stage.address()?, Duration::from_secs(1))?;
        app.set_read_timeout(Some(Duration::from_secs(5)))?;
        app.write_all(b"GET /config HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        app.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().ok().filter(|answer| CONFIG.iter().all(|part| answer.contains(part)))
}

#[track_caller]
fn wait_for_config(stage: &impl Stage) {
    wait_until(stage, "/config", |_| config(stage).is_some());
}

#[track_caller]
fn wait_until(stage: &impl Stage, what: &str, done: impl Fn(&str) -> bool) {
    let end = Instant::now() + LIMIT;
    while !done(&stage.log()) {
        assert!(Instant::now() < end, "waited {LIMIT:?} for {what}:\n{}", stage.log());
        thread::sleep(Duration::from_millis(20));
    }
}

/// The tutorial's second manifest, with other ports.
fn manifest(folder: &str, config_port: u16) -> String {
    let mut text = include_str!("../../examples/sidecar-dependent-app/manifest.yml")
        .replace("../../target/debug/examples", folder)
        .replace("8082", &config_port.to_string());
    let _ = writeln!(text);
    text
}
