//! What Cloud Foundry's log shows of a group besides what its members write: pure text.

use std::fmt::Write as _;
use std::time::Duration;

use super::event::{Before, Check};
use super::exit_description::{description, go, probed};
use super::happening::{EndMeaning, Happening, MemberEnded};
use super::ids::{MemberId, Status};
use super::out_of_memory::OutOfMemory;
use super::outcome::Ending;
use super::restart::crash_count;
use super::verdict::Cause;
use crate::spec::{Launch, on_one_line};

/// The platform cuts the reason of a crash here, in bytes.
const LONGEST_REASON: usize = 1024;
const CUT: &str = "(truncated)";

/// Where we run, as the platform names its machines.
const CELL: &str = "local";

/// One life of an app's instance, as the platform counts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// The app's GUID.
    pub app: String,
    /// The GUID of the app's version.
    pub version: String,
    /// This instance's own GUID.
    pub guid: String,
    /// How often it had crashed before.
    pub crashes: u32,
}

/// A line of the platform's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogLine {
    /// From the platform itself: the whole line behind its time.
    Platform(String),
    /// On a member's standard output, behind everything that it wrote.
    Member(MemberId, String),
}

/// What an entry of the event list cannot tell by itself.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// What runs.
    pub launch: &'a Launch,
    /// Which life of it.
    pub instance: &'a Instance,
    /// What is known of its end.
    pub ending: &'a Ending,
    /// Now, since 1970.
    pub since_1970: Duration,
}

/// The lines before anything is started.
pub fn created(instance: &Instance) -> [LogLine; 2] {
    let guid = &instance.guid;
    [
        cell(&format!("Cell {CELL} creating container for instance {guid}")),
        cell(&format!("Cell {CELL} successfully created container for instance {guid}")),
    ]
}

/// The lines for an entry of the event list. Each is one, whatever a reason holds.
pub fn platform_lines(context: Context<'_>, happening: &Happening) -> Vec<LogLine> {
    let lines = lines(context, happening).into_iter();
    let whole = lines.map(|line| match line {
        LogLine::Platform(text) => LogLine::Platform(on_one_line(&text)),
        LogLine::Member(member, text) => LogLine::Member(member, on_one_line(&text)),
    });
    whole.collect()
}

fn lines(context: Context<'_>, happening: &Happening) -> Vec<LogLine> {
    let Context { launch, instance, .. } = context;
    let guid = &instance.guid;
    let main = launch.members.first();
    match happening {
        Happening::AllRunning => {
            let watched = main.and_then(|main| main.health_check.as_ref());
            let asked = main.and_then(|main| main.readiness_check.as_ref());
            let health = watched.map(|_| cell("Starting health monitoring of container"));
            let readiness =
                asked.map(|_| cell("Starting readiness health monitoring of container"));
            health.into_iter().chain(readiness).collect()
        }
        Happening::Healthy { .. } => vec![cell("Container became healthy")],
        Happening::Ready => vec![cell(
            "Container passed the readiness health check. Container marked ready and added to \
             route pool.",
        )],
        Happening::NotReady(why) => vec![
            health(&format!("Readiness check unsuccessful: {why}")),
            cell(
                "Container failed the readiness health check. Container marked not ready and \
                 removed from route pool.",
            ),
        ],
        Happening::OddlyPassed(check, why) => {
            let check = if *check == Check::Health { "Liveness" } else { "Readiness" };
            vec![health(&format!("{check} check passed only here: {why}"))]
        }
        Happening::SpawnFailed(failure) => vec![cannot_start(failure.member, &failure.reason)],
        Happening::Ended(end) => vec![ended(launch, end)],
        Happening::Verdict(decided) => match &decided.verdict.cause {
            Cause::StopRequest(_) => vec![stopping(guid)],
            // Several were a line each before.
            Cause::CannotStart(failures) => match failures.as_slice() {
                [failure] => vec![cannot_start(failure.member, &failure.reason)],
                _ => Vec::new(),
            },
            Cause::Unhealthy(unhealthy) => {
                let said = match unhealthy.before {
                    Before::NeverHealthy(time) => {
                        let time = go(time);
                        format!("Failed after {time}: startup health check never passed.")
                    }
                    Before::Healthy => "Container became unhealthy".to_owned(),
                };
                vec![health(&probed(unhealthy)), cell(&said)]
            }
            Cause::MemberEnded(_) | Cause::ProfileExited(_) | Cause::OwnFailure(_) => Vec::new(),
        },
        Happening::Over(_) => over(context),
        _ => Vec::new(),
    }
}

