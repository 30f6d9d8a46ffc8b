//! Why a strike failed: one cause, told apart by evidence, and one fix.

use std::path::Path;
use std::time::Duration;

use super::check;
use super::document::Problem;
use super::judge::Facts;
use super::remains::Remains;
use super::step::Way;
use crate::core::{MemberId, Pid, span};
use crate::report::document::{MemberRow, Report, StragglerRow};
use crate::report::timeline::time;
use crate::spec::Signal;
use crate::sys::family::Relative;
use crate::sys::ports::Use;

/// A few words for the table, and the whole.
type Found = (String, Problem);

/// Programs that run others, and wait for them.
const SHELLS: [&str; 8] = ["sh", "bash", "dash", "ash", "busybox", "ksh", "zsh", "mksh"];

fn problem(kind: &str, cause: impl Into<String>, fix: impl Into<String>) -> Problem {
    Problem { kind: kind.to_owned(), cause: cause.into(), fix: fix.into() }
}

/// A member that did not end when it got this signal: why. `grace` is there when SIGKILL ended it.
pub(super) fn unstopped(
    facts: &Facts<'_>,
    member: MemberId,
    signal: Option<Signal>,
    grace: Option<f64>,
) -> Found {
    let name = facts.name(member);
    let then = grace.map_or_else(
        || format!("still there after {}", span(facts.within)),
        |grace| format!("SIGKILL after {}", time(grace)),
    );
    let Some(signal) = signal else {
        let note = format!("{name} was not told to stop; {then}");
        let fix = "Raise grace_period: whoever stops after main had no time left.";
        return (note, problem("not_told", format!("{name} was not told to stop in time."), fix));
    };
    let Some(leader) = facts.struck.leader(member) else {
        let note = format!("{name} did not end on {signal}; {then}");
        let cause = format!("{name} does not end on {signal}.");
        return (note, problem("does_not_end", cause, "Let it end when it is told to stop."));
    };
    let handle = "Handle it, or set stop_signal to the one it handles.";
    let children = facts.struck.seen.values().filter(|it| it.parent == leader.key.pid);
    let child = children.max_by_key(|it| it.key.pid).filter(|_| is_shell(leader));
    if leader.ignored.has(signal) {
        let cause = format!("{name} ignores {signal} (SigIgn).");
        return (
            format!("{name} ignored {signal}; {then}"),
            problem("ignores_signal", cause, handle),
        );
    }
    if leader.blocked.has(signal) && !leader.caught.has(signal) {
        let cause = format!("{name} blocks {signal} (SigBlk).");
        return (
            format!("{name} blocked {signal}; {then}"),
            problem("blocks_signal", cause, handle),
        );
    }
    if let Some(child) = child {
        let shell = file_name(leader);
        let note = format!("{name}'s {shell} kept {signal} to itself; {then}");
        let cause = format!(
            "{name} is a {shell} that waits for `{}` and does not pass {signal} on.",
            child.command
        );
        let fix = format!(
            "Let {shell} start it with `exec`, so that the signal meets the program; or let a trap stop the \
             program and end."
        );
        return (note, problem("shell_without_exec", cause, fix));
    }
    let note = format!("{name} did not end on {signal}; {then}");
    if leader.caught.has(signal) {
        // While its handler runs, the kernel blocks a signal.
        let still = if leader.blocked.has(signal) { "is still in its handler" } else { "goes on" };
        let cause = format!("{name} catches {signal} (SigCgt), and {still}.");
        let fix = "Let it end when it comes; if it needs longer, raise grace_period, and the platform's \
                   beyond that.";
        return (note, problem("catches_signal", cause, fix));
    }
    let cause =
        format!("{name} does not end on {signal}, though it neither ignores nor catches it.");
    let fix = "Look at what it waits for: in state D it hangs in the kernel, as PID 1 of a namespace of \
               its own it takes no signal that it does not catch.";
    (note, problem("does_not_end", cause, fix))
}

