//! The whole table of states and events, and of first and second signals, as text that can be
//! audited by eye: `core/table.txt` and `core/second_signals.txt`.
//! `SNAPSHOTS=overwrite cargo test --test core_table` writes them anew.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use fateshare::core::{
    Action, Answer, Check, CheckPlan, Ends, Event, Foreground, Found, Group, Happening, JobControl,
    Leader, MemberId, MemberPlan, Moment, Pid, Plan, Preparation, ProcessKey, Received, Seen,
    Sender, SignalFailure, SpawnFailure, SpawnFailureKind, State, Status, Stopped, Timer, Windows,
};
use fateshare::spec::{DEFAULT_STOP_ON, ExitCodes, MayFinish, Signal, StopOrder, StopTo};

const STATES: [State; 6] = [
    State::Preparing,
    State::Starting,
    State::Running,
    State::Stopping,
    State::Killing,
    State::Ended,
];

const WEB: MemberId = MemberId::MAIN;
const SIDECAR: MemberId = MemberId(1);

fn at(millis: u64) -> Moment {
    Moment::at(Duration::from_millis(millis))
}

fn received(signal: Signal, sender: Sender) -> Event {
    Event::Signal(Received { signal, sender, main_leader: Leader::Program })
}

fn stopped(signal: Signal, ours: Foreground) -> Event {
    Event::MainStopped { signal, ours }
}

fn ends(members: &[(MemberId, Status)]) -> Event {
    Event::Ends(Ends { members: members.to_vec(), ..Ends::default() })
}

/// A group of two in this state, at one second of its life; the verdict was passed then.
fn group_in(state: State) -> Group {
    let member = MemberPlan {
        stop_signal: None,
        stop_to: StopTo::Process,
        stop: StopOrder::AtOnce,
        may_finish: MayFinish::Never,
    };
    let mut group = Group::new(Plan {
        members: vec![member; 2],
        grace: Duration::from_secs(9),
        stop_on: DEFAULT_STOP_ON.to_vec(),
        exit_codes: ExitCodes::default(),
        profile: true,
        job_control: JobControl::Shell,
        windows: Windows::None,
        health: None,
        readiness: None,
        held_back: None,
    });
    let way = [
        (State::Preparing, at(0), Event::Start),
        (State::Starting, at(0), Event::Prepared(Preparation::Done)),
        (State::Running, at(0), Event::Spawned { member: WEB, pid: Pid(7) }),
        (State::Running, at(0), Event::Spawned { member: SIDECAR, pid: Pid(8) }),
        (State::Stopping, at(1_000), received(Signal::TERM, Sender::Outside)),
        (State::Killing, at(10_000), Event::Tick),
        (State::Ended, at(10_001), Event::Ends(Ends { none_left: true, ..Ends::default() })),
    ];
    for (reached_by, now, event) in way {
        if reached_by <= state {
            group.step(now, event);
        }
    }
    if state == State::Starting {
        group.step(at(0), Event::Spawned { member: WEB, pid: Pid(7) });
    }
    assert_eq!(group.state(), state);
    group
}

/// When the event comes: inside the state's time.
fn moment_in(state: State) -> Moment {
    match state {
        State::Preparing | State::Starting | State::Running => at(1_000),
        State::Stopping => at(1_600),
        State::Killing => at(10_100),
        State::Ended => at(11_000),
    }
}

