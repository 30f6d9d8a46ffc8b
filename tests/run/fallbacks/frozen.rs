//! `fateshare` and its clock: a freeze (`docker pause`, a suspended laptop) is no reason to kill.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{MARGIN, stop};
use crate::support::host::can_make_calls_fail;
use crate::support::{Ended, Group, Mode, Running, in_both_modes};

in_both_modes![
    a_freeze_in_a_teardown_gives_time_again,
    a_second_freeze_gives_none,
    a_freeze_without_a_teardown_changes_nothing,
    a_short_freeze_gives_none,
];

const SAID: &str = "was frozen or suspended during the teardown: gave members time again";

/// Freezes `fateshare` for this long; says when it goes on.
#[track_caller]
fn freeze(group: &mut Running, time: Duration) -> Instant {
    group.signal(Signal::SIGSTOP);
    let fateshare = group.fateshare();
    group.wait_state(fateshare, 'T');
    thread::sleep(time);
    let goes_on = Instant::now();
    group.signal(Signal::SIGCONT);
    goes_on
}

/// A group that has been asked to stop within so many seconds, and does not.
fn stopping(mode: Mode, grace: u64) -> Running {
    let grace = format!("grace_period: {grace}s");
    let mut group = Group::new(mode).main("web", "take=TERM wait").top(&grace).start();
    group.wait_started(&["web"]);
    stop(&mut group);
    group.wait_for("web: got SIGTERM");
    group
}

#[track_caller]
fn said(ended: &Ended, times: usize) {
    let found = ended.ours().iter().filter(|line| **line == SAID).count();
    assert_eq!(found, times, "{ended}");
}

fn a_freeze_in_a_teardown_gives_time_again(mode: Mode) {
    let mut group = stopping(mode, 2);
    let resumed = freeze(&mut group, Duration::from_millis(3300));
    let ended = group.end();
    let took = ended.at - resumed;
    ended.code(137).logged("web: got SIGTERM", 1).says(&["did not stop within 2s: SIGKILL"]);
    said(&ended, 1);
    // What was left when the freeze began: a little less than the two seconds.
    assert!(took > Duration::from_millis(1200), "took {took:?}\n{ended}");
    assert!(took < Duration::from_secs(2) + MARGIN, "took {took:?}\n{ended}");
}

fn a_second_freeze_gives_none(mode: Mode) {
    let mut group = stopping(mode, 1);
    freeze(&mut group, Duration::from_millis(2300));
    group.until("it says so", |group| group.stderr().contains(SAID).then_some(()));
    let resumed = freeze(&mut group, Duration::from_millis(2300));
    let ended = group.end();
    let took = ended.at - resumed;
    // Both freezes are no part of what it had.
    ended.code(137).logged("web: got SIGTERM", 1).says(&["web did not stop within ", ": SIGKILL"]);
    ended.silent_about("did not stop within 1s");
    // Later than it should ever be, and not too late for its last words.
    ended.says(&["ended in ", "had to kill web; exit 137"]);
    said(&ended, 1);
    assert!(took < MARGIN, "took {took:?}\n{ended}");
}

fn a_freeze_without_a_teardown_changes_nothing(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "exit-on=TERM:0:100 wait")
        .sidecar("it", "take=TERM wait")
        .top("grace_period: 3s")
        .start();
    group.wait_started(&["web", "it"]);
    freeze(&mut group, Duration::from_millis(1500));
    let struck = stop(&mut group);
    let ended = group.end();
    let took = ended.at - struck;
    ended.code(0).logged("web: ends 0", 1).logged("it: got SIGTERM", 1);
    ended.says(&["it did not stop within 3s: SIGKILL"]);
    said(&ended, 0);
    assert!(took < Duration::from_secs(3) + MARGIN, "took {took:?}\n{ended}");
}

fn a_short_freeze_gives_none(mode: Mode) {
    let mut group = stopping(mode, 1);
    // It has looked for stragglers, and sleeps until the deadline: that is missed by less than 1 s.
    thread::sleep(Duration::from_millis(300));
    let resumed = freeze(&mut group, Duration::from_millis(1200));
    let ended = group.end();
    let took = ended.at - resumed;
    ended.code(137).says(&["did not stop within 1s: SIGKILL"]);
    said(&ended, 0);
    assert!(took < MARGIN, "took {took:?}\n{ended}");
}

/// It was not asleep then: it had just sent SIGTERM.
#[test]
fn a_freeze_while_it_is_awake_gives_time_again() {
    if !can_make_calls_fail() {
        return;
    }
    let group = Group::new(Mode::Ordinary).main("web", "take=TERM wait").top("grace_period: 1s");
    let mut group = group.failing("kill:stop").start();
    group.wait_started(&["web"]);
    stop(&mut group);
    let fateshare = group.fateshare();
    // Once before SIGTERM, and once before the SIGCONT that follows it.
    group.wait_state(fateshare, 'T');
    group.signal(Signal::SIGCONT);
    group.wait_for("web: got SIGTERM");
    group.wait_state(fateshare, 'T');
    thread::sleep(Duration::from_millis(2300));
    let resumed = Instant::now();
    group.signal(Signal::SIGCONT);
    let ended = group.end();
    let took = ended.at - resumed;
    ended.code(137).says(&["did not stop within 1s: SIGKILL"]);
    said(&ended, 1);
    assert!(took > Duration::from_millis(600), "took {took:?}\n{ended}");
}
