//! What SIGKILL does not end (a process in an uninterruptible sleep) is named and left.

use std::io::{self, PipeWriter, Write};
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};

use super::{all_failed, ended_by, stop};
use crate::support::host::can_make_calls_fail;
use crate::support::{Group, Mode, Running, in_both_modes};

in_both_modes![
    what_cannot_be_killed_is_named_and_left,
    what_cannot_be_killed_does_not_wait_for_a_reader,
    strays_that_cannot_be_killed_are_named_too,
];

/// Every signal seems to be sent, and none is.
const RULES: &str = "kill:pretend,kill_child:pretend,kill_all:pretend,kill_by_number:pretend,\
                     kill_by_kinship:pretend,pidfd_send_signal:pretend";
const GRACE: Duration = Duration::from_millis(400);

fn group(mode: Mode) -> Group {
    Group::new(mode).failing(RULES).top("grace_period: 400ms")
}

fn started(group: Group) -> Running {
    let mut group = group.main("web", "wait").sidecar("it", "wait").start();
    group.wait_started(&["web", "it"]);
    group
}

fn what_cannot_be_killed_is_named_and_left(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    let mut group = started(group(mode));
    let struck = stop(&mut group);
    // As an ordinary process it is the members' tie to us that ends them.
    let ended = group.end_killed();
    ended.code(137).says(&["web, it did not stop within 400ms: SIGKILL"]);
    ended.says(&["could not kill web, it: left to the kernel; exit 137"]);
    ended.silent_about("had to kill");
    ended_by(&ended, struck, GRACE);
    all_failed(&ended, "kill:pretend,kill_child:pretend");
}

fn what_cannot_be_killed_does_not_wait_for_a_reader(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    let (reader, writer) = full_pipe();
    let mut group = started(group(mode).env("FATESHARE_LOG", "debug").stderr(writer));
    let struck = stop(&mut group);
    let ended = group.end_killed();
    ended.code(137);
    ended_by(&ended, struck, GRACE);
    drop(reader);
}

/// A pipe that is full.
fn full_pipe() -> (io::PipeReader, PipeWriter) {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    let size = fcntl(&writer, FcntlArg::F_GETPIPE_SZ).expect("its size");
    writer.write_all(&vec![b'x'; size.try_into().expect("a size")]).expect("it is filled");
    (reader, writer)
}

fn strays_that_cannot_be_killed_are_named_too(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    let main = "run [ middle session child [ daemon wait ] exit=0 ] until=go exit=3";
    let mut group = group(mode).main("web", main).start();
    group.wait_started(&["web", "daemon"]);
    group.wait_for("middle: ends 0");
    let struck = std::time::Instant::now();
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = group.end_leaving(&["daemon"]);
    ended.code(3).says(&["fixture (pid ", "did not stop within 400ms: SIGKILL"]);
    ended.says(&["could not kill fixture (pid ", ": left to the kernel; exit 3"]);
    ended_by(&ended, struck, GRACE);
}
