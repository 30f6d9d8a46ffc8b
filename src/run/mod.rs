//! The shell around the core: one loop on one thread.
//!
//! It waits, turns what came into one event after the other, lets the core step, and performs the
//! actions at once. It decides nothing. It owns reaping: nothing else waits for a child.

mod history;
mod perform;
mod prepare;
mod wait;

use std::io;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::core::{self, Group, Plan};
use crate::spec::Launch;
use crate::sys::signals::{self, Signals};
use crate::sys::spawn::Spawner;
use crate::sys::{memory, process};
use crate::voice::{Level, Voice};
use perform::Shell;
use wait::Waiter;

/// Our own last lines are few: a reader that takes them drop by drop does not hold us longer.
const LONGEST_FLUSH: Duration = Duration::from_secs(1);

/// Runs the group until nothing is left of it, and gives the exit code.
///
/// All signals must be blocked (see [`signals::block_all`]); they are unblocked when they can be
/// answered. Fails only before anything was started.
pub fn run(launch: &Launch, warnings: &[String], level: Level) -> Result<u8> {
    let role = process::adopt_orphans().context("cannot adopt orphans (PR_SET_CHILD_SUBREAPER)")?;
    tolerate_old_kernel(process::close_inherited_on_exec())
        .context("cannot keep inherited descriptors from members (close_range)")?;
    let voice = Voice::start(level).context("cannot start the writing thread")?;
    tracing::error!(target: crate::voice::ALWAYS, "{}", core::opening(launch));
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let signals = Signals::catch(&core::wanted(&launch.stop_on)).context("cannot catch signals")?;
    signals::unblock_all();
    let waiter = Waiter::new(&signals).context("cannot make the event loop")?;
    let spawner = Spawner::new().context("cannot make a stack for new processes")?;

    let group = Group::new(Plan::from(launch));
    let mut shell = Shell::new(launch, group, role, signals, spawner);
    shell.start();
    memory::give_back();
    let code = waiter.until_over(&mut shell);
    let now = shell.now();
    voice.flush(shell.leave_by().map_or(LONGEST_FLUSH, |by| by.since(now).min(LONGEST_FLUSH)));
    Ok(code)
}

/// Before Linux 5.9 there is no such call, before 5.11 no such flag, and old seccomp profiles
/// refuse it: then members inherit what we inherited, as under any other init.
fn tolerate_old_kernel(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::Unsupported
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::PermissionDenied
            ) =>
        {
            Ok(())
        }
        result => result,
    }
}
