//! A member that becomes another user behind our back, which `fateshare` may not signal.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::host::can_change_users;
use crate::support::{Ended, Group, Mode, Running, in_both_modes};

in_both_modes![
    whom_we_may_not_signal_is_named_and_not_waited_for,
    a_crash_beside_whom_we_may_not_signal_ends_at_once,
    a_stray_that_we_may_not_signal_is_named_and_not_waited_for,
];

/// `fateshare` is nobody in particular. Its members may change their user, as a setuid program
/// does it; it may not signal whoever did.
fn group(mode: Mode) -> Group {
    Group::new(mode)
        .for_all_users()
        .run_by_nobody("--inh-caps +setuid,+setgid --ambient-caps +setuid,+setgid")
}

/// The end, and how long it took from this moment.
fn end(group: Running, struck: Instant, left: &[&str]) -> Ended {
    let ended = group.end_leaving(left);
    let took = ended.at - struck;
    assert!(took < Duration::from_secs(10), "took {took:?}\n{ended}");
    ended
}

fn whom_we_may_not_signal_is_named_and_not_waited_for(mode: Mode) {
    if !can_change_users() {
        return;
    }
    let mut group = group(mode)
        .main("web", "become-root take=TERM wait")
        .sidecar("one", "exit-on=TERM:0:100 wait")
        .sidecar("two", "exit-on=TERM:0 wait")
        .top("grace_period: 60s")
        .start();
    group.wait_started(&["web", "one", "two"]);
    let struck = Instant::now();
    group.signal(Signal::SIGTERM);
    let ended = end(group, struck, &["web"]);
    ended.code(137).logged("web: got SIGTERM", 0);
    for name in ["one", "two"] {
        ended.logged(&format!("{name}: got SIGTERM"), 1).logged(&format!("{name}: ends 0"), 1);
    }
    ended
        .says(&[
            "fateshare: could not send SIGTERM to web (pid ",
            "): ",
            " (os error 1). It runs as a user whom fateshare may not signal",
        ])
        .says(&["fateshare: web may not be signalled: not waiting for it"])
        .says(&["fateshare: ended in ", "could not kill web: left to the kernel; exit 137"])
        .silent_about("did not stop within");
}

fn a_crash_beside_whom_we_may_not_signal_ends_at_once(mode: Mode) {
    if !can_change_users() {
        return;
    }
    let mut group = group(mode)
        .main("web", "exit-on=TERM:0 wait")
        .sidecar("it", "become-root take=TERM wait")
        .sidecar("bad", "wait")
        .top("grace_period: 60s")
        .start();
    group.wait_started(&["web", "it", "bad"]);
    let struck = Instant::now();
    group.signal_member("bad", Signal::SIGKILL);
    let ended = end(group, struck, &["it"]);
    ended.code(137).verdict(&["bad (pid ", ") was killed by SIGKILL, not by fateshare"]);
    ended.logged("web: ends 0", 1).logged("it: got SIGTERM", 0);
    ended.says(&["it may not be signalled: not waiting for it"]).says(&["could not kill it: left"]);
}

fn a_stray_that_we_may_not_signal_is_named_and_not_waited_for(mode: Mode) {
    if !can_change_users() {
        return;
    }
    let daemon = "run [ middle session child [ daemon become-root take=TERM wait ] exit=0 ]";
    let mut group = group(mode)
        .main("web", &*format!("{daemon} exit-on=TERM:0:100 wait"))
        .sidecar("it", "exit-on=TERM:0 wait")
        .top("grace_period: 60s")
        .start();
    group.wait_started(&["web", "daemon", "it"]);
    group.wait_for("middle: ends 0");
    let struck = Instant::now();
    group.signal(Signal::SIGTERM);
    let ended = end(group, struck, &["daemon"]);
    ended.code(0).logged("web: ends 0", 1).logged("it: ends 0", 1).logged("daemon: got SIGTERM", 0);
    ended
        .says(&["could not send SIGTERM to pid ", "whom fateshare may not signal"])
        .says(&["fixture (pid ", " may not be signalled: not waiting for it"])
        .says(&["could not kill fixture (pid ", ": left to the kernel; exit 0"]);
}
