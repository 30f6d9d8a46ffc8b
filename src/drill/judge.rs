//! The judgement of a strike: pure, from what is known of the groups.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::cause;
use super::check::asks_over_http;
use super::document::{Outcome, Platforms, Problem, Process, Row};
use super::remains::Remains;
use super::step::{Back, Ending, Way};
use super::strike::{Kind, Strike};
use crate::core::{MemberId, Moment, Pid};
use crate::report::document::{MemberRow, Report, StragglerRow};
use crate::report::millis;
use crate::spec::{Launch, Signal, StopOrder};
use crate::sys::family::Relative;
use crate::sys::ports::Taken;

/// So many lines of output stand below a failure.
const OUTPUT_LINES: usize = 12;

/// Everything that a judgement depends on.
pub(super) struct Facts<'a> {
    pub(super) launch: &'a Launch,
    pub(super) strike: Strike,
    pub(super) ending: Ending,
    /// The group that was struck, or was to be.
    pub(super) struck: &'a Remains,
    /// The one that was to come back, if it has ended.
    pub(super) returned: Option<&'a Remains>,
    /// Which member was seen to listen at which port.
    pub(super) ports: &'a BTreeMap<u16, MemberId>,
    /// Ports that are taken now.
    pub(super) taken: BTreeSet<Taken>,
    /// Why the signal could not be sent.
    pub(super) not_sent: Option<String>,
    pub(super) within: Duration,
    pub(super) replay: String,
}

impl Facts<'_> {
    /// The group that something is wrong with.
    pub(super) fn to_blame(&self) -> &Remains {
        self.returned.filter(|_| self.ending.back == Back::Failed).unwrap_or(self.struck)
    }

    /// What a member is called.
    pub(super) fn name(&self, member: MemberId) -> &str {
        self.launch.members.get(member.index()).map_or("?", |member| member.name.as_str())
    }
}

/// This moment of the group's clock, in milliseconds from the strike.
fn since_struck(remains: &Remains, at_ms: f64) -> Option<f64> {
    let (zero, struck) = (remains.zero?, remains.struck?);
    Some(millis(zero.since_start()) + at_ms - millis(struck.since_start()))
}

/// What came of a strike.
pub(super) fn judge(facts: &Facts<'_>) -> Row {
    let Facts { launch, strike, ending, struck, .. } = facts;
    let report = struck.report.as_ref();
    let over = report.filter(|report| report.is_final);
    let since_struck = |at_ms| since_struck(struck, at_ms).filter(|ms| *ms >= 0.0);
    let judgement = decide(facts);
    let is_bad = judgement.outcome == Outcome::Fail;
    let by_moment = |at: Moment| struck.struck.map(|struck| millis(at.since(struck)));
    let ended = struck.end.filter(|_| ending.way == Way::Ended && strike.kind != Kind::Late);
    let exit_code =
        struck.end.filter(|_| ending.way == Way::Ended).map(|(status, _)| status.code());
    Row {
        target: strike.target(launch),
        strike: strike.kind.name().to_owned(),
        label: strike.label(launch),
        outcome: judgement.outcome,
        note: judgement.note,
        problem: judgement.problem,
        replay: facts.replay.clone(),
        told_ms: report
            .and_then(|report| told(launch, report))
            .and_then(since_struck)
            .filter(|_| ended.is_some()),
        gone_ms: ended.and_then(|(_, at)| {
            let over = over.and_then(|report| report.over_ms).and_then(since_struck);
            over.or_else(|| by_moment(at))
        }),
        exit_code,
        own_code: report.and_then(own_code).filter(|own| Some(*own) != exit_code),
        back_ms: match ending.back {
            // A group that starts late was struck when it was started.
            Back::Since(at) if strike.kind == Kind::Late => {
                struck.zero.map(|zero| millis(at.since(zero)))
            }
            Back::Since(at) => by_moment(at),
            Back::NotWanted | Back::Failed => None,
        },
        verdict: report.and_then(|it| it.verdict.as_ref()).map(|it| it.message.clone()),
        forced: report.map(forced).unwrap_or_default(),
        stragglers: report.map_or(Vec::new(), |report| {
            report.stragglers.iter().map(|it| straggler(struck, it)).collect()
        }),
        survivors: struck.survivors.iter().map(survivor).collect(),
        platforms: exit_code.map(|code| platforms(code, strike.kind)),
        output: if is_bad { facts.to_blame().last_lines(launch, OUTPUT_LINES) } else { Vec::new() },
        report: struck.report.clone(),
    }
}

/// A judgement in short.
struct Judgement {
    outcome: Outcome,
    note: String,
    problem: Option<Problem>,
}

