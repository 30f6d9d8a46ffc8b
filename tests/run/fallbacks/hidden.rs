//! `hidepid`: `/proc` is there, and does not show the processes of other users.

use std::time::Duration;

use super::{ended_by, stop};
use crate::support::host::can_mount;
use crate::support::{Group, Mode, in_both_modes};

in_both_modes![
    a_hidden_stray_is_told_and_can_end_by_itself,
    a_hidden_stray_that_ignores_it_is_killed,
    a_hidden_member_is_stopped,
];

/// Root without the privilege to look at others, and not in the group that may.
fn group(mode: Mode) -> Group {
    Group::new(mode)
        .for_all_users()
        .own_mounts("mount -t proc -o hidepid=2,gid=65533 none /proc")
        .run_by("--bounding-set -sys_ptrace")
        .env("FATESHARE_LOG", "info")
}

/// Words that leave `daemon` in a session of its own, and a look at what nobody shows.
fn main(daemon: &str) -> String {
    format!("run [ middle session child [ daemon {daemon} ] exit=0 ] exit-on=TERM:0 wait")
}

fn a_hidden_stray_is_told_and_can_end_by_itself(mode: Mode) {
    if !can_mount() {
        return;
    }
    let mut group = group(mode)
        .main("web", &*main("exit-on=TERM:0:100 wait"))
        .key("user: \"65534:65534\"")
        .start();
    group.wait_started(&["web", "daemon"]);
    group.wait_for("middle: ends 0");
    stop(&mut group);
    let ended = group.end();
    ended.code(0).logged("daemon: got SIGTERM", 1).logged("daemon: ends 0", 1);
    ended.says(&["sent SIGTERM to hidden process (pid "]).says(&["nobody had to be killed"]);
    ended.silent_about("cannot").silent_about("could not");
}

fn a_hidden_stray_that_ignores_it_is_killed(mode: Mode) {
    if !can_mount() {
        return;
    }
    let mut group = group(mode)
        .main("web", &*main("take=TERM wait"))
        .key("user: \"65534:65534\"")
        .top("grace_period: 3s")
        .start();
    group.wait_started(&["web", "daemon"]);
    group.wait_for("middle: ends 0");
    let struck = stop(&mut group);
    let ended = group.end();
    ended.code(0).logged("daemon: got SIGTERM", 1);
    ended.says(&["hidden process (pid ", "did not stop within 3s: SIGKILL"]);
    ended.says(&["had to kill hidden process (pid "]);
    ended_by(&ended, struck, Duration::from_secs(3));
}

fn a_hidden_member_is_stopped(mode: Mode) {
    if !can_mount() {
        return;
    }
    let mut group = group(mode)
        .main("web", "child [ worker exit-on=TERM:0:100 wait ] exit-on=TERM:0 wait")
        .key("user: \"65534:65534\"")
        .sidecar("it", "take=TERM wait")
        .key("user: \"65532:65532\"")
        .top("grace_period: 2s")
        .start();
    group.wait_started(&["web", "worker", "it"]);
    stop(&mut group);
    let ended = group.end();
    ended.code(0).logged("web: got SIGTERM", 1).logged("web: ends 0", 1);
    ended.logged("worker: got SIGTERM", 1).logged("worker: ends 0", 1);
    ended.logged("it: got SIGTERM", 1).says(&["it did not stop within 2s: SIGKILL"]);
    ended.says(&["had to kill it; exit 0"]);
}
