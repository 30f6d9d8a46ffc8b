//! The life of a group: sensible lives, in which every promise of a teardown is checked (`tests/core`), and
//! senseless strings of events, whatever is told of which can be shown.

#[path = "../../core/world.rs"]
#[allow(dead_code, reason = "each test uses its part of the model")]
mod world;

use std::time::Duration;

use fateshare::check;
use fateshare::core::{
    Action, Answer, Cause, Check, Context, Ending, Ends, Event, Foreground, Found, Group, Instance,
    JobControl, Leader, LogLine, MemberId, Moment, Pid, Plan, Preparation, ProcessKey, Received,
    Seen, Sender, SignalFailure, SpawnFailure, SpawnFailureKind, State, Status, Windows,
    exit_description, platform_lines, render, short_cause,
};
use fateshare::report::document::Environment;
use fateshare::report::termination;
use fateshare::spec::{
    Launch, MayFinish, Overlay, Reading, Signal, SpecFile, StopOrder, StopTo, on_one_line, read,
};
use fateshare::status::Board;
use world::{Child, Model, Offered, World, model};

use super::choices::Choices;
use super::{judge, reports};

/// So many events are told, and moves made.
const MOST: usize = 400;

/// A group and one of the moves that can come next, again and again; then its timers alone end it.
pub(super) fn core(data: &[u8]) -> bool {
    let mut choices = Choices(data);
    let members = choices.below(8) + 1;
    let models: Vec<Model> = (0..members).map(|at| one(&mut choices, at == 0)).collect();
    let flags = choices.byte();
    let has = |bit: u8| flags >> bit & 1 == 1;
    let held_back = u16::try_from(members - 1).ok().filter(|last| *last > 0 && has(6));
    let offered = Offered {
        passes: has(0),
        freezes: has(1),
        fails: has(2),
        jobs: has(3),
        checks: has(4),
        prepares: has(5),
        held_back: held_back.map(MemberId),
    };
    let mut world = World::new(models, offered);
    let mut made = 0;
    while !choices.is_empty() && made < MOST {
        let moves = world.some_moves();
        if moves.is_empty() {
            break;
        }
        world.perform(&moves[choices.below(moves.len())]);
        made += 1;
    }
    world.run_out();
    assert!(world.is_over(), "left alone, it comes to its end");
    made > 0
}

fn one(choices: &mut Choices<'_>, is_main: bool) -> Model {
    let byte = choices.byte();
    let stop_to = if byte & 1 == 0 { StopTo::Process } else { StopTo::Group };
    let child = [Child::None, Child::InGroup, Child::OwnSession][usize::from(byte >> 1 & 3) % 3];
    let after = byte & 8 != 0 && !is_main;
    let stop = if after { StopOrder::AfterMain } else { StopOrder::AtOnce };
    let finishes = byte & 16 != 0 && !is_main;
    let may_finish = if finishes { MayFinish::WithZero } else { MayFinish::Never };
    Model { denied: byte & 0xe0 == 0xe0, ..model(stop, stop_to, may_finish, child) }
}

