//! However a drill ends, nothing of it is left.

use std::io::Write;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;

use crate::harness::{Place, Setting};
use crate::support::host::can_make_calls_fail;
use crate::support::{LIMIT, poll};

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
        going.wait_until_it_takes_signals();
        // Odd, so that it does not keep step with anything.
        std::thread::sleep(Duration::from_millis(7 + 431 * moment));
        going.send(signal);
        let made = going.wait_without_files();
        let shown = format!("{:?}\n{}\n{}", made.code, made.stdout, made.stderr);
        if signal == Signal::SIGKILL {
            assert_eq!(made.code, None, "{shown}");
        } else if made.stdout.is_empty() {
            // While it read its spec.
            assert_eq!(made.code, Some(128 + signal as i32), "{shown}");
        } else {
            assert_eq!(made.code, Some(125), "{shown}");
            assert!(made.stderr.contains("was not brought to its end: interrupted"), "{shown}");
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
    let spec = STUBBORN.replace("200ms", "300s").replace("'-', web", "log, web");
    let mut setting = Setting::new(&spec);
    setting.fixture().arguments(&["--settle", "60s", "--strike", "platform"]);
    let log = setting.dir().join("log");
    let going = setting.start();
    let says = |words: &str| {
        let said = || std::fs::read_to_string(&log).is_ok_and(|text| text.contains(words));
        poll(LIMIT, || said().then_some(())).expect("it says so");
    };
    says("web: started");
    going.send(Signal::SIGINT);
    says("web: got SIGTERM");
    going.send(Signal::SIGINT);
    // The grace period alone is longer than the harness waits.
    going.wait().code(125);
}

#[test]
fn nobody_reads_it() {
    let mut setting = Setting::new(STUBBORN);
    setting.fixture().arguments(&["--settle", "50ms", "--strike", "late", "--json=drill.json"]);
    let mut going = setting.start();
    going.close_stdout();
    let made = going.wait();
    made.code(125);
    assert!(made.stderr.contains("standard output cannot be written"), "{}", made.stderr);
    assert!(!made.dir.path().join("drill.json").exists(), "nobody wants the rest");
}

/// A reader that reads nothing holds up no group, and Ctrl-C ends the drill.
#[test]
fn nobody_reads_it_and_the_pipe_is_full() {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("its flags");
    while writer.write(&[b'x'; 4096]).is_ok() {}
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::empty())).expect("its flags");
    let mut setting = Setting::new(STUBBORN);
    setting.fixture().arguments(&["--settle", "50ms", "--strike", "kill"]);
    let going = setting.start_into(writer);
    // Both strikes take a second at most, and some more on a busy machine.
    let quiet = poll(LIMIT, || going.has_no_members().then_some(()));
    assert!(quiet.is_some(), "it is held up");
    going.send(Signal::SIGINT);
    let made = going.wait_without_files();
    made.code(125);
    assert!(made.stderr.contains("interrupted"), "{}", made.stderr);
    drop(reader);
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
    // So long it is flooded: there is nothing to wait for.
    std::thread::sleep(Duration::from_millis(2_500));
    let status = std::fs::read_to_string(format!("/proc/{}/status", going.pid())).expect("it runs");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    let kib: u64 = resident.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kib < 32 * 1024, "{kib} KiB");
    going.wait_without_files().code(0);
}
