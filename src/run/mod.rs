//! The shell around the core: one loop on one thread.
//!
//! It waits, turns what came into one event after the other, lets the core step, and performs the
//! actions at once. It decides nothing. It owns reaping: nothing else waits for a child.

mod arrivals;
mod history;
mod inherited;
mod jobs;
mod launcher;
mod outputs;
mod perform;
mod prepare;
mod probes;
mod profile;
mod stop;
mod wait;
mod window;

pub use launcher::{free_port, instance};
#[doc(hidden)]
pub use profile::changed as changed_by_scripts;
pub use window::{Outside, SocketChoice, TerminationLog, letters, timeline_look};

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::core::{
    self, Group, HeldBack, Instance, JobControl, MemberId, Outcome, Plan, SpawnFailure,
};
use crate::spec::{Launch, Member};
use crate::status::Board;
use crate::sys::cgroup::Memory;
use crate::sys::descriptors::Limit;
use crate::sys::output::Which;
use crate::sys::process::{self, Role};
use crate::sys::signals::{self, Signals};
use crate::sys::spawn::{Spawner, Stdin};
use crate::sys::terminal::{self, Session, Terminal};
use crate::sys::{clock, descriptors, memory};
use crate::voice::format::{Colours, Format};
use crate::voice::{Level, Style, Voice};
use history::History;
use inherited::Inherited;
use jobs::Jobs;
use outputs::Outputs;
use perform::{Means, Shell, Surroundings};
use probes::Probes;
use wait::Waiter;
use window::Recorder;

/// However late we are (frozen past the deadline, or starved): a reader who is there gets our last
/// lines.
const LEAST_FLUSH: Duration = Duration::from_millis(100);
/// Our own last lines are few: a reader that takes them drop by drop does not hold us longer. What
/// members have left may be more, and has until we must be gone.
const LONGEST_FLUSH: Duration = Duration::from_secs(1);

/// How a run is seen from outside: what the command line and the environment say besides the spec.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How much we say ourselves.
    pub level: Level,
    /// How the members' output is passed on; `None` for what suits: on a terminal several members
    /// are told apart, everything else is passed on as it is.
    pub format: Option<Format>,
    /// Whether labels have colours; `None` for where somebody sees them.
    pub colours: Option<Colours>,
    /// Whether members may get terminals of their own.
    pub terminals: bool,
    /// The port that the app is told where a platform's launcher is played; 0 for a free one.
    pub port: Option<u16>,
    /// Which life of the app this is, for the platform that is played.
    pub instance: Instance,
    /// Whether main may have the terminal that we have. Not where groups are recreated: there keys are
    /// for us, and members have no terminal at all.
    pub terminal_for_main: bool,
    /// What others see of it.
    pub outside: Outside,
    /// A member that is started later than all others, for a drill.
    pub held_back: Option<HeldBack>,
}

impl Settings {
    /// What our own lines look like, and the members'.
    pub fn style(&self, launch: &Launch) -> Style {
        let told_apart = Which::Stdout.is_terminal() && launch.members.len() > 1;
        let fitting = if told_apart { Format::Text } else { Format::Raw };
        let format = self.format.unwrap_or(fitting);
        let colours = |which: Which| {
            let fitting = if which.is_terminal() { Colours::Some } else { Colours::None };
            self.colours.unwrap_or(fitting)
        };
        let colours = [colours(Which::Stdout), colours(Which::Stderr)];
        Style { level: self.level, format, colours }
    }
}

/// What this machine says of a group before it is started.
#[derive(Debug)]
pub struct Look {
    /// For each member that could not be started: which, and why.
    pub lacks: Vec<SpawnFailure>,
    /// The app's directory, if it has profile scripts that would run first.
    pub scripts: Option<PathBuf>,
}

/// Finds out what this machine lacks, and whether scripts would run first. Fills in what the environment
/// says of the spec. Starts nothing.
pub fn look(launch: &mut Launch) -> Look {
    let inherited = Inherited::read();
    let told = launcher::play(launch, &inherited, None, "");
    let mut lacks = prepare::prepare(launch, &inherited).err().unwrap_or_default();
    for told in [told, probes::fill_in_ports(launch, &inherited)] {
        let reason = told.err();
        lacks.extend(reason.map(|it| prepare::failure(core::SpawnFailureKind::Other, it)));
    }
    let scripts = launch.profile.clone().filter(|app| profile::has_scripts(app));
    Look { lacks, scripts }
}

