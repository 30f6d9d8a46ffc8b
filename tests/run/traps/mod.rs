//! What others fell into. Each test has the name of a trap, says what went wrong in whom, and
//! shows that it does not go wrong here.

mod escapees;
mod exec_and_files;
mod logs;
mod reaping;
mod signals;
mod time_and_codes;

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Group, Mode};

/// A group whose `fateshare` is an ordinary process in a PID namespace of its own, in which the
/// script can start strangers. `"$@"` in it is `fateshare`; it runs once, and its code is kept.
fn beside(script: &str) -> Group {
    Group::new(Mode::Pid1).after_script(script)
}

/// Our own code, line by line: without comments and tests.
fn code() -> Vec<(PathBuf, usize, String)> {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut lines = Vec::new();
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).expect("it is text");
            let code = text.lines().enumerate().take_while(|(_, line)| *line != "#[cfg(test)]");
            lines.extend(code.map(|(number, line)| {
                (path.clone(), number + 1, line.split("//").next().unwrap_or("").to_owned())
            }));
        }
    }
    assert!(lines.len() > 2_000, "the sources were found");
    lines
}

/// No line of our code has any of these words, but for those in this file.
#[track_caller]
fn nowhere(words: &[&str], but_in: &[&str]) {
    for (path, number, line) in code() {
        if but_in.iter().any(|file| path.ends_with(file)) {
            continue;
        }
        for word in words {
            assert!(!line.contains(word), "{}:{number}: `{word}`", path.display());
        }
    }
}
