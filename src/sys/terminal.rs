//! Our terminal: who is in its foreground, and whether it is still there.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{BorrowedFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::libc;
use nix::unistd::{getpgid, getpgrp, getsid, tcgetpgrp, tcsetpgrp};

use super::{process, procfs, seam};
use crate::core::{JobControl, Pid};

/// Our controlling terminal.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// Standard input, or `/dev/tty`, which stays open.
    tty: BorrowedFd<'static>,
    /// Whether it is standard input.
    is_input: bool,
    /// Our own process group, which gets the foreground back.
    own_group: nix::unistd::Pid,
}

impl Terminal {
    /// Looks at standard input; when that is something else (a file, a pipe, a terminal of another
    /// session), whether we have one all the same: pagers and passwords are typed there.
    pub fn find() -> Option<Self> {
        // SAFETY: the standard library opened it before `main` if nobody else had, and nothing here
        // ever closes it.
        let stdin = unsafe { BorrowedFd::borrow_raw(libc::STDIN_FILENO) };
        let own_group = getpgrp();
        // Only a controlling terminal tells its foreground group (ENOTTY else).
        if foreground(stdin).is_ok() {
            return Some(Self { tty: stdin, is_input: true, own_group });
        }
        let opened = seam::call("open_tty", || {
            File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open("/dev/tty")
        });
        let number = opened.ok()?.into_raw_fd();
        // SAFETY: it was just opened, and nobody closes it.
        let tty = unsafe { BorrowedFd::borrow_raw(number) };
        foreground(tty).ok()?;
        Some(Self { tty, is_input: false, own_group })
    }

    /// Whether main reads from it by itself.
    pub fn is_input(self) -> bool {
        self.is_input
    }

    /// A descriptor of its own, to wait for a hang-up with.
    pub fn to_watch(self) -> io::Result<OwnedFd> {
        seam::call("dup_terminal", || self.tty.try_clone_to_owned())
    }

    /// Whether our own group is in the foreground: only then it is ours to give. As a background
    /// job we must not take it from the shell.
    pub fn is_ours(self) -> bool {
        foreground(self.tty).is_ok_and(|group| group == self.own_group)
    }

    /// Whether standard output is a terminal too.
    pub fn shows_output(self) -> bool {
        io::stdout().is_terminal()
    }

    /// Puts a member's group into the foreground.
    pub fn give(self, group: Pid) -> io::Result<()> {
        give(self.tty, nix::unistd::Pid::from_raw(group.0))
    }

    /// Takes the foreground back if the group of this leader has it, or one that is gone; whoever
    /// else has it keeps it.
    pub fn take_back(self, from: Option<Pid>) -> io::Result<()> {
        let now = foreground(self.tty)?;
        // A job of a shell that was main has a group of its own, and is gone by now; the shell
        // that started us must not find its terminal with a group that does not exist.
        if from == Some(Pid(now.as_raw()))
            || nix::sys::signal::killpg(now, None) == Err(Errno::ESRCH)
        {
            give(self.tty, self.own_group)?;
        }
        Ok(())
    }
}

/// Whether standard input is a terminal, ours or not.
pub fn is_input() -> bool {
    io::stdin().is_terminal()
}

fn foreground(tty: BorrowedFd<'_>) -> io::Result<nix::unistd::Pid> {
    seam::call("tcgetpgrp", || Ok(tcgetpgrp(tty)?))
}

/// All signals but SIGTTOU would do; the caller may be in the background.
fn give(tty: BorrowedFd<'_>, group: nix::unistd::Pid) -> io::Result<()> {
    let mask = nix::sys::signal::SigSet::from(nix::sys::signal::Signal::SIGTTOU);
    let before = mask.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK)?;
    let given = seam::call("tcsetpgrp", || Ok(tcsetpgrp(tty, group)?));
    before.thread_set_mask()?;
    given
}

/// Makes our own group the foreground of the terminal on descriptor 0; -1 and `errno` if that
/// fails for another reason than that there is no such terminal any more, or that it is not ours.
/// For a child with all signals blocked, SIGTTOU too. Safe between `clone` and `execve`.
pub(super) fn take_foreground() -> libc::c_int {
    let result = seam::raw("tcsetpgrp", || {
        // SAFETY: it takes nothing and cannot fail.
        let own = unsafe { libc::getpid() };
        // SAFETY: plain numbers.
        unsafe { libc::tcsetpgrp(0, own) }
    });
    let tolerated = matches!(
        Errno::last(),
        Errno::ENOTTY | Errno::EPERM | Errno::ENXIO | Errno::EIO | Errno::EBADF
    );
    if result == -1 && tolerated { 0 } else { result }
}

/// Gives up the controlling terminal, if there is one, so that `/dev/tty` cannot be opened any more
/// (`TIOCNOTTY` of `ioctl_tty(2)`); -1 and `errno` if that fails. A session of its own would not do: who
/// leads one may get another terminal by opening it. Safe between `clone` and `execve`.
pub(super) fn give_up() -> libc::c_int {
    let tty = seam::raw("open_tty_child", || {
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
        // SAFETY: the path ends with a NUL byte.
        unsafe { libc::open(c"/dev/tty".as_ptr(), flags) }
    });
    if tty == -1 {
        // There is none (ENXIO), or no way to it: that is what is wanted.
        return 0;
    }
    let result = seam::raw("ioctl_tiocnotty", || {
        // SAFETY: an open descriptor, and no argument.
        unsafe { libc::ioctl(tty, libc::TIOCNOTTY) }
    });
    let errno = Errno::last_raw();
    // SAFETY: it was just opened, and nobody else has it.
    unsafe { libc::close(tty) };
    Errno::set_raw(errno);
    result
}

/// Whether we belong to a terminal, wherever standard input comes from, and who could continue us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Whether we had a controlling terminal at the start.
    controlled: bool,
    /// Who could continue us if we stopped.
    pub job_control: JobControl,
}

impl Session {
    /// Looks at ourselves and our ancestors.
    pub fn find() -> Self {
        let own = procfs::stat(process::own_pid()).ok().flatten();
        Self {
            controlled: own.is_some_and(|own| own.terminal != 0),
            job_control: job_control().unwrap_or(JobControl::Nobody),
        }
    }

    /// Whether the terminal that we had was hung up: the kernel takes it away from the whole
    /// session then.
    pub fn has_lost_terminal(self) -> bool {
        self.controlled
            && procfs::stat(process::own_pid())
                .is_ok_and(|own| own.is_some_and(|own| own.terminal == 0))
    }
}

/// Who could continue us if we stopped: a shell with job control, which is our ancestor in the same
/// session and has another process group. Without one our group is "orphaned", and the kernel does
/// not let Ctrl-Z stop it either. An init neither stops nor notices that its child did.
fn job_control() -> Option<JobControl> {
    const DEEPEST: usize = 64;
    let group = getpgrp();
    let session = seam::call("getsid", || Ok(getsid(None)?)).ok()?;
    let mut pid = process::own_pid();
    for _ in 0..DEEPEST {
        let parent = procfs::stat(pid).ok()??.parent;
        let number = nix::unistd::Pid::from_raw(parent.0);
        // 0 is a parent outside our PID namespace.
        if parent.0 <= 1 || seam::call("getsid", || Ok(getsid(Some(number))?)).ok()? != session {
            return None;
        }
        if seam::call("getpgid", || Ok(getpgid(Some(number))?)).ok()? != group {
            return Some(JobControl::Shell);
        }
        pid = parent;
    }
    None
}
