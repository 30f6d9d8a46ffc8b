//! What a member's output needs, and what happens when it is not to be had. In builds with debug
//! assertions, where calls can be made to fail (`src/sys/seam.rs`).

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::relay::{of_member, relayed};
use crate::support::{Group, Mode, Shell, Terminal, cannot_run, in_both_modes, poll};

in_both_modes![
    without_terminals_of_their_own_members_get_pipes,
    a_size_that_cannot_be_passed_on_is_no_reason_to_end,
    an_output_that_cannot_be_given_away_is_opened_to_all,
    without_a_way_for_its_output_a_member_is_not_started,
    memory_that_cannot_be_given_back_is_kept,
    a_pipe_that_does_not_tell_how_full_it_is,
    a_socket_that_takes_nothing_more,
    a_container_whose_output_cannot_be_opened_to_all,
];

fn can_fail() -> bool {
    if !cfg!(debug_assertions) {
        cannot_run("calls can be made to fail in builds with debug assertions only");
    }
    cfg!(debug_assertions)
}

/// No `/dev/pts`, or no more of them.
fn without_terminals_of_their_own_members_get_pipes(mode: Mode) {
    if !can_fail() {
        return;
    }
    for call in ["get_window_size", "posix_openpt", "unlockpt", "open_peer", "tcsetattr"] {
        let mut terminal = Terminal::new();
        let mut group = Group::new(mode)
            .on(&terminal)
            .env("FATESHARE_LOG_FORMAT", "text")
            .env("FATESHARE_FAIL", &format!("{call}:28"))
            .main("web", Shell("test -t 1 || echo a pipe; exec sleep 60"))
            .sidecar("config-server", "print=up exit-on=TERM:0 wait")
            .start();
        for line in ["web           | a pipe\n", "config-server | up\n"] {
            group.until("it is shown", |_| terminal.shown().contains(line).then_some(()));
        }
        group.signal(Signal::SIGTERM);
        let ended = terminal.end(group);
        ended
            .code(143)
            .says(&["members get no terminals for their output: No space left on device"]);
        assert_eq!(ended.stderr.matches("members get no terminals").count(), 1, "once\n{ended}");
    }
}

fn a_size_that_cannot_be_passed_on_is_no_reason_to_end(mode: Mode) {
    if !can_fail() {
        return;
    }
    let mut terminal = Terminal::new();
    let mut group = Group::new(mode)
        .on(&terminal)
        .env("FATESHARE_LOG_FORMAT", "text")
        .env("FATESHARE_FAIL", "set_window_size:5")
        .main("web", "take=WINCH print=up exit-on=TERM:0 wait")
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .start();
    group.wait_started(&["web", "config-server"]);
    terminal.wait_shown("web           | up\n");
    terminal.resize(44);
    group.signal(Signal::SIGTERM);
    terminal.end(group).code(0);
}

/// Without `CAP_CHOWN`.
fn an_output_that_cannot_be_given_away_is_opened_to_all(mode: Mode) {
    if !can_fail() {
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        return cannot_run("only root can start members of other users");
    }
    let group = |rules| {
        relayed(mode, "text")
            .env("FATESHARE_FAIL", rules)
            .main("web", Shell("echo hello > /dev/stdout"))
            .key("user: nobody")
    };
    let ended = group("fchown:1").start().end();
    assert_eq!(of_member(&ended.code(0).stdout, "web"), ["hello"], "{ended}");
    let ended = group("fchown:1,fchmod:1").start().end();
    ended
        .code(125)
        .says(&["web could not be started: a way for its output: Operation not permitted"]);
}

fn without_a_way_for_its_output_a_member_is_not_started(mode: Mode) {
    if !can_fail() {
        return;
    }
    for call in ["pipe", "fcntl", "epoll_add", "dup2_output"] {
        let ended = relayed(mode, "text")
            .env("FATESHARE_FAIL", &format!("{call}:24"))
            .main("web", "wait")
            .sidecar("config-server", "wait")
            .start()
            .end();
        ended.code(125).says(&["web could not be started: ", "Too many open files"]);
        assert_eq!(ended.log, "", "{ended}");
    }
}

fn memory_that_cannot_be_given_back_is_kept(mode: Mode) {
    if !can_fail() {
        return;
    }
    let mut group = relayed(mode, "text")
        .env("FATESHARE_FAIL", "madvise:22")
        .env("FATESHARE_FAIL_LOG", "failed")
        .main("web", Shell("seq 10000; exec $FIXTURE $LOG web print=after exit-on=TERM:0 wait"))
        .start();
    group.wait_started(&["web"]);
    let tried = poll(Duration::from_secs(20), || {
        let log = std::fs::read_to_string(group.dir().join("failed")).ok()?;
        log.contains("madvise").then_some(Instant::now())
    });
    assert!(tried.is_some(), "it gives memory back when nothing happens");
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    assert_eq!(of_member(&ended.code(0).stdout, "web").len(), 10_001, "{ended}");
}

fn a_pipe_that_does_not_tell_how_full_it_is(mode: Mode) {
    if !can_fail() {
        return;
    }
    for rules in ["ioctl_fionread:25", "open_output:13", "open_output:13,ioctl_fionread:25"] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let group = relayed(mode, "text")
            .env("FATESHARE_FAIL", rules)
            .main("web", Shell("seq 50000"))
            .stdout(writer)
            .start();
        let text = std::io::read_to_string(reader).expect("text");
        group.end().code(0);
        let lines = of_member(&text, "web");
        assert!(lines.iter().enumerate().all(|(at, line)| *line == (at + 1).to_string()));
        assert_eq!(lines.len(), 50_000);
    }
}

fn a_socket_that_takes_nothing_more(mode: Mode) {
    if !can_fail() {
        return;
    }
    let (reader, writer) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
    let group = relayed(mode, "text")
        .env("FATESHARE_FAIL", "send:32")
        .main("web", Shell("seq 10"))
        .stdout(std::os::fd::OwnedFd::from(writer));
    group
        .start()
        .end()
        .code(0)
        .says(&["standard output: 10 lines that members wrote could not be"]);
    drop(reader);
}

fn a_container_whose_output_cannot_be_opened_to_all(mode: Mode) {
    if !can_fail() || !nix::unistd::geteuid().is_root() {
        return;
    }
    for call in ["statfs_output", "fchmod"] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let ended = Group::new(mode)
            .env("FATESHARE_FAIL", &format!("{call}:1"))
            .main("web", Shell("echo out"))
            .key("user: nobody")
            .stdout(writer)
            .start()
            .end();
        ended.code(0);
        assert_eq!(std::io::read_to_string(reader).expect("text"), "out\n");
    }
}