fn events() -> Vec<(&'static str, Event)> {
    let straggler = Seen {
        key: ProcessKey { pid: Pid(44), start_ticks: 1 },
        under: None,
        group: Pid(7),
        session: Pid(1),
        started: Moment::ZERO,
        name: "sleep".to_owned(),
    };
    vec![
        ("Start", Event::Start),
        ("Prepared(Done)", Event::Prepared(Preparation::Done)),
        ("Prepared(Exited(4))", Event::Prepared(Preparation::Exited(4))),
        ("Prepared(Failed)", Event::Prepared(Preparation::Failed("failed".to_owned()))),
        ("Proceed", Event::Proceed),
        ("Spawned(sidecar)", Event::Spawned { member: SIDECAR, pid: Pid(8) }),
        (
            "SpawnFailed(sidecar)",
            Event::SpawnFailed(vec![SpawnFailure {
                member: SIDECAR,
                kind: SpawnFailureKind::NotFound,
                reason: "program x: not found".to_owned(),
                hint: None,
            }]),
        ),
        ("Signal(TERM)", received(Signal::TERM, Sender::Outside)),
        ("Signal(INT)", received(Signal::INT, Sender::Outside)),
        ("Signal(HUP)", received(Signal::HUP, Sender::Outside)),
        ("Signal(HUP by the terminal)", received(Signal::HUP, Sender::Terminal)),
        ("Signal(USR1)", received(Signal::USR1, Sender::Outside)),
        ("Signal(TSTP)", received(Signal::TSTP, Sender::Terminal)),
        ("Signal(CONT)", received(Signal::CONT, Sender::Outside)),
        ("Signal(CHLD)", received(Signal::CHLD, Sender::Outside)),
        ("Ends(web: exit 0)", ends(&[(WEB, Status::SUCCESS)])),
        ("Ends(web: SIGKILL)", ends(&[(WEB, Status::Killed(Signal::KILL))])),
        (
            "Ends(web: exit 3, sidecar: SIGKILL)",
            ends(&[(WEB, Status::Exited(3)), (SIDECAR, Status::Killed(Signal::KILL))]),
        ),
        (
            "Ends(web: SIGKILL, out of memory)",
            Event::Ends(Ends {
                members: vec![(WEB, Status::Killed(Signal::KILL))],
                out_of_memory: true,
                ..Ends::default()
            }),
        ),
        (
            "Ends(nobody, out of memory)",
            Event::Ends(Ends { out_of_memory: true, ..Ends::default() }),
        ),
        ("Ends(an orphan)", Event::Ends(Ends { orphans: 1, ..Ends::default() })),
        ("Ends(nothing left)", Event::Ends(Ends { none_left: true, ..Ends::default() })),
        ("Found(nobody)", Event::Found(Found::default())),
        (
            "Found(a straggler)",
            Event::Found(Found { processes: vec![straggler], ..Found::default() }),
        ),
        (
            "SignalFailed",
            Event::SignalFailed(SignalFailure {
                pid: Pid(44),
                member: None,
                signal: Signal::TERM,
                reason: "no".to_owned(),
                denied: false,
            }),
        ),
        (
            "SignalFailed(denied)",
            Event::SignalFailed(SignalFailure {
                pid: Pid(7),
                member: Some(WEB),
                signal: Signal::TERM,
                reason: "not permitted".to_owned(),
                denied: true,
            }),
        ),
        ("MainStopped(TSTP)", stopped(Signal::TSTP, Foreground::NotOurs)),
        ("MainStopped(TTIN)", stopped(Signal::TTIN, Foreground::NotOurs)),
        ("MainStopped(TTIN, ours)", stopped(Signal::TTIN, Foreground::Ours)),
        ("MainStopped(STOP)", stopped(Signal::STOP, Foreground::NotOurs)),
        ("OwnFailure", Event::OwnFailure("cannot reap children".to_owned())),
        ("Probed(passed)", probed(Check::Health, PASSED)),
        ("Probed(failed)", probed(Check::Health, Answer::Failed("status 500".to_owned()))),
        ("Late", Event::Late { last_look: at(1_100) }),
        ("Tick", Event::Tick),
    ]
}

const PASSED: Answer = Answer::Passed;

fn probed(check: Check, answer: Answer) -> Event {
    Event::Probed { check, answer }
}

