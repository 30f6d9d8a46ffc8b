//! What the markup says.

use std::collections::BTreeSet;
use std::path::Path;

use fateshare::report::page::page;

use super::reports;

/// Elements that have no end.
const VOID: [&str; 2] = ["meta", "br"];

/// Reads a page as strictly as XML would be: every element is closed in its turn, every attribute
/// is quoted, every `&` is a reference, every name that something is labelled by is there.
pub(super) fn parse(name: &str, html: &str) {
    let (before, rest) = html.split_once("<style>").expect("a style");
    let (style, after) = rest.split_once("</style>").expect("its end");
    assert!(!style.contains('<') && !style.contains("url("), "{name}: the style");
    let text = format!("{before}{after}");
    let mut open: Vec<&str> = Vec::new();
    let mut ids = BTreeSet::new();
    let mut named = BTreeSet::new();
    let mut rest = text.strip_prefix("<!DOCTYPE html>\n").expect("a doctype");
    while let Some((words, tag)) = rest.split_once('<') {
        assert!(!words.contains('>'), "{name}: a bare > in {words:?}");
        references(name, words);
        let (tag, next) = tag.split_once('>').expect("the end of a tag");
        rest = next;
        if let Some(end) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(end), "{name}: nested wrongly");
            continue;
        }
        let closed = tag.ends_with('/');
        let tag = tag.trim_end_matches('/');
        let (element, mut attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(element.bytes().all(|it| it.is_ascii_alphanumeric()), "{name}: {element:?}");
        assert!(!["script", "img", "iframe", "link", "object"].contains(&element), "{name}");
        while let Some((key, value)) = attributes.trim_start().split_once("=\"") {
            let (value, next) = value.split_once('"').expect("the end of a value");
            assert!(
                key.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-'),
                "{name}: {key:?}"
            );
            assert!(!key.starts_with("on") && key != "src", "{name}: {key}");
            // Nothing from outside: a link leads to another place of the page.
            assert!(key != "href" || value.starts_with('#'), "{name}: {value}");
            references(name, value);
            match key {
                "id" => assert!(ids.insert(value), "{name}: {value} twice"),
                "aria-labelledby" => _ = named.insert(value),
                _ => {}
            }
            attributes = next;
        }
        assert_eq!(attributes.trim(), "", "{name}: attributes");
        if !closed && !VOID.contains(&element) {
            open.push(element);
        }
    }
    assert_eq!(rest.trim(), "", "{name}: behind the end");
    assert!(open.is_empty(), "{name}: never closed: {open:?}");
    assert!(named.is_subset(&ids), "{name}: {named:?} of {ids:?}");
    let harmless = |letter: char| letter == '\n' || fateshare::spec::harmless(letter) == letter;
    assert!(html.chars().all(harmless), "{name}: a control character");
}

/// The same for a page that speaks of nothing outside either.
fn check(name: &str, html: &str) {
    parse(name, html);
    for outside in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!html.contains(outside), "{name}: {outside}");
    }
}

fn references(name: &str, text: &str) {
    for (at, _) in text.match_indices('&') {
        let known = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
        let rest = &text[at..];
        assert!(known.iter().any(|it| rest.starts_with(it)), "{name}: {rest:?}");
    }
}

#[test]
fn every_ending_makes_a_sound_page() {
    let names = reports::all_kept();
    assert!(names.len() > 15, "the endings were found");
    for name in names {
        let report = reports::kept(&name);
        let html = page(&report);
        check(&name, &html);
        let verdict = report.verdict.as_ref().expect("a verdict");
        assert!(html.contains(&format!("<h1>{}</h1>", verdict.message)), "{name}");
        let summary = report.summary.as_ref().expect("an end");
        assert!(html.contains(&format!("<p class=\"summary\">{summary}</p>")), "{name}");
        let code = report.exit_code.expect("a code");
        assert!(html.contains(&format!("<dt>Exit code</dt><dd>{code}</dd>")), "{name}");
        let said = html.contains("Cloud Foundry would say: ");
        assert_eq!(said, verdict.cloud_foundry.is_some(), "{name}");
        for member in &report.members {
            assert!(html.contains(&format!("<bdi>{}</bdi>", member.name)), "{name}");
        }
    }
}

/// The three kept pages are what a change of the markup is looked at with.
#[test]
fn pages_are_as_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page");
    let overwrite = std::env::var_os("SNAPSHOTS").is_some_and(|mode| mode == "overwrite");
    for name in ["a_sidecar_is_killed", "main_cannot_be_killed", "nobody_can_be_started"] {
        let html = page(&reports::kept(name));
        let (_, body) = html.split_once("<body>\n").expect("a body");
        let kept = folder.join(format!("{name}.html"));
        if overwrite {
            std::fs::write(&kept, body).expect("the snapshot is written");
        }
        let expected = std::fs::read_to_string(&kept).expect("the snapshot is there");
        let differs = body.lines().zip(expected.lines()).find(|(one, other)| one != other);
        assert_eq!(differs, None, "{name}: run with SNAPSHOTS=overwrite and look at the change");
        assert_eq!(body.len(), expected.len(), "{name}");
    }
}

#[test]
fn the_picture_tells_the_story_in_sentences() {
    let html = page(&reports::full());
    let (_, rest) = html.split_once("role=\"img\" aria-label=\"").expect("a picture");
    let (label, _) = rest.split_once('"').expect("its end");
    for sentence in [
        "config-server (pid 8) exited with 1; stopping web.",
        "The verdict fell 10s after the start, the teardown took 9s.",
        "config-server, a sidecar, ran from 3.0ms and ended 10s after the start: exit 1, the first to end.",
        "web, the main process, ran from 2.0ms and ended 100ms after the verdict: exit 0.",
        "It was sent SIGTERM 200ms after the verdict. It got SIGKILL.",
        "worker (pid 45), a straggler: gone; left by web, SIGTERM +200ms.",
        "SIGKILL was due 9s after the verdict.",
    ] {
        assert!(label.contains(sentence), "{sentence} in {label}");
    }
}

#[test]
fn nothing_of_a_report_becomes_markup() {
    let html = page(&reports::hostile());
    check("hostile", &html.replace("src=x", "").replace("http:", ""));
    assert!(html.contains("&lt;script&gt;") && !html.contains("<script"));
}

#[test]
fn what_is_not_there_is_said() {
    let html = page(&reports::provisional());
    check("provisional", &html);
    assert!(html.contains("This report was written when SIGKILL was due; no later one is there."));
    assert!(html.contains("<dt>Exit code</dt><dd>none yet</dd>") && html.contains("not over"));
    assert!(html.contains("data-label=\"End\">not yet</td>"));

    let html = page(&reports::empty());
    check("empty", &html);
    assert!(
        html.contains("<h1>There is no verdict</h1>") && html.contains("The report has no events.")
    );
}

#[test]
fn a_large_report_is_cut_and_says_so() {
    let report = reports::large();
    let html = page(&report);
    check("large", &html);
    assert!(html.len() < 1_500_000, "{}", html.len());
    for sentence in [
        "and 946 more, who are not drawn",
        "4 more members are left out here; the report has them all.",
        "1000 more signals are left out here; the report has them all.",
        "99412 events are left out here; the report has them all.",
    ] {
        assert!(html.contains(sentence), "{sentence}");
    }
    assert_eq!(html.matches("<tr role=\"row\" class=\"verdict\">").count(), 1);
    let last = report.events.last().and_then(|it| it.message.clone()).expect("a message");
    assert_eq!(html.matches(&last).count(), 2, "the end is at the top and in the list");
}
