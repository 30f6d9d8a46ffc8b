//! Reports to make pages of: kept ones, and one with everything, larger and worse.

use std::path::Path;

use fateshare::report::document::Report;
use serde_json::{Value, json};

/// What becomes markup, code or another direction where it is not taken as text.
pub(crate) const EVIL: &str = "<script>document.title='ran'</script>\"'><img src=x onerror=\"document.title='ran'\">&amp;\u{202e}\u{1b}[31m\u{0}";

/// The report of an ending that `tests/one_story.rs` keeps.
pub(crate) fn kept(name: &str) -> Report {
    serde_json::from_value(value(name)).expect("a report")
}

/// The names of all those.
pub(crate) fn all_kept() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/one_story");
    let entries = std::fs::read_dir(folder).expect("the endings");
    let names = entries.map(|entry| {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        name.trim_end_matches(".txt").to_owned()
    });
    names.collect()
}

fn value(name: &str) -> Value {
    let file = format!("tests/one_story/{name}.txt");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(path).expect("a kept ending");
    let (_, report) = text.split_once("--- report\n").expect("its report");
    serde_json::from_str(report).expect("JSON")
}

/// One with something in every table.
fn full_value() -> Value {
    let mut report = value("a_straggler_has_to_be_killed");
    let members = report["members"].as_array_mut().expect("members");
    members[0]["command"] =
        json!("bundle exec rackup config.ru -p 8080 --host 0.0.0.0 --env production");
    members[1]["used"] =
        json!({"user_ms": 12.1, "system_ms": 4.1, "peak_resident_bytes": 4_400_000});
    let mut monitor = members[0].clone();
    monitor["name"] = json!("performance monitor");
    monitor["role"] = json!("sidecar");
    monitor["command"] = json!("/opt/agent/bin/agent --config /etc/agent/agent.yml --forward");
    monitor["working_dir"] = json!("/opt/agent");
    monitor["user"] = json!("agent");
    monitor["stop"] = json!("after_main");
    monitor["told"] = json!({"signal": "SIGTERM", "at_ms": 10_200.0});
    monitor["forced"] = json!(true);
    monitor["ended"] = json!({
        "at_ms": 19_003.0, "status": {"signal": "SIGKILL"}, "meaning": "forced", "out_of_memory": false
    });
    let mut migrate = members[1].clone();
    migrate["name"] = json!("migrate");
    migrate["may_finish"] = json!(true);
    migrate["ended"] = json!({
        "at_ms": 2_400.0, "status": {"exit_code": 0}, "meaning": "finished", "out_of_memory": false
    });
    members.extend([monitor, migrate]);
    report["environment"]["kernel"] = json!("6.1.0-28-amd64");
    report["environment"]["host"] = json!("shop-7d9f8b6c5-x2kqp");
    report["signals"] = json!([
        {"at_ms": 5_000.0, "signal": "SIGUSR1",
         "sender": {"kind": "process", "pid": 9, "uid": 0, "name": "bash"}},
        {"at_ms": 5_200.0, "signal": "SIGHUP", "sender": {"kind": "outside"}},
    ]);
    let mut lossy = report["logs"][0].clone();
    lossy["stream"] = json!("stderr");
    lossy["lost_lines"] = json!(3);
    lossy["lost_bytes"] = json!(411);
    report["logs"].as_array_mut().expect("logs").push(lossy);
    report["messages_dropped"] = json!(2);
    report
}

/// One with something in every table.
pub(crate) fn full() -> Report {
    serde_json::from_value(full_value()).expect("a report")
}

/// The same, of which every text is [`EVIL`] too and the numbers are absurd.
pub(crate) fn hostile() -> Report {
    fn spoil(value: &mut Value) {
        match value {
            Value::String(text) => text.push_str(EVIL),
            Value::Array(list) => list.iter_mut().for_each(spoil),
            Value::Object(map) => map.values_mut().for_each(spoil),
            _ => {}
        }
    }
    let mut report = full_value();
    spoil(&mut report);
    report["verdict"]["at_ms"] = json!(1e300);
    report["over_ms"] = json!(-5.0);
    report["spec"]["grace_period_ms"] = json!(1e308);
    report["members"][0]["started_ms"] = json!(-1e300);
    report["members"][0]["used"]["peak_resident_bytes"] = json!(u64::MAX);
    report["logs"][0]["lines"] = json!(u64::MAX);
    report["members"][1]["name"] = json!("x".repeat(5_000));
    serde_json::from_value(report).expect("a report")
}

/// A thousand members more, a hundred thousand events, two thousand signals.
pub(crate) fn large() -> Report {
    let mut report = full();
    let member = report.members[3].clone();
    for number in 0..1_000 {
        report.members.push(fateshare::report::document::MemberRow {
            name: format!("worker {number}"),
            ..member.clone()
        });
    }
    let (signal, event) = (report.signals[0].clone(), report.events[2].clone());
    report.signals = vec![signal; 2_000];
    report.events.splice(3..3, vec![event; 100_000]);
    report
}

/// One that was written when SIGKILL was due.
pub(crate) fn provisional() -> Report {
    let mut report = full();
    report.is_final = false;
    (report.exit_code, report.summary, report.over_ms) = (None, None, None);
    report.events.pop();
    report.members[2].ended = None;
    report
}

/// One in which there is nothing.
pub(crate) fn empty() -> Report {
    let mut report = full();
    report.is_final = false;
    (report.verdict, report.exit_code, report.summary, report.over_ms) = (None, None, None, None);
    report.members.clear();
    report.stragglers.clear();
    report.signals.clear();
    report.logs.clear();
    report.events.clear();
    report
}
