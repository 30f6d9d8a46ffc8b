//! Performing the core's actions, and telling it what came of them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Once;
use std::time::Duration;

use super::arrivals::hears_again;
use super::history::History;
use super::inherited::Inherited;
use super::jobs::Jobs;
use super::outputs::Outputs;
use super::prepare::{self, Prepared};
use super::probes::{Answered, Probes};
use super::profile::Scripts;
use crate::core::{
    Action, Answer, Ends, Event, Group, Happening, LATE, MemberId, Moment, Outcome, Pid, Received,
    Sender, SignalFailure, SpawnFailure, State, Stopped, Target,
};
use crate::spec::{Launch, Signal};
use crate::status::Board;
use crate::sys::cgroup::Memory;
use crate::sys::descendants::{self, Known};
use crate::sys::descriptors::Limit;
use crate::sys::privileges::Change;
use crate::sys::process::{self, Role};
use crate::sys::signals::Signals;
use crate::sys::spawn::{Spawner, Started, Stdin};
use crate::sys::{clock, kill, output};

/// What we found around us at the start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings {
    pub(super) role: Role,
    /// The limit on descriptors that members get, where ours was raised.
    pub(super) limit: Option<Limit>,
    /// Where main reads from.
    pub(super) stdin: Stdin,
    /// Whether members are to have no terminal.
    pub(super) no_terminal: bool,
}

/// What a shell acts with.
pub(super) struct Means {
    pub(super) around: Surroundings,
    pub(super) jobs: Jobs,
    pub(super) outputs: Outputs,
    pub(super) probes: Probes,
    pub(super) inherited: Inherited,
    pub(super) signals: Signals,
    pub(super) spawner: Spawner,
    pub(super) memory: Option<Memory>,
    pub(super) history: History,
    pub(super) board: Board,
    /// When the group's clock began.
    pub(super) begin: Duration,
}

/// A group's core with everything that it needs to act.
pub(super) struct Shell<'a> {
    pub(super) launch: Cow<'a, Launch>,
    group: Group,
    pub(super) around: Surroundings,
    pub(super) signals: Signals,
    pub(super) spawner: Spawner,
    pub(super) inherited: Inherited,
    /// What the kernel counts of this container's memory, where it does.
    pub(super) memory: Option<Memory>,
    /// The profile scripts, while they run.
    pub(super) scripts: Option<Scripts>,
    /// Their process group, once it was told to stop.
    told_scripts: Option<Pid>,
    /// What was found out about the members beforehand.
    pub(super) prepared: Vec<Prepared>,
    /// The leaders that are not reaped: only these may be signalled by number.
    pub(super) leaders: BTreeMap<Pid, MemberId>,
    /// The leader of each member that is not reaped.
    pub(super) pids: Vec<Option<Pid>>,
    /// The numbers of leaders that are reaped: of use as process groups only, while a child of ours
    /// is still in one.
    pub(super) ended: Vec<Pid>,
    pub(super) jobs: Jobs,
    pub(super) outputs: Outputs,
    probes: Probes,
    /// Answers that have come and were not told.
    answered: Vec<Answered>,
    history: History,
    pub(super) board: Board,
    begin: Duration,
    /// When it was looked last what has come.
    looked: Moment,
    /// Whether the last look left answers and timers to this one.
    put_off: bool,
    /// Whether to reap without being told: children that ended before SIGCHLD was caught announce
    /// themselves to nobody, and a storm of ends is taken in parts.
    pub(super) unreaped: bool,
    /// Failures of our own that were told: each once.
    failures: BTreeSet<String>,
    code: Option<u8>,
}

