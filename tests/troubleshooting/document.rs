//! Nothing on the page is untested.

use std::fs;
use std::path::Path;

use crate::PAGE;

/// The sources of this test.
fn sources() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/troubleshooting");
    let files = fs::read_dir(folder).expect("the sources").map(|it| it.expect("a file").path());
    let texts = files.map(|path| fs::read_to_string(path).expect("it is text"));
    // A long message is written on two lines.
    let joined: String = texts.collect();
    let parts: Vec<&str> = joined.split("\\\n").collect();
    let rest = parts[1..].iter().map(|part| part.trim_start());
    std::iter::once(parts[0]).chain(rest).collect()
}

#[test]
fn every_heading_is_tested() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = fs::read_to_string(page).expect("the page");
    let sources = sources();
    let mut found = 0;
    for line in page.lines() {
        let Some(heading) = line.strip_prefix("### ").or(line.strip_prefix("#### ")) else {
            continue;
        };
        // A message stands between backquotes, two where it has some of its own.
        let twice = heading.strip_prefix("`` ").and_then(|rest| rest.strip_suffix(" ``"));
        let once = || {
            let inner = heading.strip_prefix('`')?.strip_suffix('`')?;
            (!inner.contains('`')).then_some(inner)
        };
        let bare = twice.or_else(once).unwrap_or(heading);
        assert!(sources.contains(bare), "no test has `{bare}`");
        found += 1;
    }
    assert!(found > 20, "{found}");
}

/// The page's table of exit codes has those that the sections end with.
#[test]
fn every_code_leads_to_a_section() {
    let page = crate::page::Page::read(PAGE);
    let below = page.below("## By exit code");
    let sources = sources();
    for code in [69, 125, 126, 127, 137, 143] {
        assert!(below.lines().any(|line| line.starts_with(&format!("| {code} |"))), "{code}");
        assert!(sources.contains(&format!(", {code});")), "{code} is seen");
    }
}
