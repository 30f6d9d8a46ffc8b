//! A terminal whose output is stopped (Ctrl-S) holds up nobody but those who write to it.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::in_bash;
use crate::support::{Argv, Group, Mode, Running, Terminal, in_both_modes, proc};

in_both_modes![a_stop_request, a_crash, main_that_is_stuck_in_writing, ctrl_c];

/// How long an end may take when 250 ms are given to our own last words.
const BUDGET: Duration = Duration::from_secs(3);

#[track_caller]
fn ends_soon(group: Running, struck: Instant, code: i32) {
    let ended = group.end();
    let took = ended.at - struck;
    assert!(took < BUDGET, "took {took:?}\n{ended}");
    ended.code(code);
}

fn a_stop_request(mode: Mode) {
    let terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", "exit-on=TERM:4 wait")
        .sidecar("it", "exit-on=TERM:0 wait")
        .env("FATESHARE_LOG", "debug")
        .on(&terminal)
        .start();
    group.wait_started(&["web", "it"]);
    terminal.stop_output();
    let struck = Instant::now();
    group.signal(Signal::SIGTERM);
    ends_soon(group, struck, 4);
}

fn a_crash(mode: Mode) {
    let terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", "exit-on=TERM:4 wait")
        .sidecar("it", "wait")
        .on(&terminal)
        .start();
    group.wait_started(&["web", "it"]);
    terminal.stop_output();
    let struck = Instant::now();
    group.signal_member("it", Signal::SIGKILL);
    ends_soon(group, struck, 137);
}

fn main_that_is_stuck_in_writing(mode: Mode) {
    let terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", Argv(&["/usr/bin/yes"]))
        .sidecar("it", "exit-on=TERM:0 wait")
        .on(&terminal)
        .start();
    group.wait_started(&["it"]);
    terminal.stop_output();
    let struck = Instant::now();
    group.signal(Signal::SIGTERM);
    ends_soon(group, struck, 143);
}

/// It lets the output go on, too.
fn ctrl_c(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", "exit-on=INT:5 wait")
        .sidecar("it", "exit-on=TERM:0 wait")
        .on(&terminal)
        .start();
    group.wait_started(&["web", "it"]);
    terminal.wait_foreground(group.pid("web"));
    terminal.stop_output();
    terminal.press("\x03");
    terminal.wait_shown(") exited with 5; stopping it\n");
    terminal.end(group).code(5);
}

#[test]
fn under_bash() {
    let mut terminal = Terminal::new();
    let group = Group::new(Mode::Ordinary)
        .main("web", "exit-on=TERM:4 wait")
        .sidecar("it", "exit-on=TERM:0 wait");
    let mut group = in_bash(&mut terminal, group);
    group.wait_started(&["it"]);
    let fateshare = group.fateshare();
    terminal.stop_output();
    let struck = Instant::now();
    group.signal(Signal::SIGTERM);
    group.until("it has ended", |_| proc::stat(fateshare).is_none().then_some(()));
    let took = struck.elapsed();
    assert!(took < BUDGET, "took {took:?}");
    terminal.press("\x11");
    super::leave_bash(&mut terminal, group, 4);
}
