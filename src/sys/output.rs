//! Writing to standard error, for the voice thread only: these calls may block.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::seam;

/// A write to a pipe of at most this many bytes is never torn (`PIPE_BUF` of `pipe(7)`).
pub const WHOLE: usize = 4096;

/// Writes some of the bytes to standard error, waiting until it takes any; returns how many.
///
/// The descriptor is only borrowed, and never made non-blocking: its description is shared with
/// whoever started us.
pub fn write_some(bytes: &[u8]) -> io::Result<usize> {
    let stderr = io::stderr();
    let fd = stderr.as_fd();
    loop {
        wait_writable(fd)?;
        let bytes = &bytes[..bytes.len().min(WHOLE)];
        match seam::call("write", || Ok(nix::unistd::write(fd, bytes)?)) {
            Ok(written) => return Ok(written),
            // Somebody else made the description non-blocking, or was faster.
            Err(error) if is_temporary(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

fn wait_writable(fd: BorrowedFd<'_>) -> io::Result<()> {
    loop {
        let mut wanted = [PollFd::new(fd, PollFlags::POLLOUT)];
        match seam::call("poll", || Ok(poll(&mut wanted, PollTimeout::NONE)?)) {
            Ok(_) => return Ok(()),
            Err(error) if is_temporary(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
