//! The terminal of these tests is one: plain programs and shells behave on it as they always do.

use std::fs;
use std::process::Command;

use super::bash;
use crate::support::terminal::PROMPT;
use crate::support::{Group, Mode, Running, Terminal, fixture, in_both_modes, proc};

in_both_modes![
    a_program_reads_what_is_typed,
    ctrl_c_ends_the_foreground,
    a_hang_up_is_told_to_the_sessions_leader,
    a_new_size_is_told_to_the_foreground,
    what_is_said_last_is_shown,
    a_terminal_can_be_there_without_being_ours,
];

/// Runs a script, and no `fateshare`.
fn script(mode: Mode, terminal: &Terminal, script: &str) -> Running {
    Group::new(mode).bare::<&str>(&[]).script_on(terminal, script).start()
}

fn a_program_reads_what_is_typed(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = script(mode, &terminal, "exec cat");
    let cat = terminal.wait_foreground_runs("cat");
    assert_eq!(cat, group.leader());
    terminal.echoes("hello");
    terminal.press("\x04");
    group.end().code(0);
}

fn ctrl_c_ends_the_foreground(mode: Mode) {
    let mut terminal = Terminal::new();
    let script = script(mode, &terminal, "trap 'echo taken; exit 5' INT; cat; echo not reached");
    terminal.echoes("hello");
    terminal.press("\x03");
    let ended = terminal.end(script);
    ended.code(5).says(&["taken"]).silent_about("not reached");
}

fn a_hang_up_is_told_to_the_sessions_leader(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = script(mode, &terminal, "exec $FIXTURE $LOG it exit-on=HUP:6 wait");
    group.wait_started(&["it"]);
    terminal.hang_up();
    group.end().code(6).logged("it: got SIGHUP", 1);
}

fn a_new_size_is_told_to_the_foreground(mode: Mode) {
    let terminal = Terminal::new();
    let mut group = script(mode, &terminal, "exec $FIXTURE $LOG it exit-on=WINCH:6 wait");
    group.wait_started(&["it"]);
    terminal.resize(40);
    group.end().code(6).logged("it: got SIGWINCH", 1);
}

fn what_is_said_last_is_shown(mode: Mode) {
    let mut terminal = Terminal::new();
    let group = script(mode, &terminal, "echo 'it is over; exit 4'; exit 4");
    terminal.end(group).code(4).says(&["it is over"]);
}

fn a_terminal_can_be_there_without_being_ours(mode: Mode) {
    let terminal = Terminal::new();
    let group = Group::new(mode)
        .bare::<&str>(&[])
        .after_script("tty; exec $FIXTURE $LOG it tty read exit=3")
        .stdin(terminal.slave())
        .start();
    terminal.type_line("hello");
    assert_eq!(terminal.foreground(), 0);
    let ended = group.end();
    ended.code(3).logged("it: without a terminal", 1).logged("it: read hello", 1);
    assert!(ended.stdout.starts_with("/dev/pts/"), "{ended}");
}

#[test]
fn bash_has_job_control() {
    let mut terminal = Terminal::new();
    let mut group = bash(&mut terminal, Group::new(Mode::Ordinary).bare::<&str>(&[]));
    assert_eq!(terminal.shown(), PROMPT);
    terminal.bash_works(&mut group);

    terminal.type_line("cat | tail -n 1");
    let cat = terminal.wait_foreground_runs("cat");
    terminal.press("\x1a");
    group.wait_state(cat, 'T');
    terminal.wait_shown("Stopped");
    terminal.wait_shown(PROMPT);
    terminal.bash_works(&mut group);
    terminal.type_line("fg");
    group.wait_state(cat, 'S');
    terminal.wait_foreground(cat);
    terminal.type_line("hello");
    terminal.press("\x04");
    terminal.wait_shown("hello\nhello\n");
    terminal.wait_shown(PROMPT);

    terminal.type_line("sleep 1000");
    terminal.wait_foreground_runs("sleep");
    terminal.press("\x03");
    terminal.wait_shown(PROMPT);
    terminal.ask("echo \"[code $?]\"", "[code 130]");

    terminal.type_line("cat &");
    let cat = group.until("cat is stopped", |group| {
        let children = proc::children(group.leader());
        children.iter().find(|(_, stat)| stat.state == 'T').map(|(pid, _)| *pid)
    });
    terminal.wait_told("Stopped");
    terminal.type_line("fg");
    terminal.wait_foreground(cat);
    terminal.press("\x04");
    terminal.wait_shown(PROMPT);
    terminal.type_line("exit 3");
    group.end().code(3);
}

#[test]
fn a_hang_up_ends_bash_and_its_job() {
    let mut terminal = Terminal::new();
    let mut group = bash(&mut terminal, Group::new(Mode::Ordinary).bare::<&str>(&[]));
    terminal.type_line("$FIXTURE $LOG it take=HUP wait");
    group.wait_started(&["it"]);
    terminal.wait_foreground(group.pid("it"));
    terminal.hang_up();
    group.wait_for("it: got SIGHUP");
    group.signal_member("it", nix::sys::signal::Signal::SIGKILL);
    group.end_killed();
}

#[test]
fn ctrl_s_stops_the_output() {
    let mut terminal = Terminal::new();
    let mut group = bash(&mut terminal, Group::new(Mode::Ordinary).bare::<&str>(&[]));
    assert!(terminal.takes_output());
    terminal.stop_output();
    // What it shows is not in what is typed: after Ctrl-Q the kernel's echo and bash's output may
    // come in either order.
    terminal.type_line("$FIXTURE $LOG it; echo 'sho''wn'; exit");
    group.wait_started(&["it"]);
    assert!(!terminal.shown().contains("shown"), "{}", terminal.describe());
    terminal.press("\x11");
    terminal.wait_shown("shown\n");
    group.end().code(0);
}

#[test]
fn nothing_of_a_terminal_is_inherited() {
    let terminal = Terminal::new();
    let output = Command::new(fixture())
        .args(["-", "it", "exec", "ls", "-l", "/proc/self/fd"])
        .output()
        .expect("the fixture");
    let open = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && !open.contains("ptmx"), "{open}");
    let mine = fs::read_dir("/proc/self/fd").expect("our own").flatten();
    let mine = mine.filter_map(|entry| fs::read_link(entry.path()).ok());
    assert!(
        mine.into_iter().any(|link| link.ends_with("ptmx")),
        "this test looks for the wrong name"
    );
    drop(terminal);
}
