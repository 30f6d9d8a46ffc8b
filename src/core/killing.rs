//! From the deadline to the end: SIGKILL in waves, a bounded wait, and the exit code.

use std::time::Duration;

use super::event::{Action, Ends, Found};
use super::exit::{MainEnd, exit_code};
use super::group::{Group, Life, State};
use super::happening::{EndMeaning, GraceOver, Happening, Killing, Over, Straggler, Why};
use super::ids::{MemberId, Moment};
use super::stragglers::numbers;
use super::teardown::Thaw;
use super::timers::Timer;

/// The next wave of SIGKILL comes after this long, or with a SIGCHLD.
pub const WAVE_EVERY: Duration = Duration::from_millis(10);
/// Waves that SIGCHLD brings are no closer than this.
const WAVE_GAP: Duration = Duration::from_millis(1);
/// From this wave on SIGSTOP goes first, so that a fork bomb cannot outrun SIGKILL.
const FREEZE_FROM_WAVE: u32 = 4;
/// How long after the deadline what cannot be killed is waited for.
pub const GIVE_UP_AFTER: Duration = Duration::from_millis(500);
/// How long after the deadline fateshare has left, whatever happens.
pub const LEAVE_AFTER: Duration = Duration::from_millis(900);
/// How long the walk that names what is left may stay unanswered.
const LAST_WALK: Duration = Duration::from_millis(100);

impl Group {
    pub(super) fn late_while_killing(&mut self, now: Moment) {
        let Some(teardown) = &mut self.teardown else {
            return;
        };
        if std::mem::replace(&mut teardown.thaw, Thaw::Used) == Thaw::Unused {
            // The last words have as much time behind the wait as they always have.
            teardown.deadline = now;
            self.timers.arm(Timer::GiveUp, now.plus(GIVE_UP_AFTER));
        }
    }

    /// The deadline: SIGKILL to everything that is left.
    pub(super) fn kill(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.say_verdict(out);
        self.tell_all(now, out);
        self.timers.clear();
        self.state = State::Killing;
        let members = self.living();
        let Some(teardown) = &mut self.teardown else {
            return;
        };
        let why = teardown.why;
        teardown.forced.clone_from(&members);
        teardown.forced_stragglers.clone_from(&teardown.stragglers);
        let entry = GraceOver {
            members,
            stragglers: teardown.stragglers.clone(),
            after: match why {
                // Without what the wake-up was late by.
                Why::Deadline | Why::Hurried => teardown.deadline.since(teardown.verdict.at),
                Why::Denied => now.since(teardown.verdict.at),
            }
            .saturating_sub(teardown.frozen),
            why,
        };
        out.push(Action::Record(Happening::GraceOver(entry)));
        self.timers.arm(Timer::GiveUp, now.plus(GIVE_UP_AFTER));
        self.wave(now, out);
    }

    fn wave(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(teardown) = &mut self.teardown else {
            return;
        };
        teardown.waves += 1;
        teardown.last_wave = now;
        // Whom we may not signal is asked anew.
        teardown.denied_before = std::mem::take(&mut teardown.denied);
        let (number, freeze) = (teardown.waves, teardown.waves >= FREEZE_FROM_WAVE);
        self.timers.arm(Timer::Wave, now.plus(WAVE_EVERY));
        out.push(Action::KillWave { freeze, again: number > 1 });
        out.push(Action::Record(Happening::KillWave { number, freeze }));
    }

    pub(super) fn ended_while_killing(&mut self, now: Moment, ends: &Ends, out: &mut Vec<Action>) {
        self.record_ends(now, ends, EndMeaning::Forced, out);
        if ends.none_left {
            self.finish(now, Vec::new(), out);
            return;
        }
        let Some(teardown) = &self.teardown else {
            return;
        };
        if !teardown.giving_up && (!ends.members.is_empty() || ends.orphans > 0) {
            self.timers.arm_by(Timer::Wave, teardown.last_wave.plus(WAVE_GAP));
            if self.timers.take_due(Timer::Wave, now) {
                self.wave(now, out);
            }
        }
    }

    pub(super) fn tick_while_killing(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.timers.take_due(Timer::GiveUp, now) {
            let Some(teardown) = &mut self.teardown else {
                return;
            };
            if std::mem::replace(&mut teardown.giving_up, true) {
                let last_seen = teardown.stragglers.clone();
                self.finish(now, last_seen, out);
            } else {
                self.timers.clear();
                self.timers.arm(Timer::GiveUp, now.plus(LAST_WALK));
                self.walk_now(out);
            }
        } else if self.timers.take_due(Timer::Wave, now) {
            self.wave(now, out);
        }
    }

    /// The answer to the last walk: what it found is named and left to the kernel.
    pub(super) fn found_while_killing(
        &mut self,
        now: Moment,
        found: &Found,
        out: &mut Vec<Action>,
    ) {
        let Some(teardown) = &self.teardown else {
            return;
        };
        let whole = !found.cut_short && found.blind.is_none() && teardown.waves > 1;
        let denied = whole && self.only_denied_left(&found.processes);
        if !teardown.giving_up && !denied {
            return;
        }
        let all = numbers(&found.processes);
        let left = found.processes.iter().map(|seen| self.straggler(seen, &all)).collect();
        self.finish(now, left, out);
    }

    /// SIGKILL was refused to somebody, and again: when that is all that is left, nothing is waited
    /// for.
    pub(super) fn denied_while_killing(&mut self, out: &mut Vec<Action>) {
        let all = self.living().iter().all(|member| self.is_denied(*member));
        let Some(teardown) = &mut self.teardown else {
            return;
        };
        // Not after the first refusal, and once a wave: a walk takes time.
        let first = teardown.walked_in_wave < teardown.waves;
        if all && first && teardown.waves > 1 && !teardown.giving_up {
            teardown.walked_in_wave = teardown.waves;
            out.push(Action::Walk);
        }
    }

    /// The end: the code, the last entry, no timer.
    pub(super) fn finish(&mut self, now: Moment, left: Vec<Straggler>, out: &mut Vec<Action>) {
        self.say_verdict(out);
        self.timers.clear();
        self.state = State::Ended;
        let left_members = self.living();
        let main = match self.life(MemberId::MAIN) {
            Life::NotStarted => MainEnd::NotStarted,
            Life::Alive { .. } => MainEnd::Unkillable,
            Life::Ended { status, .. } => MainEnd::Ended(status),
        };
        let main_stop = self.stop_signal(Some(MemberId::MAIN));
        let Some(teardown) = &mut self.teardown else {
            return;
        };
        let code = exit_code(self.plan.exit_codes, &teardown.verdict.cause, main, main_stop);
        let mut forced = std::mem::take(&mut teardown.forced);
        forced.retain(|member| !left_members.contains(member));
        let mut forced_stragglers = std::mem::take(&mut teardown.forced_stragglers);
        forced_stragglers.retain(|it| !left.iter().any(|other| other.key == it.key));
        let over = Over {
            code,
            took: now.since(teardown.verdict.at),
            forced,
            forced_stragglers,
            killing: if teardown.waves > 0 { Killing::Needed } else { Killing::NotNeeded },
            left: left_members,
            left_stragglers: left,
            gave_up: teardown.giving_up,
        };
        out.push(Action::Record(Happening::Over(over)));
        out.push(Action::End(code));
    }
}
