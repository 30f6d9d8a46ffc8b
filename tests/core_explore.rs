//! Every interleaving of events for groups of one to three members, with the promises checked on
//! every path (see `core/world.rs`).
//!
//! `FATESHARE_TEST_LONG=1` explores all groups that are listed here. Without it those that mostly repeat
//! what others show are left out; of each group that is explored, every state is.

#[path = "core/world.rs"]
#[allow(dead_code, reason = "each test uses its part of the model")]
mod world;

use std::collections::HashSet;
use std::mem;

use fateshare::core::MemberId;
use fateshare::spec::{MayFinish, StopOrder, StopTo};
use world::{Child, Counts, Model, Offered, World, kind, model};

const CHILDREN: [Child; 3] = [Child::None, Child::InGroup, Child::OwnSession];

const WHOLE: Offered = Offered {
    passes: true,
    freezes: true,
    fails: false,
    jobs: false,
    checks: false,
    prepares: false,
    held_back: None,
};
/// Without what only multiplies the moments: a second SIGINT and a freeze.
const PLAIN: Offered = Offered {
    passes: false,
    freezes: false,
    fails: false,
    jobs: false,
    checks: false,
    prepares: false,
    held_back: None,
};

/// Every main process that the spec allows.
fn mains() -> Vec<Model> {
    let mut mains = Vec::new();
    for stop_to in [StopTo::Process, StopTo::Group] {
        for child in CHILDREN {
            mains.push(model(StopOrder::AtOnce, stop_to, MayFinish::Never, child));
        }
    }
    mains
}

/// Every sidecar that the spec allows.
fn sidecars() -> Vec<Model> {
    let mut sidecars = Vec::new();
    for stop in [StopOrder::AtOnce, StopOrder::AfterMain] {
        for stop_to in [StopTo::Process, StopTo::Group] {
            for may_finish in [MayFinish::Never, MayFinish::WithZero] {
                for child in CHILDREN {
                    sidecars.push(model(stop, stop_to, may_finish, child));
                }
            }
        }
    }
    sidecars
}

/// Whether there is time for all groups, not for those alone that show most.
fn long() -> bool {
    std::env::var("FATESHARE_TEST_LONG").is_ok_and(|value| value == "1")
}

/// Visits every state that can be reached; returns how many, and how many moves led there.
fn explore(models: Vec<Model>, offered: Offered, counts: &mut Counts) -> (u64, u64) {
    let first = World::new(models, offered);
    let mut seen: HashSet<u64, foldhash::fast::FixedState> =
        HashSet::from_iter([first.fingerprint()]);
    let mut open = vec![first];
    let (mut moves, mut ends) = (0, 0);
    while let Some(world) = open.pop() {
        ends += u64::from(world.is_over());
        let mut next = world.clone();
        for step in world.moves() {
            moves += 1;
            *counts.entry(kind(&step)).or_default() += 1;
            next.perform(&step);
            // Most signals change nothing: to see that is cheaper than to make a state anew.
            if next == world {
                continue;
            }
            if seen.insert(next.fingerprint()) {
                open.push(mem::replace(&mut next, world.clone()));
            } else {
                next = world.clone();
            }
        }
    }
    assert!(ends > 0, "some path must come to the end");
    (seen.len() as u64, moves)
}

fn explore_all(groups: impl IntoIterator<Item = Vec<Model>>, offered: Offered) -> (u64, u64) {
    let mut counts = Counts::new();
    let (mut states, mut moves, mut number) = (0, 0, 0);
    for models in groups {
        let (more_states, more_moves) = explore(models, offered, &mut counts);
        states += more_states;
        moves += more_moves;
        number += 1;
    }
    println!("{number} groups, {states} states, {moves} moves: {counts:?}");
    let kinds = 5
        + usize::from(offered.passes)
        + usize::from(offered.freezes)
        + usize::from(offered.fails)
        + usize::from(offered.jobs)
        + 2 * usize::from(offered.checks)
        + usize::from(offered.prepares);
    assert_eq!(counts.len(), kinds, "every kind of move was made: {counts:?}");
    (states, moves)
}

#[test]
fn groups_of_one() {
    let (states, _) = explore_all(mains().into_iter().map(|main| vec![main]), WHOLE);
    assert!(states > 1_000, "{states}");
}

/// Ctrl-Z, SIGCONT and a failure of our own at every moment.
#[test]
fn jobs_and_failures() {
    let jobs = Offered { fails: true, jobs: true, ..PLAIN };
    let (states, _) = explore_all(mains().into_iter().map(|main| vec![main]), jobs);
    assert!(states > 1_000, "{states}");
}

/// A health check that passes or fails at every moment, frozen or not.
#[test]
fn health_checks() {
    let checked = Offered { checks: true, freezes: true, ..PLAIN };
    let (states, _) = explore_all(mains().into_iter().map(|main| vec![main]), checked);
    assert!(states > 1_000, "{states}");
    let sidecar = model(StopOrder::AfterMain, StopTo::Process, MayFinish::WithZero, Child::None);
    let checked = Offered { checks: true, ..PLAIN };
    // The verdict is new, not the teardown: of that each kind of target and child once.
    let some = |(number, _): &(usize, Model)| long() || number % 2 == 0;
    let mains = mains().into_iter().enumerate().filter(some);
    let (states, _) = explore_all(mains.map(|(_, main)| vec![main, sidecar]), checked);
    assert!(states > 10_000, "{states}");
}

