//! The terminal and the shell that we may be a job of.

use std::time::Duration;

use crate::core::{Event, Foreground, Pid, Stopped};
use crate::spec::Signal;
use crate::sys::terminal::{Session, Terminal};
use crate::sys::{clock, process, reap};

/// So long members are waited for to stop before we stop ourselves.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// What is known of both.
#[derive(Debug)]
pub(super) struct Jobs {
    session: Session,
    /// Our terminal, where main may have it.
    terminal: Option<Terminal>,
    /// Whether main has the terminal only when it reads from it: where its output is relayed, what is
    /// typed is for us.
    on_demand: bool,
    /// Main's leader, living or not.
    main: Option<Pid>,
    /// Whether we gave the foreground away: then it is ours to take back. While we are stopped it is
    /// the shell's.
    given: bool,
}

impl Jobs {
    pub(super) fn new(session: Session, terminal: Option<Terminal>, on_demand: bool) -> Self {
        Self { session, terminal, on_demand, main: None, given: false }
    }

    /// Whether main starts in the foreground: as a background job we have none to give, and in a
    /// pipeline the pager behind us may need it. There main gets it when it first reads; also when it
    /// is not its standard input.
    pub(super) fn give_at_start(&mut self) -> bool {
        self.given = self.terminal.is_some_and(|terminal| {
            let input = terminal.is_input() && !self.on_demand;
            input && terminal.is_ours() && terminal.shows_output()
        });
        self.given
    }

    /// Notes main's leader.
    pub(super) fn started(&mut self, main: Pid) {
        self.main = Some(main);
    }

    /// Whether the terminal that we had was hung up.
    pub(super) fn has_lost_terminal(&self) -> bool {
        self.session.has_lost_terminal()
    }

    /// Puts living main into the foreground, if that is ours.
    pub(super) fn give(&mut self, main: Option<Pid>) {
        if let (Some(terminal), Some(main)) = (self.terminal, main)
            && !self.on_demand
            && terminal.is_ours()
        {
            match terminal.give(main) {
                Ok(()) => self.given = true,
                Err(error) => {
                    tracing::warn!("cannot put main into the terminal's foreground: {error}");
                }
            }
        }
    }

    /// The foreground is ours again, as it was before main got it.
    pub(super) fn take_back(&mut self) {
        let given = std::mem::take(&mut self.given);
        if let Some(terminal) = self.terminal.filter(|_| given)
            && let Err(error) = terminal.take_back(self.main)
        {
            // Usual after a hang-up.
            tracing::debug!("cannot take the terminal's foreground back: {error}");
        }
    }

    /// Where main has the terminal, what has stopped main since the last look.
    pub(super) fn main_stopped(&mut self, main: Option<Pid>) -> Option<Event> {
        let terminal = self.terminal?;
        match reap::stopped(main?) {
            Ok(signal) => signal.map(|signal| {
                // A password is asked for, say: from now on the keys are main's.
                self.on_demand &= ![Signal::TTIN, Signal::TTOU].contains(&signal);
                let ours = terminal.is_ours();
                let ours = if ours { Foreground::Ours } else { Foreground::NotOurs };
                Event::MainStopped { signal, ours }
            }),
            Err(error) => {
                tracing::warn!("cannot see whether main was stopped: {error}");
                None
            }
        }
    }

    /// Stops ourselves after these leaders. Says whether that worked.
    pub(super) fn suspend(&mut self, who: Stopped, leaders: impl Iterator<Item = Pid>) -> bool {
        wait_until_paused(leaders);
        self.given = false;
        let done = process::suspend(who);
        if let Err(error) = &done {
            tracing::warn!("cannot stop itself: {error}");
        }
        done.is_ok()
    }
}

/// Members stop when they next run. Who sees us stopped may expect them to be; and their stops,
/// which are our doing, are taken off here.
fn wait_until_paused(leaders: impl Iterator<Item = Pid>) {
    let begin = clock::monotonic();
    for pid in leaders {
        while matches!(reap::stopped(pid), Ok(None)) {
            if clock::monotonic().saturating_sub(begin) > LONGEST_PAUSE {
                return;
            }
            clock::nap();
        }
    }
}
