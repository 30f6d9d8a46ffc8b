//! On a terminal: main has it, Ctrl-C and Ctrl-Z do what they always do, and nobody is left
//! stopped, or alive, when the one who sat before it is gone.
//!
//! `fateshare` is the leader of the terminal's session (`ssh -t host fateshare run`; as PID 1,
//! `docker run -it`), or a job of an interactive bash.

mod afterwards;
mod background;
mod faults;
mod foreground;
mod hang_up;
mod harness;
mod keys;
mod orphaned;
mod stalled;
mod suspended;
mod without;

use crate::support::terminal::PROMPT;
use crate::support::{Ended, Group, Running, Terminal};

/// Starts bash on the terminal.
#[track_caller]
fn bash(terminal: &mut Terminal, group: Group) -> Running {
    let group = group.under_bash(terminal).start();
    terminal.wait_shown(PROMPT);
    group
}

/// Runs the group in the foreground of bash, until its main process `web` has the terminal.
#[track_caller]
fn in_bash(terminal: &mut Terminal, group: Group) -> Running {
    let mut group = bash(terminal, group);
    terminal.type_line("fateshare run group.yml");
    group.wait_started(&["web"]);
    terminal.wait_foreground(group.pid("web"));
    group
}

/// Waits for bash's prompt, asks it for the exit code that the group had, and leaves it.
#[track_caller]
fn leave_bash(terminal: &mut Terminal, mut group: Running, code: u8) -> Ended {
    terminal.wait_shown(PROMPT);
    terminal.ask("echo \"[code $?]\"", &format!("[code {code}]"));
    terminal.wait_foreground(group.leader());
    terminal.type_line("exit");
    let mut ended = group.end();
    ended.stderr = terminal.said();
    ended
}
