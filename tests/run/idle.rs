//! A group in which nothing happens costs nothing.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::{Group, Mode, Running, in_both_modes, poll};

in_both_modes![nothing_happens_while_nothing_happens];

/// How often the threads of a process have run.
pub(crate) fn runs(pid: i32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
    let of_one = |path: std::path::PathBuf| -> u64 {
        let status = fs::read_to_string(path.join("status")).expect("its status");
        let counts = status.lines().filter(|line| line.contains("ctxt_switches:"));
        counts.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
    };
    tasks.map(|task| of_one(task.expect("a thread").path())).sum()
}

fn nothing_happens_while_nothing_happens(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "wait")
        .sidecar("config-server", "wait")
        .sidecar("log-shipper", "wait")
        .start();
    group.wait_started(&["web", "config-server", "log-shipper"]);
    wait_quiet(&mut group);
    group.signal(nix::sys::signal::Signal::SIGTERM);
    group.end().code(143);
}

/// Waits for a whole second in which no thread of it runs: who polls cannot have one, however long we wait.
#[track_caller]
pub(crate) fn wait_quiet(group: &mut Running) {
    let fateshare = group.fateshare();
    let (mut before, mut since) = (runs(fateshare), Instant::now());
    let quiet = poll(Duration::from_secs(20), || {
        let now = runs(fateshare);
        if now != before {
            (before, since) = (now, Instant::now());
        }
        (since.elapsed() > Duration::from_secs(1)).then_some(())
    });
    assert!(quiet.is_some(), "it ran {before} times by now");
}