/// The actions in short. Entries of the event list are left out but for those that decide.
fn short(actions: &[Action]) -> String {
    let mut words = Vec::new();
    for action in actions {
        words.push(match action {
            Action::Prepare => "prepare".to_owned(),
            Action::StopPreparing(signal) => format!("stop profile {signal}"),
            Action::Spawn(member) => format!("spawn {}", member.0),
            Action::ComeBack => "come back".to_owned(),
            Action::Forward(signal) => format!("forward {signal}"),
            Action::Resize(members) => format!("resize {}", members.len()),
            Action::Stop { member, signal, .. } => format!("stop {} {signal}", member.0),
            Action::StopStraggler { key, signal } => format!("stop straggler {} {signal}", key.pid),
            Action::Probe(Check::Health) => "probe health".to_owned(),
            Action::Probe(Check::Readiness) => "probe readiness".to_owned(),
            Action::CancelProbes => "cancel probes".to_owned(),
            Action::Walk => "walk".to_owned(),
            Action::Pause(member) => format!("pause {}", member.0),
            Action::Suspend(Stopped::Alone) => "suspend".to_owned(),
            Action::Suspend(Stopped::WholeJob) => "suspend the job".to_owned(),
            Action::TakeTerminal => "take terminal".to_owned(),
            Action::GiveTerminal => "give terminal".to_owned(),
            Action::Continue(member) => format!("continue {}", member.0),
            Action::KillWave { freeze, .. } => {
                format!("{}kill all", if *freeze { "freeze and " } else { "" })
            }
            Action::Record(Happening::Verdict(_)) => "VERDICT".to_owned(),
            Action::Record(_) => continue,
            Action::End(code) => format!("end {code}"),
        });
    }
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

fn timers(group: &Group) -> String {
    match group.next_timer() {
        Some(at) => format!("{}ms", at.since_start().as_millis()),
        None => "-".to_owned(),
    }
}

fn same_as_file(text: &str, name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/core").join(name);
    if std::env::var_os("SNAPSHOTS").is_some_and(|mode| mode == "overwrite") {
        std::fs::write(&path, text).expect("the snapshot is written");
    }
    let expected = std::fs::read_to_string(&path).expect("the snapshot is there");
    snapbox::assert_data_eq!(text, expected);
}

#[test]
fn all_pairs_of_state_and_event() {
    let mut text = String::new();
    for state in STATES {
        let _ = writeln!(text, "{state:?}");
        for (name, event) in events() {
            let mut group = group_in(state);
            let actions = group.step(moment_in(state), event);
            let _ = writeln!(
                text,
                "  {name:36} -> {:9} | {} | next timer {}",
                format!("{:?}", group.state()),
                short(&actions),
                timers(&group)
            );
        }
    }
    same_as_file(&text, "table.txt");
}

fn tick_if_due(group: &mut Group, now: Moment) {
    if group.next_timer().is_some_and(|at| at <= now) {
        group.step(now, Event::Tick);
    }
}

/// The rule for a second request: a SIGINT 500 ms or more after the verdict and after the SIGINT
/// before it makes the deadline now; on a terminal SIGQUIT too; SIGTERM never.
#[test]
fn all_pairs_of_first_and_second_signals() {
    let signals = [
        ("TERM", Signal::TERM, Sender::Outside),
        ("INT", Signal::INT, Sender::Outside),
        ("INT by the terminal", Signal::INT, Sender::Terminal),
        ("QUIT", Signal::QUIT, Sender::Outside),
        ("QUIT by the terminal", Signal::QUIT, Sender::Terminal),
        ("HUP", Signal::HUP, Sender::Outside),
        ("HUP by the terminal", Signal::HUP, Sender::Terminal),
    ];
    let mut text = String::new();
    for (first_name, first, first_sender) in &signals {
        for (second_name, second, second_sender) in &signals {
            let _ = write!(text, "{first_name:20} then {second_name:20}");
            for later in [499, 500] {
                let mut group = group_in(State::Running);
                group.step(at(1_000), received(*first, first_sender.clone()));
                group.step(at(1_000 + later), received(*second, second_sender.clone()));
                tick_if_due(&mut group, at(1_000 + later));
                let _ = write!(text, " {later}ms: {:9}", format!("{:?}", group.state()));
            }
            let _ = writeln!(text);
        }
    }
    same_as_file(&text, "second_signals.txt");
}

#[test]
fn each_sigint_begins_the_half_second_anew() {
    let mut group = group_in(State::Stopping);
    for later in [1_400, 1_800, 2_200] {
        group.step(at(later), received(Signal::INT, Sender::Terminal));
        tick_if_due(&mut group, at(later));
        assert_eq!(group.state(), State::Stopping, "somebody who hammers on Ctrl-C");
    }
    group.step(at(2_700), received(Signal::INT, Sender::Terminal));
    tick_if_due(&mut group, at(2_700));
    assert_eq!(group.state(), State::Killing);
}

/// Who ended by itself was not killed, though the request to hurry was read first.
#[test]
fn ends_of_the_same_wake_up_come_before_a_hurried_sigkill() {
    let mut group = group_in(State::Stopping);
    group.step(at(1_600), received(Signal::INT, Sender::Terminal));
    let all = Ends {
        members: vec![(WEB, Status::SUCCESS), (SIDECAR, Status::SUCCESS)],
        none_left: true,
        ..Ends::default()
    };
    let actions = group.step(at(1_600), Event::Ends(all));
    assert_eq!(group.state(), State::Ended);
    let killed = actions.iter().any(|action| matches!(action, Action::KillWave { .. }));
    assert!(!killed, "{actions:?}");
}

#[test]
fn a_freeze_gives_back_at_most_two_seconds_and_only_once() {
    let mut group = group_in(State::Stopping);
    // 8.9 of 9 seconds were left when it went to sleep.
    group.step(at(60_000), Event::Late { last_look: at(1_100) });
    group.step(at(60_000), Event::Tick);
    assert_eq!(group.state(), State::Stopping);
    assert_eq!(group.timer(Timer::Deadline), Some(at(62_000)));
    group.step(at(70_000), Event::Late { last_look: at(60_000) });
    group.step(at(70_000), Event::Tick);
    assert_eq!(group.state(), State::Killing);

    let mut group = group_in(State::Stopping);
    // Half a second was left.
    group.step(at(60_000), Event::Late { last_look: at(9_500) });
    assert_eq!(group.timer(Timer::Deadline), Some(at(60_500)));
}

fn walk_finds(seen: Seen) -> Event {
    Event::Found(Found { processes: vec![seen], ..Found::default() })
}

fn told(actions: &[Action]) -> Vec<Signal> {
    let signals = actions.iter().filter_map(|action| match action {
        Action::StopStraggler { signal, .. } => Some(*signal),
        _ => None,
    });
    signals.collect()
}

fn plan(sidecar: MemberPlan) -> Plan {
    let main = MemberPlan { stop_to: StopTo::Group, ..sidecar };
    Plan {
        members: vec![MemberPlan { stop: StopOrder::AtOnce, ..main }, sidecar],
        grace: Duration::from_secs(9),
        stop_on: DEFAULT_STOP_ON.to_vec(),
        exit_codes: ExitCodes::default(),
        profile: false,
        job_control: JobControl::Nobody,
        windows: Windows::None,
        health: None,
        readiness: None,
        held_back: None,
    }
}

fn running(sidecar: MemberPlan) -> Group {
    let mut group = Group::new(plan(sidecar));
    group.step(at(0), Event::Start);
    group.step(at(0), Event::Spawned { member: WEB, pid: Pid(7) });
    group.step(at(0), Event::Spawned { member: SIDECAR, pid: Pid(8) });
    group
}

const PLAIN: MemberPlan = MemberPlan {
    stop_signal: None,
    stop_to: StopTo::Process,
    stop: StopOrder::AtOnce,
    may_finish: MayFinish::Never,
};

fn left_behind(group: Pid, started: u64) -> Seen {
    Seen {
        key: ProcessKey { pid: Pid(44), start_ticks: 1 },
        under: None,
        group,
        session: Pid(1),
        started: at(started),
        name: "sleep".to_owned(),
    }
}

#[test]
fn after_main_waits_for_two_thirds_of_the_grace() {
    let mut group = running(MemberPlan { stop: StopOrder::AfterMain, ..PLAIN });
    group.step(at(1_000), received(Signal::TERM, Sender::Outside));
    assert_eq!(group.timer(Timer::AfterMain), Some(at(7_000)));
    assert_eq!(group.timer(Timer::Deadline), Some(at(10_000)));
}

#[test]
fn a_new_size_of_the_terminal_is_for_all_whose_terminals_are_copies() {
    let resized = |windows, sender| {
        let mut group = Group::new(Plan { windows, ..plan(PLAIN) });
        group.step(at(0), Event::Start);
        group.step(at(0), Event::Spawned { member: WEB, pid: Pid(7) });
        group.step(at(0), Event::Spawned { member: SIDECAR, pid: Pid(8) });
        short(&group.step(at(1_000), received(Signal::WINCH, sender)))
    };
    assert_eq!(resized(Windows::Copied, Sender::Terminal), "resize 2");
    // It may mean something else: httpd stops for it.
    assert_eq!(resized(Windows::Copied, Sender::Outside), "forward SIGWINCH");
    assert_eq!(resized(Windows::None, Sender::Terminal), "forward SIGWINCH");

    let mut group = Group::new(Plan { windows: Windows::Copied, ..plan(PLAIN) });
    group.step(at(0), Event::Start);
    let actions = group.step(at(1), received(Signal::WINCH, Sender::Terminal));
    assert_eq!(short(&actions), "resize 0", "who starts later gets the new size anyway");
    group.step(at(2), received(Signal::TERM, Sender::Outside));
    let actions = group.step(at(3), received(Signal::WINCH, Sender::Terminal));
    assert_eq!(short(&actions), "-", "nothing after the verdict");
}

#[test]
fn who_is_asked_is_left_alone_when_the_group_ends() {
    let second = Duration::from_secs(1);
    let check = CheckPlan { start_timeout: second, interval: second, timeout: second };
    let mut group = Group::new(Plan { health: Some(check), readiness: Some(check), ..plan(PLAIN) });
    group.step(at(0), Event::Start);
    group.step(at(0), Event::Spawned { member: WEB, pid: Pid(7) });
    assert_eq!(group.next_timer(), None, "not before every member runs");
    group.step(at(0), Event::Spawned { member: SIDECAR, pid: Pid(8) });
    assert_eq!(timers(&group), "50ms");
    assert_eq!(short(&group.step(at(50), Event::Tick)), "probe health, probe readiness");
    assert_eq!(short(&group.step(at(60), probed(Check::Health, PASSED))), "-");
    let actions = group.step(at(70), received(Signal::TERM, Sender::Outside));
    assert_eq!(short(&actions), "VERDICT, cancel probes, stop 0 SIGTERM, stop 1 SIGTERM");
    assert_eq!(group.timer(Timer::Health), None);
    let failed = probed(Check::Health, Answer::Failed("refused".to_owned()));
    assert_eq!(short(&group.step(at(80), failed)), "-");
}

/// We are stopped meanwhile, and so is main: nothing of that time counts.
#[test]
fn a_question_under_way_at_ctrl_z_is_asked_again() {
    let second = Duration::from_secs(1);
    let check = CheckPlan { start_timeout: second, interval: second, timeout: second };
    let plan = Plan { health: Some(check), job_control: JobControl::Shell, ..plan(PLAIN) };
    let mut group = Group::new(plan);
    group.step(at(0), Event::Start);
    group.step(at(0), Event::Spawned { member: WEB, pid: Pid(7) });
    group.step(at(0), Event::Spawned { member: SIDECAR, pid: Pid(8) });
    assert_eq!(short(&group.step(at(50), Event::Tick)), "probe health");
    group.step(at(100), received(Signal::TSTP, Sender::Terminal));
    group.step(at(1_500), received(Signal::CONT, Sender::Outside));
    let failed = || probed(Check::Health, Answer::Failed("timed out".to_owned()));
    assert_eq!(short(&group.step(at(1_500), failed())), "probe health");
    assert_eq!(short(&group.step(at(1_600), failed())), "-", "0.2s of its second are over");
    assert_eq!(group.state(), State::Running);
}

#[test]
fn who_was_stopped_hears_of_the_size_afterwards() {
    let plan = Plan { windows: Windows::Copied, job_control: JobControl::Shell, ..plan(PLAIN) };
    let mut group = Group::new(plan);
    group.step(at(0), Event::Start);
    group.step(at(0), Event::Spawned { member: WEB, pid: Pid(7) });
    group.step(at(1), received(Signal::TSTP, Sender::Terminal));
    let actions = group.step(at(2), received(Signal::CONT, Sender::Outside));
    assert_eq!(short(&actions), "give terminal, resize 1, continue 0");
}

#[test]
fn what_was_killed_is_waited_for_half_a_second() {
    let mut group = group_in(State::Killing);
    assert_eq!(group.timer(Timer::GiveUp), Some(at(10_500)));
    group.step(at(10_500), Event::Tick);
    group.step(at(10_500), Event::Found(Found::default()));
    assert_eq!(group.state(), State::Ended);
    assert_eq!(group.leave_by(), Some(at(10_900)));
}

#[test]
fn who_joined_a_group_after_it_was_told_is_told_by_itself() {
    for (started, expected) in [(900, vec![]), (1_000, vec![]), (1_010, vec![Signal::TERM])] {
        let mut group = running(PLAIN);
        group.step(at(1_000), received(Signal::TERM, Sender::Outside));
        group.step(at(1_020), ends(&[(WEB, Status::SUCCESS)]));
        let actions = group.step(at(1_030), walk_finds(left_behind(Pid(7), started)));
        assert_eq!(told(&actions), expected, "started at {started}ms");
    }
}

#[test]
fn what_a_member_left_gets_its_stop_signal_and_strangers_get_sigterm() {
    let quits = MemberPlan { stop_signal: Some(Signal::QUIT), ..PLAIN };
    for (group_of_it, expected) in [(Pid(8), Signal::QUIT), (Pid(44), Signal::TERM)] {
        let mut group = running(quits);
        // The request is SIGINT, but that is for members.
        group.step(at(1_000), received(Signal::INT, Sender::Outside));
        group.step(at(1_020), ends(&[(SIDECAR, Status::SUCCESS)]));
        let actions = group.step(at(1_030), walk_finds(left_behind(group_of_it, 1_015)));
        assert_eq!(told(&actions), [expected]);
    }
}
