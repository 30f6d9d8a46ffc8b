//! Reaping. `run` is its one owner: nothing else in the program waits for a child.

use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use nix::libc;

use super::seam;
use crate::core::{Pid, Status};
use crate::spec::Signal;

/// What one look at the children found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaped {
    /// This one ended and is gone now; with what it used in all its life.
    Child(Pid, Status, Usage),
    /// There are children, and none has ended.
    NoneEnded,
    /// There is no child at all (`ECHILD`).
    NoChildren,
}

/// What a process used, with those of its children that it waited for (`getrusage(2)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time for itself.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// The most memory that it, or one of those children, had at a time, in bytes.
    pub peak_resident: u64,
}

/// So often a look that failed is tried again.
const TRIES: u32 = 2;

/// Reaps one child that has ended. Never blocks.
///
/// Raw, because nix loses the status of a child that a real-time signal killed, and because the C
/// library hides what the kernel's call tells of its usage. `__WALL` also takes children that were cloned
/// without SIGCHLD and then came to us as orphans.
pub fn reap() -> io::Result<Reaped> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let flags = libc::WEXITED | libc::WNOHANG | libc::__WALL;
    let mut tries = 1..=TRIES;
    loop {
        let looked = seam::checked("waitid", || {
            let (info, usage) = (info.as_mut_ptr(), usage.as_mut_ptr());
            // SAFETY: the call writes to memory of the right types and sizes.
            let result =
                unsafe { libc::syscall(libc::SYS_waitid, libc::P_ALL, 0, info, flags, usage) };
            libc::c_int::try_from(result).unwrap_or(-1)
        });
        match looked {
            Ok(_) => break,
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => {
                return Ok(Reaped::NoChildren);
            }
            // Who ends is announced once: a look that failed must not be the last.
            Err(error) if tries.next().is_none() => return Err(error),
            Err(_) => {}
        }
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
    // SAFETY: it was zeroed and filled by the call.
    let usage = unsafe { usage.assume_init() };
    Ok(Reaped::Child(Pid(pid), status, Usage::from(&usage)))
}

impl From<&libc::rusage> for Usage {
    fn from(usage: &libc::rusage) -> Self {
        let time = |it: libc::timeval| {
            let whole = Duration::from_secs(u64::try_from(it.tv_sec).unwrap_or_default());
            whole + Duration::from_micros(u64::try_from(it.tv_usec).unwrap_or_default())
        };
        let kibibytes = u64::try_from(usage.ru_maxrss).unwrap_or_default();
        Self {
            user: time(usage.ru_utime),
            system: time(usage.ru_stime),
            peak_resident: kibibytes.saturating_mul(1024),
        }
    }
}

/// Which of our own children are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The one with this number.
    Child(Pid),
    /// Any in this process group.
    Group(Pid),
}

/// Whether we have such a child, ended or not, that is not reaped. Nothing is reaped by this.
///
/// While there is one its number, or its group's, cannot come again: nobody reaps it but us.
pub(super) fn have_child(whose: Whose) -> bool {
    let (kind, number) = match whose {
        Whose::Child(pid) => (libc::P_PID, pid),
        Whose::Group(group) => (libc::P_PGID, group),
    };
    let Ok(number) = libc::id_t::try_from(number.0) else { return false };
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    let looked = seam::checked("waitid_look", || {
        // SAFETY: the call writes to memory of the right type and size.
        unsafe { libc::waitid(kind, number, info.as_mut_ptr(), flags) }
    });
    looked.is_ok()
}

/// The signal that has stopped this child since the last look; `None` if none has, or it is gone.
/// The child itself is not reaped by this.
pub fn stopped(pid: Pid) -> io::Result<Option<Signal>> {
    let Ok(number) = libc::id_t::try_from(pid.0) else { return Ok(None) };
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let looked = seam::checked("waitid_stopped", || {
        // SAFETY: the call writes to memory of the right type and size.
        unsafe {
            libc::waitid(libc::P_PID, number, info.as_mut_ptr(), libc::WSTOPPED | libc::WNOHANG)
        }
    });
    match looked {
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(None),
        looked => looked?,
    };
    // SAFETY: it was zeroed and, where there was something to say, filled by the call.
    let info = unsafe { info.assume_init() };
    // SAFETY: for waitid the kernel fills the variant that holds the number, or it is zero.
    if unsafe { info.si_pid() } == 0 {
        return Ok(None);
    }
    // SAFETY: as above, the same variant.
    Ok(Signal::from_kernel(unsafe { info.si_status() }))
}
