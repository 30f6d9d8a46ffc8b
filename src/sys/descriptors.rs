//! Descriptors that we inherited: which of them members get, and how many there may be.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::{process, seam};

/// The first descriptor after standard input, output and error; also the first one that socket
/// activation passes (`sd_listen_fds(3)`).
pub const FIRST: i32 = 3;

/// Without `/proc` so many descriptors are marked one by one; limits of a thousand million exist.
const MOST_BY_NUMBER: i32 = 65_536;

/// Marks every descriptor from 3 up close-on-exec, so that members inherit the first three only.
///
/// Our own descriptors are made close-on-exec; this is about those that we inherited. Before Linux
/// 5.11 there is no `CLOSE_RANGE_CLOEXEC` (`close_range(2)`), and old seccomp profiles refuse the
/// call: then each descriptor is marked by itself.
pub fn close_inherited_on_exec() -> io::Result<()> {
    let done = seam::checked("close_range", || {
        let flags = libc::CLOSE_RANGE_CLOEXEC;
        // SAFETY: the call takes plain numbers; with this flag it closes nothing now.
        let result =
            unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, flags) };
        if result == -1 { -1 } else { 0 }
    });
    match done {
        Ok(_) => Ok(()),
        Err(_) => close_one_by_one(),
    }
}

fn close_one_by_one() -> io::Result<()> {
    let listed = seam::call("read_dir", || fs::read_dir("/proc/self/fd"));
    let numbers: Vec<i32> = if let Ok(entries) = listed {
        let numbers = entries.flatten().filter_map(|it| it.file_name().to_str()?.parse().ok());
        numbers.filter(|number| *number >= FIRST).collect()
    } else {
        let (soft, _) = limit()?;
        (FIRST..i32::try_from(soft).unwrap_or(MOST_BY_NUMBER).min(MOST_BY_NUMBER)).collect()
    };
    for number in numbers {
        if let Err(error) = close_on_exec(number, true)
            // The listing's own descriptor is closed by now, and most numbers are not in use.
            && error.raw_os_error() != Some(libc::EBADF)
        {
            return Err(error);
        }
    }
    Ok(())
}

/// Whether this descriptor is closed when a program is executed. Safe between `clone` and `execve`.
pub(super) fn close_on_exec(number: i32, closed: bool) -> io::Result<()> {
    let flags = if closed { libc::FD_CLOEXEC } else { 0 };
    // SAFETY: plain numbers; nobody's memory is touched.
    seam::checked("fcntl", || unsafe { libc::fcntl(number, libc::F_SETFD, flags) }).map(drop)
}

/// How many descriptors a service manager has opened for us and passed from [`FIRST`] on: socket
/// activation, told by `LISTEN_PID` and `LISTEN_FDS` (`sd_listen_fds(3)`). `None` if what they say
/// is not for us, or not true. Call it before anything of ours is opened.
pub fn passed(listen_pid: Option<&str>, listen_fds: Option<&str>) -> Option<i32> {
    let pid: i32 = listen_pid?.parse().ok()?;
    let count: i32 = listen_fds?.parse().ok()?;
    if pid != process::own_pid().0 || count <= 0 || count >= MOST_BY_NUMBER {
        return None;
    }
    // One that is not open would be one of ours by and by.
    (FIRST..FIRST + count).all(is_open).then_some(count)
}

fn is_open(number: i32) -> bool {
    // SAFETY: plain numbers; nobody's memory is touched.
    seam::checked("fcntl", || unsafe { libc::fcntl(number, libc::F_GETFD) }).is_ok()
}

/// The soft and the hard limit on open descriptors.
pub type Limit = (u64, u64);

/// Our own limit on descriptors.
pub fn limit() -> io::Result<Limit> {
    seam::call("getrlimit", || Ok(getrlimit(Resource::RLIMIT_NOFILE)?))
}

/// Raises our own soft limit on descriptors to the hard one: hundreds of members need more than the
/// usual 1,024. Gives the limit that was, for members; `None` if nothing was changed.
pub fn raise_limit() -> io::Result<Option<Limit>> {
    let limit = limit()?;
    let (soft, hard) = limit;
    if soft == hard {
        return Ok(None);
    }
    seam::call("setrlimit", || Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?))?;
    Ok(Some(limit))
}

/// Has the kernel make room for so many descriptors now. It grows its table by halves otherwise, and as soon as
/// we have a second thread it waits each time until no processor can still look at the old one: some 15 ms.
///
/// Only time is lost where it fails.
pub fn make_room(count: u64) -> io::Result<()> {
    let last = i32::try_from(count).unwrap_or(MOST_BY_NUMBER).min(MOST_BY_NUMBER) - 1;
    let number = seam::checked("fcntl_dupfd", || {
        // SAFETY: plain numbers; what it makes is ours.
        unsafe { libc::fcntl(libc::STDERR_FILENO, libc::F_DUPFD_CLOEXEC, last) }
    })?;
    // SAFETY: it was just made, and nobody else has its number.
    drop(unsafe { OwnedFd::from_raw_fd(number) });
    Ok(())
}

/// Sets the limit again that we had; -1 and `errno` if that fails. Safe between `clone` and `execve`.
pub(super) fn restore_limit((soft, hard): Limit) -> i32 {
    seam::raw("setrlimit", || match setrlimit(Resource::RLIMIT_NOFILE, soft, hard) {
        Ok(()) => 0,
        Err(error) => {
            Errno::set(error);
            -1
        }
    })
}

/// Puts nothing in the place of our standard input, and this in that of output and error.
pub fn replace_standard(output: &OwnedFd) -> io::Result<()> {
    let nothing = seam::call("open_null", || fs::File::open("/dev/null"))?;
    let output = output.as_raw_fd();
    for (from, to) in [(nothing.as_raw_fd(), 0), (output, 1), (output, 2)] {
        // SAFETY: plain numbers; what is closed by it are the three that nobody owns.
        seam::checked("dup2_standard", || unsafe { libc::dup2(from, to) })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_passed_to_us_is_taken() {
        let own = process::own_pid().to_string();
        assert_eq!(passed(Some("1"), Some("2")), None, "another process was meant");
        assert_eq!(passed(None, Some("2")), None);
        assert_eq!(passed(Some(&own), None), None);
        for nonsense in ["", "0", "-1", "x", "99999999", "4294967297"] {
            assert_eq!(passed(Some(&own), Some(nonsense)), None, "{nonsense:?}");
        }
    }
}
