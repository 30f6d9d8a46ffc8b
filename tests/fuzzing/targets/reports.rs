//! Documents that are read back: reports, drills, and a group's event list while it grows.

use fateshare::drill::annotations::annotations;
use fateshare::drill::compare;
use fateshare::drill::document::Drill;
use fateshare::drill::junit::junit;
use fateshare::drill::{page as drill_page, table};
use fateshare::report::document::{FORM, Report};
use fateshare::report::ledger::{Line, take_lines};
use fateshare::report::page;
use fateshare::report::timeline::{Letters, Look, story};
use serde_json::Value;

use super::choices::Choices;
use super::{judge, markup};

/// A drill to compare others with.
const BEFORE: &[u8] = include_bytes!("../../../fuzz/seeds/drill/failures.json");

pub(super) fn report(data: &[u8]) -> bool {
    match Report::read(data) {
        Ok(report) => {
            can_be_looked_at(&report);
            true
        }
        Err(why) => {
            judge::is_one_line("no report", &why);
            false
        }
    }
}

/// A report as it is written, drawn and put into a page.
pub(super) fn can_be_looked_at(report: &Report) {
    let text = report.text();
    let again = Report::read(text.as_bytes()).unwrap_or_else(|why| panic!("{why}: {text}"));
    is_the_same(&text, &again.text());
    let rows = report.members.len() + report.stragglers.len();
    for (width, letters) in [(0, Letters::Ascii), (80, Letters::Unicode), (300, Letters::Ascii)] {
        let look = Look { width, letters, most_rows: 20 };
        let drawn = story(report, look);
        judge::is_harmless("a timeline", &drawn);
        // A row and its note; verdict, axis, description and summary with what is between.
        assert!(drawn.lines().count() <= 2 * rows.min(20) + 10, "{drawn}");
    }
    markup::is_well_formed(&page::page(report));
}

pub(super) fn drill(data: &[u8]) -> bool {
    let drill = match Drill::read(data) {
        Ok(drill) => drill,
        Err(why) => {
            judge::is_one_line("no drill", &why);
            return false;
        }
    };
    let text = drill.text();
    let again = Drill::read(text.as_bytes()).unwrap_or_else(|why| panic!("{why}: {text}"));
    is_the_same(&text, &again.text());
    let before = Drill::read(BEFORE).expect("a drill");
    for letters in [Letters::Unicode, Letters::Ascii] {
        let look = table::Look { colours: false, letters };
        judge::is_harmless("a drill's table", &table::summary(&drill, look));
    }
    for (now, former) in [(&drill, &before), (&before, &drill)] {
        let changes = compare::changes(now, former);
        let text = compare::text(&changes, former);
        judge::is_harmless("a comparison", &text);
        assert!(text.lines().count() <= changes.len() + 3, "{text}");
        markup::is_well_formed(&drill_page::page(now, Some(former)));
    }
    markup::is_well_formed(&junit(&drill));
    for line in annotations(&drill, Some("a:b,c.yml")).lines() {
        let command = line.strip_prefix("::error ").or_else(|| line.strip_prefix("::warning "));
        assert!(command.is_some_and(|it| it.starts_with("file=a%3Ab%2Cc.yml,line=1,")), "{line}");
    }
    true
}

/// Whatever the pieces in which it is read, the same lines come out.
pub(super) fn ledger(data: &[u8]) -> bool {
    let mut choices = Choices(data);
    let sizes = [choices.below(200) + 1, choices.below(20) + 1, choices.below(3_000) + 1];
    let mut all = choices.0.to_vec();
    let lines = take_lines(&mut all);
    let (mut waiting, mut pieces) = (Vec::new(), Vec::new());
    for size in sizes.iter().cycle() {
        if choices.is_empty() {
            break;
        }
        waiting.extend_from_slice(choices.take(*size));
        pieces.extend(take_lines(&mut waiting));
    }
    assert_eq!(pieces, lines);
    assert_eq!(waiting, all, "the rest waits");
    for line in &lines {
        let text = line.text();
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        let again = take_lines(&mut text.clone().into_bytes());
        assert_eq!(again.len(), 1, "{text}");
        is_the_same(&text, &again[0].text());
        // It is of the same program: nobody asks for its form.
        if let Line::Report(report) = line {
            can_be_looked_at(&Report { form: FORM.to_owned(), ..Report::clone(report) });
        }
    }
    !lines.is_empty()
}

/// The same but for the last digit of numbers, which a reader may round.
#[track_caller]
fn is_the_same(one: &str, other: &str) {
    if one != other {
        let [one, other] = [one, other].map(|text| serde_json::from_str(text).expect("JSON"));
        same(&one, &other);
    }
}

#[track_caller]
fn same(one: &Value, other: &Value) {
    match (one, other) {
        (Value::Number(number), Value::Number(another)) => {
            let [number, another] = [number, another].map(|it| it.as_f64().unwrap_or_default());
            let apart = (number - another).abs();
            assert!(apart <= number.abs() * 1e-12, "{one} and {other}");
        }
        (Value::Array(list), Value::Array(another)) => {
            assert_eq!(list.len(), another.len());
            list.iter().zip(another).for_each(|(one, other)| same(one, other));
        }
        (Value::Object(map), Value::Object(another)) => {
            assert!(map.keys().eq(another.keys()), "{one} and {other}");
            map.values().zip(another.values()).for_each(|(one, other)| same(one, other));
        }
        _ => assert_eq!(one, other),
    }
}
