//! The child, from `clone` to `execve`.
//!
//! It shares our memory (or, where that is refused, has a copy of it while another thread may hold
//! any lock): it runs on a stack of its own, allocates nothing, takes no lock and cannot panic, and
//! no handler may run in it: all signals are blocked until their dispositions are reset.

use std::ffi::{c_int, c_void};
use std::ptr;

use nix::libc;

use super::descriptors::{self, Limit};
use super::{seam, signals, terminal};

/// The steps of starting a member, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Making a new process.
    Fork,
    /// Making it the leader of a process group.
    Group,
    /// Giving up the terminal.
    NoTerminal,
    /// Making that group the terminal's foreground.
    Foreground,
    /// Restoring the limit on open descriptors.
    Limit,
    /// Setting how ready the kernel is to kill it when memory runs out.
    OomScore,
    /// Becoming its user, with that user's groups.
    User,
    /// Giving up all ways to gain privileges.
    NoNewPrivileges,
    /// Tying its life to ours (`PR_SET_PDEATHSIG`).
    Tie,
    /// Changing to its directory.
    Directory,
    /// Giving it its standard input.
    Stdin,
    /// Giving it its standard output and standard error.
    Outputs,
    /// Giving it the descriptors that were passed to us for it.
    Sockets,
    /// Resetting signal dispositions and the mask.
    Signals,
    /// Executing the program.
    Execute,
}

/// The steps a child can report, by the number that it writes.
pub(super) const CHILD_STEPS: [Step; 14] = [
    Step::Group,
    Step::NoTerminal,
    Step::Foreground,
    // It takes a descriptor, which the member's own limit may not allow.
    Step::OomScore,
    Step::Limit,
    Step::User,
    Step::NoNewPrivileges,
    // A change of user clears it, so it comes after that.
    Step::Tie,
    Step::Directory,
    Step::Stdin,
    Step::Outputs,
    Step::Sockets,
    Step::Signals,
    Step::Execute,
];

/// What the child is given, and what it gives back. It outlives the call: the parent goes on only
/// when the child is through with it.
pub(super) struct Shared<'a> {
    pub(super) file: *const libc::c_char,
    pub(super) argv: *const *const libc::c_char,
    pub(super) env: *const *const libc::c_char,
    /// Null for ours.
    pub(super) dir: *const libc::c_char,
    /// -1 for ours.
    pub(super) stdin: c_int,
    /// `None` for ours. None of them is 0, 1 or 2: those are always open in us.
    pub(super) outputs: Option<[c_int; 2]>,
    pub(super) foreground: bool,
    pub(super) no_terminal: bool,
    pub(super) limit: Option<Limit>,
    /// What is written to `oom_score_adj`.
    pub(super) oom_score: Option<&'a [u8]>,
    pub(super) change: Option<&'a super::privileges::Change>,
    pub(super) no_new_privs: bool,
    /// So many descriptors from [`descriptors::FIRST`] on stay open.
    pub(super) sockets: c_int,
    /// Where in `env` the child's own number goes: places with room for ten digits and a NUL.
    pub(super) own_number: &'a [*mut u8],
    pub(super) parent: libc::pid_t,
    pub(super) resets: &'static [c_int],
    /// Where to report where memory is not shared; -1 where it is.
    pub(super) report: c_int,
    /// The index into [`CHILD_STEPS`] of the step under way.
    pub(super) step: usize,
    /// What that step failed with; 0 while none has.
    pub(super) errno: c_int,
}