/// A process that outlived its member and needed SIGKILL.
pub(super) fn straggler(facts: &Facts<'_>, row: &StragglerRow) -> Found {
    let Facts { launch, struck, .. } = facts;
    let seen = struck.seen.get(&Pid(row.pid));
    let command = seen.map_or(row.name.as_str(), |seen| seen.command.as_str());
    let found = seen.and_then(|seen| struck.member_of(launch, seen.key.pid));
    let owner = row.member.as_deref().or(found.map(|member| facts.name(member)));
    let whose = owner.map_or(String::new(), |owner| format!(" that {owner} started"));
    let signal = row.told.as_ref().and_then(|told| Signal::from_name(&told.signal));
    let deaf = match (seen, signal) {
        (Some(seen), Some(signal)) if seen.ignored.has(signal) => format!(" It ignores {signal}."),
        (Some(seen), Some(signal)) if seen.blocked.has(signal) => format!(" It blocks {signal}."),
        (Some(_), Some(signal)) => format!(" It does not end on {signal}."),
        _ => String::new(),
    };
    let note = |what: &str| format!("`{command}` {what}; SIGKILL after {}", grace(struck));
    let stop_it = "Let whoever starts it stop it and wait for its end, or make it a sidecar.";
    let Some((seen, (copy, session))) = seen.zip(struck.copy) else {
        let cause = format!("`{command}`{whose} outlives it.{deaf}");
        return (note("was left"), problem("left_behind", cause, stop_it));
    };
    let leaders = MemberId::all(launch.members.len());
    let leaders: Vec<&Relative> = leaders.filter_map(|it| struck.leader(it)).collect();
    let is_known = |number: Pid| leaders.iter().any(|leader| leader.session == number);
    if seen.session != session && !is_known(seen.session) {
        let cause = format!("`{command}`{whose} has a session of its own (setsid).{deaf}");
        let fix = "Start it without setsid, nohup or a daemon mode; what is to live beside the app is a \
                   sidecar.";
        return (note("has its own session"), problem("own_session", cause, fix));
    }
    if seen.parent == copy {
        let cause = format!("`{command}`{whose} went into the background by a double fork.{deaf}");
        let fix = "Run it in the foreground, as a sidecar of its own.";
        return (note("forked twice"), problem("double_fork", cause, fix));
    }
    let parent = struck.seen.values().find(|it| it.key.pid == seen.parent);
    match parent {
        Some(leader) if is_shell(leader) && leaders.contains(&leader) => {
            let shell = file_name(leader);
            let cause = format!(
                "{shell} ended and left `{command}`, which it had not started with exec.{deaf}"
            );
            let fix = format!(
                "Let {shell} start it with `exec` where it is the last command; else let {shell} stop it in a trap."
            );
            (note("was left by its shell"), problem("shell_without_exec", cause, fix))
        }
        Some(parent) => {
            let cause = format!("`{}` ended and left `{command}`{whose}.{deaf}", parent.command);
            (note("was left"), problem("left_behind", cause, stop_it))
        }
        None => {
            let cause = format!("`{command}`{whose} outlives it.{deaf}");
            (note("was left"), problem("left_behind", cause, stop_it))
        }
    }
}

/// There is no group that could be struck.
pub(super) fn never_healthy(facts: &Facts<'_>) -> Found {
    let what = why_ended(facts, facts.struck);
    let cause = format!("The group does not become healthy, untouched: {what}.");
    let (kind, cause, fix) = match port_trouble(facts) {
        Some(trouble) => ("port_taken", format!("{cause} {trouble}"), PORT_FIX.to_owned()),
        None => ("never_healthy", cause, "Mend that first, with `fateshare run`.".to_owned()),
    };
    ("the group does not become healthy".to_owned(), problem(kind, cause, fix))
}

