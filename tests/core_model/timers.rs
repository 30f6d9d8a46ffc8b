//! When the machine has to be woken, and for what: the next moment at which something may be owed
//! though nothing happens.

use std::time::Duration;

use fateshare::core::{MemberId, Moment, Timer};
use fateshare::spec::StopOrder;

use super::facts::{Past, Scripts, Why};
use super::rules::Case;

/// Every kind of timer.
pub(super) const TIMERS: [Timer; 8] = [
    Timer::Walk,
    Timer::AfterMain,
    Timer::Deadline,
    Timer::Wave,
    Timer::GiveUp,
    Timer::Health,
    Timer::Readiness,
    Timer::HeldBack,
];

impl Case<'_> {
    /// When the machine has to be woken for this.
    pub(super) fn timer(self, timer: Timer) -> Option<Moment> {
        let facts = self.facts;
        let killing = facts.is_killing();
        match (timer, facts.end) {
            _ if facts.code.is_some() => None,
            (Timer::Health, None) => self.next_question().or(self.answer_by()),
            (Timer::HeldBack, None) => self.held_back_until(),
            (Timer::Walk, Some(why)) => self.walk_at(why),
            (Timer::AfterMain, Some(why)) => self.waits_until(why),
            (Timer::Deadline, Some(why)) if !killing => Some((self.rules.deadline)(self, why)),
            (Timer::Wave, _) if killing && !facts.teardown.looking_last => Some(self.next_wave()),
            (Timer::GiveUp, _) if killing => Some(self.give_up_at()),
            _ => None,
        }
    }

    /// When the member that is held back is started: so long after all others.
    pub(super) fn held_back_until(self) -> Option<Moment> {
        let (facts, start) = (self.facts, self.facts.start);
        let late = self.plan.held_back?;
        let missing = |it: &Past| it.begun.is_none();
        let alone = missing(&facts.of(late.member))
            && facts.members.iter().filter(|it| missing(it)).count() == 1;
        let ready = facts.begun && facts.scripts == Scripts::Over;
        (alone && ready && !start.unanswered && start.heard).then(|| start.last.plus(late.by))
    }

    /// The spec's `health_check`: after 50 ms, then in pauses that double up to 2 s, then every
    /// interval; never while a question is under way. Assumed: pauses begin with 50 ms and count from
    /// the answer, and the last question before the first success is asked when the time is used up, as it looks at the
    /// answer before.
    pub(super) fn next_question(self) -> Option<Moment> {
        let (facts, health) = (self.facts, self.facts.health);
        let plan = self.plan.health.filter(|_| facts.all_run() && facts.end.is_none())?;
        if health.asked.is_some() {
            return None;
        }
        let before = health.answered.unwrap_or(facts.start.last);
        if health.passed {
            return Some(before.plus(plan.interval));
        }
        let doublings = health.failures.saturating_sub(1).min(10);
        let pause = Duration::from_millis(50) * 2_u32.pow(doublings);
        let next = before.plus(pause.min(Duration::from_secs(2)));
        Some(next.min(health.since_at_answer.plus(plan.start_timeout)))
    }

    /// When a question that is under way should have its answer. Assumed: whoever asks sees to that;
    /// we are woken to see whether we slept, and wait on.
    pub(super) fn answer_by(self) -> Option<Moment> {
        let health = self.facts.health;
        let by = health.asked?.plus(self.plan.health?.timeout);
        (!health.is_late).then_some(by)
    }

    /// Until when somebody waits for main at the most. Assumed: it does no harm to be woken for one
    /// who has ended meanwhile.
    fn waits_until(self, why: Why) -> Option<Moment> {
        let facts = self.facts;
        let waits = |member: MemberId| {
            let past = facts.of(member);
            let last = self.plan.members[member.index()].stop == StopOrder::AfterMain;
            last && past.outlived && past.told.is_none()
        };
        let over = facts.teardown.thirds_used || facts.is_killing() || self.main_is_gone();
        let somebody = !over && MemberId::all(facts.members.len()).any(waits);
        somebody.then(|| self.two_thirds(why))
    }

    /// Rule 7: so long after the first SIGKILL, and after a sleep anew. Assumed: 100 ms more for the
    /// last look.
    pub(super) fn give_up_at(self) -> Moment {
        let teardown = self.facts.teardown;
        let more = if teardown.looking_last { 100 } else { 0 };
        let wait = self.rules.give_up_after + Duration::from_millis(more);
        self.kill_from().plus(wait)
    }

    /// Rule 7: when we have left, the last words too. Assumed: the deadline is not earlier where
    /// SIGKILL is because nobody is left who may be signalled.
    pub(super) fn leave_by(self, why: Why) -> Moment {
        let slept_over = self.kill_from() > self.facts.teardown.first_wave;
        let deadline = if self.facts.is_killing() && slept_over {
            self.kill_from()
        } else {
            (self.rules.deadline)(self, why)
        };
        deadline.plus(self.rules.leave_after)
    }

    /// Since when it is waited for what was killed.
    fn kill_from(self) -> Moment {
        let teardown = self.facts.teardown;
        teardown.slept.map_or(teardown.first_wave, |(_, awake)| awake.max(teardown.first_wave))
    }
}
