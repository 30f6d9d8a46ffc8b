//! `ps`: a group's status as a table for people.

use std::fmt::Write as _;
use std::time::Duration;

use super::answer::{CheckRow, MemberRow, Status};
use super::client::Found;
use crate::core::span;
use crate::report::timeline::{Letters, cut, outcome};
use crate::spec::on_one_line;

const HEADS: [&str; 8] = ["NAME", "PID", "STATE", "CHECK", "UP", "CPU", "MEM", "COMMAND"];

/// So many of several groups are named.
const NAMED: usize = 8;

/// On a narrow terminal names are cut here.
const SHORT_NAME: usize = 20;

/// Columns of numbers.
const RIGHT: [bool; 8] = [false, true, false, false, true, true, true, false];

/// Every group, and what is wrong with those that cannot be asked: a table each, or one array.
pub fn show(found: &[Found], json: bool, look: PsLook) -> (String, Vec<String>) {
    let mut tables = Vec::new();
    let mut objects = Vec::new();
    let mut failures = Vec::new();
    for Found { place, status, .. } in found {
        match status {
            Ok(status) if json => {
                let mut object = serde_json::to_value(status).unwrap_or_default();
                object["socket"] = place.to_string().into();
                objects.push(object);
            }
            Ok(status) => {
                let table = table(status, look);
                let several = found.len() > 1;
                tables.push(if several { format!("{place}\n{table}") } else { table });
            }
            Err(why) => failures.push(format!("{place}: {why}")),
        }
    }
    let text = if json {
        serde_json::to_string_pretty(&objects).unwrap_or_default() + "\n"
    } else {
        tables.join("\n")
    };
    (text, failures)
}

/// Whether the group that was found is healthy, or ready: in a line, what it is, or what is wrong.
pub fn judge(found: &[Found], ready: bool) -> Result<String, String> {
    // Whoever may look at others' groups means its own.
    let own: Vec<&Found> = found.iter().filter(|it| it.own).collect();
    let all: Vec<&Found> = found.iter().collect();
    let meant = if own.is_empty() { all } else { own };
    let [Found { place, status, .. }] = meant[..] else {
        let mut places: Vec<String> = meant.iter().map(|it| it.place.to_string()).collect();
        places.truncate(NAMED);
        let places = places.join(", ");
        return Err(format!("several groups run here: name one of {places} with --socket"));
    };
    let status = status.as_ref().map_err(|why| format!("{place}: {why}"))?;
    if status.healthy && (status.ready || !ready) {
        return Ok(if ready { "ready" } else { "healthy" }.to_owned());
    }
    if let Some(stopping) = &status.stopping {
        return Err(on_one_line(&format!("stopping: {}", stopping.why)));
    }
    let word = if status.healthy { "not ready" } else { "not healthy" };
    let why = status.not_ready.as_deref().unwrap_or("the group is starting");
    Err(on_one_line(&format!("{word}: {why}")))
}

/// What the table may look like.
#[derive(Clone, Copy, Debug)]
pub struct PsLook {
    /// Columns of the terminal, if it is one: longer lines are cut.
    pub width: Option<usize>,
    /// What it shows.
    pub letters: Letters,
}

/// The head line and a row for each member.
pub fn table(status: &Status, look: PsLook) -> String {
    let mark = if look.letters == Letters::Unicode { '…' } else { '~' };
    let mut rows = vec![HEADS.map(str::to_owned)];
    rows.extend(status.members.iter().map(|member| row(status, member)));
    let widths = |rows: &[[String; 8]]| -> Vec<usize> {
        let widest = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        (0..HEADS.len()).map(|column| widest(column).unwrap_or(0)).collect()
    };
    let but_command =
        |widths: &[usize]| widths.iter().rev().skip(1).map(|it| it + 2).sum::<usize>();
    if look.width.is_some_and(|width| but_command(&widths(&rows)) > width) {
        for row in &mut rows {
            row[0] = cut(&row[0], SHORT_NAME, mark);
        }
    }
    let widths = widths(&rows);
    let mut lines = vec![head(status, look.letters)];
    for row in &rows {
        let mut line = String::new();
        for ((cell, width), right) in row.iter().zip(&widths).zip(RIGHT) {
            let gap = if line.is_empty() { "" } else { "  " };
            let _ = if right {
                write!(line, "{gap}{cell:>width$}")
            } else {
                write!(line, "{gap}{cell:<width$}")
            };
        }
        lines.push(line.trim_end().to_owned());
    }
    let width = look.width.unwrap_or(usize::MAX);
    lines.iter().map(|line| cut(line, width, mark) + "\n").collect()
}