/// Whether whoever ended first found the port taken at which it listened in another group: it says so, it
/// did not come to listen this time, and the port is taken.
fn port_trouble(facts: &Facts<'_>) -> Option<String> {
    const SAID: [&str; 3] = ["address already in use", "eaddrinuse", "address in use"];
    let failed = facts.to_blame();
    failed.end?;
    let culprit = ended_by_itself(failed.report.as_ref()?)?;
    let output = failed.output().to_lowercase();
    if !SAID.iter().any(|words| output.contains(words)) {
        return None;
    }
    let its = |port: u16| {
        let member = facts.ports.get(&port);
        member.is_some_and(|member| facts.name(*member) == culprit.name)
            && !failed.ports.contains(&port)
    };
    let by = |by: Use| facts.taken.iter().find(|it| it.by == by && its(it.port)).map(|it| it.port);
    if let Some(port) = by(Use::Listens) {
        return Some(format!("Somebody still listens at its port {port}."));
    }
    let port = by(Use::Lingers)?;
    Some(format!(
        "The kernel remembers connections at its port {port} for a minute (TIME_WAIT); who sets SO_REUSEADDR \
         can listen there all the same."
    ))
}

const PORT_FIX: &str =
    "Let the server set SO_REUSEADDR before it binds, and leave no process that listens.";

/// A member that came late, and the group did not live with that.
pub(super) fn late(facts: &Facts<'_>) -> Found {
    let Facts { launch, strike, ending, struck, ports, .. } = facts;
    let late = strike.target(launch);
    let port =
        ports.iter().find(|(_, member)| Some(**member) == strike.member).map(|(port, _)| *port);
    let where_ = port.map_or(late.clone(), |port| format!("localhost:{port}"));
    let culprit = struck.report.as_ref().and_then(ended_by_itself);
    let (who, did) = match (&culprit, ending.way) {
        (_, Way::NotHealthyInTime) | (None, _) => {
            (facts.name(MemberId::MAIN).to_owned(), "does not become healthy".to_owned())
        }
        (Some(row), _) => (row.name.clone(), did(row)),
    };
    if let Some(trouble) = port_trouble(facts) {
        let cause = format!("{who} {did}. {trouble}");
        return ("its port is still bound".to_owned(), problem("port_taken", cause, PORT_FIX));
    }
    if who == late {
        let note = format!("{who} {did} when it starts last");
        let fix =
            format!("Let {who} come up when the others already run: start order is undefined.");
        return (note.clone(), problem("comes_late", format!("{note}."), fix));
    }
    let note = format!("{who} {did} if {late} is not up yet");
    let cause = format!("{note}. Start order is undefined on Cloud Foundry.");
    (note, problem("late_dependency", cause, format!("Make {who} retry {where_}.")))
}

/// The next group is not healthy.
pub(super) fn not_back(facts: &Facts<'_>) -> Found {
    let what =
        facts.returned.map_or("it is not healthy in time".to_owned(), |it| why_ended(facts, it));
    if let Some(trouble) = port_trouble(facts) {
        let cause = format!("The next group did not become healthy: {what}. {trouble}");
        return ("its port is still bound".to_owned(), problem("port_taken", cause, PORT_FIX));
    }
    let cause = format!("The next group did not become healthy: {what}.");
    let fix = "Let it come up on what the last one has left: lock and PID files, sockets, ports.";
    ("the next group did not become healthy".to_owned(), problem("not_back", cause, fix))
}

/// The teardown was orderly, and took too long.
pub(super) fn too_slow(facts: &Facts<'_>, took: Duration) -> Found {
    /// What ends so long behind the last member is a straggler.
    const BEHIND: f64 = 50.0;
    let report = facts.struck.report.as_ref();
    let ended = |row: &MemberRow| row.ended.as_ref().map_or(0.0, |end| end.at_ms);
    // Who was told later has had less time.
    let took_ms = |row: &MemberRow| {
        ended(row) - row.told.as_ref().map_or_else(|| ended(row), |told| told.at_ms)
    };
    let last = report
        .and_then(|report| report.members.iter().max_by(|a, b| took_ms(a).total_cmp(&took_ms(b))));
    let end = report.map_or(0.0, |report| report.members.iter().map(ended).fold(0.0, f64::max));
    let over = report.and_then(|report| report.over_ms).unwrap_or_default();
    let straggler = report.and_then(|report| report.stragglers.last());
    let who = match (last, straggler) {
        (Some(_), Some(straggler)) if over - end > BEHIND => {
            let seen = facts.struck.seen.get(&Pid(straggler.pid));
            format!("`{}`", seen.map_or(straggler.name.as_str(), |seen| seen.command.as_str()))
        }
        (Some(row), _) => row.name.clone(),
        (None, _) => "the group".to_owned(),
    };
    let note = format!("{who} took {}, more than {}", span(took), span(facts.within));
    let cause = format!("{who} is the last to end, and takes longer than {}.", span(facts.within));
    let fix = "Let it end sooner, or allow for it with --within and with the platform's own limit.";
    (note, problem("too_slow", cause, fix))
}

