//! `fateshare check`: each folder's specs give exactly the text beside them, and nothing is started.
//!
//! `SNAPSHOTS=overwrite cargo test --test check` writes the files beside; read the difference.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check")
}

/// Runs `fateshare` in a folder, without an environment but PATH.
fn fateshare(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fateshare"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .output()
        .expect("it runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// What it prints, and its exit code.
fn shown(output: &Output) -> String {
    let code = output.status.code().map_or("a signal".to_owned(), |code| code.to_string());
    format!("{}{}exit {code}\n", text(&output.stdout), text(&output.stderr))
}

#[test]
fn each_spec_gives_the_text_beside_it() {
    let overwrite = std::env::var_os("SNAPSHOTS").is_some_and(|mode| mode == "overwrite");
    let mut seen = 0;
    for entry in fs::read_dir(folder()).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "yml") {
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let shown = shown(&fateshare(&folder(), &["check", name]));
        // The folder is where the project is.
        let shown = shown.replace(folder().to_str().expect("UTF-8"), "FOLDER");
        let beside = path.with_extension("out");
        if overwrite {
            fs::write(&beside, &shown).expect("written");
        }
        let expected = fs::read_to_string(&beside).expect("the text beside it");
        assert_eq!(shown, expected, "{name}");
        seen += 1;
    }
    assert!(seen >= 5, "only {seen} specs");
}

#[test]
fn nothing_is_started() {
    let dir = tempfile::tempdir().expect("a folder");
    let spec = "main: {command: touch started}\nsidecars: [{name: s, command: touch started}]\n";
    fs::write(dir.path().join("fateshare.yml"), spec).expect("written");
    let output = fateshare(dir.path(), &["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    assert!(text(&output.stdout).starts_with("./fateshare.yml: ok\n"), "{}", shown(&output));
    assert!(!dir.path().join("started").exists());
}

#[test]
fn what_is_missing_or_unreadable_is_invalid() {
    let dir = tempfile::tempdir().expect("a folder");
    for (arguments, part) in [
        (&["check"][..], "no spec found: looked for ./fateshare.yml"),
        (&["check", "nowhere.yml"], "nowhere.yml: there is no such file"),
        (&["check", "."], ".: is a directory"),
        (&["check", "--sidecar", "s=x"], "there is no main process"),
    ] {
        let output = fateshare(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
        assert!(text(&output.stderr).contains(part), "{}", shown(&output));
        assert_eq!(text(&output.stdout), "");
    }
    for usage in [
        &["check", "--no-pty"][..],
        &["check", "--grace-period", "soon"],
        &["check", "--sidecar", "x"],
    ] {
        let output = fateshare(dir.path(), usage);
        assert_eq!(output.status.code(), Some(125), "{}", shown(&output));
    }
}

#[test]
fn the_command_line_is_checked_too() {
    let dir = tempfile::tempdir().expect("a folder");
    let arguments = ["check", "--sidecar", "cache=sleep 9", "--", "sleep", "a b"];
    let output = fateshare(dir.path(), &arguments);
    let expected = "command line: ok\n\
                    main   sleep 'a b'  pid\n\
                    cache  sh: sleep 9  pid\n\
                    if any member ends: all stop (SIGTERM), SIGKILL after 9s, exit = the first to \
                    end (a sidecar's 0 → 69)\n\
                    exit 0\n";
    assert_eq!(shown(&output), expected);
}

#[test]
fn a_reader_that_is_gone_is_an_error_and_not_a_panic() {
    let dir = tempfile::tempdir().expect("a folder");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_fateshare"))
        .args(["check", "--", "sleep"])
        .current_dir(dir.path())
        .stdout(writer)
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(125), "{}", shown(&output));
    assert!(text(&output.stderr).contains("standard output: Broken pipe"), "{}", shown(&output));
}
