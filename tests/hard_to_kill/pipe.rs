//! A pipe with a name: a container's processes can have it for their output too.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::support::host::set_mode;
use crate::support::{self, LIMIT};

/// The reading end, which the test has; nobody reads from it.
pub(crate) struct Pipe {
    file: File,
    path: PathBuf,
}

impl Pipe {
    pub(crate) fn make(path: PathBuf) -> Self {
        mkfifo(&path, Mode::S_IRWXU).expect("a FIFO");
        // Whoever the umask is against.
        set_mode(&path, 0o666);
        // Open for both: so nobody who opens it has to wait.
        let both = File::options()
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(&path);
        Self { file: both.expect("its end"), path }
    }

    /// Until it holds no more.
    pub(crate) fn fill(&self) {
        while (&self.file).write(&[b'x'; 4096]).is_ok() {}
    }

    pub(crate) fn is_full(&self) -> bool {
        let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
        poll(&mut fds, PollTimeout::ZERO).expect("a pipe to ask");
        !fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLOUT))
    }

    /// From now on there is no reader.
    pub(crate) fn close(self) {
        let Self { file, path } = self;
        drop(file);
        // What another test starts just now has a copy of it until it executes its program.
        let gone = support::poll(LIMIT, || {
            let options = OFlag::O_NONBLOCK.bits();
            let opened = File::options().write(true).custom_flags(options).open(&path);
            let error = opened.err()?.raw_os_error()?;
            (error == Errno::ENXIO as i32).then_some(())
        });
        gone.expect("its last reader is gone");
    }
}
