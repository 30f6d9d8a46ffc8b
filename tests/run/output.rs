//! Nobody who reads slowly, or not at all, holds up a teardown; and what is said at which level.

use std::io::{self, PipeWriter, Read, Write};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;

use crate::support::{Group, Mode, in_both_modes};

in_both_modes![
    without_a_writing_thread_every_line_is_said,
    without_a_writing_thread_a_stalled_stderr_holds_up_nothing,
    a_stalled_stderr_does_not_hold_up_the_teardown,
    a_stalled_stderr_does_not_hold_up_a_stop,
    a_stderr_that_nobody_can_read_is_no_reason_to_end,
    a_stdout_that_nobody_can_read_is_mains_affair,
    closed_descriptors_at_the_start_are_survived,
    stdout_and_stderr_of_members_arrive_as_they_are,
    in_the_background_three_lines_are_said,
    info_and_debug_say_more,
    off_says_nothing,
];

/// A pipe that is full.
pub(crate) fn full_pipe() -> (io::PipeReader, PipeWriter) {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    let size = fcntl(&writer, FcntlArg::F_GETPIPE_SZ).expect("its size");
    writer.write_all(&vec![b'x'; size.try_into().expect("a size")]).expect("it is filled");
    (reader, writer)
}

fn a_stalled_stderr_does_not_hold_up_the_teardown(mode: Mode) {
    let (reader, writer) = full_pipe();
    let mut group = Group::new(mode)
        .main("web", "exit-on=TERM:0 wait")
        .sidecar("config-server", "wait")
        .env("FATESHARE_LOG", "debug")
        .stderr(writer)
        .start();
    group.wait_started(&["web", "config-server"]);
    let struck = Instant::now();
    group.signal_member("config-server", Signal::SIGKILL);
    let ended = group.end();
    let took = ended.at - struck;
    ended.code(137).logged("web: got SIGTERM", 1).logged("web: ends 0", 1);
    // What cannot be written is given up after 250 ms.
    assert!(took < Duration::from_secs(3), "took {took:?}\n{ended}");
    drop(reader);
}

/// Old seccomp profiles refuse `clone3`, and the C library makes threads with nothing else.
fn without_a_writing_thread_every_line_is_said(mode: Mode) {
    let ended = Group::new(mode)
        .after_words("refuse=clone3")
        .env("FATESHARE_LOG", "info")
        .main("web", "exit-on=TERM:0 wait")
        .sidecar("config-server", "exit=7")
        .start()
        .end();
    ended.code(7).says(&["cannot start the writing thread, does without: Operation not permitted"]);
    ended.verdict(&["config-server (pid ", ") exited with 7; stopping web"]);
    ended.says(&["ended in ", "nobody had to be killed; exit 7"]);
}

fn without_a_writing_thread_a_stalled_stderr_holds_up_nothing(mode: Mode) {
    // The second time it cannot be opened anew either, where calls can be made to fail.
    for rules in ["", "open_output:24"] {
        stalled_without_a_thread(mode, rules);
    }
}

fn stalled_without_a_thread(mode: Mode, rules: &str) {
    let (mut reader, writer) = full_pipe();
    let mut group = Group::new(mode)
        .after_words("refuse=clone3")
        .main("web", "take=HUP exit-on=TERM:0 wait")
        .sidecar("config-server", "wait")
        .env("FATESHARE_LOG", "debug")
        .env("FATESHARE_FAIL", rules)
        .stderr(writer.try_clone().expect("a second end"))
        .start();
    group.wait_started(&["web", "config-server"]);
    // There is room again for a while: what was said so far comes out with the next line.
    let mut filling = vec![0; 60_000];
    reader.read_exact(&mut filling).expect("the filling");
    group.signal(Signal::SIGHUP);
    group.wait_for("web: got SIGHUP");
    let struck = Instant::now();
    group.signal_member("config-server", Signal::SIGKILL);
    let ended = group.end();
    let took = ended.at - struck;
    ended.code(137).logged("web: got SIGTERM", 1).logged("web: ends 0", 1);
    assert!(took < Duration::from_secs(3), "took {took:?}\n{ended}");
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("our own text");
    assert!(text.contains("fateshare: group.yml: web + config-server"), "{text}");
    assert!(text.contains("config-server (pid "), "{text}");
}

