//! The timeline: on a terminal after a crash, and from a report.

use std::fs;

use nix::sys::signal::Signal;

use super::{Said, run};
use crate::support::{Group, Mode, Terminal};

fn pair() -> Group {
    Group::new(Mode::Ordinary)
        .main("web", "exit-on=TERM:0 wait")
        .sidecar("config-server", "wait")
        .arguments(&["--report", "report.json"])
}

/// What a terminal shows of a crash.
fn crash(group: Group) -> (String, Option<Said>) {
    let terminal = Terminal::new();
    let mut group = group.on(&terminal).start();
    group.wait_started(&["web", "config-server"]);
    // Whoever is started last has a bar to be seen, however long the start has taken.
    std::thread::sleep(std::time::Duration::from_millis(300));
    group.signal_member("config-server", Signal::SIGKILL);
    let path = group.dir().join("report.json");
    let drawn = path.exists().then(|| run(&["timeline", path.to_str().expect("a path")]));
    group.end_killed().code(137);
    (terminal.all_shown(), drawn)
}

#[test]
fn a_crash_is_drawn_on_a_terminal() {
    let (shown, _) = crash(pair().env("LANG", "C.UTF-8"));
    let (_, picture) = shown.split_once("exit 137\n\n").unwrap_or_else(|| panic!("{shown}"));
    let lines: Vec<&str> = picture.lines().collect();
    assert!(lines[0].starts_with("  config-server "), "{shown}");
    assert!(lines[0].contains("━✗ SIGKILL") && lines[0].ends_with(" ended first"), "{shown}");
    assert!(lines[1].starts_with("  web           "), "{shown}");
    assert!(lines[1].contains("┿") && lines[1].contains("● exit 0"), "{shown}");
    assert!(lines[1].contains("  SIGTERM +"), "{shown}");
    assert!(lines[2].contains(" │ ") && lines[2].contains('+'), "{shown}");
}

#[test]
fn without_utf_8_it_is_ascii() {
    let (shown, _) = crash(pair().env("LANG", "C"));
    let (_, picture) = shown.split_once("exit 137\n\n").unwrap_or_else(|| panic!("{shown}"));
    assert!(picture.is_ascii() && picture.contains("=x SIGKILL"), "{shown}");
}

#[test]
fn what_is_no_crash_is_not_drawn_and_nothing_where_nobody_looks() {
    let terminal = Terminal::new();
    let mut group = pair().on(&terminal).start();
    group.wait_started(&["web", "config-server"]);
    group.signal(Signal::SIGTERM);
    group.end_killed().code(0);
    let shown = terminal.all_shown();
    assert!(!shown.contains("SIGTERM +"), "{shown}");

    for (format, drawn) in [("json", false), ("cf", false), ("text", true)] {
        let (shown, _) = crash(pair().arguments(&["--log-format", format]));
        assert_eq!(shown.contains("SIGTERM +"), drawn, "{format}: {shown}");
    }
    let (shown, _) = crash(pair().env("FATESHARE_LOG", "off"));
    assert!(!shown.contains("SIGTERM +"), "{shown}");

    let mut group = pair().start();
    group.wait_started(&["web", "config-server"]);
    group.signal_member("config-server", Signal::SIGKILL);
    group.end().code(137).silent_about("SIGTERM +");
}

#[test]
fn a_report_is_drawn_again() {
    let mut group = pair().start();
    group.wait_started(&["web", "config-server"]);
    group.signal_member("config-server", Signal::SIGKILL);
    let path = group.dir().join("report.json");
    super::report(&path, |report| report["is_final"] == true);
    let drawn = run(&["timeline", path.to_str().expect("a path")]);
    group.end().code(137);
    assert_eq!(drawn.code, Some(0), "{}", drawn.stderr);
    assert!(drawn.stdout.starts_with("config-server (pid "), "{}", drawn.stdout);
    assert!(drawn.stdout.contains("\n  config-server "), "{}", drawn.stdout);
    assert!(drawn.stdout.ends_with("; exit 137\n"), "{}", drawn.stdout);
}

#[test]
fn what_is_no_report_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, text, expected) in [
        ("missing", None, "missing: No such file or directory"),
        ("empty", Some(""), "empty: is no report of fateshare run --report: EOF"),
        ("yaml", Some("main: {}"), "yaml: is no report of fateshare run --report: expected value"),
        (
            "other",
            Some("{\"form\": 1}"),
            "other: is no report of fateshare run --report: invalid type",
        ),
    ] {
        let path = dir.path().join(name);
        if let Some(text) = text {
            fs::write(&path, text).expect("a file");
        }
        let said = run(&["timeline", path.to_str().expect("a path")]);
        assert_eq!(said.code, Some(125), "{name}");
        assert!(said.stderr.contains(expected), "{name}: {}", said.stderr);
    }
}