/// `running 42s · healthy · ready · grace 9s · /app/manifest.yml`, in a teardown
/// `stopping 3.1s, 5.9s left: config-server was killed by SIGKILL`.
fn head(status: &Status, letters: Letters) -> String {
    if let Some(stopping) = &status.stopping {
        let left = match status.state.as_str() {
            "stopping" => format!("{} left", span(time(stopping.left_ms))),
            _ => "SIGKILL was sent".to_owned(),
        };
        let since = span(time(stopping.for_ms));
        return on_one_line(&format!("stopping {since}, {left}: {}", stopping.why));
    }
    let mut parts = vec![format!("{} {}", status.state, up(status.up_ms))];
    if status.state == "running" {
        parts.push(if status.healthy { "healthy" } else { "not healthy yet" }.to_owned());
        if status.healthy {
            parts.push(if status.ready { "ready" } else { "not ready" }.to_owned());
        }
    }
    parts.push(format!("grace {}", span(time(status.grace_period_ms))));
    parts.push(status.spec.clone());
    let between = if letters == Letters::Unicode { " · " } else { " - " };
    on_one_line(&parts.join(between))
}

fn row(status: &Status, member: &MemberRow) -> [String; 8] {
    let dash = || "-".to_owned();
    let percent = |seconds: f64| {
        let up = member.up_ms.unwrap_or_default() / 1e3;
        if up > 0.0 { format!("{:.1}%", seconds / up * 100.0) } else { dash() }
    };
    let state = match &member.status {
        Some(status) => format!("{} ({})", member.state, outcome(status)),
        None => member.state.clone(),
    };
    // Whoever is asked may say anything.
    let state = on_one_line(&state);
    let memory = match (member.resident_bytes, member.memory_bytes) {
        (Some(used), Some(most)) => format!("{}/{}", size(used), size(most)),
        (Some(used), None) => size(used),
        (None, Some(most)) => format!("-/{}", size(most)),
        (None, None) => dash(),
    };
    [
        on_one_line(&member.name),
        member.pid.map_or_else(dash, |pid| pid.to_string()),
        state,
        check(status, member),
        member.up_ms.map_or_else(dash, up),
        member.cpu_seconds.map_or_else(dash, percent),
        memory,
        on_one_line(&member.command),
    ]
}

/// How it is found out whether it is healthy, and the latest answer: `port ok 12s ago`.
fn check(status: &Status, member: &MemberRow) -> String {
    if member.role != "main" {
        return "pid".to_owned();
    }
    let mut text = status.health_check.as_ref().map_or("pid".to_owned(), one_check);
    if let Some(readiness) = &status.readiness_check {
        text = format!("{text}; ready: {}", one_check(readiness));
    }
    on_one_line(&text)
}

fn one_check(check: &CheckRow) -> String {
    let kind = check.check.split(' ').next().unwrap_or_default();
    match (check.passed, check.answered_ms_ago) {
        (Some(passed), Some(ago)) => {
            format!("{kind} {} {} ago", if passed { "ok" } else { "fails" }, up(ago))
        }
        _ => format!("{kind} not asked yet"),
    }
}

/// Whole seconds, minutes and hours.
fn up(millis: f64) -> String {
    match time(millis).as_secs() {
        0 => "0s".to_owned(),
        seconds => span(Duration::from_secs(seconds)),
    }
}

fn time(millis: f64) -> Duration {
    let sane = if millis.is_finite() { millis.clamp(0.0, 1e15) } else { 0.0 };
    Duration::from_secs_f64(sane / 1e3)
}

/// Bytes as people read them: `640K`, `34M`, `1.5G`.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)];
    let Some((unit, one)) = UNITS.iter().find(|(_, one)| bytes >= *one) else {
        return format!("{bytes}B");
    };
    let tenths = u128::from(bytes) * 10 / u128::from(*one);
    if tenths < 100 && !tenths.is_multiple_of(10) {
        format!("{}.{}{unit}", tenths / 10, tenths % 10)
    } else {
        format!("{}{unit}", tenths / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0B"),
            (1_023, "1023B"),
            (640 << 10, "640K"),
            (34 << 20, "34M"),
            (3 << 29, "1.5G"),
            (u64::MAX, "16777215T"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