impl Judgement {
    fn pass(note: impl Into<String>) -> Self {
        Self { outcome: Outcome::Pass, note: note.into(), problem: None }
    }

    fn skipped(note: impl Into<String>) -> Self {
        Self { outcome: Outcome::Skipped, note: note.into(), problem: None }
    }

    fn new(outcome: Outcome, note: String, problem: Problem) -> Self {
        Self { outcome, note, problem: Some(problem) }
    }

    fn fail((note, problem): (String, Problem)) -> Self {
        Self::new(Outcome::Fail, note, problem)
    }

    fn finding((note, problem): (String, Problem)) -> Self {
        Self::new(Outcome::Finding, note, problem)
    }
}

fn decide(facts: &Facts<'_>) -> Judgement {
    let Facts { launch, strike, ending, struck, .. } = facts;
    let name = strike.target(launch);
    if let Some(why) = &facts.not_sent {
        return Judgement::fail(cause::not_struck(facts, why));
    }
    match ending.way {
        Way::NotStruck => Judgement::skipped("not struck"),
        Way::NothingToStrike => {
            Judgement::skipped(format!("{name} had finished before, as it may"))
        }
        Way::EndedAlone => Judgement::pass("it ended alone, as it may"),
        Way::NeverHealthy => Judgement::fail(cause::never_healthy(facts)),
        Way::Healthy => Judgement::pass(""),
        Way::NotHealthyInTime => Judgement::fail(cause::late(facts)),
        Way::Ended if strike.kind == Kind::Late => Judgement::fail(cause::late(facts)),
        Way::StillThere => match (strike.kind, strike.member) {
            (Kind::Freeze, _) => unnoticed(facts),
            // Nobody can do anything about a SIGKILL: it was not seen.
            (Kind::Kill, _) => Judgement::fail(cause::deaf(facts)),
            (Kind::Term, Some(member)) if stops_by_another(launch, member) => {
                Judgement::finding(cause::another_signal(facts, member))
            }
            (_, Some(member)) => {
                Judgement::fail(cause::unstopped(facts, member, strike.signal(launch), None))
            }
            (_, None) => Judgement::fail(cause::deaf(facts)),
        },
        Way::Ended => {
            if let Some(problem) = teardown_problem(facts) {
                return Judgement::fail(problem);
            }
            if ending.back == Back::Failed {
                return Judgement::fail(cause::not_back(facts));
            }
            if !is_its_doing(facts) {
                return Judgement::finding(cause::otherwise(facts));
            }
            if strike.kind == Kind::Supervisor && !struck.survivors.is_empty() {
                return Judgement::finding(cause::survivors(facts));
            }
            let exit = struck.end.map_or(0, |(status, _)| status.code());
            if strike.kind != Kind::Platform && exit == 0 {
                return Judgement::finding(cause::not_recreated(facts));
            }
            Judgement::pass(left_behind(struck))
        }
    }
}

/// What went wrong between the strike and the end, the worst first.
fn teardown_problem(facts: &Facts<'_>) -> Option<(String, Problem)> {
    let Facts { launch, strike, struck, within, .. } = facts;
    let report = struck.report.as_ref()?;
    if strike.kind == Kind::Supervisor {
        return None;
    }
    let members = MemberId::all(launch.members.len()).zip(&report.members);
    if let Some((member, row)) = members.into_iter().find(|(_, row)| row.forced) {
        let told = row.told.as_ref().and_then(|told| Signal::from_name(&told.signal));
        return Some(cause::unstopped(facts, member, told, Some(report.spec.grace_period_ms)));
    }
    if let Some(straggler) = report.stragglers.iter().find(|it| it.forced || it.left) {
        return Some(cause::straggler(facts, straggler));
    }
    let (status, at) = struck.end?;
    if !report.is_final {
        return Some(cause::deaf(facts));
    }
    // A freeze takes its time until it is noticed.
    let verdict = report.verdict.as_ref().map(|verdict| verdict.at_ms);
    let noticed = struck
        .zero
        .zip(verdict)
        .map(|(zero, ms)| zero.plus(Duration::from_secs_f64(ms.max(0.0) / 1e3)));
    let since = if strike.kind == Kind::Freeze { noticed } else { struck.struck };
    let took = at.since(since?);
    if took > *within {
        return Some(cause::too_slow(facts, took));
    }
    let exit = status.code();
    if strike.kind == Kind::Platform && !stops_well(launch, facts.strike, exit) {
        return Some(cause::exit_code(facts, exit));
    }
    None
}

