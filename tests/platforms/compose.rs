//! `examples/compose`, under Debian's docker-compose, or Docker's plugin.

use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::docker::{Engine, cannot_run, wait_until};
use crate::fleet::Fleet;
use crate::{engine_with_image, file};

const PROJECT: &str = "pair";

const BOTH: [&[&str]; 2] = [&["docker-compose"], &["docker", "compose"]];

/// `docker-compose`, else the plugin of the same name.
fn program() -> Option<&'static [&'static str]> {
    let works = |it: &&'static [&'static str]| {
        let version = Command::new(it[0]).args(&it[1..]).arg("version").output();
        version.is_ok_and(|it| it.status.success())
    };
    BOTH.into_iter().find(works)
}

fn compose(engine: &Engine, release: &str, args: &[&str]) {
    let program = program().expect("it was there before");
    let output = Command::new(program[0])
        .args(&program[1..])
        .args(["--project-name", PROJECT, "--file", &file("compose/compose.yml")])
        .args(args)
        .env("DOCKER_HOST", engine.host().expect("an engine of its own"))
        .env("RELEASE", release)
        .env("COMPOSE_HTTP_TIMEOUT", "600")
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker-compose {args:?}: {said}");
}

#[test]
fn compose_recreates_exactly_the_container_whose_member_was_killed() {
    let test = "compose_recreates_exactly_the_container_whose_member_was_killed";
    if program().is_none() {
        return cannot_run(test, "there is neither docker-compose nor docker compose");
    }
    let engine = match engine_with_image() {
        Ok(engine) => engine,
        Err(why) => return cannot_run(test, &why),
    };
    let mut fleet = Fleet::new(&engine, &format!("com.docker.compose.project={PROJECT}"));
    compose(&engine, "1", &["up", "--detach"]);
    let before = fleet.wait_healthy(3);

    let victim = &before[1];
    assert!(fleet.signal(victim, "/config-server", Signal::SIGKILL));
    wait_until("Docker to recreate it", || {
        fleet.running().get(1).is_some_and(|it| it.restarts == 1)
    });
    let after = fleet.wait_healthy(3);
    assert_eq!((&after[0], &after[2]), (&before[0], &before[2]), "the others are what they were");
    assert_eq!(after[1].id, victim.id);
    fleet.assert_ended(&[(victim, "137")]);
    let verdict = ") was killed by SIGKILL, not by fateshare; stopping web";
    assert_eq!(fleet.logs(victim).matches(verdict).count(), 1, "{}", fleet.logs(victim));

    // A change, fewer, and then none: all stop in order.
    fleet.look_from_here();
    compose(&engine, "2", &["up", "--detach"]);
    let stopped: Vec<_> = after.iter().map(|it| (it, "0")).collect();
    fleet.assert_ended(&stopped);
    let after = fleet.wait_healthy(3);

    fleet.look_from_here();
    compose(&engine, "2", &["up", "--detach", "--scale", "web=2"]);
    let fewer = fleet.wait_healthy(2);
    let left: Vec<_> =
        after.iter().filter(|it| fewer.iter().all(|other| other.id != it.id)).collect();
    assert_eq!(left.len(), 1);
    fleet.assert_ended(&[(left[0], "0")]);

    fleet.look_from_here();
    compose(&engine, "2", &["down"]);
    let ended: Vec<_> = fewer.iter().map(|it| (it, "0")).collect();
    fleet.assert_ended(&ended);
    assert_eq!(fleet.running(), []);
}
