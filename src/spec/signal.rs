//! Signal numbers and names, without a system call.
//!
//! The numbers are those of Linux on `x86_64`, `aarch64` and every other architecture with the
//! generic table (`signal(7)`). A test in `sys` compares them with the C library's.

use std::fmt;

/// A Linux signal, by number: 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signal(u8);

/// The first real-time signal that programs may use: glibc keeps 32 and 33 to itself.
const RT_MIN: u8 = 34;
/// The last real-time signal.
const RT_MAX: u8 = 64;

/// Names of the standard signals; index 0 is signal 1.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

impl Signal {
    /// Hang-up of the controlling terminal.
    pub const HUP: Self = Self(1);
    /// Interrupt from the keyboard.
    pub const INT: Self = Self(2);
    /// Quit from the keyboard.
    pub const QUIT: Self = Self(3);
    /// Ends a process at once; cannot be caught.
    pub const KILL: Self = Self(9);
    /// For the program's own use.
    pub const USR1: Self = Self(10);
    /// Access to memory that is not there.
    pub const SEGV: Self = Self(11);
    /// For the program's own use.
    pub const USR2: Self = Self(12);
    /// Write to a pipe that nobody reads.
    pub const PIPE: Self = Self(13);
    /// Timer of `alarm(2)`.
    pub const ALRM: Self = Self(14);
    /// The usual request to stop.
    pub const TERM: Self = Self(15);
    /// A child ended.
    pub const CHLD: Self = Self(17);
    /// Continue after a stop.
    pub const CONT: Self = Self(18);
    /// Stops a process; cannot be caught.
    pub const STOP: Self = Self(19);
    /// Stop typed at a terminal.
    pub const TSTP: Self = Self(20);
    /// Background read from the terminal.
    pub const TTIN: Self = Self(21);
    /// Background write to the terminal.
    pub const TTOU: Self = Self(22);
    /// Urgent data on a socket.
    pub const URG: Self = Self(23);
    /// Virtual timer.
    pub const VTALRM: Self = Self(26);
    /// Profiling timer.
    pub const PROF: Self = Self(27);
    /// The terminal's window changed its size.
    pub const WINCH: Self = Self(28);
    /// Input or output is possible.
    pub const IO: Self = Self(29);
    /// Power failure.
    pub const PWR: Self = Self(30);

    /// The signal with this number, if there is one that programs may use (1-31 and 34-64).
    pub fn from_number(number: i32) -> Option<Self> {
        let number = u8::try_from(number).ok()?;
        matches!(number, 1..=31 | RT_MIN..=RT_MAX).then_some(Self(number))
    }

    /// The signal with this number, as the kernel names it in a wait status: also 32 and 33, which
    /// the C library keeps from programs but which can kill one all the same.
    pub fn from_kernel(number: i32) -> Option<Self> {
        u8::try_from(number).ok().filter(|number| (1..=RT_MAX).contains(number)).map(Self)
    }

    /// The signal with this name: `TERM`, `SIGTERM`, `RTMIN+3`, `SIGRTMAX-1` or a number, in any
    /// case.
    pub fn from_name(name: &str) -> Option<Self> {
        let upper = name.trim().to_ascii_uppercase();
        if let Ok(number) = upper.parse::<i32>() {
            return Self::from_number(number);
        }
        let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
        match bare {
            "POLL" => return Some(Self::IO),
            "IOT" => return Some(Self(6)),
            "CLD" => return Some(Self::CHLD),
            _ => {}
        }
        if let Some(at) = NAMES.iter().position(|known| *known == bare) {
            return Self::from_number(i32::try_from(at).ok()? + 1);
        }
        Self::real_time_from_name(bare)
    }

    /// `RTMIN`, `RTMIN+N`, `RTMAX` and `RTMAX-N`.
    fn real_time_from_name(bare: &str) -> Option<Self> {
        let number = if let Some(rest) = bare.strip_prefix("RTMIN") {
            let above = match rest {
                "" => 0,
                _ => rest.strip_prefix('+')?.parse::<u8>().ok()?,
            };
            RT_MIN.checked_add(above)?
        } else {
            let rest = bare.strip_prefix("RTMAX")?;
            let below = match rest {
                "" => 0,
                _ => rest.strip_prefix('-')?.parse::<u8>().ok()?,
            };
            RT_MAX.checked_sub(below)?
        };
        (RT_MIN..=RT_MAX).contains(&number).then_some(Self(number))
    }

    /// The signal's number.
    pub fn number(self) -> i32 {
        i32::from(self.0)
    }

    /// The number as the shells report a death by it: 128 + number.
    pub fn shell_code(self) -> u8 {
        128 + self.0
    }

    /// Whether it is one of the real-time signals.
    pub fn is_real_time(self) -> bool {
        self.0 >= RT_MIN
    }

    /// All real-time signals, lowest first.
    pub fn real_time() -> impl Iterator<Item = Self> {
        (RT_MIN..=RT_MAX).map(Self)
    }

    /// Whether the default action ends the process that gets it (`signal(7)`).
    pub fn ends_by_default(self) -> bool {
        !matches!(
            self,
            Self::CHLD
                | Self::CONT
                | Self::STOP
                | Self::TSTP
                | Self::TTIN
                | Self::TTOU
                | Self::URG
                | Self::WINCH
        )
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(usize::from(self.0) - 1) {
            Some(name) => write!(f, "SIG{name}"),
            None if self.0 < RT_MIN => write!(f, "signal {}", self.0),
            None if self.0 == RT_MIN => write!(f, "SIGRTMIN"),
            None => write!(f, "SIGRTMIN+{}", self.0 - RT_MIN),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_is_found_again_by_its_own_name() {
        for number in 1..=64 {
            let Some(signal) = Signal::from_number(number) else {
                assert!(matches!(number, 32 | 33), "{number} has no signal");
                continue;
            };
            assert_eq!(Signal::from_name(&signal.to_string()), Some(signal));
            assert_eq!(Signal::from_name(&number.to_string()), Some(signal));
        }
    }

    #[test]
    fn names_are_taken_in_every_usual_spelling() {
        for name in ["TERM", "SIGTERM", "sigterm", "15", " Term "] {
            assert_eq!(Signal::from_name(name), Some(Signal::TERM), "{name:?}");
        }
        assert_eq!(Signal::from_name("RTMAX-1").map(Signal::number), Some(63));
        assert_eq!(Signal::from_name("SIGRTMIN+3").map(Signal::number), Some(37));
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for name in
            ["", "SIG", "TERMINATE", "0", "32", "65", "-1", "RTMIN+31", "RTMAX-31", "RTMIN-1"]
        {
            assert_eq!(Signal::from_name(name), None, "{name:?}");
        }
    }
}
