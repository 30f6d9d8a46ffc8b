//! `run --pid1`: a PID namespace for a group, with fateshare as its PID 1.

use nix::sys::signal::Signal;

use super::{BEFORE, inner, kill_it, pair, pid_apart, wait_times};
use crate::support::host::{can_change_users, can_make_calls_fail};
use crate::support::{Group, Mode, Shell, in_both_modes, proc};

in_both_modes![
    members_see_only_their_group,
    the_code_is_the_groups,
    a_stop_request_is_passed_on,
    other_signals_go_on_to_main,
    when_we_are_killed_everything_ends_at_once,
    when_its_pid_1_is_killed_everything_ends_and_it_is_said,
    it_is_recreated_in_a_namespace_of_its_own,
    nothing_of_it_is_mounted_outside,
    nobody_can_do_it_too,
    nobody_cannot_become_somebody_else_there,
    root_can_become_somebody_else_there,
    a_refusal_names_its_cause,
    a_user_that_cannot_be_mapped_is_a_refusal,
    a_refusal_leaves_children_from_before_alone,
];

fn members_see_only_their_group(mode: Mode) {
    let ended = Group::new(mode)
        .main("web", Shell("echo /proc/[0-9]*; tr '\\0' ' ' < /proc/1/cmdline; exit 3"))
        .arguments(&["--pid1"])
        .start()
        .end();
    let mut lines = ended.code(3).stdout.lines();
    let seen: Vec<&str> = lines.next().expect("a line").split(' ').collect();
    // The second process number is the writing thread's.
    assert_eq!((seen.len(), seen[0]), (2, "/proc/1"), "{ended}");
    assert!(lines.next().is_some_and(|line| line.contains("run group.yml --pid1")), "{ended}");
}

fn the_code_is_the_groups(mode: Mode) {
    for (main, code) in [("exit=0", 0), ("exit=7", 7), ("raise=KILL", 137)] {
        pair(mode, main, &["--pid1"]).start().end().code(code);
    }
}

fn a_stop_request_is_passed_on(mode: Mode) {
    let mut group = pair(mode, "exit-on=TERM:5 wait", &["--pid1"]).start();
    group.wait_started(&["web", "config-server"]);
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(5).verdict(&["SIGTERM from outside this container"]);
    ended.logged("config-server: got SIGTERM", 1);
}

fn other_signals_go_on_to_main(mode: Mode) {
    let mut group = pair(mode, "take=USR2 exit-on=TERM:0 wait", &["--pid1"]).start();
    group.wait_started(&["web", "config-server"]);
    group.signal(Signal::SIGUSR2);
    group.wait_for("web: got SIGUSR2");
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}

fn when_we_are_killed_everything_ends_at_once(mode: Mode) {
    let main = "child [ worker session take=TERM wait ] take=TERM wait";
    let mut group = pair(mode, main, &["--pid1"]).start();
    group.wait_started(&["web", "config-server", "worker"]);
    kill_it(group.fateshare());
    let ended = group.end_killed();
    ended.logged("web: got SIGTERM", 0).logged("worker: got SIGTERM", 0);
}

fn when_its_pid_1_is_killed_everything_ends_and_it_is_said(mode: Mode) {
    let mut group = pair(mode, "child [ worker session wait ] wait", &["--pid1"]).start();
    group.wait_started(&["web", "config-server", "worker"]);
    kill_it(inner(&mut group));
    let ended = group.end();
    ended.code(137).says(&["the group's fateshare (pid ", ") was killed by SIGKILL; exit 137"]);
}

fn it_is_recreated_in_a_namespace_of_its_own(mode: Mode) {
    let mut group = pair(mode, "exit-on=TERM:0 wait", &["--pid1", "--recreate=1"]).start();
    group.wait_started(&["web", "config-server"]);
    let first = inner(&mut group);
    let space = |pid: i32| std::fs::read_link(format!("/proc/{pid}/ns/pid")).expect("it lives");
    let before = space(first);
    kill_it(pid_apart(&mut group, "web"));
    wait_times(&mut group, "config-server: started", 2);
    wait_times(&mut group, "web: started", 2);
    let second = inner(&mut group);
    assert_ne!(first, second);
    assert_ne!(before, space(second));
    assert_eq!(proc::inner_pid(second), Some(1));
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(0).says(&["crash 1 (exit 137); recreating at once"]);
}

