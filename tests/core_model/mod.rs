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
