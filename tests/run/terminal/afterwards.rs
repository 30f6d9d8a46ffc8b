//! When the group is over, the terminal is the one's again who had it before.

use nix::sys::signal::Signal;

use super::{in_bash, leave_bash};
use crate::support::terminal::PROMPT;
use crate::support::{Argv, Ended, Group, Mode, Running, Terminal, in_both_modes};

in_both_modes![a_script_reads_on, a_script_reads_on_after_main_was_killed];

/// A group whose main process ends in some way; bash has its terminal as it was.
#[track_caller]
fn bash_has_its_terminal_back(
    main: &str,
    code: u8,
    end: impl FnOnce(&mut Running, &Terminal),
) -> Ended {
    let mut terminal = Terminal::new();
    let group = Group::new(Mode::Ordinary)
        .main("web", main)
        .sidecar("config-server", "exit-on=TERM:0 wait");
    let before = terminal.settings();
    let mut group = in_bash(&mut terminal, group);
    group.wait_started(&["config-server"]);
    assert_eq!(terminal.settings(), before);
    end(&mut group, &terminal);
    terminal.wait_shown("fateshare: ended in ");
    terminal.wait_shown(&format!("exit {code}\n"));
    let ended = leave_bash(&mut terminal, group, code);
    assert_eq!(terminal.settings(), before);
    ended
}

#[test]
fn after_ctrl_c() {
    bash_has_its_terminal_back("exit-on=INT:5 wait", 5, |_, terminal| terminal.press("\x03"));
}

#[test]
fn after_ctrl_c_that_killed_main() {
    let ended = bash_has_its_terminal_back("wait", 130, |_, terminal| terminal.press("\x03"));
    ended.verdict(&["web (pid ", ") was killed by SIGINT", "; stopping config-server"]);
}

#[test]
fn after_kill_9_of_main() {
    let ended = bash_has_its_terminal_back("wait", 137, |group, _| {
        group.signal_member("web", Signal::SIGKILL);
    });
    ended.verdict(&["web (pid ", ") was killed by SIGKILL, not by fateshare; stopping"]);
}

#[test]
fn after_a_stop_request() {
    let ended = bash_has_its_terminal_back("exit-on=TERM:4 wait", 4, |group, _| {
        group.signal(Signal::SIGTERM);
    });
    ended.verdict(&["SIGTERM from pid ", "; stopping web, config-server"]);
}

#[test]
fn after_the_end_of_a_sidecar() {
    bash_has_its_terminal_back("exit-on=TERM:4 wait", 137, |group, _| {
        group.signal_member("config-server", Signal::SIGKILL);
    });
}

#[test]
fn after_kill_9_of_ourselves() {
    // We cannot give it back then; bash takes it.
    let mut terminal = Terminal::new();
    let mut group =
        in_bash(&mut terminal, Group::new(Mode::Ordinary).main("web", "exit-on=TERM:0 wait"));
    group.signal(Signal::SIGKILL);
    terminal.wait_shown("Killed");
    terminal.wait_shown(PROMPT);
    terminal.bash_works(&mut group);
    terminal.type_line("exit");
    group.end_killed();
}

#[test]
fn one_group_after_another() {
    let mut terminal = Terminal::new();
    let group = Group::new(Mode::Ordinary).main("web", Argv(&["/bin/cat"]));
    let mut group = super::bash(&mut terminal, group);
    for _ in 0..3 {
        terminal.type_line("fateshare run group.yml");
        terminal.wait_foreground_runs("cat");
        terminal.echoes("hello");
        terminal.press("\x03");
        terminal.wait_shown("exit 130\n");
        terminal.bash_works(&mut group);
    }
    terminal.type_line("exit 0");
    group.end().code(0);
}

/// Where no process of the background may write, our own words are shown all the same.
#[test]
fn with_stty_tostop_the_last_words_are_shown() {
    for (main, code) in [("exit-on=INT:5 wait", 5), ("take=INT exit-on=TERM:6 wait", 6)] {
        let mut terminal = Terminal::new();
        let group = Group::new(Mode::Ordinary).main("web", main).sidecar("it", "until=go exit=0");
        let mut group = super::bash(&mut terminal, group);
        terminal.ask("stty tostop", "");
        terminal.type_line("fateshare run group.yml");
        group.wait_started(&["web", "it"]);
        terminal.wait_foreground(group.pid("web"));
        terminal.press("\x03");
        group.wait_for("web: got SIGINT");
        if code == 6 {
            group.signal(Signal::SIGTERM);
        }
        terminal.wait_shown("; stopping ");
        terminal.wait_shown("fateshare: ended in ");
        terminal.wait_shown(&format!("exit {code}\n"));
        leave_bash(&mut terminal, group, code).silent_about("Stopped");
    }
}

/// A shell without job control: nobody but us can give it its terminal back.
const SCRIPT: &str =
    "fateshare run group.yml; echo \"[$?]\"; read line; echo \"got $line\"; exit 3";

fn a_script_reads_on(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group =
        Group::new(mode).main("web", "exit-on=INT:5 wait").script_on(&terminal, SCRIPT).start();
    let before = group.leader();
    group.wait_started(&["web"]);
    terminal.wait_foreground(group.pid("web"));
    // The shell is in the foreground with us: what main handles must not reach it.
    terminal.press("\x03");
    terminal.wait_shown("[5]\n");
    assert_eq!(terminal.foreground(), before);
    terminal.type_line("hello");
    terminal.wait_shown("got hello\n");
    group.end().code(3);
}

fn a_script_reads_on_after_main_was_killed(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode).main("web", "wait").script_on(&terminal, SCRIPT).start();
    group.wait_started(&["web"]);
    terminal.wait_foreground(group.pid("web"));
    group.signal_member("web", Signal::SIGKILL);
    terminal.wait_shown("[137]\n");
    terminal.type_line("hello");
    terminal.wait_shown("got hello\n");
    group.end().code(3);
}
