//! Without `/proc`: what is known is told and killed, and what is lost is said once.

use std::time::Duration;

use super::{ended_by, stop};
use crate::support::host::{can_make_calls_fail, can_mount};
use crate::support::{Ended, Group, Mode, in_both_modes};

in_both_modes![
    what_is_left_in_a_leaders_group_is_told_once,
    what_ignores_that_is_killed_at_the_deadline,
    what_is_left_of_a_crash_gets_its_members_stop_signal,
    what_cannot_be_seen_is_said,
    a_clean_end_without_proc_is_quiet_about_it,
];

/// Groups without `/proc`, by each way that this machine allows.
fn groups(mode: Mode) -> Vec<Group> {
    let mut groups = Vec::new();
    if can_make_calls_fail() {
        groups.push(Group::new(mode).failing("proc:2"));
        groups.push(Group::new(mode).failing("proc:2,clone:1,pidfd_open:38"));
        groups.push(Group::new(mode).failing("proc:13"));
    }
    if can_mount() {
        groups.push(Group::new(mode).own_mounts("mount -t tmpfs none /proc"));
    }
    groups
}

/// It is said once that nothing can be looked for.
#[track_caller]
fn is_blind(ended: &Ended) {
    let said =
        ended.ours().iter().filter(|line| line.contains("cannot look for stragglers")).count();
    assert_eq!(said, 1, "{ended}");
}

fn what_is_left_in_a_leaders_group_is_told_once(mode: Mode) {
    for group in groups(mode) {
        let mut group = group
            .env("FATESHARE_LOG", "info")
            .main("web", "child [ worker exit-on=USR1:0:200 wait ] exit-on=USR1:0 wait")
            .key("stop_signal: USR1")
            .sidecar("it", "child [ helper exit-on=TERM:0:200 wait ] exit-on=TERM:0 wait")
            .sidecar("bad", "wait")
            .start();
        group.wait_started(&["web", "worker", "it", "helper", "bad"]);
        let web = group.inner_pid("web");
        group.signal_member("bad", nix::sys::signal::Signal::SIGKILL);
        let ended = group.end();
        ended.code(137).verdict(&["bad (pid ", ") was killed by SIGKILL, not by fateshare"]);
        for name in ["web", "worker"] {
            ended.logged(&format!("{name}: got SIGUSR1"), 1).logged(&format!("{name}: ends 0"), 1);
        }
        for name in ["it", "helper"] {
            ended.logged(&format!("{name}: got SIGTERM"), 1).logged(&format!("{name}: ends 0"), 1);
        }
        ended.says(&[&format!("sent SIGUSR1 to process group {web}, left by web")]);
        ended.says(&["sent SIGTERM to process group ", ", left by it"]);
        ended.says(&["nobody had to be killed; exit 137"]);
        is_blind(&ended);
    }
}

fn what_ignores_that_is_killed_at_the_deadline(mode: Mode) {
    for group in groups(mode) {
        let mut group = group
            .main("web", "child [ worker take=TERM wait ] exit-on=TERM:0 wait")
            .top("grace_period: 3s")
            .start();
        group.wait_started(&["web", "worker"]);
        let web = group.inner_pid("web");
        let struck = stop(&mut group);
        let ended = group.end();
        ended.code(0).logged("worker: got SIGTERM", 1);
        let left = format!("process group {web}, left by web");
        ended.says(&[&format!("{left} did not stop within 3s: SIGKILL")]);
        ended.says(&[&format!("had to kill {left}; exit 0")]);
        is_blind(&ended);
        ended_by(&ended, struck, Duration::from_secs(3));
    }
}

fn what_is_left_of_a_crash_gets_its_members_stop_signal(mode: Mode) {
    for group in groups(mode) {
        let mut group = group
            .main("web", "exit-on=TERM:0 wait")
            .sidecar("it", "child [ helper exit-on=INT:0 wait ] until=go exit=5")
            .key("stop_signal: INT")
            .start();
        group.wait_started(&["web", "it", "helper"]);
        std::fs::write(group.dir().join("go"), "").expect("the trigger");
        let ended = group.end();
        ended.code(5).logged("helper: got SIGINT", 1).logged("helper: ends 0", 1);
        ended.logged("web: ends 0", 1).says(&["nobody had to be killed; exit 5"]);
    }
}

fn what_cannot_be_seen_is_said(mode: Mode) {
    for group in groups(mode) {
        let main = "run [ middle session child [ daemon take=TERM wait ] exit=0 ] \
                    child [ worker exit-on=TERM:0 wait ] exit-on=TERM:0 wait";
        let mut group = group.main("web", main).top("grace_period: 3s").start();
        group.wait_started(&["web", "daemon", "worker"]);
        group.wait_for("middle: ends 0");
        let struck = stop(&mut group);
        let ended = group.end_leaving(&["daemon"]);
        ended.code(0).logged("web: ends 0", 1).logged("worker: ends 0", 1);
        ended.logged("daemon: got SIGTERM", 0);
        ended.says(&["what fateshare cannot see did not stop within 3s: SIGKILL"]);
        let outcome = match mode {
            Mode::Pid1 => "had to kill what it could not see; exit 0",
            Mode::Ordinary => "something is left that it cannot see; exit 0",
        };
        ended.says(&["ended in ", outcome]);
        is_blind(&ended);
        ended_by(&ended, struck, Duration::from_secs(3));
    }
}

fn a_clean_end_without_proc_is_quiet_about_it(mode: Mode) {
    for group in groups(mode) {
        let ended = group.main("web", "exit=0").start().end();
        ended.code(0).silent_about("cannot").says(&["nobody had to be killed; exit 0"]);
    }
}
