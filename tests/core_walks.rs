//! Walks for stragglers that could not be finished.

use std::time::Duration;

use fateshare::core::{
    Action, Ends, Event, Found, Group, JobControl, MemberId, MemberPlan, Moment, Pid, Plan,
    ProcessKey, Seen, SignalFailure, State, Status, Timer, Windows,
};
use fateshare::spec::{DEFAULT_STOP_ON, ExitCodes, MayFinish, Signal, StopOrder, StopTo};

fn at(millis: u64) -> Moment {
    Moment::at(Duration::from_millis(millis))
}

const WEB: MemberId = MemberId::MAIN;
const IT: MemberId = MemberId(1);
const STRAY: Pid = Pid(9);

/// A main process that ended with 3, and a sidecar that lives.
fn stopping(stop: StopOrder) -> Group {
    let member = MemberPlan {
        stop_signal: None,
        stop_to: StopTo::Process,
        stop: StopOrder::AtOnce,
        may_finish: MayFinish::Never,
    };
    let mut group = Group::new(Plan {
        members: vec![member, MemberPlan { stop, ..member }],
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
    group.step(at(0), Event::Spawned { member: WEB, pid: Pid(7) });
    group.step(at(0), Event::Spawned { member: IT, pid: Pid(8) });
    let members = vec![(WEB, Status::Exited(3))];
    group.step(at(1_000), Event::Ends(Ends { members, ..Ends::default() }));
    assert_eq!(group.state(), State::Stopping);
    group
}

fn found(processes: Vec<Seen>, cut_short: bool) -> Event {
    Event::Found(Found { processes, cut_short, took: Duration::from_millis(50), blind: None })
}

fn stray() -> Seen {
    Seen {
        key: ProcessKey { pid: STRAY, start_ticks: 5 },
        under: None,
        group: STRAY,
        session: STRAY,
        started: at(500),
        name: "stray".to_owned(),
    }
}

#[test]
fn a_walk_that_was_cut_short_is_made_again() {
    let mut group = stopping(StopOrder::AtOnce);
    group.step(at(1_060), found(Vec::new(), true));
    let again = group.timer(Timer::Walk).expect("another walk");
    // Four times as long as it took: most of the time is for other things.
    assert_eq!(again, at(1_260));
    let actions = group.step(again, Event::Tick);
    assert!(actions.contains(&Action::Walk), "{actions:?}");
    let actions = group.step(again, found(vec![stray()], false));
    let key = stray().key;
    assert!(actions.contains(&Action::StopStraggler { key, signal: Signal::TERM }), "{actions:?}");
    assert_eq!(group.timer(Timer::Walk), None, "everybody was seen");
}

#[test]
fn who_waits_for_main_waits_for_a_whole_walk() {
    let mut group = stopping(StopOrder::AfterMain);
    let told = |actions: Vec<Action>| {
        actions.iter().any(|action| matches!(action, Action::Stop { member: IT, .. }))
    };
    assert!(!told(group.step(at(1_060), found(Vec::new(), true))), "main may have left something");
    assert!(told(group.step(at(1_300), found(Vec::new(), false))));
}

#[test]
fn only_a_whole_walk_says_that_nobody_else_is_left() {
    let mut group = stopping(StopOrder::AtOnce);
    let denied = |pid| {
        let (reason, signal) = ("no".to_owned(), Signal::TERM);
        Event::SignalFailed(SignalFailure { pid, member: None, signal, reason, denied: true })
    };
    group.step(at(1_010), denied(Pid(8)));
    group.step(at(1_060), found(Vec::new(), true));
    assert_eq!(group.state(), State::Stopping, "somebody may be left who can be waited for");
    group.step(at(1_300), found(Vec::new(), false));
    assert_eq!(group.state(), State::Killing);
}