/// Any events, in any order: nothing panics, the verdict stays, states go forward, and what was recorded
/// can be written, drawn and read.
pub(super) fn events(data: &[u8]) -> bool {
    let mut choices = Choices(data);
    let launch = launch(&mut choices);
    let job_control = choices.of(&[JobControl::Shell, JobControl::Nobody]);
    let windows = choices.of(&[Windows::None, Windows::Copied]);
    let mut group = Group::new(Plan { windows, ..Plan::new(&launch, job_control) });
    let board = Board::new(&launch, Vec::new(), Duration::ZERO, || (Vec::new(), 0));
    let (mut entries, mut ending) = (0, Ending::default());
    let instance = Instance { crashes: u32::from(choices.byte() % 5), ..Instance::default() };
    let mut now = Moment::ZERO;
    let (mut verdict, mut code, mut state) = (None, None, group.state());
    for _ in 0..MOST / 4 {
        if choices.is_empty() {
            break;
        }
        now = now.plus(Duration::from_millis(choices.of(&[0, 0, 1, 20, 600, 5_000])));
        let event = event(&mut choices);
        for action in group.step(now, event) {
            assert!(code.is_none(), "nothing is done after the end: {action:?}");
            match action {
                Action::End(last) => code = Some(last),
                Action::Spawn(_) | Action::Forward(_) => {
                    assert!(verdict.is_none(), "nothing is started after the verdict");
                }
                Action::Record(happening) => {
                    entries += 1;
                    ending.note(&launch, now, &happening);
                    if let Some(line) = render(&launch, &happening) {
                        judge::is_one_line("a line", &line.text);
                    }
                    let since_1970 = Duration::from_secs(1);
                    let context = Context {
                        launch: &launch,
                        instance: &instance,
                        ending: &ending,
                        since_1970,
                    };
                    for line in platform_lines(context, &happening) {
                        let (LogLine::Platform(text) | LogLine::Member(_, text)) = line;
                        judge::is_one_line("a platform's line", &text);
                    }
                    board.add(now, happening, false);
                }
                _ => {}
            }
        }
        assert!(group.state() >= state, "states go forward");
        state = group.state();
        if verdict.is_some() {
            assert_eq!(group.verdict(), verdict.as_ref(), "it is latched");
        }
        verdict = group.verdict().cloned();
        assert_eq!(code.is_some(), state == State::Ended);
        assert!(code.is_none() || group.next_timer().is_none());
    }
    if let Some(verdict) = &verdict {
        if let Cause::CannotStart(lacks) = &verdict.cause {
            let reading = Reading { launch: launch.clone(), warnings: Vec::new() };
            let found = check::Found { lacks, scripts: None };
            judge::is_harmless("check", &check::show(&reading, &found));
        }
        judge::is_harmless("a cause", &on_one_line(&short_cause(&launch, &verdict.cause)));
    }
    if let Some(verdict) = &verdict
        && let Some(text) = exit_description(&launch, &verdict.cause)
    {
        judge::is_one_line("a description", &text);
    }
    let message = board.termination_message();
    judge::is_harmless("a termination message", &message);
    assert!(message.len() <= termination::LONGEST, "{}", message.len());
    // The verdict's line may wait for a walk, but not for ever.
    assert!(message.is_empty() || verdict.is_some());
    assert!(!message.is_empty() || code.is_none());
    // Most of the time would go there, and a report's own target is faster.
    if data.len().is_multiple_of(4) {
        reports::can_be_looked_at(&board.report(&Environment::default()));
    }
    entries > 0
}

/// A group of up to eight, with checks, scripts and a platform or without.
fn launch(choices: &mut Choices<'_>) -> Launch {
    let flags = choices.byte();
    let has = |bit: u8| flags >> bit & 1 == 1;
    let mut spec = String::from("{main: {name: web, command: [web]");
    if has(3) {
        spec.push_str(", health_check: {type: http, start_timeout: 5s, interval: 3s}");
    }
    if has(4) {
        spec.push_str(", readiness_check: {type: port, port: 80, interval: 3s}");
    }
    spec.push('}');
    if flags & 7 > 0 {
        let sidecar = |number: u8| format!("{{name: 's {number}', command: cd x && y}}");
        let sidecars: Vec<String> = (0..flags & 7).map(sidecar).collect();
        spec = format!("{spec}, sidecars: [{}]", sidecars.join(", "));
    }
    spec.push_str(if has(5) { ", profile: /app" } else { "" });
    spec.push_str(if has(6) { ", platform: cloudfoundry, application: shop" } else { "" });
    spec.push('}');
    let file = SpecFile { shown: "spec.yml".to_owned(), folder: "/".into() };
    read(spec.as_bytes(), &file, &Overlay::default()).expect("a good spec").launch
}

/// Members beyond the group's size are meant: nothing may index by them.
fn member(choices: &mut Choices<'_>) -> MemberId {
    MemberId(match choices.byte() {
        small @ 0..240 => u16::from(small % 9),
        large => u16::from(large) << 8,
    })
}

fn signal(choices: &mut Choices<'_>) -> Signal {
    const USUAL: [Signal; 6] =
        [Signal::TERM, Signal::INT, Signal::HUP, Signal::TSTP, Signal::CONT, Signal::KILL];
    match choices.byte() {
        usual @ 0..128 => USUAL[usize::from(usual) % USUAL.len()],
        any => Signal::from_number(i32::from(any & 63) + 1).unwrap_or(Signal::TERM),
    }
}

