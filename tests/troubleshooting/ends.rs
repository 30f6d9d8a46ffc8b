//! Members that end.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::cgroups::VERSION_1;
use crate::support::host::can_make_calls_fail;
use crate::support::ports::free_port;
use crate::support::{Argv, Shell};
use crate::{Section, fixture_stopped_after, group, program, stopped_after, wait_for};

#[test]
fn a_sidecar_that_is_done() {
    let section = Section::new("migrate (pid 8) exited with 0; stopping web");
    let (Some(broken), Some(fixed)) = (group(), group()) else { return };
    let broken = broken.main("web", "exit-on=TERM:0 wait").sidecar("migrate", "sleep=50 exit=0");
    section.said(&broken.start().end(), 69);
    let fixed = fixed.main("web", "exit-on=TERM:0 wait").sidecar("migrate", "sleep=50 exit=0");
    let fixed = fixed.key(section.fix("may_finish: true"));
    section.gone(&fixture_stopped_after(fixed, "exited with 0, as it may"), 0);
}

/// nginx too, with its own flag, in `tests/run/real_programs.rs`.
#[test]
fn a_daemon() {
    let section = Section::new(
        "store (pid 7) exited with 0 and left redis-server (pid 9): it put itself into the background; \
         run it in the foreground (redis-server --daemonize no)",
    );
    let Some(redis) = program("redis-server", "redis-server") else { return };
    let (Some(broken), Some(fixed)) = (group(), group()) else { return };
    let port = free_port().to_string();
    let redis = redis.to_str().expect("UTF-8");
    let words = |last: &'static str| [redis, "--port", &port, "--save", "", "--daemonize", last];
    section.said(&broken.main("store", Argv(&words("yes"))).start().end(), 0);
    let (_, no) = section.fix("--daemonize no").split_once(' ').expect("two words");
    let fixed = fixed.main("store", Argv(&[&words("yes")[..6], &[no]].concat()));
    section.gone(&stopped_after(fixed, "Ready to accept connections"), 0);
}

#[test]
fn a_sidecar_that_is_killed() {
    let section = Section::new("config-server (pid 8) was killed by SIGKILL, not by fateshare");
    let Some(broken) = group() else { return };
    let broken = broken.main("web", "exit-on=TERM:0 wait");
    let mut running = broken.sidecar("config-server", "exit-on=TERM:0 wait").start();
    running.wait_started(&["web", "config-server"]);
    running.signal_member("config-server", Signal::SIGKILL);
    section.said(&running.end(), 137);
}

#[test]
fn a_shell_whose_program_is_killed() {
    let section = Section::new("web (pid 7) exited with 137 (its shell reports SIGKILL)");
    let (Some(broken), Some(fixed)) = (group(), group()) else { return };
    // Two commands, so that the shell stays.
    let killed = "cd /; sh -c 'kill -9 $$'; exit $?";
    section.said(&broken.main("web", Shell(killed)).start().end(), 137);
    // With `exec` it is said of the program itself.
    let killed = format!("cd / && {} sh -c 'kill -9 $$'", section.fix("exec"));
    let ended = fixed.main("web", Shell(&killed)).start().end();
    section.gone(&ended, 137);
    ended.says(&["web (pid ", ") was killed by SIGKILL, not by fateshare"]);
}

/// The kernel's part is played.
#[test]
fn who_uses_up_the_memory() {
    let section = Section::new("config-server (pid 8) was killed by SIGKILL: out of memory");
    let Some(group) = group().filter(|_| can_make_calls_fail()) else { return };
    let group = group.main("web", "exit-on=TERM:0 wait").recorded(&VERSION_1);
    let mut running = group.sidecar("config-server", "exit-on=TERM:0 wait").start();
    running.wait_started(&["web", "config-server"]);
    VERSION_1.count(running.dir(), 1);
    running.signal_member("config-server", Signal::SIGKILL);
    section.said(&running.end(), 137);
}

/// The same, of a program below a member.
#[test]
fn whose_child_uses_up_the_memory() {
    let section = Section::new("web (pid 7) exited with 137 (probably out of memory in a child)");
    let Some(group) = group().filter(|_| can_make_calls_fail()) else { return };
    let mut running = group.main("web", "until=go exit=137").recorded(&VERSION_1).start();
    running.wait_started(&["web"]);
    VERSION_1.count(running.dir(), 1);
    fs::write(running.dir().join("go"), "").expect("the trigger");
    section.said(&running.end(), 137);
}

#[test]
fn a_group_that_is_recreated_for_ever() {
    let section =
        Section::new("crash 3 (exit 2); recreating in 30s, as Cloud Foundry does; Ctrl-C ends it");
    let (Some(broken), Some(fixed)) = (group(), group()) else { return };
    let command = Shell(": \"${DATABASE_URL:?}\"; echo ready; exec sleep 1000");
    let mut running = broken.main("web", command).arguments(&["--recreate"]).start();
    wait_for(&mut running, "crash 3");
    running.signal(Signal::SIGTERM);
    let ended = running.end();
    section.said(&ended, 2);
    // The reason is what the member said last.
    assert_eq!(ended.stderr.matches("DATABASE_URL: ").count(), 3, "{ended}");
    let fixed = fixed.main("web", command).arguments(&["--recreate"]);
    let fixed = fixed.key(section.fix("env: {DATABASE_URL: \"postgres://db/web\"}"));
    section.gone(&stopped_after(fixed, "ready"), 143);
}
