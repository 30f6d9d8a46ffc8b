//! Every kind of input, through the same functions as in `fuzz/`: the seeds, everything that was ever found, and
//! a few seconds of slips in them. The slips are the same in every run; `FATESHARE_FUZZ=N` makes it N for each kind.

mod slips;
mod targets;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use slips::Slips;
use targets::{ALL, Target, run};

/// So many slips for each kind, unless it is said otherwise.
const USUAL: usize = 1_000;

/// Where other tests have inputs of the same kind.
const ALSO: [(&str, &str); 3] =
    [("spec", "tests/spec/good"), ("spec", "tests/spec/bad"), ("manifest", "tests/manifests")];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The inputs below a folder, in the order of their names; notes are none.
fn inputs(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_none_or(|it| it != "md" && it != "out"));
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).expect("an input"))).collect()
}

/// Runs it on one input; if a promise is broken, says on which.
fn judge(target: Target, name: &str, from: &str, input: &[u8]) -> bool {
    catch_unwind(|| run(target, input)).unwrap_or_else(|_| {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzzing-{name}"));
        fs::write(&kept, input).expect("a file");
        panic!("{name}: {from} breaks a promise; the input is in {}", kept.display());
    })
}

fn check(name: &str) {
    let (_, target) = ALL.iter().find(|(other, _)| *other == name).expect("a target");
    let seeds = inputs(&root().join("fuzz/seeds").join(name));
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let also = ALSO.iter().filter(|(other, _)| *other == name);
    let others = also.flat_map(|(_, folder)| inputs(&root().join(folder)));
    let found = inputs(&root().join("fuzz/found").join(name));
    let all: Vec<_> = seeds.into_iter().chain(others).chain(found).collect();
    let good =
        all.iter().filter(|(path, input)| judge(*target, name, &path.display().to_string(), input));
    let good = good.count();
    assert!(good > 0, "{name}: none of {} inputs makes sense", all.len());

    let dictionary = fs::read_to_string(root().join(format!("fuzz/dictionaries/{name}.dict")));
    let all: Vec<Vec<u8>> = all.into_iter().map(|(_, input)| input).collect();
    let mut slips = Slips::new(&all, &dictionary.unwrap_or_default());
    let count = std::env::var("FATESHARE_FUZZ").ok().and_then(|it| it.parse().ok());
    let count = count.unwrap_or(USUAL);
    let made_sense = (0..count).filter(|_| judge(*target, name, "a slip", &slips.next())).count();
    println!("{name}: {} inputs, {good} make sense; {count} slips, {made_sense} do", all.len());
    assert!(made_sense > 0 && made_sense < count.max(1), "{name}: {made_sense} of {count}");
}

#[test]
fn launch_specs() {
    check("spec");
}

#[test]
fn manifests() {
    check("manifest");
}

#[test]
fn launch_ymls() {
    check("launch_yml");
}

#[test]
fn procfiles() {
    check("procfile");
}

#[test]
fn staging_results() {
    check("staging");
}

#[test]
fn variables() {
    check("vars");
}

#[test]
fn reports() {
    check("report");
}

#[test]
fn drills() {
    check("drill");
}

#[test]
fn event_lists_that_grow() {
    check("ledger");
}

#[test]
fn requests_to_a_group() {
    check("status");
}

#[test]
fn answers_of_a_group() {
    check("answer");
}

#[test]
fn answers_of_an_app() {
    check("probe");
}

#[test]
fn what_members_write() {
    check("relay");
}

#[test]
fn lives_of_a_group() {
    check("core");
}

#[test]
fn senseless_events() {
    check("events");
}

#[test]
fn small_readers() {
    check("words");
}

#[test]
fn command_lines() {
    check("arguments");
}

#[test]
fn files_of_the_machine() {
    check("machine");
}

#[test]
fn every_target_is_checked_and_everything_found_has_a_note() {
    let own = include_str!("main.rs");
    for (name, _) in ALL {
        assert!(own.contains(&format!("    check(\"{name}\");")), "{name} is not checked");
    }
    let is_target = |name: &str| ALL.iter().any(|(other, _)| *other == name);
    for folder in ["fuzz/seeds", "fuzz/found", "fuzz/dictionaries"] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder").flatten() {
            let path = entry.path();
            let name = path.file_stem().and_then(|it| it.to_str()).expect("a name");
            let is_note = path.extension().is_some_and(|it| it == "md");
            assert!(is_note || is_target(name), "{} is of no target", path.display());
        }
    }
    let notes = fs::read_to_string(root().join("fuzz/found/README.md")).expect("the notes");
    for (name, _) in ALL {
        for (path, _) in inputs(&root().join("fuzz/found").join(name)) {
            let file = path.file_name().and_then(|it| it.to_str()).expect("a name");
            assert!(notes.contains(&format!("`{name}/{file}`")), "no note on {name}/{file}");
        }
    }
}
