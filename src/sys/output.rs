//! Standard output and standard error, as the voice writes to them.
//!
//! The inherited descriptors are only borrowed, and never made non-blocking: their descriptions are
//! shared with whoever started us. Where it can, a [`Sink`] has a description of its own.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{Mode, SFlag, fchmod, fstat};

use super::memory::page_size;
use super::seam;

/// A write to a pipe of at most this many bytes is never torn, and does not wait when the pipe says
/// that it takes any (`PIPE_BUF` of `pipe(7)`).
pub const WHOLE: usize = 4096;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

impl Which {
    /// Whether it is a terminal.
    pub fn is_terminal(self) -> bool {
        self.as_fd().is_terminal()
    }

    /// The inherited descriptor itself.
    pub fn as_fd(self) -> BorrowedFd<'static> {
        let number = match self {
            Self::Stdout => libc::STDOUT_FILENO,
            Self::Stderr => libc::STDERR_FILENO,
        };
        // SAFETY: the standard library opened it before `main` if nobody else had, and nothing here
        // ever closes it.
        unsafe { BorrowedFd::borrow_raw(number) }
    }

    /// Its name under `/proc/self/fd`. A closed one was replaced by `/dev/null` when we started.
    fn path(self) -> &'static str {
        match self {
            Self::Stdout => "/proc/self/fd/1",
            Self::Stderr => "/proc/self/fd/2",
        }
    }
}

/// Lets every user open our standard output and standard error anew, where they are nameless pipes:
/// `echo hi > /dev/stdout`. Who can write to them through what it inherited can do no more by that.
/// Nothing that outlives us is changed: no terminal, no FIFO of somebody's.
pub fn open_to_all() -> io::Result<()> {
    const PIPEFS: libc::c_long = 0x5049_5045;
    for which in [Which::Stdout, Which::Stderr] {
        let meta = seam::call("stat_output", || Ok(fstat(which.as_fd())?))?;
        let mode = Mode::from_bits_truncate(meta.st_mode);
        if file_system(which)? == PIPEFS && !mode.contains(Mode::S_IWOTH) {
            seam::call("fchmod", || Ok(fchmod(which.as_fd(), mode | Mode::S_IWOTH)?))?;
        }
    }
    Ok(())
}

/// The magic number of the file system that it is on (`statfs(2)`).
fn file_system(which: Which) -> io::Result<libc::c_long> {
    let mut found = MaybeUninit::<libc::statfs>::uninit();
    seam::checked("statfs_output", || {
        // SAFETY: it writes a whole `statfs` to memory of that size.
        unsafe { libc::fstatfs(which.as_fd().as_raw_fd(), found.as_mut_ptr()) }
    })?;
    // SAFETY: the call has filled it in.
    Ok(unsafe { found.assume_init() }.f_type)
}

/// Whether standard output and standard error are the same: one pipe, one terminal.
pub fn same() -> bool {
    let look = |which: Which| {
        let meta = seam::call("stat_output", || Ok(fstat(which.as_fd())?)).ok()?;
        Some((meta.st_dev, meta.st_ino, meta.st_rdev))
    };
    let stdout = look(Which::Stdout);
    // Where it is not known, too much care does no harm.
    stdout.is_none() || stdout == look(Which::Stderr)
}

/// Where to write to.
///
/// A terminal that says that it takes something waits all the same until it has taken everything,
/// and in a pipe others may be faster. So a pipe or a terminal gets a description of our own, which
/// is non-blocking. Not where it cannot be opened anew (a socket, another user's), and not a file,
/// which never waits and may be shared with a position.
#[derive(Debug)]
pub struct Sink {
    which: Which,
    own: Option<File>,
    kind: Kind,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A file, which never waits.
    File,
    /// A pipe that holds so many pages.
    Pipe { pages: usize },
    /// A terminal, or what a driver makes of it.
    Device,
    /// A socket, which can be told not to wait in each write.
    Socket,
    /// Not known.
    Other,
}

impl Sink {
    /// Opens it.
    pub fn open(which: Which) -> Self {
        let meta = seam::call("stat_output", || Ok(fstat(which.as_fd())?));
        let mode = meta.map_or(0, |meta| meta.st_mode);
        let kind = match SFlag::from_bits_truncate(mode & SFlag::S_IFMT.bits()) {
            SFlag::S_IFREG => Kind::File,
            SFlag::S_IFIFO => {
                let bytes =
                    seam::call("fcntl", || Ok(fcntl(which.as_fd(), FcntlArg::F_GETPIPE_SZ)?));
                let bytes = bytes.ok().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
                Kind::Pipe { pages: bytes / page_size() }
            }
            SFlag::S_IFSOCK => Kind::Socket,
            SFlag::S_IFCHR => Kind::Device,
            _ => Kind::Other,
        };
        if !matches!(kind, Kind::Pipe { .. } | Kind::Device) {
            return Self { which, own: None, kind };
        }
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let open = |path| {
            let open = || File::options().write(true).custom_flags(flags).open(path);
            seam::call("open_output", open)
        };
        // Somebody else's terminal, as after `su`: ours it is all the same.
        let through_tty = || open("/dev/tty").ok().filter(|tty| is_same_terminal(tty, which));
        let own = open(which.path()).ok().or_else(|| through_tty().filter(|_| which.is_terminal()));
        Self { which, own, kind }
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self.which {
            Which::Stdout => "standard output",
            Which::Stderr => "standard error",
        }
    }

