//! When the terminal is gone, so is the group: nobody is left who could stop it.

use nix::sys::signal::Signal;

use super::{bash, in_bash};
use crate::support::terminal::PROMPT;
use crate::support::{Argv, Group, Mode, Terminal, in_both_modes};

in_both_modes![
    a_hang_up_is_a_stop_request,
    a_hang_up_that_kills_main,
    a_hang_up_while_main_reads,
    a_hang_up_that_main_does_not_care_about,
    a_hang_up_under_a_script,
    a_hang_up_that_main_alone_is_told_of,
    sighup_from_elsewhere_is_mains,
];

/// Notes whatever could tell it to end, and ends.
const MEMBER: &str = "exit-on=HUP:3 exit-on=TERM:3 wait";

fn a_hang_up_is_a_stop_request(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", MEMBER)
        .sidecar("it", MEMBER)
        .on(&terminal)
        .stderr_in_a_file()
        .start();
    group.wait_started(&["web", "it"]);
    terminal.hang_up();
    let ended = group.end();
    ended.code(3).verdict(&["SIGHUP from the terminal; stopping web, it"]);
    ended.says(&["nobody had to be killed; exit 3"]);
    ended.logged("web: got SIGHUP", 1).logged("it: got SIGHUP", 1).logged("it: got SIGTERM", 0);
}

fn a_hang_up_that_kills_main(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group =
        Group::new(mode).main("web", "wait").sidecar("it", "wait").on(&terminal).start();
    group.wait_started(&["web", "it"]);
    terminal.hang_up();
    group.end().code(129);
}

fn a_hang_up_while_main_reads(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", Argv(&["/bin/cat"]))
        .sidecar("it", MEMBER)
        .on(&terminal)
        .start();
    group.wait_started(&["it"]);
    terminal.hang_up();
    // How `cat` ends depends on what it sees first: the signal, or the end of its input.
    group.end();
}

fn a_hang_up_that_main_does_not_care_about(mode: Mode) {
    for (main, key, code) in [
        ("take=HUP exit-on=TERM:4 wait", "stop_signal: SIGTERM", 4),
        ("take=HUP wait", "stop_to: process", 137),
    ] {
        let mut terminal = Terminal::new();
        let mut group = Group::new(mode)
            .main("web", main)
            .key(key)
            .sidecar("it", MEMBER)
            .top("grace_period: 3s")
            .on(&terminal)
            .stderr_in_a_file()
            .start();
        group.wait_started(&["web", "it"]);
        terminal.hang_up();
        group.end().code(code).verdict(&["SIGHUP from the terminal; stopping web, it"]);
    }
}

/// The session's leader is somebody else, who may not even notice: the kernel tells nobody but the
/// leader, and the foreground when the leader ends.
fn a_hang_up_under_a_script(mode: Mode) {
    for script in
        ["fateshare run group.yml; exit 5", "trap '' HUP; fateshare run group.yml; exit 5"]
    {
        let mut terminal = Terminal::new();
        let mut group = Group::new(mode)
            .main("web", Argv(&["/bin/cat"]))
            .sidecar("it", MEMBER)
            .script_on(&terminal, script)
            .start();
        group.wait_started(&["it"]);
        terminal.wait_foreground_runs("cat");
        terminal.hang_up();
        // `cat` sees the end of its input at least.
        group.end_killed();
    }
}

/// The leader dies of it and tells nobody, the kernel tells the foreground then, and that is main,
/// which lives on. We can see it all the same: a terminal that is gone says so to those who poll.
fn a_hang_up_that_main_alone_is_told_of(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", "take=HUP exit-on=TERM:4 wait")
        .key("stop_signal: SIGTERM")
        .sidecar("it", MEMBER)
        .script_on(&terminal, "fateshare run group.yml; exit 5")
        .start();
    group.wait_started(&["web", "it"]);
    terminal.wait_foreground(group.pid("web"));
    terminal.hang_up();
    if mode == Mode::Ordinary {
        group.wait_for("web: ends 4");
    }
    // As PID 1 it is the shell's end that ends all.
    group.end_killed();
}

fn sighup_from_elsewhere_is_mains(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", "take=HUP exit-on=USR1:4 wait")
        .key("stop_signal: USR1")
        .sidecar("it", "take=HUP exit-on=TERM:0 wait")
        .key("stop_signal: TERM")
        .on(&terminal)
        .stderr_in_a_file()
        .start();
    group.wait_started(&["web", "it"]);
    group.signal(Signal::SIGHUP);
    group.wait_for("web: got SIGHUP");
    let (fateshare, it) = (group.fateshare(), group.pid("it"));
    group.stays(fateshare, 'S');
    group.stays(it, 'S');
    terminal.hang_up();
    let ended = group.end();
    ended.code(4).verdict(&["SIGHUP from the terminal; stopping web, it"]);
    ended.logged("it: got SIGHUP", 0).logged("it: got SIGTERM", 1);
}

#[test]
fn a_hang_up_under_bash() {
    for command in ["fateshare run group.yml", "exec fateshare run group.yml"] {
        let mut terminal = Terminal::new();
        let group = Group::new(Mode::Ordinary).main("web", MEMBER).sidecar("it", MEMBER);
        let mut group = bash(&mut terminal, group);
        terminal.type_line(command);
        group.wait_started(&["web", "it"]);
        terminal.hang_up();
        group.wait_for("web: ends 3");
        group.wait_for("it: ends 3");
        group.end_killed();
    }
}

/// It is bash that tells us then, not the kernel; and main handles SIGHUP.
#[test]
fn a_hang_up_under_bash_that_main_does_not_care_about() {
    let mut terminal = Terminal::new();
    let group = Group::new(Mode::Ordinary)
        .main("web", "take=HUP exit-on=TERM:4 wait")
        .key("stop_signal: SIGTERM")
        .sidecar("it", MEMBER);
    let mut group = in_bash(&mut terminal, group);
    group.wait_started(&["it"]);
    terminal.hang_up();
    group.wait_for("web: ends 4");
    group.end_killed();
}

#[test]
fn a_hang_up_of_a_suspended_group() {
    let mut terminal = Terminal::new();
    let group = Group::new(Mode::Ordinary).main("web", MEMBER).sidecar("it", MEMBER);
    let mut group = in_bash(&mut terminal, group);
    group.wait_started(&["it"]);
    terminal.press("\x1a");
    terminal.wait_shown("Stopped");
    terminal.wait_shown(PROMPT);
    terminal.hang_up();
    group.wait_for("web: ends 3");
    group.wait_for("it: ends 3");
    group.end_killed();
}

#[test]
fn a_hang_up_of_a_group_in_the_background() {
    let mut terminal = Terminal::new();
    let group = Group::new(Mode::Ordinary).main("web", MEMBER).sidecar("it", MEMBER);
    let mut group = bash(&mut terminal, group);
    terminal.type_line("fateshare run group.yml &");
    group.wait_started(&["web", "it"]);
    terminal.hang_up();
    group.wait_for("web: ends 3");
    group.wait_for("it: ends 3");
    group.end_killed();
}
