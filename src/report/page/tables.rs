//! The tables: members, stragglers, signals and logs.

use serde_json::Value;

use super::html::{Column, MOST_ROWS, Table, aside, code, left_out, text};
use crate::report::document::{LogRow, MemberRow, Report, StragglerRow, Told};
use crate::report::timeline::{killed, outcome, time, told};
use crate::spec::bytes_as_size;

/// When, as the picture says it: from the start, or from the verdict on.
fn when(report: &Report, at: f64) -> String {
    match &report.verdict {
        Some(verdict) if at > verdict.at_ms => format!("+{}", time(at - verdict.at_ms)),
        _ => time(at),
    }
}

pub(super) fn members(report: &Report) -> String {
    let rows: Vec<_> = report.members.iter().take(MOST_ROWS).map(|it| member(it, report)).collect();
    let table = Table {
        id: "members",
        heading: "Members",
        caption: "What was started, how each ended, and what it used.",
        columns: &[
            Column("Member", "head"),
            Column("Command", "command"),
            Column("PID", "number"),
            Column("End", "ending"),
            Column("Told", "told"),
            Column("CPU", "number"),
            Column("Peak memory", "number"),
        ],
    };
    let notes: Vec<String> = left_out(report.members.len(), "members").into_iter().collect();
    table.section(&rows, &notes)
}

fn member<'a>(member: &MemberRow, report: &Report) -> (&'a str, Vec<String>) {
    let verdict = report.verdict.as_ref();
    let culprit = verdict.is_some_and(|it| it.culprit.as_ref() == Some(&member.name));
    let mut what = vec![match member.role.as_str() {
        "main" => "main process".to_owned(),
        role => text(role),
    }];
    what.extend(member.may_finish.then(|| "may finish".to_owned()));
    what.extend((member.stop == "after_main").then(|| "stopped after main".to_owned()));
    what.extend((member.stop_to == "group").then(|| "stopped with its process group".to_owned()));
    what.extend(member.stop_signal.as_ref().map(|it| format!("stop signal {}", text(it))));
    what.extend(member.user.as_ref().map(|it| format!("user {}", text(it))));
    let place = member.working_dir.as_ref().map(|it| format!("in {}", code(it)));
    let mut told = sent(member.told.as_ref(), report);
    told.extend(member.forced.then(|| text(&killed(report))));
    let used = member.used.as_ref();
    let cpu = used.map_or(String::new(), |used| {
        let parts = format!("{} user<br>{} system", time(used.user_ms), time(used.system_ms));
        time(used.user_ms + used.system_ms) + &aside(&parts)
    });
    let share = member.memory_bytes.map_or(String::new(), |it| format!("of {}", bytes_as_size(it)));
    let memory = used.map_or(String::new(), |used| rounded(used.peak_resident_bytes));
    let cells = vec![
        format!("<bdi>{}</bdi>{}", text(&member.name), aside(&what.join(", "))),
        code(&member.command) + &aside(&place.unwrap_or_default()),
        member.pid.map_or(String::new(), |pid| pid.to_string()),
        end(member, report, culprit),
        told.join("<br>"),
        cpu,
        memory + &aside(&share),
    ];
    (if culprit { "culprit" } else { "" }, cells)
}

/// How a member ended, and what there is to say of it.
fn end(member: &MemberRow, report: &Report, culprit: bool) -> String {
    let Some(end) = &member.ended else {
        let began = member.started_ms.is_some();
        return match &member.failed {
            Some(reason) => format!("could not be started{}", aside(&text(reason))),
            None if member.left => "<b>still there</b>".to_owned(),
            None if began && !report.is_final => "not yet".to_owned(),
            None if began => "was not seen".to_owned(),
            None => "not started".to_owned(),
        };
    };
    let mut notes = vec![when(report, end.at_ms)];
    notes.extend(match end.meaning.as_str() {
        "culprit" => Some("ended first".to_owned()),
        "together" => Some("at the same time".to_owned()),
        "finished" => Some("finished, as it may".to_owned()),
        _ if culprit => Some("unhealthy".to_owned()),
        _ => None,
    });
    notes.extend(end.out_of_memory.then(|| "the container was out of memory".to_owned()));
    format!("<b>{}</b>{}", text(&outcome(&end.status)), aside(&notes.join(", ")))
}

/// `SIGTERM +0.4ms`.
fn sent(signal: Option<&Told>, report: &Report) -> Vec<String> {
    let at = report.verdict.as_ref().map_or(0.0, |verdict| verdict.at_ms);
    signal.into_iter().map(|it| text(&told(it, at))).collect()
}

