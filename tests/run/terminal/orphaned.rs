//! Where nobody could continue us, nobody is left stopped.

use nix::sys::signal::Signal;

use crate::support::{Group, Mode, Terminal, in_both_modes, proc};

in_both_modes![
    ctrl_z_stops_nobody_for_good,
    sigtstp_to_us_stops_nobody,
    under_a_script,
    ctrl_z_does_not_delay_the_end
];

/// A main process that tells when it is continued.
const MAIN: &str = "take=CONT exit-on=TERM:4 wait";

fn ctrl_z_stops_nobody_for_good(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", MAIN)
        .sidecar("it", "exit-on=TERM:0 wait")
        .on(&terminal)
        .start();
    group.wait_started(&["web", "it"]);
    terminal.wait_foreground(group.pid("web"));
    let everybody = [group.fateshare(), group.pid("web"), group.pid("it")];
    for times in 1..=3 {
        terminal.press("\x1a");
        group.until("main was stopped and goes on", |group| {
            let log = group.log();
            let continued = log.lines().filter(|line| *line == "web: got SIGCONT").count();
            (continued >= times).then_some(())
        });
        for pid in everybody {
            group.stays(pid, 'S');
        }
    }
    terminal.wait_foreground(everybody[1]);
    group.signal(Signal::SIGTERM);
    let ended = terminal.end(group);
    ended.code(4).verdict(&["SIGTERM from "]).silent_about("did not stop");
}

fn sigtstp_to_us_stops_nobody(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", "take=HUP exit-on=TERM:4 wait")
        .sidecar("it", "exit-on=TERM:0 wait")
        .on(&terminal)
        .start();
    group.wait_started(&["web", "it"]);
    let everybody = [group.fateshare(), group.pid("web"), group.pid("it")];
    group.signal(Signal::SIGTSTP);
    group.signal(Signal::SIGHUP);
    group.wait_for("web: got SIGHUP");
    for pid in everybody {
        group.stays(pid, 'S');
    }
    group.signal(Signal::SIGTERM);
    terminal.end(group).code(4);
}

/// Nor does main stay stopped when it has been told to stop.
fn ctrl_z_does_not_delay_the_end(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", "exit-on=TERM:4:300 wait")
        .sidecar("it", "exit-on=TERM:0 wait")
        .on(&terminal)
        .start();
    group.wait_started(&["web", "it"]);
    terminal.wait_foreground(group.pid("web"));
    group.signal(Signal::SIGTERM);
    group.wait_for("web: got SIGTERM");
    terminal.press("\x1a");
    terminal.end(group).code(4).says(&["nobody had to be killed"]);
}

/// A shell without job control waits for us and would not continue us either.
fn under_a_script(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", "read exit=4")
        .sidecar("it", "exit-on=TERM:0 wait")
        .script_on(&terminal, "fateshare run group.yml; exit 3")
        .start();
    group.wait_started(&["web", "it"]);
    terminal.wait_foreground(group.pid("web"));
    let everybody = [group.fateshare(), group.pid("it")];
    terminal.press("\x1a");
    terminal.type_line("hello");
    group.wait_for("web: read hello");
    for pid in everybody {
        assert!(proc::stat(pid).is_none_or(|stat| stat.state != 'T'));
    }
    terminal.end(group).code(3).logged("web: ends 4", 1);
}
