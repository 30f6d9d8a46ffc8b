//! Memory of our own that runs out: a program of Rust aborts then. That is as if we were killed: where it can say
//! nothing it must at least leave nobody.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::cell::strike;
use crate::places::Stage;
use crate::scene::Scene;
use crate::support::Ended;
use crate::table::Who;

/// From so little that the program cannot be loaded to so much that it works, in KiB.
const AT_START: [u32; 12] =
    [4_000, 7_000, 8_000, 8_400, 8_500, 8_600, 8_700, 8_800, 9_000, 9_200, 16_000, 256_000];

/// So much more than it has, when it runs.
const IN_THE_MIDDLE: [u64; 6] = [0, 16, 64, 128, 256, 1_000_000];

/// Leaders alone: who is no leader lives on where we are not PID 1 and are killed.
fn scene(stage: &Stage) -> Scene<'_> {
    let mut scene = Scene::new(stage, Who::Platform);
    scene.children = false;
    scene.environment.push(("RUST_BACKTRACE", "0"));
    scene
}

/// How many of these ends were a group's own, not an abort.
fn orderly(ended: &[Ended]) -> usize {
    ended
        .iter()
        .filter(|ended| ended.ours().iter().any(|line| line.starts_with("ended in ")))
        .count()
}

/// Members have no more than we have, and may fail by themselves: any code will do but success.
pub(crate) fn at_start(stage: &Stage) {
    let ended = AT_START.map(|kibibytes| {
        let mut scene = scene(stage);
        scene.group = scene.group.env("SPACE", &kibibytes.to_string());
        scene.inside.push("ulimit -v $SPACE && exec \"$@\"");
        "until=go exit=3".clone_into(&mut scene.web);
        fs::write(scene.group.dir().join("go"), "").expect("the trigger");
        let ended = scene.start().group.end_killed();
        assert_ne!(ended.code, Some(0), "{kibibytes} KiB\n{ended}");
        ended
    });
    assert!((1..AT_START.len()).contains(&orderly(&ended)), "{ended:#?}");
}

/// The sidecar is killed, and the verdict is that, or none.
pub(crate) fn in_the_middle(stage: &Stage) {
    let ended = IN_THE_MIDDLE.map(|kibibytes| {
        let mut cell = scene(stage).start();
        cell.group.wait_started(&["web", "config-server"]);
        let fateshare = cell.fateshare();
        let status = fs::read_to_string(format!("/proc/{fateshare}/status")).expect("it runs");
        let now = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("its size");
        let now: u64 = now.trim().trim_end_matches(" kB").parse().expect("a number");
        let limit = format!("--as={}", (now + kibibytes) << 10);
        let set = Command::new("prlimit").args([&format!("--pid={fateshare}"), &limit]).status();
        assert!(set.expect("prlimit can be run").success(), "the limit is set");
        let pid = cell.pid("config-server");
        strike(pid, Signal::SIGKILL);
        let ended = cell.group.end_killed();
        let said =
            ended.verdicts().into_iter().all(|line| line.contains(") was killed by SIGKILL, "));
        assert!(said && ended.code != Some(0), "{kibibytes} KiB\n{ended}");
        ended
    });
    assert!(orderly(&ended) > 0, "{ended:#?}");
}
