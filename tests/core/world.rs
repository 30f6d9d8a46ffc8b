//! A model of what is around the core: leaders, what they leave, signals, time. It offers every
//! move that could come next (`moves.rs`); `promises.rs` checks what the core makes of it. A second
//! reading of the core (`../core_model`) hears and sees all that passes, and must agree with it.

#[path = "fixed.rs"]
mod fixed;
#[path = "moves.rs"]
mod moves;
#[path = "promises.rs"]
mod promises;
#[path = "../core_model/mod.rs"]
pub(crate) mod reference;
#[path = "search.rs"]
pub(crate) mod search;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::BuildHasher;
use std::time::Duration;

use fateshare::core::{
    Answer, Check, CheckPlan, Ends, Event, Foreground, Found, Group, HURRY_AFTER, HeldBack,
    JobControl, Leader, MemberId, MemberPlan, Moment, Pid, Plan, Preparation, ProcessKey, Received,
    Seen, Sender, SpawnFailure, SpawnFailureKind, State, Status, Verdict, Windows,
};
use fateshare::spec::{DEFAULT_STOP_ON, ExitCodes, MayFinish, Signal, StopOrder, StopTo};

use fixed::Fixed;
use reference::{CONTRACT, Disagreement, Reference, Rules};

/// The grace of every modelled group.
pub(crate) const GRACE: Duration = Duration::from_secs(9);

/// A child that a leader has from its start and leaves behind when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Child {
    /// None at all.
    None,
    /// One in the leader's process group.
    InGroup,
    /// One in a session of its own.
    OwnSession,
}

/// One member of a modelled group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Model {
    /// What the core knows.
    pub plan: MemberPlan,
    /// What it leaves behind.
    pub child: Child,
    /// Whether its leader may not be signalled.
    pub denied: bool,
}

/// What really becomes of a process, whatever the core thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fate {
    Unborn,
    Alive,
    Gone,
}

/// One process of the model: a leader or its child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Process {
    fate: Fate,
    stops: u8,
}

/// One end of each class.
const STATUSES: [Status; 3] = [Status::Killed(Signal::KILL), Status::Exited(3), Status::SUCCESS];

/// One more for whom it matters which signal was the end.
const MORE_STATUSES: [Status; 4] = [
    Status::Killed(Signal::KILL),
    Status::Exited(3),
    Status::SUCCESS,
    Status::Killed(Signal::TERM),
];

const UNBORN: Process = Process { fate: Fate::Unborn, stops: 0 };

/// Which moves are offered. Time multiplies the states, so large groups do without some of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools, reason = "independent choices")]
pub(crate) struct Offered {
    /// Time may pass without a timer, so that a second SIGINT can hurry.
    pub(crate) passes: bool,
    /// A wake-up may come far too late.
    pub(crate) freezes: bool,
    /// Something of our own may fail.
    pub(crate) fails: bool,
    /// Ctrl-Z and SIGCONT may come.
    pub(crate) jobs: bool,
    /// Main has a health check.
    pub(crate) checks: bool,
    /// Profile scripts run first.
    pub(crate) prepares: bool,
    /// Who is started later than all others.
    pub(crate) held_back: Option<MemberId>,
}

/// When a group begins.
const FIRST_SECOND: Duration = Duration::from_secs(1);

/// So long somebody is held back.
const HELD_BACK: Duration = Duration::from_secs(3);

/// So short that a few questions are the whole time.
const CHECKED: CheckPlan = CheckPlan {
    start_timeout: Duration::from_millis(100),
    interval: Duration::from_secs(3),
    timeout: Duration::from_secs(1),
};

/// So often main is asked for its health: there is no end of it otherwise.
const MOST_PROBES: u8 = 4;

/// What ends in one wake-up: leaders, and children of leaders that are gone.
type Set = (Vec<(MemberId, Status)>, Vec<MemberId>);

/// What a health check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Passes {
    Yes,
    No,
}

/// Where main's health check stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Health {
    /// A question is under way; or in vain, because of a freeze.
    asked: bool,
    in_vain: bool,
    passes: bool,
    begun: Moment,
    probes: u8,
}

/// One thing that can come next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Move {
    /// The core gets the answer that it waits for.
    Answer,
    /// The answer to a spawn is a failure.
    SpawnFails,
    /// fateshare gets this signal.
    Signal(Signal),
    /// These leaders and children end in one wake-up.
    Ends(Vec<(MemberId, Status)>, Vec<MemberId>),
    /// The main process's health check has this answer.
    Probed(Passes),
    /// Time passes without a timer.
    Pass,
    /// The next timer is due.
    Timer,
    /// The next timer is due, and the wake-up comes far too late.
    LateTimer,
    /// Something of our own fails.
    OwnFailure,
    /// The terminal has stopped main.
    MainStopped,
    /// The profile scripts are over, so.
    Prepared(Scripts),
}

