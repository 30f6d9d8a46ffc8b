//! Sandboxes that refuse a child which shares our memory: it gets a copy, and reports by a pipe.

use nix::sys::signal::Signal;

use super::{all_failed, everybody_ends_in_good_order};
use crate::support::host::{can_make_calls_fail, set_mode};
use crate::support::{Argv, Group, Mode, Shell, in_both_modes};

in_both_modes![
    with_a_copy_everybody_ends_in_good_order,
    with_a_copy_failed_steps_are_named,
    with_a_copy_what_had_started_is_stopped,
    with_a_copy_codes_and_signals_arrive,
    with_a_copy_nothing_but_the_first_three_descriptors_is_inherited,
    with_a_copy_no_leader_outlives_fateshare,
    other_failures_are_no_reason_to_try_again,
];

/// What a sandbox may answer.
const REFUSALS: [&str; 3] = ["clone:1", "clone:22", "clone:38"];

fn with_a_copy_everybody_ends_in_good_order(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    for rule in REFUSALS {
        let ended = everybody_ends_in_good_order(Group::new(mode).failing(rule));
        assert_eq!(ended.failed, "clone\n", "it is tried once\n{ended}");
        ended.silent_about("cannot");
    }
}

fn with_a_copy_failed_steps_are_named(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    for (rules, code, said) in [
        ("clone:1,execve:13", 126, "program ./plain: Permission denied (os error 13)"),
        ("clone:22,execve:2", 127, "program ./plain: No such file or directory (os error 2)"),
        ("clone:38,execve:7", 125, "program ./plain: its command and environment are too long"),
        ("clone:38,chdir:13", 125, "working_dir "),
        ("clone:1,setpgid:1", 125, "its process group: Operation not permitted (os error 1)"),
        ("clone:1,prctl_pdeathsig:22", 125, "tying it to fateshare (PR_SET_PDEATHSIG): "),
        ("clone:1,sigaction_default:22", 125, "its signal mask: Invalid argument (os error 22)"),
        ("clone:1,sigprocmask_child:22", 125, "its signal mask: "),
        ("clone:1,fork:11", 125, "a new process: Resource temporarily unavailable (os error 11)"),
        ("clone:1,pipe:24", 125, "a new process: Too many open files (os error 24)"),
    ] {
        let group = Group::new(mode).failing(rules).file("plain", "echo\n");
        set_mode(&group.dir().join("plain"), 0o755);
        let mut group = group.main("web", Argv(&["./plain"]));
        if rules.contains("chdir") {
            group = group.key("working_dir: .");
        }
        let ended = group.start().end();
        ended.code(code).verdict(&["web could not be started: ", said]);
        all_failed(&ended, rules);
    }
}

fn with_a_copy_what_had_started_is_stopped(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    let group = Group::new(mode).failing("clone:1").file("plain", "echo\n");
    set_mode(&group.dir().join("plain"), 0o755);
    let group = group.main("web", "exit-on=TERM:0 wait").sidecar("it", Argv(&["./plain"]));
    let ended = group.start().end();
    ended.code(126).verdict(&[
        "it could not be started: program ./plain: Exec format error",
        "; stopping web",
    ]);
    ended.silent_about("did not stop");
}

fn with_a_copy_codes_and_signals_arrive(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    for (word, code) in [("exit=0", 0), ("exit=77", 77), ("raise=SEGV", 139), ("raise=KILL", 137)] {
        let group = Group::new(mode).failing("clone:1").main("web", word);
        group.sidecar("it", "exit-on=TERM:0 wait").start().end().code(code);
    }
    let ended = Group::new(mode).failing("clone:1").main("web", Shell("exit 3")).start().end();
    ended.code(3);
}

fn with_a_copy_nothing_but_the_first_three_descriptors_is_inherited(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    let script = "ls /proc/$$/fd; grep ^SigBlk: /proc/self/status; \
                  cut -d' ' -f5 /proc/$$/stat; echo $$";
    let ended = Group::new(mode)
        .after_script("exec 3</etc/passwd 5>&1 9>/dev/null; exec \"$@\"")
        .after_words("block=HUP,TERM,CHLD")
        .failing("clone:1")
        .main("web", Argv(&["/bin/sh", "-c", script]))
        .sidecar("it", "exit-on=TERM:0 wait")
        .start()
        .end();
    ended.code(0);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines[..3], ["0", "1", "2"], "{ended}");
    assert_eq!(lines[3], "SigBlk:\t0000000000000000", "{ended}");
    assert_eq!(lines[4], lines[5], "it leads its group\n{ended}");
}

fn with_a_copy_no_leader_outlives_fateshare(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    let mut group = Group::new(mode)
        .failing("clone:1")
        .main("web", "take=all wait")
        .sidecar("it", "take=all wait")
        .start();
    group.wait_started(&["web", "it"]);
    group.signal(Signal::SIGKILL);
    group.end_killed().logged("web: got SIGTERM", 0);
}

fn other_failures_are_no_reason_to_try_again(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    for errno in [11, 12] {
        let ended =
            Group::new(mode).failing(&format!("clone:{errno}")).main("web", "wait").start().end();
        ended.code(125).verdict(&["web could not be started: a new process: "]);
        assert_eq!(ended.failed, "clone\n", "{ended}");
    }
}
