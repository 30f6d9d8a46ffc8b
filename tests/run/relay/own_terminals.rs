//! On a terminal members get terminals of their own for what they write, and `/dev/null` to read.

use nix::sys::signal::Signal;

use crate::support::{Argv, Group, Mode, Shell, Terminal, in_both_modes};

in_both_modes![
    members_see_a_terminal_and_lines_have_labels,
    no_pty_means_pipes,
    stderr_is_told_apart,
    the_size_of_the_window_is_passed_on,
    ctrl_c_stops_and_nobody_reads_what_is_typed,
    ctrl_z_stops_everybody_and_fg_continues,
    a_single_member_has_the_terminal,
    another_user_has_its_terminal_too,
    ctrl_s_holds_up_no_teardown,
    no_color_is_honoured,
    both_streams_on_one_terminal_are_not_torn,
    last_words_stand_above_the_verdict,
    who_asks_for_a_password_gets_the_keys,
];

/// A group on a terminal, with the format that suits.
fn on(terminal: &Terminal, mode: Mode) -> Group {
    Group::new(mode).on(terminal).env("FATESHARE_LOG_FORMAT", "auto")
}

/// Says what descriptors 0, 1 and 2 are.
const LOOK: &str = "for fd in 0 1 2; do if [ -t $fd ]; then echo $fd is a terminal; \
                    else echo $fd is none; fi; done; exec sleep 60";

fn members_see_a_terminal_and_lines_have_labels(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = on(&terminal, mode)
        .main("web", Shell(LOOK))
        .sidecar(
            "config-server",
            Shell("sleep 0.2; tput -T xterm setaf 1; echo red; exec sleep 60"),
        )
        .start();
    for line in ["web           | 0 is none", "1 is a terminal", "2 is a terminal"] {
        terminal.wait_shown(line);
    }
    terminal.wait_shown("config-server | \x1b[31mred\n");
    group.signal(Signal::SIGTERM);
    let ended = terminal.end(group);
    ended.code(143).verdict(&["SIGTERM from "]);
    ended.says(&["fateshare: ended in ", "exit 143"]);
}

fn no_pty_means_pipes(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = on(&terminal, mode)
        .main("web", Shell(LOOK))
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .arguments(&["--no-pty"])
        .start();
    for line in ["0 is none", "web           | 1 is none", "2 is none"] {
        terminal.wait_shown(line);
    }
    group.signal(Signal::SIGTERM);
    terminal.end(group).code(143);
}

fn stderr_is_told_apart(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = on(&terminal, mode)
        .stderr_in_a_file()
        .main("web", Shell("echo out; echo err >&2; test -t 2 || echo none >&2; exec sleep 60"))
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .start();
    terminal.wait_shown("web           | out\n");
    // A file is no terminal: nobody is told that it is one.
    group.until("the file has it", |group| {
        let text = group.stderr();
        (text.contains("web           | err\n") && text.contains("| none\n")).then_some(())
    });
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(143).verdict(&["SIGTERM from "]);
    assert!(!terminal.shown().contains("err"), "{}", terminal.describe());
}

fn the_size_of_the_window_is_passed_on(mode: Mode) {
    let mut terminal = Terminal::new();
    terminal.resize(33);
    let script = "trap 'stty size <&1' WINCH; stty size <&1; while :; do sleep 0.05; done";
    let mut group = on(&terminal, mode)
        .main("web", Argv(&["/bin/sh", "-c", script]))
        .sidecar("config-server", Argv(&["/bin/sh", "-c", script]))
        .start();
    for name in ["web           | 33 0", "config-server | 33 0"] {
        group.until("the first size is shown", |_| terminal.shown().contains(name).then_some(()));
    }
    terminal.resize(44);
    for name in ["web           | 44 0", "config-server | 44 0"] {
        group.until("the new size is shown", |_| terminal.shown().contains(name).then_some(()));
    }
    group.signal(Signal::SIGTERM);
    terminal.end(group).code(143);
}

fn ctrl_c_stops_and_nobody_reads_what_is_typed(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = on(&terminal, mode)
        .main("web", "read exit-on=INT:5 wait")
        .sidecar("config-server", "print=up exit-on=INT:0 wait")
        .start();
    group.wait_for("web: read to the end");
    group.wait_started(&["config-server"]);
    terminal.wait_shown("config-server | up\n");
    terminal.press("\x03");
    let ended = terminal.end(group);
    ended.code(5).verdict(&["SIGINT from the terminal; stopping web, config-server"]);
    ended.logged("web: got SIGINT", 1).logged("config-server: got SIGINT", 1);
}

fn ctrl_z_stops_everybody_and_fg_continues(mode: Mode) {
    if mode == Mode::Pid1 {
        // Nobody could continue it there: `terminal/without.rs`.
        return;
    }
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .main("web", "take=WINCH print=up exit-on=INT:0 wait")
        .sidecar("config-server", "exit-on=INT:0 wait")
        .under_bash(&terminal)
        .env("FATESHARE_LOG_FORMAT", "text")
        .start();
    terminal.wait_shown(crate::support::terminal::PROMPT);
    terminal.type_line("fateshare run group.yml");
    terminal.wait_shown("web           | up\n");
    group.wait_started(&["web", "config-server"]);
    let members = [group.pid("web"), group.pid("config-server")];
    terminal.press("\x1a");
    for pid in members {
        group.wait_state(pid, 'T');
    }
    terminal.wait_shown(crate::support::terminal::PROMPT);
    // Meanwhile this is bash's business.
    terminal.resize(44);
    terminal.type_line("fg");
    terminal.wait_shown("continued, with all members");
    group.wait_for("web: got SIGWINCH");
    terminal.press("\x03");
    terminal.wait_shown("; exit 0");
    terminal.bash_works(&mut group);
    terminal.type_line("exit 0");
    let ended = group.end();
    ended.code(0).logged("web: got SIGINT", 1).logged("config-server: got SIGINT", 1);
    ended.logged("web: got SIGWINCH", 1);
}