/// A stop request that looks like a crash.
pub(super) fn exit_code(facts: &Facts<'_>, exit: u8) -> Found {
    let main = facts.name(MemberId::MAIN);
    let note = format!("{main} exits with {exit} when it is asked to stop");
    let own = facts.launch.members.first().and_then(|main| main.stop_signal);
    let signal = own.or(facts.strike.signal(facts.launch)).unwrap_or(Signal::TERM);
    let wanted = signal.shell_code();
    let cause = format!("{note}; 0 or {wanted} would say that all is well.");
    let fix = format!("Let {main} exit with 0 after {signal}.");
    (note, problem("stop_looks_like_crash", cause, fix))
}

/// A member that SIGTERM does not end, as its spec says.
pub(super) fn another_signal(facts: &Facts<'_>, member: MemberId) -> Found {
    let found = facts.launch.members.get(member.index());
    let name = facts.name(member);
    let signal = found.and_then(|it| it.stop_signal).unwrap_or(Signal::TERM);
    let cause = format!("{name} does not end on SIGTERM; its stop_signal is {signal}.");
    let fix =
        format!("fateshare stops it by that. Whoever else stops it has to send {signal} too.");
    (format!("it is stopped by {signal} alone"), problem("another_stop_signal", cause, fix))
}

/// The group ended, and not because of the strike.
pub(super) fn otherwise(facts: &Facts<'_>) -> Found {
    let what = why_ended(facts, facts.struck);
    let note = "it ended for another reason".to_owned();
    let cause = format!(
        "{} {} was not what ended the group: {what}.",
        facts.strike.target(facts.launch),
        facts.strike.label(facts.launch)
    );
    let fix = "Look whether that follows from the strike; else it is a crash of its own.";
    (note, problem("ended_otherwise", cause, fix))
}

/// The signal could not be sent.
pub(super) fn not_struck(facts: &Facts<'_>, why: &str) -> Found {
    let name = facts.strike.target(facts.launch);
    let cause = format!("{name} could not be struck: {why}.");
    let fix = if why.contains("/proc") {
        "Mount /proc, or look whether it had ended just before."
    } else {
        "Run the drill as root, or as the user whom the members run as."
    };
    ("it could not be struck".to_owned(), problem("cannot_strike", cause, fix))
}

/// fateshare itself did not do what it was asked for.
pub(super) fn deaf(facts: &Facts<'_>) -> Found {
    let how = facts.struck.end.map_or("it still runs".to_owned(), |(status, _)| status.to_string());
    let cause = format!("fateshare did not end the group as it should: {how}.");
    let fix = "Please report it, with the output of --json.";
    ("fateshare did not end it".to_owned(), problem("fateshare", cause, fix))
}

/// A crash that no policy but the strictest sees.
pub(super) fn not_recreated(facts: &Facts<'_>) -> Found {
    let report = facts.struck.report.as_ref();
    let culprit = report.and_then(ended_by_itself).map(|row| row.name.clone());
    let name = culprit.unwrap_or_else(|| facts.strike.target(facts.launch));
    let cause = format!(
        "{name}'s end gives exit code 0: Docker's on-failure and Kubernetes' OnFailure take that for success \
         and start nothing again."
    );
    let is_main = facts.name(MemberId::MAIN) == name;
    let key = if is_main { "main_success" } else { "sidecar_success" };
    let fix = format!("Set exit_codes.{key} to 69, unless the end of {name} is a success.");
    ("exit 0: not every policy recreates it".to_owned(), problem("looks_like_success", cause, fix))
}

