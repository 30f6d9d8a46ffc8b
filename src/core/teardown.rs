//! From the verdict until nothing is left: who is told to stop, when, and by which signal.
//!
//! Two promises rule this file: no process gets more than one stop signal, and every leader that
//! has not ended gets one before SIGKILL.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::event::{Action, Ends, Found, Seen, TICK, Target};
use super::group::{Group, Life, State};
use super::happening::{Decided, EndMeaning, Happening, MemberEnded, Straggler, Why};
use super::ids::{MemberId, Moment, Pid, ProcessKey, Status};
use super::timers::Timer;
use super::verdict::{Cause, Verdict};
use crate::spec::{Signal, StopOrder, StopTo};

/// How long after the verdict, or after the latest end, a walk for stragglers is made, and the
/// least time between two walks. A group that goes on ending by itself is never walked at all:
/// walking over hundreds of members that are about to end would only make every crash slower.
pub(super) const WALK_AFTER: Duration = Duration::from_millis(5);
/// However many ends come: a walk is made this long after the verdict or the walk before.
pub(super) const WALK_BY: Duration = Duration::from_millis(50);
/// A SIGINT hurries only this long after the verdict and after the one before.
pub const HURRY_AFTER: Duration = Duration::from_millis(500);
/// After a freeze at most this much of the grace is given again.
const THAW_GRACE: Duration = Duration::from_secs(2);
/// A member that exits with 0 this soon and leaves processes has put itself into the background.
const BACKGROUND_WITHIN: Duration = Duration::from_secs(5);

/// Whether this looks like a program that forked into the background: it ended with 0 at once.
fn may_be_in_background(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::MemberEnded(end) if end.status == Status::SUCCESS && end.lived < BACKGROUND_WITHIN
    )
}

/// Whether the deadline was moved after a freeze: that is done once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Thaw {
    Unused,
    Used,
}

/// All that is known from the verdict on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Teardown {
    pub(super) verdict: Verdict,
    pub(super) deadline: Moment,
    /// The verdict's entry while it waits for the walk that shows who went into the background.
    pub(super) unsaid: Option<Vec<MemberId>>,
    /// When each member was told to stop.
    pub(super) told: BTreeMap<MemberId, Moment>,
    /// Stragglers that were told to stop.
    pub(super) stragglers_told: BTreeSet<ProcessKey>,
    /// Whose a process is, learned while its leader lived.
    pub(super) known: BTreeMap<ProcessKey, MemberId>,
    /// The stragglers of the latest walk.
    pub(super) stragglers: Vec<Straggler>,
    pub(super) next_walk_from: Moment,
    pub(super) walk_by: Moment,
    pub(super) last_hurry: Option<Moment>,
    pub(super) why: Why,
    /// Who may not be signalled: since the verdict, and from the first wave on in this wave.
    pub(super) denied: BTreeSet<Pid>,
    /// Who could not be signalled in the wave before.
    pub(super) denied_before: BTreeSet<Pid>,
    pub(super) thaw: Thaw,
    /// How long nothing ran, for which the deadline was moved.
    pub(super) frozen: Duration,
    pub(super) blind: bool,
    pub(super) waves: u32,
    pub(super) last_wave: Moment,
    /// The wave after which it was last looked whether only those are left who may not be signalled.
    pub(super) walked_in_wave: u32,
    pub(super) forced: Vec<MemberId>,
    pub(super) forced_stragglers: Vec<Straggler>,
    pub(super) giving_up: bool,
}

impl Group {
    /// Latches the verdict, tells the members, and looks for stragglers soon.
    pub(super) fn pass_verdict(&mut self, now: Moment, cause: Cause, out: &mut Vec<Action>) {
        self.latch(now, cause, out);
        self.look(now, out);
    }

    /// Latches the verdict and tells the members. Only ever called before there is one.
    pub(super) fn latch(&mut self, now: Moment, cause: Cause, out: &mut Vec<Action>) {
        let was_preparing = self.state == State::Preparing;
        let stopping = self.living();
        let deadline = now.plus(self.plan.grace);
        let profile_runs = was_preparing && !matches!(cause, Cause::ProfileExited(_));
        self.state = State::Stopping;
        // Nothing more is forwarded, and the verdict has its answer.
        self.forwarded.clear();
        self.teardown = Some(Teardown {
            verdict: Verdict { at: now, cause },
            deadline,
            unsaid: Some(stopping.clone()),
            told: BTreeMap::new(),
            stragglers_told: BTreeSet::new(),
            known: BTreeMap::new(),
            stragglers: Vec::new(),
            next_walk_from: Moment::ZERO,
            walk_by: now.plus(WALK_BY),
            last_hurry: None,
            why: Why::Deadline,
            denied: BTreeSet::new(),
            denied_before: BTreeSet::new(),
            thaw: Thaw::Unused,
            frozen: Duration::ZERO,
            blind: false,
            waves: 0,
            last_wave: Moment::ZERO,
            walked_in_wave: 0,
            forced: Vec::new(),
            forced_stragglers: Vec::new(),
            giving_up: false,
        });
        // Said first, so that it stands above what members say when they are told.
        if !self.verdict_waits_for_walk() {
            self.say_verdict(out);
        }
        self.end_checks(out);
        self.timers.disarm(Timer::HeldBack);
        for &member in &stopping {
            if self.plan_of(member).stop == StopOrder::AtOnce {
                self.tell(now, member, out);
            }
        }
        if profile_runs {
            out.push(Action::StopPreparing(self.stop_signal(None)));
        }
        self.timers.arm(Timer::Deadline, deadline);
        if self.someone_waits_for_main() {
            self.timers.arm(Timer::AfterMain, now.plus(self.plan.grace / 3 * 2));
        }
    }

