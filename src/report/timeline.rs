//! The timeline: a bar for each member on one axis, up to the verdict and, enlarged, through the
//! teardown.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use super::document::{MemberRow, Report, StragglerRow, Told};
use crate::core::span;
use crate::spec::on_one_line;

/// What the picture may look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether it shows more than ASCII.
    pub letters: Letters,
    /// So many rows at most; of the others it is said how many they are.
    pub most_rows: usize,
}

/// What the picture is drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letters {
    /// Lines and marks of Unicode.
    Unicode,
    /// Where a terminal would not show those.
    Ascii,
}

/// Narrower pictures show nothing, wider ones nothing more.
const NARROWEST: usize = 40;
const WIDEST: usize = 120;
/// Names are cut here.
const LONGEST_NAME: usize = 24;
/// Said of the axis, below the notes.
const ENLARGED: &str = "(teardown enlarged)";
const REDUCED: &str = "(teardown reduced)";
/// With a shorter bar notes get lines of their own.
const SHORTEST_BAR: usize = 18;

pub(super) struct Pens {
    life: char,
    verdict: char,
    teardown: char,
    exited: char,
    killed: char,
    left: char,
    axis: char,
    cut: char,
    under: &'static str,
}

pub(super) const UNICODE: Pens = Pens {
    life: '━',
    verdict: '┿',
    teardown: '╌',
    exited: '●',
    killed: '✗',
    left: '▸',
    axis: '│',
    cut: '…',
    under: "└ ",
};

const ASCII: Pens = Pens {
    life: '=',
    verdict: '+',
    teardown: '-',
    exited: 'o',
    killed: 'x',
    left: '>',
    axis: '|',
    cut: '~',
    under: "\\ ",
};

/// One row: who, from when to when, how it ended, and what there is to say of it.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) from: Option<f64>,
    pub(super) to: f64,
    pub(super) mark: Mark,
    pub(super) status: String,
    pub(super) note: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Exited,
    Killed,
    Left,
    /// Its end was not seen.
    None,
}

/// What became of a group in words: the verdict, the picture, the end.
pub fn story(report: &Report, look: Look) -> String {
    let mut text = String::new();
    if let Some(verdict) = &report.verdict {
        text.push_str(&on_one_line(&verdict.message));
        text.push_str("\n\n");
    }
    text.push_str(&picture(report, look));
    if let Some(description) = report.verdict.as_ref().and_then(|it| it.cloud_foundry.as_ref()) {
        let _ = writeln!(text, "  Cloud Foundry would say: {}", on_one_line(description));
    }
    match &report.summary {
        Some(summary) => {
            let _ = writeln!(text, "\n{}", on_one_line(summary));
        }
        None => {
            text.push_str(
                "\nthis report was written when SIGKILL was due; no later one is there\n",
            );
        }
    }
    text
}

/// The picture alone: rows, then the axis. Every line ends with a newline.
pub fn picture(report: &Report, look: Look) -> String {
    let pens = if look.letters == Letters::Unicode { &UNICODE } else { &ASCII };
    let scale = Times::of(report);
    let mut rows: Vec<Row> =
        sorted(report).into_iter().map(|it| member(it, report, &scale)).collect();
    rows.extend(report.stragglers.iter().map(|it| straggler(it, report, &scale, pens)));
    let more = rows.len().saturating_sub(look.most_rows);
    rows.truncate(look.most_rows);

    let width = look.width.clamp(NARROWEST, WIDEST);
    let widest =
        |of: fn(&Row) -> &String| rows.iter().map(|row| columns(of(row))).max().unwrap_or(0);
    let name = widest(|row| &row.name).min(LONGEST_NAME);
    let status = widest(|row| &row.status);
    let note = widest(|row| &row.note).max(columns(ENLARGED));
    let room = width.saturating_sub(2 + name + 1 + 1 + status);
    let beside = room.saturating_sub(2 + note) >= SHORTEST_BAR;
    let bar = if beside { room - 2 - note } else { room };
    let axis = Axis::new(bar.max(8), scale);

    let mut text = String::new();
    for row in &rows {
        let mut line = format!("  {:<name$} ", cut(&row.name, name, pens.cut));
        line.push_str(&axis.bar(row, pens));
        if beside && !row.note.is_empty() {
            let column = 2 + name + 1 + axis.columns() + 1 + status + 2;
            line.push_str(&" ".repeat(column.saturating_sub(columns(&line))));
            line.push_str(&row.note);
        }
        text.push_str(line.trim_end());
        text.push('\n');
        if !beside && !row.note.is_empty() {
            let note = cut(&row.note, width - name - 3, pens.cut);
            let _ = writeln!(text, "  {:<name$} {note}", "");
        }
    }
    if more > 0 {
        let _ = writeln!(text, "  ... and {more} more");
    }
    let mut line = format!("  {:<name$} {}", "", axis.labels(pens));
    let scales = axis.scales();
    if beside && !scales.is_empty() {
        let column = 2 + name + 1 + axis.columns() + 1 + status + 2;
        line.push_str(&" ".repeat(column.saturating_sub(columns(&line))));
        line.push_str(scales);
    }
    text.push_str(line.trim_end());
    text.push('\n');
    text
}

