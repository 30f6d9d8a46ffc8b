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

/// Both clocks at one moment: [`since_boot`] and [`monotonic`]. On a busy machine we may not have our turn
/// between two looks; what was read so far apart says nothing of the same moment.
pub fn both() -> (Duration, Duration) {
    const NEAR: Duration = Duration::from_millis(1);
    const TRIES: u32 = 5;
    let mut nearest = (Duration::MAX, Duration::ZERO, Duration::ZERO);
    for _ in 0..TRIES {
        let before = monotonic();
        let boot = since_boot();
        let apart = monotonic().saturating_sub(before);
        if apart < nearest.0 {
            nearest = (apart, boot, before);
        }
        if apart < NEAR {
            break;
        }
    }
    (nearest.1, nearest.2)
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
    doze(Duration::from_micros(100));
}

/// Lets others run for so long, unless a signal is to be handled.
pub fn doze(time: Duration) {
    let moment = TimeSpec::from_duration(time);
    // Woken earlier is as good.
    let _ = clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::empty(), &moment);
}
