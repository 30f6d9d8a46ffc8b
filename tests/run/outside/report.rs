//! The report and the termination message: whole, in time, and no reason to end differently.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::report;
use crate::support::host::{can_make_calls_fail, can_mount};
use crate::support::{Group, Mode, Running, in_both_modes};

in_both_modes![
    the_report_has_everything,
    both_are_there_before_sigkill,
    the_termination_message_keeps_its_file,
    without_its_file_there_is_no_message,
    a_file_that_is_there_in_time_gets_the_message,
    the_usual_file_gets_the_message_if_it_is_there,
    a_report_that_cannot_be_written_changes_nothing,
    a_report_through_a_link_leaves_the_link,
    members_inherit_none_of_this,
    what_was_lost_is_in_the_report,
];

fn pair(mode: Mode) -> Group {
    Group::new(mode)
        .main("web", "exit-on=TERM:0 wait")
        .sidecar("config-server", "wait")
        .arguments(&["--report", "report.json"])
}

fn the_report_has_everything(mode: Mode) {
    let mut group = pair(mode)
        .main("web", "child [ daemon session take=TERM wait ] take=USR1 exit-on=TERM:0 wait")
        .key("memory: 64M")
        .top("grace_period: 3s")
        .start();
    group.wait_started(&["web", "daemon", "config-server"]);
    group.signal(Signal::SIGUSR1);
    group.wait_for("web: got SIGUSR1");
    group.signal_member("config-server", Signal::SIGKILL);
    let path = group.dir().join("report.json");
    let report = report(&path, |report| report["is_final"] == true);
    let ended = group.end();
    ended.code(137);
    assert_eq!(report["form"], "fateshare-report/1");
    assert_eq!(report["exit_code"], 137);
    assert_eq!(
        report["environment"]["role"],
        if mode == Mode::Pid1 { "init" } else { "subreaper" }
    );
    assert_eq!(report["environment"]["log_format"], "raw");
    assert!(report["environment"]["kernel"].as_str().is_some_and(|it| it.contains('.')));
    assert_eq!(report["spec"]["source"], "group.yml");
    assert_eq!(report["verdict"]["culprit"], "config-server");
    let verdict = report["verdict"]["message"].as_str().expect("a line");
    assert!(ended.stderr.contains(verdict), "{verdict}\n{ended}");
    let summary = report["summary"].as_str().expect("a line");
    assert!(ended.stderr.contains(summary), "{summary}\n{ended}");
    let [web, config] = [&report["members"][0], &report["members"][1]];
    assert_eq!(web["ended"]["status"], json!({"exit_code": 0}));
    assert_eq!(web["told"]["signal"], "SIGTERM");
    assert_eq!(config["ended"]["status"], json!({"signal": "SIGKILL"}));
    assert_eq!(config["ended"]["meaning"], "culprit");
    for member in [web, config] {
        assert!(member["used"]["peak_resident_bytes"].as_u64() > Some(100_000), "{member}");
        assert!(member["started_ms"].as_f64() > Some(0.0), "{member}");
    }
    assert_eq!(report["signals"][0]["signal"], "SIGUSR1");
    let sender = if mode == Mode::Pid1 { "outside" } else { "process" };
    assert_eq!(report["signals"][0]["sender"]["kind"], sender);
    let events = report["events"].as_array().expect("events");
    let times: Vec<f64> = events.iter().filter_map(|event| event["at_ms"].as_f64()).collect();
    assert!(times.len() == events.len() && times.is_sorted(), "{times:?}");
    // What main has left takes no stop signal: it is named, told, and had to be killed.
    let straggler = &report["stragglers"][0];
    assert_eq!(straggler["name"], "fixture");
    assert_eq!(
        (&straggler["told"]["signal"], &straggler["forced"]),
        (&json!("SIGTERM"), &json!(true))
    );
    assert_eq!(report["stragglers"].as_array().map(Vec::len), Some(1));
    schema_accepts(&report);
}

/// The keys of every object are those of the published schema, no more and no fewer, and of its types.
fn schema_accepts(report: &Value) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/report.schema.json");
    let schema: Value =
        serde_json::from_str(&fs::read_to_string(path).expect("the schema")).expect("JSON");
    check(&schema, &schema, report, "report");
}

