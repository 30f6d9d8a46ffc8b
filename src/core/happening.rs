//! The event list's entries: the single source of every line, report and picture.

use std::time::Duration;

use super::event::{Check, Received, SignalFailure, SpawnFailure, Target};
use super::ids::{MemberId, Moment, Pid, ProcessKey, Status};
use super::out_of_memory::OutOfMemory;
use super::verdict::Verdict;
use crate::spec::Signal;

/// One thing worth knowing about the life of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Happening {
    /// The profile scripts failed; the group starts all the same.
    ProfileFailed(String),
    /// The main process's check passed here and would fail elsewhere: a fragment.
    OddlyPassed(Check, String),
    /// A member runs.
    Started {
        /// Which one.
        member: MemberId,
        /// Its leader.
        pid: Pid,
    },
    /// A member could not be started.
    SpawnFailed(SpawnFailure),
    /// Every member runs.
    AllRunning,
    /// The main process's health check passed for the first time.
    Healthy {
        /// So long after every member ran.
        after: Duration,
    },
    /// The main process is ready, or is ready again.
    Ready,
    /// The main process is not ready any more: why.
    NotReady(String),
    /// fateshare got a signal.
    Got(Received),
    /// That signal went on to main.
    Forwarded(Signal),
    /// That signal did not go on to main.
    NotForwarded(Signal, NotForwarded),
    /// A member's leader ended.
    Ended(MemberEnded),
    /// The group's end was decided.
    Verdict(Decided),
    /// A member was told to stop.
    Told {
        /// Which one.
        member: MemberId,
        /// By which signal.
        signal: Signal,
        /// Who got it.
        target: Target,
    },
    /// A straggler was told to stop.
    StragglerTold {
        /// Which one.
        straggler: Straggler,
        /// By which signal.
        signal: Signal,
    },
    /// Descendants could not be looked for.
    Blind(String),
    /// A signal could not be sent.
    SignalFailed(SignalFailure),
    /// The machine or the container was frozen: the deadline was moved, once.
    DeadlineMoved {
        /// To this moment.
        to: Moment,
    },
    /// A second SIGINT: the deadline is now.
    Hurried,
    /// All members were stopped, and then ourselves, because of this signal.
    Suspended(Signal),
    /// All members run again, and so do we.
    Resumed,
    /// Something of our own failed during the teardown.
    OwnFailure(String),
    /// The grace period is over.
    GraceOver(GraceOver),
    /// SIGKILL went to everything that was left.
    KillWave {
        /// The number of this wave, from 1.
        number: u32,
        /// Whether SIGSTOP went first.
        freeze: bool,
    },
    /// The group is over.
    Over(Over),
}

/// Why a signal did not go on to main.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotForwarded {
    /// Main does not run.
    NoMain,
    /// Main's leader is still our shell, and the signal would end it.
    ShellLeads,
    /// Signals of this kind stay with fateshare.
    NotOfThatKind,
    /// It asks to stop for a while, and nobody could continue us.
    NobodyContinues,
}

/// The end of a member's leader.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemberEnded {
    /// Which one.
    pub member: MemberId,
    /// Its leader.
    pub pid: Pid,
    /// How it ended.
    pub status: Status,
    /// How long it had run.
    pub lived: Duration,
    /// What its end means.
    pub meaning: EndMeaning,
    /// What the container's memory has to do with it.
    pub out_of_memory: OutOfMemory,
}

/// What the end of a member's leader means to the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndMeaning {
    /// It is the cause of the verdict.
    Culprit,
    /// It came in the same wake-up as the culprit's.
    Together,
    /// It was allowed to finish.
    Finished,
    /// It came after the verdict, before SIGKILL.
    Stopped,
    /// It came after we sent SIGKILL.
    Forced,
}

/// A verdict with what was known when it was said.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decided {
    /// The verdict itself.
    pub verdict: Verdict,
    /// The members that it takes down: those that lived.
    pub stopping: Vec<MemberId>,
    /// Members that had not been started and never will be.
    pub not_started: Vec<MemberId>,
    /// Processes that the culprit may have left behind, if it ended with 0 at once: its own, and
    /// those of nobody known that are younger than it.
    pub background: Vec<Straggler>,
}

/// A descendant that outlived its member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Straggler {
    /// Which process.
    pub key: ProcessKey,
    /// Its name.
    pub name: String,
    /// When it started, rounded down to a clock tick.
    pub started: Moment,
    /// Whose it was, if that is known.
    pub member: Option<MemberId>,
}

/// What had not ended when the grace period was over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GraceOver {
    /// Members whose leaders still lived.
    pub members: Vec<MemberId>,
    /// Stragglers that were seen last.
    pub stragglers: Vec<Straggler>,
    /// How long they had had: the grace period, unless it was cut short. The time in which the machine
    /// was frozen is no part of it.
    pub after: Duration,
    /// What put an end to it.
    pub why: Why,
}

/// Why the grace is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The deadline has come.
    Deadline,
    /// A second SIGINT cut it short.
    Hurried,
    /// What is left cannot be signalled: there is nothing to wait for.
    Denied,
}

/// How the group ended in the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Over {
    /// The exit code.
    pub code: u8,
    /// From the verdict until now.
    pub took: Duration,
    /// Members that needed SIGKILL.
    pub forced: Vec<MemberId>,
    /// Stragglers that needed SIGKILL.
    pub forced_stragglers: Vec<Straggler>,
    /// Whether SIGKILL was sent at all: it also reaches what could not be seen.
    pub killing: Killing,
    /// Members that even SIGKILL did not end in time.
    pub left: Vec<MemberId>,
    /// Stragglers that even SIGKILL did not end in time.
    pub left_stragglers: Vec<Straggler>,
    /// Whether the wait for what was killed ran out.
    pub gave_up: bool,
}

/// Whether a teardown needed SIGKILL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Killing {
    /// Everything ended before the deadline.
    NotNeeded,
    /// Something did not.
    Needed,
}
