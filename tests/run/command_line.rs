//! The command line: where the spec comes from, what replaces it, and what a mistake costs.

use std::fs::File;

use crate::support::{Ended, Group, Mode};

/// Runs `fateshare` with these arguments in a directory that may hold files.
fn run(group: Group, arguments: &[&str]) -> Ended {
    group.bare(arguments).start().end()
}

fn group() -> Group {
    Group::new(Mode::Ordinary)
}

/// A spec whose main process prints the word and ends with 7.
fn spec(word: &str) -> String {
    format!("main: {{command: [/bin/sh, -c, \"echo {word}; exit 7\"]}}\n")
}

/// A main process to be replaced, and a sidecar that says when it runs.
const WITH_SIDECAR: &str = "main: {name: web, command: exit 1}\n\
                            sidecars: [{name: it, command: \"touch up; exec sleep 60\"}]\n";

/// A script that ends when the sidecar of [`WITH_SIDECAR`] runs: who ends before all have started
/// keeps the others from starting.
fn after_sidecar(code: u8) -> String {
    format!("until [ -e up ]; do sleep 0.01; done; exit {code}")
}

#[test]
fn a_command_needs_no_file() {
    let ended = run(group(), &["run", "--", "/bin/sh", "-c", "echo \"$0 $1\"; exit 3", "a b", "*"]);
    ended.code(3).says(&["fateshare: ", "main", "grace 9s"]).verdict(&["main (pid ", "with 3"]);
    assert_eq!(ended.stdout, "a b *\n", "{ended}");
}

#[test]
fn sidecars_are_added_on_the_command_line() {
    let ended = run(
        group(),
        &["run", "--sidecar", "two words=sleep 60", "--sidecar", "one=exit 5", "--", "sleep", "60"],
    );
    ended.code(5).verdict(&["one (pid ", ") exited with 5", "stopping main, two words"]);
    ended.says(&["fateshare: ", "main + two words + one, grace 9s"]);
}

#[test]
fn a_command_replaces_the_specs_main_and_keeps_its_sidecars() {
    let arguments = ["run", "it.yml", "--", "/bin/sh", "-c", &after_sidecar(6)];
    let ended = run(group().file("it.yml", WITH_SIDECAR), &arguments);
    ended.code(6).verdict(&["web (pid ", ") exited with 6", "stopping it"]);
}

#[test]
fn a_trailing_dash_dash_keeps_the_specs_main() {
    let ended = run(group().file("it.yml", &spec("kept")), &["run", "it.yml", "--"]);
    ended.code(7);
    assert_eq!(ended.stdout, "kept\n", "{ended}");
}

#[test]
fn sidecars_are_added_to_a_named_spec() {
    let text = "main: {name: web, command: sleep 60}\n";
    let ended =
        run(group().file("it.yml", text), &["run", "-f", "it.yml", "--sidecar", "b=exit 9"]);
    ended.code(9).verdict(&["b (pid ", ") exited with 9", "stopping web"]);
}

#[test]
fn a_file_is_named_as_argument_option_and_variable() {
    for arguments in [&["run", "a.yml"][..], &["run", "-f", "a.yml"], &["run", "--file", "a.yml"]] {
        let group = group().file("a.yml", &spec("a")).file("fateshare.yml", &spec("found"));
        let ended = run(group.env("FATESHARE_SPEC", "/no/such/file"), arguments);
        ended.code(7).says(&["fateshare: ", "a.yml", "main"]);
        assert_eq!(ended.stdout, "a\n", "{ended}");
    }
    let group = group().file("a.yml", &spec("a")).file("fateshare.yml", &spec("found"));
    let ended = run(group.env("FATESHARE_SPEC", "a.yml"), &["run"]);
    ended.code(7).says(&["fateshare: ", "a.yml", "main"]);
    assert_eq!(ended.stdout, "a\n", "{ended}");
}

#[test]
fn the_usual_files_are_found() {
    let both = group().file("fateshare.yml", &spec("yml")).file("fateshare.yaml", &spec("yaml"));
    let ended = run(both, &["run"]);
    ended.code(7).says(&["fateshare: ./fateshare.yml: main, grace 9s"]);
    assert_eq!(ended.stdout, "yml\n", "{ended}");
    let ended = run(group().file("fateshare.yaml", &spec("yaml")), &["run"]);
    ended.code(7).says(&["fateshare: ./fateshare.yaml: main, grace 9s"]);
    assert_eq!(ended.stdout, "yaml\n", "{ended}");
}

#[test]
fn json_is_a_spec_too() {
    let text = r#"{"main": {"name": "web", "command": ["/bin/sh", "-c", "exit 8"]}}"#;
    run(group().file("it.json", text), &["run", "it.json"]).code(8).verdict(&["web (pid "]);
}

