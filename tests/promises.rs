//! Holds `docs/promises.md` to the truth: what is claimed there is tested where it says.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One row: the promise, and its proofs as they are written, `FILE: TEST`.
struct Row<'a> {
    promise: &'a str,
    proofs: Vec<&'a str>,
}

fn path(inside: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(inside)
}

fn document() -> String {
    fs::read_to_string(path("docs/promises.md")).expect("the document")
}

/// The rows of the table, without its head and the headings between them.
fn rows(document: &str) -> Vec<Row<'_>> {
    let lines = document.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix('|'));
    let rows: Vec<Row<'_>> = lines
        .map(|line| {
            let (promise, proofs) = line.split_once(" | ").expect("two columns");
            // What stands between backquotes is every second part.
            Row { promise, proofs: proofs.split('`').skip(1).step_by(2).collect() }
        })
        .filter(|row| !["promise", "---"].contains(&row.promise) && !row.promise.starts_with("**"))
        .collect();
    assert!(rows.len() > 30, "the table was found: {}", rows.len());
    rows
}

/// The tests of a file of traps: those after `#[test]`, and those listed for both modes.
fn tests_in(text: &str) -> Vec<&str> {
    let mut tests = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == "#[test]" {
            let next = lines.by_ref().find_map(|line| line.strip_prefix("fn "));
            tests.extend(next.and_then(|rest| rest.split('(').next()));
        }
    }
    if let Some((_, rest)) = text.split_once("in_both_modes![") {
        let (listed, _) = rest.split_once("];").expect("the end of the list");
        tests.extend(listed.split(',').map(str::trim).filter(|name| !name.is_empty()));
    }
    tests
}

#[test]
fn every_promise_has_a_proof() {
    for Row { promise, proofs } in rows(&document()) {
        assert!(!proofs.is_empty(), "nothing proves: {promise}");
    }
}

#[test]
fn every_proof_is_there() {
    for Row { promise, proofs } in rows(&document()) {
        for proof in proofs {
            let (file, test) = proof.split_once(": ").expect("`FILE: TEST`");
            let source = fs::read_to_string(path(file));
            let source = source.unwrap_or_else(|error| panic!("{promise}: {file}: {error}"));
            assert!(source.contains(&format!("fn {test}(")), "{promise}: {file} has no {test}");
        }
    }
}

#[test]
fn every_trap_is_named() {
    let document = document();
    let named: BTreeSet<&str> = rows(&document).into_iter().flat_map(|row| row.proofs).collect();
    let mut found = 0;
    for entry in fs::read_dir(path("tests/run/traps")).expect("the traps") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name in UTF-8");
        let file = format!("tests/run/traps/{name}");
        let text = fs::read_to_string(path(&file)).expect("it is text");
        for test in tests_in(&text) {
            let proof = format!("{file}: {test}");
            assert!(named.contains(&*proof), "docs/promises.md does not name `{proof}`");
            found += 1;
        }
    }
    assert!(found > 30, "the traps were found: {found}");
}
