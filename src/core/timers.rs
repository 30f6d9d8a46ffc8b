//! Timers as data: what would be armed, not what sleeps.

use super::ids::Moment;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timer {
    /// The next walk over our descendants.
    Walk,
    /// `after_main` sidecars are told, whatever main does.
    AfterMain,
    /// The grace period is over.
    Deadline,
    /// The next wave of SIGKILL.
    Wave,
    /// What cannot be killed is left to the kernel.
    GiveUp,
    /// The next question for main's health, or the end of the time for its answer.
    Health,
    /// The same for its readiness.
    Readiness,
    /// The member that is held back is started.
    HeldBack,
}

/// How many kinds there are.
const KINDS: usize = 8;

/// At most one deadline for each kind of timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Timers([Option<Moment>; KINDS]);

impl Timers {
    /// Arms a timer, in place of an earlier one of its kind.
    pub(super) fn arm(&mut self, timer: Timer, at: Moment) {
        self.0[timer as usize] = Some(at);
    }

    /// Arms a timer unless one of its kind is due earlier.
    pub(super) fn arm_by(&mut self, timer: Timer, at: Moment) {
        let earliest = self.0[timer as usize].map_or(at, |armed| armed.min(at));
        self.arm(timer, earliest);
    }

    /// Disarms a timer.
    pub(super) fn disarm(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    /// Disarms all of them.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Moment> {
        self.0.iter().flatten().min().copied()
    }

    /// When this one is due.
    pub(super) fn at(&self, timer: Timer) -> Option<Moment> {
        self.0[timer as usize]
    }

    /// Disarms this timer if it is due, and says whether it was.
    pub(super) fn take_due(&mut self, timer: Timer, now: Moment) -> bool {
        let due = self.at(timer).is_some_and(|at| at <= now);
        if due {
            self.disarm(timer);
        }
        due
    }
}
