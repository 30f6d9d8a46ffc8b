//! Performing the core's actions, and telling it what came of them.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use super::history::History;
use super::prepare::{self, Inherited};
use crate::core::{
    Action, Ends, Event, Group, Leader, MemberId, Moment, OVERSLEPT, Pid, Preparation, Received,
    SignalFailure, SpawnFailure, State, Target,
};
use crate::spec::{CommandForm, Launch, Signal};
use crate::sys::process::{self, Role};
use crate::sys::reap::{Reaped, reap};
use crate::sys::signals::Signals;
use crate::sys::spawn::Spawner;
use crate::sys::{clock, kill, procfs};

/// So many children are reaped in one wake-up, so that a storm of orphans cannot keep us from
/// signals and deadlines: some milliseconds.
const REAPS_AT_ONCE: usize = 500;

/// A group's core with everything that it needs to act.
pub(super) struct Shell<'a> {
    launch: &'a Launch,
    group: Group,
    role: Role,
    pub(super) signals: Signals,
    spawner: Spawner,
    inherited: Inherited,
    /// The members' program files, found beforehand.
    programs: Vec<PathBuf>,
    /// The leaders that are not reaped: only these may be signalled by number.
    leaders: BTreeMap<Pid, MemberId>,
    /// The leader of each member that is not reaped.
    pids: Vec<Option<Pid>>,
    history: History,
    begin: Duration,
    /// Whether to reap without being told: children that ended before SIGCHLD was caught announce
    /// themselves to nobody, and a storm of ends is taken in parts.
    unreaped: bool,
    code: Option<u8>,
}

impl<'a> Shell<'a> {
    pub(super) fn new(
        launch: &'a Launch,
        group: Group,
        role: Role,
        signals: Signals,
        spawner: Spawner,
    ) -> Self {
        Self {
            launch,
            group,
            role,
            signals,
            spawner,
            inherited: Inherited::read(),
            programs: Vec::new(),
            leaders: BTreeMap::new(),
            pids: vec![None; launch.members.len()],
            history: History::default(),
            begin: clock::monotonic(),
            unreaped: true,
            code: None,
        }
    }

    /// Begins the group's life: every program is found first, so that a command that does not
    /// exist starts nothing.
    pub(super) fn start(&mut self) {
        // A stop request that is pending already wins: nothing is started at all.
        while self.wake(None) {}
        match prepare::find_programs(self.launch, &self.inherited) {
            Ok(programs) => {
                self.programs = programs;
                self.tell(Event::Start);
            }
            Err(failures) => self.tell(Event::SpawnFailed(failures)),
        }
    }

    /// The exit code, once the group is over.
    pub(super) fn code(&self) -> Option<u8> {
        self.code
    }

    pub(super) fn now(&self) -> Moment {
        Moment::at(clock::monotonic().saturating_sub(self.begin))
    }

    /// When the core wants to be woken, if it does.
    pub(super) fn next_timer(&self) -> Option<Moment> {
        self.group.next_timer()
    }

    /// One wake-up: signals, then ends, then timers. Says whether to look again before sleeping.
    pub(super) fn wake(&mut self, slept: Option<Slept>) -> bool {
        let before = self.group.state();
        let woke = self.now();
        if let Some(Slept { since, until }) = slept
            && woke.since(until) > OVERSLEPT
        {
            self.tell(Event::Overslept { asleep_since: since });
        }
        let (received, child) = self.take_signals();
        for event in received {
            self.tell(event);
        }
        // After the verdict the last child may go without a SIGCHLD of its own: ask each time.
        if child || self.unreaped || self.group.state() >= State::Stopping {
            let ends = self.reap();
            if self.unreaped && self.group.state() >= State::Running {
                // A storm of forks leaves us a hundredth of the processor, and us alone to end it.
                process::go_first();
            }
            if !ends.members.is_empty() || ends.orphans > 0 || ends.none_left {
                self.tell(Event::Ends(ends));
            }
        }
        // Only what was due before: telling hundreds of members takes longer than the shortest timer,
        // and their ends come first.
        if self.group.next_timer().is_some_and(|at| at <= woke) {
            self.tell(Event::Tick);
        }
        self.code.is_none() && (self.unreaped || self.group.state() != before)
    }