/// The first to end first; who never ran comes last.
pub(super) fn sorted(report: &Report) -> Vec<&MemberRow> {
    let mut members: Vec<&MemberRow> = report.members.iter().collect();
    let class = |it: &MemberRow| match (&it.started_ms, &it.ended) {
        (Some(_), Some(end)) if end.meaning == "culprit" => (0, 0.0),
        (Some(_), Some(end)) => (1, end.at_ms),
        (Some(_), None) => (2, 0.0),
        (None, _) => (3, 0.0),
    };
    members.sort_by(|one, other| class(one).partial_cmp(&class(other)).unwrap_or(Ordering::Equal));
    members
}

/// The three moments of the axis, in milliseconds.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) verdict: f64,
    pub(super) end: f64,
}

impl Times {
    pub(super) fn of(report: &Report) -> Self {
        let last = report.events.last().map_or(0.0, |event| event.at_ms);
        let end = sane(report.over_ms.unwrap_or(last));
        let verdict = report.verdict.as_ref().map_or(end, |verdict| sane(verdict.at_ms)).min(end);
        Self { verdict, end }
    }
}

/// A report may come from anywhere.
pub(super) fn sane(millis: f64) -> f64 {
    if millis.is_finite() { millis.clamp(0.0, 1e15) } else { 0.0 }
}

/// A time as people read it.
pub fn time(millis: f64) -> String {
    span(Duration::from_secs_f64(sane(millis) / 1e3))
}

/// How a member ended, in a word or two.
pub fn outcome(status: &Value) -> String {
    match (status["exit_code"].as_u64(), status["signal"].as_str()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => on_one_line(signal),
        (None, None) => String::new(),
    }
}

/// `SIGTERM +0.4ms`.
pub(super) fn told(told: &Told, verdict: f64) -> String {
    format!("{} +{}", on_one_line(&told.signal), time(told.at_ms - verdict))
}

/// What there is to say of a member besides its bar: why it ended, and what it was told.
pub fn note(member: &MemberRow, report: &Report) -> String {
    let verdict = report.verdict.as_ref();
    let at = verdict.map_or(0.0, |verdict| verdict.at_ms);
    let blamed = verdict.is_some_and(|it| it.culprit.as_ref() == Some(&member.name));
    let mut notes = Vec::new();
    match &member.ended {
        Some(end) => {
            match end.meaning.as_str() {
                "culprit" => notes.push("ended first".to_owned()),
                "together" => notes.push("at the same time".to_owned()),
                "finished" => notes.push("finished, as it may".to_owned()),
                _ if blamed => notes.push("unhealthy".to_owned()),
                _ => {}
            }
            match outcome(&end.status).as_str() {
                "SIGKILL" if end.out_of_memory && !member.forced => {
                    notes.push("out of memory".to_owned());
                }
                "exit 137" if end.out_of_memory => {
                    notes.push("out of memory (a child)".to_owned());
                }
                _ => {}
            }
        }
        None if member.failed.is_some() => notes.push("could not be started".to_owned()),
        None if member.started_ms.is_none() => notes.push("not started".to_owned()),
        None if blamed => notes.push("unhealthy".to_owned()),
        None => {}
    }
    notes.extend(member.told.as_ref().map(|it| told(it, at)));
    if member.forced {
        notes.push(killed(report));
    }
    notes.join(", ")
}

/// The same for a straggler.
pub fn straggler_note(straggler: &StragglerRow, report: &Report) -> String {
    let at = report.verdict.as_ref().map_or(0.0, |verdict| verdict.at_ms);
    let mut notes = Vec::new();
    notes.extend(straggler.member.as_ref().map(|it| format!("left by {}", on_one_line(it))));
    notes.extend(straggler.told.as_ref().map(|it| told(it, at)));
    if straggler.forced {
        notes.push(killed(report));
    }
    notes.join(", ")
}

