//! Cloud Foundry's restart policy: how often, and after how long, a group is recreated.

use std::time::Duration;

/// A crash of an instance that had run for longer than this is the first one again.
pub const FORGIVEN_AFTER: Duration = Duration::from_mins(5);

/// The first crashes are followed by a new start at once.
const AT_ONCE: u32 = 2;
/// The first wait; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_mins(16);
/// From this crash on there is no new start.
const GIVEN_UP_AT: u32 = 200;

/// The count with this crash, after so many; `running` is how long the instance had been up and
/// healthy, if it ever was.
pub fn crash_count(before: u32, running: Option<Duration>) -> u32 {
    if running.is_some_and(|time| time > FORGIVEN_AFTER) { 1 } else { before.saturating_add(1) }
}

/// How long the platform waits after this crash; `None` when it does not recreate any more.
pub fn restart_delay(crash_count: u32) -> Option<Duration> {
    match crash_count {
        ..=AT_ONCE => Some(Duration::ZERO),
        GIVEN_UP_AT.. => None,
        count => {
            let doublings = (count - AT_ONCE - 1).min(u32::BITS - 1);
            Some(FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference section 7, row by row.
    #[test]
    fn the_waits_are_the_platforms() {
        let seconds = |count| restart_delay(count).map(|delay| delay.as_secs());
        for (counts, expected) in [
            (1..=2, Some(0)),
            (3..=3, Some(30)),
            (4..=4, Some(60)),
            (5..=5, Some(120)),
            (6..=6, Some(240)),
            (7..=7, Some(480)),
            (8..=199, Some(960)),
            (200..=250, None),
            (u32::MAX..=u32::MAX, None),
        ] {
            for count in counts {
                assert_eq!(seconds(count), expected, "crash {count}");
            }
        }
    }

    #[test]
    fn more_than_five_minutes_of_running_forgive_all() {
        assert_eq!(crash_count(0, None), 1);
        assert_eq!(crash_count(7, None), 8, "it was never healthy");
        assert_eq!(crash_count(7, Some(FORGIVEN_AFTER)), 8);
        assert_eq!(crash_count(7, Some(FORGIVEN_AFTER + Duration::from_nanos(1))), 1);
        assert_eq!(crash_count(u32::MAX, None), u32::MAX);
    }
}
