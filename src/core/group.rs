//! The state machine: states, the table of states and events, and the life before a verdict.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::event::{
    Action, Ends, Event, Leader, Preparation, Received, Sender, SignalFailure, SpawnFailure,
    Windows,
};
use super::forward::{forwarded, is_stop_request};
use super::happening::{EndMeaning, Happening, MemberEnded, NotForwarded};
use super::health::Course;
use super::ids::{MemberId, Moment, Pid, Status};
use super::killing::LEAVE_AFTER;
use super::plan::{MemberPlan, Plan};
use super::teardown::Teardown;
use super::timers::{Timer, Timers};
use super::verdict::{Cause, MemberEnd, Verdict, culprit};
use crate::spec::{MayFinish, Signal, StopOrder, StopTo};

/// Where a group is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// The profile scripts run.
    Preparing,
    /// Members are being spawned.
    Starting,
    /// Every member was spawned.
    Running,
    /// The verdict is passed; members were told to stop.
    Stopping,
    /// The deadline has passed.
    Killing,
    /// It is over.
    Ended,
}

/// What is known of one member's leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Life {
    /// Not spawned, or it could not be.
    NotStarted,
    /// It runs.
    Alive { pid: Pid, since: Moment },
    /// It ended.
    Ended { pid: Pid, status: Status },
}

/// One group's life. See the [module](super) for its states.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    pub(super) plan: Rc<Plan>,
    pub(super) state: State,
    pub(super) lives: Vec<Life>,
    pub(super) timers: Timers,
    /// When the spawn that is under way, or was the last one, began. We may hear of its end much later,
    /// and the member has lived meanwhile.
    spawning_since: Moment,
    /// What could not be signalled, so that each is said once and not at every wave.
    unreachable: BTreeSet<(Pid, Signal)>,
    /// What went on to main.
    pub(super) forwarded: BTreeSet<Signal>,
    /// When we stopped all members and ourselves, if we were not continued yet.
    pub(super) suspended: Option<Moment>,
    /// When the kernel last killed in this container because its memory was used up.
    pub(super) out_of_memory: Option<Moment>,
    /// Health and readiness, from the moment when every member runs until the verdict.
    pub(super) checks: [Option<Course>; 2],
    /// There from the verdict on.
    pub(super) teardown: Option<Teardown>,
}

impl Group {
    /// A group that has not begun: send it [`Event::Start`].
    pub fn new(plan: Plan) -> Self {
        let state = if plan.profile { State::Preparing } else { State::Starting };
        Self {
            state,
            lives: vec![Life::NotStarted; plan.members.len()],
            timers: Timers::default(),
            spawning_since: Moment::ZERO,
            unreachable: BTreeSet::new(),
            forwarded: BTreeSet::new(),
            suspended: None,
            out_of_memory: None,
            checks: [None; 2],
            teardown: None,
            plan: Rc::new(plan),
        }
    }

    /// Where it is in its life.
    pub fn state(&self) -> State {
        self.state
    }

    /// Why it ends, once that is decided.
    pub fn verdict(&self) -> Option<&Verdict> {
        self.teardown.as_ref().map(|teardown| &teardown.verdict)
    }

    /// When everything must be over, the last words too: [`LEAVE_AFTER`] the deadline. `None`
    /// before the verdict.
    pub fn leave_by(&self) -> Option<Moment> {
        self.teardown.as_ref().map(|teardown| teardown.deadline.plus(LEAVE_AFTER))
    }

    /// When the next timer is due; send [`Event::Tick`] then.
    pub fn next_timer(&self) -> Option<Moment> {
        self.timers.next()
    }

    /// When this timer is due, if it is armed.
    pub fn timer(&self, timer: Timer) -> Option<Moment> {
        self.timers.at(timer)
    }

