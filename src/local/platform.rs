//! The local platform's decisions: pure, from events to actions.

use std::time::Duration;

use crate::core::{
    End, Moment, Outcome, Pid, Sender, Status, asks_for_an_end, crash_count, from, restart_delay,
    span, wanted,
};
use crate::spec::Signal;
use crate::sys::apart::Place;

/// How groups are recreated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recreation {
    /// So often at most; without it, as often as Cloud Foundry does.
    pub most: Option<u32>,
    /// No wait is longer than this.
    pub longest_wait: Option<Duration>,
}

/// What has happened.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// Everything is ready for the first group.
    Begin,
    /// The group is over.
    Ended(Group),
    /// A signal has come.
    Signal(Signal, Sender),
    /// One has come while a group was started: it may not have reached that.
    AtStart(Signal, Sender),
    /// Our terminal is gone.
    HungUp,
    /// A timer may be due.
    Tick,
}

/// A group that is over.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Its fateshare.
    pub(super) pid: Pid,
    /// How that ended.
    pub(super) status: Status,
    /// What it has told; `None` if it was killed before.
    pub(super) outcome: Option<Outcome>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Start a group, after so many crashes.
    Start { crashes: u32 },
    /// Pass this signal on to the group.
    PassOn(Signal, Sender),
    /// Stop ourselves, as Ctrl-Z does, until somebody continues us.
    Suspend,
    /// Say this.
    Say(String),
    /// Leave with this code.
    End(u8),
}

/// Who has heard a signal of the terminal's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// The whole process group.
    AsUsual,
    /// Perhaps we alone: the group was not there yet.
    PerhapsByUsAlone,
}

/// Where we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A group runs, since then.
    Running { since: Moment },
    /// None does; the next one starts then.
    Waiting { until: Moment },
    /// All is over.
    Over,
}

/// The local platform.
#[derive(Debug)]
pub(super) struct Platform {
    recreation: Option<Recreation>,
    stop_on: Vec<Signal>,
    /// What the group's fateshare answers.
    passed_on: Vec<Signal>,
    place: Place,
    state: State,
    crashes: u32,
    recreated: u32,
    /// Whether somebody wants an end, and not only of this group.
    stop: bool,
    /// Whether the group was told by us to stop for a while.
    paused: bool,
    code: u8,
}

impl Platform {
    pub(super) fn new(recreation: Option<Recreation>, stop_on: &[Signal], place: Place) -> Self {
        Self {
            recreation,
            stop_on: stop_on.to_vec(),
            passed_on: wanted(stop_on).into_iter().filter(|it| *it != Signal::CHLD).collect(),
            place,
            state: State::Over,
            crashes: 0,
            recreated: 0,
            stop: false,
            paused: false,
            code: 0,
        }
    }

    /// When to come back with [`Event::Tick`].
    pub(super) fn next_timer(&self) -> Option<Moment> {
        match self.state {
            State::Waiting { until } => Some(until),
            State::Running { .. } | State::Over => None,
        }
    }

    /// Takes one event and says what has to be done.
    pub(super) fn step(&mut self, now: Moment, event: Event) -> Vec<Action> {
        match (self.state, event) {
            (State::Over, Event::Begin) => self.start(now),
            (State::Running { since }, Event::Ended(group)) => self.ended(now, since, &group),
            (State::Running { .. }, Event::Signal(signal, sender)) => {
                self.signalled_while_running(signal, sender, Heard::AsUsual)
            }
            (State::Waiting { .. }, Event::Signal(signal, sender)) => {
                self.signalled_while_waiting(signal, &sender)
            }
            (State::Running { .. }, Event::AtStart(signal, sender)) => {
                self.signalled_while_running(signal, sender, Heard::PerhapsByUsAlone)
            }
            (State::Running { .. }, Event::HungUp) => {
                self.stop = true;
                Vec::new()
            }
            (State::Waiting { .. }, Event::HungUp) => {
                self.signalled_while_waiting(Signal::HUP, &Sender::Terminal)
            }
            (State::Waiting { until }, Event::Tick) if until <= now => self.start(now),
            (
                State::Waiting { .. },
                Event::Tick | Event::Begin | Event::Ended(_) | Event::AtStart(..),
            )
            | (State::Running { .. }, Event::Tick | Event::Begin)
            | (
                State::Over,
                Event::Tick
                | Event::Ended(_)
                | Event::Signal(..)
                | Event::AtStart(..)
                | Event::HungUp,
            ) => Vec::new(),
        }
    }

    fn start(&mut self, now: Moment) -> Vec<Action> {
        self.state = State::Running { since: now };
        vec![Action::Start { crashes: self.crashes }]
    }

    fn end(&mut self) -> Action {
        self.state = State::Over;
        Action::End(self.code)
    }

