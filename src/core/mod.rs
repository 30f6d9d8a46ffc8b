//! The decisions: one pure state machine.
//!
//! The core makes no system call, reads no clock and knows no runtime: the same events at the same
//! times give the same actions, always. [`Group::step`] takes the time and one [`Event`] and
//! returns the [`Action`]s that the shell (`run`) has to perform, in their order. Failures come
//! back as events. It is total: every event is answered in every state, and nothing panics.
//!
//! ```text
//! Preparing -> Starting -> Running -> Stopping -> Killing -> Ended
//!     |            |                     ^   |                  ^
//!     +------------+------ verdict ------+   +-- nothing left --+
//! ```
//!
//! * *Preparing* exists only where there are profile scripts: one child that is no member.
//! * *Starting*: members are spawned in spec order, without waiting for one another. Between two
//!   spawns the shell tells what is pending, so that a stop request or an end wins at once.
//! * *Running*: every member was spawned; the main process is asked for its health, where that is
//!   more than not having ended.
//! * *Stopping*: the verdict is latched, its deadline is set, members are told to stop.
//! * *Killing*: the deadline has passed; everything left gets SIGKILL, in waves.
//! * *Ended*: nothing is left, or what could not be killed is named. No timer is armed.
//!
//! Who wins when rules meet: a stop request that is pending in the same wake-up wins over ends,
//! because the shell tells it first; ends of one wake-up are one event, out of which
//! [`verdict::culprit`] picks; timers come last.

mod event;
mod exit;
mod exit_description;
mod foreground;
mod forward;
mod group;
mod happening;
mod health;
mod ids;
mod jobs;
mod killing;
mod opening;
mod out_of_memory;
mod outcome;
mod plan;
mod platform_log;
mod restart;
mod sentences;
mod story;
mod stragglers;
mod teardown;
mod time;
mod timers;
mod verdict;

pub use event::{
    Action, Answer, Before, Check, Ends, Event, Foreground, Found, JobControl, LATE, Leader,
    Preparation, Received, Seen, Sender, SignalFailure, SpawnFailure, SpawnFailureKind, Stopped,
    TICK, Target, Unhealthy, Windows,
};
pub use exit::{MainEnd, NOT_EXECUTABLE, NOT_FOUND, OWN_FAILURE, exit_code};
pub use exit_description::{exit_description, source};
pub use forward::{asks_for_an_end, forwarded, wanted};
pub use group::{Group, State};
pub use happening::{
    Decided, EndMeaning, GraceOver, Happening, Killing, MemberEnded, NotForwarded, Over, Straggler,
    Why,
};
pub use ids::{MemberId, Moment, Pid, ProcessKey, Status};
pub use killing::{GIVE_UP_AFTER, LEAVE_AFTER, WAVE_EVERY};
pub use opening::{opening, profile_scripts};
pub use out_of_memory::{OutOfMemory, RECENTLY};
pub use outcome::{End, Ending, Outcome};
pub use plan::{CheckPlan, HeldBack, MemberPlan, Plan};
pub use platform_log::{Context, Instance, LogLine, created, platform_lines};
pub use restart::{FORGIVEN_AFTER, crash_count, restart_delay};
pub use sentences::{Importance, Line, from, render};
pub use story::{CheckStory, MemberEnding, MemberStory, Story, short_cause};
pub use teardown::HURRY_AFTER;
pub use time::{span, timestamp};
pub use timers::Timer;
pub use verdict::{Cause, MemberEnd, Verdict, culprit};
