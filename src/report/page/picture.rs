//! The timeline of a page: a bar for each member and straggler on one axis, up to the verdict and
//! then through the teardown, in the marks of the terminal's picture. And the same in sentences.

use std::fmt::Write as _;

use super::html::text;
use crate::report::document::{MemberRow, Report, StragglerRow, Told};
use crate::report::timeline::{Mark, Row, Times, UNICODE, member, sane, sorted, straggler, time};

/// Where the verdict lies, in percent of the bar: behind it is the teardown, as on a terminal.
const VERDICT: f64 = 66.0;
/// So many rows are drawn; the tables below have the others.
const MOST_ROWS: usize = 60;
/// Distances between the axis's ticks, in milliseconds.
const STEPS: [f64; 28] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 10e3, 15e3, 30e3, 60e3,
    120e3, 300e3, 600e3, 900e3, 1_800e3, 3_600e3, 7_200e3, 21_600e3, 43_200e3, 86_400e3, 172_800e3,
    604_800e3,
];

/// The marks, each around its own middle, and what they mean; the class shows whether one was drawn.
const LEGEND: [(&str, &str, &str); 9] = [
    ("life", "<line class=\"life\" x1=\"-13\" x2=\"13\"/>", "runs"),
    ("down", "<line class=\"down\" x1=\"-13\" x2=\"13\"/>", "in the teardown"),
    ("told", TOLD, "stop signal"),
    ("kill", KILL, "SIGKILL sent"),
    ("exited", EXITED, "exited"),
    ("killed", KILLED, "ended by a signal"),
    ("gone", GONE, "gone"),
    ("left", LEFT, "still there"),
    ("deadline", "<line class=\"deadline\" y1=\"-8\" y2=\"8\"/>", "SIGKILL due"),
];
const TOLD: &str = "<path class=\"told\" d=\"M-4.5-4h9L0 4z\"/>";
const KILL: &str = "<path class=\"kill\" d=\"M0-5.5L4.5 0 0 5.5-4.5 0z\"/>";
const EXITED: &str = "<circle class=\"exited\" r=\"5.5\"/>";
const KILLED: &str = "<path class=\"killed\" d=\"M-5-5L5 5M5-5L-5 5\"/>";
const GONE: &str = "<circle class=\"gone\" r=\"4.5\"/>";
const LEFT: &str = "<path class=\"left\" d=\"M-5-6.5L7 0-5 6.5z\"/>";

/// One row of the picture, and what of it stands in no [`Row`].
struct Bar<'a> {
    row: Row,
    told: Option<&'a Told>,
    forced: bool,
    culprit: bool,
    /// The sentence about it.
    words: String,
}

/// The timeline with its axis and its legend.
pub(crate) fn picture(report: &Report) -> String {
    let axis = Axis { times: Times::of(report), killed: grace_over(report) };
    let members = sorted(report).into_iter().map(|it| of_member(it, report, &axis));
    let stragglers = report.stragglers.iter().map(|it| of_straggler(it, report, &axis));
    let bars: Vec<Bar<'_>> = members.chain(stragglers).take(MOST_ROWS).collect();
    let more = (report.members.len() + report.stragglers.len()).saturating_sub(MOST_ROWS);

    let mut words = vec![match &report.verdict {
        Some(verdict) => format!(
            "{}. The verdict fell {} after the start, the teardown took {}.",
            verdict.message,
            time(axis.times.verdict),
            time(axis.times.end - axis.times.verdict),
        ),
        None => format!(
            "There is no verdict. The report ends {} after the start.",
            time(axis.times.end)
        ),
    }];
    words.extend(bars.iter().map(|it| it.words.clone()));
    words.extend(axis.killed.map(|at| format!("SIGKILL was due {}.", axis.moment(at))));
    // Each text has its longest; all of them together are not cut.
    let words: Vec<String> = words.iter().map(|it| text(it)).collect();

    let mut html = format!(
        "<div class=\"picture\" role=\"img\" aria-label=\"Timeline. {}\">\n",
        words.join(" ")
    );
    let _ = writeln!(
        html,
        "<div class=\"row top\"><span class=\"who\"></span><div class=\"bar\">\
         <span class=\"to-verdict\">up to the verdict</span>\
         <span class=\"to-end\">teardown{}</span></div></div>",
        axis.scales()
    );
    let back = axis.back();
    for bar in &bars {
        axis.draw(&mut html, bar, &back);
    }
    if more > 0 {
        let _ = writeln!(html, "<p class=\"left-out\">and {more} more, who are not drawn</p>");
    }
    axis.labels(&mut html);
    html.push_str("</div>\n");
    let drawn = |class: &str| html.contains(&format!("class=\"{class}\""));
    let legend = LEGEND.iter().filter(|(class, ..)| drawn(class)).map(|(_, mark, meaning)| {
        let mark = mark_at(mark, "13", "8");
        format!("<li><svg width=\"26\" height=\"16\">{mark}</svg>{meaning}</li>\n")
    });
    let legend: String = legend.collect();
    if !legend.is_empty() {
        let _ = write!(html, "<ul class=\"legend\" aria-hidden=\"true\">\n{legend}</ul>\n");
    }
    html
}

