//! A second reading of the core: what must become of a group, told from the contract alone.
//!
//! It has another shape than the machine. There are no states and no transitions. What has passed is
//! kept as facts (`facts.rs`: from events in `hear.rs`, from deeds in `deed.rs`); a table of rules
//! says what holds, given these facts (`rules.rs`); from that follows what is owed just now
//! (`owed.rs`), when the machine has to be woken (`timers.rs`), and what has to be said
//! (`words.rs`). Whatever the machine does must be owed, and afterwards nothing may be owed any more.
//!
//! It reads what the worlds of the tests can do. These have no readiness check, no terminal of
//! anybody's own, no shell at the head of main, no walk that was cut short, and no lack of memory.
//!
//! # The contract
//!
//! The life of a group, in the rules that the others name by their numbers:
//!
//! 1. Profile scripts run first, where there are any: one child that is no member. A stop request
//!    wins; their failure is not fatal, their `exit N` ends the run with N.
//! 2. All members start at once, in spec order. If one cannot be spawned, those that were are torn
//!    down: 127 when it was not found, 126 when it cannot be executed, else 125.
//! 3. A member ends, with 0 too but for those that may finish: that is the verdict. Nobody is ever
//!    started again.
//! 4. The verdict is latched before any signal. Of several ends in one wake-up death by signal comes
//!    before non-zero before 0, among equals main first, then spec order. A stop request wins.
//! 5. The deadline is the verdict and the grace. Every living leader gets its stop signal, alone or
//!    with its process group; then one walk finds stragglers: what ended leaders have left gets that
//!    member's stop signal, others SIGTERM. Nobody gets two, and children of a living leader are none.
//!    `after_main` waits until main and what it left are gone, or two thirds of the grace are used.
//! 6. The group is over when no descendant is left.
//! 7. At the deadline everything left gets SIGKILL, in waves: the next when somebody ends or after
//!    10 ms, after three with a SIGSTOP before. 500 ms after the deadline nothing is waited for any
//!    more, 900 ms after it we have left. What could not be killed is named.
//! 8. A stop request is a verdict. Later it changes nothing, but for a SIGINT 500 ms or more after the
//!    verdict and the one before, which makes the deadline now. SIGTERM never does.
//! 9. Until the verdict some signals go on to main's leader, SIGHUP and SIGCONT among them.
//! 10. A wake-up more than 1 s late moves the deadline, once: to now and what was left of the grace,
//!     2 s at most. A probe in flight is repeated, not counted.
//!
//! In each wake-up signals come first, then all ends as one event, then timers that have run out.
//! The exit code is that of the first to end, 128 and the signal's number for one; `main_success` or
//! `sidecar_success` for 0; `unhealthy`; main's own after a stop request, 137 when that had to be
//! killed, 128 and the request's number when it never started, and `stopped` in the place of 0 and of
//! 128 and main's stop signal; 125 for a failure of our own.

mod deed;
mod facts;
mod hear;
mod owed;
mod rules;
mod timers;
mod words;
pub(crate) mod wrong;

use std::fmt;

use fateshare::core::{Action, Event, Group, Moment, Plan};

use super::fixed::Fixed;
use deed::Deed;
use facts::Facts;
use rules::Case;
pub(crate) use rules::{CONTRACT, Rules};
use timers::TIMERS;

/// Where the machine and the reading part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Disagreement(String);

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The reading: a plan, the rules, and what has passed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Reference {
    plan: Fixed<Plan>,
    rules: Fixed<&'static Rules>,
    facts: Facts,
}

impl Reference {
    pub(crate) fn new(plan: &Plan, rules: &'static Rules) -> Self {
        Self { plan: Fixed::new(plan.clone()), rules: Fixed::new(rules), facts: Facts::new(plan) }
    }

    fn case(&self) -> Case<'_> {
        Case { plan: &self.plan, facts: &self.facts, rules: &self.rules }
    }

    /// The machine was told an event and has answered with these actions.
    pub(crate) fn passed(
        &mut self,
        now: Moment,
        event: &Event,
        actions: &[Action],
        group: &Group,
    ) -> Result<(), Disagreement> {
        let agreed = self.judge(now, event, actions, group).map_err(|parted| {
            let at = now.since_start();
            Disagreement(format!("{parted}\nat {at:?}, told {event:?}, it did {actions:#?}"))
        });
        self.facts.forget();
        agreed
    }

    fn judge(
        &mut self,
        now: Moment,
        event: &Event,
        actions: &[Action],
        group: &Group,
    ) -> Result<(), String> {
        self.hear(now, event);
        for deed in actions.iter().filter_map(Deed::of) {
            let owed = self.case().owed();
            if !owed.contains(&deed) {
                return Err(format!("it does {deed:?}, owed is {owed:?}"));
            }
            self.see(deed);
        }
        let owed = self.case().owed();
        if !owed.is_empty() {
            return Err(format!("it does not do what is owed, {owed:?}"));
        }
        self.check_words(event, actions)?;
        self.check_state(group)
    }

    fn check_state(&self, group: &Group) -> Result<(), String> {
        let case = self.case();
        let state = case.state();
        if group.state() != state {
            return Err(format!("it is {:?}, not {state:?}", group.state()));
        }
        let agreed = match (group.verdict(), self.facts.end) {
            (None, None) => true,
            (Some(verdict), Some(why)) => self.is_verdict(verdict, why),
            (verdict, why) => verdict.is_some() == why.is_some(),
        };
        if !agreed {
            let why = self.facts.end;
            return Err(format!("its verdict is {:?}, not {why:?}", group.verdict()));
        }
        let leave_by = self.facts.end.map(|why| case.leave_by(why));
        if group.leave_by() != leave_by {
            return Err(format!("it leaves by {:?}, not {leave_by:?}", group.leave_by()));
        }
        for timer in TIMERS {
            let (armed, at) = (group.timer(timer), case.timer(timer));
            if armed != at {
                return Err(format!("it wakes for {timer:?} at {armed:?}, not {at:?}"));
            }
        }
        Ok(())
    }
}