    /// So many bytes it takes in one piece, if it takes anything: a longer write may be torn by what
    /// others write meanwhile, or have to wait.
    ///
    /// For a pipe that is so many whole pages as are free for certain. Of two pages one behind the
    /// other more than one is full, because what fits into the first is put there; but for the one
    /// that is being read, and the last. (`pipe(7)`; the kernel tells bytes, not pages.)
    pub fn room(&self) -> usize {
        match self.kind {
            Kind::File => usize::MAX,
            Kind::Device | Kind::Socket | Kind::Other => WHOLE,
            Kind::Pipe { pages } => {
                let used = match self.in_pipe() {
                    Ok(0) => 0,
                    Ok(unread) => unread / (page_size() / 2) + 2,
                    Err(_) => pages,
                };
                (pages.saturating_sub(used) * page_size()).max(WHOLE)
            }
        }
    }

    /// How many bytes wait for the reader, where that can be known: in a pipe. A reader that takes few
    /// at a time makes room only when it has taken a whole page.
    pub fn unread(&self) -> Option<usize> {
        match self.kind {
            Kind::Pipe { .. } => self.in_pipe().ok(),
            Kind::File | Kind::Device | Kind::Socket | Kind::Other => None,
        }
    }

    fn in_pipe(&self) -> io::Result<usize> {
        let mut unread: libc::c_int = 0;
        let number = self.as_fd().as_raw_fd();
        seam::checked("ioctl_fionread", || {
            // SAFETY: it writes an `int` to memory of that type.
            unsafe { libc::ioctl(number, libc::FIONREAD, &raw mut unread) }
        })?;
        Ok(usize::try_from(unread).unwrap_or(0))
    }

    /// Writes some of the bytes, which are no more than there is [`room`](Self::room) for, without
    /// waiting for a reader: `None` if it takes nothing now. What is left that can wait: a terminal of
    /// which there is no description of our own, and a pipe likewise to which others write too.
    pub fn write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        let may_wait = self.own.is_none() && !matches!(self.kind, Kind::File | Kind::Socket);
        if may_wait && !self.wait(Duration::ZERO)? {
            return Ok(None);
        }
        let written = match self.kind {
            Kind::Socket => self.send(bytes),
            _ => seam::call("write", || Ok(nix::unistd::write(self.as_fd(), bytes)?)),
        };
        match written {
            Ok(written) => Ok(Some(written)),
            // Somebody else made the description non-blocking, or was faster.
            Err(error) if is_temporary(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let number = self.as_fd().as_raw_fd();
        let sent = seam::call("send", || {
            // SAFETY: so many bytes are there to be read.
            let sent = unsafe { libc::send(number, bytes.as_ptr().cast(), bytes.len(), flags) };
            if sent == -1 { Err(io::Error::last_os_error()) } else { Ok(sent) }
        })?;
        Ok(usize::try_from(sent).unwrap_or(0))
    }

    /// Waits no longer than this until it takes something. Says whether it does, or has failed,
    /// which the next write tells.
    pub fn wait(&self, limit: Duration) -> io::Result<bool> {
        let mut wanted = [PollFd::new(self.as_fd(), PollFlags::POLLOUT)];
        let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        match seam::call("poll_output", || Ok(poll(&mut wanted, timeout)?)) {
            Ok(ready) => Ok(ready > 0),
            Err(error) if is_temporary(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Sink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.own.as_ref().map_or_else(|| self.which.as_fd(), AsFd::as_fd)
    }
}

/// Whether both lead to the same terminal, by whatever name (`TIOCGDEV` of `ioctl_tty(2)`).
fn is_same_terminal(tty: &File, which: Which) -> bool {
    let device = |fd: BorrowedFd<'_>| {
        let mut device: libc::c_uint = 0;
        let asked = seam::checked("ioctl_tiocgdev", || {
            // SAFETY: it writes an `unsigned int` to memory of that type.
            unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGDEV, &raw mut device) }
        });
        asked.ok().map(|_| device)
    };
    device(tty.as_fd()).is_some_and(|ours| Some(ours) == device(which.as_fd()))
}

/// Whether to try again later.
pub(super) fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
