//! The clocks: `CLOCK_MONOTONIC` for decisions, `CLOCK_BOOTTIME` for the age of processes,
//! `CLOCK_REALTIME` for people.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};

use super::seam;

/// Now on the clock that process start times are measured by (`proc_pid_stat(5)`).
pub fn since_boot() -> Duration {
    static LAST: AtomicU64 = AtomicU64::new(0);
    read(ClockId::CLOCK_BOOTTIME, &LAST)
}

/// Now on the clock that timers and the event list use.
pub fn monotonic() -> Duration {
    static LAST: AtomicU64 = AtomicU64::new(0);
    read(ClockId::CLOCK_MONOTONIC, &LAST)
}

/// Since 1970 in UTC: for what people read, never for decisions. It may be set back.
pub fn since_1970() -> Duration {
    static LAST: AtomicU64 = AtomicU64::new(0);
    read(ClockId::CLOCK_REALTIME, &LAST)
}

/// No clock can be missing on a kernel that Rust's standard library runs on. If a call fails
/// all the same, time stands still for that look: it never runs backwards.
fn read(clock: ClockId, last: &AtomicU64) -> Duration {
    let now = seam::call("clock_gettime", || Ok(Duration::from(clock_gettime(clock)?)));
    let nanoseconds = now.ok().and_then(|now| u64::try_from(now.as_nanos()).ok());
    match nanoseconds {
        Some(now) => {
            last.store(now, Ordering::Relaxed);
            Duration::from_nanos(now)
        }
        None => Duration::from_nanos(last.load(Ordering::Relaxed)),
    }
}

/// Lets others run for a moment: about a tenth of a millisecond.
pub fn nap() {
    let moment = TimeSpec::from_duration(Duration::from_micros(100));
    // Woken earlier is as good.
    let _ = clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::empty(), &moment);
}
