//! A drill as `JUnit`'s XML, which CI servers show: a test case for each strike.

use std::fmt::Write as _;

use super::document::{Drill, Outcome, Row};

/// The whole file.
pub fn junit(drill: &Drill) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let errors = usize::from(drill.cut_short.is_some());
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{errors}\" skipped=\"{}\" time=\"{}\"",
        drill.strikes.len() + errors,
        drill.failed,
        drill.skipped,
        seconds(drill.took_ms)
    );
    let spec = text(&drill.spec);
    // The schema allows less of the whole than of a suite.
    let whole = counts.replace(&format!(" skipped=\"{}\"", drill.skipped), "");
    let _ = writeln!(xml, "<testsuites name=\"fateshare drill\" {whole}>");
    // The schemas' form has no place for a zone.
    let began = drill.began.split('.').next().unwrap_or_default();
    let began = text(began.trim_end_matches('Z'));
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{spec}\" timestamp=\"{began}\" hostname=\"localhost\" {counts}>"
    );
    let _ = writeln!(xml, "    <properties>");
    for (name, value) in [("fateshare.version", &drill.version), ("fateshare.spec", &drill.spec)] {
        let value = text(value);
        let _ = writeln!(xml, "      <property name=\"{name}\" value=\"{value}\"/>");
    }
    let _ = writeln!(xml, "    </properties>");
    for row in &drill.strikes {
        case(&mut xml, row);
    }
    if let Some(why) = &drill.cut_short {
        let why = text(why);
        let _ = writeln!(
            xml,
            "    <testcase classname=\"(drill)\" name=\"was brought to its end\" time=\"0.000\">\n      <error \
             message=\"{why}\" type=\"cut_short\"/>\n    </testcase>"
        );
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

fn case(xml: &mut String, row: &Row) {
    let (target, strike) = (text(&row.target), text(&row.strike));
    let took = seconds(row.back_ms.or(row.gone_ms).unwrap_or_default());
    let _ =
        writeln!(xml, "    <testcase classname=\"{target}\" name=\"{strike}\" time=\"{took}\">");
    let problem = row.problem.as_ref();
    match row.outcome {
        Outcome::Fail => {
            let (kind, body) = problem.map_or(("failed", String::new()), |it| {
                (it.kind.as_str(), format!("{}\n{}\nreplay: {}", it.cause, it.fix, row.replay))
            });
            let (note, kind, body) = (text(&row.note), text(kind), text(&body));
            let _ =
                writeln!(xml, "      <failure message=\"{note}\" type=\"{kind}\">{body}</failure>");
        }
        Outcome::Skipped => {
            let _ = writeln!(xml, "      <skipped>{}</skipped>", text(&row.note));
        }
        Outcome::Pass | Outcome::Finding => {}
    }
    let mut out = row.output.join("\n");
    if let (Outcome::Finding, Some(problem)) = (row.outcome, problem) {
        out = format!("finding: {} {}", problem.cause, problem.fix);
    }
    if !out.is_empty() {
        let _ = writeln!(xml, "      <system-out>{}</system-out>", text(&out));
    }
    xml.push_str("    </testcase>\n");
}

fn seconds(millis: f64) -> String {
    format!("{:.3}", millis / 1e3)
}

/// What XML 1.0 may hold; of what it may not, a stand-in.
fn text(from: &str) -> String {
    let mut safe = String::new();
    for letter in from.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' => safe.push('\n'),
            '\t' => safe.push(' '),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            letter if letter.is_control() => safe.push('\u{fffd}'),
            letter => safe.push(letter),
        }
    }
    safe
}
