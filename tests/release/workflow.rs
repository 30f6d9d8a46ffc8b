//! `.github/workflows/release.yml`: judged by those who know the format, and its own rules held.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_yaml::Value;

use super::docker::cannot_run;
use super::python::python_tool;
use super::{VERSION, release, root, said, text, utf8};

const WORKFLOW: &str = ".github/workflows/release.yml";

fn workflow() -> Value {
    serde_yaml::from_str(&text(WORKFLOW)).expect("YAML")
}

fn jobs() -> Vec<(String, Value)> {
    let workflow = workflow();
    let jobs = workflow["jobs"].as_mapping().expect("jobs");
    let named =
        |(name, job): (&Value, &Value)| (name.as_str().expect("a name").to_owned(), job.clone());
    jobs.iter().map(named).collect()
}

fn steps(job: &Value) -> &[Value] {
    job["steps"].as_sequence().map_or(&[], Vec::as_slice)
}

/// A word, or a list of them.
fn words(value: &Value) -> Vec<&str> {
    match value {
        Value::Sequence(all) => all.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}

#[test]
fn judges_of_workflows_find_no_fault() {
    let test = "judges_of_workflows_find_no_fault";
    let schema = ["--builtin-schema", "vendor.github-workflows"];
    let config = root().join("tests/release/zizmor.yml");
    let audit = ["--offline", "--no-progress", "--strict-collection", "--config", utf8(&config)];
    let both = [("check-jsonschema", "0.39.0", &schema[..]), ("zizmor", "1.32.0", &audit[..])];

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(".github/workflows/release.yml");
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let good = text(WORKFLOW);
    // Neither the format nor the safety of a workflow that is judged so would be worth much.
    let bad = good.replacen("runs-on: ubuntu-latest", "run-on: ubuntu-latest", 1);
    let unsafe_one = good.replace("\"$TARGET\" --out", "\"${{ github.ref_name }}\" --out");
    for (name, version, arguments) in both {
        let program = match python_tool(&format!("{name}=={version}"), name) {
            Ok(program) => program,
            Err(why) => return cannot_run(test, &why),
        };
        let judged = |text: &str| {
            fs::write(&path, text).expect("written");
            Command::new(&program).args(arguments).arg(&path).output().expect("it runs")
        };
        let output = judged(&good);
        assert!(output.status.success(), "{name}: {output:?}");
        let worse = if name == "zizmor" { &unsafe_one } else { &bad };
        assert_ne!(worse, &good);
        assert!(!judged(worse).status.success(), "{name}");
    }
}

#[test]
fn it_builds_the_targets_that_the_page_names() {
    let (_, build) = jobs().into_iter().find(|(name, _)| name == "build").expect("a job");
    let include = build["strategy"]["matrix"]["include"].as_sequence().expect("targets").clone();
    let targets: Vec<_> = include.iter().filter_map(|it| it["target"].as_str()).collect();
    let page = text("docs/releases.md");
    let (_, named) = page.split_once("\nTARGET is ").expect("the targets");
    let (named, _) = named.split_once(":\n").expect("their end");
    let named: Vec<_> = named.split('`').skip(1).step_by(2).collect();
    assert_eq!(targets, named);
    // Each where its programs run.
    for it in &include {
        let arm = it["runner"].as_str().expect("a runner").ends_with("-arm");
        assert_eq!(
            arm,
            it["target"].as_str().is_some_and(|it| it.starts_with("aarch64")),
            "{it:?}"
        );
    }
    // The image has both.
    assert!(text(WORKFLOW).contains("\n          platforms: linux/amd64,linux/arm64\n"));
}

/// All that a job waits for, directly or not.
fn waits_for(job: &str, jobs: &[(String, Value)]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut open = vec![job.to_owned()];
    while let Some(next) = open.pop() {
        let (_, job) =
            jobs.iter().find(|(name, _)| *name == next).unwrap_or_else(|| panic!("no job {next}"));
        for need in words(&job["needs"]) {
            if all.insert(need.to_owned()) {
                open.push(need.to_owned());
            }
        }
    }
    all
}

#[test]
fn nothing_is_published_before_everything_has_passed_or_by_hand() {
    const BY_TAG: &str = "github.event_name == 'push'";
    let workflow = workflow();
    // Nobody else's push starts it, and no job has rights that it does not name.
    assert_eq!(words(&workflow["on"]["push"]["tags"]), ["v*"]);
    assert!(workflow["on"]["push"]["branches"].is_null());
    assert!(workflow["permissions"].as_mapping().is_some_and(serde_yaml::Mapping::is_empty));
    let jobs = jobs();
    let mut publishing = Vec::new();
    for (name, job) in &jobs {
        let rights = job["permissions"]
            .as_mapping()
            .unwrap_or_else(|| panic!("{name} names no permissions"));
        let only_reads = rights.values().all(|it| it == "read");
        for step in steps(job) {
            let does = format!("{step:?}");
            let publishes = [
                "gh release",
                "cargo publish",
                "attest-build-provenance",
                "login-action",
                "push\": String",
            ]
            .iter()
            .any(|it| does.contains(it));
            if publishes {
                assert!(!only_reads, "{name}: {step:?}");
                let guarded = job["if"] == BY_TAG
                    || step["if"] == BY_TAG
                    || step["with"]["push"] == format!("${{{{ {BY_TAG} }}}}");
                assert!(guarded, "{name}: {step:?}");
            }
        }
        if !only_reads {
            let before = waits_for(name, &jobs);
            for needed in ["ci", "notes", "build"] {
                assert!(before.contains(needed), "{name} does not wait for {needed}");
            }
            publishing.push(name.as_str());
        }
    }
    assert_eq!(publishing, ["image", "release", "crate"]);
    assert!(waits_for("crate", &jobs).contains("release"));
}

#[test]
fn it_runs_the_whole_of_ci() {
    let (_, ci) = jobs().into_iter().find(|(name, _)| name == "ci").expect("a job");
    let called = ci["uses"]
        .as_str()
        .expect("a workflow")
        .strip_prefix("./")
        .expect("one of ours")
        .to_owned();
    let called: Value = serde_yaml::from_str(&text(&called)).expect("YAML");
    assert!(
        called["on"].get("workflow_call").is_some(),
        "ci.yml cannot be called: {:?}",
        called["on"]
    );
    assert!(format!("{called:?}").contains(".ci/run"));
}

#[test]
fn its_commands_fit_the_script_and_the_crate() {
    let script = text(".ci/release");
    let (head, _) = script.split_once("set -euo").expect("a head");
    let oldest = format!("rustup toolchain install {} ", env!("CARGO_PKG_RUST_VERSION"));
    let mut calls = 0;
    for (name, job) in jobs() {
        for run in steps(&job).iter().filter_map(|step| step["run"].as_str()) {
            for line in run.lines().filter(|line| line.contains(".ci/release")) {
                calls += 1;
                for option in line.split_ascii_whitespace().filter(|it| it.starts_with("--")) {
                    assert!(head.contains(&format!(" {option} ")), "{name}: {option}");
                }
            }
            assert!(!run.contains("rustup toolchain") || run.contains(&oldest), "{name}: {run}");
        }
    }
    assert!(calls >= 4, "the calls were found: {calls}");
}

/// The step that decides whether there is anything to release, as it stands in the workflow.
fn notes_step(kind: &str, name: &str) -> (Output, String, String) {
    let (_, notes) = jobs().into_iter().find(|(name, _)| name == "notes").expect("a job");
    let step = steps(&notes).iter().find(|step| step["id"] == "notes").cloned().expect("a step");
    let folder = tempfile::tempdir().expect("a folder");
    for part in [".ci", "src", "tests", "examples", "Cargo.toml", "Cargo.lock", "CHANGELOG.md"] {
        std::os::unix::fs::symlink(root().join(part), folder.path().join(part)).expect("a link");
    }
    let file = folder.path().join("output");
    let output = Command::new("bash")
        .args([
            "--noprofile",
            "--norc",
            "-eo",
            "pipefail",
            "-c",
            step["run"].as_str().expect("a script"),
        ])
        .current_dir(folder.path())
        .env("GITHUB_REF_TYPE", kind)
        .env("GITHUB_REF_NAME", name)
        .env("GITHUB_OUTPUT", &file)
        .stdin(Stdio::null())
        .output()
        .expect("bash");
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    (output, read(&file), read(&folder.path().join("notes.md")))
}

#[test]
fn only_the_tag_of_this_version_is_released_with_its_notes() {
    let changelog = text("CHANGELOG.md");
    for (kind, name) in [("tag", format!("v{VERSION}")), ("branch", "main".to_owned())] {
        let (output, values, notes) = notes_step(kind, &name);
        assert!(output.status.success(), "{name}: {}", said(&output));
        assert_eq!(values, format!("version={VERSION}\n"));
        // Lines that stand below the heading, and no other heading of its kind.
        assert!(changelog.contains(&format!("\n## {VERSION}")), "a heading for {VERSION}");
        assert!(changelog.contains(notes.trim()) && notes.contains("### Added\n"), "{notes}");
        assert!(!notes.contains("\n## ") && !notes.starts_with("## "), "{notes}");
    }
    for tag in ["v999.0.0", VERSION] {
        let (output, values, _) = notes_step("tag", tag);
        let message =
            format!("release: the tag is {tag}, but Cargo.toml says {VERSION} (v{VERSION})\n");
        assert_eq!((said(&output), output.status.success()), (message, false));
        assert_eq!(values, "", "nothing goes on");
    }
}

#[test]
fn the_notes_are_what_stands_below_the_heading() {
    let folder = tempfile::tempdir().expect("a folder");
    for part in ["src", "tests", "examples", "Cargo.toml", "Cargo.lock"] {
        std::os::unix::fs::symlink(root().join(part), folder.path().join(part)).expect("a link");
    }
    fs::create_dir(folder.path().join(".ci")).expect("a folder");
    fs::copy(root().join(".ci/release"), folder.path().join(".ci/release")).expect("a copy");
    let notes = |changelog: &str| {
        fs::write(folder.path().join("CHANGELOG.md"), changelog).expect("a file");
        let mut command = Command::new(folder.path().join(".ci/release"));
        command.args(release(&["--notes"]).get_args()).output().expect("it runs")
    };
    for heading in
        [VERSION.to_owned(), format!("{VERSION} - 2026-01-31"), format!("[{VERSION}] - 2026-01-31")]
    {
        let output = notes(&format!(
            "# C\n\n## Unreleased\n\n- no\n\n## {heading}\n\n### A\n\n- yes\n\n## 0.0.9\n\n- no\n"
        ));
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "### A\n\n- yes\n",
            "{heading}: {output:?}"
        );
    }
    // Another version whose name begins alike, or nothing below it.
    for changelog in
        [format!("## {VERSION}0\n\n- no\n"), format!("## {VERSION}\n\n## 0.0.9\n\n- no\n")]
    {
        let output = notes(&changelog);
        let message = format!("release: CHANGELOG.md says nothing of {VERSION}: ");
        assert!(!output.status.success() && said(&output).starts_with(&message), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
}