    /// Lets the core step, performs its actions, and tells it what came of them, until it is
    /// content.
    fn tell(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.group.step(self.now(), event) {
                self.perform(action, &mut events);
            }
        }
    }

    fn perform(&mut self, action: Action, events: &mut VecDeque<Event>) {
        match action {
            // There are no profile scripts: the spec refuses their key so far.
            Action::Prepare => events.push_back(Event::Prepared(Preparation::Done)),
            Action::StopPreparing(_) => {}
            Action::Spawn(member) => events.push_back(self.spawn(member)),
            Action::ComeBack => {
                let (received, child) = self.take_signals();
                events.extend(received);
                if child || self.unreaped {
                    events.push_back(Event::Ends(self.reap()));
                }
                events.push_back(Event::Proceed);
            }
            Action::Forward(signal) => {
                self.signal(MemberId::MAIN, Target::Leader, signal, events);
            }
            Action::Stop { member, signal, target } => {
                if self.signal(member, target, signal, events) {
                    self.signal(member, target, Signal::CONT, events);
                }
            }
            Action::StopStraggler { key, signal } => {
                let sent = kill::straggler(key, signal);
                if let Err(error) = sent.and_then(|()| kill::straggler(key, Signal::CONT)) {
                    events.push_back(failed(key.pid, None, signal, &error));
                }
            }
            Action::Walk => {
                process::go_first();
                events.push_back(Event::Found(procfs::walk(&self.leaders, self.now())));
            }
            Action::KillWave { freeze } => {
                process::go_first();
                for (pid, error) in kill::wave(self.role, &self.leaders, freeze) {
                    let member = self.leaders.get(&pid).copied();
                    events.push_back(failed(pid, member, Signal::KILL, &error));
                }
            }
            Action::Record(happening) => {
                let now = self.now();
                self.history.add(self.launch, now, happening);
            }
            Action::End(code) => self.code = Some(code),
        }
    }

    fn spawn(&mut self, id: MemberId) -> Event {
        match self.try_spawn(id) {
            Ok(pid) => {
                self.leaders.insert(pid, id);
                if let Some(place) = self.pids.get_mut(id.index()) {
                    *place = Some(pid);
                }
                Event::Spawned { member: id, pid }
            }
            Err(failure) => Event::SpawnFailed(vec![failure]),
        }
    }

    fn try_spawn(&mut self, id: MemberId) -> Result<Pid, SpawnFailure> {
        let member = &self.launch.members[id.index()];
        let file = &self.programs[id.index()];
        let program = prepare::program(member, id, file, &self.inherited)?;
        self.spawner
            .spawn(&program)
            .map_err(|(step, error)| prepare::explain(member, id, file, step, &error))
    }

    /// Signals a member's leader or group, if the leader is not reaped; says whether that worked.
    fn signal(
        &self,
        member: MemberId,
        target: Target,
        signal: Signal,
        events: &mut VecDeque<Event>,
    ) -> bool {
        let Some(pid) = self.pids.get(member.index()).copied().flatten() else { return false };
        let sent = kill::leader(pid, target, signal);
        if let Err(error) = &sent {
            events.push_back(failed(pid, Some(member), signal, error));
        }
        sent.is_ok()
    }

    /// Takes what has come: signals as events, and whether SIGCHLD was among them.
    fn take_signals(&mut self) -> (Vec<Event>, bool) {
        let pending = self.signals.take();
        let received = pending.others.into_iter().map(|(signal, sender)| {
            let main_leader = self.main_leader();
            Event::Signal(Received { signal, sender, main_leader })
        });
        (received.collect(), pending.child)
    }

    /// Whether main is still led by the shell that we started for it.
    fn main_leader(&self) -> Leader {
        let main = &self.launch.members[MemberId::MAIN.index()];
        let Some(pid) = self.pids[MemberId::MAIN.index()] else {
            return Leader::Program;
        };
        if main.form != CommandForm::Shell {
            return Leader::Program;
        }
        let shell = self.programs.first();
        match shell.and_then(|shell| procfs::runs(pid, shell)) {
            Some(false) => Leader::Program,
            // Where we cannot look, the shell that we started is the better guess.
            Some(true) | None => Leader::Shell,
        }
    }

    /// Reaps what has ended, in parts if it is very much.
    fn reap(&mut self) -> Ends {
        let mut ends = Ends::default();
        self.unreaped = false;
        for _ in 0..REAPS_AT_ONCE {
            match reap() {
                Ok(Reaped::Child(pid, status)) => match self.leaders.remove(&pid) {
                    Some(member) => {
                        self.pids[member.index()] = None;
                        ends.members.push((member, status));
                    }
                    None => ends.orphans += 1,
                },
                Ok(Reaped::NoneEnded) => return ends,
                Ok(Reaped::NoChildren) => {
                    ends.none_left = true;
                    return ends;
                }
                Err(error) => {
                    tracing::error!("cannot reap children: {error}");
                    return ends;
                }
            }
        }
        self.unreaped = true;
        ends
    }

    /// When we must have left at the latest, once a teardown is on.
    pub(super) fn leave_by(&self) -> Option<Moment> {
        self.group.leave_by()
    }
}

/// A sleep that had a timer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slept {
    /// When it began.
    pub(super) since: Moment,
    /// When the timer was due.
    pub(super) until: Moment,
}

fn failed(pid: Pid, member: Option<MemberId>, signal: Signal, error: &std::io::Error) -> Event {
    Event::SignalFailed(SignalFailure { pid, member, signal, reason: error.to_string() })
}