fn nothing_of_it_is_mounted_outside(mode: Mode) {
    // A container engine may come and go meanwhile, but it mounts no /proc here.
    let mounts = || {
        let all = std::fs::read_to_string("/proc/self/mountinfo").expect("/proc");
        all.lines().filter(|line| line.contains(" - proc ")).count()
    };
    let before = mounts();
    let mut group = pair(mode, "exit-on=TERM:0 wait", &["--pid1"]).start();
    group.wait_started(&["web", "config-server"]);
    assert_eq!(mounts(), before);
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}

fn nobody_can_do_it_too(mode: Mode) {
    if !can_change_users() {
        return;
    }
    let main = "child [ worker session take=TERM wait ] exit-on=TERM:4 wait";
    let mut group =
        pair(mode, main, &["--pid1"]).for_all_users().run_by_nobody("--inh-caps=-all").start();
    group.wait_started(&["web", "config-server", "worker"]);
    let web = pid_apart(&mut group, "web");
    let status = std::fs::read_to_string(format!("/proc/{web}/status")).expect("it lives");
    let line = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    assert_eq!(line("Uid:"), "Uid:\t65534\t65534\t65534\t65534");
    assert_eq!(line("CapEff:"), "CapEff:\t0000000000000000", "it gained nothing");
    kill_it(group.fateshare());
    group.end_killed();
}

fn nobody_cannot_become_somebody_else_there(mode: Mode) {
    if !can_change_users() {
        return;
    }
    let ended = pair(mode, "wait", &["--pid1"])
        .key("user: \"12345\"")
        .for_all_users()
        .run_by_nobody("--inh-caps=-all")
        .start()
        .end();
    ended.code(125).says(&["user 12345: this user namespace does not allow setgroups"]);
    ended.logged("web: started", 0);
}

fn root_can_become_somebody_else_there(mode: Mode) {
    if !can_change_users() {
        return;
    }
    let ended = Group::new(mode)
        .main("web", Shell("id -u; exit 3"))
        .key("user: \"12345\"")
        .for_all_users()
        .arguments(&["--pid1"])
        .start()
        .end();
    assert_eq!(ended.code(3).stdout, "12345\n", "{ended}");
}

/// What the kernel answers where it is not allowed, made up; the real refusal of a container's engine is
/// among the tests with one.
fn a_refusal_names_its_cause(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    for (rule, parts) in [
        (
            "clone_apart:1",
            &["--pid1: cannot make a process: Operation not permitted", "or this is a chroot"][..],
        ),
        (
            "clone_apart:28",
            &["cannot make a process: No space left", "as many namespaces as the kernel allows"],
        ),
        ("mount:1", &["--pid1: cannot make its mounts private: Operation not permitted"]),
        ("setpgid_apart:1", &["--pid1: cannot give it a process group: "]),
        ("prctl_tie_copy:22", &["--pid1: cannot tie its life to ours (PR_SET_PDEATHSIG): "]),
    ] {
        let ended = pair(mode, "wait", &["--pid1"]).failing(rule).start().end();
        ended.code(125).logged("web: started", 0);
        for part in parts {
            assert!(ended.stderr.contains(part), "{part}\n{ended}");
        }
    }
}

fn a_user_that_cannot_be_mapped_is_a_refusal(mode: Mode) {
    if !can_change_users() || !can_make_calls_fail() {
        return;
    }
    let ended = pair(mode, "wait", &["--pid1"])
        .for_all_users()
        .run_by_nobody("--inh-caps=-all")
        .failing("write_id_map:1")
        .start()
        .end();
    ended
        .code(125)
        .says(&["--pid1: cannot map our user into a user namespace: Operation not permitted"]);
}

fn a_refusal_leaves_children_from_before_alone(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    for rule in ["clone_apart:1", "mount:1"] {
        let group = pair(mode, "wait", &["--pid1"]).after_script(BEFORE).failing(rule);
        let mut group = group.start();
        group.wait_started(&["before"]);
        group.end_leaving(&["before"]).code(125);
    }
}

/// Nobody reads what we say, and it goes on all the same.
#[test]
fn a_stalled_reader_does_not_keep_it_from_the_next_group() {
    let (reader, writer) = crate::output::full_pipe();
    let mut group =
        pair(Mode::Ordinary, "exit=3", &["--pid1", "--recreate=1"]).stderr(writer).start();
    wait_times(&mut group, "web: started", 2);
    group.end().code(3);
    drop(reader);
}
