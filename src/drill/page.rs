//! The page of a drill: one file that needs nothing else. An overview, a card and a timeline for each
//! strike, and what has changed since a former drill.

use std::fmt::Write as _;

use super::compare::{Trend, changes, former, word};
use super::document::{Drill, Outcome, Platforms, Process, Row};
use super::table::{exit, verdict};
use crate::report::page::html::{Column, Table, aside, code, text};
use crate::report::page::{beginning, list, moment, picture};
use crate::report::timeline::{Letters, time};

/// A drill as a page, compared with a former one.
pub fn page(drill: &Drill, before: Option<&Drill>) -> String {
    let title = text(&verdict(drill));
    let mut html = beginning(&title, include_str!("page.css"));
    head(&mut html, drill, &title);
    html.push_str("<main>\n");
    if let Some(before) = before {
        comparison(&mut html, drill, before);
    }
    html.push_str(&overview(drill, before));
    for (number, row) in drill.strikes.iter().enumerate() {
        card(&mut html, number, row, before.and_then(|before| former(before, row)));
    }
    let (form, version) = (code(&drill.form), text(&drill.version));
    let _ = write!(
        html,
        "</main>\n<footer><p>Made from a drill ({form}) of fateshare {version}. Times count from the \
         strike.</p></footer>\n</body>\n</html>\n"
    );
    html
}

fn head(html: &mut String, drill: &Drill, title: &str) {
    let _ = write!(
        html,
        "<header>\n<p class=\"brand\">fateshare <span>drill</span></p>\n<h1>{title}</h1>\n\
         <p class=\"summary\">{}: {}</p>\n",
        code(&drill.spec),
        text(&drill.members.join(" + "))
    );
    if !drill.remarks.is_empty() {
        html.push_str("<ul class=\"to-mend\">\n");
        for remark in &drill.remarks {
            let _ = writeln!(html, "<li>{}</li>", text(remark));
        }
        html.push_str("</ul>\n");
    }
    let count = |count: usize| count.to_string();
    let figures = [
        ("Failed", count(drill.failed)),
        ("Findings", count(drill.findings)),
        ("Passed", count(drill.passed)),
        ("Not made", count(drill.skipped)),
    ];
    list(html, "figures", &figures);
    let own =
        if drill.pid_namespaces { "in PID namespaces of their own" } else { "among all processes" };
    let facts = [
        ("Began", moment(&drill.began)),
        ("Took", time(drill.took_ms)),
        ("Limit", format!("{} until all is gone", time(drill.within_ms))),
        ("Groups", own.to_owned()),
    ];
    list(html, "facts", &facts);
    html.push_str("</header>\n");
}

fn comparison(html: &mut String, drill: &Drill, before: &Drill) {
    let found = changes(drill, before);
    let _ = write!(
        html,
        "<section aria-labelledby=\"changes\">\n<h2 id=\"changes\">Since the drill of {}</h2>\n",
        moment(&before.began)
    );
    if found.is_empty() {
        html.push_str("<p>Nothing has changed.</p>\n");
    } else {
        html.push_str("<ul class=\"changes\">\n");
        for change in &found {
            let (class, trend) = match change.trend {
                Trend::Worse => ("worse", "worse"),
                Trend::Better => ("better", "better"),
                Trend::Other => ("other", "other"),
                Trend::Slower => ("slower", "slower"),
                Trend::Faster => ("faster", "faster"),
                Trend::New => ("new", "new"),
                Trend::Missing => ("missing", "missing"),
            };
            let words = text(&change.words.replace("->", "→"));
            let strike = format!("{} {}", text(&change.target), text(&change.label));
            let _ = writeln!(html, "<li class=\"{class}\"><b>{trend}</b>: {strike}, {words}</li>");
        }
        html.push_str("</ul>\n");
    }
    html.push_str("</section>\n");
}

fn overview(drill: &Drill, before: Option<&Drill>) -> String {
    const COLUMNS: [Column; 6] = [
        Column("Strike", "head"),
        Column("Told", "number"),
        Column("Gone", "number"),
        Column("Exit code", "number"),
        Column("Back in", "number"),
        Column("Outcome", ""),
    ];
    let table = Table {
        id: "overview",
        heading: "Strikes",
        caption: "Each on a group of its own that was healthy.",
        columns: &COLUMNS,
    };
    let rows: Vec<(&str, Vec<String>)> = drill
        .strikes
        .iter()
        .enumerate()
        .map(|(number, row)| {
            let name = format!("{} {}", text(&row.target), text(&row.label));
            let old = before
                .and_then(|before| former(before, row))
                .filter(|old| old.outcome != row.outcome);
            let old = old.map_or(String::new(), |old| format!("before: {}", word(old.outcome)));
            let cells = vec![
                format!("<a href=\"#strike-{number}\">{name}</a>"),
                span(row.told_ms),
                span(row.gone_ms),
                exit(row, Letters::Unicode).unwrap_or_default(),
                span(row.back_ms),
                format!("{}{}{}", badge(row), aside(&text(&row.note)), aside(&old)),
            ];
            ("", cells)
        })
        .collect();
    table.section(&rows, &[])
}

