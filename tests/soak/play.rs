//! Plays one random group from its start until nothing of it is left.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::chance::Chance;
use crate::judge::{Judge, Kind};
use crate::plan::{Place, Plan, TOO_MANY, TRAP};
use crate::strike::{Blow, Done, Strike, Target, child_running, lives, own_child};
use crate::support::{Ended, LIMIT, Running, fateshare, poll, proc};

/// So long a group that has to end may go on, on a machine that is very busy: a safety net for a test that would hang.
const PATIENCE: Duration = Duration::from_secs(25);

/// The same where it may have been the shell of the profile scripts that was struck, which is no reason to end.
const DOUBT: Duration = Duration::from_secs(4);

/// The same where it probably has no reason to end.
const GLANCE: Duration = Duration::from_millis(80);

/// What is said of who had no turn to die within the time that there is for it.
const TO_THE_KERNEL: &str = ": left to the kernel";

/// What may be worth counting of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Note {
    /// It was struck before a member ran.
    Early,
    /// A signal came before there was anybody to hear it.
    Unheard,
    /// There was no time to write its report.
    NoReport,
    /// Somebody had SIGKILL, and no turn to die of it in time.
    ToTheKernel,
}

/// What became of one group.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) kind: Kind,
    /// Processes that only `run --pid1` or a container would have ended with a `fateshare` that was killed.
    pub(crate) left: usize,
    /// Members that stop when they are told, and had to be killed all the same.
    pub(crate) late: usize,
    /// What else is worth counting.
    pub(crate) notes: Vec<Note>,
    /// From the verdict to the end, beyond the grace period, in milliseconds.
    pub(crate) beyond: f64,
}

/// Plays it; panics when anything is not as it should be.
pub(crate) fn play(plan: &Plan) -> Played {
    let dir = tempfile::tempdir().expect("a directory");
    let mut chance = Chance::new(plan.seed ^ 0xFA7E);
    let running = plan.group(dir.path()).start();
    let wrapper = own_child().expect("the child that was just started");
    let mut done = Done::default();
    if let Some(outer) = until(wrapper, || child_running(wrapper, fateshare())) {
        // Not to wait for something: this is the random moment.
        thread::sleep(Duration::from_micros(plan.delay));
        let inner = match plan.place {
            Place::Apart => until(outer, || child_running(outer, fateshare())).unwrap_or(outer),
            _ => outer,
        };
        let target = Target { outer, inner };
        done = target.strike(plan.strike, &mut chance);
        close(plan, wrapper, &target, &mut done);
    }
    let gone = poll(LIMIT, || (!lives(wrapper)).then_some(()));
    assert!(gone.is_some(), "it did not end within {LIMIT:?}: {done:?}\n{}", state(&running));
    let report = fs::read_to_string(dir.path().join("report.json")).ok();
    let report: Option<Value> = report.map(|text| serde_json::from_str(&text).expect("JSON"));
    let is_final = report.as_ref().is_some_and(|report| report["is_final"] == true);
    let was_killed = done.killed && !is_final;
    files(plan, dir.path(), running.dir(), done.killed);
    // As PID 1 it takes everybody with it before its own end is seen. Elsewhere who is killed with it, or by it in
    // the last moment, ends soon; with `--pid1` the one that is killed may not have reaped the other.
    let is_loose = was_killed
        || (done.killed && plan.place == Place::Apart)
        || running.stderr().contains(TO_THE_KERNEL);
    let (ended, left) = if was_killed && plan.place == Place::Ordinary {
        end_sweeping(plan, running)
    } else if is_loose && plan.place != Place::Pid1 {
        (running.end_killed(), 0)
    } else {
        (running.end(), 0)
    };
    let judge = Judge { plan, done: &done, ended: &ended, report: report.as_ref() };
    let kind = judge.kind().unwrap_or_else(|why| panic!("{why}\n{done:?}\n{ended}"));
    Played {
        kind,
        notes: [
            (Note::Early, done.early),
            (Note::Unheard, done.sent.iter().any(|sent| !sent.heard)),
            (Note::NoReport, judge.has_no_report()),
            (Note::ToTheKernel, ended.stderr.contains(TO_THE_KERNEL)),
        ]
        .into_iter()
        .filter_map(|(note, is)| is.then_some(note))
        .collect(),
        left,
        late: judge.late(),
        beyond: judge.beyond(),
    }
}