fn grace_over(report: &Report) -> Option<f64> {
    report.events.iter().find(|event| event.kind == "grace_over").map(|event| sane(event.at_ms))
}

fn of_member<'a>(row: &'a MemberRow, report: &Report, axis: &Axis) -> Bar<'a> {
    let culprit = report.verdict.as_ref().is_some_and(|it| it.culprit.as_ref() == Some(&row.name));
    let role = if row.role == "main" { "the main process" } else { "a sidecar" };
    let name = &row.name;
    let drawn = member(row, report, &axis.times);
    let mut words = match (row.started_ms, &row.failed) {
        (Some(at), _) => format!("{name}, {role}, ran from {}", time(at)),
        (None, Some(_)) => format!("{name}, {role}, could not be started"),
        (None, None) => format!("{name}, {role}, was not started"),
    };
    if drawn.mark == Mark::Left {
        words.push_str(" and is still there");
    } else if let Some(end) = &row.ended {
        let _ = write!(words, " and ended {}: {}", axis.moment(drawn.to), drawn.status);
        if end.meaning == "culprit" {
            words.push_str(", the first to end");
        }
    }
    words.push('.');
    if let Some(told) = &row.told {
        let _ = write!(words, " It was sent {} {}.", told.signal, axis.moment(sane(told.at_ms)));
    }
    if row.forced {
        words.push_str(" It got SIGKILL.");
    }
    Bar { row: drawn, told: row.told.as_ref(), forced: row.forced, culprit, words }
}

fn of_straggler<'a>(row: &'a StragglerRow, report: &Report, axis: &Axis) -> Bar<'a> {
    let drawn = straggler(row, report, &axis.times, &UNICODE);
    let who = match row.pid {
        number @ ..0 => format!("process group {}", number.unsigned_abs()),
        number => format!("{} (pid {number})", row.name),
    };
    let words = format!("{who}, a straggler: {}; {}.", drawn.status, drawn.note);
    Bar { row: drawn, told: row.told.as_ref(), forced: row.forced, culprit: false, words }
}

/// A mark at this place of a bar, or of the legend.
fn mark_at(mark: &str, x: &str, y: &str) -> String {
    format!("<svg x=\"{x}\" y=\"{y}\" overflow=\"visible\">{mark}</svg>")
}

struct Axis {
    times: Times,
    /// When SIGKILL was due, if it came to that.
    killed: Option<f64>,
}

impl Axis {
    /// Where a moment lies, in percent. What came after the verdict is never drawn on it.
    fn place(&self, at: f64) -> f64 {
        let share = |part: f64, whole: f64| if whole > 0.0 { (part / whole).min(1.0) } else { 0.0 };
        let Times { verdict, end } = self.times;
        if at <= verdict {
            return share(at, verdict) * VERDICT;
        }
        VERDICT + (share(at - verdict, end - verdict) * (100.0 - VERDICT)).max(0.5)
    }

    /// In words: `310ms after the verdict`.
    fn moment(&self, at: f64) -> String {
        if at <= self.times.verdict {
            format!("{} after the start", time(at))
        } else {
            format!("{} after the verdict", time(at - self.times.verdict))
        }
    }

