//! What the decisions depend on: the part of the launch spec that the core has to know.

use std::time::Duration;

use super::event::{JobControl, Windows};
use super::ids::MemberId;
use crate::spec::{ExitCodes, HealthCheck, Launch, MayFinish, Signal, StopOrder, StopTo};

/// What the decisions depend on, taken out of the launch spec.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    /// One for each member, main first.
    pub members: Vec<MemberPlan>,
    /// From the verdict to the deadline.
    pub grace: Duration,
    /// Signals that are a stop request.
    pub stop_on: Vec<Signal>,
    /// Exit codes for verdicts that have none of their own.
    pub exit_codes: ExitCodes,
    /// Whether there are profile scripts to run first.
    pub profile: bool,
    /// Who could continue us after Ctrl-Z.
    pub job_control: JobControl,
    /// Whether a new size of the terminal's window is passed on.
    pub windows: Windows,
    /// When the main process is asked for its health, if at all.
    pub health: Option<CheckPlan>,
    /// When it is asked whether it is ready, if at all.
    pub readiness: Option<CheckPlan>,
    /// A member that is started later than all others, for a drill.
    pub held_back: Option<HeldBack>,
}

/// A member that is started later than all others: no platform promises an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HeldBack {
    /// Which.
    pub member: MemberId,
    /// So long after the others were.
    pub by: Duration,
}

/// When a check is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CheckPlan {
    /// So long the first success may take; readiness has no limit.
    pub start_timeout: Duration,
    /// Between an answer and the next question, once it has passed.
    pub interval: Duration,
    /// So long one answer may take.
    pub timeout: Duration,
}

impl From<&HealthCheck> for CheckPlan {
    fn from(check: &HealthCheck) -> Self {
        let HealthCheck { start_timeout, interval, timeout, .. } = *check;
        Self { start_timeout, interval, timeout }
    }
}

/// What the decisions depend on for one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemberPlan {
    /// Its own stop signal.
    pub stop_signal: Option<Signal>,
    /// Who gets it.
    pub stop_to: StopTo,
    /// When it gets it.
    pub stop: StopOrder,
    /// What its exit with 0 means.
    pub may_finish: MayFinish,
}

impl Plan {
    /// What the spec says, and who could continue us. Members have no terminals of their own.
    pub fn new(launch: &Launch, job_control: JobControl) -> Self {
        let members = launch.members.iter().map(|member| MemberPlan {
            stop_signal: member.stop_signal,
            stop_to: member.stop_to,
            stop: member.stop,
            may_finish: member.may_finish,
        });
        let main = launch.members.first();
        Self {
            members: members.collect(),
            grace: launch.grace_period,
            stop_on: launch.stop_on.clone(),
            exit_codes: launch.exit_codes,
            profile: false,
            job_control,
            windows: Windows::None,
            health: main.and_then(|main| main.health_check.as_ref()).map(CheckPlan::from),
            readiness: main.and_then(|main| main.readiness_check.as_ref()).map(CheckPlan::from),
            held_back: None,
        }
    }
}
