//! What goes into the core and what comes out of it.

use std::time::Duration;

use super::happening::Happening;
use super::ids::{MemberId, Moment, Pid, ProcessKey, Status};
use crate::spec::Signal;

/// What happened, as the core is told. All system calls' failures come back as one of these.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The group begins. Sent once, first.
    Start,
    /// The child that runs the profile scripts is over.
    Prepared(Preparation),
    /// The answer to [`Action::ComeBack`]: signals and ends that were pending have been told.
    Proceed,
    /// A member runs. Answers [`Action::Spawn`].
    Spawned {
        /// Which one.
        member: MemberId,
        /// Its leader.
        pid: Pid,
    },
    /// Members could not be started; at least one. Answers [`Action::Spawn`], or comes before the
    /// first of them when it was known beforehand.
    SpawnFailed(Vec<SpawnFailure>),
    /// fateshare itself got a signal.
    Signal(Received),
    /// All ends of one wake-up, and whether the container ran out of memory.
    Ends(Ends),
    /// The answer to [`Action::Walk`].
    Found(Found),
    /// A signal could not be sent.
    SignalFailed(SignalFailure),
    /// A check of the main process has its answer. Answers [`Action::Probe`].
    Probed {
        /// Which check.
        check: Check,
        /// What came of it.
        answer: Answer,
    },
    /// Main's leader was stopped by a signal, as the terminal does it (`SIGTSTP`, `SIGTTIN`,
    /// `SIGTTOU`) or somebody else. Told only where standard input is our terminal.
    MainStopped {
        /// By which signal.
        signal: Signal,
        /// Whether our own process group is in the terminal's foreground just now.
        ours: Foreground,
    },
    /// Something of our own failed that we cannot do without, such as reaping: what failed, and
    /// the system's reason.
    OwnFailure(String),
    /// The loop looks more than [`LATE`] later than a timer, asleep or awake before.
    Late {
        /// When it looked last.
        last_look: Moment,
    },
    /// A timer is due (see [`super::Group::next_timer`]).
    Tick,
}

/// How late a look must be to count as a freeze or suspension of the machine.
pub const LATE: Duration = Duration::from_secs(1);

/// How the profile scripts ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Preparation {
    /// They ran to their end.
    Done,
    /// One of them called `exit`: the run ends with this code.
    Exited(u8),
    /// They failed or were killed, which is not fatal; the text says how.
    Failed(String),
}

/// All that the reaper found in one wake-up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ends {
    /// The members' leaders among them, in the order of the reaps.
    pub members: Vec<(MemberId, Status)>,
    /// How many other children were reaped.
    pub orphans: usize,
    /// Whether the kernel said that we have no child left (`ECHILD`).
    pub none_left: bool,
    /// Whether the container's count of out-of-memory kills rose since the last wake-up; told also
    /// where nobody has ended.
    pub out_of_memory: bool,
}

/// A member that could not be started, and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SpawnFailure {
    /// Which one.
    pub member: MemberId,
    /// The class that decides the exit code.
    pub kind: SpawnFailureKind,
    /// Which step failed, on what, and the system's reason: a fragment that fits after
    /// `could not be started: `.
    pub reason: String,
    /// The next move, if there is a usual one.
    pub hint: Option<String>,
}

/// The classes of exit codes that the shells use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpawnFailureKind {
    /// The program does not exist: 127.
    NotFound,
    /// It exists and cannot be executed: 126.
    NotExecutable,
    /// Anything else: 125.
    Other,
}

/// A signal that fateshare itself got.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Received {
    /// Which one.
    pub signal: Signal,
    /// Who sent it, as far as the kernel says.
    pub sender: Sender,
    /// What the leader of main is just now, for forwarding.
    pub main_leader: Leader,
}

/// Who sent a signal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    /// A process that we can see.
    Process {
        /// Its number.
        pid: Pid,
        /// Its user.
        uid: u32,
        /// Its name, if it could still be read.
        name: Option<String>,
    },
    /// A process outside our PID namespace (number 0).
    Outside,
    /// The terminal: a key, or a hang-up.
    Terminal,
    /// The kernel does not say.
    Unknown,
}

/// What stands at the head of main.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leader {
    /// The program itself.
    Program,
    /// The shell that we started for it, which would die of a signal that it does not know.
    Shell,
}

/// What one walk over our descendants found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Found {
    /// Every living descendant that is not a member's leader.
    pub processes: Vec<Seen>,
    /// How long the walk took, so that walks over many processes do not fill the time.
    pub took: Duration,
    /// Whether it was cut short, because it took too long: more may be there.
    pub cut_short: bool,
    /// Why it did not see everything, if it could not look: then only what is known is there.
    pub blind: Option<String>,
}

