//! Hard to kill: every fault, met by everybody, everywhere.
//!
//! [`table`] has one row for each who and what, with the verdict, the exit code and what is left; each row is
//! played at every place ([`places`]). [`resources`] has what can run out or go wrong around us, at the start and
//! in the middle.
//!
//! One cell or a few: `CELL='straggler x fork bomb' cargo test --test hard_to_kill`, or any other part of a
//! cell's name.

#[path = "../docker/mod.rs"]
#[allow(dead_code, reason = "each test uses its part of it")]
mod docker;
#[path = "../matrix/pool.rs"]
mod pool;
#[path = "../support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each test uses its part of the support"
)]
mod support;

mod address_space;
mod cell;
mod clock;
mod judge;
mod limits;
mod members;
mod pipe;
mod places;
mod platform;
mod resources;
mod scene;
mod table;
mod us;

use std::collections::BTreeSet;
use std::env;

use places::Stage;
use pool::Job;
use resources::{FAULTS, When};
use support::host::can_make_calls_fail;
use table::{Row, TABLE, WHATS, WHERES, WHOS, Where};

/// Cells at a time in each of the tests here, which themselves run side by side: cells wait more than they
/// compute, those in containers most of all, and many more would keep each other from ending in the time that is
/// promised.
const AT_A_TIME: usize = 2;
const CONTAINERS_AT_A_TIME: usize = 3;

/// Plays cells on a stage; every one that fails is named.
fn play_all<'s>(stage: &'s Stage, cells: Vec<(String, impl FnOnce() + Send + 's)>) {
    let wanted = env::var("CELL").unwrap_or_default();
    let cells = cells.into_iter().filter(|(name, _)| name.contains(&wanted));
    let jobs: Vec<Job<'_>> = cells.map(|(name, play)| Job::new(name, play)).collect();
    let count = jobs.len();
    let in_containers = stage.place == Where::Seccomp;
    let threads = if in_containers { CONTAINERS_AT_A_TIME } else { AT_A_TIME };
    let failures = pool::run(jobs, threads);
    assert!(failures.is_empty(), "{} failed:\n\n{}", failures.len(), failures.join("\n\n"));
    println!("{count} cells played: {}", stage.place);
}

/// Plays every row at a place.
fn play(place: Where) {
    let stage = match Stage::set(place) {
        Ok(stage) => stage,
        Err(why) => return support::cannot_run(&why),
    };
    let stage = &stage;
    let cell = |row: &'static Row| {
        let name = format!("{} x {} x {place}\n{row}", row.who(), row.what());
        (name, move || row.play(stage))
    };
    play_all(stage, TABLE.iter().map(cell).collect());
}

/// Plays what can run out around us.
fn play_resources(place: Where) {
    let stage = match clock::can_be_made().map_err(str::to_owned).and_then(|()| Stage::set(place)) {
        Ok(stage) => stage,
        Err(why) => return support::cannot_run(&why),
    };
    if !can_make_calls_fail() {
        return;
    }
    let stage = &stage;
    let cell = |row: &'static resources::Row| (format!("{row}"), move || row.play(stage));
    play_all(stage, resources::TABLE.iter().map(cell).collect());
    address_space::at_start(stage);
    address_space::in_the_middle(stage);
}

#[test]
fn pid_1() {
    play(Where::Pid1);
}

#[test]
fn ordinary_process() {
    play(Where::Ordinary);
}

#[test]
fn unprivileged() {
    play(Where::Unprivileged);
}

#[test]
fn namespace_of_its_own() {
    play(Where::Apart);
}

#[test]
fn read_only_root() {
    play(Where::ReadOnly);
}

#[test]
fn default_seccomp() {
    play(Where::Seccomp);
}

#[test]
fn resources_as_pid_1() {
    play_resources(Where::Pid1);
}

#[test]
fn resources_as_ordinary_process() {
    play_resources(Where::Ordinary);
}

/// Who meets what is complete, and so is where. A member is the main process or a sidecar, and both are played.
#[test]
fn every_cell_is_there() {
    let rows: BTreeSet<String> =
        TABLE.iter().map(|row| format!("{} x {}", row.who(), row.what())).collect();
    assert_eq!(rows.len(), TABLE.len(), "no row is there twice");
    for who in WHOS {
        for what in WHATS {
            assert!(rows.contains(&format!("{who} x {what}")), "there is no row {who} x {what}");
        }
    }
    assert_eq!(rows.len(), WHOS.len() * WHATS.len(), "and no other");
    let kinds = WHOS.len() - 1;
    assert_eq!((kinds, WHATS.len(), WHERES.len()), (5, 11, 6));
    println!(
        "{} cells of {kinds} x {} x {}, those of a member played twice: {} played",
        kinds * WHATS.len() * WHERES.len(),
        WHATS.len(),
        WHERES.len(),
        TABLE.len() * WHERES.len(),
    );
    for what in FAULTS {
        for when in [When::AtStart, When::InTheMiddle] {
            let found = resources::TABLE.iter().filter(|row| row.is(what, when)).count();
            assert_eq!(found, 1, "{what:?} {when:?}");
        }
    }
    println!("{} of resources, each played twice", resources::TABLE.len());
}