#[test]
fn a_spec_comes_from_standard_input() {
    let group = group().file("it.yml", &spec("stdin"));
    let input = File::open(group.dir().join("it.yml")).expect("the spec");
    let ended = run(group.stdin(input), &["run", "-"]);
    ended.code(7);
    assert_eq!(ended.stdout, "stdin\n", "{ended}");
}

#[test]
fn no_file_joins_a_command_silently() {
    let text = "main: {command: exit 1}\nsidecars: [{name: it, command: exit 2}]\n";
    let ended = run(group().file("fateshare.yml", text), &["run", "--", "/bin/sh", "-c", "exit 4"]);
    ended.code(4).silent_about("fateshare.yml");
}

#[test]
fn a_spec_in_the_variable_counts_as_named() {
    let group = group().file("it.yml", WITH_SIDECAR).env("FATESHARE_SPEC", "it.yml");
    let ended = run(group, &["run", "--", "/bin/sh", "-c", &after_sidecar(4)]);
    ended.code(4).verdict(&["web (pid ", ") exited with 4", "stopping it"]);
}

#[test]
fn a_mistake_costs_125_and_starts_nothing() {
    let cases: &[&[&str]] = &[
        &[],
        &["no-such-command"],
        &["run", "--no-such-option"],
        &["run", "no-such-file.yml"],
        &["run", "."],
        &["run"],
        &["run", "a.yml", "-f", "b.yml"],
        &["run", "bad.yml"],
        &["run", "empty.yml"],
        &["run", "--grace-period", "soon", "--", "echo", "started"],
        &["run", "--grace-period"],
        &["run", "--log-format", "xml", "--", "echo", "started"],
        &["run", "--sidecar", "nameless", "--", "echo", "started"],
        &["run", "--sidecar", "=echo", "--", "echo", "started"],
        &["run", "--sidecar", "a=echo a", "--sidecar", "a=echo b", "--", "echo", "started"],
        &["run", "--sidecar", "a=echo started"],
    ];
    for arguments in cases {
        let group =
            group().file("bad.yml", "main: {command: [echo, started]\n").file("empty.yml", "");
        let ended = run(group, arguments);
        assert_eq!(ended.code, Some(125), "{arguments:?}\n{ended}");
        assert!(!ended.stdout.contains("started"), "{arguments:?}\n{ended}");
        assert!(!ended.stderr.is_empty(), "{arguments:?}\n{ended}");
    }
}

#[test]
fn a_bad_variable_is_named() {
    for (name, value) in [
        ("FATESHARE_GRACE_PERIOD", "soon"),
        ("FATESHARE_LOG", "loud"),
        ("FATESHARE_LOG_FORMAT", "x"),
    ] {
        let ended = run(group().env(name, value), &["run", "--", "echo", "started"]);
        ended.code(125).says(&["fateshare: ", name]);
        assert_eq!(ended.stdout, "", "{ended}");
    }
}

#[test]
fn a_format_or_a_colour_that_there_is_not_is_named() {
    for (option, value, said) in [
        (
            "--log-format",
            "xml",
            "--log-format: no such format: \"xml\"; use auto, text, raw, json or cf",
        ),
        ("--log-format", "", "--log-format: no such format: \"\"; use auto, text, raw, json or cf"),
        ("--color", "pink", "--color: \"pink\" is none of auto, always and never"),
    ] {
        let ended = run(group(), &["run", option, value, "--", "echo", "started"]);
        ended.code(125).says(&["fateshare: ", said]);
        assert_eq!(ended.stdout, "", "{ended}");
    }
}

#[test]
fn every_problem_of_a_spec_is_shown_with_its_place() {
    let text = "main:\n  comand: [echo]\n  command: [echo, started]\ngrace_period: soon\n";
    let ended = run(group().file("bad.yml", text), &["run", "bad.yml"]);
    ended.code(125).says(&["fateshare: ", "bad.yml:2:3: "]).says(&["bad.yml:4:15: "]);
    assert_eq!(ended.stdout, "", "{ended}");
}

#[test]
fn help_and_version_go_to_stdout() {
    let ended = run(group(), &["--version"]);
    ended.code(0);
    assert_eq!(ended.stdout, format!("fateshare {}\n", env!("CARGO_PKG_VERSION")), "{ended}");
    for arguments in [&["--help"][..], &["run", "--help"], &["-h"]] {
        let ended = run(group(), arguments);
        ended.code(0);
        assert!(ended.stdout.contains("Usage: fateshare") && ended.stderr.is_empty(), "{ended}");
    }
}