/// As much of JSON Schema as the schema uses.
fn check(root: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/definitions/").expect("a definition");
        return check(root, &root["definitions"][name], value, place);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let null = choices.iter().any(|choice| choice["type"] == "null");
        if value.is_null() && null {
            return;
        }
        let other = choices.iter().find(|choice| choice["type"] != "null").expect("a choice");
        return check(root, other, value, place);
    }
    if let Some(choices) = schema["enum"].as_array() {
        assert!(choices.contains(value), "{place}: {value} is none of {choices:?}");
        return;
    }
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{place}: the schema has the type {other}"),
    };
    let kinds = match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        Value::Null => return,
        other => panic!("{place}: {other}"),
    };
    assert!(kinds.iter().any(|kind| is(kind)), "{place}: {value} is none of {kinds:?}");
    if let Some(object) = value.as_object() {
        let properties = schema["properties"].as_object().expect("its properties");
        for required in schema["required"].as_array().into_iter().flatten() {
            let key = required.as_str().expect("a key");
            assert!(object.contains_key(key), "{place}: no {key}");
        }
        for (key, value) in object {
            match properties.get(key) {
                Some(schema) => check(root, schema, value, &format!("{place}.{key}")),
                None => assert_ne!(schema["additionalProperties"], false, "{place}: {key} is new"),
            }
        }
    }
    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
        check(root, &schema["items"], item, &format!("{place}[{at}]"));
    }
}

fn both_are_there_before_sigkill(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    // SIGKILL does nothing: what is written before it can be looked at for half a second.
    let mut group = pair(mode)
        .main("web", "take=TERM wait")
        .top("grace_period: 100ms")
        .file("message", "")
        .arguments(&["--termination-log", "message"])
        .failing("kill_child:pretend,kill_all:pretend")
        .start();
    group.wait_started(&["web", "config-server"]);
    let (path, message) = (group.dir().join("report.json"), group.dir().join("message"));
    let pid = group.pid("web");
    group.signal_member("config-server", Signal::SIGKILL);
    let before = report(&path, |report| report["is_final"] == false);
    let text = fs::read_to_string(&message).expect("the message");
    assert!(before["exit_code"].is_null() && before["members"][0]["forced"] == true, "{before}");
    assert!(text.contains("was killed by SIGKILL, not by fateshare; stopping web\n"), "{text}");
    assert!(text.ends_with("\nnot over yet: sending SIGKILL\n"), "{text}");
    schema_accepts(&before);
    let after = report(&path, |report| report["is_final"] == true);
    let text = fs::read_to_string(&message).expect("the message");
    assert_eq!(after["members"][0]["left"], true, "{after}");
    assert!(text.contains("could not kill web: left to the kernel; exit 137\n"), "{text}");
    if mode == Mode::Ordinary {
        // As PID 1 the kernel ends it with us.
        crate::support::running::send(pid, Signal::SIGKILL as i32);
    }
    group.end_killed();
}

fn the_termination_message_keeps_its_file(mode: Mode) {
    let group = pair(mode).file("message", &"old ".repeat(2_000));
    let mut group = group.env("FATESHARE_TERMINATION_LOG", "message").start();
    let path = group.dir().join("message");
    let before = fs::metadata(&path).expect("the file").ino();
    group.wait_started(&["web", "config-server"]);
    group.signal_member("config-server", Signal::SIGKILL);
    let text = ends_with_the_code(&mut group, &path);
    let after = fs::metadata(&path).expect("the file").ino();
    group.end().code(137);
    assert!(text.starts_with("config-server (pid ") && !text.contains("old"), "{text}");
    assert_eq!(before, after, "it is a mount's: it must stay the same file");
}

fn without_its_file_there_is_no_message(mode: Mode) {
    let mut group = pair(mode).env("FATESHARE_TERMINATION_LOG", "message").start();
    group.wait_started(&["web", "config-server"]);
    let path = group.dir().join("message");
    group.signal(Signal::SIGTERM);
    super::report(&group.dir().join("report.json"), |report| report["is_final"] == true);
    assert!(!path.exists(), "it is a mount's, or nobody's");
    group.end().code(0).says(&["--termination-log: message is no regular file which is there"]);
}

fn a_file_that_is_there_in_time_gets_the_message(mode: Mode) {
    let mut group = pair(mode).arguments(&["--termination-log", "message"]).start();
    let path = group.dir().join("message");
    group.wait_started(&["web", "config-server"]);
    fs::write(&path, "").expect("a file");
    group.signal_member("config-server", Signal::SIGKILL);
    ends_with_the_code(&mut group, &path);
    group.end().code(137).says(&["nothing is written unless it is one at the end"]);
}

fn the_usual_file_gets_the_message_if_it_is_there(mode: Mode) {
    if !can_mount() {
        return;
    }
    // Kubernetes mounts it. Nothing may be made in the machine's own /dev.
    let group = pair(mode).file("message", "");
    fs::create_dir(group.dir().join("dev")).expect("a directory");
    let mounts = "mount -t tmpfs none dev && touch dev/null dev/termination-log && \
                  mount --bind /dev/null dev/null && mount --bind message dev/termination-log && \
                  { [ ! -d /dev/shm ] || { mkdir dev/shm && mount --bind /dev/shm dev/shm; }; } && \
                  mount --rbind dev /dev";
    let mut group = group.own_mounts(mounts).start();
    let path = group.dir().join("message");
    group.wait_started(&["web", "config-server"]);
    group.signal_member("config-server", Signal::SIGKILL);
    ends_with_the_code(&mut group, &path);
    group.end().code(137).silent_about("termination");
}

