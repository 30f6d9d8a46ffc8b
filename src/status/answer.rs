//! `/v1/status`: a running group as one object.

use std::time::Duration;

use hyper::body::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::board::{Board, State};
use super::metrics;
use super::usage::{Usage, look};
use crate::core::{
    Check, CheckStory, MemberId, MemberStory, Moment, render, short_cause, timestamp,
};
use crate::core::{Happening, Story};
use crate::report::document::LogRow;
use crate::report::event::status;
use crate::report::millis;
use crate::spec::{HealthCheck, Member};
use crate::sys::process;

/// A running group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The version of fateshare.
    pub version: String,
    /// Its process number.
    pub pid: i32,
    /// Where the spec came from.
    pub spec: String,
    /// `starting`, `running`, `stopping`, `killing` or `ended`.
    pub state: String,
    /// When the group was made: RFC 3339 in UTC.
    pub began: String,
    /// How long ago that was.
    pub up_ms: f64,
    /// From the verdict to SIGKILL.
    pub grace_period_ms: f64,
    /// Whether the main process is healthy, as far as anybody asks.
    pub healthy: bool,
    /// Whether it is ready.
    pub ready: bool,
    /// Why it is not.
    pub not_ready: Option<String>,
    /// The health check; `null` if not having ended is enough.
    pub health_check: Option<CheckRow>,
    /// The readiness check.
    pub readiness_check: Option<CheckRow>,
    /// The teardown, while one is on.
    pub stopping: Option<Stopping>,
    /// How many processes were reaped that are no member's leader.
    pub orphans_reaped: u64,
    /// How many events there were; `/v1/events` has them.
    pub events: u64,
    /// The members, main first.
    pub members: Vec<MemberRow>,
    /// Members' output, where it is relayed.
    pub logs: Vec<LogRow>,
    /// How many of its own messages fateshare dropped.
    pub messages_dropped: u64,
}

/// A check of the main process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckRow {
    /// What is asked: `port 8080`.
    pub check: String,
    /// `not_yet`, `passes` or `fails`.
    pub state: String,
    /// How long ago the latest answer came.
    pub answered_ms_ago: Option<f64>,
    /// Whether that passed.
    pub passed: Option<bool>,
    /// Why it fails.
    pub reason: Option<String>,
}

/// A teardown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stopping {
    /// Since when.
    pub for_ms: f64,
    /// Until SIGKILL; 0 if it was sent.
    pub left_ms: f64,
    /// Why, in a few words.
    pub why: String,
    /// The verdict's line.
    pub verdict: String,
}

/// A member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemberRow {
    /// Its name.
    pub name: String,
    /// `main` or `sidecar`.
    pub role: String,
    /// `starting`, `running`, `stopping`, `ended` or `failed`.
    pub state: String,
    /// Its leader's number.
    pub pid: Option<i32>,
    /// How it ended: an exit code or a signal.
    pub status: Option<Value>,
    /// When it was started: RFC 3339 in UTC.
    pub started: Option<String>,
    /// How long it has run, or ran.
    pub up_ms: Option<f64>,
    /// Processor time that it and all below it have used.
    pub cpu_seconds: Option<f64>,
    /// The memory of all these that is there, shared pages counted for each.
    pub resident_bytes: Option<u64>,
    /// How many processes these are.
    pub processes: Option<u64>,
    /// Its share of the memory, as the spec says.
    pub memory_bytes: Option<u64>,
    /// Its command, as it was written.
    pub command: String,
}

/// What is answered, made once for all who ask at the same time.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    /// `/v1/status`.
    pub(super) status: Bytes,
    /// `/metrics`.
    pub(super) metrics: Bytes,
    at: Moment,
    changes: u64,
}

/// So long what members use is not looked at again.
const FRESH: Duration = Duration::from_millis(250);

impl Answers {
    /// Those of this moment. A crowd of askers costs no more than one of them, in time and in memory.
    pub(super) async fn of(board: &Board) -> Self {
        let mut kept = board.answers().lock().await;
        let changes = board.lock().changes;
        let now = board.now();
        if let Some(answers) = kept.as_ref()
            && answers.changes == changes
            && now.since(answers.at) < FRESH
        {
            return answers.clone();
        }
        let status = Status::of(board).await;
        let metrics = Bytes::from(metrics::text(board, &status));
        let text = serde_json::to_string(&status).unwrap_or_default() + "\n";
        let answers = Self { status: Bytes::from(text), metrics, at: now, changes };
        *kept = Some(answers.clone());
        answers
    }
}