/// What `clone` starts: takes step after step until one fails; the last one does not return.
pub(super) extern "C" fn child(shared: *mut c_void) -> c_int {
    // SAFETY: it points to the `Shared` of a parent that waits until we are through.
    let shared = unsafe { &mut *shared.cast::<Shared<'_>>() };
    for (number, step) in CHILD_STEPS.into_iter().enumerate() {
        shared.step = number;
        if take(step, shared) == -1 {
            let errno = nix::errno::Errno::last_raw();
            // SAFETY: the place is valid; the parent reads it as volatile.
            unsafe { ptr::write_volatile(&raw mut shared.errno, errno) };
            report(shared.report, number, errno);
            break;
        }
    }
    // SAFETY: it ends this child only; its memory is the parent's and stays as it is.
    unsafe { libc::_exit(127) }
}

/// The step and the `errno` as two bytes and four, for a parent that does not share our memory.
fn report(to: c_int, step: usize, errno: c_int) {
    if to == -1 {
        return;
    }
    let [a, b, c, d] = errno.to_ne_bytes();
    let message = [u8::try_from(step).unwrap_or(u8::MAX), 0, a, b, c, d];
    // SAFETY: the message is that long; nobody is left to tell if this fails.
    let _ = unsafe { libc::write(to, message.as_ptr().cast(), message.len()) };
}

/// Reads what [`report`] wrote; `None` if that is nothing: the program runs.
pub(super) fn reported(message: &[u8]) -> Option<(usize, c_int)> {
    let [step, _, a, b, c, d] = *message.first_chunk()?;
    Some((usize::from(step), c_int::from_ne_bytes([a, b, c, d])))
}

/// One step of the child; -1 and `errno` if it failed.
fn take(step: Step, shared: &Shared<'_>) -> c_int {
    match step {
        Step::Fork => 0,
        // Only here, not in the parent too: it goes on after our execve, when the group exists.
        // SAFETY: plain numbers.
        Step::Group => seam::raw("setpgid", || unsafe { libc::setpgid(0, 0) }),
        Step::NoTerminal if shared.no_terminal => terminal::give_up(),
        Step::NoTerminal => 0,
        Step::Foreground if shared.foreground => terminal::take_foreground(),
        Step::Foreground => 0,
        Step::Limit => shared.limit.map_or(0, descriptors::restore_limit),
        Step::OomScore => shared.oom_score.map_or(0, set_oom_score),
        Step::User => shared.change.map_or(0, change_user),
        Step::NoNewPrivileges if !shared.no_new_privs => 0,
        Step::NoNewPrivileges => seam::raw("prctl_no_new_privs", || {
            // SAFETY: this option takes plain numbers.
            unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }
        }),
        Step::Tie => tie(shared.parent),
        Step::Directory if shared.dir.is_null() => 0,
        // SAFETY: a C string that outlives this child's use of it.
        Step::Directory => seam::raw("chdir", || unsafe { libc::chdir(shared.dir) }),
        Step::Stdin if shared.stdin == -1 => 0,
        // SAFETY: plain numbers; the new descriptor is not close-on-exec.
        Step::Stdin => seam::raw("dup2", || unsafe { libc::dup2(shared.stdin, 0) }),
        Step::Outputs => shared.outputs.map_or(0, set_outputs),
        Step::Sockets => pass_sockets(shared),
        Step::Signals => reset_signals(shared.resets),
        Step::Execute => seam::raw("execve", || {
            // SAFETY: NULL-ended arrays of C strings that outlive this child's use of them.
            unsafe { libc::execve(shared.file, shared.argv, shared.env) }
        }),
    }
}

/// The new descriptors are not close-on-exec.
fn set_outputs(outputs: [c_int; 2]) -> c_int {
    for (from, to) in outputs.into_iter().zip([libc::STDOUT_FILENO, libc::STDERR_FILENO]) {
        // SAFETY: plain numbers.
        if seam::raw("dup2_output", || unsafe { libc::dup2(from, to) }) == -1 {
            return -1;
        }
    }
    0
}

/// Raising it needs no privileges; the child may write its own.
fn set_oom_score(text: &[u8]) -> c_int {
    seam::raw("write_oom_score", || {
        let path = c"/proc/self/oom_score_adj".as_ptr();
        // SAFETY: a C string; the descriptor is close-on-exec.
        let file = unsafe { libc::open(path, libc::O_WRONLY | libc::O_CLOEXEC) };
        if file == -1 {
            return -1;
        }
        // SAFETY: the text is that long.
        let written = unsafe { libc::write(file, text.as_ptr().cast(), text.len()) };
        if written == -1 { -1 } else { 0 }
    })
}