impl<'a> Shell<'a> {
    pub(super) fn new(launch: &'a Launch, group: Group, means: Means) -> Self {
        Self {
            launch: Cow::Borrowed(launch),
            group,
            around: means.around,
            signals: means.signals,
            spawner: means.spawner,
            inherited: means.inherited,
            memory: means.memory,
            scripts: None,
            told_scripts: None,
            prepared: Vec::new(),
            leaders: BTreeMap::new(),
            pids: vec![None; launch.members.len()],
            ended: Vec::new(),
            jobs: means.jobs,
            outputs: means.outputs,
            probes: means.probes,
            answered: Vec::new(),
            history: means.history,
            board: means.board,
            begin: means.begin,
            looked: Moment::ZERO,
            put_off: false,
            unreaped: true,
            failures: BTreeSet::new(),
            code: None,
        }
    }

    /// Begins the group's life: every program is found first, so that a command that does not
    /// exist starts nothing.
    pub(super) fn start(&mut self) {
        // A stop request that is pending already wins: nothing is started at all.
        while self.wake() {}
        if self.group.state() == State::Preparing {
            return self.tell(Event::Start);
        }
        match prepare::prepare(&self.launch, &self.inherited) {
            Ok(prepared) => {
                self.take_over(prepared);
                self.tell(Event::Start);
            }
            Err(failures) => self.tell(Event::SpawnFailed(failures)),
        }
    }

    /// The members can be started.
    pub(super) fn take_over(&mut self, prepared: Vec<Prepared>) {
        let others = prepared.iter().any(|prepared| prepared.change.is_some());
        if others && self.around.role == Role::Init && !self.outputs.relayed() {
            open_outputs();
        }
        let users = prepared.iter().filter_map(|it| it.change.as_ref()).map(Change::user);
        self.board.entitle(users.collect());
        self.prepared = prepared;
    }

    /// The exit code, once the group is over.
    pub(super) fn code(&self) -> Option<u8> {
        self.code
    }

    /// What came of the group that ended with this code. Call it when everything is flushed.
    pub(super) fn outcome(&mut self, code: u8) -> Outcome {
        self.history.flushed();
        self.history.outcome(&self.launch, code)
    }

    pub(super) fn now(&self) -> Moment {
        Moment::at(clock::monotonic().saturating_sub(self.begin))
    }

    /// Writes down what has happened.
    pub(super) fn record(&mut self, at: Moment, happening: Happening) {
        self.history.add(&self.launch, at, happening);
    }

    /// How far the group's life is.
    pub(super) fn state(&self) -> State {
        self.group.state()
    }

    /// When the core wants to be woken, if it does.
    pub(super) fn next_timer(&self) -> Option<Moment> {
        self.group.next_timer()
    }

    /// One look: signals, then ends, then answers and timers. Says whether to look again before sleeping.
    pub(super) fn wake(&mut self) -> bool {
        let before = self.group.state();
        let woke = self.now();
        let last_look = std::mem::replace(&mut self.looked, woke);
        // Who is frozen need not be asleep.
        if self.group.next_timer().is_some_and(|at| woke.since(at) > LATE) {
            self.tell(Event::Late { last_look });
        }
        let (received, child) = self.take_signals();
        for event in received {
            self.tell(event);
        }
        if child && let Some(event) = self.jobs.main_stopped(self.main()) {
            self.tell(event);
        }
        // After the verdict the last child may go without a SIGCHLD of its own: ask each time.
        let may_be_some = child || self.unreaped || self.group.state() >= State::Stopping;
        let (ends, failure) = self.take_ends(may_be_some);
        if self.unreaped && self.group.state() >= State::Running {
            // A storm of forks leaves us a hundredth of the processor, and us alone to end it.
            go_first();
        }
        if ends != Ends::default() {
            self.tell(Event::Ends(ends));
        }
        if let Some(failure) = failure {
            self.fail(failure);
        }
        if let Some(event) = self.scripts_ended() {
            self.tell(event);
        }
        if self.now().since(woke) > LATE && !std::mem::replace(&mut self.put_off, true) {
            // Frozen in here. The next look finds what was missed, before an answer or a timer counts; not twice in
            // a row, because on a machine that is always so slow they would never.
            return self.code.is_none();
        }
        self.put_off = false;
        for (check, answer) in std::mem::take(&mut self.answered) {
            let passed = !matches!(answer, Answer::Failed(_));
            self.board.answered(check, passed, self.now());
            self.tell(Event::Probed { check, answer });
        }
        // Only what was due before: telling hundreds of members takes longer than the shortest timer,
        // and their ends come first.
        if self.group.next_timer().is_some_and(|at| at <= woke) {
            self.tell(Event::Tick);
        }
        self.code.is_none() && (self.unreaped || self.group.state() != before)
    }

