//! SIGKILL of `fateshare` itself: as PID 1 nothing is left, elsewhere no leader is.

use nix::sys::signal::Signal;

use crate::support::{Ended, Group, Mode, Running, in_both_modes};

in_both_modes![no_leader_outlives_fateshare];

fn started(mode: Mode, main: &str) -> Running {
    let mut group = Group::new(mode)
        .main("web", main)
        .sidecar("config-server", "take=all wait")
        .sidecar("stopped", "stop wait")
        .start();
    group.wait_started(&["web", "config-server", "stopped"]);
    group
}

/// `unshare` cannot die by SIGKILL itself everywhere, and ends with 1 then.
fn died(mode: Mode, ended: &Ended) {
    let relayed = ended.signal == Some(9) || (mode == Mode::Pid1 && ended.code == Some(1));
    assert!(relayed, "{ended}");
}

fn no_leader_outlives_fateshare(mode: Mode) {
    let mut group = started(mode, "take=all wait");
    group.signal(Signal::SIGKILL);
    let ended = group.end_killed();
    died(mode, &ended);
    assert!(ended.verdicts().is_empty(), "nobody was there to say a line\n{ended}");
    ended.logged("web: got SIGTERM", 0);
}

#[test]
fn as_pid_1_nothing_at_all_is_left() {
    if !Mode::Pid1.can_run() {
        return;
    }
    let daemon = "run [ middle session child [ daemon take=all wait ] exit=0 ] take=all wait";
    let mut group = started(Mode::Pid1, daemon);
    group.wait_started(&["daemon"]);
    group.signal(Signal::SIGKILL);
    // At once, not soon: the kernel ends a PID namespace before its PID 1 is reaped.
    died(Mode::Pid1, &group.end());
}