    fn scales(&self) -> &'static str {
        let life = self.times.verdict / VERDICT;
        let teardown = (self.times.end - self.times.verdict) / (100.0 - VERDICT);
        match teardown.total_cmp(&life) {
            std::cmp::Ordering::Less => ", enlarged",
            std::cmp::Ordering::Equal => "",
            std::cmp::Ordering::Greater => ", reduced",
        }
    }

    /// Places and names of the ticks between the axis's three moments.
    fn ticks(&self) -> Vec<(f64, String)> {
        let Times { verdict, end } = self.times;
        let mut ticks = Vec::new();
        for (from, span, sign, last) in
            [(0.0, verdict, "", VERDICT - 15.0), (verdict, end - verdict, "+", 85.0)]
        {
            let most = if from > 0.0 { 2.0 } else { 5.0 };
            let Some(step) = STEPS.into_iter().find(|step| span / step <= most) else { continue };
            let at = (1..6_u32).map(|tick| f64::from(tick) * step).filter(|at| *at < span);
            ticks.extend(
                at.map(|at| (self.place(from + at), format!("{sign}{}", time(at))))
                    .filter(|(place, _)| *place < last),
            );
        }
        ticks
    }

    /// What lies behind every bar.
    fn back(&self) -> String {
        let mut back = format!("<rect x=\"{VERDICT}%\" width=\"34%\" height=\"100%\"/>");
        let mut line = |class: &str, x: f64| {
            let _ = write!(
                back,
                "<line class=\"{class}\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"0\" y2=\"100%\"/>"
            );
        };
        for (place, _) in self.ticks() {
            line("grid", place);
        }
        if let Some(at) = self.killed.filter(|at| *at > self.times.verdict) {
            line("deadline", self.place(at));
        }
        line("verdict", VERDICT);
        back
    }

    fn draw(&self, html: &mut String, bar: &Bar<'_>, back: &str) {
        let Bar { row, told, forced, culprit, .. } = bar;
        let class = if *culprit { "row culprit" } else { "row" };
        let _ = write!(
            html,
            "<div class=\"{class}\"><span class=\"who\"><bdi>{}</bdi></span>\
             <div class=\"bar\"><svg aria-hidden=\"true\" focusable=\"false\">{back}",
            text(&row.name)
        );
        if let Some(from) = row.from {
            let (from, to) = (self.place(from), self.place(row.to));
            let mut line = |class: &str, from: f64, to: f64| {
                let _ = write!(
                    html,
                    "<line class=\"{class}\" x1=\"{from:.2}%\" x2=\"{to:.2}%\" y1=\"50%\" y2=\"50%\"/>"
                );
            };
            if from < VERDICT {
                line("life", from, to.clamp(from, VERDICT));
            }
            if to > VERDICT {
                line("down", from.clamp(VERDICT, to), to);
            }
            let mark = match row.mark {
                Mark::Exited => EXITED,
                Mark::Killed => KILLED,
                Mark::Left => LEFT,
                Mark::None if row.status.is_empty() => "",
                Mark::None => GONE,
            };
            html.push_str(&mark_at(mark, &format!("{to:.2}%"), "50%"));
            let above = told.map(|it| (TOLD, self.place(sane(it.at_ms))));
            let killed = self.killed.filter(|_| *forced).map(|at| (KILL, self.place(at)));
            for (mark, place) in above.into_iter().chain(killed) {
                html.push_str(&mark_at(mark, &format!("{place:.2}%"), "50%"));
            }
        }
        html.push_str("</svg></div><div class=\"end\">");
        if !row.status.is_empty() {
            let _ = write!(html, "<span class=\"how\">{}</span>", text(&row.status));
        }
        let _ = writeln!(html, "<span class=\"note\">{}</span></div></div>", text(&row.note));
    }

    fn labels(&self, html: &mut String) {
        let Times { verdict, end } = self.times;
        html.push_str("<div class=\"row axis\"><span class=\"who\"></span><div class=\"bar\">");
        let ticks = self.ticks();
        if ticks.first().is_none_or(|(place, _)| *place > 4.0) {
            html.push_str("<span class=\"zero\">0s</span>");
        }
        for (place, name) in ticks {
            let _ = write!(html, "<span class=\"tick\" style=\"left:{place:.2}%\">{name}</span>");
        }
        let _ = writeln!(
            html,
            "<span class=\"to-verdict\">{}</span><span class=\"to-end\">+{}</span></div></div>",
            time(verdict),
            time(end - verdict)
        );
    }
}
