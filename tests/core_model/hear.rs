//! How what the machine is told becomes a fact.

use std::mem;

use fateshare::core::{
    Answer, Check, Ends, Event, Foreground, Found, MemberId, Moment, Preparation, Received, Seen,
    Stopped, Target,
};
use fateshare::spec::Signal;

use super::Reference;
use super::facts::{Scripts, Stray, What, Why, Wish};

impl Reference {
    /// The machine was told this, at this moment.
    pub(super) fn hear(&mut self, now: Moment, event: &Event) {
        self.facts.now = now;
        self.facts.wish = Wish { ticked: *event == Event::Tick, ..Wish::default() };
        match event {
            Event::Start => {
                self.facts.begun = true;
                self.facts.start.last = now;
            }
            Event::Prepared(how) => {
                self.facts.scripts = Scripts::Over;
                if let Preparation::Exited(code) = how {
                    self.decide(What::ScriptsExited(*code));
                }
            }
            Event::Proceed => {
                self.facts.start.listening = false;
                self.facts.start.heard = true;
            }
            Event::Spawned { member, pid } => {
                self.facts.start.unanswered = false;
                self.facts.start.heard = false;
                self.facts.start.last = now;
                self.facts.health.since = now;
                self.facts.health.since_at_answer = now;
                self.facts.members[member.index()].pid = Some(*pid);
            }
            Event::SpawnFailed(failures) => {
                self.facts.start.unanswered = false;
                for failure in failures {
                    self.facts.members[failure.member.index()].cannot_start = true;
                }
                self.decide(What::CannotStart((self.rules.spawn_code)(&failures[0])));
            }
            Event::Signal(received) => self.hear_signal(received),
            Event::Ends(ends) => self.hear_ends(ends),
            Event::Found(found) => self.hear_found(found),
            Event::SignalFailed(failure) => {
                let member = failure.member.filter(|_| failure.denied);
                let member = member.expect("only members refuse, and only because they may");
                self.hear_refusal(member, failure.signal);
            }
            Event::Probed { check: Check::Health, answer } => self.hear_answer(answer),
            Event::MainStopped { ours: Foreground::NotOurs, .. } => {
                self.wish_to_suspend(Stopped::WholeJob);
            }
            Event::OwnFailure(_) => self.decide(What::OwnFailure),
            Event::Late { last_look } => self.hear_that_it_is_late(*last_look),
            Event::Tick => self.hear_tick(),
            Event::Probed { check: Check::Readiness, .. }
            | Event::MainStopped { ours: Foreground::Ours, .. } => {
                unreachable!("no world of the tests does this")
            }
        }
    }

    /// Rule 4: the verdict is latched.
    fn decide(&mut self, what: What) {
        if self.facts.end.is_some() {
            return;
        }
        let hasty = self.case().is_hasty(what);
        self.facts.end = Some(Why { at: self.facts.now, what, hasty });
        self.facts.wish.decided = true;
        for member in &mut self.facts.members {
            member.outlived = member.lives();
        }
        self.facts.stir();
    }

    fn hear_signal(&mut self, received: &Received) {
        let signal = received.signal;
        let now = self.facts.now;
        if let Some(why) = self.facts.end {
            if !self.facts.is_killing() {
                if (self.rules.hurries)(self.case(), why, signal) {
                    self.facts.teardown.hurried = Some(now);
                    self.facts.wish.hurried = true;
                }
                if signal == Signal::INT {
                    self.facts.teardown.last_int = Some(now);
                }
            }
        } else if self.plan.stop_on.contains(&signal) {
            self.decide(What::Asked(signal));
        } else if (self.rules.goes_on)(signal) && self.facts.main_lives() {
            self.facts.wish.forward = Some(signal);
        }
        match signal {
            Signal::TSTP => self.wish_to_suspend(Stopped::Alone),
            Signal::CONT => self.wish_to_resume(),
            _ => {}
        }
    }

    /// Ctrl-Z stops all groups, and then us. Assumed: who is stopped cannot be stopped again, and nobody is stopped any more
    /// once SIGKILL is sent.
    fn wish_to_suspend(&mut self, stopped: Stopped) {
        if self.facts.suspended.is_none() && !self.facts.is_killing() {
            self.facts.wish.suspend = Some(stopped);
        }
    }

    /// CONT undoes it. Assumed: every member is continued then, also one that was started
    /// meanwhile, and that is all that main gets of it. Whoever sends it while we run may be a shell
    /// that gives us the terminal, which is main's until the verdict.
    fn wish_to_resume(&mut self) {
        if self.facts.is_killing() {
            return;
        }
        let facts = &mut self.facts;
        let since = facts.suspended.take();
        facts.wish.give_terminal = facts.end.is_none() || since.is_some();
        let Some(since) = since else { return };
        facts.wish.resume = true;
        facts.wish.forward = None;
        for member in &mut facts.members {
            member.paused = member.lives();
        }
        self.lose_time(since);
    }

    /// Rule 10, for the health check: nothing ran since then. Assumed: that time does not count, neither
    /// for the first success.
    fn lose_time(&mut self, since: Moment) {
        let facts = &mut self.facts;
        if facts.all_run() && facts.end.is_none() {
            facts.health.in_vain |= facts.health.asked.is_some();
            facts.health.since =
                facts.health.since.plus(facts.now.since(since.max(facts.health.since)));
        }
    }

