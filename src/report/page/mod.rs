//! The page: a report for a browser, as one file that needs nothing else, no script either.
//!
//! [`html`] is what it is written with, [`picture`] its timeline, [`tables`] and [`events`] what
//! stands below that, `page.css` its looks.

mod events;
pub(crate) mod html;
mod picture;
mod tables;

pub(crate) use picture::picture;

use std::fmt::Write as _;

use self::events::events;
pub(crate) use self::events::moment;
use self::html::{aside, code, text};
use self::tables::{logs, members, signals, stragglers};
use super::document::Report;
use super::timeline::time;
use crate::spec::bytes_as_size;

/// Events whose messages say what to mend: they stand at the top too.
const TO_MEND: [&str; 8] = [
    "passed_only_here",
    "profile_failed",
    "cannot_start",
    "blind",
    "signal_failed",
    "deadline_moved",
    "hurried",
    "grace_over",
];
/// So many of them.
const MOST_TO_MEND: usize = 8;

/// A report as a page.
pub fn page(report: &Report) -> String {
    let title = match &report.verdict {
        Some(verdict) => text(&verdict.message),
        None => "There is no verdict".to_owned(),
    };
    let version = text(&report.environment.version);
    let mut html = beginning(&title, "");
    head(&mut html, report, &title);
    html.push_str(
        "<main>\n<section aria-labelledby=\"timeline\">\n<h2 id=\"timeline\">Timeline</h2>\n",
    );
    html.push_str(&picture(report));
    html.push_str("</section>\n");
    html.push_str(&members(report));
    if !report.stragglers.is_empty() {
        html.push_str(&stragglers(report));
    }
    if !report.signals.is_empty() || report.events_left_out > 0 {
        html.push_str(&signals(report));
    }
    if !report.logs.is_empty() || report.messages_dropped > 0 {
        html.push_str(&logs(report));
    }
    html.push_str(&events(report));
    let form = code(&report.form);
    let _ = write!(
        html,
        "</main>\n<footer><p>Made from a report ({form}) of fateshare {version}. Times count from the \
         moment the group was made; those with + from the verdict.</p></footer>\n</body>\n</html>\n"
    );
    html
}

/// What every page begins with, up to its body. The title is markup, the style is added to the usual one.
pub(crate) fn beginning(title: &str, style: &str) -> String {
    let usual = include_str!("page.css");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title} · fateshare</title>\n<style>\n{usual}{style}</style>\n</head>\n<body>\n"
    )
}

/// Who ended it and why, and what one asks next.
fn head(html: &mut String, report: &Report, title: &str) {
    let _ = write!(
        html,
        "<header>\n<p class=\"brand\">fateshare <span>the end of a group</span></p>\n"
    );
    let _ = writeln!(html, "<h1>{title}</h1>");
    let summary = match &report.summary {
        Some(summary) => text(summary),
        None => "This report was written when SIGKILL was due; no later one is there.".to_owned(),
    };
    let _ = writeln!(html, "<p class=\"summary\">{summary}</p>");
    if let Some(words) = report.verdict.as_ref().and_then(|it| it.cloud_foundry.as_ref()) {
        let words = code(words);
        let _ = writeln!(html, "<p class=\"platform\">Cloud Foundry would say: {words}</p>");
    }
    let said = report.verdict.as_ref().map_or("", |verdict| verdict.message.as_str());
    let to_mend = report.events.iter().filter(|event| TO_MEND.contains(&event.kind.as_str()));
    let to_mend = to_mend.filter_map(|event| event.message.as_ref());
    let to_mend: Vec<&String> = to_mend.filter(|it| !said.contains(it.as_str())).collect();
    if !to_mend.is_empty() {
        html.push_str("<ul class=\"to-mend\">\n");
        for message in to_mend.iter().take(MOST_TO_MEND) {
            let _ = writeln!(html, "<li>{}</li>", text(message));
        }
        if to_mend.len() > MOST_TO_MEND {
            let more = to_mend.len() - MOST_TO_MEND;
            let _ = writeln!(html, "<li>and {more} more, in the list of events</li>");
        }
        html.push_str("</ul>\n");
    }
    list(html, "figures", &figures(report));
    list(html, "facts", &facts(report));
    html.push_str("</header>\n");
}

pub(crate) fn list(html: &mut String, class: &str, pairs: &[(&str, String)]) {
    let _ = writeln!(html, "<dl class=\"{class}\">");
    for (name, value) in pairs {
        let _ = writeln!(html, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    html.push_str("</dl>\n");
}

fn figures(report: &Report) -> Vec<(&'static str, String)> {
    let code = report.exit_code.map_or("none yet".to_owned(), |code| code.to_string());
    let mut figures = vec![("Exit code", code)];
    let Some(verdict) = &report.verdict else { return figures };
    let (what, why) = match verdict.cause.as_str() {
        "member_ended" => ("a member", "it ended first"),
        "stop_request" => ("a stop request", ""),
        "cannot_start" => ("a member", "it could not be started"),
        "unhealthy" => ("a member", "its health check failed"),
        "profile_exited" => ("a profile script", "it ended its shell"),
        "own_failure" => ("fateshare", "a failure of its own"),
        other => (other, ""),
    };
    let who = verdict.culprit.as_deref().unwrap_or(what);
    figures.push(("Ended by", format!("<bdi>{}</bdi>{}", text(who), aside(why))));
    let when = report.events.iter().find(|event| event.kind == "verdict");
    let when = when.map_or(String::new(), |event| moment(&event.time));
    figures.push(("Verdict", format!("after {}{}", time(verdict.at_ms), aside(&when))));
    let grace = format!("grace period {}", time(report.spec.grace_period_ms));
    let took = match report.over_ms {
        Some(over) => time(over - verdict.at_ms),
        None => "not over".to_owned(),
    };
    figures.push(("Teardown", took + &aside(&grace)));
    figures
}

fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let (spec, environment) = (&report.spec, &report.environment);
    let codes = &spec.exit_codes;
    let stopped = codes.stopped.map_or("main’s own".to_owned(), |code| code.to_string());
    let mut facts = vec![
        ("Began", moment(&report.began)),
        ("Spec", code(&spec.source)),
        ("Stop requests", text(&spec.stop_on.join(", "))),
        (
            "Exit codes",
            format!(
                "main’s 0 → {}, a sidecar’s 0 → {}, unhealthy → {}, stopped → {stopped}",
                codes.main_success, codes.sidecar_success, codes.unhealthy
            ),
        ),
        (
            "Run by",
            format!(
                "fateshare {} as {}, pid {}, user {}",
                text(&environment.version),
                text(&environment.role),
                environment.pid,
                environment.uid
            ),
        ),
    ];
    let mut add = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
    add("Host", environment.host.as_deref().map(code));
    add("Kernel", environment.kernel.as_deref().map(code));
    add("Platform", spec.platform.as_deref().map(platform));
    add("Memory limit", environment.memory_limit_bytes.map(bytes_as_size));
    add("Output", Some(format!("passed on as {}", code(&environment.log_format))));
    facts
}

fn platform(name: &str) -> String {
    if name == "cloudfoundry" { "Cloud Foundry".to_owned() } else { text(name) }
}
