//! The shell around the core: one loop on one thread.
//!
//! It waits, turns what came into one event after the other, lets the core step, and performs the
//! actions at once. It decides nothing. It owns reaping: nothing else waits for a child.

mod history;
mod inherited;
mod jobs;
mod perform;
mod prepare;
mod wait;

use std::time::Duration;

use anyhow::{Context, Result};

use crate::core::{self, Group, JobControl, Plan};
use crate::spec::Launch;
use crate::sys::process::{self, Role};
use crate::sys::signals::{self, Signals};
use crate::sys::spawn::Spawner;
use crate::sys::terminal::{Session, Terminal};
use crate::sys::{descriptors, memory};
use crate::voice::{Level, Voice};
use inherited::Inherited;
use jobs::Jobs;
use perform::{Shell, Surroundings};
use wait::Waiter;

/// Our own last lines are few: a reader that takes them drop by drop does not hold us longer.
const LONGEST_FLUSH: Duration = Duration::from_secs(1);
/// However late we are (frozen past the deadline, or starved): a reader who is there gets them.
const LEAST_FLUSH: Duration = Duration::from_millis(100);

/// Runs the group until nothing is left of it, and gives the exit code.
///
/// All signals must be blocked (see [`signals::block_all`]); they are unblocked when they can be
/// answered. Fails only before anything was started.
pub fn run(launch: &Launch, warnings: &[String], level: Level) -> Result<u8> {
    let role = process::adopt_orphans().context("cannot adopt orphans (PR_SET_CHILD_SUBREAPER)")?;
    descriptors::close_inherited_on_exec()
        .context("cannot keep inherited descriptors from members")?;
    let inherited = Inherited::read();
    let voice = Voice::start(level);
    tracing::error!(target: crate::voice::ALWAYS, "{}", core::opening(launch));
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let limit = descriptors::raise_limit().unwrap_or_else(|error| {
        tracing::warn!("cannot raise the limit on open descriptors: {error}");
        None
    });
    let signals = Signals::catch(&core::wanted(&launch.stop_on)).context("cannot catch signals")?;
    signals::unblock_all().context("cannot unblock signals")?;
    let terminal = Terminal::find();
    let waiter = Waiter::new(&signals, terminal).context("cannot make the event loop")?;
    let spawner = Spawner::new().context("cannot make a stack for new processes")?;

    let mut session = Session::find();
    if role == Role::Init {
        session.job_control = JobControl::Nobody;
    }
    let group = Group::new(Plan::new(launch, session.job_control));
    let around = Surroundings { role, limit };
    let jobs = Jobs::new(session, terminal);
    if terminal.is_some() {
        // Above main's prompt, not behind it.
        voice.flush(LEAST_FLUSH);
    }
    let mut shell = Shell::new(launch, group, around, jobs, inherited, signals, spawner);
    shell.start();
    memory::give_back();
    let code = waiter.until_over(&mut shell);
    shell.jobs.take_back();
    let now = shell.now();
    let left = shell.leave_by().map_or(LONGEST_FLUSH, |by| by.since(now));
    voice.flush(left.clamp(LEAST_FLUSH, LONGEST_FLUSH));
    Ok(code)
}
