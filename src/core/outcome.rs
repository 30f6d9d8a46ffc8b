//! What came of a group, for whoever recreates it.

use std::time::Duration;

use super::exit_description::exit_description;
use super::happening::Happening;
use super::ids::Moment;
use super::platform_log::cut;
use super::verdict::Cause;
use crate::spec::Launch;

/// What came of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The exit code.
    pub code: u8,
    /// Whether it crashed.
    pub end: End,
    /// How long the group had been up, and healthy where it is asked for its health, before the
    /// verdict; `None` if it never was.
    pub running: Option<Duration>,
    /// What Cloud Foundry would say of a crash, where it is played and would say anything.
    pub description: Option<String>,
}

/// How a group ended, to whoever recreates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was asked to, be it while it ended for another reason; or nothing was ever started.
    Stopped,
    /// For any other reason.
    Crashed,
}

impl Outcome {
    /// Of a run that ended before anything was started.
    pub fn never_begun(code: u8) -> Self {
        Self { code, end: End::Stopped, running: None, description: None }
    }

    /// As the event list tells it.
    pub fn of(launch: &Launch, code: u8, entries: &[(Moment, Happening)]) -> Self {
        let asked = launch.members.first().is_some_and(|main| main.health_check.is_some());
        let mut outcome = Self::never_begun(code);
        let mut since = None;
        for (at, happening) in entries {
            match happening {
                Happening::AllRunning if !asked => since = Some(*at),
                Happening::Healthy { .. } => since = Some(*at),
                Happening::Verdict(decided) => {
                    let cause = &decided.verdict.cause;
                    let stopped = matches!(cause, Cause::StopRequest(_));
                    outcome.end = if stopped { End::Stopped } else { End::Crashed };
                    outcome.running = since.map(|since| decided.verdict.at.since(since));
                    outcome.description = exit_description(launch, cause).map(|why| cut(&why));
                }
                _ => {}
            }
        }
        outcome
    }
}
