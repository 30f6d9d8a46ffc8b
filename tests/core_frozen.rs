//! A machine that was frozen or suspended during the teardown: the clock runs on, members do not.

use std::time::Duration;

use fateshare::core::{
    Action, Event, GraceOver, Group, Happening, JobControl, Leader, MemberId, MemberPlan, Moment,
    Pid, Plan, Received, Sender, State, Timer, Why, Windows,
};
use fateshare::spec::{DEFAULT_STOP_ON, ExitCodes, MayFinish, Signal, StopOrder, StopTo};

fn at(millis: u64) -> Moment {
    Moment::at(Duration::from_millis(millis))
}

fn got(signal: Signal) -> Event {
    let (sender, main_leader) = (Sender::Outside, Leader::Program);
    Event::Signal(Received { signal, sender, main_leader })
}

/// A group of one with a grace of 9 s, told to stop at 1 s, that does not.
fn stopping() -> Group {
    let member = MemberPlan {
        stop_signal: None,
        stop_to: StopTo::Process,
        stop: StopOrder::AtOnce,
        may_finish: MayFinish::Never,
    };
    let mut group = Group::new(Plan {
        members: vec![member],
        grace: Duration::from_secs(9),
        stop_on: DEFAULT_STOP_ON.to_vec(),
        exit_codes: ExitCodes::default(),
        profile: false,
        job_control: JobControl::Nobody,
        windows: Windows::None,
        health: None,
        readiness: None,
        held_back: None,
    });
    group.step(at(0), Event::Start);
    group.step(at(0), Event::Spawned { member: MemberId::MAIN, pid: Pid(7) });
    group.step(at(1_000), got(Signal::TERM));
    group
}

fn grace_over(actions: &[Action]) -> &GraceOver {
    let found = actions.iter().find_map(|action| match action {
        Action::Record(Happening::GraceOver(over)) => Some(over),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("the grace is over: {actions:?}"))
}

#[test]
fn it_is_said_how_long_members_really_had() {
    let mut group = stopping();
    group.step(at(60_000), Event::Late { last_look: at(2_500) });
    assert_eq!(group.timer(Timer::Deadline), Some(at(62_000)));
    let actions = group.step(at(62_000), Event::Tick);
    // One and a half before, two behind.
    let over = grace_over(&actions);
    assert_eq!((over.after, over.why), (Duration::from_millis(3_500), Why::Deadline));
}

/// Frozen while it was telling them: the look before that saw the request.
#[test]
fn what_was_before_the_verdict_is_no_part_of_the_grace() {
    let mut group = stopping();
    group.step(at(60_000), Event::Late { last_look: at(0) });
    assert_eq!(group.timer(Timer::Deadline), Some(at(62_000)));
    let actions = group.step(at(62_000), Event::Tick);
    let over = grace_over(&actions);
    assert_eq!((over.after, over.why), (Duration::from_secs(2), Why::Deadline));
}

/// Frozen at the beginning of a long grace: members are left more than would be given.
#[test]
fn a_freeze_never_shortens_the_grace() {
    let mut group = stopping();
    let actions = group.step(at(2_500), Event::Late { last_look: at(1_005) });
    assert!(actions.is_empty(), "{actions:?}");
    assert_eq!(group.timer(Timer::Deadline), Some(at(10_000)));
    // And another one, which takes all, gives time again.
    group.step(at(60_000), Event::Late { last_look: at(9_000) });
    assert_eq!(group.timer(Timer::Deadline), Some(at(61_000)));
    let actions = group.step(at(61_000), Event::Tick);
    // From 2.5 to 9, and one behind; besides the 5 ms before.
    assert_eq!(grace_over(&actions).after, Duration::from_millis(7_505));
}

/// Late for the deadline itself, which was due when it was looked before.
#[test]
fn where_nothing_was_left_nothing_is_given() {
    let mut group = stopping();
    let actions = group.step(at(12_000), Event::Late { last_look: at(10_000) });
    assert!(actions.is_empty(), "{actions:?}");
    let actions = group.step(at(12_000), Event::Tick);
    let over = grace_over(&actions);
    assert_eq!((over.after, over.why), (Duration::from_secs(9), Why::Deadline));
}

/// The second one moves nothing, and members had less all the same.
#[test]
fn a_second_freeze_is_no_part_of_what_they_had() {
    let mut group = stopping();
    group.step(at(60_000), Event::Late { last_look: at(2_500) });
    group.step(at(70_000), Event::Late { last_look: at(60_500) });
    let actions = group.step(at(70_000), Event::Tick);
    assert_eq!(grace_over(&actions).after, Duration::from_secs(2));
}

#[test]
fn the_same_when_it_was_cut_short_besides() {
    let mut group = stopping();
    group.step(at(60_000), Event::Late { last_look: at(2_500) });
    group.step(at(60_700), got(Signal::INT));
    let actions = group.step(at(60_700), Event::Tick);
    let over = grace_over(&actions);
    assert_eq!((over.after, over.why), (Duration::from_millis(2_200), Why::Hurried));
}

#[test]
fn without_a_freeze_it_is_the_grace() {
    let actions = stopping().step(at(10_004), Event::Tick);
    assert_eq!(grace_over(&actions).after, Duration::from_secs(9));
}

/// Whoever waits longer for what was killed has its last words later.
#[test]
fn the_last_words_have_their_time_behind_the_wait() {
    let mut group = stopping();
    group.step(at(10_000), Event::Tick);
    assert_eq!(group.state(), State::Killing);
    assert_eq!(group.leave_by(), Some(at(10_900)));
    group.step(at(30_000), Event::Late { last_look: at(10_010) });
    assert_eq!(group.timer(Timer::GiveUp), Some(at(30_500)));
    assert_eq!(group.leave_by(), Some(at(30_900)));
}