    /// Takes one event and says what has to be done. Never fails, never panics.
    pub fn step(&mut self, now: Moment, event: Event) -> Vec<Action> {
        use {Event as E, State as S};
        let mut out = Vec::new();
        match (self.state, event) {
            (S::Preparing, E::Start) => out.push(Action::Prepare),
            (S::Preparing, E::Prepared(end)) => self.prepared(now, end, &mut out),
            (S::Starting, E::Start | E::Proceed) => self.spawn_next(now, &mut out),
            (S::Starting, E::Spawned { member, pid }) => self.spawned(now, member, pid, &mut out),
            (S::Preparing | S::Starting | S::Running, E::SpawnFailed(failures)) => {
                self.cannot_start(now, failures, &mut out);
            }
            (S::Preparing | S::Starting | S::Running, E::Signal(received)) => {
                self.signalled(now, received, &mut out);
            }
            (S::Preparing | S::Starting | S::Running, E::Ends(ends)) => {
                self.ended_by_itself(now, &ends, &mut out);
            }
            (S::Starting, E::Tick) => self.tick_while_starting(now, &mut out),
            (S::Running, E::Probed { check, answer }) => {
                self.probed(now, check, answer, &mut out);
            }
            (S::Running, E::Tick) => self.tick_while_running(now, &mut out),
            (S::Running, E::Late { last_look }) => {
                self.late_while_running(now, last_look);
            }

            // After the verdict. A spawn that was under way is told to stop like all others.
            (S::Stopping | S::Killing, E::Spawned { member, pid }) => {
                self.spawned_too_late(now, member, pid, &mut out);
            }
            (S::Stopping | S::Killing, E::SpawnFailed(failures)) => {
                out.extend(failures.into_iter().map(Happening::SpawnFailed).map(Action::Record));
            }
            (S::Preparing | S::Starting | S::Running, E::OwnFailure(what)) => {
                self.pass_verdict(now, Cause::OwnFailure(what), &mut out);
            }
            (S::Starting | S::Running | S::Stopping, E::MainStopped { signal, ours }) => {
                self.main_stopped(now, signal, ours, &mut out);
            }
            (S::Stopping | S::Killing, E::OwnFailure(what)) => {
                out.push(Action::Record(Happening::OwnFailure(what)));
            }
            (S::Stopping, E::Signal(received)) => {
                self.signalled_while_stopping(now, received, &mut out);
            }
            (S::Stopping, E::Ends(ends)) => self.ended_while_stopping(now, &ends, &mut out),
            (S::Stopping, E::Found(found)) => self.found(now, found, &mut out),
            (S::Stopping, E::Late { last_look }) => {
                self.late(now, last_look, &mut out);
            }
            (S::Stopping, E::Tick) => self.tick_while_stopping(now, &mut out),
            (S::Killing, E::Signal(received)) => {
                out.push(Action::Record(Happening::Got(received)));
            }
            (S::Killing, E::Ends(ends)) => self.ended_while_killing(now, &ends, &mut out),
            (S::Killing, E::Found(found)) => self.found_while_killing(now, &found, &mut out),
            (S::Killing, E::Late { .. }) => self.late_while_killing(now),
            (S::Killing, E::Tick) => self.tick_while_killing(now, &mut out),
            (
                S::Preparing | S::Starting | S::Running | S::Stopping | S::Killing,
                E::SignalFailed(failure),
            ) => self.signal_failed(now, failure, &mut out),

            // Nobody is asked before all members run, and a walk's answer is of no use then.
            (S::Preparing, E::Proceed | E::Spawned { .. } | E::Tick)
            | (S::Starting, E::Prepared(_))
            | (S::Running, E::Start | E::Prepared(_) | E::Proceed | E::Spawned { .. })
            | (S::Preparing | S::Starting | S::Running, E::Found(_))
            | (S::Preparing | S::Starting, E::Late { .. } | E::Probed { .. }) => {}
            // There is no main yet, or SIGKILL is on its way: that needs no SIGCONT.
            (S::Preparing | S::Killing, E::MainStopped { .. }) => {}
            // What the teardown causes never becomes the verdict.
            (
                S::Stopping | S::Killing,
                E::Start | E::Prepared(_) | E::Proceed | E::Probed { .. },
            ) => {}
            (
                S::Ended,
                E::Start
                | E::Prepared(_)
                | E::Proceed
                | E::Spawned { .. }
                | E::SpawnFailed(_)
                | E::Signal(_)
                | E::Ends(_)
                | E::Found(_)
                | E::SignalFailed(_)
                | E::Probed { .. }
                | E::MainStopped { .. }
                | E::OwnFailure(_)
                | E::Late { .. }
                | E::Tick,
            ) => {}
        }
        out
    }

