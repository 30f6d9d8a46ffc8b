//! `/metrics`: a running group in Prometheus' text format.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Board, Status};

/// What the format is called, for the answer's header.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where a group can be in its life.
const STATES: [&str; 5] = ["starting", "running", "stopping", "killing", "ended"];

/// The text of a status.
pub(super) fn text(board: &Board, status: &Status) -> String {
    let mut page = Page::default();
    page.family("fateshare_build_info", "gauge", "The version of fateshare.");
    page.sample("fateshare_build_info", &[("version", &status.version)], 1.0);
    page.family(
        "fateshare_group_start_time_seconds",
        "gauge",
        "When the group was made, since 1970.",
    );
    page.sample("fateshare_group_start_time_seconds", &[], seconds(board.began()));
    page.family(
        "fateshare_group_state",
        "gauge",
        "Where the group is in its life: 1 for that state.",
    );
    for state in STATES {
        page.sample("fateshare_group_state", &[("state", state)], flag(status.state == state));
    }
    page.family("fateshare_group_healthy", "gauge", "Whether the main process is healthy.");
    page.sample("fateshare_group_healthy", &[], flag(status.healthy));
    page.family("fateshare_group_ready", "gauge", "Whether the main process is ready.");
    page.sample("fateshare_group_ready", &[], flag(status.ready));
    page.family(
        "fateshare_orphans_reaped_total",
        "counter",
        "Reaped processes that led no member.",
    );
    page.sample("fateshare_orphans_reaped_total", &[], whole(status.orphans_reaped));
    let dropped = "fateshare_messages_dropped_total";
    page.family(dropped, "counter", "Messages of fateshare's own that nobody read.");
    page.sample(dropped, &[], whole(status.messages_dropped));
    members(&mut page, board, status);
    logs(&mut page, status);
    page.text
}

fn members(page: &mut Page, board: &Board, status: &Status) {
    let mut each = |name, kind, help, value: &dyn Fn(usize) -> Option<f64>| {
        let samples: Vec<_> = status
            .members
            .iter()
            .enumerate()
            .filter_map(|(at, it)| Some((it, value(at)?)))
            .collect();
        if samples.is_empty() {
            return;
        }
        page.family(name, kind, help);
        for (member, value) in samples {
            page.sample(name, &[("member", &member.name), ("role", &member.role)], value);
        }
    };
    let member = |at: usize| &status.members[at];
    let lives = |at: usize| flag(["running", "stopping"].contains(&member(at).state.as_str()));
    each("fateshare_member_up", "gauge", "Whether the member runs.", &|at| Some(lives(at)));
    // Of one clock reading each, so that it stays the same from one scrape to the next.
    let begun: Vec<Option<f64>> = {
        let state = board.lock();
        let started = state.story.members.iter().map(|member| member.started);
        started.map(|it| it.map(|(_, at)| seconds(board.began() + at.since_start()))).collect()
    };
    each(
        "fateshare_member_start_time_seconds",
        "gauge",
        "When the member was started, since 1970.",
        &|at| begun.get(at).copied().flatten().filter(|_| lives(at) > 0.0),
    );
    each(
        "fateshare_member_resident_memory_bytes",
        "gauge",
        "Memory of the member and all below it that is there; shared pages count for each process.",
        &|at| member(at).resident_bytes.map(whole),
    );
    each(
        "fateshare_member_memory_limit_bytes",
        "gauge",
        "The member's share of the memory, as the spec says.",
        &|at| member(at).memory_bytes.map(whole),
    );
    each(
        "fateshare_member_cpu_seconds_total",
        "counter",
        "Processor time that the member and all below it have used.",
        &|at| member(at).cpu_seconds,
    );
    each("fateshare_member_processes", "gauge", "Processes of the member.", &|at| {
        member(at).processes.map(whole)
    });
}

fn logs(page: &mut Page, status: &Status) {
    let mut each = |name, help, value: fn(&crate::report::document::LogRow) -> f64| {
        if status.logs.is_empty() {
            return;
        }
        page.family(name, "counter", help);
        for log in &status.logs {
            page.sample(name, &[("member", &log.member), ("stream", &log.stream)], value(log));
        }
    };
    each("fateshare_log_lines_total", "Lines that were relayed.", |log| whole(log.lines));
    each("fateshare_log_bytes_total", "Bytes that the member wrote.", |log| whole(log.bytes));
    each("fateshare_log_splits_total", "How often a too long line was split.", |log| {
        whole(log.splits)
    });
    each("fateshare_log_lost_lines_total", "Lines that nobody read any more.", |log| {
        whole(log.lost_lines)
    });
    each("fateshare_log_lost_bytes_total", "Bytes that nobody read any more.", |log| {
        whole(log.lost_bytes)
    });
    each(
        "fateshare_log_held_up_seconds_total",
        "How long there was something to write that the reader did not take.",
        |log| whole(log.held_up_ms) / 1e3,
    );
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(name);
        for (at, (label, value)) in labels.iter().enumerate() {
            let before = if at == 0 { "{" } else { "," };
            let _ = write!(self.text, "{before}{label}=\"{}\"", escaped(value));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{end} {value}");
    }
}

/// A label's value: backslash, quote and newline are written with a backslash.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn flag(it: bool) -> f64 {
    f64::from(u8::from(it))
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "the format has no other numbers")]
fn whole(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.sample("a", &[("member", "per\"f\\\nmon"), ("b", "ü")], 1.5);
        page.sample("b", &[], 2.0);
        assert_eq!(page.text, "a{member=\"per\\\"f\\\\\\nmon\",b=\"ü\"} 1.5\nb 2\n");
    }
}
