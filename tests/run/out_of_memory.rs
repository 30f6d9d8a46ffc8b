//! Whom the kernel kills because memory is used up, on machines of all kinds: their control groups' files
//! are recorded, and the kernel's part is played. `tests/memory/` has the kernel of this machine.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fateshare::core::RECENTLY;
use nix::sys::signal::Signal;

use crate::support::cgroups::{HOST_PATH, HYBRID, KINDS, NAMESPACE, Recorded, VERSION_1};
use crate::support::host::can_make_calls_fail;
use crate::support::{Ended, Group, Mode, Running, in_both_modes};

in_both_modes![
    in_every_kind_of_control_group,
    a_child_is_probably_the_reason_for_137,
    all_at_once,
    a_kill_just_before_and_one_long_before,
    in_the_teardown,
    who_had_to_be_killed_was_not_killed_for_it,
    what_cannot_be_known_is_not_said,
];

const TRUE: &str = ") was killed by SIGKILL: out of memory; stopping ";
const TOGETHER: &str = ") was killed by SIGKILL: out of memory; at the same time ";
const FALSE: &str = ") was killed by SIGKILL, not by fateshare; stopping ";

fn group(mode: Mode, kind: &Recorded) -> Group {
    Group::new(mode)
        .main("web", "exit-on=TERM:0 wait")
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .sidecar("proxy", "exit-on=TERM:0 wait")
        .recorded(kind)
}

fn started(group: Group) -> Running {
    let mut group = group.start();
    group.wait_started(&["web", "config-server", "proxy"]);
    group
}

/// What the kernel does: it counts, and kills.
fn kill(mut group: Running, kind: &Recorded) -> Ended {
    kind.count(group.dir(), 1);
    group.signal_member("config-server", Signal::SIGKILL);
    group.end()
}

fn in_every_kind_of_control_group(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    for kind in KINDS {
        let kept = tempfile::tempdir().expect("a directory");
        let report = kept.path().join("report.json");
        let group = group(mode, kind).env("FATESHARE_LOG", "debug");
        let group = group.env("FATESHARE_REPORT", report.to_str().expect("a UTF-8 path"));
        let ended = kill(started(group), kind);
        ended.code(137).verdict(&["config-server (pid ", TRUE, "web, proxy"]);
        ended.says(&[&format!("kills for lack of memory are counted in {}", kind.at)]);
        let report = fs::read_to_string(report).expect("the report");
        assert!(report.contains("\"memory_limit_bytes\": 67108864"), "{report}");
    }
}

fn a_child_is_probably_the_reason_for_137(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    let kind = &VERSION_1;
    let group = Group::new(mode).main("web", "until=go exit=137").recorded(kind);
    let mut group = group.sidecar("config-server", "exit-on=TERM:0 wait").start();
    group.wait_started(&["web", "config-server"]);
    kind.count(group.dir(), 1);
    fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = group.end();
    ended.code(137).verdict(&[") exited with 137 (probably out of memory in a child); stopping "]);
}

/// `memory.oom.group`: who shares that, dies together.
fn all_at_once(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    let kind = &NAMESPACE;
    let mut group = started(group(mode, kind));
    let pids = ["web", "config-server", "proxy"].map(|name| group.pid(name));
    let fateshare = group.fateshare();
    group.signal(Signal::SIGSTOP);
    group.wait_state(fateshare, 'T');
    kind.count(group.dir(), 3);
    for (name, pid) in ["proxy", "config-server", "web"].iter().zip(pids.iter().rev()) {
        group.signal_member(name, Signal::SIGKILL);
        group.wait_state(*pid, 'Z');
    }
    group.signal(Signal::SIGCONT);
    let ended = group.end();
    for other in ["config-server", "proxy"] {
        ended.says(&["web (pid ", TOGETHER, other, " was killed by SIGKILL"]);
    }
    ended.code(137);
}

/// Something else has woken us in between: nobody of ours was killed then.
fn a_kill_just_before_and_one_long_before(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    for (kind, pause, said) in [
        (&HOST_PATH, Duration::from_millis(200), TRUE),
        (&HYBRID, RECENTLY + Duration::from_millis(200), FALSE),
    ] {
        let mut group = started(group(mode, kind).env("FATESHARE_LOG", "debug"));
        kind.count(group.dir(), 1);
        group.signal(Signal::SIGURG);
        group.until("the signal is forwarded", |group| {
            group.stderr().contains("forwarded SIGURG").then_some(())
        });
        let counted = Instant::now();
        sleep(pause);
        group.signal_member("config-server", Signal::SIGKILL);
        let ended = group.end();
        // A machine that is too busy proves nothing.
        if said == FALSE || ended.at - counted < RECENTLY {
            ended.code(137).verdict(&["config-server (pid ", said, "web, proxy"]);
        }
    }
}

fn in_the_teardown(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    let kind = &NAMESPACE;
    let group = group(mode, kind).env("FATESHARE_LOG", "info");
    let mut group = started(group.sidecar("slow", "take=TERM wait"));
    group.wait_started(&["slow"]);
    group.signal_member("web", Signal::SIGKILL);
    group.wait_for("slow: got SIGTERM");
    kind.count(group.dir(), 1);
    group.signal_member("slow", Signal::SIGKILL);
    let ended = group.end();
    ended.code(137).verdict(&["web (pid ", FALSE]);
    ended.says(&["slow (pid ", ") was killed by SIGKILL: out of memory"]);
}

fn who_had_to_be_killed_was_not_killed_for_it(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    let kind = &NAMESPACE;
    let group = group(mode, kind).env("FATESHARE_LOG", "info").top("grace_period: 500ms");
    let mut group = started(group.sidecar("slow", "take=TERM wait"));
    group.wait_started(&["slow"]);
    group.signal_member("web", Signal::SIGKILL);
    group.wait_for("slow: got SIGTERM");
    kind.count(group.dir(), 1);
    let ended = group.end();
    ended.code(137).silent_about("out of memory");
    ended.says(&["slow (pid ", ") was killed by SIGKILL after fateshare had sent SIGKILL"]);
}

/// Neither is it a reason to end.
fn what_cannot_be_known_is_not_said(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    let kind = &NAMESPACE;
    for rules in ["read_cgroup:2", "read_mountinfo:13", "open_oom_kills:24", "read_oom_kills:5"] {
        let ended = kill(started(group(mode, kind).failing(rules)), kind);
        ended.code(137).verdict(&["config-server (pid ", FALSE, "web, proxy"]);
        assert!(!ended.failed.is_empty(), "{rules}\n{ended}");
    }
    // The root group's files, and those of an old kernel.
    for (removed, text) in [(true, ""), (false, "oom_kill_disable 0\nunder_oom 0\n")] {
        let group = group(mode, kind);
        let file = kind.file(group.dir());
        if removed {
            fs::remove_file(&file).expect("the file is removed");
        } else {
            fs::write(&file, text).expect("the file is written");
        }
        let ended = kill(started(group), kind);
        ended.code(137).verdict(&["config-server (pid ", FALSE, "web, proxy"]);
    }
    let ended = kill(started(group(mode, kind).failing("read_memory_limit:2")), kind);
    ended.code(137).verdict(&["config-server (pid ", TRUE, "web, proxy"]);
}
