//! Health and readiness of the main process: when it is asked, and what its answers mean.

use std::time::Duration;

use super::event::{Action, Answer, Before, Check, Unhealthy};
use super::group::Group;
use super::happening::Happening;
use super::ids::{MemberId, Moment};
use super::plan::CheckPlan;
use super::timers::Timer;
use super::verdict::Cause;

/// From every member's start to the first question.
const FIRST_AFTER: Duration = Duration::from_millis(50);
/// Until a check passes, the time between two questions doubles up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Where a check stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Course {
    plan: CheckPlan,
    /// The time for the first success counts from here.
    begun: Moment,
    /// Failures in a row while it does not pass.
    failures: u8,
    passes: bool,
    /// Whether it was said what is odd about its passing.
    odd: bool,
    asked: Asked,
}

/// Whether a question is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asked {
    No,
    Yes,
    /// It is, and we were frozen meanwhile: its failure means nothing.
    InVain,
}

impl Course {
    fn new(plan: CheckPlan, begun: Moment) -> Self {
        Self { plan, begun, failures: 0, passes: false, odd: false, asked: Asked::No }
    }

    /// The pause before the next question while it does not pass.
    fn pause(&mut self) -> Duration {
        let pause = (FIRST_AFTER * (1 << self.failures)).min(LONGEST_PAUSE);
        // From the sixth on it is the longest.
        self.failures = (self.failures + 1).min(6);
        pause
    }
}

fn timer(check: Check) -> Timer {
    match check {
        Check::Health => Timer::Health,
        Check::Readiness => Timer::Readiness,
    }
}

impl Group {
    /// Every member runs.
    pub(super) fn start_checks(&mut self, now: Moment) {
        for check in Check::BOTH {
            let plan = match check {
                Check::Health => self.plan.health,
                Check::Readiness => self.plan.readiness,
            };
            self.checks[check as usize] = plan.map(|plan| Course::new(plan, now));
            if plan.is_some() {
                self.timers.arm(timer(check), now.plus(FIRST_AFTER));
            }
        }
    }

    /// A timer is due before the verdict.
    pub(super) fn tick_while_running(&mut self, now: Moment, out: &mut Vec<Action>) {
        for check in Check::BOTH {
            // While a question is under way the timer only tells that we were frozen.
            if self.timers.take_due(timer(check), now)
                && self.checks[check as usize].is_some_and(|course| course.asked == Asked::No)
            {
                self.ask(now, check, out);
            }
        }
    }

    fn ask(&mut self, now: Moment, check: Check, out: &mut Vec<Action>) {
        let Some(course) = &mut self.checks[check as usize] else { return };
        course.asked = Asked::Yes;
        self.timers.arm(timer(check), now.plus(course.plan.timeout));
        out.push(Action::Probe(check));
    }

    /// An answer has come, be it that there was none in time.
    pub(super) fn probed(
        &mut self,
        now: Moment,
        check: Check,
        answer: Answer,
        out: &mut Vec<Action>,
    ) {
        let Some(course) = &mut self.checks[check as usize] else { return };
        match (std::mem::replace(&mut course.asked, Asked::No), answer) {
            (Asked::No, _) => {}
            (Asked::Yes | Asked::InVain, Answer::Passed) => self.passed(now, check, out),
            (Asked::Yes | Asked::InVain, Answer::OddlyPassed(why)) => {
                self.passed(now, check, out);
                self.oddly_passed(check, why, out);
            }
            (Asked::InVain, Answer::Failed(_)) => self.ask(now, check, out),
            (Asked::Yes, Answer::Failed(why)) => self.failed(now, check, why, out),
        }
    }

    fn passed(&mut self, now: Moment, check: Check, out: &mut Vec<Action>) {
        let Some(course) = &mut self.checks[check as usize] else { return };
        course.failures = 0;
        self.timers.arm(timer(check), now.plus(course.plan.interval));
        if !std::mem::replace(&mut course.passes, true) {
            let entry = match check {
                Check::Health => Happening::Healthy { after: now.since(course.begun) },
                Check::Readiness => Happening::Ready,
            };
            out.push(Action::Record(entry));
        }
    }

    /// Said once.
    fn oddly_passed(&mut self, check: Check, why: String, out: &mut Vec<Action>) {
        let Some(course) = &mut self.checks[check as usize] else { return };
        if !std::mem::replace(&mut course.odd, true) {
            out.push(Action::Record(Happening::OddlyPassed(check, why)));
        }
    }

    fn failed(&mut self, now: Moment, check: Check, why: String, out: &mut Vec<Action>) {
        let Some(course) = &mut self.checks[check as usize] else { return };
        let started_by = course.begun.plus(course.plan.start_timeout);
        let passed = std::mem::replace(&mut course.passes, false);
        let mut next = now.plus(course.pause());
        match check {
            Check::Readiness if passed => out.push(Action::Record(Happening::NotReady(why))),
            Check::Readiness => {}
            Check::Health if passed || now >= started_by => {
                let before = if passed {
                    Before::Healthy
                } else {
                    Before::NeverHealthy(course.plan.start_timeout)
                };
                let unhealthy = Unhealthy { member: MemberId::MAIN, before, reason: why };
                self.pass_verdict(now, Cause::Unhealthy(unhealthy), out);
                return;
            }
            Check::Health => next = next.min(started_by),
        }
        self.timers.arm(timer(check), next);
    }

    /// We were frozen or suspended, and so was main: a question that was under way is asked again, and the time
    /// for the first success goes on where it stood.
    pub(super) fn late_while_running(&mut self, now: Moment, last_look: Moment) {
        for course in self.checks.iter_mut().flatten() {
            if course.asked == Asked::Yes {
                course.asked = Asked::InVain;
            }
            course.begun = course.begun.plus(now.since(last_look.max(course.begun)));
        }
        if let Some(since) = &mut self.suspended {
            // What was before is given already.
            *since = now;
        }
    }

    /// The verdict is passed: nobody is asked any more.
    pub(super) fn end_checks(&mut self, out: &mut Vec<Action>) {
        let asked = self.checks.iter().flatten().any(|course| course.asked != Asked::No);
        out.extend(asked.then_some(Action::CancelProbes));
        for check in Check::BOTH {
            self.checks[check as usize] = None;
            self.timers.disarm(timer(check));
        }
    }
}
