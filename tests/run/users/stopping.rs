//! Members of other users are stopped like all others.

use nix::sys::signal::Signal;

use super::group;
use crate::support::host::can_mount;
use crate::support::{Mode, in_both_modes};

in_both_modes![
    stop_signals_and_sigkill_reach_other_users_and_what_they_leave,
    a_crash_stops_other_users_gracefully,
    no_leader_of_another_user_outlives_fateshare,
];

fn stop_signals_and_sigkill_reach_other_users_and_what_they_leave(mode: Mode) {
    if !can_mount() {
        return;
    }
    let main = "run [ middle session child [ daemon take=TERM wait ] exit=0 ] \
                child [ worker exit-on=USR1:0 wait ] exit-on=USR1:0 wait";
    let mut group = group(mode)
        .main("web", main)
        .key("user: app")
        .key("stop_signal: USR1")
        .sidecar("it", "take=TERM wait")
        .key("user: other")
        .sidecar("own", "exit-on=TERM:0 wait")
        .top("grace_period: 3s")
        .start();
    group.wait_started(&["web", "daemon", "worker", "it", "own"]);
    group.wait_for("middle: ends 0");
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(0).verdict(&["SIGTERM from "]).says(&["did not stop within 3s: SIGKILL"]);
    ended.logged("web: got SIGUSR1", 1).logged("web: ends 0", 1);
    ended.logged("worker: got SIGUSR1", 1).logged("worker: ends 0", 1);
    ended.logged("daemon: got SIGTERM", 1).logged("it: got SIGTERM", 1);
    ended.logged("own: ends 0", 1);
    ended.says(&["had to kill it; fixture (pid "]).silent_about("could not");
}

fn a_crash_stops_other_users_gracefully(mode: Mode) {
    if !can_mount() {
        return;
    }
    let mut group = group(mode)
        .main("web", "run [ middle session child [ daemon exit-on=TERM:0 wait ] exit=0 ] exit-on=TERM:0 wait")
        .key("user: app")
        .sidecar("it", "wait")
        .key("user: other")
        .start();
    group.wait_started(&["web", "daemon", "it"]);
    group.signal_member("it", Signal::SIGKILL);
    let ended = group.end();
    ended.code(137).verdict(&["it (pid ", ") was killed by SIGKILL, not by fateshare"]);
    ended.logged("web: ends 0", 1).logged("daemon: got SIGTERM", 1).logged("daemon: ends 0", 1);
    ended.says(&["nobody had to be killed"]);
}

fn no_leader_of_another_user_outlives_fateshare(mode: Mode) {
    if !can_mount() {
        return;
    }
    let mut group = group(mode)
        .main("web", "take=all wait")
        .key("user: app")
        .sidecar("it", "take=all wait")
        .key("user: other")
        .key("no_new_privs: true")
        .start();
    group.wait_started(&["web", "it"]);
    group.signal(Signal::SIGKILL);
    let ended = group.end_killed();
    ended.logged("web: got SIGTERM", 0).logged("it: got SIGTERM", 0);
}