/// Profile scripts that end, fail or call exit at every moment, before members and while all stop.
#[test]
fn profile_scripts() {
    let prepared = Offered { prepares: true, passes: true, freezes: true, fails: true, ..PLAIN };
    let (states, _) = explore_all(mains().into_iter().map(|main| vec![main]), prepared);
    assert!(states > 1_000, "{states}");
    let sidecar = model(StopOrder::AfterMain, StopTo::Group, MayFinish::Never, Child::InGroup);
    let prepared = Offered { prepares: true, ..PLAIN };
    let mains = mains().into_iter().enumerate().filter(|(number, _)| long() || number % 2 == 1);
    let (states, _) = explore_all(mains.map(|(_, main)| vec![main, sidecar]), prepared);
    assert!(states > 10_000, "{states}");
}

/// A member that is started later than all others: everything may happen before, with it and behind.
#[test]
fn held_back() {
    use Child::{InGroup, None};
    use MayFinish::{Never, WithZero};
    use StopOrder::{AfterMain, AtOnce};
    use StopTo::{Group, Process};
    let plain = model(AtOnce, Process, Never, None);
    let alone = vec![vec![model(AtOnce, Process, Never, InGroup)]];
    let more = vec![
        vec![plain, model(AtOnce, Group, WithZero, InGroup)],
        vec![model(AtOnce, Process, Never, InGroup), model(AfterMain, Process, Never, None)],
        vec![plain, plain, model(AtOnce, Process, WithZero, None)],
    ];
    let late = |member| Offered { held_back: Some(MemberId(member)), fails: true, ..PLAIN };
    let freezes = Offered { freezes: true, passes: true, ..late(0) };
    let mut states = explore_all(alone, freezes).0;
    for member in [0, 1] {
        states += explore_all(more.clone(), late(member)).0;
    }
    assert!(states > 100_000, "{states}");
}

/// Members that may not be signalled, beside others.
#[test]
fn members_of_other_users() {
    use Child::{InGroup, None, OwnSession};
    use MayFinish::Never;
    use StopOrder::{AfterMain, AtOnce};
    use StopTo::{Group, Process};
    let denied = |model: Model| Model { denied: true, ..model };
    let main = model(AtOnce, Process, Never, InGroup);
    let last = model(AfterMain, Group, Never, None);
    let groups = [
        [denied(main), model(AtOnce, Process, Never, OwnSession)],
        [denied(model(AtOnce, Group, Never, OwnSession)), denied(last)],
        [main, denied(model(AtOnce, Process, Never, InGroup))],
        [model(AtOnce, Group, Never, None), denied(last)],
        [denied(main), last],
    ];
    let (states, _) = explore_all(groups.map(Vec::from), PLAIN);
    assert!(states > 10_000, "{states}");
}

#[test]
fn groups_of_two() {
    // In a third of the groups any three of these meet already: main's target, what it leaves, how the
    // sidecar stops and finishes, what it leaves.
    let is_shown = |main: usize, sidecar: usize| {
        let (others, children) = (main / 3 + sidecar / 3, main % 3 + sidecar % 3);
        long() || (others + children) % 3 == 0
    };
    let mut groups = Vec::new();
    for (at_main, main) in mains().into_iter().enumerate() {
        for (at_sidecar, sidecar) in sidecars().into_iter().enumerate() {
            if is_shown(at_main, at_sidecar) {
                groups.push(vec![main, sidecar]);
            }
        }
    }
    assert!(groups.len() >= 48);
    let (states, _) = explore_all(groups, PLAIN);
    assert!(states > 1_000_000, "{states}");
}

/// A second SIGINT and a freeze at every moment, for each kind of sidecar.
#[test]
fn groups_of_two_with_all_of_time() {
    use Child::{InGroup, None, OwnSession};
    use MayFinish::{Never, WithZero};
    use StopOrder::{AfterMain, AtOnce};
    use StopTo::{Group, Process};
    let mut groups = vec![
        [model(AtOnce, Group, Never, InGroup), model(AtOnce, Group, WithZero, None)],
        [model(AtOnce, Process, Never, None), model(AfterMain, Group, WithZero, OwnSession)],
    ];
    // One kind of sidecar at once, one behind main. More of each kind only have other children.
    if long() {
        groups.extend([
            [model(AtOnce, Process, Never, None), model(AtOnce, Process, Never, InGroup)],
            [model(AtOnce, Process, Never, OwnSession), model(AfterMain, Process, Never, None)],
        ]);
    }
    let (states, _) = explore_all(groups.into_iter().map(Vec::from), WHOLE);
    assert!(states > 500_000, "{states}");
}

/// The product of all choices would only repeat what two members show; what three can show that
/// two cannot is mixtures: of orders, targets, and finishing while others run.
#[test]
fn groups_of_three() {
    use Child::{InGroup, None, OwnSession};
    use MayFinish::{Never, WithZero};
    use StopOrder::{AfterMain, AtOnce};
    use StopTo::{Group, Process};
    let plain = model(AtOnce, Process, Never, None);
    let last = model(AfterMain, Process, Never, None);
    let groups = [
        [plain, plain, plain],
        [plain, last, last],
        [plain, model(AtOnce, Process, WithZero, None), model(AtOnce, Group, WithZero, None)],
        [model(AtOnce, Process, Never, OwnSession), last, model(AtOnce, Group, WithZero, InGroup)],
        [model(AtOnce, Group, Never, InGroup), model(AfterMain, Group, WithZero, None), last],
        [plain, model(AtOnce, Process, Never, OwnSession), model(AfterMain, Group, Never, InGroup)],
    ];
    let (states, _) = explore_all(groups.map(Vec::from), PLAIN);
    assert!(states > 1_000_000, "{states}");
}
