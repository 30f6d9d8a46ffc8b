//! What a running group says of itself: `/v1/status`, `/v1/events`, `ps` and `health`.

use std::io::{BufRead, BufReader, Write};
use std::thread;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{about, asked, connect, get, status, wait_running, wait_status};
use crate::support::ports::free_port;
use crate::support::{Group, Mode, Shell, in_both_modes};

in_both_modes![
    the_status_is_what_is_so,
    ps_shows_the_group_and_its_teardown,
    health_is_0_or_1,
    events_come_as_they_happen_until_the_end,
    only_what_is_there_can_be_asked_for,
    what_members_use_includes_their_children,
    a_command_shows_no_environment,
    the_latest_of_many_signals_are_kept,
];

fn pair(mode: Mode) -> Group {
    asked(Group::new(mode))
        .main("web", "exit-on=TERM:0 wait")
        .key("memory: 192M")
        .sidecar("config-server", "exit-on=TERM:0 wait")
}

fn the_status_is_what_is_so(mode: Mode) {
    let mut group = pair(mode).start();
    wait_running(&mut group);
    // What members use is looked at four times a second.
    let status = wait_status(&mut group, "they have memory", |status| {
        let of_each = status["members"].as_array().expect("members").iter();
        of_each.clone().all(|member| member["resident_bytes"].as_u64() > Some(100_000))
    });
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["spec"], "group.yml");
    assert_eq!((&status["healthy"], &status["ready"]), (&json!(true), &json!(true)));
    assert_eq!((&status["stopping"], &status["health_check"]), (&Value::Null, &Value::Null));
    assert_eq!(status["grace_period_ms"], json!(9000.0));
    let pid = if mode == Mode::Pid1 { 1 } else { group.fateshare() };
    assert_eq!(status["pid"], pid);
    for (at, (name, role)) in [("web", "main"), ("config-server", "sidecar")].iter().enumerate() {
        let member = &status["members"][at];
        assert_eq!((&member["name"], &member["role"]), (&json!(name), &json!(role)));
        assert_eq!(member["state"], "running");
        let pid = if mode == Mode::Pid1 { group.inner_pid(name) } else { group.pid(name) };
        assert_eq!(member["pid"], pid);
        assert_eq!(member["processes"], 1);
        assert!(member["command"].as_str().is_some_and(|it| it.contains("fixture")), "{member}");
    }
    assert_eq!(status["members"][0]["memory_bytes"], 192 << 20);
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}

fn ps_shows_the_group_and_its_teardown(mode: Mode) {
    let mut group = pair(mode).sidecar("slow", "take=TERM until=go exit=0").start();
    group.wait_started(&["web", "config-server", "slow"]);
    wait_running(&mut group);
    let shown = about(&group, &["ps"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{}", shown.stdout);
    assert!(lines[0].starts_with("running "), "{}", lines[0]);
    assert!(lines[0].ends_with("s · healthy · ready · grace 9s · group.yml"), "{}", lines[0]);
    let head: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(head, ["NAME", "PID", "STATE", "CHECK", "UP", "CPU", "MEM", "COMMAND"]);
    for (line, name) in lines[2..].iter().zip(["web", "config-server", "slow"]) {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let pid = if mode == Mode::Pid1 { group.inner_pid(name) } else { group.pid(name) };
        assert_eq!(cells[..4], [name, &pid.to_string(), "running", "pid"], "{line}");
        assert!(cells[5].ends_with('%') && cells[7].ends_with("fixture"), "{line}");
    }
    assert!(lines[2].contains("/192M "), "{}", lines[2]);

    let objects = about(&group, &["ps", "--json"]).stdout;
    let objects: Value = serde_json::from_str(&objects).expect("JSON");
    assert_eq!(objects[0]["members"][2]["name"], "slow");
    assert!(objects[0]["socket"].as_str().is_some_and(|it| it.ends_with("/group.sock")));

    group.signal_member("config-server", Signal::SIGKILL);
    wait_status(&mut group, "two have ended", |status| {
        status["members"][0]["state"] == "ended" && status["members"][2]["state"] == "stopping"
    });
    let shown = about(&group, &["ps"]).stdout;
    let head = shown.lines().next().expect("a line");
    assert!(head.starts_with("stopping ") && head.contains("s, "), "{head}");
    assert!(head.ends_with("s left: config-server was killed by SIGKILL"), "{head}");
    assert!(shown.contains("ended (exit 0)") && shown.contains("ended (SIGKILL)"), "{shown}");
    assert_eq!(
        about(&group, &["health"]).stdout,
        "stopping: config-server was killed by SIGKILL\n"
    );
    std::fs::write(group.dir().join("go"), "").expect("a file");
    group.end().code(137);
}

fn health_is_0_or_1(mode: Mode) {
    let (port, ready) = (free_port(), free_port());
    let mut group = asked(Group::new(mode))
        .main(
            "web",
            &*format!("exit-on=TERM:0 until=go listen={port} until=ready listen={ready} wait"),
        )
        .key(&format!("health_check: {{type: port, port: {port}}}"))
        .key(&format!("readiness_check: {{type: port, port: {ready}}}"))
        .start();
    wait_running(&mut group);
    for option in [&["health"][..], &["health", "--ready"]] {
        let said = about(&group, option);
        let shown = "not healthy: its health check has not passed yet\n";
        assert_eq!((said.code, said.stdout.as_str()), (Some(1), shown), "{}", said.stderr);
    }
    std::fs::write(group.dir().join("go"), "").expect("a file");
    wait_status(&mut group, "it is healthy", |status| status["healthy"] == true);
    let said = about(&group, &["health"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), "healthy\n"));
    let said = about(&group, &["health", "--ready"]);
    let shown = "not ready: its readiness check has not passed yet\n";
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), shown));
    let check = status(&group)["health_check"].clone();
    assert_eq!((&check["state"], &check["passed"]), (&json!("passes"), &json!(true)), "{check}");
    let shown = about(&group, &["ps"]).stdout;
    assert!(shown.contains("port ok ") && shown.contains("s ago"), "{check}\n{shown}");
    std::fs::write(group.dir().join("ready"), "").expect("a file");
    wait_status(&mut group, "it is ready", |status| status["ready"] == true);
    assert_eq!(about(&group, &["health", "--ready"]).code, Some(0));
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}