/// How the profile scripts end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scripts {
    Done,
    Failed,
    Exit(u8),
}

/// The core, all that is around it, and what was promised so far.
#[derive(Clone, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts")]
pub(crate) struct World {
    group: Group,
    models: Fixed<Vec<Model>>,
    offered: Fixed<Offered>,
    codes: Fixed<ExitCodes>,
    now: Moment,
    leaders: Vec<Process>,
    children: Vec<Process>,
    /// The child that runs the profile scripts, and whether a walk may tell it: the shell leaves out
    /// whom it has told.
    scripts: Process,
    answers: VecDeque<Event>,
    passed: u8,
    was_late: bool,
    health: Health,
    /// Whether the answer that is being told is the group's end.
    is_unhealthy: bool,
    has_failed: bool,
    /// Whose process groups are stopped.
    paused: BTreeSet<MemberId>,
    /// Whether we stopped ourselves.
    suspended: bool,
    suspended_at: Moment,
    verdict: Option<Verdict>,
    kill_from: Option<Moment>,
    last_hurry: Option<Moment>,
    waves: u8,
    main_end: Option<Status>,
    code: Option<u8>,
    reference: Reference,
    disagreement: Option<Disagreement>,
}

impl World {
    pub(crate) fn new(models: Vec<Model>, offered: Offered) -> Self {
        Self::read_by(models, offered, codes(), &CONTRACT)
    }

    /// The same with other exit codes, and beside these rules.
    pub(crate) fn read_by(
        models: Vec<Model>,
        offered: Offered,
        codes: ExitCodes,
        rules: &'static Rules,
    ) -> Self {
        let plan = Plan {
            members: models.iter().map(|model| model.plan).collect(),
            grace: GRACE,
            stop_on: DEFAULT_STOP_ON.to_vec(),
            exit_codes: codes,
            profile: offered.prepares,
            job_control: JobControl::Shell,
            windows: Windows::None,
            health: offered.checks.then_some(CHECKED),
            readiness: None,
            held_back: offered.held_back.map(|member| HeldBack { member, by: HELD_BACK }),
        };
        let mut world = Self {
            reference: Reference::new(&plan, rules),
            disagreement: None,
            group: Group::new(plan),
            codes: Fixed::new(codes),
            now: Moment::at(FIRST_SECOND),
            leaders: vec![UNBORN; models.len()],
            children: vec![UNBORN; models.len()],
            scripts: UNBORN,
            models: Fixed::new(models),
            offered: Fixed::new(offered),
            answers: VecDeque::new(),
            passed: 0,
            was_late: false,
            health: Health {
                asked: false,
                in_vain: false,
                passes: false,
                begun: Moment::ZERO,
                probes: 0,
            },
            is_unhealthy: false,
            has_failed: false,
            paused: BTreeSet::new(),
            suspended: false,
            suspended_at: Moment::ZERO,
            verdict: None,
            kill_from: None,
            last_hurry: None,
            waves: 0,
            main_end: None,
            code: None,
        };
        world.tell(Event::Start);
        world
    }

    pub(crate) fn is_over(&self) -> bool {
        self.code.is_some()
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        // A state is many small writes, for which the standard library's hasher takes half of the time.
        foldhash::quality::FixedState::default().hash_one(self)
    }

    /// Lets the timers run until the group is over; nobody ends by himself any more.
    pub(crate) fn run_out(&mut self) {
        if self.verdict.is_none() && self.answers.is_empty() {
            self.perform(&Move::Signal(Signal::TERM));
        }
        for _ in 0..10_000 {
            if self.is_over() {
                return;
            }
            let step = match self.answers.front() {
                Some(_) => Move::Answer,
                None if self.verdict.is_none() => Move::Signal(Signal::TERM),
                None => Move::Timer,
            };
            self.perform(&step);
        }
    }

    /// Makes a move, on which the core and the second reading have to agree.
    pub(crate) fn perform(&mut self, step: &Move) {
        let Err(parted) = self.try_to_perform(step) else { return };
        let first = Self::read_by(self.models.to_vec(), *self.offered, *self.codes, &CONTRACT);
        let path = search::shortest_path(first, 20_000).map(|it| it.to_string());
        let path = path.as_deref().unwrap_or("there is no short path to any");
        panic!("{step:?}: {parted}\nThe shortest path to a disagreement:\n{path}");
    }

