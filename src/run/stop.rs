//! Telling members to stop: as many as there are, as fast as it goes.

use std::collections::VecDeque;
use std::time::Duration;

use super::arrivals::hears_again;
use super::perform::Shell;
use crate::core::{Action, Event, Happening, MemberId, State, Target};
use crate::spec::Signal;
use crate::sys::{clock, signals};

/// Where more than so many are still to end...
const MANY: usize = 16;

/// ...their ends are left to come together for so long: each wake-up, and each that is reaped, would take the
/// processor from those who were not told yet.
const TOGETHER: Duration = Duration::from_micros(200);

/// Whom to tell, and how.
type Stop = (MemberId, Signal, Target);

impl Shell<'_> {
    /// To be called before what has come is looked at.
    pub(super) fn let_ends_come_together(&mut self) {
        if self.state() == State::Stopping
            && self.leaders.len() > MANY
            && let ((), Err(error)) = signals::undisturbed(|| clock::doze(TOGETHER))
        {
            self.tell(hears_again(&error));
        }
    }

    /// Performs actions in their order, those that tell members to stop as one.
    pub(super) fn act(&mut self, actions: Vec<Action>, events: &mut VecDeque<Event>) {
        let mut stops = Stops::default();
        for action in actions {
            if let Some(action) = stops.take(action) {
                self.stop(std::mem::take(&mut stops), events);
                self.perform(action, events);
            }
        }
        self.stop(stops, events);
    }

    /// Signals these members. One that is stopped gets it when it continues, and is let continue; but first
    /// all others are told.
    fn stop(&mut self, stops: Stops, events: &mut VecDeque<Event>) {
        let Stops { members, records } = stops;
        let mut moments = Vec::with_capacity(members.len());
        let mut tell = || {
            let mut told = Vec::with_capacity(members.len());
            for (member, signal, target) in members.iter().copied() {
                if self.signal(member, target, signal, events) {
                    told.push((member, target));
                }
                moments.push(self.now());
            }
            for (member, target) in told {
                self.signal(member, target, Signal::CONT, events);
            }
        };
        match members.len() {
            0 => {}
            // It is told at once: there is nothing to disturb.
            1 => tell(),
            _ => {
                let ((), again) = signals::undisturbed(tell);
                events.extend(again.as_ref().err().map(hears_again));
            }
        }
        for (behind, happening) in records {
            let at = behind.checked_sub(1).and_then(|at| moments.get(at).copied());
            self.record(at.unwrap_or_else(|| self.now()), happening);
        }
    }
}

/// Members that are to be told to stop, with what is to be written down of that.
#[derive(Debug, Default)]
struct Stops {
    members: Vec<Stop>,
    /// Behind so many of them: that one was told. It must not come between two that are to be told.
    records: Vec<(usize, Happening)>,
}

impl Stops {
    /// Takes this action too, or gives back what has to wait until these are told.
    fn take(&mut self, action: Action) -> Option<Action> {
        match action {
            Action::Stop { member, signal, target } => self.members.push((member, signal, target)),
            Action::Record(happening @ Happening::Told { .. }) => {
                self.records.push((self.members.len(), happening));
            }
            other => return Some(other),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Group, JobControl, Moment, Pid, Plan, Received, Sender};
    use crate::spec::{Overlay, SpecFile, read};

    #[test]
    fn members_that_the_core_has_told_are_told_as_one() {
        let spec = "{main: {name: a, command: x}, sidecars: [{name: b, command: x}, {name: c, command: x}]}";
        let file = SpecFile { shown: "spec.yml".to_owned(), folder: "/".into() };
        let launch = read(spec.as_bytes(), &file, &Overlay::default()).expect("a spec").launch;
        let mut group = Group::new(Plan::new(&launch, JobControl::Nobody));
        group.step(Moment::ZERO, Event::Start);
        for (member, pid) in MemberId::all(3).zip(7..) {
            group.step(Moment::ZERO, Event::Spawned { member, pid: Pid(pid) });
        }
        let (signal, sender) = (Signal::TERM, Sender::Outside);
        let main_leader = crate::core::Leader::Program;
        let asked = Event::Signal(Received { signal, sender, main_leader });
        let mut stops = Stops::default();
        let mut most = 0;
        for action in group.step(Moment::ZERO, asked) {
            if stops.take(action).is_some() {
                stops = Stops::default();
            }
            most = most.max(stops.members.len());
        }
        assert_eq!(most, 3, "nothing may come between them");
        assert!(stops.records.iter().map(|(behind, _)| *behind).eq(1..=3), "{stops:?}");
    }
}