    fn ended(&mut self, now: Moment, since: Moment, group: &Group) -> Vec<Action> {
        self.code = group.status.code();
        self.paused = false;
        let mut actions = Vec::new();
        let mut running = group.outcome.as_ref().and_then(|outcome| outcome.running);
        let mut description = group.outcome.as_ref().and_then(|it| it.description.clone());
        let crashed = match (&group.outcome, group.status) {
            (Some(outcome), _) => outcome.end == End::Crashed,
            (None, Status::Killed(signal)) => {
                // How long it had been healthy died with it; how long it lived is known.
                running = Some(now.since(since));
                let what =
                    format!("the group's fateshare (pid {}) was killed by {signal}", group.pid);
                if self.recreation.is_none() || self.stop {
                    actions.push(Action::Say(format!("{what}; exit {}", self.code)));
                }
                description = Some(what);
                true
            }
            // It has said why it did not begin.
            (None, Status::Exited(_)) => false,
        };
        match self.recreation {
            Some(recreation) if crashed && !self.stop => {
                self.crashes = crash_count(self.crashes, running);
                actions.extend(self.crashed(now, recreation, description.as_deref()));
            }
            _ => actions.push(self.end()),
        }
        actions
    }

    fn crashed(&mut self, now: Moment, how: Recreation, why: Option<&str>) -> Vec<Action> {
        let (count, code) = (self.crashes, self.code);
        let why = why.map_or_else(|| format!("exit {code}"), str::to_owned);
        let crash = format!("crash {count} ({why})");
        let say = |text: String| Action::Say(format!("{crash}; {text}"));
        if how.most.is_some_and(|most| self.recreated >= most) {
            let recreated = match self.recreated {
                0 => "not recreated".to_owned(),
                1 => "recreated once, and not again".to_owned(),
                times => format!("recreated {times} times, and not again"),
            };
            let text = format!("{recreated} (--recreate={}); exit {code}", self.recreated);
            return vec![say(text), self.end()];
        }
        let Some(wait) = restart_delay(count) else {
            let text = format!("after so many Cloud Foundry recreates it never again; exit {code}");
            return vec![say(text), self.end()];
        };
        self.recreated += 1;
        let wait_here = how.longest_wait.map_or(wait, |longest| wait.min(longest));
        let text = match (wait_here, wait) {
            (Duration::ZERO, Duration::ZERO) => "recreating at once".to_owned(),
            (Duration::ZERO, there) => {
                format!("recreating at once (Cloud Foundry waits {})", span(there))
            }
            (here, there) if here == there => {
                format!("recreating in {}, as Cloud Foundry does; Ctrl-C ends it", span(here))
            }
            (here, there) => {
                format!("recreating in {} (Cloud Foundry waits {})", span(here), span(there))
            }
        };
        // Also where that is at once: what has come meanwhile is heard first.
        self.state = State::Waiting { until: now.plus(wait_here) };
        vec![say(text)]
    }

    fn is_stop(&self, signal: Signal, sender: &Sender) -> bool {
        asks_for_an_end(&self.stop_on, signal, sender)
    }

    fn signalled_while_running(
        &mut self,
        signal: Signal,
        sender: Sender,
        heard: Heard,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.is_stop(signal, &sender) {
            self.stop = true;
            // Over there nobody can see who that was.
            if self.place != Place::Here && matches!(sender, Sender::Process { .. }) {
                actions.push(Action::Say(format!("{signal} {}, passed on", from(&sender))));
            }
        }
        actions.extend(self.pass_on(signal, sender, heard));
        actions
    }

    fn pass_on(&mut self, signal: Signal, sender: Sender, heard: Heard) -> Vec<Action> {
        // In the same process group it got these too; a hang-up only reaches a session's leader.
        let got_it = sender == Sender::Terminal
            && self.place != (Place::Apart { own_group: true })
            && heard == Heard::AsUsual
            && signal != Signal::HUP;
        let here = self.place == Place::Here;
        let mut actions = Vec::new();
        match signal {
            // The group's fateshare would die of what it does not answer.
            _ if !self.passed_on.contains(&signal) => return actions,
            Signal::CONT if here && !std::mem::take(&mut self.paused) => return actions,
            // A terminal stops the whole job, and the shell continues it.
            Signal::TSTP if here && !got_it => self.paused = true,
            _ => {}
        }
        // As PID 1 nobody can stop it, and we are what stands for it.
        let suspend = signal == Signal::TSTP && here;
        if !got_it {
            actions.push(Action::PassOn(signal, sender));
        }
        actions.extend(suspend.then_some(Action::Suspend));
        actions
    }

    fn signalled_while_waiting(&mut self, signal: Signal, sender: &Sender) -> Vec<Action> {
        // There is nobody to pass it on to.
        if self.is_stop(signal, sender) || signal == Signal::INT {
            let text = format!("{signal} while waiting; not recreating; exit {}", self.code);
            return vec![Action::Say(text), self.end()];
        }
        if signal == Signal::TSTP { vec![Action::Suspend] } else { Vec::new() }
    }
}
