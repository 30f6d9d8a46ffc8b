//! Reaping. `run` is its one owner: nothing else in the program waits for a child.

use std::io;

use nix::libc;

use crate::core::{Pid, Status};
use crate::spec::Signal;

/// What one look at the children found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaped {
    /// This one ended and is gone now.
    Child(Pid, Status),
    /// There are children, and none has ended.
    NoneEnded,
    /// There is no child at all (`ECHILD`).
    NoChildren,
}

/// Reaps one child that has ended. Never blocks.
///
/// Raw, because nix loses the status of a child that a real-time signal killed. `__WALL` also
/// takes children that were cloned without SIGCHLD and then came to us as orphans.
pub fn reap() -> io::Result<Reaped> {
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = libc::WEXITED | libc::WNOHANG | libc::__WALL;
    // SAFETY: the call writes to memory of the right type and size.
    let result = unsafe { libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), flags) };
    if result == -1 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(libc::ECHILD) => Ok(Reaped::NoChildren),
            // A handler ran; the next look is as good.
            Some(libc::EINTR) => Ok(Reaped::NoneEnded),
            _ => Err(error),
        };
    }
    // SAFETY: it was zeroed and, where there was something to say, filled by the call.
    let info = unsafe { info.assume_init() };
    // SAFETY: for waitid the kernel fills the variant that holds the number, or it is zero.
    let pid = unsafe { info.si_pid() };
    if pid == 0 {
        return Ok(Reaped::NoneEnded);
    }
    // SAFETY: as above, the same variant.
    let raw = unsafe { info.si_status() };
    let status = if info.si_code == libc::CLD_EXITED {
        // The kernel keeps eight bits of the code.
        Status::Exited(u8::try_from(raw & 0xff).unwrap_or(u8::MAX))
    } else {
        // With WEXITED there are only CLD_KILLED and CLD_DUMPED.
        Signal::from_kernel(raw).map_or(Status::Exited(u8::MAX), Status::Killed)
    };
    Ok(Reaped::Child(Pid(pid), status))
}