/// What only a real PID 1 takes along.
pub(super) fn survivors(facts: &Facts<'_>) -> Found {
    let all = &facts.struck.survivors;
    let first = all.first().map_or("?", |it| it.command.as_str());
    let count = all.len();
    let note = if count == 1 {
        "1 process survived".to_owned()
    } else {
        format!("{count} processes survived")
    };
    let cause = format!(
        "{note} when fateshare was killed: `{first}`; what members start is not tied to it."
    );
    let fix =
        "Run fateshare as the container's PID 1, or with --pid1: then the kernel ends everything.";
    (note, problem("survivors", cause, fix))
}

/// Nobody asks main anything that a frozen one could not answer.
pub(super) fn frozen(facts: &Facts<'_>) -> Found {
    let name = facts.name(MemberId::MAIN);
    let (check, why) = match check::of_main(facts.launch) {
        Some(_) => ("a port check", "the kernel takes connections for a frozen process too"),
        None => ("a process check", "a frozen process has not ended"),
    };
    let cause = format!("{name} was frozen, and nobody noticed: {check} cannot see it, {why}.");
    let fix = "Give it a health_check of type http.";
    (format!("{check} does not notice it"), problem("frozen_unnoticed", cause, fix))
}

pub(super) fn children_answer(facts: &Facts<'_>) -> Found {
    let name = facts.name(MemberId::MAIN);
    let cause = format!("{name} was frozen, and what it has started answers its health check.");
    let fix = "That may be as it should be: the work goes on. Else ask for something that only it can answer.";
    ("its children answer for it".to_owned(), problem("children_answer", cause, fix))
}

pub(super) fn somebody_answers(facts: &Facts<'_>) -> Found {
    let name = facts.name(MemberId::MAIN);
    let cause =
        format!("{name} was frozen, and its health check still passes: somebody else answers.");
    let fix = "Let the health_check ask the port at which the main process itself answers.";
    ("its health check does not notice it".to_owned(), problem("frozen_unnoticed", cause, fix))
}

/// Why a group ended, in short: its verdict, else the last that it said.
fn why_ended(facts: &Facts<'_>, remains: &Remains) -> String {
    let verdict = remains.report.as_ref().and_then(|it| it.verdict.as_ref());
    if let Some(verdict) = verdict {
        return verdict.message.trim_end_matches('.').to_owned();
    }
    match (remains.end, remains.last_lines(facts.launch, 1).pop()) {
        (None, _) => "it is not healthy in time".to_owned(),
        (Some(_), Some(line)) => line.trim_start_matches("fateshare: ").to_owned(),
        (Some((status, _)), None) => format!("fateshare {status}"),
    }
}

/// The member whose end was the group's.
fn ended_by_itself(report: &Report) -> Option<&MemberRow> {
    let verdict = report.verdict.as_ref().filter(|verdict| verdict.cause == "member_ended")?;
    let name = verdict.culprit.as_ref()?;
    report.members.iter().find(|row| row.name == *name)
}

/// What a member did, as others see it: `exits 1`.
fn did(row: &MemberRow) -> String {
    let status = row.ended.as_ref().map(|end| &end.status);
    let code = status.and_then(|status| status.get("exit_code")?.as_u64());
    let signal = status.and_then(|status| status.get("signal")?.as_str());
    match (code, signal) {
        (Some(code), _) => format!("exits {code}"),
        (None, Some(signal)) => format!("is killed by {signal}"),
        (None, None) => "does not become healthy".to_owned(),
    }
}

fn grace(remains: &Remains) -> String {
    remains.report.as_ref().map_or("?".to_owned(), |report| time(report.spec.grace_period_ms))
}

fn is_shell(process: &Relative) -> bool {
    SHELLS.contains(&file_name(process).as_str())
}

fn file_name(process: &Relative) -> String {
    let name = process.program.as_deref().and_then(Path::file_name);
    name.map_or(process.name.clone(), |name| name.to_string_lossy().into_owned())
}
