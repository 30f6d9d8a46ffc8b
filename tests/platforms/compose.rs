//! `examples/compose`, under Debian's docker-compose.

use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::docker::{Engine, cannot_run, wait_until};
use crate::fleet::Fleet;
use crate::{engine_with_image, file};

const PROJECT: &str = "pair";

fn compose(engine: &Engine, args: &[&str]) {
    let output = Command::new("docker-compose")
        .args(["--project-name", PROJECT, "--file", &file("compose/compose.yml")])
        .args(args)
        .env("DOCKER_HOST", engine.host().expect("an engine of its own"))
        .stdin(Stdio::null())
        .output()
        .expect("docker-compose");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker-compose {args:?}: {said}");
}

#[test]
fn compose_recreates_exactly_the_container_whose_member_was_killed() {
    let test = "compose_recreates_exactly_the_container_whose_member_was_killed";
    if let Err(error) = Command::new("docker-compose").arg("version").output() {
        return cannot_run(test, &format!("docker-compose: {error}"));
    }
    let engine = match engine_with_image() {
        Ok(engine) => engine,
        Err(why) => return cannot_run(test, &why),
    };
    let mut fleet = Fleet::new(&engine, &format!("com.docker.compose.project={PROJECT}"));
    compose(&engine, &["up", "--detach"]);
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

    // Fewer, and then none: all stop in order.
    fleet.look_from_here();
    compose(&engine, &["up", "--detach", "--scale", "web=2"]);
    let fewer = fleet.wait_healthy(2);
    let left: Vec<_> =
        after.iter().filter(|it| fewer.iter().all(|other| other.id != it.id)).collect();
    assert_eq!(left.len(), 1);
    fleet.assert_ended(&[(left[0], "0")]);

    fleet.look_from_here();
    compose(&engine, &["down"]);
    let ended: Vec<_> = fewer.iter().map(|it| (it, "0")).collect();
    fleet.assert_ended(&ended);
    assert_eq!(fleet.running(), []);
}
