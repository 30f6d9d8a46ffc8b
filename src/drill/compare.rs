//! Two drills of one spec side by side: what has become worse, and what better.

use std::fmt::Write as _;

use super::document::{Drill, Outcome, Row};
use crate::report::timeline::time;
use crate::spec::on_one_line;

/// Times differ from run to run: so much longer is longer.
const LONGER_BY: f64 = 1.5;
const LONGER_BY_MS: f64 = 250.0;

/// What a strike has become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    /// It fails now, or shows what it did not.
    Worse,
    /// It does not any more.
    Better,
    /// The outcome is the same, and the cause another one.
    Other,
    /// The outcome is the same, and the outage longer.
    Slower,
    /// The outcome is the same, and the outage shorter.
    Faster,
    /// It was not made before.
    New,
    /// It is not made any more.
    Missing,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whom the strike hits.
    pub target: String,
    /// How.
    pub label: String,
    /// In which direction.
    pub trend: Trend,
    /// That in words: `pass -> fail`.
    pub words: String,
}

/// All differences, in the order of the strikes.
pub fn changes(now: &Drill, before: &Drill) -> Vec<Change> {
    let mut changes: Vec<Change> =
        now.strikes.iter().filter_map(|row| change(row, before)).collect();
    let gone = before.strikes.iter().filter(|row| former(now, row).is_none());
    changes.extend(gone.map(|row| Change {
        target: row.target.clone(),
        label: row.label.clone(),
        trend: Trend::Missing,
        words: "is not struck any more".to_owned(),
    }));
    changes
}

/// The same strike in another drill.
pub fn former<'a>(drill: &'a Drill, row: &Row) -> Option<&'a Row> {
    drill.strikes.iter().find(|it| it.target == row.target && it.strike == row.strike)
}

fn change(row: &Row, before: &Drill) -> Option<Change> {
    let (trend, words) = match former(before, row) {
        None => (Trend::New, "was not struck before".to_owned()),
        Some(old) if old.outcome != row.outcome && is_skipped(old, row) => {
            (Trend::Other, format!("{} -> {}", word(old.outcome), word(row.outcome)))
        }
        Some(old) if old.outcome != row.outcome => {
            let worse = rank(row.outcome) > rank(old.outcome);
            let words = format!("{} -> {}", word(old.outcome), word(row.outcome));
            (if worse { Trend::Worse } else { Trend::Better }, words)
        }
        Some(old) if kind(old) != kind(row) => {
            let words = format!("{} -> {}", kind(old), kind(row));
            (Trend::Other, words)
        }
        Some(old) => {
            let (was, is) = (old.back_ms?, row.back_ms?);
            let words = format!("back in {} -> {}", time(was), time(is));
            if is > was * LONGER_BY && is > was + LONGER_BY_MS {
                (Trend::Slower, words)
            } else if was > is * LONGER_BY && was > is + LONGER_BY_MS {
                (Trend::Faster, words)
            } else {
                return None;
            }
        }
    };
    Some(Change { target: row.target.clone(), label: row.label.clone(), trend, words })
}

/// Whether one of them was not made.
fn is_skipped(one: &Row, other: &Row) -> bool {
    [one, other].iter().any(|row| row.outcome == Outcome::Skipped)
}

/// Which class of problem it showed.
fn kind(row: &Row) -> &str {
    row.problem.as_ref().map_or("none", |problem| problem.kind.as_str())
}

fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Pass => 0,
        Outcome::Finding => 1,
        Outcome::Skipped => 2,
        Outcome::Fail => 3,
    }
}

/// As people read it.
pub fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        Outcome::Finding => "finding",
        Outcome::Skipped => "skipped",
    }
}

/// The differences as text, a line each.
pub fn text(changes: &[Change], before: &Drill) -> String {
    let mut text = format!("\nSince the drill of {}:", on_one_line(&before.began));
    if changes.is_empty() {
        text.push_str(" nothing has changed.\n");
        return text;
    }
    text.push('\n');
    for Change { target, label, trend, words } in changes {
        let trend = match trend {
            Trend::Worse => "worse",
            Trend::Better => "better",
            Trend::Other => "other",
            Trend::Slower => "slower",
            Trend::Faster => "faster",
            Trend::New => "new",
            Trend::Missing => "missing",
        };
        // A former drill may come from anywhere.
        let line = on_one_line(&format!("{target} {label}: {words}"));
        let _ = writeln!(text, "  {trend:<8} {line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::document::example;

    #[test]
    fn what_matters_is_told_and_noise_is_not() {
        let row = |strike: &str, outcome, back_ms| Row {
            target: "web".to_owned(),
            strike: strike.to_owned(),
            label: strike.to_owned(),
            outcome,
            back_ms,
            ..Row::default()
        };
        let of = |strikes| Drill { strikes, ..example() };
        let before = of(vec![
            row("kill", Outcome::Pass, Some(1_000.0)),
            row("term", Outcome::Fail, None),
            row("late", Outcome::Pass, Some(3_000.0)),
            row("freeze", Outcome::Pass, Some(10.0)),
            row("platform", Outcome::Pass, None),
        ]);
        let now = of(vec![
            row("kill", Outcome::Pass, Some(1_600.0)),
            row("term", Outcome::Pass, Some(1.0)),
            row("late", Outcome::Fail, None),
            row("freeze", Outcome::Pass, Some(200.0)),
            row("supervisor", Outcome::Pass, None),
        ]);
        let found = changes(&now, &before);
        let found: Vec<_> = found.iter().map(|it| (it.label.as_str(), it.trend)).collect();
        let expected = [
            ("kill", Trend::Slower),
            ("term", Trend::Better),
            ("late", Trend::Worse),
            ("supervisor", Trend::New),
            ("platform", Trend::Missing),
        ];
        assert_eq!(found, expected);
        assert!(text(&[], &before).ends_with("nothing has changed.\n"));
        let text = text(&changes(&now, &before), &before);
        assert!(text.contains("  slower   web kill: back in 1s -> 1.6s\n"), "{text}");
    }
}
