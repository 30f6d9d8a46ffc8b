//! `examples/swarm`, as a service of a swarm of one node.
//!
//! `FATESHARE_TEST_LONG=1` keeps up the load among twenty replicas for five minutes. Without it a dozen kills among eight
//! have to do: what it costs is the engine's, which makes a container for each kill and asks each for its health.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::docker::{Engine, cannot_run, wait_until};
use crate::fleet::{Fleet, Replica};
use crate::{engine_with_image, file};

const SERVICE: &str = "shop_web";
/// Between two kills of the load.
const PAUSE: Duration = Duration::from_millis(400);

/// How much there is of the load.
#[derive(Clone, Copy)]
struct Load {
    replicas: usize,
    /// So many members are killed at least, and for so long.
    kills: usize,
    lasts: Duration,
}

impl Load {
    fn wanted() -> Self {
        if std::env::var("FATESHARE_TEST_LONG").is_ok_and(|value| value == "1") {
            Self { replicas: 20, kills: 100, lasts: Duration::from_mins(5) }
        } else {
            Self { replicas: 8, kills: 12, lasts: Duration::ZERO }
        }
    }
}

#[test]
fn swarm_replaces_what_has_ended_and_what_is_unhealthy() {
    let engine = match engine_with_image() {
        Ok(engine) => engine,
        Err(why) => {
            return cannot_run("swarm_replaces_what_has_ended_and_what_is_unhealthy", &why);
        }
    };
    engine.docker(&["swarm", "init", "--advertise-addr=127.0.0.1"]);
    let file = file("swarm/stack.yml");
    engine.docker(&["stack", "deploy", "--compose-file", &file, "shop"]);
    let mut fleet = Fleet::new(&engine, &format!("com.docker.swarm.service.name={SERVICE}"));
    let first = fleet.wait_healthy(3);

    let second = a_killed_member_costs_exactly_its_container(&mut fleet, &first);
    let third = a_rolling_update_is_orderly(&mut fleet, &second);
    an_unhealthy_one_is_replaced(&mut fleet, &third);
    let load = Load::wanted();
    let many = scale(&fleet, load.replicas);
    a_load_of_kills_ends_with_all_healthy(&mut fleet, load, many);
    scaling_down_is_orderly(&mut fleet, load.replicas);
    engine.docker(&["stack", "rm", "shop"]);
    wait_until("the service to be gone", || fleet.running().is_empty());
}

fn a_killed_member_costs_exactly_its_container(
    fleet: &mut Fleet<'_>,
    before: &[Replica],
) -> Vec<Replica> {
    fleet.look_from_here();
    let victim = &before[1];
    assert!(fleet.signal(victim, "/config-server", Signal::SIGKILL));
    fleet.assert_ended(&[(victim, "137")]);
    let after = fleet.wait_healthy(3);
    let ids: HashSet<&str> = after.iter().map(|it| it.id.as_str()).collect();
    for replica in before {
        assert_eq!(ids.contains(replica.id.as_str()), replica != victim, "{after:#?}");
    }
    wait_until("Swarm to say why", || {
        tasks(fleet.engine).contains("Failed")
            && tasks(fleet.engine).contains("non-zero exit (137)")
    });
    after
}

fn a_rolling_update_is_orderly(fleet: &mut Fleet<'_>, before: &[Replica]) -> Vec<Replica> {
    fleet.look_from_here();
    let update = ["service", "update", "--env-add=RELEASE=2", "--detach=false", "--quiet", SERVICE];
    fleet.engine.docker(&update);
    let after = fleet.wait_healthy(3);
    let stopped: Vec<_> = before.iter().map(|it| (it, "0")).collect();
    fleet.assert_ended(&stopped);
    after
}

