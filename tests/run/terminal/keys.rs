//! Ctrl-C, Ctrl-\ and a new window size reach main, and nobody else directly.

use nix::sys::signal::Signal;

use crate::support::{Group, Mode, Shell, Terminal, in_both_modes, proc};

in_both_modes![
    ctrl_c_that_kills_main,
    ctrl_c_that_main_handles,
    ctrl_c_that_ends_nothing,
    ctrl_c_reaches_the_children_of_main_too,
    ctrl_backslash_is_mains_too,
    ctrl_c_is_ours_when_main_is_gone,
    a_new_window_size_reaches_main,
];

/// What a sidecar does that is to tell what reached it.
const SIDECAR: &str = "take=INT,QUIT,WINCH exit-on=TERM:0 wait";

fn ctrl_c_that_kills_main(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group =
        Group::new(mode).main("web", "wait").sidecar("it", SIDECAR).on(&terminal).start();
    group.wait_started(&["web", "it"]);
    terminal.wait_foreground(group.pid("web"));
    let pid = format!("web (pid {}) was killed by SIGINT", group.inner_pid("web"));
    terminal.press("\x03");
    let ended = terminal.end(group);
    ended.code(130).verdict(&[&pid, "; stopping it"]);
    ended.logged("it: got SIGINT", 0).logged("it: got SIGTERM", 1);
}

fn ctrl_c_that_main_handles(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", "exit-on=INT:5:50 wait")
        .sidecar("it", SIDECAR)
        .on(&terminal)
        .start();
    group.wait_started(&["web", "it"]);
    terminal.wait_foreground(group.pid("web"));
    terminal.press("\x03");
    let ended = terminal.end(group);
    ended.code(5).verdict(&["web (pid ", ") exited with 5; stopping it"]);
    ended.logged("web: got SIGINT", 1).logged("it: got SIGINT", 0).logged("it: got SIGTERM", 1);
}

fn ctrl_c_that_ends_nothing(mode: Mode) {
    // An interpreter's prompt, for instance.
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", "take=INT until=go exit=0")
        .sidecar("it", SIDECAR)
        .on(&terminal)
        .start();
    group.wait_started(&["web", "it"]);
    terminal.wait_foreground(group.pid("web"));
    terminal.press("\x03");
    group.wait_for("web: got SIGINT");
    let fateshare = group.fateshare();
    group.stays(fateshare, 'S');
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = terminal.end(group);
    ended.code(0).verdict(&["web (pid ", ") exited with 0"]);
    ended.logged("web: got SIGINT", 1).logged("it: got SIGINT", 0);
}

fn ctrl_c_reaches_the_children_of_main_too(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", Shell("trap 'exit 6' INT; $FIXTURE $LOG server exit-on=INT:0 wait"))
        .on(&terminal)
        .start();
    group.wait_started(&["server"]);
    let shell = proc::stat(group.pid("server")).expect("it runs").parent;
    terminal.wait_foreground(shell);
    terminal.press("\x03");
    terminal.end(group).code(6).logged("server: got SIGINT", 1);
}

fn ctrl_backslash_is_mains_too(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", "exit-on=QUIT:5 wait")
        .sidecar("it", SIDECAR)
        .on(&terminal)
        .start();
    group.wait_started(&["web", "it"]);
    terminal.wait_foreground(group.pid("web"));
    terminal.press("\x1c");
    let ended = terminal.end(group);
    ended.code(5).verdict(&["web (pid ", ") exited with 5; stopping it"]);
    ended.logged("web: got SIGQUIT", 1).logged("it: got SIGQUIT", 0);
}

/// A sidecar that does not stop keeps nobody waiting who presses Ctrl-C once more.
fn ctrl_c_is_ours_when_main_is_gone(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", "exit-on=INT:5 wait")
        .sidecar("it", "take=TERM,INT wait")
        .top("grace_period: 10m")
        .on(&terminal)
        .start();
    group.wait_started(&["web", "it"]);
    terminal.wait_foreground(group.pid("web"));
    terminal.press("\x03");
    group.wait_for("it: got SIGTERM");
    terminal.wait_foreground(group.fateshare());
    // Not to wait for something: the time between the two is what is tested.
    std::thread::sleep(std::time::Duration::from_millis(600));
    terminal.press("\x03");
    let ended = terminal.end(group);
    ended.code(5).says(&["it", "SIGKILL"]).logged("it: got SIGINT", 0);
}

fn a_new_window_size_reaches_main(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", "take=WINCH exit-on=TERM:0 wait")
        .sidecar("it", SIDECAR)
        .on(&terminal)
        .start();
    group.wait_started(&["web", "it"]);
    terminal.wait_foreground(group.pid("web"));
    terminal.resize(40);
    group.wait_for("web: got SIGWINCH");
    group.signal(Signal::SIGTERM);
    let ended = terminal.end(group);
    ended.code(0).logged("web: got SIGWINCH", 1).logged("it: got SIGWINCH", 0);
}
