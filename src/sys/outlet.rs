//! Where a member's output goes when it is relayed: a pipe, or a terminal of its own.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::pty::{posix_openpt, unlockpt};
use nix::sys::stat::{Mode, fchmod};
use nix::sys::termios::{LocalFlags, OutputFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd::{Uid, fchown};

use super::output::is_temporary;
use super::privileges::Change;
use super::seam;

/// Both ends. Sockets would not do: `/dev/stdout` could not be opened.
#[derive(Debug)]
pub struct Outlet {
    /// What we read from. It never makes us wait: its description is ours alone.
    pub ours: OwnedFd,
    /// What the member writes to.
    pub theirs: OwnedFd,
}

impl Outlet {
    /// A pipe, for a member that runs as somebody else if there is a change.
    pub fn pipe(user: Option<&Change>) -> io::Result<Self> {
        let (ours, theirs) = seam::call("pipe", io::pipe)?;
        let (ours, theirs) = (OwnedFd::from(ours), OwnedFd::from(theirs));
        seam::call("fcntl", || Ok(fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?))?;
        hand_over(&theirs, user)?;
        Ok(Self { ours, theirs })
    }

    /// A terminal of this size that changes nothing in what is written to it (`pty(7)`). It is
    /// nobody's controlling terminal: nothing that is typed comes from there, and no signal.
    pub fn terminal(size: Size, user: Option<&Change>) -> io::Result<Self> {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let master = seam::call("posix_openpt", || Ok(posix_openpt(flags)?))?;
        seam::call("unlockpt", || Ok(unlockpt(&master)?))?;
        let ours = OwnedFd::from(master);
        let number = seam::checked("open_peer", || {
            let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
            // By its name it could be another terminal's, where `/dev/pts` is another mount.
            // SAFETY: plain numbers; it makes a new descriptor.
            unsafe { libc::ioctl(ours.as_raw_fd(), libc::TIOCGPTPEER, flags) }
        })?;
        // SAFETY: it was just made, and nobody else knows it.
        let theirs = unsafe { OwnedFd::from_raw_fd(number) };
        seam::call("tcsetattr", || {
            let mut settings = tcgetattr(&theirs)?;
            settings.output_flags.remove(OutputFlags::OPOST);
            settings.local_flags.remove(LocalFlags::ECHO);
            Ok(tcsetattr(&theirs, SetArg::TCSANOW, &settings)?)
        })?;
        size.set(&ours)?;
        hand_over(&theirs, user)?;
        Ok(Self { ours, theirs })
    }
}

/// Lets the member's user open `/dev/stdout` anew. Without `CAP_CHOWN` everybody gets the right to:
/// who cannot look into the member's `/proc` has no way there anyway.
fn hand_over(theirs: &OwnedFd, user: Option<&Change>) -> io::Result<()> {
    let Some(user) = user else { return Ok(()) };
    let uid = Some(Uid::from_raw(user.uid));
    let given = seam::call("fchown", || Ok(fchown(theirs, uid, None)?));
    given.or_else(|_| {
        let all = Mode::from_bits_truncate(0o666);
        seam::call("fchmod", || Ok(fchmod(theirs, all)?))
    })
}

/// Reads what a member has written; `None` if that is nothing now, 0 if nobody will write any more.
pub fn read_some(ours: &OwnedFd, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    match seam::call("read", || Ok(nix::unistd::read(ours, buffer)?)) {
        Ok(count) => Ok(Some(count)),
        Err(error) if is_temporary(&error) => Ok(None),
        // What a terminal says when nobody has its other side open.
        Err(error) if error.raw_os_error() == Some(libc::EIO) => Ok(Some(0)),
        Err(error) => Err(error),
    }
}

/// The size of a terminal's window (`TIOCGWINSZ` of `ioctl_tty(2)`).
#[derive(Clone, Copy, Debug)]
pub struct Size(libc::winsize);

impl Size {
    /// That of a terminal.
    pub fn of(terminal: impl AsFd) -> io::Result<Self> {
        let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
        let terminal = terminal.as_fd().as_raw_fd();
        seam::checked("get_window_size", || {
            // SAFETY: it writes a whole `winsize` to memory of that type.
            unsafe { libc::ioctl(terminal, libc::TIOCGWINSZ, &raw mut size) }
        })?;
        Ok(Self(size))
    }

    /// How many columns it has; 0 where nobody has said.
    pub fn columns(self) -> usize {
        usize::from(self.0.ws_col)
    }

    /// Gives a terminal this size.
    pub fn set(self, terminal: impl AsFd) -> io::Result<()> {
        let terminal = terminal.as_fd().as_raw_fd();
        seam::checked("set_window_size", || {
            // SAFETY: it reads a whole `winsize` from memory of that type.
            unsafe { libc::ioctl(terminal, libc::TIOCSWINSZ, &raw const self.0) }
        })
        .map(drop)
    }

    /// Gives a terminal this size if it has another; says whether it had.
    pub fn copy_to(self, terminal: impl AsFd) -> io::Result<bool> {
        let all = |Self(it): Self| (it.ws_row, it.ws_col, it.ws_xpixel, it.ws_ypixel);
        let differs = all(Self::of(&terminal)?) != all(self);
        if differs {
            self.set(terminal)?;
        }
        Ok(differs)
    }
}
