//! The page and the folders say the same.

use std::fs;
use std::path::{Path, PathBuf};

use crate::PAGE;
use crate::before::TOOLS;
use crate::page::Page;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn folders(of: &Path) -> Vec<String> {
    let entries = fs::read_dir(of).expect("a folder").flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> =
        folders.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

#[test]
fn the_page_shows_the_files() {
    let page = Page::read(PAGE);
    for (tool, heading) in TOOLS {
        for side in ["before", "after"] {
            let blocks = page.blocks(&format!("### {heading}: {side}"));
            let folder = root().join("examples/moving-over").join(tool).join(side);
            for entry in fs::read_dir(folder).expect("the example") {
                let path = entry.expect("a file").path();
                let text = fs::read_to_string(&path).expect("it is text");
                let shown = blocks.iter().any(|block| block.text == text);
                assert!(shown, "{PAGE} does not show {}", path.display());
            }
        }
    }
}

#[test]
fn every_example_is_told_of_and_run() {
    let examples = root().join("examples/moving-over");
    let mut tools = TOOLS.map(|(tool, _)| tool.to_owned()).to_vec();
    tools.sort();
    assert_eq!(folders(&examples), tools);
    let readme = fs::read_to_string(examples.join("README.md")).expect("a README");
    for tool in tools {
        assert_eq!(folders(&examples.join(&tool)), ["after", "before"]);
        assert!(readme.contains(&format!("| [`{tool}`]({tool}) |")), "{tool}");
    }
}

/// What stands on the right of a table of keys is a key of the launch spec, or is said to be none.
#[test]
fn what_maps_to_what_has_real_keys() {
    let page = Page::read(PAGE);
    let schema = root().join("docs/launch-spec.schema.json");
    let schema = fs::read_to_string(schema).expect("the schema");
    let mut keys = 0;
    for (_, heading) in TOOLS {
        let below = page.below(&format!("### {heading}: what maps to what"));
        let rows: Vec<&str> = below.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
        assert!(rows.len() > 3, "{heading}: {rows:?}");
        for row in rows {
            let (_, right) = row.trim_end_matches(" |").split_once(" | ").expect("two columns");
            let key = right.split('`').nth(1).unwrap_or_default();
            let key = key.split([':', '.']).next().unwrap_or_default();
            if right.starts_with('`') {
                assert!(schema.contains(&format!("\"{key}\": ")), "no key `{key}`: {row}");
                keys += 1;
            }
        }
    }
    assert!(keys > 15, "{keys}");
}
