//! The local platform's decisions, with a clock of their own.

use std::time::Duration;

use super::platform::{Action, Event, Group, Platform, Recreation};
use crate::core::{End, Moment, Outcome, Pid, Sender, Status};
use crate::spec::Signal;
use crate::sys::apart::Place;

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
        let mut platform = Platform::new(recreation, &stop_on, Place::Here);
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

    /// It crashes, and is recreated at once.
    fn come_back(&mut self) -> Action {
        assert_eq!(self.crash(Duration::ZERO).len(), 1);
        let (waited, mut actions) = self.rest();
        assert_eq!((waited, actions.len()), (Duration::ZERO, 1));
        actions.remove(0)
    }

    /// Lets the time pass until it does something by itself; says how long that was.
    fn rest(&mut self) -> (Duration, Vec<Action>) {
        let until = self.platform.next_timer().expect("it waits");
        let before = Moment::at(until.since(Moment::at(Duration::from_nanos(1))));
        if before < until {
            assert_eq!(self.platform.step(before, Event::Tick), [], "not a moment earlier");
        }
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
        assert_eq!(clock.rest(), (Duration::ZERO, vec![Action::Start { crashes: count }]));
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
    clock.come_back();
    clock.come_back();
    let actions = clock.crash(Duration::from_secs(301));
    assert_eq!(said(&actions), format!("crash 1 ({WHY}); recreating at once"));
    assert_eq!(clock.rest(), (Duration::ZERO, vec![Action::Start { crashes: 1 }]));
}

#[test]
fn a_wait_can_be_shortened_and_never_grows() {
    let longest = Duration::from_millis(1_500);
    let mut clock = Clock::new(None, Some(longest));
    clock.come_back();
    clock.come_back();
    let text = format!("crash 3 ({WHY}); recreating in 1.5s (Cloud Foundry waits 30s)");
    assert_eq!(said(&clock.crash(Duration::ZERO)), text);
    assert_eq!(clock.rest().0, longest);
    let mut clock = Clock::new(None, Some(Duration::ZERO));
    for count in 1..10 {
        assert_eq!(clock.come_back(), Action::Start { crashes: count });
    }
    let mut clock = Clock::new(None, Some(Duration::from_hours(1)));
    clock.come_back();
    clock.come_back();
    clock.crash(Duration::ZERO);
    assert_eq!(clock.rest().0, Duration::from_secs(30));
}

#[test]
fn so_often_and_not_once_more() {
    let mut clock = Clock::new(Some(1), None);
    assert_eq!(clock.come_back(), Action::Start { crashes: 1 });
    let actions = clock.crash(Duration::ZERO);
    let text = format!("crash 2 ({WHY}); recreated once, and not again (--recreate=1); exit 137");
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
        clock.come_back();
        clock.come_back();
        clock.crash(Duration::ZERO);
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
    let text = "crash 1 (the group's fateshare (pid 9) was killed by SIGKILL); recreating at once";
    assert_eq!(said(&actions), text);
    let mut platform = Platform::new(None, &[], Place::Apart { own_group: true });
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
    assert_eq!(clock.tell(Event::Signal(Signal::TSTP, terminal())), [Action::Suspend]);
    assert_eq!(clock.tell(Event::Signal(Signal::CONT, Sender::Outside)), []);
    let passed = clock.tell(Event::Signal(Signal::HUP, terminal()));
    assert_eq!(passed, [Action::PassOn(Signal::HUP, terminal())]);
    assert_eq!(clock.crash(Duration::ZERO), [Action::End(137)], "Ctrl-C is heard all the same");
    let mut apart = Platform::new(None, &[], Place::Apart { own_group: true });
    apart.step(Moment::ZERO, Event::Begin);
    let passed = apart.step(Moment::ZERO, Event::Signal(Signal::INT, terminal()));
    assert_eq!(passed, [Action::PassOn(Signal::INT, terminal())]);
}

