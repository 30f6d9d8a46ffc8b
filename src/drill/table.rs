//! The table of a drill on a terminal, a row for each strike, and what is to be mended below it.

use std::fmt::Write as _;

use super::document::{Drill, Outcome, Platforms, Problem, Row};
use crate::report::timeline::{Letters, time};
use crate::spec::on_one_line;

/// How it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether a terminal shows colours.
    pub colours: bool,
    /// Whether it shows more than ASCII.
    pub letters: Letters,
}

/// The widths of the first two columns, which are known before anything was struck.
#[derive(Clone, Debug)]
pub(super) struct Table {
    target: usize,
    label: usize,
    look: Look,
    /// What the last failure was about.
    before: Option<Problem>,
}

/// Names are cut here.
const LONGEST_NAME: usize = 24;
const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const PLAIN: &str = "\u{1b}[0m";

impl Table {
    /// For these targets and labels.
    pub(super) fn new<'a>(rows: impl Iterator<Item = (&'a str, &'a str)>, look: Look) -> Self {
        let mut table = Self { target: 0, label: 0, look, before: None };
        for (target, label) in rows {
            table.target = table.target.max(target.chars().count().min(LONGEST_NAME));
            table.label = table.label.max(label.chars().count());
        }
        table
    }

    pub(super) fn heading(&self) -> String {
        let left = self.target + 2 + self.label;
        format!("{:left$}   {:>7}  {:>6}  {:>6}  {:>7}\n", "", "told", "gone", "exit", "back in")
    }

    pub(super) fn row(&mut self, row: &Row) -> String {
        let dash = if self.look.letters == Letters::Unicode { "–" } else { "-" };
        let span = |at: Option<f64>| at.map_or(dash.to_owned(), time);
        let (target, label) = (cut(&on_one_line(&row.target)), &row.label);
        let (name, kind) = (self.target, self.label);
        let mut line = format!(
            "{target:name$}  {label:kind$}   {:>7}  {:>6}  {:>6}  {:>7}  {}",
            span(row.told_ms),
            span(row.gone_ms),
            exit(row, self.look.letters).unwrap_or(dash.to_owned()),
            span(row.back_ms),
            self.word(row.outcome),
        );
        let again = row.problem.is_some() && row.problem == self.before;
        let note = if again { "the same".to_owned() } else { on_one_line(&row.note) };
        if !note.is_empty() {
            let _ = write!(line, "  {note}");
        }
        if row.problem.is_some() {
            self.before.clone_from(&row.problem);
        }
        line.trim_end().to_owned() + "\n"
    }

    fn word(&self, outcome: Outcome) -> String {
        let (word, colour) = match outcome {
            Outcome::Pass => ("pass", GREEN),
            Outcome::Fail => ("FAIL", RED),
            Outcome::Finding => ("finding", YELLOW),
            Outcome::Skipped => ("skipped", ""),
        };
        if self.look.colours && !colour.is_empty() {
            format!("{colour}{word}{PLAIN}")
        } else {
            word.to_owned()
        }
    }
}

/// Names that begin alike often differ at their ends.
fn cut(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= LONGEST_NAME {
        return name.to_owned();
    }
    let half = LONGEST_NAME / 2;
    let (head, tail) = (&letters[..half - 1], &letters[letters.len() - half..]);
    head.iter().chain(&['~']).chain(tail).collect()
}

/// `137`, or `0→69` where the spec makes another one of it.
pub(super) fn exit(row: &Row, letters: Letters) -> Option<String> {
    let arrow = if letters == Letters::Unicode { "→" } else { ">" };
    let code = row.exit_code?;
    Some(match row.own_code {
        Some(own) => format!("{own}{arrow}{code}"),
        None => code.to_string(),
    })
}

/// Everything below the table: how many failed, each cause once, and what is to be known besides.
pub fn summary(drill: &Drill, look: Look) -> String {
    let mut text = format!("\n{}\n", verdict(drill));
    for (number, (problem, rows)) in problems(drill, Outcome::Fail).iter().enumerate() {
        let _ = writeln!(text, "{}. {} {}", number + 1, shown(&problem.cause), shown(&problem.fix));
        if let Some(row) = rows.first() {
            for line in &row.output {
                let _ = writeln!(text, "   | {}", on_one_line(line));
            }
            let _ = writeln!(text, "   replay: {}", on_one_line(&row.replay));
        }
    }
    for (problem, rows) in problems(drill, Outcome::Finding) {
        let replay = rows.first().map_or("", |row| row.replay.as_str());
        let _ = writeln!(text, "finding: {} {}", shown(&problem.cause), shown(&problem.fix));
        let _ = writeln!(text, "   replay: {}", on_one_line(replay));
    }
    if let Some(line) = policies(drill, look.letters) {
        let _ = writeln!(text, "{line}");
    }
    text
}

fn shown(text: &str) -> String {
    on_one_line(text)
}

/// `3 of 8 failed.`
pub fn verdict(drill: &Drill) -> String {
    let made = drill.strikes.len() - drill.skipped;
    let mut text = match (drill.failed, made) {
        (_, 0) => "Nothing was struck".to_owned(),
        (0, 1) if drill.findings == 0 => "It passed".to_owned(),
        (0, _) if drill.findings == 0 => format!("All {made} passed"),
        (0, _) => format!("None of {made} failed"),
        (failed, made) => format!("{failed} of {made} failed"),
    };
    match drill.findings {
        0 => {}
        1 => text.push_str(", 1 finding"),
        many => {
            let _ = write!(text, ", {many} findings");
        }
    }
    if drill.skipped > 0 {
        let _ = write!(text, ", {} not made", drill.skipped);
    }
    if let Some(why) = &drill.cut_short {
        let _ = write!(text, "; {}", on_one_line(why));
    }
    text.push('.');
    text
}

/// Each cause once, with all strikes that show it.
pub fn problems(drill: &Drill, outcome: Outcome) -> Vec<(&Problem, Vec<&Row>)> {
    let mut problems: Vec<(&Problem, Vec<&Row>)> = Vec::new();
    for row in drill.strikes.iter().filter(|row| row.outcome == outcome) {
        let Some(problem) = &row.problem else { continue };
        match problems.iter_mut().find(|(known, _)| *known == problem) {
            Some((_, rows)) => rows.push(row),
            None => problems.push((problem, vec![row])),
        }
    }
    problems
}

/// What platforms make of the crashes, in a line.
fn policies(drill: &Drill, letters: Letters) -> Option<String> {
    let crashes: Vec<(&Row, Platforms)> = drill
        .strikes
        .iter()
        .filter_map(|row| Some((row, row.platforms.filter(|it| it.docker_always)?)))
        .collect();
    if crashes.is_empty() {
        return None;
    }
    let missed = crashes.iter().filter(|(_, it)| !it.docker_on_failure);
    let missed: Vec<String> =
        missed.map(|(row, _)| format!("{} {}", row.target, row.label)).collect();
    if missed.is_empty() {
        return Some(
            "Docker (always, on-failure), Kubernetes (Always, OnFailure) and Cloud Foundry recreate it after \
             each crash."
                .to_owned(),
        );
    }
    let dash = if letters == Letters::Unicode { "–" } else { "-" };
    Some(format!(
        "Docker always, Kubernetes Always and Cloud Foundry recreate it after each crash; on-failure and \
         OnFailure {dash} not after {}.",
        on_one_line(&missed.join(", "))
    ))
}