fn span(at: Option<f64>) -> String {
    at.map_or(String::new(), time)
}

fn badge(row: &Row) -> String {
    let word = word(row.outcome);
    format!("<span class=\"badge {word}\">{word}</span>")
}

fn card(html: &mut String, number: usize, row: &Row, old: Option<&Row>) {
    let name = format!("{} {}", text(&row.target), text(&row.label));
    let _ = write!(
        html,
        "<section class=\"card {}\" aria-labelledby=\"strike-{number}\">\n\
         <h2 id=\"strike-{number}\">{name} {}</h2>\n",
        word(row.outcome),
        badge(row)
    );
    if let Some(verdict) = &row.verdict {
        let _ = writeln!(html, "<p class=\"verdict\">{}</p>", text(verdict));
    } else if !row.note.is_empty() {
        let _ = writeln!(html, "<p class=\"verdict\">{}</p>", text(&row.note));
    }
    if let Some(problem) = &row.problem {
        let _ = write!(
            html,
            "<div class=\"problem\">\n<p><b>{}</b></p>\n<p>{}</p>\n</div>\n",
            text(&problem.cause),
            text(&problem.fix)
        );
    }
    let figures = figures(row, old);
    if !figures.is_empty() {
        list(html, "figures", &figures);
    }
    if let Some(platforms) = row.platforms.filter(|it| it.docker_always) {
        let _ =
            writeln!(html, "<h3>What platforms make of it</h3>\n<p>{}</p>", policies(platforms));
    }
    processes(html, "Outlived their member", &row.stragglers);
    processes(html, "Outlived fateshare", &row.survivors);
    if !row.output.is_empty() {
        let lines: Vec<String> = row.output.iter().map(|line| text(line)).collect();
        let _ = writeln!(html, "<h3>The last that it said</h3>\n<pre>{}</pre>", lines.join("\n"));
    }
    if row.outcome != Outcome::Skipped {
        let _ = writeln!(html, "<h3>Strike again</h3>\n<pre>{}</pre>", text(&row.replay));
    }
    if let Some(report) =
        row.report.as_ref().filter(|report| report.members.iter().any(|it| it.pid.is_some()))
    {
        html.push_str("<h3>Timeline</h3>\n");
        html.push_str(&picture(report));
    }
    html.push_str("</section>\n");
}

fn figures(row: &Row, old: Option<&Row>) -> Vec<(&'static str, String)> {
    let with = |now: Option<f64>, old: Option<f64>| {
        let before = old.map_or(String::new(), |old| format!("before: {}", time(old)));
        now.map(|now| time(now) + &aside(&before))
    };
    let forced = if row.forced.is_empty() { None } else { Some(text(&row.forced.join(", "))) };
    [
        ("Others told after", with(row.told_ms, old.and_then(|old| old.told_ms))),
        ("Gone after", with(row.gone_ms, old.and_then(|old| old.gone_ms))),
        ("Exit code", exit(row, Letters::Unicode)),
        ("Back in", with(row.back_ms, old.and_then(|old| old.back_ms))),
        ("Needed SIGKILL", forced),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

fn policies(platforms: Platforms) -> String {
    let all = [
        ("Docker always", platforms.docker_always),
        ("Docker on-failure", platforms.docker_on_failure),
        ("Kubernetes Always", platforms.kubernetes_always),
        ("Kubernetes OnFailure", platforms.kubernetes_on_failure),
        ("Cloud Foundry", platforms.cloud_foundry),
    ];
    let of = |wanted| {
        let names = all.iter().filter(|(_, recreates)| *recreates == wanted).map(|(name, _)| *name);
        names.collect::<Vec<_>>().join(", ")
    };
    let (yes, no) = (of(true), of(false));
    match (yes.as_str(), no.as_str()) {
        (yes, "") => format!("{yes}: it is recreated."),
        ("", no) => format!("{no}: it is not recreated."),
        (yes, no) => {
            format!("{yes}: it is recreated. {no}: it is not, the exit code says success.")
        }
    }
}

fn processes(html: &mut String, heading: &str, processes: &[Process]) {
    if processes.is_empty() {
        return;
    }
    let _ = writeln!(html, "<h3>{heading}</h3>\n<ul class=\"plain\">");
    for process in processes {
        let whose = process.member.as_ref().map_or(String::new(), |it| format!(", {}’s", text(it)));
        let forced = if process.forced { ", needed SIGKILL" } else { "" };
        let _ = writeln!(
            html,
            "<li>{} (pid {}{whose}){forced}</li>",
            code(&process.command),
            process.pid
        );
    }
    html.push_str("</ul>\n");
}
