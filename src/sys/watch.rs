//! What the voice waits for: members' output, a sink that takes something again, a call from the
//! supervisor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::output::is_temporary;
use super::seam;

/// So many readable outputs are named at once.
pub const AT_ONCE: usize = 64;

/// The outputs of members that go the same way (`epoll(7)`).
#[derive(Debug)]
pub struct Outputs(Epoll);

impl Outputs {
    /// None so far.
    pub fn new() -> io::Result<Self> {
        seam::call("epoll_create", || Ok(Self(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?)))
    }

    /// Watches one more, which gets this number.
    pub fn add(&self, output: &OwnedFd, number: usize) -> io::Result<()> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, number as u64);
        seam::call("epoll_add", || Ok(self.0.add(output, event)?))
    }

    /// Watches it no longer. Before it is closed: a child between `clone` and `execve` may still
    /// hold it open, and what is held open is watched on.
    pub fn remove(&self, output: &OwnedFd) {
        // Then it is not watched: all is as it should be.
        let _ = seam::call("epoll_delete", || Ok(self.0.delete(output)?));
    }

    /// The numbers of those that can be read, no more than [`AT_ONCE`]. Never waits.
    pub fn readable(&self, numbers: &mut Vec<usize>) -> io::Result<()> {
        numbers.clear();
        let mut events = [EpollEvent::empty(); AT_ONCE];
        let found =
            seam::call("epoll_wait", || Ok(self.0.wait(&mut events, EpollTimeout::ZERO)?));
        let found = found.or_else(|error| if is_temporary(&error) { Ok(0) } else { Err(error) })?;
        let found = events.iter().take(found);
        numbers.extend(found.map(|event| usize::try_from(event.data()).unwrap_or(usize::MAX)));
        Ok(())
    }
}

impl AsFd for Outputs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.0.as_fd()
    }
}

/// A bell that one thread rings for another (`eventfd(2)`).
#[derive(Debug)]
pub struct Bell(EventFd);

impl Bell {
    /// Silent.
    pub fn new() -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        seam::call("eventfd", || Ok(Self(EventFd::from_flags(flags)?)))
    }

    /// Rings it. Never waits.
    pub fn ring(&self) {
        // It fails when it was rung 2^64 times and nobody came: then it still rings.
        let _ = seam::call("ring", || Ok(self.0.write(1)?));
    }

    /// Silences it.
    pub fn silence(&self) {
        // It fails when it did not ring.
        let _ = seam::call("silence", || Ok(self.0.read()?));
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What to wait for.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// Something to read, or that nobody writes any more.
    Readable(BorrowedFd<'a>),
    /// Room to write, or that nobody reads any more.
    Writable(BorrowedFd<'a>),
}

/// Waits until one of these is so, without a limit for ever. Says which are.
pub fn wait<const N: usize>(
    wanted: [Wanted<'_>; N],
    limit: Option<Duration>,
) -> io::Result<[bool; N]> {
    let mut fds = wanted.map(|wanted| match wanted {
        Wanted::Readable(fd) => PollFd::new(fd, PollFlags::POLLIN),
        Wanted::Writable(fd) => PollFd::new(fd, PollFlags::POLLOUT),
    });
    let timeout = limit.map_or(PollTimeout::NONE, |limit| {
        PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX)
    });
    match seam::call("poll", || Ok(poll(&mut fds, timeout)?)) {
        Ok(_) => Ok(fds.map(|fd| fd.any() != Some(false))),
        Err(error) if is_temporary(&error) => Ok([false; N]),
        Err(error) => Err(error),
    }
}
