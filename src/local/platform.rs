//! The local platform's decisions: pure, from events to actions.

use std::time::Duration;

use crate::core::{End, Moment, Outcome, Pid, Sender, Status, crash_count, restart_delay, span};
use crate::spec::Signal;

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
    /// Whether keys on the terminal reach us alone, not the group too.
    apart: bool,
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
    pub(super) fn new(recreation: Option<Recreation>, stop_on: &[Signal], apart: bool) -> Self {
        Self {
            recreation,
            stop_on: stop_on.to_vec(),
            apart,
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
                self.signalled_while_running(signal, sender)
            }
            (State::Waiting { .. }, Event::Signal(signal, sender)) => {
                self.signalled_while_waiting(signal, &sender)
            }
            (State::Waiting { until }, Event::Tick) if until <= now => self.start(now),
            (State::Waiting { .. }, Event::Tick | Event::Begin | Event::Ended(_))
            | (State::Running { .. }, Event::Tick | Event::Begin)
            | (State::Over, Event::Tick | Event::Ended(_) | Event::Signal(..)) => Vec::new(),
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
                if self.recreation.is_none() {
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
        let said = say(text);
        if wait_here.is_zero() {
            let start = self.start(now);
            return [vec![said], start].concat();
        }
        self.state = State::Waiting { until: now.plus(wait_here) };
        vec![said]
    }

    /// Whether this asks for an end of everything: a stop request of the spec's, Ctrl-C whatever the
    /// spec says, or a terminal that is gone.
    fn is_stop(&self, signal: Signal, sender: &Sender) -> bool {
        let from_terminal =
            *sender == Sender::Terminal && [Signal::INT, Signal::HUP].contains(&signal);
        self.stop_on.contains(&signal) || from_terminal
    }

    fn signalled_while_running(&mut self, signal: Signal, sender: Sender) -> Vec<Action> {
        if self.is_stop(signal, &sender) {
            self.stop = true;
        }
        let from_terminal = sender == Sender::Terminal;
        match signal {
            // A terminal stops the whole job, and the shell continues it.
            Signal::TSTP if from_terminal => vec![Action::Suspend],
            Signal::TSTP => {
                self.paused = true;
                vec![Action::PassOn(signal, sender), Action::Suspend]
            }
            Signal::CONT if !std::mem::take(&mut self.paused) => Vec::new(),
            Signal::CHLD => Vec::new(),
            // In the same process group it got these too; a hang-up only reaches a session's leader.
            _ if from_terminal && !self.apart && signal != Signal::HUP => Vec::new(),
            _ => vec![Action::PassOn(signal, sender)],
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const WHY: &str = "APP/PROC/WEB/SIDECAR/CONFIG-SERVER: Exited with status 137";

    /// A platform with a clock of its own.
    struct Clock {
        platform: Platform,
        now: Moment,
    }

    impl Clock {
        fn new(most: Option<u32>, longest_wait: Option<Duration>) -> Self {
            let recreation = Some(Recreation { most, longest_wait });
            let stop_on = [Signal::TERM, Signal::INT, Signal::QUIT];
            let mut platform = Platform::new(recreation, &stop_on, false);
            let actions = platform.step(Moment::ZERO, Event::Begin);
            assert_eq!(actions, [Action::Start { crashes: 0 }]);
            Self { platform, now: Moment::ZERO }
        }

        fn tell(&mut self, event: Event) -> Vec<Action> {
            self.platform.step(self.now, event)
        }

        /// The group crashes after it was running for so long.
        fn crash(&mut self, running: Duration) -> Vec<Action> {
            self.now = self.now.plus(running);
            let status = Status::Killed(Signal::KILL);
            let (end, description) = (End::Crashed, Some(WHY.to_owned()));
            let outcome = Outcome { code: 137, end, running: Some(running), description };
            self.tell(Event::Ended(Group { pid: Pid(9), status, outcome: Some(outcome) }))
        }

        /// Lets the time pass until it does something by itself; says how long that was.
        fn rest(&mut self) -> (Duration, Vec<Action>) {
            let until = self.platform.next_timer().expect("it waits");
            let before = Moment::at(until.since(Moment::at(Duration::from_nanos(1))));
            assert_eq!(self.platform.step(before, Event::Tick), [], "not a moment earlier");
            let waited = until.since(self.now);
            self.now = until;
            (waited, self.tell(Event::Tick))
        }
    }

    fn said(actions: &[Action]) -> &str {
        match actions.first() {
            Some(Action::Say(text)) => text,
            other => panic!("nothing was said: {other:?}"),
        }
    }

    /// Reference section 7, with all of its time.
    #[test]
    fn two_hundred_crashes() {
        let mut clock = Clock::new(None, None);
        let second = Duration::from_secs(1);
        for count in 1..=2 {
            let actions = clock.crash(second);
            assert_eq!(said(&actions), format!("crash {count} ({WHY}); recreating at once"));
            assert_eq!(actions[1..], [Action::Start { crashes: count }]);
        }
        for count in 3..=199 {
            let seconds = match count {
                3..=7 => 30 << (count - 3),
                _ => 960,
            };
            let actions = clock.crash(second);
            assert!(said(&actions).starts_with(&format!("crash {count} (")), "{actions:?}");
            assert_eq!(actions.len(), 1, "it waits");
            let (waited, actions) = clock.rest();
            assert_eq!(waited, Duration::from_secs(seconds), "crash {count}");
            assert_eq!(actions, [Action::Start { crashes: count }]);
        }
        let actions = clock.crash(second);
        assert!(said(&actions).starts_with("crash 200 ("), "{actions:?}");
        assert_eq!(actions[1..], [Action::End(137)]);
        assert_eq!(clock.platform.next_timer(), None);
        // 2 days, and some hours.
        let hours = clock.now.since(Moment::ZERO).as_secs() / 3600;
        assert_eq!(hours, 51);
    }

    #[test]
    fn more_than_five_minutes_of_running_make_it_the_first_again() {
        let mut clock = Clock::new(None, None);
        clock.crash(Duration::ZERO);
        clock.crash(Duration::ZERO);
        let actions = clock.crash(Duration::from_secs(301));
        assert_eq!(said(&actions), format!("crash 1 ({WHY}); recreating at once"));
        assert_eq!(actions[1..], [Action::Start { crashes: 1 }]);
    }

    #[test]
    fn a_wait_can_be_shortened_and_never_grows() {
        let longest = Duration::from_millis(1_500);
        let mut clock = Clock::new(None, Some(longest));
        clock.crash(Duration::ZERO);
        clock.crash(Duration::ZERO);
        let text = format!("crash 3 ({WHY}); recreating in 1.5s (Cloud Foundry waits 30s)");
        assert_eq!(said(&clock.crash(Duration::ZERO)), text);
        assert_eq!(clock.rest().0, longest);
        let mut clock = Clock::new(None, Some(Duration::ZERO));
        for count in 1..10 {
            assert_eq!(clock.crash(Duration::ZERO)[1..], [Action::Start { crashes: count }]);
        }
        let mut clock = Clock::new(None, Some(Duration::from_hours(1)));
        clock.crash(Duration::ZERO);
        clock.crash(Duration::ZERO);
        clock.crash(Duration::ZERO);
        assert_eq!(clock.rest().0, Duration::from_secs(30));
    }

    #[test]
    fn so_often_and_not_once_more() {
        let mut clock = Clock::new(Some(1), None);
        assert_eq!(clock.crash(Duration::ZERO)[1..], [Action::Start { crashes: 1 }]);
        let actions = clock.crash(Duration::ZERO);
        let text =
            format!("crash 2 ({WHY}); recreated once, and not again (--recreate=1); exit 137");
        assert_eq!((said(&actions), &actions[1..]), (text.as_str(), &[Action::End(137)][..]));
        let mut clock = Clock::new(Some(0), None);
        let actions = clock.crash(Duration::ZERO);
        let text = format!("crash 1 ({WHY}); not recreated (--recreate=0); exit 137");
        assert_eq!((said(&actions), &actions[1..]), (text.as_str(), &[Action::End(137)][..]));
    }

    #[test]
    fn a_stopped_group_is_the_end() {
        let mut clock = Clock::new(None, None);
        let outcome = Some(Outcome::never_begun(0));
        let status = Status::Exited(143);
        let ended = Event::Ended(Group { pid: Pid(9), status, outcome });
        assert_eq!(clock.tell(ended), [Action::End(143)]);
    }

    #[test]
    fn who_was_asked_to_stop_recreates_nothing_whatever_the_group_ended_of() {
        let mut clock = Clock::new(None, None);
        let sender = Sender::Outside;
        let passed = clock.tell(Event::Signal(Signal::TERM, sender.clone()));
        assert_eq!(passed, [Action::PassOn(Signal::TERM, sender)]);
        assert_eq!(clock.crash(Duration::ZERO), [Action::End(137)]);
    }

    #[test]
    fn ctrl_c_ends_the_wait_too() {
        for (signal, sender) in [
            (Signal::INT, Sender::Terminal),
            (Signal::TERM, Sender::Outside),
            (Signal::HUP, Sender::Terminal),
        ] {
            let mut clock = Clock::new(None, None);
            for _ in 0..3 {
                clock.crash(Duration::ZERO);
            }
            assert_eq!(clock.tell(Event::Signal(Signal::USR1, Sender::Outside)), []);
            assert_eq!(clock.tell(Event::Signal(Signal::HUP, Sender::Outside)), []);
            let actions = clock.tell(Event::Signal(signal, sender));
            let text = format!("{signal} while waiting; not recreating; exit 137");
            assert_eq!((said(&actions), &actions[1..]), (text.as_str(), &[Action::End(137)][..]));
        }
    }

    #[test]
    fn a_killed_fateshare_is_a_crash_too() {
        let mut clock = Clock::new(None, None);
        let status = Status::Killed(Signal::KILL);
        let actions = clock.tell(Event::Ended(Group { pid: Pid(9), status, outcome: None }));
        let text =
            "crash 1 (the group's fateshare (pid 9) was killed by SIGKILL); recreating at once";
        assert_eq!(said(&actions), text);
        let mut platform = Platform::new(None, &[], true);
        platform.step(Moment::ZERO, Event::Begin);
        let group = Group { pid: Pid(9), status, outcome: None };
        let actions = platform.step(Moment::ZERO, Event::Ended(group));
        assert_eq!(said(&actions), "the group's fateshare (pid 9) was killed by SIGKILL; exit 137");
        assert_eq!(actions[1..], [Action::End(137)]);
    }

    #[test]
    fn keys_are_the_groups_where_it_gets_them_itself() {
        let terminal = || Sender::Terminal;
        let mut clock = Clock::new(None, None);
        for signal in [Signal::INT, Signal::QUIT, Signal::WINCH] {
            assert_eq!(clock.tell(Event::Signal(signal, terminal())), []);
        }
        assert!(clock.platform.stop, "Ctrl-C is heard all the same");
        assert_eq!(clock.tell(Event::Signal(Signal::TSTP, terminal())), [Action::Suspend]);
        assert_eq!(clock.tell(Event::Signal(Signal::CONT, Sender::Outside)), []);
        let passed = clock.tell(Event::Signal(Signal::HUP, terminal()));
        assert_eq!(passed, [Action::PassOn(Signal::HUP, terminal())]);
        let mut apart = Platform::new(None, &[], true);
        apart.step(Moment::ZERO, Event::Begin);
        let passed = apart.step(Moment::ZERO, Event::Signal(Signal::INT, terminal()));
        assert_eq!(passed, [Action::PassOn(Signal::INT, terminal())]);
    }

    #[test]
    fn a_pause_from_outside_is_passed_on_and_so_is_its_end() {
        let mut clock = Clock::new(None, None);
        let sender = || Sender::Outside;
        let actions = clock.tell(Event::Signal(Signal::TSTP, sender()));
        assert_eq!(actions, [Action::PassOn(Signal::TSTP, sender()), Action::Suspend]);
        let actions = clock.tell(Event::Signal(Signal::CONT, sender()));
        assert_eq!(actions, [Action::PassOn(Signal::CONT, sender())]);
        assert_eq!(clock.tell(Event::Signal(Signal::CONT, sender())), [], "once");
    }
}