    /// Makes a move, and says where the core and the second reading part.
    pub(crate) fn try_to_perform(&mut self, step: &Move) -> Result<(), Disagreement> {
        self.make(step);
        self.disagreement.take().map_or(Ok(()), Err)
    }

    fn make(&mut self, step: &Move) {
        match step {
            Move::Answer => {
                let answer = self.answers.pop_front().expect("there is an answer");
                if let Event::Spawned { member, .. } = answer {
                    // The last one counts.
                    self.health.begun = self.now;
                    self.leaders[member.index()].fate = Fate::Alive;
                    if self.models[member.index()].child != Child::None {
                        self.children[member.index()].fate = Fate::Alive;
                    }
                }
                // What is walked is what is there now.
                let walked = matches!(answer, Event::Found(_));
                self.tell(if walked { self.walk() } else { answer });
                if walked && self.group.state() == State::Stopping {
                    self.check_stragglers_are_told();
                }
            }
            Move::SpawnFails => {
                let Some(Event::Spawned { member, .. }) = self.answers.pop_front() else {
                    unreachable!("only a spawn can fail")
                };
                self.leaders[member.index()].fate = Fate::Gone;
                self.tell(Event::SpawnFailed(vec![SpawnFailure {
                    member,
                    kind: SpawnFailureKind::NotFound,
                    reason: "program x: not found".to_owned(),
                    hint: None,
                }]));
                if self.nothing_left() {
                    self.tell(Event::Ends(Ends { none_left: true, ..Ends::default() }));
                }
            }
            Move::Signal(signal) => self.signal(*signal),
            Move::Ends(leaders, children) => self.end(leaders, children),
            Move::Probed(passes) => self.probed(*passes),
            Move::Pass => {
                self.now = self.now.plus(self.pass_by());
                self.passed |= if self.verdict.is_none() { 1 } else { 2 };
            }
            Move::Timer => self.timer(),
            Move::LateTimer => self.be_late(),
            Move::OwnFailure => {
                self.has_failed = true;
                self.tell(Event::OwnFailure("cannot reap children".to_owned()));
            }
            Move::Prepared(how) => self.prepared(*how),
            Move::MainStopped => {
                let ours = Foreground::NotOurs;
                self.tell(Event::MainStopped { signal: Signal::TSTP, ours });
            }
        }
        // The shell asks after the verdict whether anybody is left.
        if self.verdict.is_some() && !self.is_over() && self.nothing_left() {
            self.tell(Event::Ends(Ends { none_left: true, ..Ends::default() }));
        }
    }

    /// The reaper finds the child; then its end is told.
    fn prepared(&mut self, how: Scripts) {
        self.scripts.fate = Fate::Gone;
        let none_left = self.nothing_left();
        self.tell(Event::Ends(Ends { orphans: 1, none_left, ..Ends::default() }));
        if self.is_over() {
            return;
        }
        self.tell(Event::Prepared(match how {
            Scripts::Done => Preparation::Done,
            Scripts::Failed => Preparation::Failed("were ended".to_owned()),
            Scripts::Exit(code) => Preparation::Exited(code),
        }));
    }

    fn probed(&mut self, passes: Passes) {
        let Health { in_vain, passes: before, begun, .. } = self.health;
        let late = self.now >= begun.plus(CHECKED.start_timeout);
        self.is_unhealthy = passes == Passes::No && !in_vain && (before || late);
        self.health.asked = false;
        self.health.in_vain = false;
        self.health.passes = passes == Passes::Yes || (before && in_vain);
        let answer = match passes {
            Passes::Yes => Answer::Passed,
            Passes::No => Answer::Failed("status 500".to_owned()),
        };
        self.tell(Event::Probed { check: Check::Health, answer });
        self.is_unhealthy = false;
    }

    fn signal(&mut self, signal: Signal) {
        if signal == Signal::INT
            && let Some(verdict) = &self.verdict
            && self.group.state() == State::Stopping
        {
            let before = self.last_hurry.unwrap_or(verdict.at);
            if self.now.since(before) >= HURRY_AFTER {
                self.kill_from = Some(self.now);
            }
            self.last_hurry = Some(self.now);
        }
        self.tell(Event::Signal(Received {
            signal,
            sender: Sender::Outside,
            main_leader: Leader::Program,
        }));
    }

    /// The next timer. From the sixth wave of SIGKILL on nothing new can come between two waves,
    /// so time runs on to the moment when waiting is given up.
    fn timer(&mut self) {
        loop {
            self.now = self.group.next_timer().expect("a timer is armed").max(self.now);
            self.tell(Event::Tick);
            if self.waves < 6 || self.is_over() || !self.answers.is_empty() {
                return;
            }
        }
    }