/// There is nothing to tell apart: a shell is a shell.
fn a_single_member_has_the_terminal(mode: Mode) {
    let mut terminal = Terminal::new();
    let group = on(&terminal, mode).main("web", "tty print=hello read exit=0").start();
    terminal.wait_shown("hello\n");
    terminal.type_line("typed");
    let ended = terminal.end(group);
    ended.code(0).logged("web: in the foreground", 1).logged("web: read typed", 1);
    ended.silent_about("| hello");
}

fn another_user_has_its_terminal_too(mode: Mode) {
    if !nix::unistd::geteuid().is_root() {
        return crate::support::cannot_run("only root can start members of other users");
    }
    let mut terminal = Terminal::new();
    let mut group = on(&terminal, mode)
        .main("web", Shell("echo out > /dev/stdout; echo err > /dev/stderr; exec sleep 60"))
        .key("user: nobody")
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .start();
    for line in ["web           | out\n", "web           | err\n"] {
        group.until("it is shown", |_| terminal.shown().contains(line).then_some(()));
    }
    group.signal(Signal::SIGTERM);
    terminal.end(group).code(143);
}

fn ctrl_s_holds_up_no_teardown(mode: Mode) {
    let mut terminal = Terminal::new();
    let mut group = on(&terminal, mode)
        .stderr_in_a_file()
        .main("web", Argv(&["/usr/bin/yes"]))
        .sidecar("config-server", "print=up exit-on=TERM:0 wait")
        .start();
    group.wait_started(&["config-server"]);
    terminal.wait_shown("web           | y\n");
    terminal.stop_output();
    let struck = std::time::Instant::now();
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    let took = ended.at - struck;
    ended.code(143).logged("config-server: got SIGTERM", 1);
    // At most 900 ms, threefold.
    assert!(took < std::time::Duration::from_millis(3 * 900), "took {took:?}\n{ended}");
}

fn no_color_is_honoured(mode: Mode) {
    for (variable, value, coloured) in
        [("TERM", "xterm", true), ("TERM", "dumb", false), ("NO_COLOR", "1", false)]
    {
        let mut terminal = Terminal::new();
        let group = on(&terminal, mode)
            .env("TERM", "xterm")
            .env(variable, value)
            .main("web", Shell("echo hello; sleep 0.1"))
            .sidecar("config-server", "exit-on=TERM:0 wait")
            .start();
        terminal.wait_shown(" hello\n");
        terminal.end(group).code(0);
        let shown = terminal.shown();
        assert_eq!(shown.contains("\x1b[0;36mweb           |\x1b[0m hello"), coloured, "{shown}");
        assert_eq!(shown.contains("web           | hello"), !coloured, "{shown}");
    }
}

/// A terminal takes as much of a write as it likes.
fn both_streams_on_one_terminal_are_not_torn(mode: Mode) {
    let mut terminal = Terminal::new();
    let group = on(&terminal, mode)
        .main(
            "web",
            Shell("yes $(printf '%0100d' 0) | head -n 5000; until [ -e up ]; do sleep 0.01; done"),
        )
        .sidecar("s", Shell("seq 5000 >&2; touch up; exec sleep 60"))
        .top("grace_period: 60s")
        .start();
    terminal.end(group).code(0);
    let shown = terminal.shown();
    let of = |name: &str| crate::relay::of_member(&shown, name).into_iter().map(str::to_owned);
    let zeroes = "0".repeat(100);
    assert_eq!(of("web").filter(|line| *line == zeroes).count(), 5_000);
    assert_eq!(of("s").zip(1..).filter(|(line, at)| *line == at.to_string()).count(), 5_000);
}

fn last_words_stand_above_the_verdict(mode: Mode) {
    for _ in 0..5 {
        let mut terminal = Terminal::new();
        let group = on(&terminal, mode)
            .main("web", "exit-on=TERM:0 wait")
            .sidecar("config-server", Shell("seq 900; echo last words; kill -9 $$"))
            .start();
        let ended = terminal.end(group);
        ended.code(137);
        let shown = terminal.shown();
        let at = |text: &str| shown.find(text).unwrap_or_else(|| panic!("{text}\n{shown}"));
        assert!(
            at("| last words\n") < at(") was killed by SIGKILL, not by fateshare; "),
            "{shown}"
        );
    }
}

/// `ssh`, `sudo`: the words go to `/dev/tty`, and come from there.
fn who_asks_for_a_password_gets_the_keys(mode: Mode) {
    let mut terminal = Terminal::new();
    let script = "read word < /dev/tty; echo got $word; exec sleep 60";
    let mut group = on(&terminal, mode)
        .main("web", Shell(script))
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .start();
    group.wait_started(&["config-server"]);
    terminal.type_line("secret");
    terminal.wait_shown("web           | got secret\n");
    group.signal(Signal::SIGTERM);
    terminal.end(group).code(143);
}