fn status(choices: &mut Choices<'_>) -> Status {
    match choices.byte() {
        code @ 0..160 => Status::Exited(code % 3 * 69),
        160..200 => Status::Killed(signal(choices)),
        code => Status::Exited(code),
    }
}

fn pid(choices: &mut Choices<'_>) -> Pid {
    Pid(i32::from(choices.byte() % 32))
}

/// What comes from outside: the name of a process, a reason.
fn text(choices: &mut Choices<'_>) -> String {
    String::from_utf8_lossy(choices.until(0)).into_owned()
}

fn seen(choices: &mut Choices<'_>) -> Seen {
    Seen {
        key: ProcessKey { pid: pid(choices), start_ticks: 1 },
        under: choices.flag().then(|| member(choices)),
        group: pid(choices),
        session: pid(choices),
        started: Moment::ZERO,
        name: text(choices),
    }
}

fn received(choices: &mut Choices<'_>) -> Received {
    let sender = match choices.below(4) {
        0 => Sender::Outside,
        1 => Sender::Terminal,
        2 => Sender::Unknown,
        _ => {
            let name = choices.flag().then(|| text(choices));
            Sender::Process { pid: pid(choices), uid: u32::from(choices.byte()), name }
        }
    };
    let main_leader = choices.of(&[Leader::Program, Leader::Shell]);
    Received { signal: signal(choices), sender, main_leader }
}

fn event(choices: &mut Choices<'_>) -> Event {
    let check = |choices: &mut Choices<'_>| choices.of(&Check::BOTH);
    match choices.below(20) {
        0 => Event::Start,
        1 => Event::Proceed,
        2 | 3 => Event::Tick,
        4 => Event::Prepared(match choices.below(3) {
            0 => Preparation::Done,
            1 => Preparation::Exited(choices.byte()),
            _ => Preparation::Failed(text(choices)),
        }),
        5..8 => Event::Spawned { member: member(choices), pid: pid(choices) },
        8 => {
            let failure = |choices: &mut Choices<'_>| SpawnFailure {
                member: member(choices),
                kind: choices.of(&[
                    SpawnFailureKind::NotFound,
                    SpawnFailureKind::NotExecutable,
                    SpawnFailureKind::Other,
                ]),
                reason: text(choices),
                hint: choices.flag().then(|| text(choices)),
            };
            Event::SpawnFailed((0..choices.below(3)).map(|_| failure(choices)).collect())
        }
        9 | 10 => Event::Signal(received(choices)),
        11..14 => {
            let count = choices.below(4);
            let members = (0..count).map(|_| (member(choices), status(choices))).collect();
            let flags = choices.byte();
            Event::Ends(Ends {
                members,
                orphans: usize::from(flags >> 2 & 3),
                none_left: flags & 1 == 1,
                out_of_memory: flags & 2 == 2,
            })
        }
        14 | 15 => {
            let count = choices.below(4);
            Event::Found(Found {
                processes: (0..count).map(|_| seen(choices)).collect(),
                took: Duration::from_millis(u64::from(choices.byte())),
                cut_short: choices.flag(),
                blind: choices.flag().then(|| text(choices)),
            })
        }
        16 => Event::SignalFailed(SignalFailure {
            pid: pid(choices),
            member: choices.flag().then(|| member(choices)),
            signal: signal(choices),
            reason: text(choices),
            denied: choices.flag(),
        }),
        17 => Event::Probed {
            check: check(choices),
            answer: match choices.below(3) {
                0 => Answer::Passed,
                1 => Answer::Failed(text(choices)),
                _ => Answer::OddlyPassed(text(choices)),
            },
        },
        18 => Event::MainStopped {
            signal: signal(choices),
            ours: choices.of(&[Foreground::Ours, Foreground::NotOurs]),
        },
        _ if choices.flag() => Event::OwnFailure(text(choices)),
        _ => Event::Late {
            last_look: Moment::at(Duration::from_millis(choices.below(4_000) as u64)),
        },
    }
}
