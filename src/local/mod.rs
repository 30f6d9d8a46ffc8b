//! The local platform: recreates a group as Cloud Foundry does (`run --recreate`), and gives it a PID
//! namespace of its own (`run --pid1`).
//!
//! Each group is a copy of this process, made while there is one thread alone, and runs as it would
//! without us. We wait for its end and for signals, which we pass on; [`platform`] decides, from events
//! alone, what follows.

pub mod copies;
mod outcome;
mod platform;
#[cfg(test)]
mod platform_tests;

use std::collections::VecDeque;
use std::io::{self, PipeReader, PipeWriter};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

pub use platform::Recreation;

use crate::core::{Instance, JobControl, Moment, OWN_FAILURE, Pid, Sender, Status, Stopped};
use crate::run::{self, Settings};
use crate::spec::{Launch, Signal};
use crate::sys::apart::{self, Place};
use crate::sys::reap::{Reaped, reap};
use crate::sys::terminal::{Session, Terminal};
use crate::sys::{clock, process, wait_signal};
use crate::voice::Aside;
use platform::{Action, Event, Group, Platform};

/// What is wanted of the local platform.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// How groups are recreated, if they are.
    pub recreation: Option<Recreation>,
    /// Whether each has a PID namespace of its own.
    pub apart: bool,
}

/// Runs one group after the other, and gives the exit code of the last. All signals must be blocked.
/// Fails only before anything was started.
pub fn run(
    launch: &Launch,
    warnings: &[String],
    mut settings: Settings,
    wanted: Wanted,
) -> Result<u8> {
    process::adopt_orphans().context("cannot adopt orphans (PR_SET_CHILD_SUBREAPER)")?;
    // A browser that is open must find the next one too.
    if settings.port == Some(0) {
        settings.port = Some(run::free_port().context("--port 0: no port is free")?);
    }
    // Where groups are recreated keys are for all of us; else main may have the terminal.
    let own_group = wanted.recreation.is_none();
    settings.terminal_for_main = own_group;
    let place = if wanted.apart { Place::Apart { own_group } } else { Place::Here };
    let outer = Outer {
        launch,
        aside: Aside::new(settings.style(launch)),
        place,
        terminal: (wanted.apart && own_group).then(Terminal::find).flatten(),
        session: Session::find(),
        begin: clock::monotonic(),
        group: None,
        since: clock::both().0,
        unreaped: false,
        is_deaf: false,
    };
    outer.run(Platform::new(wanted.recreation, &launch.stop_on, place), warnings, settings)
}

/// The group that lives now.
#[derive(Debug)]
struct Living {
    pid: Pid,
    outcome: PipeReader,
}

/// Everything that is there between groups.
struct Outer<'a> {
    launch: &'a Launch,
    aside: Aside,
    place: Place,
    terminal: Option<Terminal>,
    session: Session,
    begin: Duration,
    group: Option<Living>,
    /// When we began, since the machine did: what runs for longer is no affair of ours.
    since: Duration,
    /// Whether SIGCHLD has come, and nobody has looked.
    unreaped: bool,
    /// Whether it was said that we are deaf.
    is_deaf: bool,
}