fn a_stalled_stderr_does_not_hold_up_a_stop(mode: Mode) {
    let (reader, writer) = full_pipe();
    let mut group = Group::new(mode)
        .main("web", "exit-on=TERM:0 wait")
        .sidecar("config-server", "take=TERM wait")
        .top("grace_period: 3s")
        .stderr(writer)
        .start();
    group.wait_started(&["web", "config-server"]);
    let struck = Instant::now();
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    let took = ended.at - struck;
    ended.code(0).logged("web: got SIGTERM", 1).logged("config-server: got SIGTERM", 1);
    assert!(took < Duration::from_millis(3 * 3_900), "took {took:?}\n{ended}");
    drop(reader);
}

fn a_stderr_that_nobody_can_read_is_no_reason_to_end(mode: Mode) {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    let mut group = Group::new(mode)
        .main("web", "take=HUP exit-on=TERM:0 wait")
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .env("FATESHARE_LOG", "debug")
        .stderr(writer)
        .start();
    group.wait_started(&["web", "config-server"]);
    group.signal(Signal::SIGHUP);
    group.wait_for("web: got SIGHUP");
    group.signal(Signal::SIGTERM);
    group.end().code(0).logged("config-server: got SIGTERM", 1);
}

fn a_stdout_that_nobody_can_read_is_mains_affair(mode: Mode) {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    let mut group = Group::new(mode)
        .main("web", "take=HUP exit-on=TERM:0 wait")
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .stdout(writer)
        .start();
    group.wait_started(&["web", "config-server"]);
    group.signal(Signal::SIGHUP);
    group.wait_for("web: got SIGHUP");
    group.signal(Signal::SIGTERM);
    group.end().code(0).says(&["fateshare: SIGTERM from "]);
}

fn closed_descriptors_at_the_start_are_survived(mode: Mode) {
    for closed in [">&-", "<&-", "2>&-", "<&- >&- 2>&-"] {
        let mut group = Group::new(mode)
            .after_script(&format!("exec \"$@\" {closed}"))
            .main("web", "exit-on=TERM:0 wait")
            .sidecar("config-server", "exit-on=TERM:0 wait")
            .start();
        group.wait_started(&["web", "config-server"]);
        group.signal(Signal::SIGTERM);
        let ended = group.end();
        ended.code(0).logged("web: got SIGTERM", 1).logged("config-server: got SIGTERM", 1);
        if !closed.contains("2>") {
            ended.verdict(&["SIGTERM from "]);
        }
    }
}

fn stdout_and_stderr_of_members_arrive_as_they_are(mode: Mode) {
    let ended = Group::new(mode)
        .main("web", crate::support::Shell("printf 'out\\000\\377'; printf 'err\\n' >&2"))
        .start()
        .end();
    ended.code(0).says(&["err"]);
    assert!(ended.stdout.starts_with("out\0") && ended.stdout.len() > 4, "{ended}");
    assert!(!ended.stdout.contains("fateshare: "), "{ended}");
}

/// A sidecar ends the group.
fn crash(mode: Mode, level: Option<&str>) -> crate::support::Ended {
    let mut group = Group::new(mode);
    if let Some(level) = level {
        group = group.env("FATESHARE_LOG", level);
    }
    let mut group = group
        .main("web", "exit-on=TERM:0 wait")
        .sidecar("config-server", "until=go exit=4")
        .start();
    group.wait_started(&["web", "config-server"]);
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    group.end()
}

fn in_the_background_three_lines_are_said(mode: Mode) {
    for level in [None, Some("warn"), Some("error")] {
        let ended = crash(mode, level);
        ended.code(4);
        let lines = ended.ours();
        assert_eq!(lines.len(), 3, "{ended}");
        assert_eq!(ended.stderr.lines().count(), 3, "{ended}");
        assert!(lines[0].contains("group.yml: web + config-server, grace 9s"), "{ended}");
        assert!(lines[1].contains(") exited with 4; stopping web"), "{ended}");
        assert!(lines[2].starts_with("ended in "), "{ended}");
        assert!(lines[2].ends_with(", nobody had to be killed; exit 4"), "{ended}");
    }
}

fn info_and_debug_say_more(mode: Mode) {
    let info = crash(mode, Some("info"));
    let debug = crash(mode, Some("debug"));
    assert!(info.stderr.lines().all(|line| line.starts_with("fateshare: ")), "{info}");
    assert!(debug.stderr.lines().all(|line| line.starts_with("fateshare: ")), "{debug}");
    assert!(info.ours().len() > 3, "{info}");
    assert!(debug.ours().len() > info.ours().len(), "{debug}");
}

fn off_says_nothing(mode: Mode) {
    let ended = crash(mode, Some("off"));
    ended.code(4);
    assert_eq!(ended.stderr, "", "{ended}");
}
