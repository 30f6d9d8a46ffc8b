//! A running group, seen from outside, and what is left of one that has ended.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Group, LIMIT, Running, fateshare, poll};

mod clients;
mod picture;
mod places;
mod probes;
mod report;
mod status;

/// Where these groups are asked.
const SOCKET: &str = "group.sock";

/// The group can be asked at [`SOCKET`] in its directory.
fn asked(group: Group) -> Group {
    let socket = socket(group.dir());
    group.env("FATESHARE_SOCKET", socket.to_str().expect("a UTF-8 path"))
}

fn socket(dir: &Path) -> PathBuf {
    dir.join(SOCKET)
}

/// What a program said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// `fateshare ARGS...` in an empty environment.
fn run(args: &[&str]) -> Said {
    said(Command::new(fateshare()).args(args).env_clear())
}

fn said(command: &mut Command) -> Said {
    let output = command.stdin(Stdio::null()).output().expect("it can be run");
    Said {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// `fateshare COMMAND --socket ...` about this group.
fn about(group: &Running, args: &[&str]) -> Said {
    let socket = socket(group.dir());
    let named = ["--socket", socket.to_str().expect("a UTF-8 path")];
    run(&[args, &named].concat())
}

/// A connection to a group.
fn connect(group: &Running) -> UnixStream {
    let stream = UnixStream::connect(socket(group.dir())).expect("it listens");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    stream
}

/// The head and the body of the answer to a GET.
fn get(group: &Running, path: &str) -> (String, String) {
    answer(connect(group), path)
}

fn answer(mut stream: impl Read + Write, path: &str) -> (String, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: fateshare\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the request is taken");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

/// `/v1/status`.
fn status(group: &Running) -> Value {
    let (head, body) = get(group, "/v1/status");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    serde_json::from_str(&body).expect("JSON")
}

/// The same while the group may only just begin to listen, or not listen any more.
fn try_status(group: &Running) -> Option<Value> {
    let mut stream = UnixStream::connect(socket(group.dir())).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    stream.write_all(b"GET /v1/status HTTP/1.1\r\nHost: fateshare\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
}

/// Waits until the status says so.
#[track_caller]
fn wait_status(group: &mut Running, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    group.until(what, |group| try_status(group).filter(|status| is(status)))
}

/// Waits until the group runs and listens, and its fixture programs are ready for signals.
#[track_caller]
fn wait_running(group: &mut Running) -> Value {
    let status = wait_status(group, "it runs", |status| status["state"] == "running");
    for member in status["members"].as_array().expect("members") {
        let is_fixture = member["command"].as_str().is_some_and(|it| it.contains("/fixture "));
        if is_fixture && !member["name"].as_str().is_some_and(|name| name.contains('"')) {
            group.wait_started(&[member["name"].as_str().expect("a name")]);
        }
    }
    // Once more: just after the start a process has no memory yet.
    wait_status(group, "it runs", |status| status["state"] == "running")
}

/// A report, once it is there.
fn report(path: &Path, is: impl Fn(&Value) -> bool) -> Value {
    let found = poll(LIMIT, || {
        let text = std::fs::read_to_string(path).ok()?;
        serde_json::from_str::<Value>(&text).ok().filter(|report| is(report))
    });
    found.unwrap_or_else(|| {
        panic!("no such report: {}", std::fs::read_to_string(path).unwrap_or_default())
    })
}

/// A moment in which nothing is expected to happen.
const MOMENT: Duration = Duration::from_millis(100);