impl Outer<'_> {
    fn run(
        mut self,
        mut platform: Platform,
        warnings: &[String],
        mut settings: Settings,
    ) -> Result<u8> {
        let mut actions = platform.step(self.now(), Event::Begin);
        let mut warnings = warnings;
        loop {
            let mut todo = VecDeque::from(std::mem::take(&mut actions));
            while let Some(action) = todo.pop_front() {
                match action {
                    Action::Start { crashes } => {
                        settings.instance = self.instance(&settings.instance, crashes);
                        match self.start(warnings, &settings) {
                            Ok(group) => self.group = Some(group),
                            Err(error) if crashes == 0 => return Err(error),
                            Err(error) => {
                                self.aside.say(&format!("{error:#}"));
                                return Ok(OWN_FAILURE);
                            }
                        }
                        // They are of the spec, which stays the same.
                        warnings = &[];
                        todo.extend(self.heard_meanwhile(&mut platform));
                    }
                    Action::PassOn(signal, sender) => {
                        if let Some(group) = &self.group
                            && let Err(error) = wait_signal::pass_on(group.pid, signal, &sender)
                        {
                            self.aside.say(&format!("cannot pass {signal} on: {error}"));
                        }
                    }
                    // As PID 1, or where nobody could continue us, that is no job of ours.
                    Action::Suspend => {
                        if self.session.job_control == JobControl::Shell {
                            // Then Ctrl-Z does nothing, which is seen at once.
                            let _ = process::suspend(Stopped::Alone);
                        }
                    }
                    Action::Say(text) => self.aside.say(&text),
                    Action::End(code) => return Ok(code),
                }
            }
            match self.wait(&mut platform) {
                Ok(next) => actions = next,
                Err(error) => {
                    // Without its end there is no next one.
                    self.aside.say(&format!("cannot reap children: {error}"));
                    copies::sweep(self.since);
                    return Ok(OWN_FAILURE);
                }
            }
        }
    }

    fn now(&self) -> Moment {
        Moment::at(clock::monotonic().saturating_sub(self.begin))
    }

    fn instance(&self, before: &Instance, crashes: u32) -> Instance {
        // The first one was named before us.
        if self.group.is_none() && crashes == 0 {
            return before.clone();
        }
        run::instance(Some(before), crashes)
    }

    /// Starts a group.
    fn start(&self, warnings: &[String], settings: &Settings) -> Result<Living> {
        let (reader, writer) =
            io::pipe().context("cannot make a pipe for what comes of the group")?;
        let terminal = self.terminal.filter(|terminal| terminal.is_ours());
        let ready = |pid| {
            if let Some(terminal) = terminal {
                // Without it keys come to us, and are passed on.
                let _ = terminal.give(pid);
            }
        };
        let work = || self.live(warnings, settings, writer);
        match apart::start(self.place, ready, work) {
            Ok(pid) => Ok(Living { pid, outcome: reader }),
            Err(refused) => {
                refused.copy.into_iter().for_each(copies::reap_refused);
                let option = if self.place == Place::Here { "--recreate" } else { "--pid1" };
                Err(anyhow!("{option}: {refused}"))
            }
        }
    }

    /// What the copy does: it is the group's fateshare.
    fn live(&self, warnings: &[String], settings: &Settings, told: PipeWriter) -> u8 {
        match run::run(self.launch, warnings, settings) {
            Ok(outcome) => {
                outcome::tell(told, &outcome);
                outcome.code
            }
            Err(error) => {
                self.aside.say(&format!("{error:#}"));
                OWN_FAILURE
            }
        }
    }

    /// What had come before the copy was made has not reached that.
    fn heard_meanwhile(&mut self, platform: &mut Platform) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Ok(Some((signal, sender))) = wait_signal::next(Some(Duration::ZERO)) {
            if signal == Signal::CHLD {
                self.unreaped = true;
                continue;
            }
            let sender = self.sender(signal, sender);
            actions.extend(platform.step(self.now(), Event::AtStart(signal, sender)));
        }
        actions
    }

    /// A shell passes its own hang-up on to its jobs.
    fn sender(&self, signal: Signal, sender: Sender) -> Sender {
        let hung_up = signal == Signal::HUP && self.session.has_lost_terminal();
        if hung_up { Sender::Terminal } else { sender }
    }

    /// Before something new begins: whether anybody is left who could end it.
    fn look_at_terminal(&self, platform: &mut Platform) -> Vec<Action> {
        if self.session.has_lost_terminal() {
            return platform.step(self.now(), Event::HungUp);
        }
        Vec::new()
    }

    /// Waits for what comes next, and tells the platform.
    fn wait(&mut self, platform: &mut Platform) -> io::Result<Vec<Action>> {
        if std::mem::take(&mut self.unreaped) {
            return self.reap(platform);
        }
        let limit = platform.next_timer().map(|at| at.since(self.now()));
        match wait_signal::next(limit) {
            Ok(Some((Signal::CHLD, _))) => self.reap(platform),
            Ok(Some((signal, sender))) => {
                let sender = self.sender(signal, sender);
                Ok(platform.step(self.now(), Event::Signal(signal, sender)))
            }
            Ok(None) => {
                let mut actions = self.look_at_terminal(platform);
                actions.extend(platform.step(self.now(), Event::Tick));
                Ok(actions)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_deaf, true) {
                    self.aside.say(&format!("cannot wait for signals: {error}"));
                }
                // The group's end is seen all the same.
                clock::nap();
                let mut actions = self.reap(platform)?;
                actions.extend(platform.step(self.now(), Event::Tick));
                Ok(actions)
            }
        }
    }

    /// Reaps what has ended; the end of the group is told.
    fn reap(&mut self, platform: &mut Platform) -> io::Result<Vec<Action>> {
        let mut actions = Vec::new();
        while let Reaped::Child(pid, status, _) = reap()? {
            let Some(living) = self.group.take_if(|living| living.pid == pid) else { continue };
            if let Some(terminal) = self.terminal {
                // Usual after a hang-up: then nobody is left to have it.
                let _ = terminal.take_back(Some(pid));
            }
            if matches!(status, Status::Killed(_)) {
                copies::sweep(self.since);
            }
            actions.extend(self.look_at_terminal(platform));
            let outcome = outcome::read(living.outcome);
            let group = Group { pid, status, outcome };
            actions.extend(platform.step(self.now(), Event::Ended(group)));
        }
        Ok(actions)
    }
}
