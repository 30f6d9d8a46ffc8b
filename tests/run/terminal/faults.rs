//! What happens when the calls fail that only a terminal brings about.

use crate::support::{Group, Mode, Terminal, cannot_run};

use super::{in_bash, leave_bash};

/// A group on the terminal of which these calls fail; `None` where calls cannot be made to fail.
fn failing(rules: &str) -> Option<Group> {
    if !cfg!(debug_assertions) {
        cannot_run("calls can be made to fail in builds with debug assertions only");
        return None;
    }
    let group = Group::new(Mode::Ordinary).main("web", "exit-on=TERM:0 exit-on=INT:5 wait");
    Some(group.sidecar("it", "wait").env("FATESHARE_FAIL", rules))
}

#[test]
fn main_cannot_be_put_into_the_foreground() {
    let Some(group) = failing("tcsetpgrp:22") else { return };
    let mut terminal = Terminal::new();
    let group = group.on(&terminal).start();
    let ended = terminal.end(group);
    ended.code(125).says(&["web could not be started: the terminal's foreground: Invalid"]);
}

/// Somebody else took the terminal away in between: main runs all the same.
#[test]
fn the_terminal_is_not_ours_any_more() {
    for errno in [25, 1, 6] {
        let Some(group) = failing(&format!("tcsetpgrp:{errno}")) else { return };
        let mut terminal = Terminal::new();
        let mut group = group.on(&terminal).start();
        group.wait_started(&["web", "it"]);
        group.signal(nix::sys::signal::Signal::SIGTERM);
        terminal.end(group).code(0).silent_about("cannot").silent_about("could not");
    }
}

#[test]
fn the_terminal_cannot_be_watched() {
    let Some(group) = failing("dup_terminal:24") else { return };
    let mut terminal = Terminal::new();
    let mut group = group.on(&terminal).start();
    group.wait_started(&["web", "it"]);
    terminal.wait_foreground(group.pid("web"));
    terminal.press("\x03");
    let ended = terminal.end(group);
    ended.code(5).says(&["cannot watch the terminal for a hang-up: Too many open files"]);
}

#[test]
fn we_cannot_stop_ourselves() {
    let Some(group) = failing("suspend:1") else { return };
    let mut terminal = Terminal::new();
    let mut group = in_bash(&mut terminal, group);
    group.wait_started(&["web", "it"]);
    terminal.press("\x1a");
    terminal.wait_shown("cannot stop itself: Operation not permitted");
    for name in ["web", "it"] {
        let pid = group.pid(name);
        group.wait_state(pid, 'S');
    }
    terminal.press("\x03");
    leave_bash(&mut terminal, group, 5);
}

#[test]
fn it_cannot_be_seen_whether_main_was_stopped() {
    let Some(group) = failing("waitid_stopped:22") else { return };
    let mut terminal = Terminal::new();
    let mut group = group.on(&terminal).start();
    group.wait_started(&["web", "it"]);
    terminal.wait_foreground(group.pid("web"));
    terminal.press("\x1a");
    let web = group.pid("web");
    group.wait_state(web, 'T');
    terminal.wait_shown("cannot see whether main was stopped: Invalid argument");
    group.signal(nix::sys::signal::Signal::SIGTERM);
    terminal.end(group).code(0);
}