/// `SIGKILL +9s`.
pub(super) fn killed(report: &Report) -> String {
    let verdict = report.verdict.as_ref().map_or(0.0, |verdict| verdict.at_ms);
    let wave = report.events.iter().find(|event| event.kind == "grace_over");
    wave.map_or("SIGKILL".to_owned(), |wave| format!("SIGKILL +{}", time(wave.at_ms - verdict)))
}

pub(super) fn member(member: &MemberRow, report: &Report, times: &Times) -> Row {
    let (to, mark, status) = match &member.ended {
        Some(end) => {
            let status = outcome(&end.status);
            let mark = if status.starts_with("exit") { Mark::Exited } else { Mark::Killed };
            // It is seen a moment before that is decided, and written down a moment after.
            let first = ["culprit", "together", "finished"].contains(&end.meaning.as_str());
            let at = sane(end.at_ms);
            (if first { at.min(times.verdict) } else { at }, mark, status)
        }
        None if member.left => (times.end, Mark::Left, "still there".to_owned()),
        None => (times.end, Mark::None, String::new()),
    };
    Row {
        name: on_one_line(&member.name),
        from: member.started_ms.map(sane),
        to,
        mark,
        status,
        note: note(member, report),
    }
}

pub(super) fn straggler(
    straggler: &StragglerRow,
    report: &Report,
    times: &Times,
    pens: &Pens,
) -> Row {
    let (mark, status) = match (straggler.left, straggler.forced) {
        (true, _) => (Mark::Left, "still there"),
        (false, true) => (Mark::Killed, "SIGKILL"),
        (false, false) => (Mark::None, "gone"),
    };
    Row {
        name: format!("{}{}", pens.under, on_one_line(&straggler.name)),
        from: Some(straggler.told.as_ref().map_or(times.end, |it| sane(it.at_ms))),
        to: times.end,
        mark,
        status: status.to_owned(),
        note: straggler_note(straggler, report),
    }
}

/// Where times lie on the bar: the life up to the verdict's column, the teardown behind it.
struct Axis {
    times: Times,
    life: usize,
    teardown: usize,
}

impl Axis {
    fn new(columns: usize, times: Times) -> Self {
        let teardown = (columns / 3).max(2);
        Self { times, life: columns.saturating_sub(1 + teardown), teardown }
    }

    fn columns(&self) -> usize {
        self.life + 1 + self.teardown
    }

    /// The column of a moment; the verdict's is [`Self::life`].
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a few hundred columns"
    )]
    fn column(&self, at: f64) -> usize {
        let share = |part: f64, whole: f64, columns: usize| {
            if whole > 0.0 { (part / whole * columns as f64).round() as usize } else { 0 }
        };
        if at <= self.times.verdict {
            return share(at, self.times.verdict, self.life).min(self.life);
        }
        let after = at - self.times.verdict;
        let column = share(after, self.times.end - self.times.verdict, self.teardown);
        self.life + column.clamp(1, self.teardown)
    }

    fn bar(&self, row: &Row, pens: &Pens) -> String {
        let Some(from) = row.from else { return String::new() };
        let (from, to) = (self.column(from), self.column(row.to));
        let mut text = " ".repeat(from.min(to));
        for column in from..to {
            text.push(match column.cmp(&self.life) {
                Ordering::Less => pens.life,
                Ordering::Equal => pens.verdict,
                Ordering::Greater => pens.teardown,
            });
        }
        text.push(match row.mark {
            Mark::Exited => pens.exited,
            Mark::Killed => pens.killed,
            Mark::Left => pens.left,
            Mark::None => pens.teardown,
        });
        if !row.status.is_empty() {
            text.push(' ');
            text.push_str(&row.status);
        }
        text
    }

    /// `0s           42.1s │       +310ms`.
    fn labels(&self, pens: &Pens) -> String {
        let (verdict, took) =
            (time(self.times.verdict), format!("+{}", time(self.times.end - self.times.verdict)));
        let left = self.life.saturating_sub(1);
        let begin = if left > columns(&verdict) + 3 { "0s" } else { "" };
        let free = left.saturating_sub(columns(begin));
        format!("{begin}{verdict:>free$} {}{took:>width$}", pens.axis, width = self.teardown)
    }

    #[expect(clippy::cast_precision_loss, reason = "a few hundred columns")]
    fn scales(&self) -> &'static str {
        let life = self.times.verdict / self.life.max(1) as f64;
        let teardown = (self.times.end - self.times.verdict) / self.teardown.max(1) as f64;
        if teardown < life {
            ENLARGED
        } else if teardown > life {
            REDUCED
        } else {
            ""
        }
    }
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

/// A text of no more than so many columns; the last one says that there was more.
pub fn cut(text: &str, most: usize, mark: char) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain([mark]).collect()
}
