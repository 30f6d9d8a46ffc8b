//! The two clocks: `CLOCK_MONOTONIC` for decisions, `CLOCK_BOOTTIME` for the age of processes.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Now on the clock that process start times are measured by (`proc_pid_stat(5)`).
pub fn since_boot() -> Duration {
    read(ClockId::CLOCK_BOOTTIME)
}

/// Now on the clock that timers and the event list use.
pub fn monotonic() -> Duration {
    read(ClockId::CLOCK_MONOTONIC)
}

fn read(clock: ClockId) -> Duration {
    // Neither clock can be missing on a kernel that Rust's standard library runs on.
    clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
}
