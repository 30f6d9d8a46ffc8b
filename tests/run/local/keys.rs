//! Keys on the terminal while groups are recreated, or run apart.

use crate::support::terminal::PROMPT;
use crate::support::{Argv, Group, Mode, Running, Shell, Terminal, in_both_modes, proc};

use super::{times, wait_times};

in_both_modes![
    ctrl_c_ends_a_group_that_would_be_recreated,
    ctrl_c_ends_the_wait_for_the_next,
    a_main_that_reads_gets_nothing,
    a_main_that_opens_the_terminal_finds_none,
    ctrl_c_during_the_teardown_of_a_crash_is_heard,
    ctrl_c_that_is_no_stop_request_ends_it_all_the_same,
    ctrl_c_at_any_moment_of_the_start_is_heard,
    ctrl_c_at_any_moment_between_groups_is_heard,
    the_end_of_the_terminal_is_the_end_of_it,
    profile_scripts_find_no_terminal_either,
    a_terminal_that_cannot_be_given_up_is_said,
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
        terminal.wait_shown("SIGINT while waiting");
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

/// As in a container without `-t`: passwords are not asked for there.
fn a_main_that_opens_the_terminal_finds_none(mode: Mode) {
    let mut terminal = Terminal::new();
    let ended = Group::new(mode)
        .main("web", Shell("read -r line < /dev/tty || exit 5"))
        .arguments(&["--recreate=0"])
        .on(&terminal)
        .start();
    let ended = terminal.end(ended);
    ended.code(5).says(&["/dev/tty"]);
}

/// A group whose sidecar fails when it is told to, while main takes its time to stop.
fn crashing(mode: Mode, options: &[&str]) -> Group {
    Group::new(mode)
        .main("web", "take=TERM,INT,HUP until=go exit=0")
        .sidecar("it", "until=crash exit=3")
        .arguments(options)
}

/// That group, in the teardown of its crash.
#[track_caller]
fn crashed(mut group: Running) -> Running {
    group.wait_started(&["web", "it"]);
    std::fs::write(group.dir().join("crash"), "").expect("the trigger");
    group.wait_for("web: got SIGTERM");
    group
}

fn ctrl_c_during_the_teardown_of_a_crash_is_heard(mode: Mode) {
    for options in [&["--recreate"][..], &["--recreate", "--pid1"]] {
        let mut terminal = Terminal::new();
        let group = crashing(mode, options).env("FATESHARE_LOG", "debug").on(&terminal);
        let group = crashed(group.start());
        terminal.press("\x03");
        terminal.wait_shown("got SIGINT from");
        std::fs::write(group.dir().join("go"), "").expect("the trigger");
        let ended = terminal.end(group);
        ended.code(3).silent_about("crash 1").logged("web: got SIGTERM", 1);
    }
}

fn ctrl_c_that_is_no_stop_request_ends_it_all_the_same(mode: Mode) {
    for options in [&["--recreate"][..], &["--recreate", "--pid1"]] {
        let mut terminal = Terminal::new();
        let mut group = Group::new(mode)
            .main("web", "exit-on=INT:4 wait")
            .top("stop_on: [SIGTERM]")
            .arguments(options)
            .on(&terminal)
            .start();
        group.wait_started(&["web"]);
        terminal.press("\x03");
        let ended = terminal.end(group);
        ended.code(4).silent_about("crash 1").logged("web: ends 4", 1);
    }
}

/// The first moments belong to the one process, then there are two.
fn ctrl_c_at_any_moment_of_the_start_is_heard(mode: Mode) {
    for moment in 0..12 {
        let terminal = Terminal::new();
        let mut group = Group::new(mode)
            .main("web", Argv(&["/bin/sleep", "60"]))
            .arguments(&["--recreate"])
            .on(&terminal)
            .start();
        // Before that it has default dispositions, and as PID 1 the kernel throws signals away.
        let fateshare = group.fateshare();
        group.until("it blocks signals", |_| {
            let status = std::fs::read_to_string(format!("/proc/{fateshare}/status")).ok()?;
            let blocks = status.lines().any(|line| line.starts_with("SigBlk:\tf"));
            // While it waits for them they are not.
            (blocks || !proc::children(fateshare).is_empty()).then_some(())
        });
        std::thread::sleep(std::time::Duration::from_micros(400 * moment));
        terminal.press("\x03");
        group.end_killed().silent_about("crash 1");
        drop(terminal);
    }
}

/// Groups come and go; a key that nobody took would let them go on to the two hundredth.
fn ctrl_c_at_any_moment_between_groups_is_heard(mode: Mode) {
    for options in [
        &["--recreate", "--recreate-delay=0s"][..],
        &["--recreate", "--recreate-delay=0s", "--pid1"],
    ] {
        for moment in 0..6 {
            let mut terminal = Terminal::new();
            let mut group = Group::new(mode)
                .main("web", Shell("sleep 0.05; exit 3"))
                .arguments(options)
                .on(&terminal)
                .stderr_in_a_file()
                .start();
            super::wait_said(&mut group, "crash 2 ");
            std::thread::sleep(std::time::Duration::from_micros(1_300 * moment));
            terminal.press("\x03");
            let ended = group.end();
            ended.silent_about("crash 200 ");
            terminal.hang_up();
        }
    }
}

fn profile_scripts_find_no_terminal_either(mode: Mode) {
    let mut terminal = Terminal::new();
    let group = Group::new(mode)
        .main("web", "exit=5")
        .file(".profile", "read -r line < /dev/tty || echo none\n")
        .top("platform: cloudfoundry")
        .top("profile: .")
        .arguments(&["--recreate=0"])
        .on(&terminal)
        .start();
    let ended = terminal.end(group);
    ended.code(5).says(&["none"]);
}

fn a_terminal_that_cannot_be_given_up_is_said(mode: Mode) {
    if !crate::support::host::can_make_calls_fail() {
        return;
    }
    let mut terminal = Terminal::new();
    let group = Group::new(mode)
        .main("web", "wait")
        .arguments(&["--recreate=0"])
        .on(&terminal)
        .failing("ioctl_tiocnotty:5")
        .start();
    let ended = terminal.end(group);
    ended.code(125).says(&["web could not be started: giving up the terminal (TIOCNOTTY): "]);
}

fn the_end_of_the_terminal_is_the_end_of_it(mode: Mode) {
    for options in [&["--recreate"][..], &["--recreate", "--pid1"]] {
        // While it waits.
        let mut terminal = Terminal::new();
        let group = Group::new(mode).main("web", "exit=3").arguments(options);
        let mut group = group.on(&terminal).stderr_in_a_file().start();
        super::wait_said(&mut group, "recreating in 30s");
        terminal.hang_up();
        group.end().code(3).says(&["SIGHUP while waiting; not recreating; exit 3"]);
        // While a group that has crashed is stopped.
        let mut terminal = Terminal::new();
        let group = crashing(mode, options).on(&terminal).stderr_in_a_file();
        let group = crashed(group.start());
        terminal.hang_up();
        std::fs::write(group.dir().join("go"), "").expect("the trigger");
        group.end().code(3).silent_about("crash 1").logged("web: got SIGTERM", 1);
    }
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
    terminal.wait_shown("; exit 4");
    terminal.wait_shown(PROMPT);
    terminal.bash_works(&mut group);
    assert_eq!(times(&group, "web: started"), 1);
    terminal.type_line("exit");
    group.end();
}

#[test]
fn afterwards_the_shell_has_its_terminal_again() {
    for (option, last) in [
        ("--pid1", "killed; exit 3"),
        ("--recreate=1", "(--recreate=1); exit 3"),
        ("--pid1 --recreate=1", "(--recreate=1); exit 3"),
    ] {
        let mut terminal = Terminal::new();
        let line = format!("fateshare run group.yml {option}");
        let mut group = under_bash(&mut terminal, "exit=3", &line);
        terminal.wait_shown(last);
        terminal.wait_shown(PROMPT);
        terminal.bash_works(&mut group);
        terminal.type_line("exit");
        group.end();
    }
}
