//! Writing to standard error. Only the voice thread may wait here.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::time::Duration;

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::seam;

/// A write to a pipe of at most this many bytes is never torn, and does not wait when the pipe says
/// that it takes any (`PIPE_BUF` of `pipe(7)`).
pub const WHOLE: usize = 4096;

/// Writes some of the bytes to standard error, waiting until it takes any; returns how many.
///
/// The descriptor is only borrowed, and never made non-blocking: its description is shared with
/// whoever started us.
pub fn write_some(bytes: &[u8]) -> io::Result<usize> {
    loop {
        if let Some(written) = write_within(io::stderr().as_fd(), bytes, None)? {
            return Ok(written);
        }
    }
}

/// Standard error for whoever must never wait: a terminal that says that it takes something waits
/// all the same until it has taken everything, and in a pipe others may be faster.
///
/// So this is a description of our own, which is non-blocking; not where it cannot be opened anew
/// (a socket), and not for files, which never wait and may be shared with a position.
#[derive(Debug)]
pub struct NonBlocking(Option<File>);

impl NonBlocking {
    /// Opens it.
    pub fn open() -> Self {
        let path = "/proc/self/fd/2";
        let kind =
            seam::call("stat_stderr", || std::fs::metadata(path)).map(|meta| meta.file_type());
        if !kind.is_ok_and(|kind| kind.is_fifo() || kind.is_char_device()) {
            return Self(None);
        }
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let opened = seam::call("open_stderr", || {
            File::options().write(true).custom_flags(flags).open(path)
        });
        Self(opened.ok())
    }

    /// Writes some of the bytes, waiting no longer than this until any are taken: `None` if not.
    pub fn write(&self, bytes: &[u8], limit: Duration) -> io::Result<Option<usize>> {
        match &self.0 {
            Some(file) => write_within(file.as_fd(), bytes, Some(limit)),
            None => write_within(io::stderr().as_fd(), bytes, Some(limit)),
        }
    }
}

fn write_within(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    limit: Option<Duration>,
) -> io::Result<Option<usize>> {
    if !is_writable(fd, limit)? {
        return Ok(None);
    }
    let bytes = &bytes[..bytes.len().min(WHOLE)];
    match seam::call("write", || Ok(nix::unistd::write(fd, bytes)?)) {
        Ok(written) => Ok(Some(written)),
        // Somebody else made the description non-blocking, or was faster.
        Err(error) if is_temporary(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_writable(fd: BorrowedFd<'_>, limit: Option<Duration>) -> io::Result<bool> {
    let mut wanted = [PollFd::new(fd, PollFlags::POLLOUT)];
    let timeout = limit.map_or(PollTimeout::NONE, |limit| {
        PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX)
    });
    match seam::call("poll", || Ok(poll(&mut wanted, timeout)?)) {
        Ok(ready) => Ok(ready > 0),
        Err(error) if is_temporary(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
