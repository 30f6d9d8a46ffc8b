//! What concerns our own process: who we are, what we adopt, how we leave.

use std::io;

use nix::libc;
use nix::unistd::getpid;

use crate::core::Pid;

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

/// Takes up our role: PID 1 has it by birth, any other process asks for its orphans
/// (`PR_SET_CHILD_SUBREAPER` of `prctl(2)`).
pub fn adopt_orphans() -> io::Result<Role> {
    if own_pid() == Pid(1) {
        return Ok(Role::Init);
    }
    // SAFETY: this option takes plain numbers and touches no memory.
    let result = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(Role::Subreaper)
}

/// Marks every descriptor from 3 up close-on-exec, so that members inherit the first three only.
///
/// Our own descriptors are made close-on-exec; this is about those that we inherited.
/// Needs Linux 5.11 (`close_range(2)`).
pub fn close_inherited_on_exec() -> io::Result<()> {
    // SAFETY: the call takes plain numbers; with this flag it closes nothing now.
    let result = unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
    };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Asks for the processor before everybody else: among hundreds of processes that fork all the time
/// we would get too small a share of it to end them in time. Needs `CAP_SYS_NICE`; without it
/// nothing changes. Not while members are still being started: they would inherit it.
pub fn go_first() {
    // SAFETY: plain numbers; 0 is ourselves.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) };
}

/// Leaves at once: no exit handlers, no flushing, no waiting for the voice thread.
pub fn leave(code: u8) -> ! {
    // SAFETY: it ends the process; nothing is used afterwards.
    unsafe { libc::_exit(i32::from(code)) }
}