    /// The profile scripts are over: their failure is not fatal, their `exit` is.
    fn prepared(&mut self, now: Moment, end: Preparation, out: &mut Vec<Action>) {
        match end {
            Preparation::Exited(code) => {
                self.pass_verdict(now, Cause::ProfileExited(code), out);
                return;
            }
            Preparation::Failed(how) => {
                out.push(Action::Record(Happening::ProfileFailed(how)));
            }
            Preparation::Done => {}
        }
        self.state = State::Starting;
        self.spawn_next(now, out);
    }

    /// Starts the first member that has not been started; one that is held back only when all others
    /// were, and then its time.
    fn spawn_next(&mut self, now: Moment, out: &mut Vec<Action>) {
        let held_back = self.plan.held_back;
        let mut waiting = self.all().filter(|member| self.life(*member) == Life::NotStarted);
        let next = waiting.find(|member| held_back.is_none_or(|it| it.member != *member));
        match (next, held_back) {
            (Some(member), _) => self.spawn(now, member, out),
            (None, Some(held_back)) => {
                self.timers.arm_by(Timer::HeldBack, now.plus(held_back.by));
            }
            (None, None) => {}
        }
    }

    fn tick_while_starting(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.timers.take_due(Timer::HeldBack, now)
            && let Some(held_back) = self.plan.held_back
        {
            self.spawn(now, held_back.member, out);
        }
    }

    fn spawn(&mut self, now: Moment, member: MemberId, out: &mut Vec<Action>) {
        self.spawning_since = now;
        out.push(Action::Spawn(member));
    }

    fn spawned(&mut self, now: Moment, member: MemberId, pid: Pid, out: &mut Vec<Action>) {
        self.begin_life(member, pid, out);
        if self.lives.contains(&Life::NotStarted) {
            out.push(Action::ComeBack);
        } else {
            self.state = State::Running;
            self.start_checks(now);
            out.push(Action::Record(Happening::AllRunning));
        }
    }

    pub(super) fn begin_life(&mut self, member: MemberId, pid: Pid, out: &mut Vec<Action>) {
        if let Some(life) = self.lives.get_mut(member.index()) {
            *life = Life::Alive { pid, since: self.spawning_since };
            out.push(Action::Record(Happening::Started { member, pid }));
        }
    }

    fn cannot_start(&mut self, now: Moment, failures: Vec<SpawnFailure>, out: &mut Vec<Action>) {
        // The verdict names a single one; several get a line each.
        if failures.len() > 1 {
            let entries = failures.iter().cloned().map(Happening::SpawnFailed);
            out.extend(entries.map(Action::Record));
        }
        self.pass_verdict(now, Cause::CannotStart(failures), out);
    }

    /// A signal before the verdict: a stop request, or something for main.
    fn signalled(&mut self, now: Moment, received: Received, out: &mut Vec<Action>) {
        if self.is_about_jobs(&received) {
            self.job_signal(now, received, out);
            return;
        }
        out.push(Action::Record(Happening::Got(received.clone())));
        if is_stop_request(&self.plan.stop_on, &received) {
            self.pass_verdict(now, Cause::StopRequest(received), out);
            return;
        }
        let signal = received.signal;
        if signal == Signal::CONT {
            // The shell has put us into the foreground.
            out.push(Action::GiveTerminal);
        }
        if signal == Signal::WINCH
            && received.sender == Sender::Terminal
            && self.plan.windows == Windows::Copied
        {
            out.push(Action::Resize(self.living()));
            return;
        }
        let main_runs = matches!(self.life(MemberId::MAIN), Life::Alive { .. });
        let refusal = if !forwarded(signal) {
            Some(NotForwarded::NotOfThatKind)
        } else if !main_runs {
            Some(NotForwarded::NoMain)
        } else if received.main_leader == Leader::Shell && signal.ends_by_default() {
            Some(NotForwarded::ShellLeads)
        } else {
            None
        };
        let entry = if let Some(why) = refusal {
            Happening::NotForwarded(signal, why)
        } else {
            self.forwarded.insert(signal);
            out.push(Action::Forward(signal));
            Happening::Forwarded(signal)
        };
        out.push(Action::Record(entry));
    }

