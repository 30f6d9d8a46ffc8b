//! Scenes that belong to one cell only.

use std::thread;
use std::time::{Duration, Instant};

use crate::container::Container;
use crate::docker::wait_until;
use crate::pool::Job;
use crate::scenes::{Inside, showing_log};
use crate::{Stage, images};

/// Their specs, in every image.
pub(crate) const SPECS: [(&str, &str); 2] = [("stubborn", STUBBORN), ("bomb", BOMB)];

const STUBBORN: &str = "\
main:
  name: web
  command: [/fixture, /dev/stdout, web, take=TERM, wait]
grace_period: 6s
";

/// In bash, which tries again when it cannot fork; dash gives up, and its bomb burns out.
const BOMB: &str = "\
main:
  name: web
  command: /fixture /dev/stdout web exit-on=TERM:7 wait
sidecars:
- name: bomb
  command: |
    until [ -e /lit ]; do sleep 0.05; done
    f() { f | f & }
    f &
    exec /fixture /dev/stdout bomb exit-on=TERM:0 wait
shell: [/bin/bash, -c]
grace_period: 3s
";

/// From the deadline until a group has ended, at most.
const AFTER_THE_DEADLINE: Duration = Duration::from_millis(900);

/// So much slower may a busy machine be.
const MARGIN: u32 = 3;

pub(crate) fn jobs<'a>(stage: &'a Stage<'_>) -> Vec<Job<'a>> {
    let mut jobs = vec![Job::new("docker pause during a teardown", || frozen(stage))];
    if stage.images.has("debian") {
        jobs.push(Job::new("a fork bomb under a limit of processes", || bomb(stage)));
    }
    jobs
}

/// Docker freezes the container in its teardown: members get time again, and one that does not stop
/// is killed all the same.
fn frozen(stage: &Stage<'_>) {
    let image = images::name("scratch", "TERM");
    let spec = ["/specs/stubborn.yml"];
    let mut container = Container::run(stage.engine, (&image, "frozen"), &[], &spec);
    showing_log(&mut container, |container| {
        container.wait_for_log(&["web: started "]);
        let inside = Inside::of(container);
        container.docker(&["kill", "--signal=TERM"]);
        container.wait_for_log(&["web: got SIGTERM"]);
        thread::sleep(Duration::from_secs(1));
        container.docker(&["pause"]);
        thread::sleep(Duration::from_secs(9));
        let thawed = Instant::now();
        container.docker(&["unpause"]);
        inside.wait_for_end();
        let took = thawed.elapsed();
        assert_eq!(container.wait_for_exit(), Some(137));

        // Of the six seconds about five were left; two is the most that it gives again.
        let least = Duration::from_millis(1500);
        let most = MARGIN * (Duration::from_secs(2) + AFTER_THE_DEADLINE);
        assert!((least..most).contains(&took), "ended {took:?} after it went on");
        let log = container.log();
        let said = |what: &str| log.iter().filter(|line| line.contains(what)).count();
        assert_eq!(said("web: got SIGTERM"), 1);
        assert_eq!(said("was frozen or suspended during the teardown"), 1);
        assert_eq!(said(", had to kill web; exit 137"), 1);
        stage.events.assert(container, &["kill 15", "die 137"]);
    });
}

/// A sidecar that multiplies without end, and faster than anything can be signalled one by one.
fn bomb(stage: &Stage<'_>) {
    const LIMIT: usize = 64;
    let image = images::name("debian", "TERM");
    let limit = format!("--pids-limit={LIMIT}");
    let options = ["--memory=64m", &limit];
    let mut container =
        Container::run(stage.engine, (&image, "bomb"), &options, &["/specs/bomb.yml"]);
    showing_log(&mut container, |container| {
        // The bomb waits for this: first it is seen that the limit holds.
        container.wait_for_log(&["web: started "]);
        let limit = container.docker(&["inspect", "--format={{.HostConfig.PidsLimit}}"]);
        assert_eq!(limit.trim(), LIMIT.to_string());
        let discarded = |line: &String| line.contains("discarded");
        assert!(!container.log().iter().any(discarded), "this kernel knows no such limit");
        stage.engine.docker(&["exec", &container.name, "touch", "/lit"]);
        let mut crowd = 0;
        wait_until("the bomb to go off", || {
            crowd = Inside::of(container).processes.len();
            crowd > LIMIT / 2
        });
        assert!(crowd <= LIMIT, "{crowd} processes");
        let started = |line: &String| line.contains("bomb: started ");
        wait_until("its leader to be told from its shell", || container.log().iter().any(started));
        let inside = Inside::of(container);

        let begin = Instant::now();
        container.docker(&["stop"]);
        let took = begin.elapsed();
        let limit = MARGIN * (Duration::from_secs(3) + AFTER_THE_DEADLINE);
        assert!(took < limit, "docker stop took {took:?}");
        inside.wait_for_end();
        assert_eq!(container.wait_for_exit(), Some(7));
        stage.events.assert(container, &["kill 15", "die 7"]);
        // A shell's complaint may stand before it in the same line.
        let said = |what: &str| container.log().iter().filter(|line| line.contains(what)).count();
        let verdict = "fateshare: SIGTERM from outside this container; stopping web, bomb";
        assert_eq!(said(verdict), 1);
        assert_eq!(said(", had to kill "), 1);
        assert_eq!(said("; exit 7"), 1);
    });
}
