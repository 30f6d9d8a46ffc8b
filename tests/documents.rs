//! Holds the pages together: links lead somewhere, and every example and page can be found from the README.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "support/python.rs"]
mod python;

use python::python_tool;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder that git would keep.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if name != "target" && name != ".git" {
                found.extend(files(&path));
            }
        } else {
            found.push(path);
        }
    }
    found
}

fn pages() -> Vec<PathBuf> {
    let pages: Vec<PathBuf> = files(root())
        .into_iter()
        .filter(|it| it.extension().is_some_and(|it| it == "md"))
        .collect();
    assert!(pages.len() > 20, "the pages were found: {}", pages.len());
    pages
}

/// The text without what stands between fences: that is no prose.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Where a page's links lead.
fn links(text: &str) -> Vec<&str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

/// The anchors that GitHub makes of the headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            let kept = words.chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it));
            kept.map(|it| if it == ' ' { '-' } else { it }).collect()
        })
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut seen = 0;
    for page in pages() {
        let text = prose(&fs::read_to_string(&page).expect("a page"));
        for link in links(&text) {
            if link.contains("://") {
                continue;
            }
            seen += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = page.parent().expect("its folder");
            let target = if path.is_empty() { page.clone() } else { folder.join(path) };
            assert!(target.exists(), "{}: {link}", page.display());
            if !anchor.is_empty() {
                let there = anchors(&prose(&fs::read_to_string(&target).expect("a page")));
                assert!(there.contains(anchor), "{}: {link}: only {there:?}", page.display());
            }
        }
    }
    assert!(seen > 50, "links were found: {seen}");
}

#[test]
fn every_example_is_named_in_the_readme_and_run_by_a_test() {
    let readme = fs::read_to_string(root().join("README.md")).expect("the README");
    let tests: String = files(&root().join("tests"))
        .iter()
        .filter(|it| it.extension().is_some_and(|it| it == "rs"))
        .map(|it| fs::read_to_string(it).expect("a test"))
        .collect();
    for entry in fs::read_dir(root().join("examples")).expect("the examples").flatten() {
        let name = entry.file_name().into_string().expect("UTF-8");
        assert!(readme.contains(&format!("examples/{name}")), "the README does not name {name}");
        let used = [format!("examples/{name}"), format!("\"{name}/"), format!("\"{name}\"")];
        assert!(used.iter().any(|it| tests.contains(it.as_str())), "no test runs {name}");
    }
}

#[test]
fn every_page_is_named_in_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).expect("the README");
    for page in pages() {
        let name = page.strip_prefix(root()).expect("below the root").display().to_string();
        if name.starts_with("docs/") {
            assert!(readme.contains(&format!("({name})")), "the README does not lead to {name}");
        }
    }
    for name in ["CONTRIBUTING.md", "SECURITY.md", "LICENSE", "CHANGELOG.md"] {
        assert!(readme.contains(&format!("({name})")), "the README does not lead to {name}");
    }
}

#[test]
fn forms_and_workflows_are_what_github_takes() {
    let judge = match python_tool("check-jsonschema==0.39.0", "check-jsonschema") {
        Ok(judge) => judge,
        Err(why) => {
            let required = std::env::var("FATESHARE_TEST_REQUIRE_ALL").is_ok_and(|it| it == "1");
            assert!(!required, "cannot run here: {why}");
            // Not `eprintln!`, which a passing test does not show.
            let _ = writeln!(io::stderr(), "SKIPPED forms_and_workflows: {why}");
            return;
        }
    };
    let all = files(&root().join(".github"));
    for (folder, name, schema) in [
        ("ISSUE_TEMPLATE", "config.yml", "vendor.github-issue-config"),
        ("ISSUE_TEMPLATE", "bug.yml", "vendor.github-issue-forms"),
        ("ISSUE_TEMPLATE", "idea.yml", "vendor.github-issue-forms"),
        ("workflows", "", "vendor.github-workflows"),
    ] {
        let inside = root().join(".github").join(folder);
        let judged: Vec<_> = all
            .iter()
            .filter(|it| it.starts_with(&inside) && (name.is_empty() || it.ends_with(name)))
            .collect();
        assert!(!judged.is_empty(), "{folder}/{name}");
        let mut command = Command::new(&judge);
        let output = command.args(["--builtin-schema", schema]).args(&judged).output();
        let output = output.expect("the judge runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{judged:?}: {said}");
    }
}
