//! Sending signals: by number to leaders that are not reaped, by pidfd to everything else.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::OnceLock;
use std::time::Duration;

use nix::libc;

use super::descendants::{self, Known};
use super::process::{self, Role};
use super::reap::{Whose, have_child};
use super::{procfs, seam};
use crate::core::{Pid, ProcessKey, Target};
use crate::spec::Signal;

/// Sends a signal to a leader or its group. The leader must not have been reaped: until then its
/// number cannot come again, and a zombie takes signals without an error.
pub fn leader(pid: Pid, target: Target, signal: Signal) -> io::Result<()> {
    let number = match target {
        Target::Leader => pid.0,
        Target::Group => -pid.0,
    };
    send("kill", number, signal)
}

fn send(name: &'static str, number: i32, signal: Signal) -> io::Result<()> {
    // SAFETY: plain numbers. Raw, because nix knows no real-time signals.
    seam::checked(name, || unsafe { libc::kill(number, signal.number()) }).map(drop)
}

/// Sends a signal to a process that is not a leader of ours. One that has ended meanwhile is no
/// error; one that has its number now is not touched.
pub fn straggler(key: ProcessKey, signal: Signal) -> io::Result<()> {
    let sent = if key.start_ticks == 0 {
        by_kinship(key, signal)
    } else if pidfds_work() {
        by_pidfd(key, signal)
    } else {
        by_number(key, signal)
    };
    match sent {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        sent => sent,
    }
}

/// Nothing is known of it but that it was our child, or a group with one: while that is so the
/// number is pinned, because nobody but us could reap it.
fn by_kinship(key: ProcessKey, signal: Signal) -> io::Result<()> {
    let whose = match key.pid.0 {
        number @ ..0 => Whose::Group(Pid(-number)),
        number => Whose::Child(Pid(number)),
    };
    if have_child(whose) { send("kill_by_kinship", key.pid.0, signal) } else { Ok(()) }
}

/// The descriptor pins the process; the start time says that it is the one that was meant.
fn by_pidfd(key: ProcessKey, signal: Signal) -> io::Result<()> {
    let pidfd = open(key.pid)?;
    if !is_still(key)? {
        return Ok(());
    }
    send_by(&pidfd, signal.number())
}

fn by_number(key: ProcessKey, signal: Signal) -> io::Result<()> {
    if is_still(key)? { send("kill_by_number", key.pid.0, signal) } else { Ok(()) }
}

fn is_still(key: ProcessKey) -> io::Result<bool> {
    Ok(procfs::stat(key.pid)?.is_some_and(|stat| stat.key == key))
}

fn open(pid: Pid) -> io::Result<OwnedFd> {
    let raw = seam::checked("pidfd_open", || {
        // SAFETY: plain numbers (`pidfd_open(2)`).
        let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.0, 0) };
        i32::try_from(raw).unwrap_or(-1)
    })?;
    // SAFETY: the kernel has just made this descriptor, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

fn send_by(pidfd: &OwnedFd, signal: i32) -> io::Result<()> {
    let info = std::ptr::null::<libc::siginfo_t>();
    let number = pidfd.as_raw_fd();
    seam::checked("pidfd_send_signal", || {
        // SAFETY: a descriptor that we own, and no info: the kernel fills in what `kill` would.
        let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, number, signal, info, 0) };
        if result == -1 { -1 } else { 0 }
    })
    .map(drop)
}

/// Tried once, on ourselves: old kernels do not know the calls, old seccomp profiles refuse them
/// with EPERM. After the probe an EPERM is a real answer.
fn pidfds_work() -> bool {
    static WORK: OnceLock<bool> = OnceLock::new();
    *WORK.get_or_init(|| open(process::own_pid()).and_then(|pidfd| send_by(&pidfd, 0)).is_ok())
}

/// What a wave could not signal, and why.
pub type Failures = Vec<(Pid, Signal, io::Error)>;

/// A wave of SIGKILL to everything that is left, with one of SIGSTOP before it if `freeze`; gives
/// what could not be signalled. `again` says that a wave went before: who has survived that may be
/// of another user, and is asked for by itself.
///
/// As PID 1 the kernel sends it to the whole namespace in one call, so that nothing is born
/// meanwhile; `kill(-1)` spares PID 1 itself. Elsewhere it would hit strangers: there our
/// descendants are looked for.
pub fn wave(role: Role, known: Known<'_>, freeze: bool, again: bool) -> Failures {
    let mut failed = Failures::new();
    if role == Role::Init {
        for signal in signals(freeze) {
            // ESRCH means that nobody is left. Whom we may not signal it does not tell: see `again`.
            let error = send("kill_all", -1, *signal).err();
            let error = error.filter(|error| error.raw_os_error() != Some(libc::ESRCH));
            failed.extend(error.map(|error| (Pid(-1), *signal, error)));
        }
        if !again {
            return failed;
        }
    }
    children_of_ours(known, freeze, &mut failed);
    // Those whose parents cannot be killed, or have not died yet.
    let deeper = descendants::walk(known, Duration::ZERO).processes;
    for signal in signals(freeze) {
        for seen in &deeper {
            let error = straggler(seen.key, *signal).err();
            failed.extend(error.map(|error| (seen.key.pid, *signal, error)));
        }
    }
    failed
}

fn signals(freeze: bool) -> &'static [Signal] {
    if freeze { &[Signal::STOP, Signal::KILL] } else { &[Signal::KILL] }
}

/// Our own children, again until no new one comes up: what a dying process leaves comes to us.
///
/// They are signalled by number, because nobody but us reaps them and we do not meanwhile. That is
/// many times faster than the careful way, and so outruns programs that fork and exit all the time.
fn children_of_ours(known: Known<'_>, freeze: bool, failed: &mut Failures) {
    const PASSES: usize = 10;
    let mut signalled: BTreeSet<Pid> = BTreeSet::new();
    for _ in 0..PASSES {
        let mut children: BTreeSet<Pid> = descendants::own_children().into_iter().collect();
        // Where `/proc` shows nothing, at least the leaders, their groups, and what is left of
        // those whose leaders are gone.
        if children.is_empty() {
            children.extend(known.leaders.keys().flat_map(|pid| [*pid, Pid(-pid.0)]));
            children.extend(descendants::groups_left(known.ended).map(|group| group.pid));
        }
        if children.is_subset(&signalled) {
            return;
        }
        for signal in signals(freeze) {
            for pid in &children {
                let error = send("kill_child", pid.0, *signal).err();
                let is_new = !signalled.contains(pid);
                let error =
                    error.filter(|error| is_new && error.raw_os_error() != Some(libc::ESRCH));
                failed.extend(error.map(|error| (*pid, *signal, error)));
            }
        }
        signalled.append(&mut children);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_number_now_is_not_touched() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("a child");
        let pid = Pid(i32::try_from(child.id()).expect("a pid"));
        let key = procfs::stat(pid).expect("/proc").expect("it runs").key;
        let other = ProcessKey { start_ticks: key.start_ticks + 1, ..key };
        straggler(other, Signal::KILL).expect("that one is gone, which is no error");
        assert!(child.try_wait().expect("its status").is_none(), "it lives on");
        straggler(key, Signal::KILL).expect("it is there");
        let status = child.wait().expect("its status");
        assert!(!status.success());
        straggler(key, Signal::KILL).expect("gone, which is no error");
    }
}
