//! The table, JSON, `JUnit`'s XML, annotations and the comparison.

use std::path::PathBuf;
use std::process::Command;

use crate::harness::Setting;
use crate::support::{Terminal, cannot_run, find_program};

const SPEC: &str = "main: {name: web, command: [./fixture, '-', web, take=SIGTERM, wait]}\n\
    sidecars:\n- {name: 'a & <b> \"c\"', command: [./fixture, '-', it, wait]}\ngrace_period: 300ms\n";

fn setting(arguments: &[&str]) -> Setting {
    let mut setting = Setting::new(SPEC);
    setting.fixture().arguments(&["--settle", "500ms", "--within", "1s", "--strike", "kill"]);
    if !arguments.contains(&"--member") {
        setting.arguments(&["--strike", "freeze", "--strike", "platform"]);
    }
    setting.arguments(arguments);
    setting
}

#[test]
fn junit_is_what_its_schema_says() {
    let Some(xmllint) = find_program("xmllint") else {
        return cannot_run("the Debian package libxml2-utils is not installed");
    };
    let made = setting(&["--junit", "drill.xml"]).run();
    made.code(1);
    let file = made.dir.path().join("drill.xml");
    let checked = Command::new(xmllint)
        .args(["--noout", "--schema"])
        .arg(schema())
        .arg(&file)
        .output()
        .expect("xmllint");
    let xml = std::fs::read_to_string(&file).expect("it was written");
    assert!(checked.status.success(), "{}\n{xml}", String::from_utf8_lossy(&checked.stderr));
    assert!(xml.contains("tests=\"4\" failures=\"2\" errors=\"0\""), "{xml}");
    assert!(xml.contains("classname=\"a &amp; &lt;b&gt; &quot;c&quot;\" name=\"kill\""), "{xml}");
    assert!(xml.contains("type=\"catches_signal\""), "{xml}");
    // One that is not healthy, and one that is interrupted, have strikes that were not made.
    let mut skipped = Setting::new("main: {name: web, command: [./fixture, '-', web, exit=3]}");
    skipped.fixture().arguments(&["--junit", "drill.xml"]);
    let made = skipped.run();
    made.code(1);
    let text = std::fs::read_to_string(made.dir.path().join("drill.xml")).expect("it was written");
    assert!(text.contains("<skipped>not struck</skipped>"), "{text}");
    let checked = Command::new(find_program("xmllint").expect("it is there"))
        .args(["--noout", "--schema"])
        .arg(schema())
        .arg(made.dir.path().join("drill.xml"))
        .output()
        .expect("xmllint");
    assert!(checked.status.success(), "{}\n{text}", String::from_utf8_lossy(&checked.stderr));
}

/// The published schema (Jenkins') lies among the tests of the crate `junit-report`.
fn schema() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let package = packages.iter().find(|it| it["name"] == "junit-report").expect("the crate");
    let manifest = PathBuf::from(package["manifest_path"].as_str().expect("a path"));
    manifest.with_file_name("tests").join("JUnit.xsd")
}

#[test]
fn annotations_are_one_line_for_each_cause() {
    let mut setting = setting(&[]);
    setting.env("GITHUB_ACTIONS", "true");
    let made = setting.run();
    made.code(1);
    let lines: Vec<&str> = made.stdout.lines().filter(|line| line.starts_with("::")).collect();
    assert_eq!(lines.len(), 2, "{}", made.stdout);
    let error = "::error file=./fateshare.yml,line=1,title=fateshare drill%3A a & <b> \"c\" kill%2C (fateshare) \
        platform::web catches SIGTERM (SigCgt), and goes on.";
    assert!(lines[0].starts_with(error), "{}", lines[0]);
    assert!(
        lines[0].contains("%0Areplay: fateshare drill --settle 500ms --within 1s --member"),
        "{}",
        lines[0]
    );
    assert!(lines[1].starts_with(
        "::warning file=./fateshare.yml,line=1,title=fateshare drill%3A web freeze::"
    ));
    let elsewhere = self::setting(&[]).run();
    assert!(!elsewhere.stdout.contains("::error"));
}

