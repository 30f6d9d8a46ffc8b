//! Small types that must not be mixed up: times, process numbers, members.

use std::fmt;
use std::time::Duration;

use crate::spec::Signal;

/// A point on the group's own clock: the time since the group was made, on `CLOCK_MONOTONIC`.
///
/// The core never asks for it, it is handed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// The moment the group was made.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// The moment that lies this long after [`Moment::ZERO`].
    pub const fn at(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// How long after [`Moment::ZERO`] it lies.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// The moment that lies `later` after this one; the far future instead of an overflow.
    #[must_use]
    pub const fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }

    /// How long this moment lies after `earlier`; zero if it does not.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// A process number as the kernel gives it to us, in our own PID namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(pub i32);

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A member, by its place in the launch spec; the main process is [`MemberId::MAIN`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u16);

impl MemberId {
    /// The main process.
    pub const MAIN: Self = Self(0);

    /// The place in the spec's list of members.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The members of a group of this size, in spec order.
    ///
    /// A spec holds at most 65,536 members: it is at most 1 MiB of text.
    pub fn all(count: usize) -> impl DoubleEndedIterator<Item = Self> + Clone {
        (0..u16::try_from(count).unwrap_or(u16::MAX)).map(Self)
    }
}

/// One process for as long as it lives: numbers come again, a number with its start time does not.
///
/// Where the start time cannot be seen (no `/proc`, or it hides the process) it is 0, and the number
/// that of a child of ours, or, negative, that of a process group with one: neither can come again
/// before we have reaped it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessKey {
    /// Its number.
    pub pid: Pid,
    /// When it started, in clock ticks since the machine did (`proc_pid_stat(5)`, field 22).
    pub start_ticks: u64,
}

/// How a process ended: its wait status, code and signal kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// It called `exit` with this code.
    Exited(u8),
    /// A signal ended it.
    Killed(Signal),
}

impl Status {
    /// Its end with code 0.
    pub const SUCCESS: Self = Self::Exited(0);

    /// The one number that is left of it at exit: the code, or 128 + signal.
    pub fn code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Killed(signal) => signal.shell_code(),
        }
    }
}

/// `exited with 3`, `was killed by SIGKILL`.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited with {code}"),
            Self::Killed(signal) => write!(f, "was killed by {signal}"),
        }
    }
}