fn events_come_as_they_happen_until_the_end(mode: Mode) {
    let mut group = pair(mode).start();
    wait_running(&mut group);
    // One from the beginning, and one from the third event on. Both have had that before it goes on.
    let readers = ["/v1/events", "/v1/events?since=1"].map(|path| {
        let mut stream = connect(&group);
        let request = format!("GET {path} HTTP/1.1\r\nHost: fateshare\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the request is taken");
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let mut events = Vec::new();
        while !events.iter().any(|event: &Value| event["type"] == "running") {
            let line = lines.next().expect("it goes on");
            events.extend(line.starts_with('{').then(|| event(&line)));
        }
        thread::spawn(move || {
            events.extend(lines.filter(|line| line.starts_with('{')).map(|line| event(&line)));
            events
        })
    });
    group.signal_member("config-server", Signal::SIGKILL);
    group.end().code(137);
    let [events, behind] = readers.map(|it| it.join().expect("the reader ends with the group"));
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    let expected = ["started", "started", "running", "ended", "verdict", "told", "ended", "over"];
    assert_eq!(kinds, expected, "{events:#?}");
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], at);
        assert!(event["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{event}");
    }
    assert_eq!(events[4]["culprit"], "config-server");
    assert_eq!(events[7]["exit_code"], 137);
    assert_eq!(behind, events[2..]);
}

fn event(line: &str) -> Value {
    serde_json::from_str(line).expect("JSON")
}

fn only_what_is_there_can_be_asked_for(mode: Mode) {
    let mut group = pair(mode).start();
    wait_running(&mut group);
    let (head, body) = get(&group, "/v2");
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    assert_eq!(body, "try /v1/status, /v1/events or /metrics\n");
    for query in ["?since=x", "?since=-1", "?other=1"] {
        let (head, _) = get(&group, &format!("/v1/events{query}"));
        assert!(head.starts_with("HTTP/1.1 400 "), "{query}: {head}");
    }
    let mut stream = connect(&group);
    stream
        .write_all(b"POST /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        .expect("the request is taken");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("an answer");
    assert_eq!(line, "HTTP/1.1 405 Method Not Allowed\r\n");
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}

fn what_members_use_includes_their_children(mode: Mode) {
    let mut group = asked(Group::new(mode))
        .main("web", "exit-on=TERM:0 child [ one exit-on=TERM:0 wait ] child [ two exit-on=TERM:0 wait ] wait")
        .start();
    group.wait_started(&["web", "one", "two"]);
    let status = wait_status(&mut group, "it has three processes", |status| {
        status["members"][0]["processes"] == 3
    });
    assert!(status["members"][0]["resident_bytes"].as_u64() > Some(1_000_000), "{status}");
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}

fn a_command_shows_no_environment(mode: Mode) {
    let mut group = asked(Group::new(mode))
        .main("web", Shell("exec sleep 60"))
        .key("env: {PASSWORD: hunter2}")
        .arguments(&["--report", "report.json"])
        .start();
    wait_running(&mut group);
    let (_, text) = get(&group, "/v1/status");
    assert!(text.contains("sleep 60") && !text.contains("hunter2"), "{text}");
    let path = group.dir().join("report.json");
    group.signal(Signal::SIGTERM);
    let report = super::report(&path, |report| report["is_final"] == true).to_string();
    assert!(report.contains("sleep 60") && !report.contains("hunter2"), "{report}");
    group.end().code(143);
}

/// The first and the latest of what may happen all year; a reader that listens gets everything.
fn the_latest_of_many_signals_are_kept(mode: Mode) {
    let mut group = asked(Group::new(mode)).main("web", "count=USR1 exit-on=TERM:0 wait");
    group = group.arguments(&["--report", "report.json"]);
    let mut group = group.start();
    wait_running(&mut group);
    let mut events = 0;
    while events < 1_300 {
        group.signal(Signal::SIGUSR1);
        events = status(&group)["events"].as_u64().expect("a number");
    }
    let path = group.dir().join("report.json");
    group.signal(Signal::SIGTERM);
    let report = super::report(&path, |report| report["is_final"] == true);
    group.end().code(0);
    let listed = report["events"].as_array().expect("events");
    let left_out = report["events_left_out"].as_u64().expect("a number");
    assert!(left_out > 200 && listed.len() < 1_100, "{left_out} of {}", listed.len());
    let numbers: Vec<u64> = listed.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert!(numbers.is_sorted() && numbers[0] == 0);
    assert_eq!(numbers.last().copied(), Some(listed.len() as u64 + left_out - 1));
    // The stop request is the last signal of all.
    let signals = report["signals"].as_array().expect("signals");
    assert_eq!(signals.last().expect("one")["signal"], "SIGTERM");
}
