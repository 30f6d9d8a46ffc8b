//! Writing to standard error. Only the voice thread may wait here.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

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
        if let Some(written) = write_within(bytes, None)? {
            return Ok(written);
        }
    }
}

/// The same, but waits no longer than this: `None` if nothing was taken.
pub fn write_now(bytes: &[u8], limit: Duration) -> io::Result<Option<usize>> {
    write_within(bytes, Some(limit))
}

fn write_within(bytes: &[u8], limit: Option<Duration>) -> io::Result<Option<usize>> {
    let stderr = io::stderr();
    let fd = stderr.as_fd();
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