    fn hear_ends(&mut self, ends: &Ends) {
        let killing = self.facts.is_killing();
        for (member, status) in &ends.members {
            let past = &mut self.facts.members[member.index()];
            past.ended = Some(*status);
            past.forced = killing;
            past.paused = false;
        }
        self.facts.wish.take_terminal = ends.members.iter().any(|it| it.0 == MemberId::MAIN);
        if self.facts.end.is_some() && (!ends.members.is_empty() || ends.orphans > 0) {
            self.facts.teardown.ended_since_wave = killing;
            self.facts.stir();
        }
        let fatal = |it: &&(MemberId, _)| (self.rules.is_fatal)(&self.plan, it.0, it.1);
        let fatal = ends.members.iter().filter(fatal);
        let first = fatal.min_by_key(|it| (self.rules.rank)(it.0, it.1));
        if let Some((member, status)) = first {
            self.decide(What::Ended(*member, *status));
        }
        self.facts.teardown.nobody_left = ends.none_left && self.facts.end.is_some();
    }

    fn hear_found(&mut self, found: &Found) {
        let before = mem::take(&mut self.facts.strays);
        self.facts.strays = found.processes.iter().map(|it| self.stray(it, &before)).collect();
        let others = self.facts.strays.iter().any(|it| it.under.is_none());
        let in_vain = self.facts.is_killing() && !others && self.case().all_refuse();
        let teardown = &mut self.facts.teardown;
        teardown.looked_last = teardown.looking_last || in_vain;
        teardown.walked = Some(self.facts.now);
        teardown.looked = true;
        teardown.main_looked_for = !self.facts.members[0].lives();
    }

    /// Rule 5: whose it is is told by where it was found, its group, its session, and where it was
    /// found before. Whoever is in a group that was told was told.
    fn stray(&self, seen: &Seen, before: &[Stray]) -> Stray {
        let before = before.iter().find(|it| it.key == seen.key);
        let all = MemberId::all(self.facts.members.len());
        let leads = |pid| all.clone().find(|it| self.facts.of(*it).pid == Some(pid));
        let by_group = leads(seen.group);
        let of = seen.under.or(by_group).or_else(|| leads(seen.session));
        let group_was_told = |it: MemberId| self.facts.of(it).told == Some(Target::Group);
        Stray {
            key: seen.key,
            under: seen.under,
            of: of.or(before.and_then(|it| it.of)),
            told: by_group.is_some_and(group_was_told) || before.is_some_and(|it| it.told),
        }
    }

    fn hear_refusal(&mut self, member: MemberId, signal: Signal) {
        let past = &mut self.facts.members[member.index()];
        past.denied = true;
        if signal == Signal::KILL {
            past.refused_kill = (past.refused_kill + 1).min(2);
            self.facts.wish.look_who_is_left = self.case().all_refuse();
        } else {
            self.facts.stir();
        }
    }

    fn hear_answer(&mut self, answer: &Answer) {
        let failed = matches!(answer, Answer::Failed(_));
        if failed && self.facts.end.is_none() && (self.rules.is_unhealthy)(self.case()) {
            self.decide(What::Unhealthy);
        }
        let now = self.facts.now;
        let health = &mut self.facts.health;
        self.facts.wish.ask_again = failed && health.in_vain;
        self.facts.wish.healthy = !failed && !health.passed;
        health.failures += u32::from(failed && !health.in_vain && !health.passed);
        health.passed |= !failed;
        health.answered = Some(now);
        health.since_at_answer = health.since;
        (health.asked, health.is_late, health.in_vain) = (None, false, false);
    }

    fn hear_that_it_is_late(&mut self, last_look: Moment) {
        match self.facts.end {
            None => {
                self.lose_time(last_look);
                let now = self.facts.now;
                self.facts.suspended = self.facts.suspended.map(|_| now);
            }
            Some(_) if self.facts.is_killing() => {
                let now = self.facts.now;
                self.facts.teardown.slept.get_or_insert((last_look, now));
            }
            Some(why) => self.lose_grace(last_look.max(why.at), why),
        }
    }

    /// Rule 10, for the grace, which began with the verdict. Assumed: what would shorten it moves nothing and
    /// does not count, nor does what comes when nothing is left.
    fn lose_grace(&mut self, asleep: Moment, why: Why) {
        let (now, frozen_before) = (self.facts.now, self.facts.teardown.slept);
        let before = (self.case().rules.deadline)(self.case(), why);
        let mut moved = false;
        if frozen_before.is_none() && before > asleep {
            self.facts.teardown.slept = Some((asleep, now));
            moved = (self.case().rules.deadline)(self.case(), why) > before;
        }
        if moved {
            self.facts.wish.moved = true;
            self.facts.teardown.lost += now.since(asleep);
        } else {
            self.facts.teardown.slept = frozen_before;
            self.facts.teardown.lost += now.min(before).since(asleep);
        }
    }

    fn hear_tick(&mut self) {
        let now = self.facts.now;
        self.facts.health.is_late |= self.case().answer_by().is_some_and(|by| by <= now);
        let used = self.facts.end.is_some_and(|why| self.case().two_thirds(why) <= now);
        self.facts.teardown.thirds_used |= used;
    }
}