/// One living descendant that is not a member's leader.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Which process.
    pub key: ProcessKey,
    /// The living leader that it descends from; `None` makes it a straggler.
    pub under: Option<MemberId>,
    /// Its process group.
    pub group: Pid,
    /// Its session.
    pub session: Pid,
    /// When it started, rounded down to the kernel's clock tick ([`TICK`]).
    pub started: Moment,
    /// Its name (`comm`), for people.
    pub name: String,
}

/// The kernel's clock tick, in which start times are given (`USER_HZ`, 100 everywhere).
pub const TICK: Duration = Duration::from_millis(10);

/// A signal that could not be sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SignalFailure {
    /// The process that should have got it.
    pub pid: Pid,
    /// The member it belongs to, if that is known.
    pub member: Option<MemberId>,
    /// Which signal.
    pub signal: Signal,
    /// The system's reason.
    pub reason: String,
    /// Whether we may not signal it at all (`EPERM`): it became another user.
    pub denied: bool,
}

/// Who is in the terminal's foreground.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Foreground {
    /// Our own process group, which may give it to main.
    Ours,
    /// Main's, a shell's, or nobody's.
    NotOurs,
}

/// Who is stopped when we stop ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stopped {
    /// We alone: whoever else is meant was told by the sender.
    Alone,
    /// Our whole process group, as by Ctrl-Z: others of the same job wait for us, or for main.
    WholeJob,
}

/// Who could continue us if we stopped ourselves, as Ctrl-Z asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobControl {
    /// The shell whose job we are.
    Shell,
    /// Nobody: we are PID 1, an init's child, or lead the session.
    Nobody,
}

/// Whether members have terminals of their own, in place of the one that shows their output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Windows {
    /// They have: a new size of its window must be passed on to theirs.
    Copied,
    /// They have not: who writes to a terminal writes to that one.
    None,
}

/// A check of the main process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// Its failure ends the group.
    Health,
    /// Its failure only changes readiness.
    Readiness,
}

impl Check {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Health, Self::Readiness];
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It passed.
    Passed,
    /// It passed here and would fail elsewhere: why, a fragment that fits after `is healthy, but `.
    OddlyPassed(String),
    /// It failed: why, a sentence without its beginning's capital and its end's stop.
    Failed(String),
}

/// A failed health check.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unhealthy {
    /// Whose check it is.
    pub member: MemberId,
    /// Whether it had ever passed.
    pub before: Before,
    /// What the check said.
    pub reason: String,
}

/// What a health check had said before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Before {
    /// It never passed, for this long.
    NeverHealthy(Duration),
    /// It had passed.
    Healthy,
}

/// What the core wants done, in this order. The shell performs all of them at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Start the child that runs the profile scripts.
    Prepare,
    /// Ask that child to stop: this signal to its process group, then SIGCONT.
    StopPreparing(Signal),
    /// Start this member.
    Spawn(MemberId),
    /// Tell what is pending (signals, then ends), then send [`Event::Proceed`].
    ComeBack,
    /// Send this signal to main's leader.
    Forward(Signal),
    /// Give the members' terminals the size that ours has now. If it is another, tell these members,
    /// as the kernel tells who is in a terminal's foreground: SIGWINCH to their process groups.
    Resize(Vec<MemberId>),
    /// Send a member its stop signal, then SIGCONT to the same target.
    Stop {
        /// Which one.
        member: MemberId,
        /// Its stop signal.
        signal: Signal,
        /// Who gets it.
        target: Target,
    },
    /// Send a straggler its stop signal, then SIGCONT.
    StopStraggler {
        /// Which process.
        key: ProcessKey,
        /// Its stop signal.
        signal: Signal,
    },
    /// Ask the main process this check's question and answer with [`Event::Probed`].
    Probe(Check),
    /// Forget the questions that are under way: a server that stops waits for its connections.
    CancelProbes,
    /// Look for our descendants and answer with [`Event::Found`].
    Walk,
    /// SIGKILL to everything that is left.
    KillWave {
        /// Whether a wave of SIGSTOP goes first, so that nothing can fork meanwhile.
        freeze: bool,
        /// Whether it is not the first: who has survived that may be one that we may not signal.
        again: bool,
    },
    /// Stop this member's process group with SIGSTOP.
    Pause(MemberId),
    /// Stop ourselves; whoever continues us sends SIGCONT.
    Suspend(Stopped),
    /// Take the terminal's foreground back from main, which has ended.
    TakeTerminal,
    /// Put main into the terminal's foreground, if that is ours to give.
    GiveTerminal,
    /// Continue this member's process group with SIGCONT.
    Continue(MemberId),
    /// Keep this in the event list.
    Record(Happening),
    /// Flush, then leave with this code.
    End(u8),
}

/// Who gets a member's stop signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// The leader alone.
    Leader,
    /// The leader's whole process group.
    Group,
}
