//! What the script does not do, and how it says so.

use super::{VERSION, release, said, tool, utf8};

/// Runs it; what it says, and its exit code.
fn refused(arguments: &[&str]) -> (String, i32) {
    let output =
        release(arguments).env("DOCKER_HOST", "unix:///nowhere").output().expect("it runs");
    assert!(output.stdout.is_empty(), "{output:?}");
    (said(&output), output.status.code().expect("a code"))
}

#[test]
fn wrong_arguments_are_named() {
    let cases: [(&[&str], &str); 6] = [
        (&["--frob"], "unknown argument --frob"),
        (&["x86_64-unknown-linux-musl"], "unknown argument x86_64-unknown-linux-musl"),
        (&["--target"], "--target needs a value"),
        (&["--out", ""], "--out needs a value"),
        (&["--notes", "--tag"], "--tag needs a value"),
        (&["--tag", "v1.0.0"], "--tag is for --notes"),
    ];
    for (arguments, message) in cases {
        let (said, code) = refused(arguments);
        let mut lines = said.lines();
        assert_eq!(
            (lines.next(), code),
            (Some(&*format!("release: {message}")), 2),
            "{arguments:?}"
        );
        // Then what it takes, from the head of the script.
        let usage: Vec<&str> = lines.collect();
        assert_eq!(usage[0], "usage: .ci/release [OPTION]...", "{said}");
        assert_eq!(usage.len(), 3, "{said}");
    }
}

#[test]
fn a_target_that_cannot_be_built_is_named_before_anything_is_built() {
    let said = refused(&["--target", "pdp11-unknown-unix"]);
    assert_eq!(said, ("release: rustc knows no target pdp11-unknown-unix\n".to_owned(), 1));
    // Nobody has this one, who builds programs for Linux.
    let absent = "aarch64-unknown-openbsd";
    let said = refused(&["--target", absent]);
    assert_eq!(
        said,
        (format!("release: the toolchain has no {absent}: rustup target add {absent}\n"), 1)
    );
}

#[test]
fn without_an_engine_there_is_no_image_unless_nobody_wants_one() {
    let said = refused(&[]);
    let message = "release: no Docker Engine answers; --no-image makes no image\n";
    assert_eq!(said, (message.to_owned(), 1));
}

#[test]
fn nothing_is_joined_where_nothing_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = refused(&["--join", "--out", utf8(folder.path())]);
    let message =
        format!("release: no archive of version {VERSION} is in {}\n", folder.path().display());
    assert_eq!(said, (message, 1));
}

#[test]
fn the_script_is_free_of_what_shellcheck_finds() {
    let there = std::process::Command::new("shellcheck").arg("--version").output();
    if let Err(error) = there {
        return super::docker::cannot_run(
            "the_script_is_free_of_what_shellcheck_finds",
            &format!("shellcheck: {error}"),
        );
    }
    tool("shellcheck", &[".ci/release"]);
}