/// Once the container has run out of memory, the platform says it of every failure.
fn ended(launch: &Launch, end: &MemberEnded) -> LogLine {
    let mut text = format!("Exit status {}", end.status.code());
    if end.meaning == EndMeaning::Forced {
        let grace = go(launch.grace_period);
        let _ = write!(text, " (exceeded {grace} graceful shutdown interval)");
    }
    if end.out_of_memory > OutOfMemory::Never && end.status != Status::SUCCESS {
        text.push_str(" (out of memory)");
    }
    LogLine::Member(end.member, text)
}

/// The container goes away; a crash is recorded.
fn over(context: Context<'_>) -> Vec<LogLine> {
    let Context { launch, instance, ending, since_1970 } = context;
    let guid = &instance.guid;
    let mut lines = Vec::new();
    let crash = ending.crash();
    if crash.is_some() {
        lines.push(stopping(guid));
    }
    lines.push(cell(&format!("Cell {CELL} destroying container for instance {guid}")));
    if let Some(cause) = crash {
        let kind = launch.members.first().map_or("web", |main| main.name.as_str());
        let payload = payload(
            instance,
            &description(launch, cause).unwrap_or_default(),
            crash_count(instance.crashes, ending.running()),
            since_1970,
        );
        lines.push(api(&format!("Process has crashed with type: {}", quoted(kind))));
        lines.push(api(&format!(
            "App instance exited with guid {} payload: {payload}",
            instance.app
        )));
    }
    lines.push(cell(&format!("Cell {CELL} successfully destroyed container for instance {guid}")));
    lines
}

/// The crash's record, as Ruby shows it.
fn payload(instance: &Instance, why: &str, count: u32, since_1970: Duration) -> String {
    let text = |text: &str| quoted(text);
    format!(
        "{{\"instance\"=>{}, \"index\"=>0, \"cell_id\"=>{}, \"reason\"=>\"CRASHED\", \
         \"exit_description\"=>{}, \"crash_count\"=>{count}, \"crash_timestamp\"=>{}, \"version\"=>{}}}",
        text(&instance.guid),
        text(CELL),
        text(&cut(why)),
        since_1970.as_nanos(),
        text(&instance.version),
    )
}

/// No more than the platform keeps of it.
pub(super) fn cut(text: &str) -> String {
    if text.len() <= LONGEST_REASON {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(LONGEST_REASON - CUT.len());
    format!("{}{CUT}", &text[..end])
}

/// A string as Ruby's `inspect` writes it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            other if other.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(other));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

fn cannot_start(member: MemberId, why: &str) -> LogLine {
    LogLine::Member(member, format!("failed-creating-process: {why}"))
}

fn stopping(guid: &str) -> LogLine {
    cell(&format!("Cell {CELL} stopping instance {guid}"))
}

fn cell(text: &str) -> LogLine {
    LogLine::Platform(format!("[CELL/0] OUT {text}"))
}

fn api(text: &str) -> LogLine {
    LogLine::Platform(format!("[API/0] OUT {text}"))
}

fn health(text: &str) -> LogLine {
    LogLine::Platform(format!("[HEALTH/0] ERR {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_where_the_platform_cuts_it() {
        assert_eq!(cut(&"a".repeat(1024)), "a".repeat(1024));
        let long = cut(&"é".repeat(1000));
        assert!(long.len() <= 1024 && long.ends_with("é(truncated)"), "{long}");
    }

    #[test]
    fn strings_are_quoted_as_ruby_does() {
        assert_eq!(quoted("a \"b\" \\ \n\u{7}é"), "\"a \\\"b\\\" \\\\ \\n\\u0007é\"");
    }
}
