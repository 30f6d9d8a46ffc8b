//! The list of events, with both of their times, and how times of the machine's clock are shown.

use serde_json::Value;

use super::html::{Column, Table, code, text};
use crate::report::document::Report;
use crate::report::event::Event;
use crate::report::timeline::{outcome, sane, time};

/// Of a long list of events these are shown: so many at its beginning, before and after the
/// verdict, and at its end.
const EVENTS_SHOWN: [usize; 4] = [300, 100, 300, 300];

pub(super) fn events(report: &Report) -> String {
    let events = &report.events;
    let verdict = events.iter().position(|event| event.kind == "verdict");
    let [first, before, after, last] = EVENTS_SHOWN;
    let is_wave = |at: usize| events.get(at).is_some_and(|event| event.kind == "kill_wave");
    let shown = |at: usize| {
        let near = verdict.is_some_and(|verdict| at + before >= verdict && at <= verdict + after);
        // Of fifty waves the first and the last tell it all.
        let inner = at > 0 && (at - 1..=at + 1).all(is_wave);
        (near || at < first || at + last >= events.len()) && !inner
    };
    let mut rows = Vec::new();
    let mut hidden = 0;
    for (at, event) in events.iter().enumerate() {
        if !shown(at) {
            hidden += 1;
            continue;
        }
        if hidden > 0 {
            let are = if hidden == 1 { "event is" } else { "events are" };
            rows.push((
                "gap",
                vec![format!("{hidden} {are} left out here; the report has them all.")],
            ));
            hidden = 0;
        }
        rows.push(row_of_event(event, report));
    }
    let table = Table {
        id: "events",
        heading: "Events",
        caption: "Everything that happened, in order: seconds since the group was made, the time \
                  since the verdict, and the machine’s clock (UTC).",
        columns: &[
            Column("Seconds", "number"),
            Column("Since verdict", "number"),
            Column("Clock", "number"),
            Column("Event", "kind"),
            Column("What happened", "what"),
        ],
    };
    let none = events.is_empty().then(|| "The report has no events.".to_owned());
    table.section(&rows, &none.into_iter().collect::<Vec<_>>())
}

fn row_of_event<'a>(event: &Event, report: &Report) -> (&'a str, Vec<String>) {
    let verdict = report.verdict.as_ref().filter(|it| event.at_ms > it.at_ms);
    let since = verdict.map_or(String::new(), |it| format!("+{}", time(event.at_ms - it.at_ms)));
    // The day is said where it is not the first one.
    let clock = match (clock(&event.time), clock(&report.began)) {
        (Some((day, clock)), Some((first, _))) if day == first => {
            format!("<time datetime=\"{}\">{clock}</time>", text(&event.time))
        }
        _ => moment(&event.time),
    };
    let what = match (&event.message, event.details.get("status")) {
        (Some(message), _) => text(message),
        (None, Some(status)) => {
            let member = event.details.get("member").and_then(Value::as_str).unwrap_or_default();
            format!("<bdi>{}</bdi> ended: {}", text(member), text(&outcome(status)))
        }
        (None, None) if event.details.is_empty() => String::new(),
        (None, None) => code(&Value::Object(event.details.clone()).to_string()),
    };
    let seconds = format!("{:.3}", sane(event.at_ms) / 1e3);
    let kind = text(&event.kind.replace('_', " "));
    let class = if event.kind == "verdict" { "verdict" } else { "" };
    (class, vec![seconds, since, clock, kind, what])
}

/// `2026-11-18 11:06:40.002 UTC` of a time as reports have it; anything else as it is.
pub(crate) fn moment(rfc_3339: &str) -> String {
    match clock(rfc_3339) {
        Some((day, clock)) => {
            // Thousandths are enough beside a day; the list of events has them all.
            let clock = clock.get(..12).unwrap_or(clock);
            format!("<time datetime=\"{}\">{day} {clock} UTC</time>", text(rfc_3339))
        }
        // It is not to break a table's columns either.
        None => text(&rfc_3339.chars().take(32).collect::<String>()),
    }
}

/// Day and time of `2026-11-18T11:06:40.002000Z`.
fn clock(rfc_3339: &str) -> Option<(&str, &str)> {
    let (day, clock) = rfc_3339.strip_suffix('Z')?.split_once('T')?;
    let plain = |text: &str| text.bytes().all(|it| it.is_ascii_digit() || b"-:.".contains(&it));
    (day.len() == 10 && clock.len() < 16 && plain(day) && plain(clock)).then_some((day, clock))
}
