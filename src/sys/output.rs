//! Writing to standard error, for the voice thread only: these calls may block.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

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
        match nix::unistd::write(fd, &bytes[..bytes.len().min(WHOLE)]) {
            Ok(written) => return Ok(written),
            // Somebody else made the description non-blocking, or was faster.
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn wait_writable(fd: BorrowedFd<'_>) -> io::Result<()> {
    loop {
        let mut wanted = [PollFd::new(fd, PollFlags::POLLOUT)];
        match poll(&mut wanted, PollTimeout::NONE) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