/// The config server hangs: the app is not ready, and Swarm gives up the container in an orderly way.
fn an_unhealthy_one_is_replaced(fleet: &mut Fleet<'_>, before: &[Replica]) {
    fleet.look_from_here();
    let victim = before.iter().find(|it| it.name.starts_with("/shop_web.1.")).expect("the first");
    assert!(fleet.signal(victim, "/config-server", Signal::SIGSTOP));
    wait_until("Swarm to give it up", || fleet.running().iter().all(|it| it.id != victim.id));
    fleet.assert_ended(&[(victim, "0")]);
    let judged = fleet.events("health_status: unhealthy");
    assert!(judged.iter().any(|it| it.id == victim.id), "{judged:?}");
    // It stopped in order, so Swarm calls it complete: where replicas restart on failure only, it stays so.
    wait_until("Swarm to call it complete", || tasks(fleet.engine).contains("web.1 Complete "));
    fleet.wait_healthy(3);
}

fn a_load_of_kills_ends_with_all_healthy(fleet: &mut Fleet<'_>, load: Load, first: Vec<Replica>) {
    let began = Instant::now();
    let limit = load.lasts + Duration::from_mins(10);
    fleet.look_from_here();
    let mut random = Random::new();
    let mut replicas = first;
    let mut killed: HashSet<String> = HashSet::new();
    while began.elapsed() < load.lasts || killed.len() < load.kills {
        assert!(began.elapsed() < limit, "that is no load: {}", killed.len());
        replicas.retain(|it| !killed.contains(&it.id));
        if !replicas.is_empty() {
            let replica = replicas.swap_remove(random.below(replicas.len()));
            let member = ["/sidecar-dependent-app", "/config-server"][random.below(2)];
            if fleet.signal(&replica, member, Signal::SIGKILL) {
                killed.insert(replica.id);
            }
        }
        thread::sleep(PAUSE);
        replicas = fleet.running();
    }
    fleet.wait_healthy(load.replicas);
    wait_until("an end for each kill", || fleet.events("die").len() >= killed.len());
    // Whose member was killed ended with its code; on a busy machine a probe may have come too late for another
    // one, which then was stopped in order, with 0 if the kill came behind that.
    let late: Vec<String> =
        fleet.events("health_status: unhealthy").into_iter().map(|it| it.id).collect();
    let mut stopped = 0;
    for end in fleet.events("die") {
        let struck = killed.remove(&end.id);
        let in_order = end.number == "0" && late.contains(&end.id);
        stopped += usize::from(in_order);
        assert!(in_order || (struck && end.number == "137"), "{end:?}, struck: {struck}");
    }
    assert!(killed.is_empty(), "these live on: {killed:?}");
    fleet.assert_nobody_was_killed();
    println!("{} ends, {stopped} of them for a late probe", fleet.events("die").len());
}

fn scaling_down_is_orderly(fleet: &mut Fleet<'_>, replicas: usize) {
    let before = fleet.wait_healthy(replicas);
    fleet.look_from_here();
    let after = scale(fleet, 2);
    wait_until("an end for each", || fleet.events("die").len() >= replicas - 2);
    assert!(before.iter().filter(|it| !after.contains(it)).count() >= replicas - 2);
    // Also of one whose probe came too late just then.
    let ends = fleet.events("die");
    assert!(ends.iter().all(|it| it.number == "0"), "{ends:?}");
    fleet.assert_nobody_was_killed();
}

fn scale(fleet: &Fleet<'_>, replicas: usize) -> Vec<Replica> {
    let wanted = format!("{SERVICE}={replicas}");
    fleet.engine.docker(&["service", "scale", "--detach=true", &wanted]);
    fleet.wait_healthy(replicas)
}

/// What Swarm says of each task.
fn tasks(engine: &Engine) -> String {
    engine.docker(&[
        "service",
        "ps",
        "--no-trunc",
        "--format={{.Name}} {{.CurrentState}} {{.Error}}",
        SERVICE,
    ])
}

/// Other members in each run: no order of kills is special.
struct Random(RandomState, u64);

impl Random {
    fn new() -> Self {
        Self(RandomState::new(), 0)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.1 += 1;
        usize::try_from(self.0.hash_one(self.1) % limit as u64).expect("below the limit")
    }
}
