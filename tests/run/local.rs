//! The local platform: groups that are recreated, and groups with a PID namespace of their own.

mod apart;
mod keys;
mod recreate;

use nix::sys::signal::Signal;

use crate::support::{Group, Mode, Running, proc};

/// A shell that becomes fateshare when a child of its runs, and has for more than a tick of the clock.
pub(crate) const BEFORE: &str = "$FIXTURE $LOG before wait & \
    until grep -qs 'before: started' $LOG; do sleep 0.01; done; sleep 0.03; exec \"$@\"";

/// A pair that counts its lives in the log, and what else `fateshare run` is given.
pub(crate) fn pair(mode: Mode, main: &str, options: &[&str]) -> Group {
    Group::new(mode)
        .main("web", main)
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .arguments(options)
}

/// How often this line is in the log.
pub(crate) fn times(running: &Running, line: &str) -> usize {
    running.log().lines().filter(|found| found.starts_with(line)).count()
}

/// Waits until the log has this so often.
#[track_caller]
pub(crate) fn wait_times(running: &mut Running, line: &str, count: usize) {
    running.until(&format!("{count} times `{line}`"), |running| {
        (times(running, line) >= count).then_some(())
    });
}

/// Waits until stderr has this.
#[track_caller]
pub(crate) fn wait_said(running: &mut Running, part: &str) {
    running.until(&format!("stderr has `{part}`"), |running| {
        running.stderr().contains(part).then_some(())
    });
}

/// The fateshare that runs the group, as this process sees it.
#[track_caller]
pub(crate) fn inner(running: &mut Running) -> i32 {
    let outer = running.fateshare();
    running.until("the group has a fateshare", |_| {
        let program = std::fs::read_link(format!("/proc/{outer}/exe")).ok()?;
        let is_it = |pid: i32| {
            std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program)
        };
        proc::children(outer).into_iter().map(|(pid, _)| pid).find(|pid| is_it(*pid))
    })
}

/// A fixture program of a group in a namespace of its own, as this process sees it.
#[track_caller]
pub(crate) fn pid_apart(running: &mut Running, name: &str) -> i32 {
    let number = running.inner_pid(name);
    let fateshare = inner(running);
    running.until(&format!("{name} is found"), |running| {
        // Not one of the same number in another namespace.
        let is_its = |pid: i32| proc::stat(pid).is_some_and(|stat| stat.parent == fateshare);
        let mut found = running.processes().into_iter();
        found.find(|pid| is_its(*pid) && proc::inner_pid(*pid) == Some(number))
    })
}

/// Kills a process that is not fateshare's own child.
pub(crate) fn kill_it(pid: i32) {
    crate::support::running::send(pid, Signal::SIGKILL as i32);
}
