//! The report: everything about one group, as a document that others read.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::{Event, cause, culprit, meaning, sender, status};
use super::{Entry, millis};
use crate::core::{
    Happening, MemberId, MemberStory, Moment, Story, Straggler, exit_description, render, timestamp,
};
use crate::spec::{ExitCodes, Launch, MayFinish, Member, Signal, StopOrder, StopTo};

/// Which form of report this is; the schema is `docs/report.schema.json`.
pub const FORM: &str = "fateshare-report/1";

/// Everything about one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`FORM`].
    pub form: String,
    /// Whether the group is over; if not, everything left is about to get SIGKILL.
    pub is_final: bool,
    /// When the group was made, by the machine's clock. All `..._ms` count from here.
    pub began: String,
    /// Who ran it, and where.
    pub environment: Environment,
    /// What was to be run.
    pub spec: Spec,
    /// Why it ended.
    pub verdict: Option<VerdictRow>,
    /// The exit code; `null` while it is not over.
    pub exit_code: Option<u8>,
    /// The line that says how it ended.
    pub summary: Option<String>,
    /// When it was over.
    pub over_ms: Option<f64>,
    /// The members, main first.
    pub members: Vec<MemberRow>,
    /// Descendants that outlived their member.
    pub stragglers: Vec<StragglerRow>,
    /// Signals that fateshare got.
    pub signals: Vec<SignalRow>,
    /// Members' output, where it was relayed.
    pub logs: Vec<LogRow>,
    /// How many of its own messages fateshare dropped, because nobody read them.
    pub messages_dropped: u64,
    /// Everything that happened, in order.
    pub events: Vec<Event>,
    /// How many more there were than are listed, of signals and of changes of readiness.
    pub events_left_out: u64,
}

/// Who ran a group, and where.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// The version of fateshare.
    pub version: String,
    /// Its process number.
    pub pid: i32,
    /// `init` as PID 1 of a PID namespace, else `subreaper`.
    pub role: String,
    /// Its effective user.
    pub uid: u32,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// The host's name, in a container usually the container's.
    pub host: Option<String>,
    /// How members' output was passed on.
    pub log_format: String,
    /// The container's memory limit.
    pub memory_limit_bytes: Option<u64>,
}

/// What was to be run, without any member's environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Where it came from.
    pub source: String,
    /// From the verdict to SIGKILL.
    pub grace_period_ms: f64,
    /// Signals that are a stop request.
    pub stop_on: Vec<String>,
    /// Exit codes for verdicts that have none of their own.
    pub exit_codes: Codes,
    /// The platform that is played.
    pub platform: Option<String>,
}

/// Exit codes for verdicts that have none of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Codes {
    /// The main process ended first, with 0.
    pub main_success: u8,
    /// A sidecar ended first, with 0.
    pub sidecar_success: u8,
    /// A health check failed.
    pub unhealthy: u8,
    /// In place of 0 and of main's stop signal after a stop request.
    pub stopped: Option<u8>,
}

/// Why the group ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictRow {
    /// When that was decided.
    pub at_ms: f64,
    /// Its class.
    pub cause: String,
    /// The member that is to blame.
    pub culprit: Option<String>,
    /// The verdict in one line.
    pub message: String,
    /// The crash as Cloud Foundry describes it, where that is played.
    pub cloud_foundry: Option<String>,
    /// When SIGKILL was due.
    pub deadline_ms: f64,
}

/// One member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemberRow {
    /// Its name.
    pub name: String,
    /// `main` or `sidecar`.
    pub role: String,
    /// Its command, as it was written.
    pub command: String,
    /// Where it ran; `null` is fateshare's own directory.
    pub working_dir: Option<String>,
    /// Whom it ran as; `null` is fateshare's own user.
    pub user: Option<String>,
    /// Its own stop signal.
    pub stop_signal: Option<String>,
    /// Who gets that: `process` or `group`.
    pub stop_to: String,
    /// When: `at_once` or `after_main`.
    pub stop: String,
    /// Whether its exit with 0 ends only itself.
    pub may_finish: bool,
    /// Its share of the memory.
    pub memory_bytes: Option<u64>,
    /// Its leader.
    pub pid: Option<i32>,
    /// When it was started.
    pub started_ms: Option<f64>,
    /// Why it could not be.
    pub failed: Option<String>,
    /// The stop signal that it got.
    pub told: Option<Told>,
    /// How it ended.
    pub ended: Option<EndRow>,
    /// Whether fateshare sent SIGKILL while it lived.
    pub forced: bool,
    /// Whether even that did not end it in time.
    pub left: bool,
    /// What it used in all its life, with those of its children that it waited for.
    pub used: Option<Used>,
}

