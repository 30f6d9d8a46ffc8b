//! Holds `docs/launch-spec.md` and the schema beside it to the reader.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use fateshare::spec::{KEYS, Overlay, SpecFile, read};
use serde_json::Value;

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    fs::read_to_string(path).expect("the document")
}

/// What the reader says of a spec; nothing if it is a good one.
fn problems(spec: &str) -> Option<String> {
    let file = SpecFile { shown: "spec.yml".to_owned(), folder: "/".into() };
    read(spec.as_bytes(), &file, &Overlay::default()).err().map(|it| it.to_string())
}

/// The section below this heading.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("\n## {heading}\n")).expect(heading);
    rest.split("\n## ").next().expect("its text")
}

/// The rows of a section's table, without its head.
fn rows(section: &str) -> Vec<Vec<&str>> {
    let lines = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    lines.skip(2).map(|line| line.split(" | ").collect()).collect()
}

#[test]
fn every_key_is_described_and_no_other() {
    let text = document("launch-spec.md");
    for (heading, keys) in KEYS {
        let rows = rows(section(&text, heading));
        let described: Vec<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
        assert_eq!(described, keys, "{heading}");
        assert!(rows.iter().all(|row| row.len() == 3 && row.iter().all(|it| !it.is_empty())));
    }
}

#[test]
fn the_example_is_a_good_spec() {
    let text = document("launch-spec.md");
    let mut blocks = text.split("```yaml\n").skip(1).peekable();
    assert!(blocks.peek().is_some(), "there is one");
    for block in blocks {
        let spec = block.split("```").next().expect("its text");
        assert_eq!(problems(spec), None, "{spec}");
    }
}

#[test]
fn what_is_refused_is_refused_in_these_words() {
    let text = document("launch-spec.md");
    let rows = rows(section(&text, "What is refused, and how it is said"));
    assert!(rows.len() > 20, "{}", rows.len());
    let mut wrong = String::new();
    for row in rows {
        let written = row[0].trim_matches('`');
        let is_whole = ["main:", "sidecars:", "{main:"].iter().any(|it| written.starts_with(it));
        let spec =
            if is_whole { written.to_owned() } else { format!("main: {{command: x, {written}}}") };
        let said = problems(&spec).unwrap_or_else(|| "it is accepted".to_owned());
        if !said.contains(row[1]) {
            writeln!(wrong, "{spec}: {}\n{said}", row[1]).expect("written");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn names(properties: &Value) -> BTreeSet<&str> {
    properties.as_object().expect("properties").keys().map(String::as_str).collect()
}

#[test]
fn the_schema_has_the_readers_keys() {
    let schema: Value = serde_json::from_str(&document("launch-spec.schema.json")).expect("JSON");
    let [top, member, sidecar, check, codes] =
        KEYS.map(|(_, keys)| keys.iter().copied().collect::<BTreeSet<_>>());
    let definition = |name: &str| &schema["definitions"][name];
    for (map, keys) in [
        (&schema, top),
        (definition("main"), member.clone()),
        (definition("sidecar"), member.union(&sidecar).copied().collect()),
        (definition("check"), check),
        (definition("exit_codes"), codes),
    ] {
        assert_eq!(names(&map["properties"]), keys);
        assert_eq!(map["additionalProperties"], false);
    }
}

/// Where the schema lists the words that a key may have, the reader takes each and no other.
#[test]
fn the_schemas_choices_are_the_readers() {
    let schema: Value = serde_json::from_str(&document("launch-spec.schema.json")).expect("JSON");
    let mut choices = 0;
    for (key, property) in schema["definitions"]["sidecar"]["properties"].as_object().expect("keys")
    {
        let Some(words) = property["enum"].as_array() else { continue };
        choices += 1;
        let spec = |word: &str| {
            format!("{{main: {{command: x}}, sidecars: [{{name: s, command: y, {key}: {word}}}]}}")
        };
        // `null` is the same as not there.
        for word in words.iter().filter(|word| !word.is_null()) {
            assert_eq!(problems(&spec(word.as_str().expect("a word"))), None, "{key}: {word}");
        }
        assert!(problems(&spec("something")).is_some(), "{key}");
    }
    assert_eq!(choices, 2, "stop and stop_to");
    let kinds = &schema["definitions"]["check"]["properties"]["type"]["enum"];
    for kind in kinds.as_array().expect("it").iter().filter_map(Value::as_str) {
        let spec = format!("main: {{command: x, health_check: {{type: {kind}}}}}");
        assert_eq!(problems(&spec), None, "{kind}");
    }
}
