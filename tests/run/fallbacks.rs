//! Where the kernel, a sandbox or the image lacks something, a group lives and ends as it does
//! elsewhere; where that cannot be, it is said once what is lost.

mod fork;
mod frozen;
mod hidden;
mod processes;
mod reaping;
mod unkillable;
mod without_proc;

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{Ended, Group, Running};

/// How long after the deadline all is over, at the latest: three times what is promised, for a
/// machine that is busy.
const MARGIN: Duration = Duration::from_millis(3 * 900);

/// Everybody is told once, and ends in good order, when a sidecar is killed: a leader, its child,
/// and a daemon in a session of its own.
#[track_caller]
fn everybody_ends_in_good_order(group: Group) -> Ended {
    let main = "run [ middle session child [ daemon exit-on=TERM:0:50 wait ] exit=0 ] \
                child [ worker exit-on=TERM:0:50 wait ] exit-on=TERM:0:50 wait";
    let mut group = group
        .main("web", main)
        .sidecar("config-server", "wait")
        .sidecar("proxy", "exit-on=TERM:0 wait")
        .start();
    group.wait_started(&["web", "daemon", "worker", "config-server", "proxy"]);
    group.wait_for("middle: ends 0");
    group.signal_member("config-server", Signal::SIGKILL);
    let ended = group.end();
    ended.code(137).verdict(&["config-server (pid ", ") was killed by SIGKILL, not by fateshare"]);
    for name in ["web", "daemon", "worker", "proxy"] {
        ended.logged(&format!("{name}: got SIGTERM"), 1).logged(&format!("{name}: ends 0"), 1);
    }
    ended.says(&["nobody had to be killed; exit 137"]).silent_about("could not");
    ended
}

/// Every rule was of use.
#[track_caller]
fn all_failed(ended: &Ended, rules: &str) {
    for rule in rules.split(',') {
        let (name, _) = rule.split_once(':').expect("a name");
        assert!(ended.failed.lines().any(|line| line == name), "{name} was called\n{ended}");
    }
}

/// Asserts that the group was over soon after its deadline.
#[track_caller]
fn ended_by(ended: &Ended, struck: Instant, grace: Duration) {
    let took = ended.at - struck;
    assert!(took < grace + MARGIN, "took {took:?}\n{ended}");
}

/// Sends `fateshare` SIGTERM; says when.
#[track_caller]
fn stop(group: &mut Running) -> Instant {
    let struck = Instant::now();
    group.signal(Signal::SIGTERM);
    struck
}