impl Status {
    /// Looks at everything. Others have their turn meanwhile.
    pub(super) async fn of(board: &Board) -> Self {
        let usage = look(board).await;
        let (logs, messages_dropped) = board.counted();
        let now = board.now();
        let launch = board.launch();
        let state = board.lock();
        let story = &state.story;
        let main = launch.members.first();
        let check = |check: Check, asked: Option<&HealthCheck>| {
            asked.map(|asked| CheckRow::of(check, asked, &state, now))
        };
        let members = MemberId::all(launch.members.len()).zip(&launch.members);
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: process::own_pid().0,
            spec: launch.source.clone(),
            state: state.word().to_owned(),
            began: timestamp(board.began()),
            up_ms: millis(now.since_start()),
            grace_period_ms: millis(launch.grace_period),
            healthy: story.is_healthy(),
            ready: story.is_ready(),
            not_ready: state.unreadiness(),
            health_check: check(Check::Health, main.and_then(|it| it.health_check.as_ref())),
            readiness_check: check(
                Check::Readiness,
                main.and_then(|it| it.readiness_check.as_ref()),
            ),
            stopping: Stopping::of(board, &state, now),
            orphans_reaped: state.orphans,
            events: state.next,
            members: members
                .zip(&story.members)
                .map(|((id, member), story)| {
                    let usage = usage.iter().find(|it| it.member == id);
                    MemberRow::of(board, (id, member), story, usage, now)
                })
                .collect(),
            logs,
            messages_dropped,
        }
    }
}

impl CheckRow {
    fn of(check: Check, asked: &HealthCheck, state: &State, now: Moment) -> Self {
        let Story { health, readiness, .. } = &state.story;
        let story = if check == Check::Health { health } else { readiness };
        let answer = state.answers[check as usize];
        let (word, reason) = match story {
            CheckStory::None | CheckStory::NotYet => ("not_yet", None),
            CheckStory::Passes => ("passes", None),
            CheckStory::Fails(why) => ("fails", Some(why.clone())),
        };
        Self {
            check: asked.to_string(),
            state: word.to_owned(),
            answered_ms_ago: answer.map(|(_, at)| millis(now.since(at))),
            passed: answer.map(|(passed, _)| passed),
            reason,
        }
    }
}

impl Stopping {
    fn of(board: &Board, state: &State, now: Moment) -> Option<Self> {
        let (decided, deadline) = state.story.decided.as_ref()?;
        let is_verdict = |it: &&crate::report::Entry| matches!(it.happening, Happening::Verdict(_));
        let entry = state.entries.values().find(is_verdict)?;
        let left = if state.story.grace_over.is_some() { now } else { *deadline };
        Some(Self {
            for_ms: millis(now.since(decided.verdict.at)),
            left_ms: millis(left.since(now)),
            why: short_cause(board.launch(), &decided.verdict.cause),
            verdict: render(board.launch(), &entry.happening).map_or(String::new(), |it| it.text),
        })
    }
}

impl MemberRow {
    fn of(
        board: &Board,
        (id, member): (MemberId, &Member),
        story: &MemberStory,
        usage: Option<&Usage>,
        now: Moment,
    ) -> Self {
        let state = match (&story.ended, &story.failed, story.started, story.told) {
            (Some(_), ..) => "ended",
            (None, Some(_), ..) => "failed",
            (None, None, Some(_), Some(_)) => "stopping",
            (None, None, Some(_), None) => "running",
            (None, None, None, _) => "starting",
        };
        let end = story.ended.map_or(now, |end| end.at);
        let since = |at: Moment| timestamp(board.began() + at.since_start());
        Self {
            name: member.name.clone(),
            role: if id == MemberId::MAIN { "main" } else { "sidecar" }.to_owned(),
            state: state.to_owned(),
            pid: story.started.filter(|_| story.ended.is_none()).map(|(pid, _)| pid.0),
            status: story.ended.map(|end| status(end.status)),
            started: story.started.map(|(_, at)| since(at)),
            up_ms: story.started.map(|(_, at)| millis(end.since(at))),
            cpu_seconds: usage.map(|usage| usage.cpu.as_secs_f64()),
            resident_bytes: usage.map(|usage| usage.resident),
            processes: usage.map(|usage| usage.processes as u64),
            memory_bytes: member.memory,
            command: board.command(id).to_owned(),
        }
    }
}