    /// The first look around after the verdict.
    pub(super) fn look(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.verdict_waits_for_walk() {
            self.walk_now(out);
        } else {
            self.want_walk(now, out);
        }
    }

    /// Whether the verdict's line waits for a walk's answer, which comes before anything else.
    fn verdict_waits_for_walk(&self) -> bool {
        self.verdict().is_some_and(|verdict| may_be_in_background(&verdict.cause))
    }

    /// The signal that asks this member (or a straggler of nobody's) to stop.
    pub(super) fn stop_signal(&self, member: Option<MemberId>) -> Signal {
        let own = member.and_then(|member| self.plan_of(member).stop_signal);
        own.unwrap_or(match (member, self.verdict().map(|verdict| &verdict.cause)) {
            (Some(_), Some(Cause::StopRequest(request))) => request.signal,
            _ => Signal::TERM,
        })
    }

    fn tell(&mut self, now: Moment, member: MemberId, out: &mut Vec<Action>) {
        let signal = self.stop_signal(Some(member));
        let target = match self.plan_of(member).stop_to {
            StopTo::Process => Target::Leader,
            StopTo::Group => Target::Group,
        };
        let Some(teardown) = &mut self.teardown else {
            return;
        };
        if teardown.told.insert(member, now).is_none() {
            out.push(Action::Stop { member, signal, target });
            out.push(Action::Record(Happening::Told { member, signal, target }));
        }
    }

    /// Living members that have not been told to stop.
    fn untold(&self) -> Vec<MemberId> {
        let told = |member: &MemberId| {
            self.teardown.as_ref().is_some_and(|teardown| teardown.told.contains_key(member))
        };
        self.living().into_iter().filter(|member| !told(member)).collect()
    }

    fn someone_waits_for_main(&self) -> bool {
        !self.untold().is_empty()
    }

    pub(super) fn tell_all(&mut self, now: Moment, out: &mut Vec<Action>) {
        for member in self.untold() {
            self.tell(now, member, out);
        }
        self.timers.disarm(Timer::AfterMain);
    }

    pub(super) fn say_verdict(&mut self, out: &mut Vec<Action>) {
        let Some(teardown) = &mut self.teardown else {
            return;
        };
        let Some(stopping) = teardown.unsaid.take() else {
            return;
        };
        let background = match &teardown.verdict.cause {
            Cause::MemberEnded(end) if may_be_in_background(&teardown.verdict.cause) => {
                let age = teardown.verdict.at.since_start().saturating_sub(end.lived);
                let of_it = |straggler: &&Straggler| {
                    // Start times are rounded down to a tick.
                    let younger = straggler.started.plus(TICK) >= Moment::at(age);
                    straggler.member.map_or(younger, |member| member == end.member)
                };
                teardown.stragglers.iter().filter(of_it).cloned().collect()
            }
            _ => Vec::new(),
        };
        let failed = |member: &MemberId| match &teardown.verdict.cause {
            Cause::CannotStart(failures) => failures.iter().any(|it| it.member == *member),
            _ => false,
        };
        let not_started = MemberId::all(self.lives.len())
            .filter(|member| self.lives[member.index()] == Life::NotStarted && !failed(member))
            .collect();
        let decided =
            Decided { not_started, verdict: teardown.verdict.clone(), stopping, background };
        out.push(Action::Record(Happening::Verdict(decided)));
    }

    /// Arms the next walk: soon, but at once when only stragglers can be what is left.
    fn want_walk(&mut self, now: Moment, out: &mut Vec<Action>) {
        let main_gone = !self.lives(MemberId::MAIN);
        let urgent = self.living().is_empty() || (main_gone && self.someone_waits_for_main());
        let Some(teardown) = &self.teardown else {
            return;
        };
        let at = if urgent { now } else { teardown.walk_by.min(now.plus(WALK_AFTER)) };
        self.timers.arm(Timer::Walk, at.max(teardown.next_walk_from));
        if self.timers.take_due(Timer::Walk, now) {
            self.walk_now(out);
        }
    }

    pub(super) fn walk_now(&mut self, out: &mut Vec<Action>) {
        self.timers.disarm(Timer::Walk);
        out.push(Action::Walk);
    }