/// Groups first: afterwards we may not any more. Past the C library, which would change the other
/// threads of the process whose memory this is.
fn change_user(change: &super::privileges::Change) -> c_int {
    let groups = seam::raw("setgroups", || {
        // SAFETY: the list is that long.
        let result = unsafe {
            libc::syscall(libc::SYS_setgroups, change.groups.len(), change.groups.as_ptr())
        };
        if result == -1 { -1 } else { 0 }
    });
    if groups == -1 {
        return -1;
    }
    // The kernel takes them away from root alone. EINVAL: before Linux 4.3 there are none.
    let ambient = seam::raw("prctl_cap_ambient", || {
        let clear = libc::PR_CAP_AMBIENT_CLEAR_ALL;
        // SAFETY: this option takes plain numbers.
        unsafe { libc::prctl(libc::PR_CAP_AMBIENT, clear, 0, 0, 0) }
    });
    if ambient == -1 && nix::errno::Errno::last_raw() != libc::EINVAL {
        return -1;
    }
    let (uid, gid) = (change.uid, change.gid);
    let group = seam::raw("setresgid", || {
        // SAFETY: plain numbers.
        let result = unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) };
        if result == -1 { -1 } else { 0 }
    });
    if group == -1 {
        return -1;
    }
    seam::raw("setresuid", || {
        // SAFETY: plain numbers.
        let result = unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) };
        if result == -1 { -1 } else { 0 }
    })
}

/// SIGKILL when the parent's spawning thread ends, which is its main thread and so its end.
fn tie(parent: libc::pid_t) -> c_int {
    let result = seam::raw("prctl_pdeathsig", || {
        // SAFETY: this option takes plain numbers.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) }
    });
    // SAFETY: it takes nothing and cannot fail.
    let now = unsafe { libc::getppid() };
    // A parent that died before the call sends nothing any more.
    if now != parent {
        // SAFETY: it ends this child only.
        unsafe { libc::_exit(127) }
    }
    result
}

/// Keeps the passed descriptors open, and writes whom they are for into the environment.
fn pass_sockets(shared: &Shared<'_>) -> c_int {
    for number in descriptors::FIRST..descriptors::FIRST.saturating_add(shared.sockets) {
        if descriptors::close_on_exec(number, false).is_err() {
            return -1;
        }
    }
    // SAFETY: it takes nothing and cannot fail.
    let mut left = unsafe { libc::getpid() }.unsigned_abs();
    let mut digits = [0_u8; 11];
    let mut first = digits.len() - 1;
    loop {
        first -= 1;
        digits[first] = b'0' + u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
        if left == 0 {
            break;
        }
    }
    let text = &digits[first..];
    for place in shared.own_number {
        // SAFETY: every place has room for eleven bytes, and nobody else uses it now.
        unsafe { ptr::copy_nonoverlapping(text.as_ptr(), *place, text.len()) };
    }
    0
}

/// Default dispositions first, then the mask: a signal that arrives in between finds no handler.
fn reset_signals(numbers: &[c_int]) -> c_int {
    // Our own copy of the table: the parent's stays as it is.
    let failed = || numbers.iter().any(|number| signals::set_default(*number) == -1);
    let reset = seam::raw("sigaction_default", || if failed() { -1 } else { 0 });
    if reset == -1 { -1 } else { signals::set_empty_mask() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_child_reports_is_read_back() {
        let (read, write) = std::io::pipe().expect("a pipe");
        report(std::os::fd::AsRawFd::as_raw_fd(&write), 3, libc::EPERM);
        drop(write);
        let mut message = Vec::new();
        std::io::Read::read_to_end(&mut { read }, &mut message).expect("the message");
        assert_eq!(reported(&message), Some((3, libc::EPERM)));
        assert_eq!(reported(&[]), None, "the program was executed");
    }
}
