//! However a drill ends, nothing of it is left.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::harness::{Place, Setting};
use crate::support::host::can_make_calls_fail;

/// Main has a child in a session of its own; neither ends on SIGTERM.
const STUBBORN: &str = "main:\n  name: web\n  command: [./fixture, '-', web, take=SIGTERM, child, '[', it, session, \
    take=SIGTERM, wait, ']', wait]\nsidecars:\n- {name: config-server, command: [./fixture, '-', it, wait]}\n\
    grace_period: 200ms\n";

/// So many moments in the drill's first two seconds.
const MOMENTS: u64 = 4;

fn ended_by(signal: Signal, place: Place, strikes: &[&str]) {
    if place == Place::Here && !can_make_calls_fail() {
        return;
    }
    for moment in 0..MOMENTS {
        let mut setting = Setting::new(STUBBORN);
        setting.fixture().place(place).arguments(&["--settle", "50ms", "--within", "1s"]);
        setting.arguments(strikes);
        let going = setting.start();
        // Odd, so that it does not keep step with anything.
        std::thread::sleep(Duration::from_millis(7 + 431 * moment));
        going.send(signal);
        let made = going.wait_without_files();
        let expected = if signal == Signal::SIGKILL { None } else { Some(125) };
        assert_eq!(made.code, expected, "{}\n{}", made.stdout, made.stderr);
        if signal != Signal::SIGKILL {
            assert!(
                made.stderr.contains("was not brought to its end: interrupted"),
                "{}",
                made.stderr
            );
        }
    }
}

#[test]
fn interrupted() {
    ended_by(Signal::SIGINT, Place::Apart, &[]);
}

#[test]
fn asked_to_stop() {
    ended_by(Signal::SIGTERM, Place::Apart, &[]);
}

#[test]
fn hung_up() {
    ended_by(Signal::SIGHUP, Place::Here, &[]);
}

#[test]
fn killed() {
    ended_by(Signal::SIGKILL, Place::Apart, &[]);
}

/// Without namespaces who has just survived fateshare's SIGKILL would survive the drill's too.
#[test]
fn killed_where_there_are_no_namespaces() {
    ended_by(
        Signal::SIGKILL,
        Place::Here,
        &["--strike", "kill", "--strike", "term", "--strike", "platform"],
    );
}

#[test]
fn interrupted_twice_kills_at_once() {
    let spec = STUBBORN.replace("200ms", "60s");
    let mut setting = Setting::new(&spec);
    setting.fixture().arguments(&["--settle", "50ms", "--strike", "platform"]);
    let going = setting.start();
    std::thread::sleep(Duration::from_secs(1));
    going.send(Signal::SIGINT);
    std::thread::sleep(Duration::from_millis(300));
    going.send(Signal::SIGINT);
    let begun = std::time::Instant::now();
    going.wait_without_files().code(125);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[test]
fn nobody_reads_it() {
    let mut setting = Setting::new(STUBBORN);
    setting.fixture().arguments(&["--settle", "50ms", "--strike", "kill"]);
    let mut going = setting.start();
    going.close_stdout();
    let made = going.wait_without_files();
    made.code(125);
    assert!(made.stderr.contains("standard output"), "{}", made.stderr);
}

/// Members that write without end neither hold up the drill nor fill its memory.
#[test]
fn floods_are_read_and_thrown_away() {
    let spec = "main: {name: web, command: [sh, -c, 'trap \"exit 0\" TERM; while :; do echo \
        xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done']}\n\
        sidecars:\n- {name: yes, command: [yes, a-line-that-is-repeated-without-end]}\n\
        exit_codes: {main_success: 69}\n";
    let mut setting = Setting::new(spec);
    setting.arguments(&["--settle", "1s", "--strike", "kill", "--strike", "platform"]);
    let going = setting.start();
    std::thread::sleep(Duration::from_millis(2_500));
    let status = std::fs::read_to_string(format!("/proc/{}/status", going.pid())).expect("it runs");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    let kib: u64 = resident.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kib < 32 * 1024, "{kib} KiB");
    going.wait_without_files().code(0);
}
