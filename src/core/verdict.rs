//! Why the group ended: the culprit, chosen once.

use std::cmp::Reverse;
use std::time::Duration;

use super::event::{Received, SpawnFailure, Unhealthy};
use super::ids::{MemberId, Moment, Pid, Status};
use super::out_of_memory::OutOfMemory;

/// Why the group ended. Latched once; nothing that comes later changes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// When it was passed; the deadline counts from here.
    pub at: Moment,
    /// The culprit and the cause.
    pub cause: Cause,
}

/// Who or what ended the group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A member ended.
    MemberEnded(MemberEnd),
    /// fateshare was asked to stop.
    StopRequest(Received),
    /// Members could not be started.
    CannotStart(Vec<SpawnFailure>),
    /// A health check failed.
    Unhealthy(Unhealthy),
    /// A profile script called `exit` with this code.
    ProfileExited(u8),
    /// Something of our own failed that we cannot do without.
    OwnFailure(String),
}

/// The end of the member that ended first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemberEnd {
    /// Which one.
    pub member: MemberId,
    /// Its leader.
    pub pid: Pid,
    /// How it ended.
    pub status: Status,
    /// How long it had run.
    pub lived: Duration,
    /// Members that ended in the same wake-up, which nobody can put in an order.
    pub together: Vec<(MemberId, Status)>,
    /// Whether the signal that killed it was one that fateshare had forwarded.
    pub forwarded: bool,
    /// What the container's memory has to do with it.
    pub out_of_memory: OutOfMemory,
}

/// The culprit among members that ended in one wake-up: death by signal before non-zero before 0,
/// within a class the main process first, then spec order.
pub fn culprit(ends: &[(MemberId, Status)]) -> Option<(MemberId, Status)> {
    let class = |status: Status| match status {
        Status::Killed(_) => 2,
        Status::Exited(1..) => 1,
        Status::Exited(0) => 0,
    };
    ends.iter().copied().max_by_key(|(member, status)| (class(*status), Reverse(*member)))
}