    /// A spawn that was under way when the verdict fell.
    pub(super) fn spawned_too_late(
        &mut self,
        now: Moment,
        member: MemberId,
        pid: Pid,
        out: &mut Vec<Action>,
    ) {
        self.begin_life(member, pid, out);
        self.tell(now, member, out);
        if self.state == State::Killing
            && let Some(teardown) = &mut self.teardown
        {
            teardown.forced.push(member);
        }
    }

    pub(super) fn ended_while_stopping(&mut self, now: Moment, ends: &Ends, out: &mut Vec<Action>) {
        self.record_ends(now, ends, EndMeaning::Stopped, out);
        if ends.none_left {
            self.finish(now, Vec::new(), out);
        } else if !ends.members.is_empty() || ends.orphans > 0 {
            self.want_walk(now, out);
        }
    }

    pub(super) fn record_ends(
        &mut self,
        now: Moment,
        ends: &Ends,
        meaning: EndMeaning,
        out: &mut Vec<Action>,
    ) {
        self.note_memory(now, ends);
        for &(member, status) in &ends.members {
            let Some((pid, since)) = self.end_life(member, status) else {
                continue;
            };
            Self::take_terminal(member, out);
            if let Some(teardown) = &mut self.teardown {
                teardown.denied.remove(&pid);
            }
            let lived = now.since(since);
            let out_of_memory = self.memory_in(now, status);
            let entry = MemberEnded { member, pid, status, lived, meaning, out_of_memory };
            out.push(Action::Record(Happening::Ended(entry)));
        }
    }

    /// A walk's answer: stragglers are told, and `after_main` sidecars when main has left nothing.
    pub(super) fn found(&mut self, now: Moment, found: Found, out: &mut Vec<Action>) {
        let whole = !found.cut_short;
        let denied = whole && found.blind.is_none() && self.only_denied_left(&found.processes);
        self.take_in(now, found, out);
        self.say_verdict(out);
        let main_left = self.teardown.as_ref().is_some_and(|teardown| {
            let of_main = |straggler: &Straggler| {
                straggler.member.is_none_or(|member| member == MemberId::MAIN)
            };
            teardown.stragglers.iter().any(of_main)
        });
        if !self.lives(MemberId::MAIN) && !main_left && whole {
            self.tell_all(now, out);
        }
        if denied && self.untold().is_empty() {
            if let Some(teardown) = &mut self.teardown {
                teardown.why = Why::Denied;
            }
            self.kill(now, out);
        }
    }

    /// A signal was refused: what that leaves to wait for, the next walk tells.
    pub(super) fn denied_while_stopping(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.want_walk(now, out);
    }

    /// Whether somebody is left, and all of them may not be signalled. What is below a living
    /// leader goes with it: it was never told to stop by itself.
    pub(super) fn only_denied_left(&self, processes: &[Seen]) -> bool {
        let living = self.living();
        let mut strays = processes.iter().filter(|seen| seen.under.is_none()).peekable();
        let somebody = !living.is_empty() || strays.peek().is_some();
        somebody
            && living.iter().all(|member| self.is_denied(*member))
            && strays.all(|seen| self.is_pid_denied(seen.key.pid))
    }

    pub(super) fn is_denied(&self, member: MemberId) -> bool {
        matches!(self.life(member), Life::Alive { pid, .. } if self.is_pid_denied(pid))
    }

    /// SIGKILL is refused in two waves in a row: who is dying of the one before, of which a second
    /// one can fail too, will be gone by then.
    fn is_pid_denied(&self, pid: Pid) -> bool {
        self.teardown.as_ref().is_some_and(|teardown| {
            teardown.denied.contains(&pid)
                && (teardown.waves == 0 || teardown.denied_before.contains(&pid))
        })
    }

    /// The clock ran on while we could not: give some of the grace again, once.
    pub(super) fn late(&mut self, now: Moment, since: Moment, out: &mut Vec<Action>) {
        let Some(teardown) = &mut self.teardown else {
            return;
        };
        // A look before the verdict says nothing of the grace.
        let since = since.max(teardown.verdict.at);
        let left = teardown.deadline.since(since);
        let to = now.plus(left.min(THAW_GRACE));
        // Where nothing was left nothing is taken, and where as much is left all the same nothing is given: that
        // is kept for a freeze that takes more.
        if left.is_zero() || to <= teardown.deadline || teardown.thaw == Thaw::Used {
            teardown.frozen += now.min(teardown.deadline).since(since);
            return;
        }
        teardown.thaw = Thaw::Used;
        teardown.frozen += now.since(since);
        teardown.deadline = to;
        self.timers.arm(Timer::Deadline, to);
        out.push(Action::Record(Happening::DeadlineMoved { to }));
    }

    pub(super) fn tick_while_stopping(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.timers.take_due(Timer::Deadline, now) {
            self.kill(now, out);
            return;
        }
        if self.timers.take_due(Timer::AfterMain, now) {
            self.tell_all(now, out);
        }
        if self.timers.take_due(Timer::Walk, now) {
            self.walk_now(out);
        }
    }
}