#[test]
fn a_former_drill_is_compared_with() {
    let made = setting(&["--json"]).run();
    let mut former = made.code(1).drill();
    let text = |drill: &fateshare::drill::document::Drill| drill.text();
    // A busy machine may be slower now.
    former.strikes.iter_mut().for_each(|row| row.back_ms = None);
    let compare = |text: &str| {
        let mut setting = setting(&["--baseline", "former.json"]);
        setting.file("former.json", text);
        setting.run().stdout
    };
    let same = compare(&text(&former));
    assert!(
        same.contains(&format!("Since the drill of {}: nothing has changed.", former.began)),
        "{same}"
    );
    for row in &mut former.strikes {
        row.outcome = fateshare::drill::document::Outcome::Pass;
    }
    former.strikes[0].strike = "term".to_owned();
    former.strikes[0].label = "SIGTERM".to_owned();
    let other = compare(&text(&former));
    for line in [
        "  new      web SIGKILL: was not struck before",
        "  worse    a & <b> \"c\" SIGKILL: pass -> fail",
        "  worse    web freeze: pass -> finding",
        "  missing  web SIGTERM: is not struck any more",
    ] {
        assert!(other.contains(line), "{line}\n{other}");
    }
}

#[test]
fn the_table_is_plain_where_letters_are() {
    let mut setting = setting(&[]);
    setting.env("LC_ALL", "C");
    let made = setting.run();
    assert!(made.stdout.is_ascii(), "{}", made.stdout);
    assert!(!made.stdout.contains('\u{1b}'));
    let head = made.stdout.lines().next().expect("a heading");
    assert!(head.trim_start().starts_with("told    gone    exit  back in"), "{head}");
}

/// On a terminal: colours, and a line that comes and goes and says what is done just now.
#[test]
fn on_a_terminal_it_says_what_it_does() {
    let mut terminal = Terminal::new();
    let mut setting = setting(&["--member", "web"]);
    setting.env("TERM", "xterm");
    let going = setting.start_on(&terminal);
    terminal.wait_shown("1/1 web SIGKILL: starting");
    terminal.wait_shown("1/1 web SIGKILL: watching it for a moment");
    terminal.wait_shown("1/1 web SIGKILL: waiting until it is back");
    terminal.wait_shown("\u{1b}[32mpass");
    terminal.wait_shown("It passed.");
    going.wait().code(0);
}

#[test]
fn the_document_is_what_its_schema_names() {
    let made = setting(&["--json"]).run();
    let drill: serde_json::Value = serde_json::from_str(&made.stdout).expect("JSON");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/drill.schema.json");
    let schema = std::fs::read_to_string(path).expect("the schema");
    let schema: serde_json::Value = serde_json::from_str(&schema).expect("JSON");
    let names = |value: &serde_json::Value| {
        let mut names: Vec<String> =
            value.as_object().expect("an object").keys().cloned().collect();
        names.sort();
        names
    };
    assert_eq!(names(&drill), names(&schema["properties"]));
    assert_eq!(names(&drill["strikes"][0]), names(&schema["$defs"]["strike"]["properties"]));
    let problem = &drill["strikes"][1]["problem"];
    assert_eq!(names(problem), names(&schema["$defs"]["problem"]["properties"]));
    let platforms = &drill["strikes"][0]["platforms"];
    assert_eq!(names(platforms), names(&schema["$defs"]["platforms"]["properties"]));
}

/// Each command that the documents show is one that is taken.
#[test]
fn commands_in_the_documents_are_understood() {
    use clap::Parser;
    let mut seen = 0;
    for file in [
        "README.md",
        "docs/drill.md",
        "docs/drill-in-github-actions.md",
        "examples/drill-findings/README.md",
    ] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(path).expect("a document");
        for line in text.lines() {
            let command = line.trim().trim_start_matches("$ ");
            let command = command.trim_start_matches("run: ").trim_start_matches("replay: ");
            if !command.starts_with("fateshare drill ") {
                continue;
            }
            let words =
                command.split_whitespace().take_while(|word| !["#", ">", "\"$@\""].contains(word));
            let parsed = fateshare::cli::Cli::try_parse_from(words);
            assert!(parsed.is_ok(), "{file}: {line}: {:?}", parsed.err());
            seen += 1;
        }
    }
    assert!(seen >= 7, "{seen}");
}