/// A stop signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Which.
    pub signal: String,
    /// When.
    pub at_ms: f64,
}

/// A member's end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndRow {
    /// When it was seen.
    pub at_ms: f64,
    /// Its exit code, or the signal that ended it.
    pub status: Value,
    /// What it meant: `culprit`, `together`, `finished`, `stopped` or `forced`.
    pub meaning: String,
    /// Whether the reason was that the container's memory was used up.
    pub out_of_memory: bool,
}

/// What a process used in all its life (`getrusage(2)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Used {
    /// Processor time for itself, in milliseconds.
    pub user_ms: f64,
    /// Processor time in the kernel.
    pub system_ms: f64,
    /// The most memory that it, or one of those children, had at a time.
    pub peak_resident_bytes: u64,
}

/// A descendant that outlived its member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StragglerRow {
    /// Its number.
    pub pid: i32,
    /// Its name.
    pub name: String,
    /// Whose it was, if that is known.
    pub member: Option<String>,
    /// The stop signal that it got.
    pub told: Option<Told>,
    /// Whether it needed SIGKILL.
    pub forced: bool,
    /// Whether even that did not end it in time.
    pub left: bool,
}

/// A signal that fateshare got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalRow {
    /// When.
    pub at_ms: f64,
    /// Which.
    pub signal: String,
    /// From whom.
    pub sender: Value,
}

/// One stream of a member's output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRow {
    /// Whose.
    pub member: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// Lines that were passed on.
    pub lines: u64,
    /// Bytes that the member wrote.
    pub bytes: u64,
    /// How often a too long line was split.
    pub splits: u64,
    /// Lines that nobody read any more.
    pub lost_lines: u64,
    /// The bytes that these were.
    pub lost_bytes: u64,
    /// How long the reader did not take what was there.
    pub held_up_ms: u64,
}

/// What a report is made of besides the event list.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Who runs it, and where.
    pub environment: Environment,
    /// When the group was made, since 1970.
    pub began: Duration,
    /// The members' commands, as people are shown them.
    pub commands: Vec<String>,
    /// What each member used, once it ended.
    pub used: Vec<Option<Used>>,
    /// The members' output.
    pub logs: Vec<LogRow>,
    /// How many of our own messages were dropped.
    pub messages_dropped: u64,
    /// How many events there were that the list does not hold.
    pub left_out: u64,
}

impl Report {
    /// The report of a group, from its event list until now.
    pub fn new(launch: &Launch, entries: &[Entry], facts: &Facts) -> Self {
        let mut story = Story::new(launch);
        for entry in entries {
            story.note(entry.at, &entry.happening);
        }
        let last = |wanted: fn(&Happening) -> bool| {
            let entry = entries.iter().rev().find(|entry| wanted(&entry.happening))?;
            render(launch, &entry.happening)
        };
        let verdict = story.decided.as_ref().map(|(decided, deadline)| VerdictRow {
            at_ms: since_start(decided.verdict.at),
            cause: cause(&decided.verdict).to_owned(),
            culprit: culprit(&decided.verdict).map(|member| name(launch, member)),
            message: last(|it| matches!(it, Happening::Verdict(_)))
                .map_or(String::new(), |it| it.text),
            cloud_foundry: exit_description(launch, &decided.verdict.cause),
            deadline_ms: since_start(*deadline),
        });
        let over = story.over.as_ref();
        Self {
            form: FORM.to_owned(),
            is_final: over.is_some(),
            began: timestamp(facts.began),
            environment: facts.environment.clone(),
            spec: Spec::new(launch),
            verdict,
            exit_code: over.map(|(over, _)| over.code),
            summary: last(|it| matches!(it, Happening::Over(_))).map(|line| line.text),
            over_ms: over.map(|(_, at)| since_start(*at)),
            members: members(launch, &story, facts),
            stragglers: stragglers(launch, &story),
            signals: signals(entries),
            logs: facts.logs.clone(),
            messages_dropped: facts.messages_dropped,
            events: entries.iter().map(|entry| Event::new(launch, entry)).collect(),
            events_left_out: facts.left_out,
        }
    }

    /// Reads a report back. The error is a fragment that fits after the file's name.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let report: Self = serde_json::from_slice(text)
            .map_err(|error| format!("is no report of fateshare run --report: {error}"))?;
        if report.form == FORM {
            return Ok(report);
        }
        Err(format!("is of the form {:?}; this fateshare reads {FORM:?}", report.form))
    }

    /// As it is written to a file: indented, with a newline at its end.
    pub fn text(&self) -> String {
        // Nothing in it can fail to be written: there are no maps but those of JSON.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }
}