/// Waits until the message is all there.
fn ends_with_the_code(group: &mut Running, path: &Path) -> String {
    group.until("the message", |_| {
        let text = fs::read_to_string(path).expect("the file");
        text.ends_with("; exit 137\n").then_some(text)
    })
}

fn a_report_that_cannot_be_written_changes_nothing(mode: Mode) {
    let full = Group::new(mode).main("web", "exit=3").arguments(&["--report", "/dev/full"]);
    let full = full.start().end();
    full.code(3).says(&["cannot write the report to /dev/full: No space left on device"]);

    if can_make_calls_fail() {
        let group = Group::new(mode).main("web", "exit=3").arguments(&["--report", "report.json"]);
        let ended = group.failing("create_beside:30,write_in_place:28").start().end();
        ended.code(3).says(&["cannot write the report to report.json: No space left on device"]);
    }
    if can_make_calls_fail() {
        // On a full disk an old one is better than a part of a new one.
        let group = Group::new(mode).main("web", "until=go exit=3").file("report.json", "old");
        let group = group.arguments(&["--report", "report.json"]).failing("write_beside:28");
        let mut group = group.start();
        let path = group.dir().join("report.json");
        fs::write(group.dir().join("go"), "").expect("a file");
        group.until("it is said", |group| group.stderr().contains("No space left").then_some(()));
        let kept = fs::read_to_string(&path).expect("the old one");
        let beside = fs::read_dir(group.dir()).expect("the directory").flatten();
        let hidden = beside.filter(|it| it.file_name().to_string_lossy().starts_with('.')).count();
        group.end().code(3);
        assert_eq!((kept.as_str(), hidden), ("old", 0));
    }
    if can_mount() {
        // A directory that may not be written, and in it a file that may.
        let group = Group::new(mode).main("web", "until=go exit=3");
        fs::create_dir(group.dir().join("place")).expect("a directory");
        let group = group.file("place/report.json", "").file("real", "");
        let group = group.arguments(&["--report", "place/report.json"]);
        let mounts = "mount --bind place place && mount -o remount,ro,bind place && \
                      mount --bind real place/report.json";
        let path = group.dir().join("real");
        let mut group = group.own_mounts(mounts).start();
        fs::write(group.dir().join("go"), "").expect("a file");
        let report = group.until("the report", |_| {
            fs::read_to_string(&path).ok().filter(|text| text.ends_with("}\n"))
        });
        group.end().code(3).silent_about("cannot write");
        assert!(report.contains("\"exit_code\": 3"), "{report}");
    }
}

fn a_report_through_a_link_leaves_the_link(mode: Mode) {
    let group = Group::new(mode).main("web", "exit=3").file("real", "old");
    std::os::unix::fs::symlink("real", group.dir().join("link")).expect("a link");
    let (real, link) = (group.dir().join("real"), group.dir().join("link"));
    let mut group = group.main("web", "until=go exit=3").arguments(&["--report", "link"]).start();
    fs::write(group.dir().join("go"), "").expect("a file");
    let report = group.until("the report", |_| {
        fs::read_to_string(&real).ok().filter(|text| text.ends_with("}\n"))
    });
    let is_link = link.is_symlink();
    group.end().code(3);
    assert!(is_link && report.contains("\"exit_code\": 3"), "{report}");
}

fn members_inherit_none_of_this(mode: Mode) {
    let group = Group::new(mode).main("web", crate::support::Argv(&["/usr/bin/env"]));
    let group = group.env("FATESHARE_REPORT", "report.json").env("FATESHARE_LISTEN", "127.0.0.1:0");
    let ended = group.env("FATESHARE_TERMINATION_LOG", "none").start().end();
    ended.code(0);
    assert!(!ended.stdout.contains("FATESHARE"), "{}", ended.stdout);
}

fn what_was_lost_is_in_the_report(mode: Mode) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let group = Group::new(mode).main("web", "print=hello print=hello exit=3");
    let group = group.env("FATESHARE_LOG_FORMAT", "text").arguments(&["--report", "report.json"]);
    let mut group = group.stdout(writer).start();
    let path = group.dir().join("report.json");
    let report = group.until("the report", |_| {
        let text = fs::read_to_string(&path).ok()?;
        let report: Value = serde_json::from_str(&text).ok()?;
        (report["logs"][0]["lost_lines"] == 2).then_some(report)
    });
    group.end().code(3);
    assert_eq!((&report["logs"][0]["member"], &report["is_final"]), (&json!("web"), &json!(true)));
}
