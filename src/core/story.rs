//! What is known of a group at any moment, from its event list alone: for the status, the report and
//! the timeline.

use std::time::Duration;

use super::event::{Before, Check};
use super::happening::{Decided, EndMeaning, GraceOver, Happening, Over, Straggler};
use super::ids::{MemberId, Moment, Pid, Status};
use super::out_of_memory::OutOfMemory;
use super::sentences::from;
use super::verdict::Cause;
use crate::spec::{Launch, Signal};

/// A group as its event list shows it until now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// Main first, then in spec order.
    pub members: Vec<MemberStory>,
    /// When every member ran.
    pub running: Option<Moment>,
    /// Whether the main process is asked for its health and has passed.
    pub health: CheckStory,
    /// The same for its readiness.
    pub readiness: CheckStory,
    /// The verdict, once it is passed, and when SIGKILL is due.
    pub decided: Option<(Decided, Moment)>,
    /// What had not ended when the grace was over, and when that was.
    pub grace_over: Option<(GraceOver, Moment)>,
    /// Stragglers that were told to stop: by which signal, and when.
    pub stragglers: Vec<(Straggler, Signal, Moment)>,
    /// The end, and when that was.
    pub over: Option<(Over, Moment)>,
    grace: Duration,
}

/// One member's part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberStory {
    /// Its leader, and when it was there.
    pub started: Option<(Pid, Moment)>,
    /// Why it could not be started.
    pub failed: Option<String>,
    /// The stop signal that it got, and when.
    pub told: Option<(Signal, Moment)>,
    /// How it ended, what that meant, and when it was seen.
    pub ended: Option<MemberEnding>,
}

/// A member's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberEnding {
    /// When it was seen.
    pub at: Moment,
    /// How it ended.
    pub status: Status,
    /// What that meant to the group.
    pub meaning: EndMeaning,
    /// Whether the reason was that the container's memory was used up.
    pub out_of_memory: bool,
}

/// Where one of the main process's checks stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckStory {
    /// It is asked nothing: not having ended is enough.
    None,
    /// It has not passed yet.
    NotYet,
    /// It passes.
    Passes,
    /// It passes no more: why.
    Fails(String),
}

impl Story {
    /// Of a group that has not begun.
    pub fn new(launch: &Launch) -> Self {
        let main = launch.members.first();
        let check = |is_there: bool| if is_there { CheckStory::NotYet } else { CheckStory::None };
        Self {
            members: vec![MemberStory::default(); launch.members.len()],
            running: None,
            health: check(main.is_some_and(|main| main.health_check.is_some())),
            readiness: check(main.is_some_and(|main| main.readiness_check.is_some())),
            decided: None,
            grace_over: None,
            stragglers: Vec::new(),
            over: None,
            grace: launch.grace_period,
        }
    }

    /// Takes in one more entry.
    pub fn note(&mut self, at: Moment, happening: &Happening) {
        match happening {
            Happening::Started { member, pid } => {
                self.of(*member, |it| it.started = Some((*pid, at)));
            }
            Happening::SpawnFailed(failure) => {
                self.of(failure.member, |it| it.failed = Some(failure.reason.clone()));
            }
            Happening::AllRunning => self.running = Some(at),
            Happening::Healthy { .. } => self.health = CheckStory::Passes,
            Happening::Ready => self.readiness = CheckStory::Passes,
            Happening::NotReady(why) => self.readiness = CheckStory::Fails(why.clone()),
            Happening::Ended(end) => {
                let (status, meaning) = (end.status, end.meaning);
                let out_of_memory = end.out_of_memory == OutOfMemory::Reason;
                let ending = MemberEnding { at, status, meaning, out_of_memory };
                self.of(end.member, |it| it.ended = Some(ending));
            }
            Happening::Verdict(decided) => self.decide(decided),
            Happening::Told { member, signal, .. } => {
                self.of(*member, |it| it.told = Some((*signal, at)));
            }
            Happening::StragglerTold { straggler, signal } => {
                self.stragglers.push((straggler.clone(), *signal, at));
            }
            Happening::DeadlineMoved { to } => self.move_deadline(*to),
            Happening::Hurried => self.move_deadline(at),
            Happening::GraceOver(over) => self.grace_over = Some((over.clone(), at)),
            Happening::Over(over) => self.over = Some((over.clone(), at)),
            Happening::ProfileFailed(_)
            | Happening::OddlyPassed(Check::Health | Check::Readiness, _)
            | Happening::Got(_)
            | Happening::Forwarded(_)
            | Happening::NotForwarded(..)
            | Happening::Blind(_)
            | Happening::SignalFailed(_)
            | Happening::Suspended(_)
            | Happening::Resumed
            | Happening::OwnFailure(_)
            | Happening::KillWave { .. } => {}
        }
    }

    /// Whether the main process is healthy, as far as anybody asks: it runs, and its check passes.
    pub fn is_healthy(&self) -> bool {
        self.runs() && matches!(self.health, CheckStory::None | CheckStory::Passes)
    }

    /// Whether it is ready to be sent work: healthy, and its readiness check passes.
    pub fn is_ready(&self) -> bool {
        self.is_healthy() && matches!(self.readiness, CheckStory::None | CheckStory::Passes)
    }

    /// Whether every member was started, and nothing has ended that.
    pub fn runs(&self) -> bool {
        self.running.is_some() && self.decided.is_none()
    }

    fn decide(&mut self, decided: &Decided) {
        let deadline = decided.verdict.at.plus(self.grace);
        if let Cause::Unhealthy(unhealthy) = &decided.verdict.cause {
            self.health = CheckStory::Fails(unhealthy.reason.clone());
        }
        if let Cause::CannotStart(failures) = &decided.verdict.cause {
            for failure in failures {
                self.of(failure.member, |it| it.failed = Some(failure.reason.clone()));
            }
        }
        self.decided = Some((decided.clone(), deadline));
    }

    fn move_deadline(&mut self, to: Moment) {
        if let Some((_, deadline)) = &mut self.decided {
            *deadline = to;
        }
    }

    fn of(&mut self, member: MemberId, change: impl FnOnce(&mut MemberStory)) {
        self.members.get_mut(member.index()).map(change);
    }
}

/// Why the group ends, shorter than the verdict's line: `config-server was killed by SIGKILL`.
pub fn short_cause(launch: &Launch, cause: &Cause) -> String {
    let name =
        |member: MemberId| launch.members.get(member.index()).map_or("?", |it| it.name.as_str());
    match cause {
        Cause::MemberEnded(end) => {
            let why = match (end.out_of_memory, end.status) {
                (OutOfMemory::Reason, Status::Killed(_)) => ": out of memory",
                (OutOfMemory::Reason, Status::Exited(_)) => ": probably out of memory in a child",
                (OutOfMemory::Never | OutOfMemory::Unrelated, _) => "",
            };
            format!("{} {}{why}", name(end.member), end.status)
        }
        Cause::StopRequest(request) => format!("{} {}", request.signal, from(&request.sender)),
        Cause::CannotStart(failures) => {
            let name = failures.first().map_or("?", |failure| name(failure.member));
            format!("{name} could not be started")
        }
        Cause::Unhealthy(unhealthy) => match unhealthy.before {
            Before::NeverHealthy(_) => format!("{} was never healthy", name(unhealthy.member)),
            Before::Healthy => format!("{} became unhealthy", name(unhealthy.member)),
        },
        Cause::ProfileExited(code) => format!("a profile script exited with {code}"),
        Cause::OwnFailure(what) => what.clone(),
    }
}
