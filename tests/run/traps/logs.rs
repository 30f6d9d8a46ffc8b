//! Output: nobody who reads slowly, or not at all, decides over a group's life.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use crate::output::full_pipe;
use crate::support::{Argv, Group, Mode, Shell, in_both_modes};

in_both_modes![
    a_grandchild_holding_the_pipe,
    reader_dies,
    stdout_blocks,
    block_buffering_behind_a_pipe,
];

/// pebble, process-compose and Go programs waited for the end of a pipe that somebody else's
/// grandchild held open. Death is the wait status: the grandchild delays nothing.
fn a_grandchild_holding_the_pipe(mode: Mode) {
    let (mut reader, writer) = io::pipe().expect("a pipe");
    let mut group = Group::new(mode)
        .main("web", "child [ grandchild exit-on=TERM:0 wait ] print=hello until=go exit=3")
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .top("grace_period: 30s")
        .stdout(writer)
        .start();
    group.wait_started(&["web", "grandchild", "config-server"]);
    let struck = Instant::now();
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = group.end();
    assert!(ended.at - struck < Duration::from_secs(10), "a third of the grace\n{ended}");
    ended.code(3).logged("grandchild: got SIGTERM", 1).logged("grandchild: ends 0", 1);
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("stdout");
    assert_eq!(text, "hello\n");
}

/// Under supervisord and habitat an app blocked for ever when the reader of its pipe had died and
/// the pipe stayed open. Here it meets the broken pipe itself, and ends as it would alone.
fn reader_dies(mode: Mode) {
    let (mut reader, writer) = io::pipe().expect("a pipe");
    let mut group = Group::new(mode)
        .main("web", Argv(&["/usr/bin/yes"]))
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .stdout(writer)
        .start();
    group.wait_started(&["config-server"]);
    reader.read_exact(&mut [0; 1000]).expect("it has begun");
    drop(reader);
    let ended = group.end();
    ended.code(141).verdict(&["web (pid ", ") was killed by SIGPIPE, not by fateshare"]);
    ended.logged("config-server: got SIGTERM", 1).logged("config-server: ends 0", 1);
}

/// A container's output blocks by default when nobody takes it, and an init that writes in the
/// thread that kills is stuck with it. The members may be stuck; we go on, and leave in time.
fn stdout_blocks(mode: Mode) {
    let (reader, writer) = full_pipe();
    let mut group = Group::new(mode)
        .main("web", Argv(&["/usr/bin/yes"]))
        .sidecar("config-server", "until=go exit=7")
        .sidecar("stubborn", "take=TERM wait")
        .top("grace_period: 3s")
        .env("FATESHARE_LOG", "debug")
        .stdout(writer.try_clone().expect("one more"))
        .stderr(writer)
        .start();
    group.wait_started(&["config-server", "stubborn"]);
    let struck = Instant::now();
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = group.end();
    let took = ended.at - struck;
    ended.code(7).logged("stubborn: got SIGTERM", 1);
    // The grace, and at most 900 ms behind it; threefold.
    assert!(took < Duration::from_millis(3 * 3_900), "took {took:?}\n{ended}");
    drop(reader);
}

/// A pipe between a C program and its terminal makes its output come in lumps, and the supervisor
/// is blamed: foreman, honcho. A member writes to the very file that fateshare was given.
fn block_buffering_behind_a_pipe(mode: Mode) {
    let group = Group::new(mode);
    let dir = group.dir().canonicalize().expect("a path").display().to_string();
    let show = Shell("readlink /proc/self/fd/1 /proc/self/fd/2");
    let mut group =
        group.main("web", "until=go exit=0").sidecar("shown", show).key("may_finish: true").start();
    group.until("it is shown", |group| (group.stdout().lines().count() == 2).then_some(()));
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = group.end();
    assert_eq!(ended.stdout, format!("{dir}/stdout\n{dir}/stderr\n"), "{ended}");
}
