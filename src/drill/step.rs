//! What can happen in a drill, and what is done about it: the words of its course.

use std::time::Duration;

use super::strike::Strike;
use crate::core::{MemberId, Moment};

/// How a group is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Setup {
    /// Who comes later than all others.
    pub(super) late: Option<MemberId>,
    /// Whether main is asked for its health every second.
    pub(super) quick: bool,
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// All is ready for the first group.
    Begin,
    /// Every member of the group runs.
    Running,
    /// Its health check has passed.
    Healthy,
    /// It was struck just now.
    Hit,
    /// Its end was decided.
    Verdict,
    /// This member has ended alone, which it may.
    Finished(MemberId),
    /// Nothing of the group is left.
    Gone,
    /// We could not run for a while, and what was measured is wrong.
    HeldUp,
    /// Somebody wants an end.
    Interrupted,
    /// A timer may be due.
    Tick,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Start a group; another one beside the strike's own if it is to show that a group comes back.
    Start { setup: Setup, comes_back: bool },
    /// Look at its processes.
    Look,
    /// Strike.
    Hit(Strike),
    /// Ask the group to stop.
    Stop,
    /// It has not: kill its fateshare.
    Kill,
    /// Judge the strike of this number.
    Judge(usize, Ending),
    /// All is over.
    Finish,
}

/// How a strike came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) way: Way,
    pub(super) back: Back,
}

/// What became of the group that was struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It ended.
    Ended,
    /// It did not, though it should have.
    StillThere,
    /// Only the member that was struck did, which it may.
    EndedAlone,
    /// The member that was to be struck had ended before, which it may.
    NothingToStrike,
    /// It is healthy, though a member came late.
    Healthy,
    /// It has not become healthy in time.
    NotHealthyInTime,
    /// There was no healthy group to strike.
    NeverHealthy,
    /// It was not its turn any more.
    NotStruck,
}

/// Whether there is a healthy group again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Back {
    /// Nobody waits for one.
    NotWanted,
    /// Since then.
    Since(Moment),
    /// It has ended again, or has not become healthy in time.
    Failed,
}

/// What the course depends on.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) strikes: Vec<Strike>,
    /// Whether main has a health check, and what it may take until its first success.
    pub(super) start_timeout: Option<Duration>,
    /// The longest that a frozen main can go unnoticed by its check, if it has one that asks it.
    pub(super) notice: Duration,
    pub(super) settle: Duration,
    pub(super) within: Duration,
    pub(super) grace: Duration,
}

/// What we do, for those who watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// A group is to become healthy.
    Starting,
    /// It is watched for a while.
    Settling,
    /// It was struck, and is to end.
    Ending,
    /// The next one is to become healthy.
    ComingBack,
    /// It is stopped, as it is not needed any more.
    Closing,
}