/// A size that was measured: three digits of it.
#[expect(clippy::cast_precision_loss, reason = "three digits of it")]
fn rounded(bytes: u64) -> String {
    let mut size = bytes as f64;
    let mut unit = "B";
    for next in ["K", "M", "G", "T", "P"] {
        if size < 1_000.0 {
            break;
        }
        (size, unit) = (size / 1024.0, next);
    }
    let digits = usize::from(size < 10.0 && unit != "B");
    format!("{size:.digits$}{unit}")
}

pub(super) fn stragglers(report: &Report) -> String {
    let row = |it: &StragglerRow| {
        let process = match it.pid {
            number @ ..0 => format!("process group {}", number.unsigned_abs()),
            number => format!("<bdi>{}</bdi>{}", text(&it.name), aside(&format!("pid {number}"))),
        };
        let mut told = sent(it.told.as_ref(), report);
        told.extend(it.forced.then(|| text(&killed(report))));
        let end = match (it.left, it.forced) {
            (true, _) => "<b>still there</b>",
            (false, true) => "<b>SIGKILL</b>",
            (false, false) => "gone",
        };
        let member = it.member.as_ref().map(|it| format!("<bdi>{}</bdi>", text(it)));
        let member = member.unwrap_or_else(|| "not known".to_owned());
        ("", vec![process, member, told.join("<br>"), end.to_owned()])
    };
    let rows: Vec<_> = report.stragglers.iter().take(MOST_ROWS).map(row).collect();
    let table = Table {
        id: "stragglers",
        heading: "Stragglers",
        caption: "Descendants that outlived their member.",
        columns: &[
            Column("Process", "head"),
            Column("Left by", ""),
            Column("Told", "told"),
            Column("End", ""),
        ],
    };
    let notes: Vec<String> = left_out(report.stragglers.len(), "stragglers").into_iter().collect();
    table.section(&rows, &notes)
}

pub(super) fn signals(report: &Report) -> String {
    let rows = report.signals.iter().take(MOST_ROWS).map(|it| {
        let cells = vec![when(report, it.at_ms), text(&it.signal), text(&sender(&it.sender))];
        ("", cells)
    });
    let table = Table {
        id: "signals",
        heading: "Signals received",
        caption: "What fateshare itself was sent, and by whom.",
        columns: &[Column("When", ""), Column("Signal", ""), Column("From", "rest")],
    };
    let mut notes: Vec<String> = left_out(report.signals.len(), "signals").into_iter().collect();
    if report.events_left_out > 0 {
        let more = report.events_left_out;
        notes.push(format!(
            "{more} more events, of signals and of changes of readiness, were there than the report lists."
        ));
    }
    table.section(&rows.collect::<Vec<_>>(), &notes)
}

/// In the words of the sentences about signals.
fn sender(sender: &Value) -> String {
    match (sender["kind"].as_str(), sender["name"].as_str()) {
        (Some("process"), Some(name)) => format!("pid {} ({name})", sender["pid"]),
        (Some("process"), None) => format!("pid {} (user {})", sender["pid"], sender["uid"]),
        (Some("outside"), _) => "outside this container".to_owned(),
        (Some("terminal"), _) => "the terminal".to_owned(),
        _ => "an unknown sender".to_owned(),
    }
}

pub(super) fn logs(report: &Report) -> String {
    let row = |it: &LogRow| {
        let lost = match (it.lost_lines, it.lost_bytes) {
            (0, 0) => "none".to_owned(),
            (lines, bytes) => format!("<b>{lines} lines</b>{}", aside(&rounded(bytes))),
        };
        let cells = vec![
            format!("<bdi>{}</bdi>", text(&it.member)),
            text(&it.stream),
            it.lines.to_string(),
            rounded(it.bytes),
            it.splits.to_string(),
            lost,
            #[expect(clippy::cast_precision_loss, reason = "a few digits are shown")]
            time(it.held_up_ms as f64),
        ];
        (if it.lost_lines + it.lost_bytes > 0 { "lost" } else { "" }, cells)
    };
    let rows: Vec<_> = report.logs.iter().take(MOST_ROWS).map(row).collect();
    let table = Table {
        id: "logs",
        heading: "Logs",
        caption: "Members’ output, where it was relayed; held up is how long the reader did not take it.",
        columns: &[
            Column("Member", "head"),
            Column("Stream", ""),
            Column("Lines", "number"),
            Column("Size", "number"),
            Column("Splits", "number"),
            Column("Lost", "number"),
            Column("Held up", "number"),
        ],
    };
    let mut notes: Vec<String> = left_out(report.logs.len(), "streams").into_iter().collect();
    if report.messages_dropped > 0 {
        notes.push(format!(
            "<b>{} of fateshare’s own messages were dropped</b>, because nobody read them.",
            report.messages_dropped
        ));
    }
    table.section(&rows, &notes)
}