    fn signal_failed(&mut self, now: Moment, failure: SignalFailure, out: &mut Vec<Action>) {
        let (pid, denied) = (failure.pid, failure.denied);
        if self.unreachable.insert((pid, failure.signal)) {
            out.push(Action::Record(Happening::SignalFailed(failure)));
        }
        let Some(teardown) = &mut self.teardown else {
            return;
        };
        if denied {
            teardown.denied.insert(pid);
            if self.state == State::Stopping {
                self.denied_while_stopping(now, out);
            } else {
                self.denied_while_killing(out);
            }
        }
    }

    /// Ends before the verdict: the first that may not be is the verdict.
    fn ended_by_itself(&mut self, now: Moment, ends: &Ends, out: &mut Vec<Action>) {
        self.note_memory(now, ends);
        let mut own = Vec::with_capacity(ends.members.len());
        for &(member, status) in &ends.members {
            let Some((pid, since)) = self.end_life(member, status) else {
                continue;
            };
            Self::take_terminal(member, out);
            own.push((member, status, pid, now.since(since)));
        }
        let fatal: Vec<_> = own
            .iter()
            .filter(|(member, status, ..)| !self.may_finish(*member, *status))
            .map(|(member, status, ..)| (*member, *status))
            .collect();
        let culprit = culprit(&fatal).map(|(member, _)| member);
        let mut end_of_culprit = None;
        for (member, status, pid, lived) in own {
            let out_of_memory = self.memory_in(now, status);
            let meaning = if culprit == Some(member) {
                let together =
                    fatal.iter().copied().filter(|(other, _)| *other != member).collect();
                end_of_culprit = Some(MemberEnd {
                    member,
                    pid,
                    status,
                    lived,
                    together,
                    forwarded: matches!(
                        status,
                        Status::Killed(signal)
                            if member == MemberId::MAIN && self.forwarded.contains(&signal)
                    ),
                    out_of_memory,
                });
                EndMeaning::Culprit
            } else if self.may_finish(member, status) {
                EndMeaning::Finished
            } else {
                EndMeaning::Together
            };
            let entry = MemberEnded { member, pid, status, lived, meaning, out_of_memory };
            out.push(Action::Record(Happening::Ended(entry)));
        }
        if let Some(end) = end_of_culprit {
            self.latch(now, Cause::MemberEnded(end), out);
            if ends.none_left {
                self.finish(now, Vec::new(), out);
            } else {
                self.look(now, out);
            }
        }
    }

    fn may_finish(&self, member: MemberId, status: Status) -> bool {
        status == Status::SUCCESS && self.plan_of(member).may_finish == MayFinish::WithZero
    }

    /// Notes an end; `None` if that member did not run.
    pub(super) fn end_life(&mut self, member: MemberId, status: Status) -> Option<(Pid, Moment)> {
        let life = self.lives.get_mut(member.index())?;
        let Life::Alive { pid, since } = *life else {
            return None;
        };
        *life = Life::Ended { pid, status };
        Some((pid, since))
    }

    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = MemberId> + Clone + use<> {
        MemberId::all(self.lives.len())
    }

    /// The members whose leaders live, in spec order.
    pub(super) fn living(&self) -> Vec<MemberId> {
        self.all().filter(|member| self.lives(*member)).collect()
    }

    pub(super) fn lives(&self, member: MemberId) -> bool {
        matches!(self.life(member), Life::Alive { .. })
    }

    pub(super) fn life(&self, member: MemberId) -> Life {
        self.lives.get(member.index()).copied().unwrap_or(Life::NotStarted)
    }

    pub(super) fn plan_of(&self, member: MemberId) -> MemberPlan {
        self.plan.members.get(member.index()).copied().unwrap_or(MemberPlan {
            stop_signal: None,
            stop_to: StopTo::Process,
            stop: StopOrder::AtOnce,
            may_finish: MayFinish::Never,
        })
    }
}
