//! What is owed: what has to be done just now, given what has passed. What is not owed must not be
//! done.

use std::time::Duration;

use fateshare::core::{Check, MemberId, Moment, State};
use fateshare::spec::Signal;

use super::deed::Deed;
use super::facts::{Past, Scripts, Why};
use super::rules::Case;

impl Case<'_> {
    /// All that has to be done now.
    pub(super) fn owed(self) -> Vec<Deed> {
        let mut owed = Vec::new();
        self.owed_to_the_event(&mut owed);
        match self.facts.end {
            None => self.owed_before_the_verdict(&mut owed),
            Some(why) if self.facts.code.is_none() => self.owed_in_the_teardown(why, &mut owed),
            Some(_) => {}
        }
        owed
    }

    fn owed_to_the_event(self, owed: &mut Vec<Deed>) {
        let wish = self.facts.wish;
        let paused = |it: &MemberId| self.facts.of(*it).paused;
        owed.extend(wish.forward.map(Deed::Forward));
        if let Some(stopped) = wish.suspend {
            // All groups, and then us.
            owed.extend(self.facts.living().filter(|it| !paused(it)).map(Deed::Pause));
            if owed.is_empty() {
                owed.push(Deed::Suspend(stopped));
            }
        }
        if wish.resume {
            owed.extend(self.facts.living().filter(paused).map(Deed::Continue));
        }
        if wish.give_terminal {
            owed.push(Deed::GiveTerminal);
        }
        if wish.take_terminal {
            owed.push(Deed::TakeTerminal);
        }
    }

    fn owed_before_the_verdict(self, owed: &mut Vec<Deed>) {
        let (facts, start) = (self.facts, self.facts.start);
        if !facts.begun {
            return;
        }
        if facts.scripts == Scripts::Missing {
            owed.push(Deed::Prepare);
        }
        owed.extend(self.next_to_start().map(Deed::Spawn));
        // Rule 2. Assumed: between two spawns is asked for what is pending, so that a stop request or
        // an end wins at once; behind the last one it comes by itself.
        let more = facts.members.iter().any(|it| it.begun.is_none());
        if more && !start.unanswered && !start.heard && !start.listening {
            owed.push(Deed::ComeBack);
        }
        let asks = self.next_question().is_some_and(|at| self.has_run_out(at));
        if asks || facts.wish.ask_again {
            owed.push(Deed::Probe(Check::Health));
        }
    }

    fn owed_in_the_teardown(self, why: Why, owed: &mut Vec<Deed>) {
        let facts = self.facts;
        if facts.health.asked.is_some() {
            owed.push(Deed::CancelProbes);
        }
        if facts.scripts == (Scripts::Running { told: false }) {
            // Assumed: whoever is no member gets SIGTERM, whatever we got.
            owed.push(Deed::StopPreparing(Signal::TERM));
        }
        if facts.teardown.nobody_left || facts.teardown.looked_last {
            owed.push(Deed::End((self.rules.code)(self, why)));
            return;
        }
        let kills = self.kills(why);
        if !facts.is_killing() {
            owed.extend(facts.living().filter_map(|it| self.stop(why, it, kills)));
            let strays = facts.strays.iter().filter(|it| (self.rules.is_straggler)(it));
            owed.extend(strays.map(|it| {
                let signal = (self.rules.stop_signal)(self.plan, why, it.of);
                Deed::StopStraggler { key: it.key, signal }
            }));
        }
        // Rules 5 and 7: everybody is told before anybody is looked for or killed.
        if !owed.is_empty() {
            return;
        }
        if self.gives_up() || facts.wish.look_who_is_left {
            owed.push(Deed::Walk);
        } else if kills {
            let freeze = (self.rules.freezes)(facts.teardown.waves + 1);
            owed.push(Deed::KillWave { freeze, again: facts.is_killing() });
        } else if self.walk_at(why).is_some_and(|at| self.is_time(at)) {
            owed.push(Deed::Walk);
        }
    }

    /// Rule 5; and rule 7: nobody gets SIGKILL who was not told.
    fn stop(self, why: Why, member: MemberId, kills: bool) -> Option<Deed> {
        let its_turn = kills || (self.rules.is_its_turn)(self, why, member);
        (self.facts.of(member).told.is_none() && its_turn).then(|| Deed::Stop {
            member,
            signal: (self.rules.stop_signal)(self.plan, why, Some(member)),
            target: (self.rules.target)(self.plan, member),
        })
    }

    /// Rule 2: in spec order. Whoever is held back comes last.
    fn next_to_start(self) -> Option<MemberId> {
        let (facts, start) = (self.facts, self.facts.start);
        if facts.scripts != Scripts::Over || start.unanswered || !start.heard {
            return None;
        }
        let late = self.plan.held_back.map(|it| it.member);
        let all = MemberId::all(facts.members.len());
        let next =
            all.filter(|it| facts.of(*it).begun.is_none()).min_by_key(|it| Some(*it) == late)?;
        let waits = self.held_back_until().is_some_and(|at| !self.has_run_out(at));
        Some(next).filter(|_| !waits)
    }

    /// A timer that has run out is told, as the last of all; what waits for nothing but the time is
    /// done then.
    pub(super) fn has_run_out(self, at: Moment) -> bool {
        self.facts.wish.ticked && at <= self.facts.now
    }

    /// The same for what is done before a timer is told, if there is a new reason for it.
    fn is_time(self, at: Moment) -> bool {
        let wish = self.facts.wish;
        (wish.ticked || wish.stirred) && at <= self.facts.now
    }

    /// Rule 7: whether SIGKILL is sent now.
    fn kills(self, why: Why) -> bool {
        if self.facts.is_killing() {
            return !self.facts.teardown.looking_last && self.is_time(self.next_wave());
        }
        self.has_run_out((self.rules.deadline)(self, why)) || self.only_denied_left()
    }

    /// Rule 7: after 10 ms, or when somebody has ended. Assumed: then 1 ms after the wave before, at
    /// the earliest.
    pub(super) fn next_wave(self) -> Moment {
        let teardown = self.facts.teardown;
        let pause = if teardown.ended_since_wave { 1 } else { 10 };
        teardown.last_wave.plus(Duration::from_millis(pause))
    }

    /// Rule 7: what was killed is not waited for any longer. Assumed: one last look tells who is left.
    fn gives_up(self) -> bool {
        let looking = self.facts.teardown.looking_last;
        self.facts.is_killing() && !looking && self.has_run_out(self.give_up_at())
    }

    /// Rule 5: then a walk for stragglers, and rule 6: whenever somebody may be left alone.
    ///
    /// Assumed, so that many ends are not as many walks: it is made when nothing has stirred for 5 ms,
    /// and 50 ms after the verdict or the walk before at the latest. It hurries if there is nobody
    /// whose end could stir, or if somebody waits for main, who has ended: then it is made at once, or
    /// 5 ms after the one before. And it is the first thing when the verdict has to say whom the
    /// culprit has left.
    pub(super) fn walk_at(self, why: Why) -> Option<Moment> {
        let (facts, teardown) = (self.facts, self.facts.teardown);
        let stirred = teardown.stirred.filter(|_| !facts.is_killing())?;
        if why.hasty && !teardown.walk_asked {
            return Some(why.at);
        }
        let pause = Duration::from_millis(5);
        let waits = |it: &Past| it.lives() && it.told.is_none();
        let is_waited_for = !facts.main_lives() && facts.members.iter().any(waits);
        let soon = if facts.somebody_lives() && !is_waited_for {
            stirred.plus(pause)
        } else {
            teardown.walked.map_or(stirred, |it| it.plus(pause))
        };
        let latest = teardown.walked.unwrap_or(why.at).plus(Duration::from_millis(50));
        Some(soon.min(latest))
    }

    pub(super) fn state(self) -> State {
        let facts = self.facts;
        if facts.code.is_some() {
            State::Ended
        } else if facts.is_killing() {
            State::Killing
        } else if facts.end.is_some() {
            State::Stopping
        } else if facts.scripts != Scripts::Over {
            State::Preparing
        } else if facts.all_run() {
            State::Running
        } else {
            State::Starting
        }
    }
}