    /// An answer has come; the next wake-up tells it, behind signals and ends.
    pub(super) fn answered(&mut self, answered: Answered) {
        self.answered.push(answered);
    }

    /// Tells the core of a failure of our own, once.
    pub(super) fn fail(&mut self, what: String) {
        if self.failures.insert(what.clone()) {
            self.tell(Event::OwnFailure(what));
        }
    }

    /// Lets the core step, performs its actions, and tells it what came of them, until it is
    /// content.
    pub(super) fn tell(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let actions = self.group.step(self.now(), event);
            self.act(actions, &mut events);
        }
    }

    pub(super) fn perform(&mut self, action: Action, events: &mut VecDeque<Event>) {
        match action {
            Action::Prepare => events.extend(self.run_profile_scripts()),
            Action::StopPreparing(signal) => {
                let leader = self.scripts_leader();
                self.told_scripts = leader;
                for signal in [signal, Signal::CONT] {
                    events.extend(leader.and_then(|pid| group_signal(pid, signal)));
                }
            }
            Action::Spawn(member) => self.spawn(member, events),
            Action::ComeBack => {
                let (received, child) = self.take_signals();
                events.extend(received);
                if child {
                    events.extend(self.jobs.main_stopped(self.main()));
                }
                let (ends, failure) = self.take_ends(child || self.unreaped);
                events.push_back(Event::Ends(ends));
                events.extend(failure.map(Event::OwnFailure));
                events.push_back(Event::Proceed);
            }
            Action::Forward(signal) => {
                self.signal(MemberId::MAIN, Target::Leader, signal, events);
            }
            Action::Resize(members) => {
                let changed = self.outputs.resize();
                for member in members.into_iter().filter(|_| changed) {
                    self.signal(member, Target::Group, Signal::WINCH, events);
                }
            }
            // Never: these are taken together beforehand.
            stop @ Action::Stop { .. } => self.act(vec![stop], events),
            Action::StopStraggler { key, signal } => {
                let sent = kill::straggler(key, signal);
                if let Err(error) = sent.and_then(|()| kill::straggler(key, Signal::CONT)) {
                    events.push_back(failed(key.pid, None, signal, &error));
                }
            }
            Action::Probe(check) => self.probes.ask(check),
            Action::CancelProbes => self.probes.cancel(),
            Action::Walk => {
                go_first();
                let mut found = descendants::walk(self.known(), self.begin);
                if self.group.state() == State::Stopping {
                    // All of that group was told; nobody is told twice.
                    found.processes.retain(|seen| Some(seen.group) != self.told_scripts);
                }
                events.push_back(Event::Found(found));
            }
            Action::KillWave { freeze, again } => {
                go_first();
                for (pid, signal, error) in
                    kill::wave(self.around.role, self.known(), freeze, again)
                {
                    let member = self.leaders.get(&pid).copied();
                    events.push_back(failed(pid, member, signal, &error));
                }
            }
            Action::Pause(member) => {
                self.signal(member, Target::Group, Signal::STOP, events);
            }
            Action::Continue(member) => {
                self.signal(member, Target::Group, Signal::CONT, events);
            }
            Action::TakeTerminal => self.jobs.take_back(),
            Action::Suspend(who) => {
                // Main's stop is known where the whole job is stopped: that was the reason.
                let skipped = usize::from(who == Stopped::WholeJob);
                if !self.jobs.suspend(who, self.pids.iter().skip(skipped).copied().flatten()) {
                    // Then the members must not stay stopped either.
                    let (signal, sender) = (Signal::CONT, Sender::Unknown);
                    let main_leader = self.main_leader();
                    events.push_back(Event::Signal(Received { signal, sender, main_leader }));
                }
            }
            Action::GiveTerminal => {
                let main = self.main();
                self.jobs.give(main);
            }
            Action::Record(happening) => self.record(self.now(), happening),
            Action::End(code) => self.code = Some(code),
        }
    }

    /// Main's leader, while it is not reaped.
    pub(super) fn main(&self) -> Option<Pid> {
        self.pids.get(MemberId::MAIN.index()).copied().flatten()
    }

    fn known(&self) -> Known<'_> {
        Known { leaders: &self.leaders, ended: &self.ended }
    }

    fn spawn(&mut self, id: MemberId, events: &mut VecDeque<Event>) {
        match self.try_spawn(id) {
            Ok(Started { pid, deaf }) => {
                self.leaders.insert(pid, id);
                if let Some(place) = self.pids.get_mut(id.index()) {
                    *place = Some(pid);
                }
                if id == MemberId::MAIN {
                    self.jobs.started(pid);
                }
                events.push_back(Event::Spawned { member: id, pid });
                events.extend(deaf.as_ref().map(hears_again));
            }
            Err(failure) => events.push_back(Event::SpawnFailed(vec![failure])),
        }
    }

    fn try_spawn(&mut self, id: MemberId) -> Result<Started, SpawnFailure> {
        let member = &self.launch.members[id.index()];
        let prepared = &self.prepared[id.index()];
        let foreground = id == MemberId::MAIN && self.jobs.give_at_start();
        let mut program = prepare::program(member, id, prepared, &self.inherited, self.around)?;
        program.foreground = foreground;
        program.outputs = self
            .outputs
            .make(id, prepared.change.as_ref())
            .map_err(|failure| SpawnFailure { member: id, ..failure })?;
        self.spawner
            .spawn(&mut program)
            .map_err(|(step, error)| prepare::explain(member, id, &prepared.file, step, &error))
    }

    /// The terminal was hung up, and no signal has said so: those go to the session's leader and to
    /// main, which is in the foreground.
    pub(super) fn hung_up(&mut self) {
        let main_leader = self.main_leader();
        let (signal, sender) = (Signal::HUP, Sender::Terminal);
        self.tell(Event::Signal(Received { signal, sender, main_leader }));
    }

    /// Signals a member's leader or group, if the leader is not reaped; says whether that worked.
    pub(super) fn signal(
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

    /// When we must have left at the latest, once a teardown is on.
    pub(super) fn leave_by(&self) -> Option<Moment> {
        self.group.leave_by()
    }
}

/// Without the privilege nothing changes, which is the usual case and not worth a warning.
fn go_first() {
    static ASKED: Once = Once::new();
    ASKED.call_once(|| {
        if let Err(error) = process::go_first() {
            tracing::debug!("cannot ask for the processor first: {error}");
        }
    });
}

/// A member that runs as somebody else meets our own standard output; in a container it must be able
/// to open that.
fn open_outputs() {
    if let Err(error) = output::open_to_all() {
        tracing::debug!("members of other users cannot open /dev/stdout anew: {error}");
    }
}

/// Signals the process group of this leader, which is not reaped; the event says why that failed.
fn group_signal(pid: Pid, signal: Signal) -> Option<Event> {
    let error = kill::leader(pid, Target::Group, signal).err()?;
    Some(failed(pid, None, signal, &error))
}

fn failed(pid: Pid, member: Option<MemberId>, signal: Signal, error: &std::io::Error) -> Event {
    let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
    Event::SignalFailed(SignalFailure { pid, member, signal, reason: error.to_string(), denied })
}