    fn be_late(&mut self) {
        self.was_late = true;
        let last_look = self.now;
        let due = self.group.next_timer().expect("a timer is armed");
        self.now = due.max(self.now).plus(Duration::from_millis(1500));
        if self.group.state() == State::Stopping
            && let Some(kill_from) = self.kill_from
        {
            let left = kill_from.since(last_look).min(Duration::from_secs(2));
            if !left.is_zero() {
                self.kill_from = Some(kill_from.max(self.now.plus(left)));
            }
        }
        if self.group.state() == State::Running {
            self.health.in_vain = self.health.asked;
            let since = last_look.max(self.health.begun);
            self.health.begun = self.health.begun.plus(self.now.since(since));
            self.suspended_at = self.now;
        }
        self.tell(Event::Late { last_look });
        if self.group.next_timer().is_some_and(|at| at <= self.now) {
            self.tell(Event::Tick);
        }
    }

    fn end(&mut self, leaders: &[(MemberId, Status)], children: &[MemberId]) {
        for (member, status) in leaders {
            self.paused.remove(member);
            self.leaders[member.index()].fate = Fate::Gone;
            if *member == MemberId::MAIN {
                self.main_end = Some(*status);
            }
        }
        for member in children {
            self.children[member.index()].fate = Fate::Gone;
        }
        self.tell(Event::Ends(Ends {
            members: leaders.to_vec(),
            orphans: children.len(),
            none_left: self.nothing_left(),
            out_of_memory: false,
        }));
    }

    fn walk(&self) -> Event {
        let seen = self.all().filter(|member| self.children[member.index()].fate == Fate::Alive);
        let processes = seen.map(|member| Seen {
            key: key_of_child(member),
            under: (self.leaders[member.index()].fate == Fate::Alive).then_some(member),
            group: match self.models[member.index()].child {
                Child::InGroup => pid(member),
                Child::None | Child::OwnSession => key_of_child(member).pid,
            },
            session: match self.models[member.index()].child {
                Child::OwnSession => key_of_child(member).pid,
                Child::None | Child::InGroup => Pid(1),
            },
            started: Moment::ZERO,
            name: "child".to_owned(),
        });
        let scripts = Seen {
            key: KEY_OF_SCRIPTS,
            under: None,
            group: KEY_OF_SCRIPTS.pid,
            session: Pid(1),
            started: Moment::ZERO,
            name: "bash".to_owned(),
        };
        let told = self.scripts.stops > 0 && self.group.state() == State::Stopping;
        let scripts = (self.scripts.fate == Fate::Alive && !told).then_some(scripts);
        Event::Found(Found { processes: processes.chain(scripts).collect(), ..Found::default() })
    }

    fn nothing_left(&self) -> bool {
        let alive = |it: &Process| it.fate == Fate::Alive;
        let members = self.leaders.iter().chain(&self.children);
        !members.chain([&self.scripts]).any(alive)
    }

    fn all(&self) -> impl Iterator<Item = MemberId> + use<> {
        MemberId::all(self.models.len())
    }
}

/// Codes that can be told apart.
pub(crate) fn codes() -> ExitCodes {
    ExitCodes { main_success: 7, sidecar_success: 69, unhealthy: 70, stopped: None }
}

const KEY_OF_SCRIPTS: ProcessKey = ProcessKey { pid: Pid(300), start_ticks: 1 };

fn pid(member: MemberId) -> Pid {
    Pid(100 + i32::from(member.0))
}

fn key_of_child(member: MemberId) -> ProcessKey {
    ProcessKey { pid: Pid(200 + i32::from(member.0)), start_ticks: 1 }
}

/// A member with these choices.
pub(crate) fn model(
    stop: StopOrder,
    stop_to: StopTo,
    may_finish: MayFinish,
    child: Child,
) -> Model {
    Model {
        plan: MemberPlan { stop_signal: None, stop_to, stop, may_finish },
        child,
        denied: false,
    }
}

/// How often each kind of move was made, to see that none is missing.
pub(crate) fn kind(step: &Move) -> &'static str {
    match step {
        Move::Answer => "answer",
        Move::SpawnFails => "spawn fails",
        Move::Signal(_) => "signal",
        Move::Ends(..) => "ends",
        Move::Probed(Passes::Yes) => "passes",
        Move::Probed(Passes::No) => "fails",
        Move::Pass => "time passes",
        Move::Timer => "timer",
        Move::LateTimer => "late timer",
        Move::OwnFailure => "own failure",
        Move::MainStopped => "main stopped",
        Move::Prepared(_) => "prepared",
    }
}

/// The counts by kind of move.
pub(crate) type Counts = BTreeMap<&'static str, u64>;
