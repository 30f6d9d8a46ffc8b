//! What concerns our own process: who we are, what we adopt, how we leave.

use std::io;

use nix::libc;
use nix::unistd::{geteuid, getpid};

use super::seam;
use crate::core::{Pid, Stopped};

/// How far our reach goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// PID 1 of a PID namespace: every orphan comes to us, and our end ends all.
    Init,
    /// An ordinary process that adopts the orphans among its descendants.
    Subreaper,
}

/// Our own process number.
pub fn own_pid() -> Pid {
    Pid(getpid().as_raw())
}

/// Our effective user.
pub fn effective_user() -> u32 {
    geteuid().as_raw()
}

/// Takes up our role: PID 1 has it by birth, any other process asks for its orphans
/// (`PR_SET_CHILD_SUBREAPER` of `prctl(2)`).
pub fn adopt_orphans() -> io::Result<Role> {
    if own_pid() == Pid(1) {
        return Ok(Role::Init);
    }
    seam::checked("prctl_subreaper", || {
        // SAFETY: this option takes plain numbers and touches no memory.
        unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }
    })?;
    Ok(Role::Subreaper)
}

/// Asks for the processor before everybody else: among hundreds of processes that fork all the time
/// we would get too small a share of it to end them in time. Needs `CAP_SYS_NICE`; without it
/// nothing changes. Not while members are still being started: they would inherit it.
pub fn go_first() -> io::Result<()> {
    // SAFETY: plain numbers; 0 is ourselves.
    seam::checked("setpriority", || unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) })
        .map(drop)
}

/// Has no error of ours look for a backtrace, whatever `$RUST_BACKTRACE` says: nobody is shown one, and a
/// program without tables for unwinding ends when it looks. Call it before there is an error or a
/// second thread: whether one is wanted is found out once.
pub fn want_no_backtraces() {
    const NAME: &str = "RUST_LIB_BACKTRACE";
    let before = std::env::var_os(NAME);
    // SAFETY: there is no second thread yet.
    unsafe { std::env::set_var(NAME, "0") };
    let _ = std::backtrace::Backtrace::capture();
    match before {
        // Members get what we got.
        // SAFETY: there is still none.
        Some(value) => unsafe { std::env::set_var(NAME, value) },
        // SAFETY: likewise.
        None => unsafe { std::env::remove_var(NAME) },
    }
}

/// Our own `oom_score_adj`, which members inherit (`proc_pid_oom_score_adj(5)`).
pub fn oom_score_adj() -> io::Result<i16> {
    let text =
        seam::call("read_oom_score", || std::fs::read_to_string("/proc/self/oom_score_adj"))?;
    text.trim().parse().map_err(io::Error::other)
}

/// Stops ourselves, or our whole process group, as Ctrl-Z does; comes back when somebody has
/// continued us. As PID 1 nothing happens: the kernel does not let an init stop itself.
pub fn suspend(who: Stopped) -> io::Result<()> {
    let number = match who {
        Stopped::Alone => own_pid().0,
        Stopped::WholeJob => 0,
    };
    // SAFETY: plain numbers.
    seam::checked("suspend", || unsafe { libc::kill(number, libc::SIGSTOP) }).map(drop)
}

/// Has the kernel send us this signal when the thread that made us ends (`PR_SET_PDEATHSIG` of
/// `prctl(2)`).
pub(super) fn end_with_parent(signal: libc::c_int) -> io::Result<()> {
    seam::checked("prctl_tie_copy", || {
        // SAFETY: this option takes plain numbers.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal, 0, 0, 0) }
    })
    .map(drop)
}

/// Makes what `/proc` shows of us belong to our own user again (`PR_SET_DUMPABLE` of `prctl(2)`).
///
/// A child that shares our memory and becomes another user takes that from us too: so long the
/// kernel protects our memory from that user. Now the child has executed its program, or is gone;
/// without this `/proc/1/fd/1`, the way to a container's log, would be closed to members.
pub(super) fn stay_readable() {
    let set = seam::checked("prctl_dumpable", || {
        // SAFETY: this option takes plain numbers.
        unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) }
    });
    // Then what `/proc` shows of us is for root alone, and nothing else changes.
    drop(set);
}

/// Leaves at once: no exit handlers, no flushing, no waiting for the voice thread.
pub fn leave(code: u8) -> ! {
    // SAFETY: it ends the process; nothing is used afterwards.
    unsafe { libc::_exit(i32::from(code)) }
}
