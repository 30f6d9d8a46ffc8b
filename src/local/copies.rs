//! Copies of ourselves that run groups: reaping those that could not begin, and what a killed one has left.

use std::time::Duration;

use crate::core::{Pid, Target};
use crate::spec::Signal;
use crate::sys::reap::{Reaped, reap};
use crate::sys::{clock, descendants, kill};

/// So long is waited for them.
const SWEEP: Duration = Duration::from_millis(500);

/// A group whose fateshare was killed leaves what its members had started: a container would take that
/// along. It has come to us by now, or does when what is above it dies; what was there before us, as `since`
/// ([`clock::both`]'s first) tells, stays.
pub fn sweep(since: Duration) {
    let begin = clock::monotonic();
    while clock::monotonic().saturating_sub(begin) < SWEEP {
        let left = descendants::children_since(since);
        if left.is_empty() {
            return;
        }
        for pid in left {
            // Who may not be signalled is left to the kernel.
            let _ = kill::leader(pid, Target::Leader, Signal::KILL);
        }
        clock::nap();
        reap_all();
    }
}

/// Reaps whatever has ended: none of it is anybody's leader.
pub fn reap_all() {
    while let Ok(Reaped::Child(..)) = reap() {}
}

/// A copy that could not begin ends by itself, and is not to be left to others.
pub fn reap_refused(copy: Pid) {
    let begin = clock::monotonic();
    while clock::monotonic().saturating_sub(begin) < SWEEP {
        match reap() {
            Ok(Reaped::Child(pid, ..)) if pid == copy => return,
            Ok(Reaped::NoChildren) | Err(_) => return,
            Ok(Reaped::Child(..)) => {}
            Ok(Reaped::NoneEnded) => clock::nap(),
        }
    }
}