/// Runs the group until nothing is left of it, and gives the exit code with what came of it.
///
/// All signals must be blocked (see [`signals::block_all`]); they are unblocked when they can be
/// answered. Fails only before anything was started.
pub fn run(launch: &Launch, warnings: &[String], settings: &Settings) -> Result<Outcome> {
    let role = process::adopt_orphans().context("cannot adopt orphans (PR_SET_CHILD_SUBREAPER)")?;
    descriptors::close_inherited_on_exec()
        .context("cannot keep inherited descriptors from members")?;
    let inherited = Inherited::read();
    let style = settings.style(launch);
    let limit = descriptors::raise_limit();
    let room = Outputs::make_room(style.format, launch.members.len());
    let voice = Voice::start(style, names(launch, style.format));
    tracing::error!(target: crate::voice::ALWAYS, "{}", core::opening(launch));
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let limit = limit.unwrap_or_else(|error| {
        tracing::warn!("cannot raise the limit on open descriptors: {error}");
        None
    });
    if let Err(error) = room {
        tracing::debug!("cannot make room for descriptors beforehand: {error}");
    }
    let mut launch = launch.clone();
    let ended = launcher::play(&mut launch, &inherited, settings.port, &settings.instance.guid)
        .and_then(|()| probes::fill_in_ports(&mut launch, &inherited))
        .map_err(|reason| anyhow!(reason))
        .and_then(|()| live(&launch, settings, (role, limit), inherited, style, &voice));
    Ok(ended.unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        voice.flush(LONGEST_FLUSH);
        Outcome::never_begun(core::OWN_FAILURE)
    }))
}

/// What members are called where their output is relayed.
fn names(launch: &Launch, format: Format) -> Vec<String> {
    let members = MemberId::all(launch.members.len()).zip(&launch.members);
    let name = |(id, member): (MemberId, &Member)| match format {
        Format::CloudFoundry => core::source(launch, id),
        Format::Raw | Format::Text | Format::Json => member.name.clone(),
    };
    members.map(name).collect()
}

/// The group's whole life. Fails only before anything was started.
fn live(
    launch: &Launch,
    settings: &Settings,
    (role, limit): (Role, Option<Limit>),
    mut inherited: Inherited,
    style: Style,
    voice: &Voice,
) -> Result<Outcome> {
    let outputs = Outputs::new(voice, style.format, settings.terminals);
    outputs.check(launch.members.len()).map_err(|reason| anyhow!(reason))?;
    let begin = clock::monotonic();
    let counted = window::counted(voice, launch, style.format);
    let board = Board::new(launch, settings.outside.commands.clone(), begin, counted);
    let server = window::open(&settings.outside, &mut inherited, &board)?;
    let memory = find_memory();
    let recorder = Recorder::new(&settings.outside, &board, (role, style.format, memory.as_ref()));
    let signals = Signals::catch(&core::wanted(&launch.stop_on)).context("cannot catch signals")?;
    signals::unblock_all().context("cannot unblock signals")?;
    let terminal = Terminal::find();
    let (probes, answers) = Probes::new(launch);
    let waiter = Waiter::new(&signals, terminal, memory.as_ref(), answers)
        .context("cannot make the event loop")?;
    let spawner = Spawner::new().context("cannot make a stack for new processes")?;

    let mut session = Session::find();
    if role == Role::Init {
        session.job_control = JobControl::Nobody;
    }
    let mut plan = Plan::new(launch, session.job_control);
    plan.windows = outputs.windows();
    plan.held_back = settings.held_back;
    if let Some(app) = launch.profile.as_deref().filter(|app| profile::has_scripts(app)) {
        plan.profile = true;
        tracing::info!("{}", core::profile_scripts(app));
    }
    let relayed = outputs.relayed();
    let for_us = relayed || !settings.terminal_for_main;
    let from_terminal = for_us && terminal::is_input();
    let stdin = if from_terminal { Stdin::Null } else { Stdin::Inherit };
    let around = Surroundings { role, limit, stdin, no_terminal: !settings.terminal_for_main };
    if terminal.is_some() {
        // Above main's prompt, not behind it.
        voice.flush(LEAST_FLUSH);
    }
    let mut shell = Shell::new(
        launch,
        Group::new(plan),
        Means {
            around,
            jobs: Jobs::new(session, terminal, for_us),
            outputs,
            probes,
            inherited,
            signals,
            spawner,
            memory,
            history: History::new(
                voice,
                style.format,
                &settings.instance,
                (board.clone(), recorder),
            ),
            board,
            begin,
        },
    );
    shell.start();
    memory::give_back();
    if let Err(error) = memory::forget_program() {
        tracing::debug!("cannot forget the pages that were needed to start: {error}");
    }
    let code = waiter.until_over(&mut shell, server);
    shell.jobs.take_back();
    let now = shell.now();
    let left = shell.leave_by().map_or(LONGEST_FLUSH, |by| by.since(now));
    let longest = if relayed { left } else { left.min(LONGEST_FLUSH) };
    voice.finish(longest.max(LEAST_FLUSH), relayed);
    let outcome = shell.outcome(code);
    // Something about the last report, if there is anything.
    voice.flush(LEAST_FLUSH);
    Ok(outcome)
}

/// The control group that our memory is charged to. Without one it is never said that the memory was used
/// up, and nothing else is lost.
fn find_memory() -> Option<Memory> {
    match Memory::find() {
        Ok(memory) => {
            tracing::debug!("kills for lack of memory are counted in {}", memory.path().display());
            Some(memory)
        }
        Err(error) => {
            tracing::debug!("cannot tell who is killed because memory is used up: {error}");
            None
        }
    }
}
