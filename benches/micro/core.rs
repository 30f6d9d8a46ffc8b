//! What the decisions take: the state machine by itself, without a single system call.

use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use fateshare::core::{
    Action, Ends, Event, Found, Group, JobControl, Leader, MemberId, MemberPlan, Moment, Pid, Plan,
    Received, Sender, State, Status, Windows,
};
use fateshare::spec::{DEFAULT_STOP_ON, ExitCodes, MayFinish, Signal, StopOrder, StopTo};

const MEMBERS: [usize; 3] = [4, 256, 1_000];

fn at(millis: u64) -> Moment {
    Moment::at(Duration::from_millis(millis))
}

fn group(members: usize) -> Group {
    let member = MemberPlan {
        stop_signal: None,
        stop_to: StopTo::Process,
        stop: StopOrder::AtOnce,
        may_finish: MayFinish::Never,
    };
    Group::new(Plan {
        members: vec![member; members],
        grace: Duration::from_secs(9),
        stop_on: DEFAULT_STOP_ON.to_vec(),
        exit_codes: ExitCodes::default(),
        profile: false,
        job_control: JobControl::Nobody,
        windows: Windows::None,
        health: None,
        readiness: None,
        held_back: None,
    })
}

fn pid(member: MemberId) -> Pid {
    Pid(100 + i32::from(member.0))
}

/// Starts all; every spawn is answered, and nothing was pending behind it.
fn start(group: &mut Group, members: usize) {
    black_box(group.step(at(0), Event::Start));
    for member in MemberId::all(members) {
        black_box(group.step(at(1), Event::Spawned { member, pid: pid(member) }));
        black_box(group.step(at(1), Event::Proceed));
    }
}

fn running(members: usize) -> Group {
    let mut group = group(members);
    start(&mut group, members);
    assert_eq!(group.state(), State::Running);
    group
}

fn ends(members: impl Iterator<Item = MemberId>, none_left: bool) -> Event {
    let members = members.map(|member| (member, Status::Killed(Signal::TERM))).collect();
    Event::Ends(Ends { members, none_left, ..Ends::default() })
}

fn stop() -> Event {
    let (sender, main_leader) = (Sender::Outside, Leader::Program);
    Event::Signal(Received { signal: Signal::TERM, sender, main_leader })
}

/// What it answers, and the group itself: to drop it takes no part of the time.
fn told(mut group: Group, now: Moment, event: Event) -> (Group, Vec<Action>) {
    let actions = group.step(now, event);
    (group, actions)
}

/// From the first event to the last: started, asked to stop, looked for stragglers, ended one by one.
#[divan::bench(args = MEMBERS)]
fn whole_life(bencher: Bencher<'_, '_>, members: usize) {
    bencher.counter(ItemsCount::new(members)).with_inputs(|| group(members)).bench_local_refs(
        |group| {
            start(group, members);
            black_box(group.step(at(1_000), stop()));
            black_box(group.step(at(1_005), Event::Tick));
            black_box(group.step(at(1_005), Event::Found(Found::default())));
            for member in MemberId::all(members) {
                let last = member.index() + 1 == members;
                let ends = ends([member].into_iter(), last);
                for action in black_box(group.step(at(1_006), ends)) {
                    if action == Action::Walk {
                        black_box(group.step(at(1_006), Event::Found(Found::default())));
                    }
                }
            }
            assert_eq!(group.state(), State::Ended);
        },
    );
}

/// The first part of it.
#[divan::bench(args = MEMBERS)]
fn start_of_all(bencher: Bencher<'_, '_>, members: usize) {
    bencher
        .counter(ItemsCount::new(members))
        .with_inputs(|| group(members))
        .bench_local_refs(|group| start(group, members));
}

/// One is killed: all others are told.
#[divan::bench(args = MEMBERS)]
fn one_end(bencher: Bencher<'_, '_>, members: usize) {
    let last = MemberId::all(members).next_back();
    let running = running(members);
    bencher
        .counter(ItemsCount::new(members))
        .with_inputs(|| (running.clone(), ends(last.into_iter(), false)))
        .bench_local_values(|(group, event)| told(group, at(1_000), event));
}

/// All end in one wake-up, nobody was asked to: a culprit is picked among them.
#[divan::bench(args = MEMBERS)]
fn all_ends_at_once(bencher: Bencher<'_, '_>, members: usize) {
    let running = running(members);
    bencher
        .counter(ItemsCount::new(members))
        .with_inputs(|| (running.clone(), ends(MemberId::all(members), true)))
        .bench_local_values(|(group, event)| told(group, at(1_000), event));
}

/// The same in a teardown.
#[divan::bench(args = MEMBERS)]
fn all_ends_at_once_when_told(bencher: Bencher<'_, '_>, members: usize) {
    let mut stopping = running(members);
    stopping.step(at(1_000), stop());
    bencher
        .counter(ItemsCount::new(members))
        .with_inputs(|| (stopping.clone(), ends(MemberId::all(members), true)))
        .bench_local_values(|(group, event)| told(group, at(1_001), event));
}
