//! Ctrl-Z under a shell: everybody is stopped, and everybody goes on when the shell says so.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{in_bash, leave_bash};
use crate::support::terminal::PROMPT;
use crate::support::{Group, Mode, Running, Shell, Terminal, proc};

/// A group whose members have children, in the foreground of bash.
fn with_children(terminal: &mut Terminal, main: &str) -> (Running, [i32; 5]) {
    let group = Group::new(Mode::Ordinary)
        .main("web", &*format!("child [ worker wait ] {main}"))
        .sidecar("it", Shell("$FIXTURE $LOG server wait; exit 3"));
    let mut group = in_bash(terminal, group);
    group.wait_started(&["web", "worker", "server"]);
    let shell = proc::stat(group.pid("server")).expect("it runs").parent;
    let everybody =
        [group.fateshare(), group.pid("web"), group.pid("worker"), shell, group.pid("server")];
    (group, everybody)
}

#[track_caller]
fn wait_all(group: &mut Running, pids: &[i32], state: char) {
    for pid in pids {
        group.wait_state(*pid, state);
    }
}

#[track_caller]
fn wait_suspended(terminal: &mut Terminal, group: &mut Running, everybody: &[i32]) {
    terminal.wait_shown("Stopped");
    terminal.wait_shown(PROMPT);
    // The leaders are by now; who has no processor just now stops when it next runs.
    wait_all(group, everybody, 'T');
    terminal.bash_works(group);
}

/// Back in the foreground of bash, main has the terminal.
#[track_caller]
fn bring_back(terminal: &Terminal, group: &mut Running, everybody: &[i32], line: &str) {
    terminal.type_line("fg");
    wait_all(group, everybody, 'S');
    terminal.wait_foreground(group.pid("web"));
    terminal.type_line(line);
    group.wait_for(&format!("web: read {line}"));
}

#[test]
fn ctrl_z_and_fg() {
    let mut terminal = Terminal::new();
    let (mut group, everybody) = with_children(&mut terminal, "read read wait");
    for line in ["one", "two"] {
        terminal.press("\x1a");
        wait_suspended(&mut terminal, &mut group, &everybody);
        bring_back(&terminal, &mut group, &everybody, line);
    }
    terminal.press("\x03");
    let ended = leave_bash(&mut terminal, group, 130);
    ended.verdict(&["web (pid ", ") was killed by SIGINT", "; stopping it"]);
}

#[test]
fn ctrl_z_and_bg() {
    let mut terminal = Terminal::new();
    let group = Group::new(Mode::Ordinary)
        .main("web", "child [ worker wait ] until=go read wait")
        .sidecar("it", "wait");
    let mut group = in_bash(&mut terminal, group);
    group.wait_started(&["worker", "it"]);
    let everybody = [group.fateshare(), group.pid("web"), group.pid("worker"), group.pid("it")];
    terminal.press("\x1a");
    wait_suspended(&mut terminal, &mut group, &everybody);
    terminal.ask("bg", "fateshare run group.yml &");
    wait_all(&mut group, &everybody, 'S');
    for _ in 0..10 {
        thread::sleep(Duration::from_millis(10));
        assert_eq!(terminal.foreground(), group.leader(), "{}", terminal.describe());
    }
    terminal.bash_works(&mut group);
    // Reading is for the foreground alone.
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    wait_all(&mut group, &everybody, 'T');
    terminal.wait_told("Stopped");
    bring_back(&terminal, &mut group, &everybody, "hello");
    terminal.press("\x03");
    leave_bash(&mut terminal, group, 130);
}

/// What was put into the background takes nothing from the foreground when it ends.
#[test]
fn the_end_after_bg() {
    let mut terminal = Terminal::new();
    let group = Group::new(Mode::Ordinary).main("web", "exit-on=TERM:4 wait").sidecar("it", "wait");
    let mut group = in_bash(&mut terminal, group);
    let everybody = [group.fateshare(), group.pid("web"), group.pid("it")];
    terminal.press("\x1a");
    wait_suspended(&mut terminal, &mut group, &everybody);
    terminal.ask("bg", "fateshare run group.yml &");
    wait_all(&mut group, &everybody, 'S');
    terminal.type_line("sleep 1000");
    let sleep = terminal.wait_foreground_runs("sleep");
    group.signal(Signal::SIGTERM);
    terminal.wait_shown("nobody had to be killed; exit 4\n");
    group.until("it is gone", |_| proc::stat(everybody[0]).is_none().then_some(()));
    group.stays(sleep, 'S');
    assert_eq!(terminal.foreground(), sleep, "{}", terminal.describe());
    terminal.press("\x03");
    terminal.wait_shown("Exit 4");
    terminal.wait_shown(PROMPT);
    terminal.type_line("exit 0");
    group.end().code(0).logged("web: got SIGTERM", 1).logged("web: ends 4", 1);
}

