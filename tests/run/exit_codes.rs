//! The exit code is the first member's own: all 256 codes, and 128+n for every signal.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::support::{Argv, Group, Mode, in_both_modes};

in_both_modes![every_exit_code_of_main, every_signal_that_ends_main, a_signal_is_named_by_its_name];

/// Runs one short group per number, a few at a time.
fn each(numbers: &[i32], run: impl Fn(i32) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(number) = numbers.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run(*number);
                }
            });
        }
    });
}

fn main_only(mode: Mode, script: &str) -> crate::support::Ended {
    Group::new(mode).main("web", Argv(&["/bin/sh", "-c", script])).start().end()
}

fn every_exit_code_of_main(mode: Mode) {
    each(&(0..=255).collect::<Vec<_>>(), |code| {
        let ended = main_only(mode, &format!("exit {code}"));
        ended.code(code).says(&["fateshare: web (pid ", &format!(" {code}")]);
    });
}

fn every_signal_that_ends_main(mode: Mode) {
    // Not CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG and WINCH, which end nobody; 32 and 33 are the C
    // library's own.
    let lasting = [17, 18, 19, 20, 21, 22, 23, 28, 32, 33];
    let signals: Vec<i32> = (1..=64).filter(|signal| !lasting.contains(signal)).collect();
    assert_eq!(signals.len(), 54);
    each(&signals, |signal| {
        let ended = main_only(mode, &format!("ulimit -c 0; kill -{signal} $$; exec sleep 30"));
        ended.code(128 + signal).says(&["fateshare: web (pid ", ") was killed by SIG"]);
    });
}

fn a_signal_is_named_by_its_name(mode: Mode) {
    for (signal, name) in [(1, "SIGHUP"), (6, "SIGABRT"), (11, "SIGSEGV"), (15, "SIGTERM")] {
        let ended = main_only(mode, &format!("ulimit -c 0; kill -{signal} $$; exec sleep 30"));
        ended.says(&["web (pid ", &format!("was killed by {name}, not by fateshare")]);
    }
    let ended = main_only(mode, "kill -37 $$; exec sleep 30");
    ended.says(&["web (pid ", "was killed by SIGRTMIN+3, not by fateshare"]);
}
