//! The classic defects of `examples/drill-findings`, each found and named. What the drill shows of them
//! stands beside each as `drill.txt`; `SNAPSHOTS=overwrite cargo test --test drill` writes it anew.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::Setting;
use crate::support::ports::free_port;

/// The folder, what the drill is told besides, and the sentence that it must find.
const DEFECTS: [(&str, &str, &str); 8] = [
    (
        "ignores-sigterm",
        "--member config-server --strike kill --strike term",
        "web ignores SIGTERM (SigIgn).",
    ),
    (
        "shell-without-exec",
        "--member config-server --strike kill --strike term",
        "web is a dash that waits for `sleep 1000` and does not pass SIGTERM on.",
    ),
    (
        "double-fork",
        "--strike kill",
        "`sleep 1001` that web started went into the background by a double fork. It ignores SIGTERM.",
    ),
    (
        "own-session",
        "--strike kill",
        "`sleep 1001` that web started has a session of its own (setsid). It ignores SIGTERM.",
    ),
    (
        "late-dependency",
        "--strike kill --strike late",
        "web exits 111 if config-server is not up yet. Start order is undefined on Cloud Foundry.",
    ),
    ("port-still-bound", "--member web", "who sets SO_REUSEADDR can listen there all the same."),
    ("background", "--strike kill", "it put itself into the background; run it in the foreground"),
    (
        "stop-looks-like-a-crash",
        "--strike term --strike platform",
        "web exits with 1 when it is asked to stop; 0 or 143 would say that all is well.",
    ),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/drill-findings")
}

/// The example in a folder of its own, at ports of its own.
fn drill(name: &str, arguments: &str) -> (String, String) {
    let mut setting = Setting::empty();
    let ports = [("8080", free_port()), ("8082", free_port())];
    for entry in fs::read_dir(folder().join(name)).expect("the example") {
        let path = entry.expect("an entry").path();
        let file = path.file_name().expect("a name").to_str().expect("UTF-8");
        if file == "drill.txt" {
            continue;
        }
        let mut text = fs::read_to_string(&path).expect("it is text");
        if file == "fateshare.yml" {
            for (usual, port) in &ports {
                text = text.replace(usual, &port.to_string());
            }
        }
        setting.file(file, &text);
    }
    let words: Vec<&str> = arguments.split(' ').collect();
    setting.arguments(&words);
    let made = setting.run();
    made.code(1);
    let mut shown = format!("$ fateshare drill {arguments}\n{}{}", made.stderr, made.stdout);
    for (usual, port) in ports {
        shown = shown.replace(&port.to_string(), usual);
    }
    (shown, made.stdout)
}

fn check(name: &str) {
    let (_, arguments, sentence) = DEFECTS.iter().find(|(it, ..)| *it == name).expect("a defect");
    let (shown, stdout) = drill(name, arguments);
    assert!(stdout.contains(sentence), "{name}: {stdout}");
    assert!(stdout.contains("   replay: fateshare drill"), "{name}: {stdout}");
    let path = folder().join(name).join("drill.txt");
    if std::env::var_os("SNAPSHOTS").is_some_and(|it| it == "overwrite") {
        fs::write(&path, &shown).expect("the snapshot");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        plain(&kept),
        plain(&shown),
        "{name}: `SNAPSHOTS=overwrite` writes it anew\n{shown}"
    );
}

/// The same whatever times and process numbers are.
fn plain(text: &str) -> String {
    let word = |word: &str| {
        let (open, rest) = word.strip_prefix('(').map_or(("", word), |rest| ("(", rest));
        let core = rest.trim_end_matches([':', ';', '.', ')', ',']);
        let end = &rest[core.len()..];
        let number = core.trim_end_matches(|it: char| it.is_ascii_lowercase());
        let unit = &core[number.len()..];
        let is_number =
            !number.is_empty() && number.chars().all(|it| it.is_ascii_digit() || it == '.');
        let is_time = is_number && matches!(unit, "ms" | "s");
        // Process numbers stand in `(pid 7)`.
        let is_pid = is_number && unit.is_empty() && end.starts_with(')');
        if is_time || is_pid { format!("{open}#{end}") } else { word.to_owned() }
    };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    let mut lines: Vec<String> = text.lines().map(line).collect();
    // Those of a group that ends come in any order.
    lines
        .chunk_by_mut(|one, other| one.starts_with("| ") && other.starts_with("| "))
        .for_each(<[_]>::sort);
    lines.join("\n")
}

#[test]
fn a_member_that_ignores_its_stop_signal() {
    check("ignores-sigterm");
}

#[test]
fn a_shell_that_keeps_the_signal_to_itself() {
    check("shell-without-exec");
}

#[test]
fn a_double_fork() {
    check("double-fork");
}

#[test]
fn a_session_of_its_own() {
    check("own-session");
}

#[test]
fn a_late_dependency() {
    check("late-dependency");
}

#[test]
fn a_port_that_is_still_bound() {
    check("port-still-bound");
}

#[test]
fn a_daemon() {
    check("background");
}

#[test]
fn a_stop_that_looks_like_a_crash() {
    check("stop-looks-like-a-crash");
}

#[test]
fn each_example_is_told_of() {
    let readme = fs::read_to_string(folder().join("README.md")).expect("a README");
    let entries = fs::read_dir(folder()).expect("the examples").flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut found: Vec<String> =
        folders.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect();
    found.sort();
    let mut expected = DEFECTS.map(|(name, ..)| name.to_owned()).to_vec();
    expected.sort();
    assert_eq!(found, expected);
    for name in found {
        assert!(readme.contains(&format!("| `{name}` |")), "README.md does not tell of {name}");
    }
}
