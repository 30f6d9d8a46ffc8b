//! Telling members to stop: as many as there are, as fast as it goes.

use std::collections::VecDeque;
use std::time::Duration;

use super::perform::{Shell, hears_again};
use crate::core::{Action, Event, MemberId, State, Target};
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

    /// Performs actions in their order, those that follow one another and tell members to stop as one.
    pub(super) fn act(&mut self, actions: Vec<Action>, events: &mut VecDeque<Event>) {
        let mut stops = Vec::new();
        for action in actions {
            match action {
                Action::Stop { member, signal, target } => stops.push((member, signal, target)),
                action => {
                    self.stop(&mut stops, events);
                    self.perform(action, events);
                }
            }
        }
        self.stop(&mut stops, events);
    }

    /// Signals these members. One that is stopped gets it when it continues, and is let continue; but first
    /// all others are told.
    fn stop(&mut self, stops: &mut Vec<Stop>, events: &mut VecDeque<Event>) {
        let mut told = std::mem::take(stops);
        let count = told.len();
        let tell = || {
            told.retain(|(member, signal, target)| self.signal(*member, *target, *signal, events));
            for (member, _, target) in told {
                self.signal(member, target, Signal::CONT, events);
            }
        };
        match count {
            0 => {}
            // Nobody else can end meanwhile.
            1 => tell(),
            _ => {
                let ((), again) = signals::undisturbed(tell);
                events.extend(again.as_ref().err().map(hears_again));
            }
        }
    }
}
