//! Signals for a process that only waits for them: taken one by one, without handlers.

use std::io;
use std::time::Duration;

use nix::libc;

use super::{kill, seam, signals};
use crate::core::{Pid, Sender, Target};
use crate::spec::Signal;

/// The next signal that is pending, with its sender; `None` when none came within this time, or when a
/// stop and its continuation interrupted the wait. Every signal must be blocked (see
/// [`super::signals::block_all`]): as PID 1 they would be lost otherwise.
pub fn next(limit: Option<Duration>) -> io::Result<Option<(Signal, Sender)>> {
    let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: it writes a whole set to memory of the right type.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    let limit = limit.map(|limit| libc::timespec {
        // Longer than any clock runs is as good as for ever.
        tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(limit.subsec_nanos()),
    });
    let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let taken = seam::checked("sigtimedwait", || {
        // SAFETY: the set was just made, the rest are null or of the right types.
        unsafe { libc::sigtimedwait(all.as_ptr(), info.as_mut_ptr(), limit) }
    });
    let number = match taken {
        Ok(number) => number,
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let Some(signal) = Signal::from_number(number) else { return Ok(None) };
    // SAFETY: it was zeroed, and then filled by the call.
    let info = unsafe { info.assume_init() };
    Ok(Some((signal, sender(signal, &info))))
}

fn sender(signal: Signal, info: &libc::siginfo_t) -> Sender {
    // As `SI_USER` and the like say, and not the kernel for a terminal's sake.
    if info.si_code > 0 || signal == Signal::CHLD {
        let terminal = info.si_code == libc::SI_KERNEL && signals::from_terminals(signal);
        return if terminal { Sender::Terminal } else { Sender::Unknown };
    }
    // SAFETY: for these codes the kernel fills the variant that holds the number and the user.
    let pid = Pid(unsafe { info.si_pid() });
    // SAFETY: as above.
    let uid = unsafe { info.si_uid() };
    signals::sent_by(pid, uid)
}

/// Passes a signal on to a child that is not reaped, in its sender's name as far as the kernel lets us
/// (`rt_sigqueueinfo(2)`: it does within a PID namespace).
pub fn pass_on(child: Pid, signal: Signal, sender: &Sender) -> io::Result<()> {
    /// The beginning of `siginfo_t`, as the kernel lays it out where longs have 64 bits.
    #[repr(C)]
    struct Info {
        signo: libc::c_int,
        errno: libc::c_int,
        code: libc::c_int,
        padding: libc::c_int,
        pid: libc::pid_t,
        uid: libc::uid_t,
        rest: [u64; 13],
    }
    let (pid, uid) = match sender {
        Sender::Process { pid, uid, .. } => (pid.0, *uid),
        Sender::Outside => (0, 0),
        // Nobody but the kernel may say so.
        Sender::Terminal | Sender::Unknown => return kill::leader(child, Target::Leader, signal),
    };
    let signo = signal.number();
    let info = Info { signo, errno: 0, code: libc::SI_QUEUE, padding: 0, pid, uid, rest: [0; 13] };
    let sent = seam::checked("sigqueue", || {
        let info = std::ptr::from_ref(&info);
        // SAFETY: a number, and memory of the size that the kernel reads.
        let result = unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, child.0, signo, info) };
        if result == -1 { -1 } else { 0 }
    });
    // Then it is from us, which is better than from nobody.
    sent.map(drop).or_else(|_| kill::leader(child, Target::Leader, signal))
}
