//! Keeps the rooms' rules: the core is pure, `unsafe` and system calls are in `sys` alone, imports
//! point one way, files stay small.

use std::fs;
use std::path::{Path, PathBuf};

/// Which rooms each room may import. What is not listed may import nothing of this crate.
const MAY_IMPORT: [(&str, &[&str]); 15] = [
    (
        "main",
        &[
            "cli",
            "load",
            "check",
            "drill",
            "local",
            "run",
            "status",
            "report",
            "cloudfoundry",
            "voice",
            "sys",
            "core",
            "spec",
        ],
    ),
    ("load", &["cli", "cloudfoundry", "sys", "spec"]),
    ("check", &["core", "spec"]),
    ("drill", &["local", "run", "report", "sys", "core", "spec"]),
    ("local", &["run", "voice", "sys", "core", "spec"]),
    ("run", &["voice", "health", "status", "report", "sys", "core", "spec"]),
    ("status", &["report", "sys", "core", "spec"]),
    ("report", &["core", "spec"]),
    ("health", &["sys"]),
    ("voice", &["sys", "core"]),
    ("sys", &["core", "spec"]),
    ("core", &["spec"]),
    ("cloudfoundry", &["spec"]),
    ("spec", &[]),
    ("cli", &[]),
];

/// Words that only these rooms may use in code.
const CONFINED: [(&str, &[&str]); 19] = [
    ("unsafe ", &["sys"]),
    ("nix::", &["sys"]),
    ("libc::", &["sys"]),
    ("signal_hook", &["sys"]),
    ("tokio::", &["run", "health", "status"]),
    ("tracing", &["run", "voice"]),
    ("Instant", &[]),
    ("SystemTime", &[]),
    ("std::process", &[]),
    ("std::fs", &["run", "sys", "spec"]),
    ("std::env", &["main", "load", "run", "sys", "spec"]),
    ("std::thread", &["voice"]),
    ("println!", &[]),
    ("eprintln!", &[]),
    ("print!", &[]),
    ("eprint!", &[]),
    ("dbg!", &[]),
    // Both would hide from this test what is imported.
    ("super::super::", &[]),
    ("std::{", &[]),
];

/// What the core must not even name, besides the above: it does no I/O and reads no clock.
const NOT_IN_CORE: [&str; 8] =
    ["std::io", "std::net", "std::os", "std::sync", "File", "async", "clock", "Mutex"];

struct Source {
    path: PathBuf,
    room: String,
    /// Without comments and without its tests.
    code: Vec<(usize, String)>,
    lines: usize,
}

fn sources() -> Vec<Source> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut open = vec![base.clone()];
    let mut sources = Vec::new();
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            if is_only_tests(&path) {
                continue;
            }
            let inside = path.strip_prefix(&base).expect("it is under src");
            let first = inside.components().next().expect("a name").as_os_str().to_string_lossy();
            let room = first.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).expect("it is text");
            let code = text
                .lines()
                .enumerate()
                .take_while(|(_, line)| *line != "#[cfg(test)]")
                .map(|(number, line)| {
                    (number + 1, line.split("//").next().unwrap_or("").to_owned())
                })
                .collect();
            sources.push(Source { room, code, lines: text.lines().count(), path });
        }
    }
    assert!(sources.len() > 30, "the sources were found: {}", sources.len());
    sources
}

/// Whether a file is a module of tests as a whole, as the file that it belongs to says.
fn is_only_tests(path: &Path) -> bool {
    let parent = ["mod.rs", "lib.rs"].map(|name| path.with_file_name(name));
    let parent = parent.iter().find_map(|it| fs::read_to_string(it).ok()).unwrap_or_default();
    let name = path.file_stem().expect("a name").to_string_lossy();
    parent.contains(&format!("#[cfg(test)]\nmod {name};"))
}

/// The rooms that a line of code names: `crate::core::...`, `fateshare::core`, `use crate::{core`.
fn rooms_named(line: &str) -> Vec<&'static str> {
    let rooms = MAY_IMPORT.iter().map(|(room, _)| *room);
    rooms
        .filter(|room| {
            ["crate::", "fateshare::"].iter().any(|from| {
                line.match_indices(from).any(|(at, _)| {
                    let rest = &line[at + from.len()..];
                    rest.strip_prefix(room).is_some_and(|after| {
                        !after.starts_with(|c: char| c.is_alphanumeric() || c == '_')
                    })
                })
            })
        })
        .collect()
}

/// Whether a line has this word and not only as the end of a longer one (`unix::`).
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
    })
}

#[test]
fn imports_point_one_way() {
    for source in sources() {
        if source.room == "lib" {
            continue;
        }
        let allowed = MAY_IMPORT.iter().find(|(room, _)| *room == source.room);
        let (room, allowed) = allowed.unwrap_or_else(|| panic!("{} has no rule", source.room));
        for (number, line) in &source.code {
            assert!(
                !line.contains("crate::{") && !line.contains("fateshare::{"),
                "{}:{number}: name the room, so that this test can see it",
                source.path.display()
            );
            for named in rooms_named(line) {
                assert!(
                    named == *room || allowed.contains(&named),
                    "{}:{number}: {room} must not import {named}",
                    source.path.display()
                );
            }
        }
    }
}

#[test]
fn each_room_keeps_to_its_means() {
    for source in sources() {
        for (number, line) in &source.code {
            for (word, rooms) in CONFINED {
                assert!(
                    !names(line, word) || rooms.contains(&source.room.as_str()),
                    "{}:{number}: `{word}` belongs to {rooms:?}",
                    source.path.display()
                );
            }
        }
    }
}

#[test]
fn the_core_is_pure() {
    let core: Vec<_> = sources().into_iter().filter(|source| source.room == "core").collect();
    assert!(core.len() > 8);
    for source in core {
        for (number, line) in &source.code {
            for word in NOT_IN_CORE {
                assert!(
                    !line.contains(word),
                    "{}:{number}: `{word}` in the core",
                    source.path.display()
                );
            }
        }
    }
}

#[test]
fn unsafe_is_allowed_in_one_place() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"));
    let lib = lib.expect("the root of the library");
    assert!(lib.contains("#[allow(unsafe_code)]\npub mod sys;"));
    for source in sources() {
        for (number, line) in &source.code {
            let allows = line.contains("allow(unsafe_code)");
            let here = source.room == "lib";
            assert!(!allows || here, "{}:{number}", source.path.display());
        }
    }
}

#[test]
fn no_file_is_too_long() {
    for source in sources() {
        assert!(
            source.lines <= 450,
            "{} has {} lines: would two rooms be clearer?",
            source.path.display(),
            source.lines
        );
    }
}
