//! Random lives of groups of up to eight members: sensible ones with every promise checked (see
//! `core/world.rs`), and senseless strings of events, which must never panic.

#[path = "core/world.rs"]
#[allow(dead_code, reason = "each test uses its part of the model")]
mod world;

use std::time::Duration;

use fateshare::core::{
    Action, Answer, Check, CheckPlan, Ends, Event, Foreground, Found, Group, JobControl, Leader,
    MemberId, MemberPlan, Moment, Pid, Plan, Preparation, ProcessKey, Received, Seen, Sender,
    SpawnFailure, SpawnFailureKind, State, Status, Windows,
};
use fateshare::spec::{DEFAULT_STOP_ON, ExitCodes, MayFinish, Signal, StopOrder, StopTo};
use proptest::prelude::*;
use world::{Child, Model, Offered, World, model};

fn any_model(first: bool) -> impl Strategy<Value = Model> {
    let stop = if first {
        Just(StopOrder::AtOnce).boxed()
    } else {
        prop_oneof![Just(StopOrder::AtOnce), Just(StopOrder::AfterMain)].boxed()
    };
    let may_finish = if first {
        Just(MayFinish::Never).boxed()
    } else {
        prop_oneof![Just(MayFinish::Never), Just(MayFinish::WithZero)].boxed()
    };
    let stop_to = prop_oneof![Just(StopTo::Process), Just(StopTo::Group)];
    let child = prop_oneof![Just(Child::None), Just(Child::InGroup), Just(Child::OwnSession)];
    let denied = prop::bool::weighted(0.1);
    (stop, stop_to, may_finish, child, denied).prop_map(
        |(stop, stop_to, may_finish, child, denied)| Model {
            denied,
            ..model(stop, stop_to, may_finish, child)
        },
    )
}

