//! Whether the container's memory was used up when a member ended.

use std::time::Duration;

use super::event::Ends;
use super::group::{Group, State};
use super::ids::{Moment, Status};
use crate::spec::Signal;

/// For so long after a kill for lack of memory an end may be that kill's doing.
///
/// The kernel counts, tells who watches, and only then kills: the count and the end may reach us in
/// two wake-ups. In between the victim gives its memory back, as fast as its share of the processor
/// lets it: 1 GiB took 0.1 s with two processors, 0.9 s with a tenth of one, 1.7 s with a twentieth.
/// A parent that reports it has to wake up too. The kernel itself gives a victim two seconds before
/// it helps (`OOM_REAPER_DELAY`), and so do we. What could be mistaken is another SIGKILL in that
/// time, from somebody who has nothing to do with it.
pub const RECENTLY: Duration = Duration::from_secs(2);

/// What the container's memory has to do with a member's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutOfMemory {
    /// Nothing: nobody was ever killed because it was used up.
    Never,
    /// Nothing, but somebody was.
    Unrelated,
    /// Somebody was just before, and the member ended as one does that is killed, or whose child is.
    Reason,
}

impl Group {
    /// Notes whether somebody was killed because memory was used up.
    pub(super) fn note_memory(&mut self, now: Moment, ends: &Ends) {
        if ends.out_of_memory {
            self.out_of_memory = Some(now);
        }
    }

    /// What the memory has to do with such an end.
    pub(super) fn memory_in(&self, now: Moment, status: Status) -> OutOfMemory {
        let Some(at) = self.out_of_memory else { return OutOfMemory::Never };
        let fits = matches!(status, Status::Killed(Signal::KILL) | Status::Exited(137));
        // In the end our own SIGKILL is on its way to everybody.
        if fits && now.since(at) <= RECENTLY && self.state < State::Killing {
            OutOfMemory::Reason
        } else {
            OutOfMemory::Unrelated
        }
    }
}
