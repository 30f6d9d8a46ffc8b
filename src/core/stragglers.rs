//! Stragglers: which descendants outlived their member, whose they were, and whether they were told.

use std::collections::BTreeSet;

use super::event::{Action, Found, Seen};
use super::group::{Group, Life};
use super::happening::{Happening, Straggler};
use super::ids::{MemberId, Moment, Pid};
use super::teardown::{WALK_AFTER, WALK_BY};
use super::timers::Timer;
use crate::spec::StopTo;

/// The numbers of all these processes.
pub(super) fn numbers(processes: &[Seen]) -> BTreeSet<Pid> {
    processes.iter().map(|seen| seen.key.pid).collect()
}

impl Group {
    /// A walk's answer: learn whose processes are while leaders live, and tell the stragglers.
    pub(super) fn take_in(&mut self, now: Moment, found: Found, out: &mut Vec<Action>) {
        let Some(teardown) = &mut self.teardown else {
            return;
        };
        if let Some(why) = found.blind
            && !std::mem::replace(&mut teardown.blind, true)
        {
            out.push(Action::Record(Happening::Blind(why)));
        }
        teardown.next_walk_from = now.plus(WALK_AFTER.max(found.took * 4));
        teardown.walk_by = now.plus(WALK_BY);
        if found.cut_short {
            // Not only after the next end: there may be none before the deadline.
            self.timers.arm(Timer::Walk, teardown.next_walk_from);
        }
        let all = numbers(&found.processes);
        let mut stragglers = Vec::new();
        for seen in found.processes {
            if let Some(member) = seen.under {
                teardown.known.insert(seen.key, member);
            } else {
                stragglers.push(seen);
            }
        }
        let mut latest = Vec::with_capacity(stragglers.len());
        for seen in stragglers {
            let straggler = self.straggler(&seen, &all);
            if !self.was_told(&seen, &all) {
                self.tell_straggler(straggler.clone(), out);
            }
            latest.push(straggler);
        }
        if let Some(teardown) = &mut self.teardown {
            teardown.stragglers = latest;
        }
    }

    /// A process with its member: the one it was seen under, else the one that led its group or
    /// session.
    pub(super) fn straggler(&self, seen: &Seen, all: &BTreeSet<Pid>) -> Straggler {
        let known = self.teardown.as_ref().and_then(|it| it.known.get(&seen.key).copied());
        let member = seen.under.or(known).or_else(|| self.owner(seen, all));
        Straggler { key: seen.key, name: seen.name.clone(), started: seen.started, member }
    }

    fn tell_straggler(&mut self, straggler: Straggler, out: &mut Vec<Action>) {
        let signal = self.stop_signal(straggler.member);
        let key = straggler.key;
        if let Some(teardown) = &mut self.teardown {
            teardown.stragglers_told.insert(key);
        }
        out.push(Action::StopStraggler { key, signal });
        out.push(Action::Record(Happening::StragglerTold { straggler, signal }));
    }

    /// The member whose leader led this process's group or session. `seen` are all processes of the
    /// walk: a number that one of them has is not a leader's any more, it has come again.
    fn owner(&self, process: &Seen, seen: &BTreeSet<Pid>) -> Option<MemberId> {
        let led = |pid| pid == process.group || pid == process.session;
        self.all().find(|member| match self.life(*member) {
            Life::Alive { pid, .. } => led(pid),
            Life::Ended { pid, .. } => led(pid) && !seen.contains(&pid),
            Life::NotStarted => false,
        })
    }

    /// Whether a straggler has had its stop signal: by itself, or as one of its leader's group.
    fn was_told(&self, seen: &Seen, all: &BTreeSet<Pid>) -> bool {
        let Some(teardown) = &self.teardown else {
            return true;
        };
        if teardown.stragglers_told.contains(&seen.key) {
            return true;
        }
        teardown.told.iter().any(|(member, told_at)| {
            let leader = match self.life(*member) {
                Life::Alive { pid, .. } => Some(pid),
                Life::Ended { pid, .. } => Some(pid).filter(|pid| !all.contains(pid)),
                Life::NotStarted => None,
            };
            // Start times are rounded down to a tick: one that started in the same tick counts as
            // told, because a second stop signal does more harm than a missing one.
            self.plan_of(*member).stop_to == StopTo::Group
                && leader == Some(seen.group)
                && seen.started <= *told_at
        })
    }
}
