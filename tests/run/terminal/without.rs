//! Without a terminal that is ours, everything is as ever, and nothing is said about it.

use std::io::{Write, pipe};

use nix::sys::signal::Signal;

use crate::support::{Ended, Group, Mode, Terminal, in_both_modes};

in_both_modes![
    anothers_terminal_is_left_alone,
    a_terminal_that_we_do_not_read_from_is_left_alone,
    no_stdin_at_all,
    a_pipe,
    on_the_terminal_ctrl_c_without_stdin_is_a_stop_request,
];

/// The three lines that are said off a terminal, and nothing about one.
#[track_caller]
fn says_the_usual(ended: &Ended) {
    assert_eq!(ended.ours().len(), 3, "{ended}");
    assert_eq!(ended.stderr.lines().count(), 3, "{ended}");
    for word in ["terminal", "tty", "foreground", "ioctl"] {
        ended.silent_about(word);
    }
}

fn anothers_terminal_is_left_alone(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", "tty read exit-on=TERM:4 wait")
        .sidecar("it", "exit-on=TERM:0 wait")
        .stdin(terminal.slave())
        .start();
    group.wait_started(&["web", "it"]);
    assert_eq!(terminal.foreground(), 0);
    terminal.type_line("hello");
    group.wait_for("web: read hello");
    assert_eq!(terminal.foreground(), 0);
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    says_the_usual(ended.code(4).logged("web: without a terminal", 1));
    assert_eq!(terminal.foreground(), 0);
    terminal.wait_shown("hello\n");
}

fn a_terminal_that_we_do_not_read_from_is_left_alone(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", "tty exit-on=TERM:4 wait")
        .after_script("exec setsid --ctty sh -c 'exec \"$@\" </dev/null' sh \"$@\"")
        .stdin(terminal.slave())
        .start();
    group.wait_started(&["web"]);
    assert_eq!(terminal.foreground(), group.fateshare());
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    says_the_usual(ended.code(4).logged("web: without a terminal", 1));
    terminal.hang_up();
}

fn no_stdin_at_all(mode: Mode) {
    for stdin in ["<&-", "</dev/null"] {
        let mut group = Group::new(mode)
            .main("web", "tty exit-on=TERM:4 wait")
            .after_script(&format!("exec \"$@\" {stdin}"))
            .start();
        group.wait_started(&["web"]);
        group.signal(Signal::SIGTERM);
        says_the_usual(group.end().code(4).logged("web: without a terminal", 1));
    }
}

fn a_pipe(mode: Mode) {
    let (reader, mut writer) = pipe().expect("a pipe");
    let mut group =
        Group::new(mode).main("web", "tty read exit-on=TERM:4 wait").stdin(reader).start();
    writer.write_all(b"hello\n").expect("the pipe is read");
    group.wait_for("web: read hello");
    group.signal(Signal::SIGTERM);
    says_the_usual(group.end().code(4).logged("web: without a terminal", 1));
}

fn on_the_terminal_ctrl_c_without_stdin_is_a_stop_request(mode: Mode) {
    let terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", "exit-on=INT:4 wait")
        .sidecar("it", "exit-on=INT:0 wait")
        .after_script("exec setsid --ctty sh -c 'exec \"$@\" </dev/null' sh \"$@\"")
        .stdin(terminal.slave())
        .start();
    group.wait_started(&["web", "it"]);
    terminal.press("\x03");
    let ended = group.end();
    ended.code(4).verdict(&["SIGINT from the terminal; stopping web, it"]);
    ended.logged("web: got SIGINT", 1).logged("it: got SIGINT", 1);
}