/// What everybody does who is still there.
fn state(running: &Running) -> String {
    let each = running.processes().into_iter().map(|pid| {
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}"));
        let waits = read("wchan").unwrap_or_default();
        format!("{} {waits} {}", proc::describe(pid), read("syscall").unwrap_or_default())
    });
    each.collect::<Vec<_>>().join("\n") + "\n" + &running.stderr() + &running.log()
}

/// Waits as long as this process lives.
fn until<T>(pid: i32, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    loop {
        let answer = ask();
        if answer.is_some() || !lives(pid) {
            return answer;
        }
        assert!(began.elapsed() < LIMIT, "{pid} lives, and nothing comes of it");
        thread::sleep(Duration::from_micros(200));
    }
}

/// Whatever did not end it is no reason to wait: then it is told to stop, until it hears that.
fn close(plan: &Plan, wrapper: i32, target: &Target, done: &mut Done) {
    let own = plan.unhealthy || plan.members.iter().any(|(_, shape)| shape.ends_the_group());
    let must_end = done.killed || done.sent.iter().any(|sent| sent.heard && is_stop(sent.signal));
    let killed = |blow: &Blow| blow.signal == Signal::SIGKILL && blow.lived && blow.led;
    let hit = plan.strike != Strike::Descendant && done.blows.iter().any(killed);
    let decisive = own || must_end || hit;
    let mut patience = match decisive {
        true if hit && plan.profile && !own && !must_end => DOUBT,
        true => PATIENCE,
        false => GLANCE,
    };
    loop {
        if poll(patience, || (!lives(wrapper)).then_some(())).is_some() {
            return;
        }
        assert!(!must_end, "it goes on {PATIENCE:?} after {done:?}");
        done.closing = true;
        let before = done.sent.len();
        target.send(Signal::SIGTERM, done);
        if done.sent[before..].iter().all(|sent| sent.heard) {
            return;
        }
        patience = Duration::from_millis(20);
    }
}

pub(crate) fn is_stop(signal: Signal) -> bool {
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT].contains(&signal)
}

/// No file is left but those that are meant to be. A `fateshare` that is killed leaves its socket, which the next
/// one replaces, and may just be writing its report.
fn files(plan: &Plan, dir: &Path, cwd: &Path, was_killed: bool) {
    let names = |dir: &Path| -> Vec<String> {
        let entries = fs::read_dir(dir).expect("the directory").flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    let expected = |name: &String| {
        name == "report.json"
            || (was_killed && (name.starts_with("group.sock") || name.starts_with(".report.json.")))
    };
    let left: Vec<String> = names(dir).into_iter().filter(|name| !expected(name)).collect();
    assert!(left.is_empty(), "files that are left: {left:?}");
    let known = ["group.yml", "log", "stdout", "stderr", "left", ".profile"];
    let left: Vec<String> =
        names(cwd).into_iter().filter(|name| !known.contains(&name.as_str())).collect();
    assert!(!left.iter().any(|name| name == TOO_MANY), "a member has got descriptors: {plan:?}");
    assert!(left.is_empty(), "files that are left where it ran: {left:?}");
}

/// Elsewhere than in a namespace of its own a killed `fateshare` takes its members with it, and nobody else: waits
/// for the former, ends the latter, and counts them.
fn end_sweeping(plan: &Plan, running: Running) -> (Ended, usize) {
    let mark = format!("LOG={}", running.dir().join("log").display());
    let is_leader = |pid: i32| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        let words: Vec<&str> = command.split('\0').collect();
        let named = words.get(2).is_some_and(|word| plan.members.iter().any(|it| it.0 == *word));
        named || command.contains("group.yml") || command.contains(TRAP)
    };
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        // Until the end: who is just becoming another program cannot be seen for a moment.
        let sweeper = scope.spawn(|| {
            let mut left = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                for pid in proc::marked(&mark) {
                    if !is_leader(pid) && kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok() {
                        left.insert(pid);
                    }
                }
                thread::sleep(Duration::from_millis(5));
            }
            left.len()
        });
        let ended = catch_unwind(AssertUnwindSafe(|| running.end_killed()));
        over.store(true, Ordering::Relaxed);
        let left = sweeper.join().expect("it only looks and kills");
        (ended.unwrap_or_else(|panic| resume_unwind(panic)), left)
    })
}

/// What a group is judged by says as much as this.
pub(crate) fn said(ended: &Ended, plan: &Plan) -> Vec<String> {
    let message = |line: &str| plan.format.message(line);
    let ours = ended.stderr.lines().filter_map(message);
    ours.filter(|(who, _)| who.as_deref() == Some("fateshare")).map(|(_, text)| text).collect()
}
