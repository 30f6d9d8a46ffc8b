//! Signals that fateshare itself gets, with their sender.
//!
//! The handlers are signal-hook's: they keep the origin and write a byte to a socket that the loop
//! waits on. Equal signals that are pending together count as one.

use std::io;
use std::mem::ManuallyDrop;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal as NixSignal, sigaction};
use signal_hook::flag;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};

use super::seam;
use crate::core::{Pid, Sender};
use crate::spec::Signal;

/// Blocks every signal of this thread and of those it will start. The first thing `main` does:
/// what is sent early stays pending instead of ending us or, as PID 1, being lost.
pub fn block_all() -> io::Result<()> {
    seam::call("sigprocmask", || Ok(SigSet::all().thread_block()?))
}

/// Unblocks every signal of this thread, whatever was blocked when we were started.
pub fn unblock_all() -> io::Result<()> {
    seam::call("sigprocmask", || Ok(SigSet::empty().thread_set_mask()?))
}

/// Does some work while the ends of children are not announced: one that ends would interrupt whoever tells
/// hundreds. Then also says why they could not be announced again.
pub fn undisturbed<T>(work: impl FnOnce() -> T) -> (T, io::Result<()>) {
    let ends = SigSet::from(NixSignal::SIGCHLD);
    // Without it we are interrupted, and that is all.
    let held = seam::call("sigprocmask", || Ok(ends.thread_block()?)).is_ok();
    let result = work();
    let again =
        if held { seam::call("sigprocmask", || Ok(ends.thread_unblock()?)) } else { Ok(()) };
    (result, again)
}

/// Does some work that may wait for somebody (a spec from a pipe, a message to a full terminal)
/// while nothing is started: a request to stop ends us at once, with 128 + its number.
///
/// Called and left with all signals blocked. As PID 1 a handler is needed for that: its default
/// would be to ignore the signal.
pub fn interruptible<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    let idle = Arc::new(AtomicBool::new(true));
    for signal in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM] {
        let code = i32::from(signal.shell_code());
        seam::call("sigaction", || {
            flag::register_conditional_shutdown(signal.number(), code, Arc::clone(&idle))
        })?;
    }
    unblock_all()?;
    let result = work();
    block_all()?;
    // From here on they are a matter of the group again: the handlers do nothing any more.
    idle.store(false, Ordering::SeqCst);
    Ok(result)
}

/// Whether a signal waits to be taken off the socket, and which they are.
#[derive(Debug)]
pub struct Signals {
    /// Never given back: for each signal the handlers of all are copied then, and what ends next is the process.
    delivery: ManuallyDrop<SignalDelivery<UnixStream, WithOrigin>>,
}

/// Signals that were taken off the socket together.
#[derive(Debug, Default)]
pub struct Pending {
    /// Whether SIGCHLD was among them.
    pub child: bool,
    /// All others, with their senders.
    pub others: Vec<(Signal, Sender)>,
}

impl Signals {
    /// Catches these signals from now on. SIGCHLD is set to its default first: an inherited
    /// "ignore" would make the kernel throw the wait statuses away.
    pub fn catch(wanted: &[Signal]) -> io::Result<Self> {
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        // SAFETY: the default disposition runs no code of ours.
        seam::call("sigaction", || Ok(unsafe { sigaction(NixSignal::SIGCHLD, &default) }?))?;
        let (read, write) = seam::call("socketpair", UnixStream::pair)?;
        let numbers: Vec<i32> = wanted.iter().map(|signal| signal.number()).collect();
        let delivery = seam::call("sigaction", || {
            SignalDelivery::with_pipe(read, write, WithOrigin::default(), &numbers)
        })?;
        Ok(Self { delivery: ManuallyDrop::new(delivery) })
    }

    /// The socket that becomes readable when a signal has come, for the loop to wait on. It may
    /// also be read: the signals themselves are kept elsewhere.
    pub fn socket(&self) -> io::Result<UnixStream> {
        let socket = seam::call("dup", || self.delivery.get_read().try_clone())?;
        seam::call("ioctl_fionbio", || socket.set_nonblocking(true))?;
        Ok(socket)
    }

    /// Takes everything that has come. Never blocks.
    pub fn take(&mut self) -> Pending {
        let mut pending = Pending::default();
        for origin in self.delivery.pending() {
            match Signal::from_number(origin.signal) {
                Some(Signal::CHLD) => pending.child = true,
                Some(signal) => pending.others.push((signal, sender(signal, &origin))),
                None => {}
            }
        }
        pending
    }
}