/// Whether a platform that has asked for the end takes this code for an orderly one.
fn stops_well(launch: &Launch, strike: Strike, exit: u8) -> bool {
    let asked = strike.signal(launch).map(Signal::shell_code);
    let told = launch.members.first().and_then(|main| main.stop_signal).map(Signal::shell_code);
    [Some(0), asked, told, launch.exit_codes.stopped].contains(&Some(exit))
}

/// Whether the strike is what ended the group.
fn is_its_doing(facts: &Facts<'_>) -> bool {
    let Facts { launch, strike, struck, .. } = facts;
    let Some(verdict) = struck.report.as_ref().and_then(|report| report.verdict.as_ref()) else {
        return true;
    };
    // It may have ended by itself, just before.
    if since_struck(struck, verdict.at_ms).is_some_and(|ms| ms < 0.0) {
        return false;
    }
    match strike.kind {
        Kind::Kill | Kind::Term => {
            verdict.culprit.as_deref() == Some(strike.target(launch).as_str())
        }
        Kind::Freeze => verdict.cause == "unhealthy",
        Kind::Platform => verdict.cause == "stop_request",
        Kind::Late | Kind::Supervisor => true,
    }
}

/// Whether the spec says that SIGTERM is not what this member is stopped by.
fn stops_by_another(launch: &Launch, member: MemberId) -> bool {
    let signal = launch.members.get(member.index()).and_then(|member| member.stop_signal);
    signal.is_some_and(|signal| signal != Signal::TERM)
}

/// A frozen main that nobody notices.
fn unnoticed(facts: &Facts<'_>) -> Judgement {
    let Facts { launch, struck, .. } = facts;
    if !asks_over_http(launch) {
        return Judgement::finding(cause::frozen(facts));
    }
    let leader = struck.leader(MemberId::MAIN).map(|it| it.key.pid);
    let has_children = struck.seen.values().any(|it| Some(it.parent) == leader);
    if has_children {
        return Judgement::finding(cause::children_answer(facts));
    }
    Judgement::fail(cause::somebody_answers(facts))
}

/// When the last of those was told to stop that need not wait for main; `None` if nobody was.
fn told(launch: &Launch, report: &Report) -> Option<f64> {
    let members = launch.members.iter().zip(&report.members);
    let told = members.filter(|(member, _)| member.stop == StopOrder::AtOnce);
    told.filter_map(|(_, row)| row.told.as_ref().map(|told| told.at_ms)).reduce(f64::max)
}

/// The exit code of whoever ended first.
fn own_code(report: &Report) -> Option<u8> {
    let verdict = report.verdict.as_ref().filter(|verdict| verdict.cause == "member_ended")?;
    let culprit = verdict.culprit.as_ref()?;
    let row = report.members.iter().find(|row| row.name == *culprit)?;
    let code = row.ended.as_ref()?.status.get("exit_code")?.as_u64()?;
    u8::try_from(code).ok()
}

fn forced(report: &Report) -> Vec<String> {
    let forced = report.members.iter().filter(|row: &&MemberRow| row.forced);
    forced.map(|row| row.name.clone()).collect()
}

fn straggler(remains: &Remains, row: &StragglerRow) -> Process {
    let seen = remains.seen.get(&Pid(row.pid));
    Process {
        pid: row.pid,
        command: seen.map_or(row.name.clone(), |seen| seen.command.clone()),
        member: row.member.clone(),
        forced: row.forced,
    }
}

fn survivor(seen: &Relative) -> Process {
    Process { pid: seen.inner.0, command: seen.command.clone(), member: None, forced: true }
}

/// Of stragglers that ended as they were told it is said that they were there.
fn left_behind(remains: &Remains) -> String {
    let Some(report) = &remains.report else { return String::new() };
    let commands: Vec<String> =
        report.stragglers.iter().map(|row| straggler(remains, row).command).collect();
    match commands.as_slice() {
        [] => String::new(),
        [one] => format!("left {one:?}, which ended"),
        [one, others @ ..] => format!("left {one:?} and {} more, which ended", others.len()),
    }
}

/// What the policies make of this (Docker's `--restart`, Kubernetes' `restartPolicy`, `reference` of Cloud
/// Foundry: every end that nobody asked for is a crash). After a stop request of the platform's own no one
/// starts it again.
fn platforms(code: u8, kind: Kind) -> Platforms {
    let crashed = kind != Kind::Platform;
    let failed = crashed && code != 0;
    Platforms {
        docker_always: crashed,
        docker_on_failure: failed,
        kubernetes_always: crashed,
        kubernetes_on_failure: failed,
        cloud_foundry: crashed,
    }
}
