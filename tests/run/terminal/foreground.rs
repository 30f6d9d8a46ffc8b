//! Main has the terminal: it is the foreground process group and reads what is typed.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::support::terminal::PROMPT;
use crate::support::{Argv, Group, Mode, Shell, Terminal, in_both_modes, proc};

in_both_modes![
    main_is_in_the_foreground_from_its_first_moment,
    sidecars_are_in_the_background_and_read_nothing,
    a_program_gets_what_is_typed,
    bash_as_main_has_job_control,
    sh_as_main_has_job_control,
    a_script_that_is_main_reads,
    a_failed_start_leaves_the_terminal_alone,
    who_reads_the_terminal_beside_its_input_gets_it,
];

fn main_is_in_the_foreground_from_its_first_moment(mode: Mode) {
    // Several times: a handover that comes after the start of main is often early enough.
    for _ in 0..10 {
        let mut terminal = Terminal::new();
        let group = Group::new(mode).main("web", "tty exit=0").on(&terminal).start();
        terminal.end(group).code(0).logged("web: in the foreground", 1);
    }
}

fn sidecars_are_in_the_background_and_read_nothing(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", "tty read wait")
        .sidecar("config-server", "tty read exit-on=TERM:0 wait")
        .sidecar("log-shipper", "tty exit-on=TERM:0 wait")
        .on(&terminal)
        .start();
    group.wait_started(&["web", "config-server", "log-shipper"]);
    terminal.wait_foreground(group.pid("web"));
    let session = group.leader();
    assert_eq!(session, group.fateshare());
    for name in ["config-server", "log-shipper"] {
        let pid = group.pid(name);
        let stat = proc::stat(pid).expect("it runs");
        assert_eq!((stat.group, stat.session), (pid, session), "{name}: {stat:?}");
        let stdin = fs::read_link(format!("/proc/{pid}/fd/0")).expect("its stdin");
        assert_eq!(stdin, Path::new("/dev/null"), "{name}");
    }
    group.wait_for("config-server: read to the end");
    terminal.type_line("hello");
    group.wait_for("web: read hello");
    group.signal(Signal::SIGTERM);
    let ended = terminal.end(group);
    ended.code(143).verdict(&["SIGTERM from ", "; stopping web, config-server, log-shipper"]);
    ended.logged("web: in the foreground", 1).logged("config-server: without a terminal", 1);
}

fn a_program_gets_what_is_typed(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", Argv(&["/bin/cat"]))
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .on(&terminal)
        .start();
    group.wait_started(&["config-server"]);
    terminal.wait_foreground_runs("cat");
    terminal.echoes("hello");
    terminal.press("\x04");
    terminal.end(group).code(0).verdict(&["web (pid ", ") exited with 0; stopping config-server"]);
}

fn bash_as_main_has_job_control(mode: Mode) {
    has_job_control(mode, &["/bin/bash", "--norc", "--noprofile", "--noediting", "-i"]);
}

fn sh_as_main_has_job_control(mode: Mode) {
    has_job_control(mode, &["/bin/sh", "-i"]);
}

fn has_job_control(mode: Mode, shell: &[&str]) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", Argv(shell))
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .on(&terminal)
        .start();
    group.wait_started(&["config-server"]);
    terminal.wait_shown(PROMPT);
    // `cannot set terminal process group`, `no job control in this shell`, `job control turned off`
    for complaint in ["job control", "process group"] {
        assert!(!terminal.shown().contains(complaint), "{}", terminal.describe());
    }
    let shell = terminal.foreground();
    terminal.ask("echo $((40 + 2))", "42\n");

    terminal.type_line("/bin/sleep 1000");
    let job = terminal.wait_foreground_runs("sleep");
    assert_ne!(job, shell);
    terminal.press("\x03");
    terminal.wait_shown(PROMPT);
    terminal.wait_foreground(shell);

    // Its jobs are its own: that one of them is stopped is nobody else's affair.
    terminal.type_line("/bin/sleep 1001");
    let job = terminal.wait_foreground_runs("sleep");
    terminal.press("\x1a");
    group.wait_state(job, 'T');
    terminal.wait_shown("Stopped");
    terminal.wait_shown(PROMPT);
    terminal.wait_foreground(shell);
    let others = [group.fateshare(), shell, group.pid("config-server")];
    for pid in others {
        group.stays(pid, 'S');
    }
    terminal.type_line("fg");
    terminal.wait_foreground(job);
    group.wait_state(job, 'S');
    terminal.press("\x03");
    terminal.wait_shown(PROMPT);
    terminal.type_line("exit 7");
    let ended = terminal.end(group);
    ended.code(7).verdict(&["web (pid ", ") exited with 7; stopping config-server"]);
    ended.logged("config-server: got SIGTERM", 1).silent_about("did not stop");
}

fn a_script_that_is_main_reads(mode: Mode) {
    let mut terminal = Terminal::new();
    let group = Group::new(mode)
        .main("web", Shell("printf 'Name? '; read name; echo \"Hello, $name!\"; exit 3"))
        .on(&terminal)
        .start();
    terminal.wait_shown("Name? ");
    terminal.type_line("you");
    terminal.wait_shown("Hello, you!\n");
    terminal.end(group).code(3);
}

fn a_failed_start_leaves_the_terminal_alone(mode: Mode) {
    // The shell around it is no job control shell, and reads on afterwards.
    let mut terminal = Terminal::new();
    let group = Group::new(mode)
        .main("web", "wait")
        .sidecar("config-server", Argv(&["/no/such/program"]))
        .script_on(&terminal, "fateshare run group.yml; echo \"[$?]\"; read it; exit \"$it\"");
    let group = group.start();
    terminal.wait_shown("[127]\n");
    terminal.type_line("9");
    group.end().code(9);
}

/// `seq 500 | fateshare run -- less`: its input is a pipe, and the keys come from `/dev/tty`.
fn who_reads_the_terminal_beside_its_input_gets_it(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", Shell("read piped; read typed < /dev/tty; echo got $piped and $typed"))
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .script_on(&terminal, "echo this | fateshare run group.yml")
        .start();
    group.wait_started(&["config-server"]);
    terminal.type_line("that");
    terminal.wait_shown("got this and that\n");
    let ended = terminal.end(group);
    ended.code(0).verdict(&["web (pid ", ") exited with 0; stopping config-server"]);
}
