//! The second reading of the core (`core_model/mod.rs`) beside the machine, where other tests do not
//! go: stop signals of members' own, `stopped`, and Ctrl-Z with checks and with sidecars. (Every
//! path that `core_explore.rs` and `core_random.rs` go is compared there, by `core/world.rs`.) And
//! wrong readings, each of which must be seen to be wrong.

#[path = "core/world.rs"]
#[allow(dead_code, reason = "each test uses its part of the model")]
mod world;

use std::collections::HashSet;

use fateshare::core::MemberPlan;
use fateshare::spec::{ExitCodes, MayFinish, Signal, StopOrder, StopTo};
use world::reference::CONTRACT;
use world::reference::wrong::WRONG;
use world::search::shortest_path;
use world::{Child, Model, Offered, World, codes, model};

const PLAIN: Offered = Offered {
    passes: false,
    freezes: false,
    fails: false,
    jobs: false,
    checks: false,
    prepares: false,
    held_back: None,
};

/// A group, what may happen to it, and its exit codes.
type Setting = (Vec<Model>, Offered, ExitCodes);

fn main_with(child: Child) -> Model {
    model(StopOrder::AtOnce, StopTo::Process, MayFinish::Never, child)
}

fn last_with(child: Child) -> Model {
    model(StopOrder::AfterMain, StopTo::Group, MayFinish::WithZero, child)
}

fn told_by(signal: Signal, model: Model) -> Model {
    Model { plan: MemberPlan { stop_signal: Some(signal), ..model.plan }, ..model }
}

/// Goes every path of at most so many moves, and says how many states and moves there were.
fn explore(setting: Setting, most_moves: usize) -> usize {
    let (models, offered, codes) = setting;
    let first = World::read_by(models, offered, codes, &CONTRACT);
    let mut seen: HashSet<u64, foldhash::fast::FixedState> =
        HashSet::from_iter([first.fingerprint()]);
    let mut nearest = vec![first];
    let mut moves = 0;
    for _ in 0..most_moves {
        let mut next_ones = Vec::new();
        for world in nearest {
            for step in world.moves() {
                moves += 1;
                let mut next = world.clone();
                next.perform(&step);
                if seen.insert(next.fingerprint()) {
                    next_ones.push(next);
                }
            }
        }
        nearest = next_ones;
    }
    println!("{} states, {moves} moves compared, {} left", seen.len(), nearest.len());
    seen.len()
}

/// More moves than any path has that comes to no state twice.
const ALL: usize = 1_000;

#[test]
fn stop_signals_of_their_own_and_the_code_for_stopped() {
    let stopped = ExitCodes { stopped: Some(9), ..codes() };
    let main = main_with(Child::InGroup);
    let groups = [
        vec![main],
        vec![told_by(Signal::QUIT, main)],
        vec![told_by(Signal::QUIT, main), told_by(Signal::USR1, main_with(Child::OwnSession))],
        vec![main_with(Child::None), told_by(Signal::USR1, last_with(Child::InGroup))],
    ];
    for models in groups {
        let states = explore((models, PLAIN, stopped), ALL);
        assert!(states > 100, "{states}");
    }
}

/// What was stopped and continued, by Ctrl-Z and by a freeze, at every moment.
#[test]
fn time_that_nobody_had() {
    let main = main_with(Child::InGroup);
    let jobs = Offered { jobs: true, ..PLAIN };
    let none = main_with(Child::None);
    let freezes = Offered { freezes: true, ..jobs };
    let states = [
        explore((vec![main], freezes, codes()), ALL),
        explore((vec![none, last_with(Child::None)], jobs, codes()), ALL),
        explore((vec![none], Offered { prepares: true, ..jobs }, codes()), ALL),
        // Without an end it goes round and round.
        explore((vec![none], Offered { checks: true, ..freezes }, codes()), 10),
    ];
    assert!(states.iter().all(|it| *it > 1_000), "{states:?}");
}

/// Each wrong reading meets small groups until one shows it; none may get through.
#[test]
fn wrong_readings_are_seen_to_be_wrong() {
    let whole = Offered { passes: true, freezes: true, ..PLAIN };
    let checked = Offered { checks: true, freezes: true, ..PLAIN };
    let stopped = ExitCodes { stopped: Some(9), ..codes() };
    let main = main_with(Child::InGroup);
    let settings = [
        (vec![main_with(Child::None)], whole, stopped),
        (vec![main], PLAIN, codes()),
        (vec![main_with(Child::None)], checked, codes()),
        (vec![main, last_with(Child::InGroup)], PLAIN, codes()),
        (vec![main_with(Child::OwnSession), told_by(Signal::USR1, main)], PLAIN, codes()),
    ];
    for (name, rules) in &WRONG {
        let caught = settings.iter().find_map(|(models, offered, codes)| {
            let first = World::read_by(models.clone(), *offered, *codes, rules);
            Some((models.len(), shortest_path(first, 20_000)?))
        });
        let Some((members, path)) = caught else {
            panic!("nothing shows that it is wrong: {name}")
        };
        let (moves, states) = (path.steps.len(), path.states);
        println!("{name}: seen in a group of {members}, after {moves} moves, in {states} states");
    }
}