impl Spec {
    fn new(launch: &Launch) -> Self {
        let ExitCodes { main_success, sidecar_success, unhealthy, stopped } = launch.exit_codes;
        Self {
            source: launch.source.clone(),
            grace_period_ms: millis(launch.grace_period),
            stop_on: launch.stop_on.iter().map(ToString::to_string).collect(),
            exit_codes: Codes { main_success, sidecar_success, unhealthy, stopped },
            platform: launch.platform.as_ref().map(|_| "cloudfoundry".to_owned()),
        }
    }
}

fn since_start(moment: Moment) -> f64 {
    millis(moment.since_start())
}

fn name(launch: &Launch, member: MemberId) -> String {
    launch.members.get(member.index()).map_or("?".to_owned(), |member| member.name.clone())
}

fn members(launch: &Launch, story: &Story, facts: &Facts) -> Vec<MemberRow> {
    let members = MemberId::all(launch.members.len()).zip(&launch.members).zip(&story.members);
    let forced = story.grace_over.as_ref().map_or(&[][..], |(over, _)| &over.members);
    let left = story.over.as_ref().map_or(&[][..], |(over, _)| &over.left);
    let row = |((id, member), story): ((MemberId, &Member), &MemberStory)| MemberRow {
        name: member.name.clone(),
        role: if id == MemberId::MAIN { "main" } else { "sidecar" }.to_owned(),
        command: facts.commands.get(id.index()).cloned().unwrap_or_else(|| member.shown_command()),
        working_dir: member.working_dir.as_ref().map(|it| it.to_string_lossy().into_owned()),
        user: member.user.as_ref().map(ToString::to_string),
        stop_signal: member.stop_signal.map(|signal| signal.to_string()),
        stop_to: if member.stop_to == StopTo::Process { "process" } else { "group" }.to_owned(),
        stop: if member.stop == StopOrder::AtOnce { "at_once" } else { "after_main" }.to_owned(),
        may_finish: member.may_finish == MayFinish::WithZero,
        memory_bytes: member.memory,
        pid: story.started.map(|(pid, _)| pid.0),
        started_ms: story.started.map(|(_, at)| since_start(at)),
        failed: story.failed.clone(),
        told: story.told.map(|(signal, at)| told(signal, at)),
        ended: story.ended.map(|end| EndRow {
            at_ms: since_start(end.at),
            status: status(end.status),
            meaning: meaning(end.meaning).to_owned(),
            out_of_memory: end.out_of_memory,
        }),
        forced: forced.contains(&id),
        left: left.contains(&id),
        used: facts.used.get(id.index()).copied().flatten(),
    };
    members.map(row).collect()
}

fn told(signal: Signal, at: Moment) -> Told {
    Told { signal: signal.to_string(), at_ms: since_start(at) }
}

/// All that were told, and those that were first seen when SIGKILL was due.
fn stragglers(launch: &Launch, story: &Story) -> Vec<StragglerRow> {
    let none: &[Straggler] = &[];
    let over = story.over.as_ref().map(|(over, _)| over);
    let at_deadline = story.grace_over.as_ref().map_or(none, |(over, _)| &over.stragglers);
    let forced = over.map_or(none, |over| &over.forced_stragglers);
    let left = over.map_or(none, |over| &over.left_stragglers);
    let has = |list: &[Straggler], it: &Straggler| list.iter().any(|other| other.key == it.key);
    let mut all: Vec<&Straggler> = story.stragglers.iter().map(|(it, ..)| it).collect();
    for late in at_deadline.iter().chain(forced).chain(left) {
        if !all.iter().any(|it| it.key == late.key) {
            all.push(late);
        }
    }
    let row = |it: &Straggler| StragglerRow {
        pid: it.key.pid.0,
        name: it.name.clone(),
        member: it.member.map(|member| name(launch, member)),
        told: story
            .stragglers
            .iter()
            .find(|(other, ..)| other.key == it.key)
            .map(|(_, signal, at)| told(*signal, *at)),
        forced: has(at_deadline, it) || has(forced, it),
        left: has(left, it),
    };
    all.into_iter().map(row).collect()
}

fn signals(entries: &[Entry]) -> Vec<SignalRow> {
    let got = entries.iter().filter_map(|entry| match &entry.happening {
        Happening::Got(received) => Some(SignalRow {
            at_ms: since_start(entry.at),
            signal: received.signal.to_string(),
            sender: sender(&received.sender),
        }),
        _ => None,
    });
    got.collect()
}
