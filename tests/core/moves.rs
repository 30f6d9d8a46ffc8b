//! What could come next: every move that the model offers.

use std::time::Duration;

use fateshare::core::{Cause, Event, MemberId};
use fateshare::spec::Signal;

use super::{Fate, MORE_STATUSES, MOST_PROBES, Move, Passes, STATUSES, Scripts, Set, World};

impl World {
    /// Every move that could come next.
    pub(crate) fn moves(&self) -> Vec<Move> {
        self.moves_with(self.every_end())
    }

    /// Moves that could come next, of all kinds, without every combination of ends: those of many
    /// members outnumber everything else.
    pub(crate) fn some_moves(&self) -> Vec<Move> {
        let mut ends = Vec::new();
        for member in self.all() {
            if self.leaders[member.index()].fate == Fate::Alive {
                ends.extend(STATUSES.map(|status| Move::Ends(vec![(member, status)], vec![])));
            } else if self.children[member.index()].fate == Fate::Alive {
                ends.push(Move::Ends(vec![], vec![member]));
            }
        }
        let living = self.all().filter(|it| self.leaders[it.index()].fate == Fate::Alive);
        let all: Vec<_> = living.zip(STATUSES.into_iter().cycle()).collect();
        if all.len() > 1 {
            ends.push(Move::Ends(all, vec![]));
        }
        self.moves_with(ends)
    }

    fn moves_with(&self, ends: Vec<Move>) -> Vec<Move> {
        let mut moves = Vec::new();
        if self.is_over() {
            return moves;
        }
        match self.answers.front() {
            Some(Event::Proceed) => moves.push(Move::Answer),
            Some(Event::Spawned { .. }) => return vec![Move::Answer, Move::SpawnFails],
            Some(_) => return vec![Move::Answer],
            None => {}
        }
        if self.scripts.fate == Fate::Alive {
            let ends = [Scripts::Done, Scripts::Failed, Scripts::Exit(0), Scripts::Exit(3)];
            let how = if self.verdict.is_none() { &ends[..] } else { &ends[..1] };
            moves.extend(how.iter().copied().map(Move::Prepared));
        }
        for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
            moves.push(Move::Signal(signal));
        }
        if self.offered.jobs {
            moves.extend([Signal::TSTP, Signal::CONT].map(Move::Signal));
            if self.leaders[0].fate == Fate::Alive {
                moves.push(Move::MainStopped);
            }
        }
        if self.offered.fails && !self.has_failed {
            moves.push(Move::OwnFailure);
        }
        moves.extend(ends);
        if self.health.asked {
            moves.extend([Passes::Yes, Passes::No].map(Move::Probed));
        }
        let before_verdict = self.verdict.is_none();
        let may_pass = if before_verdict { self.passed == 0 } else { self.passed & 2 == 0 };
        if self.answers.is_empty() {
            if self.offered.passes && may_pass && self.next_after(self.pass_by()) {
                moves.push(Move::Pass);
            }
            let may_tick = !before_verdict || self.health.probes < MOST_PROBES;
            if may_tick && self.group.next_timer().is_some() {
                moves.push(Move::Timer);
                if self.offered.freezes && !self.was_late {
                    moves.push(Move::LateTimer);
                }
            }
        }
        moves
    }

    pub(super) fn pass_by(&self) -> Duration {
        // Before the verdict: past the time in which an exit with 0 looks like a daemon's.
        if self.verdict.is_none() { Duration::from_secs(10) } else { Duration::from_millis(600) }
    }

    fn next_after(&self, span: Duration) -> bool {
        self.group.next_timer().is_none_or(|at| at > self.now.plus(span))
    }

    /// After the verdict a status changes nothing, but main's after a stop request.
    fn status_matters(&self, member: MemberId) -> bool {
        match self.verdict.as_ref().map(|verdict| &verdict.cause) {
            None => true,
            Some(Cause::StopRequest(_)) => member == MemberId::MAIN,
            Some(_) => false,
        }
    }

    /// Every non-empty set of ends, with every kind of status.
    fn every_end(&self) -> Vec<Move> {
        let mut sets: Vec<Set> = vec![(vec![], vec![])];
        for member in self.all() {
            if self.leaders[member.index()].fate == Fate::Alive {
                let with = |set: &Set, status| {
                    let mut set = set.clone();
                    set.0.push((member, status));
                    set
                };
                let statuses = match (self.status_matters(member), self.codes.stopped) {
                    (false, _) => &STATUSES[..1],
                    (true, None) => &STATUSES[..],
                    (true, Some(_)) => &MORE_STATUSES[..],
                };
                let more: Vec<_> = sets
                    .iter()
                    .flat_map(|set| statuses.iter().map(|status| with(set, *status)))
                    .collect();
                sets.extend(more);
            } else if self.children[member.index()].fate == Fate::Alive {
                let more: Vec<_> = sets
                    .iter()
                    .map(|set| {
                        let mut set = set.clone();
                        set.1.push(member);
                        set
                    })
                    .collect();
                sets.extend(more);
            }
        }
        sets.into_iter().skip(1).map(|(leaders, children)| Move::Ends(leaders, children)).collect()
    }
}