fn any_group() -> impl Strategy<Value = Vec<Model>> {
    (any_model(true), prop::collection::vec(any_model(false), 0..8)).prop_map(|(main, sidecars)| {
        let mut models = vec![main];
        models.extend(sidecars);
        models
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Each number picks one of the moves that can come next; a short string of numbers is a short
    /// life, so a failure shrinks to the fewest moves.
    #[test]
    fn promises_hold_in_random_lives(
        models in any_group(),
        prepares in any::<bool>(),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..120),
    ) {
        let offered = Offered { passes: true, freezes: true, fails: true, jobs: true, checks: true, prepares, held_back: None };
        let mut world = World::new(models, offered);
        for pick in picks {
            let moves = world.some_moves();
            if moves.is_empty() {
                break;
            }
            world.perform(&moves[pick.index(moves.len())]);
        }
        // Whatever came: left to its timers alone, the group comes to an end.
        world.run_out();
        prop_assert!(world.is_over());
    }

    #[test]
    fn senseless_events_never_panic_and_never_change_the_verdict(
        profile in any::<bool>(),
        members in 1_usize..8,
        events in prop::collection::vec((any_event(), 0_u64..4_000), 0..60),
    ) {
        let mut group = Group::new(plan(members, profile));
        let mut now = Moment::ZERO;
        let mut verdict = None;
        let mut code = None;
        let mut state = group.state();
        for (event, later) in events {
            now = now.plus(Duration::from_millis(later));
            for action in group.step(now, event) {
                prop_assert!(code.is_none(), "nothing is done after the end: {action:?}");
                if let Action::End(last) = action {
                    code = Some(last);
                }
                if verdict.is_some() {
                    prop_assert!(!matches!(action, Action::Spawn(_) | Action::Forward(_)));
                }
            }
            prop_assert!(group.state() >= state);
            state = group.state();
            if verdict.is_some() {
                prop_assert_eq!(group.verdict(), verdict.as_ref());
            }
            verdict = group.verdict().cloned();
            prop_assert_eq!(code.is_some(), state == State::Ended);
            if code.is_some() {
                prop_assert_eq!(group.next_timer(), None);
            }
        }
    }
}

const CHECKED: CheckPlan = CheckPlan {
    start_timeout: Duration::from_secs(5),
    interval: Duration::from_secs(3),
    timeout: Duration::from_secs(1),
};

fn plan(members: usize, profile: bool) -> Plan {
    let member = MemberPlan {
        stop_signal: None,
        stop_to: StopTo::Process,
        stop: StopOrder::AtOnce,
        may_finish: MayFinish::Never,
    };
    Plan {
        members: vec![member; members],
        grace: Duration::from_secs(9),
        stop_on: DEFAULT_STOP_ON.to_vec(),
        exit_codes: ExitCodes::default(),
        profile,
        job_control: JobControl::Shell,
        windows: Windows::None,
        health: Some(CHECKED),
        readiness: Some(CHECKED),
        held_back: None,
    }
}

fn any_status() -> impl Strategy<Value = Status> {
    prop_oneof![
        any::<u8>().prop_map(Status::Exited),
        (1..=64).prop_filter_map("a signal", Signal::from_kernel).prop_map(Status::Killed),
    ]
}

/// Members beyond the group's size are meant: nothing may index by them.
fn any_member() -> impl Strategy<Value = MemberId> {
    prop_oneof![(0_u16..9).prop_map(MemberId), any::<u16>().prop_map(MemberId)]
}

fn any_seen() -> impl Strategy<Value = Seen> {
    (0..300_i32, prop::option::of(any_member()), 0..300_i32, 0..300_i32).prop_map(
        |(pid, under, group, session)| Seen {
            key: ProcessKey { pid: Pid(pid), start_ticks: 1 },
            under,
            group: Pid(group),
            session: Pid(session),
            started: Moment::ZERO,
            name: "x".to_owned(),
        },
    )
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Start),
        Just(Event::Proceed),
        Just(Event::Tick),
        prop_oneof![
            Just(Preparation::Done),
            any::<u8>().prop_map(Preparation::Exited),
            Just(Preparation::Failed("failed".to_owned())),
        ]
        .prop_map(Event::Prepared),
        (any_member(), 0..300_i32)
            .prop_map(|(member, pid)| Event::Spawned { member, pid: Pid(pid) }),
        prop::collection::vec(any_member(), 0..3).prop_map(|members| {
            let failure = |member| SpawnFailure {
                member,
                kind: SpawnFailureKind::Other,
                reason: "no".to_owned(),
                hint: None,
            };
            Event::SpawnFailed(members.into_iter().map(failure).collect())
        }),
        (1..=64).prop_filter_map("a signal", Signal::from_number).prop_map(|signal| {
            Event::Signal(Received { signal, sender: Sender::Terminal, main_leader: Leader::Shell })
        }),
        (
            prop::collection::vec((any_member(), any_status()), 0..4),
            0..3_usize,
            any::<bool>(),
            any::<bool>()
        )
            .prop_map(|(members, orphans, none_left, out_of_memory)| {
                Event::Ends(Ends { members, orphans, none_left, out_of_memory })
            }),
        prop::collection::vec(any_seen(), 0..4)
            .prop_map(|processes| { Event::Found(Found { processes, ..Found::default() }) }),
        (any::<bool>(), any::<bool>()).prop_map(|(health, passes)| Event::Probed {
            check: if health { Check::Health } else { Check::Readiness },
            answer: if passes { Answer::Passed } else { Answer::Failed("no".to_owned()) },
        }),
        (1..=64)
            .prop_filter_map("a signal", Signal::from_number)
            .prop_map(|signal| { Event::MainStopped { signal, ours: Foreground::Ours } }),
        Just(Event::OwnFailure("cannot reap children".to_owned())),
        (0_u64..4_000)
            .prop_map(|since| Event::Late { last_look: Moment::at(Duration::from_millis(since)) }),
    ]
}
