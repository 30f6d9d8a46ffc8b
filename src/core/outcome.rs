//! What came of a group, for whoever recreates it.

use std::time::Duration;

use super::event::Received;
use super::exit_description::exit_description;
use super::forward::asks_for_an_end;
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
}

/// What is known of a group's end, as its event list grows.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// Since when it is up, and healthy where it is asked for that.
    since: Option<Moment>,
    /// Whether somebody asked for an end, be it after the verdict.
    asked: bool,
    cause: Option<Cause>,
    running: Option<Duration>,
}

impl Ending {
    /// Takes in one more entry.
    pub fn note(&mut self, launch: &Launch, now: Moment, happening: &Happening) {
        let checked = launch.members.first().is_some_and(|main| main.health_check.is_some());
        match happening {
            Happening::AllRunning if !checked => self.since = Some(now),
            Happening::Healthy { .. } => self.since = Some(now),
            Happening::Got(Received { signal, sender, .. }) => {
                self.asked |= asks_for_an_end(&launch.stop_on, *signal, sender);
            }
            Happening::Verdict(decided) => {
                self.running = self.since.map(|since| decided.verdict.at.since(since));
                self.cause = Some(decided.verdict.cause.clone());
            }
            _ => {}
        }
    }

    /// Why the group ends, if that is not a stop request.
    pub fn crash(&self) -> Option<&Cause> {
        self.cause.as_ref().filter(|cause| !matches!(cause, Cause::StopRequest(_)))
    }

    /// See [`Outcome::running`].
    pub fn running(&self) -> Option<Duration> {
        self.running
    }

    /// What came of a group that ends with this code. Who wants an end wants no new beginning, whatever
    /// came first.
    pub fn outcome(&self, launch: &Launch, code: u8) -> Outcome {
        let crash = self.crash();
        Outcome {
            code,
            end: if crash.is_none() || self.asked { End::Stopped } else { End::Crashed },
            running: self.running,
            description: crash.and_then(|it| exit_description(launch, it)).map(|why| cut(&why)),
        }
    }
}