/// What main waits for itself, it does itself: an editor stops when it has restored the screen.
#[test]
fn main_that_stops_itself_when_it_likes() {
    let mut terminal = Terminal::new();
    let group = Group::new(Mode::Ordinary)
        .main("web", Shell("trap 'echo stopping; kill -STOP $$' TSTP; $FIXTURE $LOG web until=go"))
        .sidecar("it", "wait");
    let mut group = super::bash(&mut terminal, group);
    terminal.type_line("fateshare run group.yml");
    group.wait_started(&["web", "it"]);
    let shell = proc::stat(group.pid("web")).expect("it runs").parent;
    terminal.wait_foreground(shell);
    let everybody = [group.fateshare(), shell, group.pid("it")];
    terminal.press("\x1a");
    // A shell runs its trap when its child has ended.
    let server = group.pid("web");
    group.wait_state(server, 'T');
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    group.signal_member("web", Signal::SIGCONT);
    terminal.wait_shown("stopping\n");
    wait_suspended(&mut terminal, &mut group, &everybody);
    terminal.type_line("fg");
    leave_bash(&mut terminal, group, 0);
}

#[test]
fn sigtstp_to_us_is_ctrl_z() {
    let mut terminal = Terminal::new();
    let (mut group, everybody) = with_children(&mut terminal, "wait");
    group.signal(Signal::SIGTSTP);
    wait_suspended(&mut terminal, &mut group, &everybody);
    // Continued by somebody else than the shell: without the terminal.
    group.signal(Signal::SIGCONT);
    wait_all(&mut group, &everybody, 'S');
    terminal.bash_works(&mut group);
    terminal.type_line("kill %1; wait %1");
    leave_bash(&mut terminal, group, 143);
}

#[test]
fn a_stop_request_ends_a_suspended_group() {
    let mut terminal = Terminal::new();
    let group = Group::new(Mode::Ordinary)
        .main("web", "exit-on=TERM:4 wait")
        .sidecar("it", "exit-on=TERM:0 wait");
    let mut group = in_bash(&mut terminal, group);
    let everybody = [group.fateshare(), group.pid("web"), group.pid("it")];
    terminal.press("\x1a");
    wait_suspended(&mut terminal, &mut group, &everybody);
    group.signal(Signal::SIGTERM);
    group.signal(Signal::SIGCONT);
    terminal.wait_shown("SIGTERM from pid ");
    terminal.wait_shown("nobody had to be killed; exit 4\n");
    terminal.type_line("wait %1");
    let ended = leave_bash(&mut terminal, group, 4);
    ended.logged("web: got SIGTERM", 1).logged("it: got SIGTERM", 1);
}

#[test]
fn the_end_of_a_stopped_member_is_seen_when_we_go_on() {
    let mut terminal = Terminal::new();
    let group = Group::new(Mode::Ordinary)
        .main("web", "exit-on=TERM:4 wait")
        .sidecar("it", "exit-on=TERM:0 wait");
    let mut group = in_bash(&mut terminal, group);
    let everybody = [group.fateshare(), group.pid("web"), group.pid("it")];
    terminal.press("\x1a");
    wait_suspended(&mut terminal, &mut group, &everybody);
    group.signal_member("it", Signal::SIGKILL);
    terminal.type_line("fg");
    terminal.wait_shown("it (pid ");
    terminal.wait_shown(") was killed by SIGKILL, not by fateshare; stopping web\n");
    terminal.wait_shown("nobody had to be killed; exit 137\n");
    leave_bash(&mut terminal, group, 137).logged("web: got SIGTERM", 1);
}

/// A debugger's business, or a hand at `kill`: it is no wish of the one before the terminal.
#[test]
fn a_stopped_sidecar_suspends_nobody() {
    let mut terminal = Terminal::new();
    let group = Group::new(Mode::Ordinary).main("web", "exit-on=INT:5 wait").sidecar("it", "wait");
    let mut group = in_bash(&mut terminal, group);
    group.signal_member("it", Signal::SIGSTOP);
    let (fateshare, web, it) = (group.fateshare(), group.pid("web"), group.pid("it"));
    group.wait_state(it, 'T');
    group.stays(fateshare, 'S');
    group.stays(web, 'S');
    terminal.press("\x03");
    terminal.wait_shown("nobody had to be killed; exit 5\n");
    leave_bash(&mut terminal, group, 5);
}
