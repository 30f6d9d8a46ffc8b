//! Keys on the terminal while groups are recreated, or run apart.

use crate::support::terminal::PROMPT;
use crate::support::{Argv, Group, Mode, Running, Terminal, in_both_modes};

use super::{times, wait_times};

in_both_modes![
    ctrl_c_ends_a_group_that_would_be_recreated,
    ctrl_c_ends_the_wait_for_the_next,
    a_main_that_reads_gets_nothing,
];

fn ctrl_c_ends_a_group_that_would_be_recreated(mode: Mode) {
    for options in [&["--recreate"][..], &["--recreate", "--pid1"]] {
        let mut terminal = Terminal::new();
        let mut group = Group::new(mode)
            .main("web", "exit-on=INT:4 wait")
            .arguments(options)
            .on(&terminal)
            .start();
        group.wait_started(&["web"]);
        terminal.press("\x03");
        let ended = terminal.end(group);
        ended.code(4).verdict(&["SIGINT from "]).logged("web: got SIGINT", 1);
        ended.silent_about("crash");
    }
}

fn ctrl_c_ends_the_wait_for_the_next(mode: Mode) {
    for options in [&["--recreate"][..], &["--recreate", "--pid1"]] {
        let mut terminal = Terminal::new();
        let mut group =
            Group::new(mode).main("web", "exit=3").arguments(options).on(&terminal).start();
        terminal.wait_shown("recreating in 30s");
        wait_times(&mut group, "web: ends 3", 3);
        terminal.press("\x03");
        let ended = terminal.end(group);
        ended.code(3).says(&["SIGINT while waiting; not recreating; exit 3"]);
    }
}

fn a_main_that_reads_gets_nothing(mode: Mode) {
    let mut terminal = Terminal::new();
    let group = Group::new(mode)
        .main("web", "read exit=5")
        .arguments(&["--recreate=1"])
        .on(&terminal)
        .start();
    let ended = terminal.end(group);
    ended.code(5).logged("web: ends 5", 2);
}

/// In a namespace of its own main has the terminal as in a container.
#[test]
fn apart_a_shell_as_main_has_job_control() {
    let mut terminal = Terminal::new();
    let group = Group::new(Mode::Ordinary)
        .main("web", Argv(&["/bin/bash", "--norc", "--noprofile", "--noediting", "-i"]))
        .arguments(&["--pid1"])
        .on(&terminal)
        .start();
    terminal.wait_shown(PROMPT);
    terminal.ask("sleep 60 & jobs | wc -l", "1");
    terminal.ask("kill %1; echo $((40 + 2))", "42");
    terminal.type_line("exit 6");
    let ended = terminal.end(group);
    ended.code(6).verdict(&["web (pid ", ") exited with 6"]);
}

fn under_bash(terminal: &mut Terminal, main: &str, line: &str) -> Running {
    let group = Group::new(Mode::Ordinary).main("web", main).under_bash(terminal).start();
    terminal.wait_shown(PROMPT);
    terminal.type_line(line);
    group
}

#[test]
fn ctrl_z_and_fg_with_a_group_that_is_recreated() {
    let mut terminal = Terminal::new();
    let main = "exit-on=INT:4 wait";
    let mut group = under_bash(&mut terminal, main, "fateshare run group.yml --recreate");
    group.wait_started(&["web"]);
    let web = group.pid("web");
    for _ in 0..2 {
        terminal.press("\x1a");
        terminal.wait_shown("Stopped");
        group.wait_state(web, 'T');
        terminal.bash_works(&mut group);
        terminal.type_line("fg");
        group.wait_state(web, 'S');
    }
    terminal.press("\x03");
    group.wait_for("web: ends 4");
    terminal.bash_works(&mut group);
    assert_eq!(times(&group, "web: started"), 1);
    terminal.type_line("exit");
    group.end();
}

#[test]
fn afterwards_the_shell_has_its_terminal_again() {
    for option in ["--pid1", "--recreate=1", "--pid1 --recreate=1"] {
        let mut terminal = Terminal::new();
        let line = format!("fateshare run group.yml {option}");
        let mut group = under_bash(&mut terminal, "exit=3", &line);
        group.wait_for("web: ends 3");
        terminal.bash_works(&mut group);
        terminal.type_line("exit");
        group.end();
    }
}
