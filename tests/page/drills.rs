//! The page of a drill.

use fateshare::drill::document::{Drill, Outcome, Platforms, Problem, Process, Row};
use fateshare::drill::page::page;
use serde_json::json;

use super::browser::{PALE, PHONE, WIDE, can_be_read};
use super::chromium::Browser;
use super::reports::{self, EVIL};
use super::text::parse;

fn row(target: &str, strike: &str, outcome: Outcome) -> Row {
    Row {
        target: target.to_owned(),
        strike: strike.to_owned(),
        label: if strike == "kill" { "SIGKILL" } else { strike }.to_owned(),
        outcome,
        replay: format!("fateshare drill --member {target} --strike {strike}"),
        ..Row::default()
    }
}

/// One with something of everything; `name` is a member's.
fn drill(name: &str, text: &str) -> Drill {
    let problem = Problem {
        kind: "ignores_signal".to_owned(),
        cause: format!("{name} ignores SIGTERM (SigIgn). {text}"),
        fix: format!("Handle it, or set stop_signal to the one it handles. {text}"),
    };
    let process = Process {
        pid: 7,
        command: format!("agent --with {text}"),
        member: Some(name.to_owned()),
        forced: true,
    };
    let platforms = Platforms {
        docker_always: true,
        docker_on_failure: false,
        kubernetes_always: true,
        kubernetes_on_failure: false,
        cloud_foundry: true,
    };
    let mut drill = Drill {
        form: "fateshare-drill/1".to_owned(),
        version: "0.1.0".to_owned(),
        spec: format!("./{text}.yml"),
        began: "2026-01-02T03:04:05.678901Z".to_owned(),
        took_ms: 12_345.6,
        members: vec![name.to_owned(), "config-server".to_owned()],
        within_ms: 10_000.0,
        settle_ms: 1_000.0,
        pid_namespaces: false,
        remarks: vec![format!("groups have no PID namespace of their own here: {text}")],
        cut_short: Some("interrupted".to_owned()),
        passed: 0,
        failed: 0,
        findings: 0,
        skipped: 0,
        strikes: vec![
            Row {
                told_ms: Some(0.4),
                gone_ms: Some(12.3),
                exit_code: Some(69),
                own_code: Some(0),
                back_ms: Some(1_300.0),
                verdict: Some(format!("{name} (pid 7) was killed by SIGKILL, not by fateshare")),
                platforms: Some(platforms),
                report: Some(reports::full()),
                ..row(name, "kill", Outcome::Pass)
            },
            Row {
                note: format!("{name} ignored SIGTERM; SIGKILL after 9s"),
                problem: Some(problem.clone()),
                told_ms: Some(0.4),
                gone_ms: Some(9_012.3),
                exit_code: Some(137),
                back_ms: Some(10_300.0),
                forced: vec![name.to_owned()],
                stragglers: vec![process.clone()],
                survivors: vec![Process { member: None, ..process }],
                platforms: Some(Platforms {
                    docker_on_failure: true,
                    kubernetes_on_failure: true,
                    ..platforms
                }),
                output: vec![format!("{name} | {text}"), "x".repeat(300)],
                report: Some(reports::kept("main_cannot_be_killed")),
                ..row("config-server", "kill", Outcome::Fail)
            },
            Row { problem: Some(problem), ..row(name, "freeze", Outcome::Finding) },
            Row {
                note: "not struck".to_owned(),
                ..row("(fateshare)", "platform", Outcome::Skipped)
            },
        ],
    };
    drill.count();
    drill
}

fn former(name: &str, text: &str) -> Drill {
    let mut former = drill(name, text);
    former.strikes[0].back_ms = Some(300.0);
    former.strikes[1].outcome = Outcome::Pass;
    "late".clone_into(&mut former.strikes[2].strike);
    former
}

#[test]
fn it_is_sound_and_shows_everything() {
    let html = page(&drill("web", "a text"), Some(&former("web", "a text")));
    parse("a drill", &html);
    for text in [
        "<h1>1 of 3 failed, 1 finding, 1 not made; interrupted.</h1>",
        "<b>slower</b>: web SIGKILL, back in 300ms → 1.3s",
        "<b>worse</b>: config-server SIGKILL, pass → fail",
        "<b>missing</b>: web freeze, is not struck any more",
        "<dt>Exit code</dt><dd>0→69</dd>",
        "Docker always, Kubernetes Always, Cloud Foundry: it is recreated. Docker on-failure, Kubernetes \
         OnFailure: it is not, the exit code says success.",
        "Docker always, Docker on-failure, Kubernetes Always, Kubernetes OnFailure, Cloud Foundry: it is recreated.",
        "<dt>Needed SIGKILL</dt><dd>web</dd>",
        "<code>agent --with a text</code> (pid 7, web’s), needed SIGKILL",
        "fateshare drill --member config-server --strike kill",
        "<small>before: 300ms</small>",
    ] {
        assert!(html.contains(text), "{text}\n{html}");
    }
    assert_eq!(html.matches("<section class=\"card ").count(), 4);
    assert_eq!(html.matches("class=\"picture\"").count(), 2);
    for number in 0..4 {
        assert!(html.contains(&format!("href=\"#strike-{number}\"")), "{number}");
        assert!(html.contains(&format!("id=\"strike-{number}\"")), "{number}");
    }
}

#[test]
fn nothing_of_a_drill_becomes_markup() {
    let html = page(&drill(EVIL, EVIL), Some(&former(EVIL, EVIL)));
    parse("an evil drill", &html);
}

#[test]
fn it_can_be_read_on_every_screen() {
    let Some(mut browser) = Browser::start() else { return };
    let long = "a-word-that-is-longer-than-any-phone-is-wide-".repeat(8);
    for (name, text) in [("web", "a text"), ("performance monitor", long.as_str()), (EVIL, EVIL)] {
        browser.open(&page(&drill(name, text), Some(&former(name, text))));
        for width in [WIDE, PHONE] {
            for scheme in ["light", "dark"] {
                can_be_read(&mut browser, name, (width, scheme));
            }
        }
        browser.look(WIDE, "print", "dark");
        assert_eq!(browser.ask(PALE)["pale"], json!([]), "{name}: on paper");
        assert_ne!(browser.ask("document.title"), json!("ran"), "{name}");
        assert_eq!(browser.complaints(), Vec::<String>::new(), "{name}");
    }
}
