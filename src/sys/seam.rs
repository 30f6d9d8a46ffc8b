//! The seam between our wrappers and the kernel, where a test makes system calls fail.
//!
//! Every wrapper of this room goes through here. In a release build that is nothing at all. In a
//! build with debug assertions `$FATESHARE_FAIL` is a list of rules, separated by commas:
//!
//! | rule | what fails |
//! | --- | --- |
//! | `17:5` | the 17th call of the whole run, with `errno` 5 |
//! | `pidfd_open:38` | every call of that name |
//! | `kill_wave:pretend` | every call of that name does nothing and says that it worked |
//! | `kill:stop` | nothing: we are stopped before every call of that name, until somebody sends SIGCONT |
//!
//! The names of the calls that a rule was about are written to `$FATESHARE_FAIL_LOG`, a line each.
//!
//! There too `$FATESHARE_CGROUP_FILES` is a folder that stands for `/` where our control group is looked
//! for: it has `proc/self/cgroup`, `proc/self/mountinfo` and the files below the mounts that this names,
//! as another machine has them.

use std::io;
use std::path::PathBuf;

use nix::libc::c_int;

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(debug_assertions), expect(dead_code, reason = "nothing is made to fail"))]
enum Fate {
    /// The kernel is asked.
    Real,
    /// It fails with this `errno`.
    Fails(c_int),
    /// It does nothing, and says that it worked.
    Pretends,
    /// We are stopped first.
    Stops,
}

/// Makes a call, unless a test has it fail.
pub(super) fn call<T>(name: &'static str, make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match fate(name) {
        Fate::Real | Fate::Pretends | Fate::Stops => make(),
        Fate::Fails(errno) => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// Makes a call that returns -1 and sets `errno` when it fails, unless a test has it fail or only
/// pretend. Safe between `clone` and `execve`.
pub(super) fn raw(name: &'static str, make: impl FnOnce() -> c_int) -> c_int {
    match fate(name) {
        Fate::Real | Fate::Stops => make(),
        Fate::Pretends => 0,
        Fate::Fails(errno) => {
            nix::errno::Errno::set_raw(errno);
            -1
        }
    }
}

/// The same as [`raw`], for callers that want the error.
pub(super) fn checked(name: &'static str, make: impl FnOnce() -> c_int) -> io::Result<c_int> {
    match raw(name, make) {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}

/// Where a file about control groups is: where it says, unless a test has it elsewhere.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(super) fn path(real: PathBuf) -> PathBuf {
    real
}

/// Where a file about control groups is: where it says, unless a test has it elsewhere.
#[cfg(debug_assertions)]
pub(super) fn path(real: PathBuf) -> PathBuf {
    match (std::env::var_os("FATESHARE_CGROUP_FILES"), real.strip_prefix("/")) {
        (Some(folder), Ok(below)) => PathBuf::from(folder).join(below),
        _ => real,
    }
}

#[cfg(not(debug_assertions))]
#[inline(always)]
fn fate(_: &'static str) -> Fate {
    Fate::Real
}

#[cfg(debug_assertions)]
use test_build::fate;

#[cfg(debug_assertions)]
mod test_build {
    use std::fs::File;
    use std::io::Write;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::Fate;

    /// Which calls a rule is about.
    #[derive(Debug)]
    enum Which {
        Number(u32),
        Name(String),
    }

    #[derive(Debug, Default)]
    struct Rules {
        rules: Vec<(Which, Fate)>,
        log: Option<File>,
    }

    /// Allocates nothing after the first call, which `main` makes before there is any child.
    pub(super) fn fate(name: &'static str) -> Fate {
        static RULES: OnceLock<Rules> = OnceLock::new();
        static CALLS: AtomicU32 = AtomicU32::new(0);
        let rules = RULES.get_or_init(Rules::read);
        if rules.rules.is_empty() {
            return Fate::Real;
        }
        let number = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
        let rule = rules.rules.iter().find(|(which, _)| match which {
            Which::Number(wanted) => *wanted == number,
            Which::Name(wanted) => wanted == name,
        });
        let Some((_, fate)) = rule else { return Fate::Real };
        if let Some(mut log) = rules.log.as_ref() {
            // In the child of a `clone` too: one write, no buffer.
            let _ = log.write(name.as_bytes()).and_then(|_| log.write(b"\n"));
        }
        if *fate == Fate::Stops {
            let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP);
        }
        *fate
    }

    impl Rules {
        fn read() -> Self {
            let Ok(text) = std::env::var("FATESHARE_FAIL") else { return Self::default() };
            let log = std::env::var_os("FATESHARE_FAIL_LOG")
                .and_then(|path| File::options().append(true).create(true).open(path).ok());
            let rules = text.split(',').filter_map(|rule| {
                let (which, how) = rule.split_once(':')?;
                let which =
                    which.parse().map_or_else(|_| Which::Name(which.to_owned()), Which::Number);
                let fate = match how {
                    "stop" => Fate::Stops,
                    _ => how.parse().map_or(Fate::Pretends, Fate::Fails),
                };
                Some((which, fate))
            });
            Self { rules: rules.collect(), log }
        }
    }
}