#[test]
fn a_pause_while_it_starts_is_one_of_both() {
    let mut clock = Clock::new(None, None);
    let terminal = || Sender::Terminal;
    let actions = clock.tell(Event::AtStart(Signal::TSTP, terminal()));
    assert_eq!(actions, [Action::PassOn(Signal::TSTP, terminal()), Action::Suspend]);
    let actions = clock.tell(Event::Signal(Signal::CONT, Sender::Outside));
    assert_eq!(actions, [Action::PassOn(Signal::CONT, Sender::Outside)]);
}

#[test]
fn apart_with_our_keys_it_gets_them_itself() {
    let recreation = Some(Recreation::default());
    let mut platform = Platform::new(recreation, &[Signal::INT], Place::Apart { own_group: false });
    platform.step(Moment::ZERO, Event::Begin);
    for signal in [Signal::INT, Signal::TSTP, Signal::WINCH] {
        let event = Event::Signal(signal, Sender::Terminal);
        assert_eq!(platform.step(Moment::ZERO, event), [], "{signal}");
    }
    let continued = platform.step(Moment::ZERO, Event::Signal(Signal::CONT, Sender::Outside));
    assert_eq!(continued, [Action::PassOn(Signal::CONT, Sender::Outside)]);
}

#[test]
fn a_killed_fateshare_is_named_after_a_stop_request_too() {
    let mut clock = Clock::new(None, None);
    clock.tell(Event::Signal(Signal::TERM, Sender::Outside));
    let status = Status::Killed(Signal::KILL);
    let actions = clock.tell(Event::Ended(Group { pid: Pid(9), status, outcome: None }));
    assert_eq!(said(&actions), "the group's fateshare (pid 9) was killed by SIGKILL; exit 137");
    assert_eq!(actions[1..], [Action::End(137)]);
}

#[test]
fn what_comes_between_two_groups_is_heard() {
    let mut clock = Clock::new(None, None);
    clock.crash(Duration::ZERO);
    let actions = clock.tell(Event::Signal(Signal::INT, Sender::Terminal));
    assert_eq!(actions[1..], [Action::End(137)], "before it is recreated at once");
    let mut clock = Clock::new(None, None);
    let passed = clock.tell(Event::AtStart(Signal::INT, Sender::Terminal));
    assert_eq!(passed, [Action::PassOn(Signal::INT, Sender::Terminal)], "it has not got it");
    assert_eq!(clock.crash(Duration::ZERO), [Action::End(137)]);
}

#[test]
fn without_a_terminal_that_we_had_nothing_is_recreated() {
    let mut clock = Clock::new(None, None);
    assert_eq!(clock.tell(Event::HungUp), []);
    assert_eq!(clock.crash(Duration::ZERO), [Action::End(137)]);
    let mut clock = Clock::new(None, None);
    clock.crash(Duration::ZERO);
    let actions = clock.tell(Event::HungUp);
    assert_eq!(actions[1..], [Action::End(137)]);
}

#[test]
fn who_asks_a_group_apart_is_named() {
    let mut platform = Platform::new(None, &[Signal::TERM], Place::Apart { own_group: true });
    platform.step(Moment::ZERO, Event::Begin);
    let sender = || Sender::Process { pid: Pid(7), uid: 0, name: Some("bash".to_owned()) };
    let actions = platform.step(Moment::ZERO, Event::Signal(Signal::TERM, sender()));
    assert_eq!(said(&actions), "SIGTERM from pid 7 (bash), passed on");
    assert_eq!(actions[1..], [Action::PassOn(Signal::TERM, sender())]);
    let stopped = platform.step(Moment::ZERO, Event::Signal(Signal::TSTP, sender()));
    assert_eq!(stopped, [Action::PassOn(Signal::TSTP, sender())], "it says why it does not");
}

#[test]
fn what_the_group_would_die_of_is_not_passed_on() {
    let mut clock = Clock::new(None, None);
    for signal in [Signal::SEGV, Signal::CHLD] {
        assert_eq!(clock.tell(Event::Signal(signal, Sender::Outside)), [], "{signal}");
    }
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
