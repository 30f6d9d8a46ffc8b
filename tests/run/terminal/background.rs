//! `fateshare run &`: nothing is taken from the shell's own foreground.

use std::thread;
use std::time::Duration;

use super::{bash, leave_bash};
use crate::support::terminal::PROMPT;
use crate::support::{Argv, Group, Mode, Terminal, proc};

#[test]
fn the_foreground_stays_the_shells() {
    let mut terminal = Terminal::new();
    let group = Group::new(Mode::Ordinary)
        .main("web", "tty exit-on=TERM:0 wait")
        .sidecar("it", "exit-on=TERM:0 wait");
    let mut group = bash(&mut terminal, group);
    terminal.type_line("fateshare run group.yml &");
    group.wait_started(&["web", "it"]);
    for _ in 0..10 {
        thread::sleep(Duration::from_millis(10));
        assert_eq!(terminal.foreground(), group.leader(), "{}", terminal.describe());
    }
    terminal.bash_works(&mut group);
    // Nor is it taken back at the end, from whoever has it then.
    terminal.type_line("sleep 1000");
    let sleep = terminal.wait_foreground_runs("sleep");
    let fateshare = group.fateshare();
    group.signal(nix::sys::signal::Signal::SIGTERM);
    terminal.wait_shown("nobody had to be killed; exit 0\n");
    group.until("it has ended", |_| proc::stat(fateshare).is_none().then_some(()));
    terminal.wait_foreground(sleep);
    terminal.press("\x03");
    terminal.wait_shown(PROMPT);
    terminal.type_line("wait $!");
    leave_bash(&mut terminal, group, 0).logged("web: in the background", 1);
}

#[test]
fn main_that_reads_suspends_the_group_until_it_is_in_the_foreground() {
    let mut terminal = Terminal::new();
    let group = Group::new(Mode::Ordinary).main("web", "until=go read wait").sidecar("it", "wait");
    let mut group = bash(&mut terminal, group);
    terminal.type_line("fateshare run group.yml &");
    group.wait_started(&["web", "it"]);
    terminal.bash_works(&mut group);
    let everybody = [group.fateshare(), group.pid("web"), group.pid("it")];
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    for pid in everybody {
        group.wait_state(pid, 'T');
    }
    terminal.wait_told("Stopped");
    terminal.type_line("fg");
    terminal.wait_foreground(group.pid("web"));
    for pid in everybody {
        group.wait_state(pid, 'S');
    }
    terminal.type_line("hello");
    group.wait_for("web: read hello");
    terminal.press("\x03");
    leave_bash(&mut terminal, group, 130);
}

/// `fg` of what runs: bash gives our process group the terminal and tells nobody. So main is
/// stopped when it reads, but nobody sees that.
#[test]
fn fg_of_a_running_group_gives_main_the_terminal() {
    let mut terminal = Terminal::new();
    let group = Group::new(Mode::Ordinary).main("web", "until=go read wait");
    let mut group = bash(&mut terminal, group);
    terminal.type_line("fateshare run group.yml &");
    group.wait_started(&["web"]);
    terminal.bash_works(&mut group);
    terminal.type_line("fg");
    let (ours, mains) = (group.fateshare(), group.pid("web"));
    group.until("it has the foreground", |_| {
        [ours, mains].contains(&terminal.foreground()).then_some(())
    });
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    terminal.wait_foreground(mains);
    terminal.type_line("hello");
    group.wait_for("web: read hello");
    terminal.press("\x03");
    leave_bash(&mut terminal, group, 130);
}

/// Main is stopped while the others are still being started.
#[test]
fn main_that_reads_at_once_suspends_the_group() {
    let mut terminal = Terminal::new();
    let mut group = Group::new(Mode::Ordinary).main("web", Argv(&["/bin/cat"]));
    for number in 0..10 {
        group = group.sidecar(&format!("sidecar-{number}"), "wait");
    }
    let mut group = bash(&mut terminal, group);
    terminal.type_line("fateshare run group.yml &");
    let ours = group.fateshare();
    group.wait_state(ours, 'T');
    // bash continues only what it knows to be stopped.
    terminal.wait_told("Stopped");
    terminal.type_line("fg");
    group.wait_state(ours, 'S');
    terminal.echoes("hello");
    terminal.press("\x04");
    leave_bash(&mut terminal, group, 0);
}

/// Who reads in the background during a teardown must not stop it.
#[test]
fn main_that_reads_does_not_stop_a_teardown() {
    let mut terminal = Terminal::new();
    let group = Group::new(Mode::Ordinary)
        .main("web", "take=TERM until=go read wait")
        .sidecar("it", "until=end exit=4")
        .top("grace_period: 3s");
    let mut group = bash(&mut terminal, group);
    terminal.type_line("fateshare run group.yml &");
    group.wait_started(&["web", "it"]);
    std::fs::write(group.dir().join("end"), "").expect("the trigger");
    group.wait_for("web: got SIGTERM");
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    let ours = group.fateshare();
    group.until("it ends", |_| proc::stat(ours).is_none_or(|stat| stat.state == 'Z').then_some(()));
    leave_bash(&mut terminal, group, 0);
}

/// In a pipeline our process group is not led by us, and others are in it.
#[test]
fn in_a_pipeline() {
    let mut terminal = Terminal::new();
    let group = Group::new(Mode::Ordinary).main("web", "tty read print=done exit=0");
    let mut group = bash(&mut terminal, group);
    terminal.type_line("fateshare run group.yml | cat");
    group.wait_started(&["web"]);
    terminal.wait_foreground(group.pid("web"));
    terminal.press("\x1a");
    terminal.wait_shown("Stopped");
    terminal.wait_shown(PROMPT);
    terminal.bash_works(&mut group);
    terminal.type_line("fg");
    terminal.wait_foreground(group.pid("web"));
    terminal.type_line("hello");
    terminal.wait_shown("done\n");
    // The pager behind us may need it: main gets it when it reads.
    leave_bash(&mut terminal, group, 0).logged("web: in the background", 1);
}