fn sender(signal: Signal, origin: &Origin) -> Sender {
    match (&origin.process, origin.cause) {
        (Some(process), _) => sent_by(Pid(process.pid), process.uid),
        (None, Cause::Kernel) if from_terminals(signal) => Sender::Terminal,
        (None, _) => Sender::Unknown,
    }
}

/// The process that has sent a signal, as the kernel numbers it: 0 when it is not in our PID namespace
/// or below it.
pub(super) fn sent_by(pid: Pid, uid: u32) -> Sender {
    match pid {
        Pid(0) => Sender::Outside,
        pid => Sender::Process { pid, uid, name: super::procfs::name(pid) },
    }
}

/// Signals that the kernel sends for a terminal's sake (`SI_KERNEL`).
pub(super) fn from_terminals(signal: Signal) -> bool {
    matches!(
        signal,
        Signal::HUP | Signal::INT | Signal::QUIT | Signal::TSTP | Signal::CONT | Signal::WINCH
    )
}

/// The signals whose disposition is not the default one, to be reset in members. Read once, after
/// the handlers are in place: nothing changes dispositions later.
pub(super) fn not_default() -> &'static [libc::c_int] {
    static NOT_DEFAULT: OnceLock<Vec<libc::c_int>> = OnceLock::new();
    NOT_DEFAULT.get_or_init(|| (1..=64).filter(|number| !is_default(*number)).collect())
}

fn is_default(number: libc::c_int) -> bool {
    let mut current: KernelAction = [0; 4];
    // KILL and STOP cannot even be asked about; they are what they are.
    action(number, std::ptr::null(), &raw mut current) == -1 || current[0] == libc::SIG_DFL
}

/// Sets the default disposition; -1 and `errno` if that fails. Safe between `clone` and `execve`.
pub(super) fn set_default(number: libc::c_int) -> libc::c_int {
    let default: KernelAction = [libc::SIG_DFL, 0, 0, 0];
    action(number, &raw const default, std::ptr::null_mut())
}

/// Blocks nothing any more; -1 and `errno` if that fails. Safe between `clone` and `execve`.
pub(super) fn set_empty_mask() -> libc::c_int {
    let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: it writes a whole set to memory of the right type.
    unsafe { libc::sigemptyset(none.as_mut_ptr()) };
    seam::raw("sigprocmask_child", || {
        // SAFETY: the set was just made; no old one is asked for.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut()) }
    })
}

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the kernel's form of a signal action is written down for 64-bit systems only");

/// The kernel's own form of an action: handler, flags, restorer, mask (on `x86_64`; without a
/// restorer one word shorter elsewhere). All zeroes is the default disposition everywhere.
type KernelAction = [usize; 4];

/// `rt_sigaction(2)` past the C library, which keeps 32 and 33 to itself: an inherited "ignore" of
/// those would reach members too.
fn action(number: libc::c_int, new: *const KernelAction, old: *mut KernelAction) -> libc::c_int {
    const SIZE_OF_A_SET: usize = 8;
    // SAFETY: both pointers are null or lead to at least what the kernel reads and writes.
    let result = unsafe { libc::syscall(libc::SYS_rt_sigaction, number, new, old, SIZE_OF_A_SET) };
    if result == -1 { -1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_table_of_signals_is_the_c_librarys() {
        for signal in NixSignal::iterator() {
            let ours = Signal::from_number(signal as i32).expect("every standard signal is known");
            assert_eq!(ours.to_string(), signal.as_str());
        }
        let last = Signal::real_time().last().map(Signal::number);
        assert_eq!(last, Some(libc::SIGRTMAX()));
    }

    #[test]
    fn an_end_that_comes_meanwhile_is_announced_after() {
        // Of this thread alone: the other tests' children end too.
        let waits = || {
            let status = std::fs::read_to_string("/proc/thread-self/status").expect("its status");
            let set = |key| status.lines().find_map(|line| line.strip_prefix(key));
            let has = |key| {
                let set = u64::from_str_radix(set(key).expect("a set").trim(), 16).expect("it is");
                set >> (libc::SIGCHLD - 1) & 1 == 1
            };
            (has("SigBlk:"), has("SigPnd:"))
        };
        assert_eq!(waits(), (false, false));
        let raise = || nix::sys::signal::raise(NixSignal::SIGCHLD).expect("a signal");
        let (meanwhile, again) = undisturbed(|| {
            raise();
            waits()
        });
        again.expect("they are announced again");
        assert_eq!(meanwhile, (true, true), "it is kept");
        assert_eq!(waits(), (false, false), "it has come");
    }
}
