//! Readers that are slow, stuck, or gone: they slow members down, and nothing else.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::output::full_pipe;
use crate::relay::{counted, of_member, relayed};
use crate::support::{Argv, Ended, Group, LIMIT, Mode, Shell, in_both_modes, poll, proc};

in_both_modes![
    a_stalled_stdout_holds_up_no_teardown,
    a_stalled_stderr_holds_up_no_teardown,
    both_stalled_hold_up_no_teardown,
    a_stalled_reader_holds_up_no_stop,
    a_stalled_stdout_does_not_silence_stderr,
    a_closed_stdout_does_not_end_the_group,
    a_closed_stderr_does_not_end_the_group,
    a_reader_that_comes_back_gets_everything,
    a_pipe_of_another_user_is_written_without_waiting,
    a_slow_reader_loses_nothing_that_it_takes,
    a_very_slow_reader_does_not_hold_us,
    a_pipe_held_open_by_a_stranger_delays_nothing,
    a_stranger_that_writes_on_is_not_read_for_ever,
    one_pipe_for_both_is_not_torn,
    a_stalled_socket_does_not_silence_stderr,
    what_was_given_up_is_said,
    who_writes_nothing_costs_nothing,
];

/// How long after what brings the last end of a member about we may still be there: 900 ms are promised, threefold.
const GONE_AFTER: Duration = Duration::from_millis(3 * 900);

/// A member that writes without end, one that stops when told, and the one whose end is the end.
fn busy(mode: Mode, format: &str) -> Group {
    relayed(mode, format)
        .main("web", Argv(&["/usr/bin/yes", "a line of text"]))
        .sidecar("orderly", "print=hello exit-on=TERM:0 wait")
        .sidecar("config-server", "print=hello until=go exit=7")
}

/// Until everything that can be full is: `yes` sleeps, and has not written anything for a while.
fn wait_full(group: &mut crate::support::Running) {
    let fateshare = group.fateshare();
    let mut before = None;
    group.until("`yes` cannot write any more", |group| {
        let yes = group.processes().into_iter().find_map(|pid| {
            let stat = proc::stat(pid)?;
            let io = std::fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
            let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
            let is_yes = command.split('\0').next().is_some_and(|word| word.ends_with("yes"));
            (is_yes && stat.state == 'S').then_some(io)
        });
        // On a busy machine `yes` may wait for us, who have not had our turn: then we are runnable.
        let yes = yes.filter(|_| proc::sleeps(fateshare));
        thread::sleep(Duration::from_millis(50));
        let same = yes.is_some() && yes == before && proc::sleeps(fateshare);
        before = yes;
        same.then_some(())
    });
}

/// Strikes, and looks how long after that it ended.
fn strike(mut group: crate::support::Running) -> (Ended, Duration) {
    group.wait_started(&["orderly", "config-server"]);
    wait_full(&mut group);
    let struck = Instant::now();
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = group.end();
    let took = ended.at - struck;
    (ended, took)
}

fn a_stalled_stdout_holds_up_no_teardown(mode: Mode) {
    for format in ["text", "json"] {
        let (reader, writer) = full_pipe();
        let (ended, took) = strike(busy(mode, format).stdout(writer).start());
        ended.code(7).logged("orderly: ends 0", 1);
        assert!(took < GONE_AFTER, "took {took:?}\n{ended}");
        assert!(ended.stderr.contains(") exited with 7; stopping web, orderly"), "{ended}");
        assert!(ended.stderr.contains("nobody had to be killed"), "{ended}");
        drop(reader);
    }
}

fn a_stalled_stderr_holds_up_no_teardown(mode: Mode) {
    let (reader, writer) = full_pipe();
    let group = relayed(mode, "text")
        .main("web", Shell("exec yes >&2"))
        .sidecar("orderly", "print=hello exit-on=TERM:0 wait")
        .sidecar("config-server", "print=hello until=go exit=7");
    let (ended, took) = strike(group.stderr(writer).start());
    ended.code(7).logged("orderly: ends 0", 1);
    assert!(took < GONE_AFTER, "took {took:?}\n{ended}");
    assert_eq!(of_member(&ended.stdout, "orderly"), ["hello"], "stdout goes on\n{ended}");
    drop(reader);
}

fn both_stalled_hold_up_no_teardown(mode: Mode) {
    let (reader, writer) = full_pipe();
    let group = busy(mode, "text").stdout(writer.try_clone().expect("one more")).stderr(writer);
    let (ended, took) = strike(group.start());
    ended.code(7).logged("orderly: ends 0", 1);
    assert!(took < GONE_AFTER, "took {took:?}\n{ended}");
    drop(reader);
}

fn a_stalled_reader_holds_up_no_stop(mode: Mode) {
    let (reader, writer) = full_pipe();
    let group = relayed(mode, "json")
        .main("web", Argv(&["/usr/bin/yes"]))
        .sidecar("orderly", "print=hello exit-on=TERM:0 wait")
        .sidecar("stubborn", "take=TERM wait")
        .top("grace_period: 3s");
    let mut group = group.stdout(writer.try_clone().expect("one more")).stderr(writer).start();
    group.wait_started(&["orderly", "stubborn"]);
    let struck = Instant::now();
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    let took = ended.at - struck;
    ended.code(143).logged("orderly: ends 0", 1).logged("stubborn: got SIGTERM", 1);
    // The grace, and at most 900 ms behind it; threefold.
    assert!(took < Duration::from_millis(3 * 3_900), "took {took:?}\n{ended}");
    drop(reader);
}

fn a_stalled_stdout_does_not_silence_stderr(mode: Mode) {
    let (reader, writer) = full_pipe();
    let mut group = relayed(mode, "text")
        .main("web", Argv(&["/usr/bin/yes"]))
        .sidecar("config-server", Shell("sleep 0.3; echo it works >&2; exec sleep 60"))
        .stdout(writer)
        .start();
    group.until("stderr is relayed", |group| {
        (of_member(&group.stderr(), "config-server") == ["it works"]).then_some(())
    });
    group.signal(Signal::SIGTERM);
    group.end().code(143).verdict(&["SIGTERM from "]);
    drop(reader);
}

fn a_closed_stdout_does_not_end_the_group(mode: Mode) {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    let mut group = relayed(mode, "text")
        .env("FATESHARE_LOG", "debug")
        .main("web", Shell("seq 1000; exec $FIXTURE $LOG web exit-on=TERM:0 wait"))
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .stdout(writer)
        .start();
    group.wait_started(&["web", "config-server"]);
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(0).logged("web: got SIGTERM", 1).says(&[
        "standard output: Broken pipe (os error 32): what members write there is lost, and counted",
    ]);
    ended.says(&[
        "standard output: 1000 lines that members wrote could not be written: Broken pipe",
    ]);
    let counts = counted(&ended, "web", "stdout").expect("counts");
    assert_eq!(counts, "1000 lines, 3893 bytes, 1000 lines lost", "{ended}");
}

fn a_closed_stderr_does_not_end_the_group(mode: Mode) {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    let mut group = relayed(mode, "text")
        .main("web", Shell("seq 1000 >&2; echo fine; exec $FIXTURE $LOG web exit-on=TERM:0 wait"))
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .stderr(writer)
        .start();
    group.wait_started(&["web", "config-server"]);
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(0).logged("config-server: got SIGTERM", 1);
    assert_eq!(of_member(&ended.stdout, "web"), ["fine"], "{ended}");
}

/// Reads to the end in the background, when it is told to.
fn later(
    mut reader: PipeReader,
    pace: impl Fn(&mut PipeReader) -> Vec<u8> + Send + 'static,
) -> thread::JoinHandle<String> {
    thread::spawn(move || String::from_utf8_lossy(&pace(&mut reader)).into_owned())
}

fn to_the_end(reader: &mut PipeReader) -> Vec<u8> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).expect("all of it");
    bytes
}

/// 200,000 lines, some 2.7 MB with labels: more than all pipes and buffers together hold.
const COUNT: &str = "seq 200000; exec $FIXTURE $LOG web exit-on=TERM:0 wait";

#[track_caller]
fn has_all(text: &str) {
    let lines = of_member(text, "web");
    assert_eq!(lines.len(), 200_000);
    assert!(lines.iter().enumerate().all(|(at, line)| *line == (at + 1).to_string()));
}

fn a_reader_that_comes_back_gets_everything(mode: Mode) {
    let (reader, writer): (PipeReader, PipeWriter) = io::pipe().expect("a pipe");
    let mut group = relayed(mode, "text")
        .env("FATESHARE_LOG", "debug")
        .main("web", Shell(COUNT))
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .stdout(writer)
        .start();
    group.wait_started(&["config-server"]);
    // It is away for a while: web waits, and is not lost.
    thread::sleep(Duration::from_millis(300));
    assert!(!group.log().contains("web: started"), "it cannot have written everything");
    let text = later(reader, to_the_end);
    group.wait_started(&["web"]);
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    has_all(&text.join().expect("the reader ends"));
    let counts = counted(&ended, "web", "stdout").expect("counts");
    assert!(counts.contains(", held up for ") && !counts.contains("lost"), "{counts}");
}

/// It cannot be opened anew, so its description cannot be made one that never waits.
fn a_pipe_of_another_user_is_written_without_waiting(mode: Mode) {
    if !nix::unistd::geteuid().is_root() {
        return crate::support::cannot_run("only root can start fateshare as another user");
    }
    let group = || relayed(mode, "text").for_all_users().run_by_nobody("");
    let (reader, writer) = io::pipe().expect("a pipe");
    let mut counting = group()
        .main("web", Shell(COUNT))
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .stdout(writer)
        .start();
    let text = later(reader, to_the_end);
    counting.wait_started(&["web"]);
    counting.signal(Signal::SIGTERM);
    counting.end().code(0);
    has_all(&text.join().expect("the reader ends"));

    let (reader, writer) = full_pipe();
    let mut stalled = group()
        .main("web", Argv(&["/usr/bin/yes"]))
        .sidecar("orderly", "print=hello exit-on=TERM:0 wait")
        .stdout(writer)
        .start();
    stalled.wait_started(&["orderly"]);
    wait_full(&mut stalled);
    let struck = Instant::now();
    stalled.signal(Signal::SIGTERM);
    let ended = stalled.end();
    let took = ended.at - struck;
    ended.code(143).logged("orderly: ends 0", 1);
    assert!(took < GONE_AFTER, "took {took:?}\n{ended}");
    drop(reader);
}

fn a_slow_reader_loses_nothing_that_it_takes(mode: Mode) {
    let (reader, writer) = io::pipe().expect("a pipe");
    let mut group = relayed(mode, "text")
        .main("web", Shell(COUNT))
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .top("grace_period: 60s")
        .stdout(writer)
        .start();
    let text = later(reader, |reader| {
        let mut bytes = Vec::new();
        let mut some = vec![0; 40_000];
        loop {
            match reader.read(&mut some).expect("something") {
                0 => return bytes,
                count => bytes.extend_from_slice(&some[..count]),
            }
            thread::sleep(Duration::from_millis(10));
        }
    });
    group.wait_started(&["web"]);
    group.signal(Signal::SIGTERM);
    group.end().code(0);
    has_all(&text.join().expect("the reader ends"));
}

/// 1 KB a second: a page is free every four seconds only, so there is no progress for 250 ms.
fn a_very_slow_reader_does_not_hold_us(mode: Mode) {
    let (mut reader, writer) = io::pipe().expect("a pipe");
    let group = busy(mode, "text").stdout(writer).start();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let slow = thread::spawn(move || {
        let mut some = [0; 100];
        while stopped.recv_timeout(Duration::from_millis(100)).is_err() {
            if reader.read(&mut some).is_ok_and(|count| count == 0) {
                return;
            }
        }
    });
    let (ended, took) = strike(group);
    drop(stop);
    slow.join().expect("the reader ends");
    ended.code(7).logged("orderly: ends 0", 1);
    // A page may have become free meanwhile, which is progress.
    ended.says(&["what members wrote last was not read"]);
    assert!(took < GONE_AFTER + Duration::from_millis(250), "took {took:?}\n{ended}");
}

/// Opens a member's standard output from outside of the group.
fn hold(group: &mut crate::support::Running, member: &str) -> File {
    let pid = group.pid(member);
    let path = format!("/proc/{pid}/fd/1");
    let open = || File::options().write(true).custom_flags(nix::libc::O_NONBLOCK).open(&path).ok();
    poll(LIMIT, open).expect("a way to its output")
}

fn a_pipe_held_open_by_a_stranger_delays_nothing(mode: Mode) {
    let mut group = relayed(mode, "text")
        .main("web", "print=hello exit-on=TERM:0 wait")
        .sidecar("config-server", "print=hello until=go exit=7")
        .start();
    group.wait_started(&["web", "config-server"]);
    let held = [hold(&mut group, "web"), hold(&mut group, "config-server")];
    let struck = Instant::now();
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = group.end();
    let took = ended.at - struck;
    ended.code(7);
    assert_eq!(of_member(&ended.stdout, "web"), ["hello"], "{ended}");
    assert!(took < GONE_AFTER, "took {took:?}\n{ended}");
    drop(held);
}

fn a_stranger_that_writes_on_is_not_read_for_ever(mode: Mode) {
    // Nobody reads: only the end of patience ends it.
    let (reader, writer) = full_pipe();
    let mut group = relayed(mode, "text")
        .stdout(writer)
        .main("web", "print=hello exit-on=TERM:0 wait")
        .sidecar("config-server", "until=go exit=7")
        .top("grace_period: 60s")
        .start();
    group.wait_started(&["web", "config-server"]);
    let held = hold(&mut group, "web");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let stranger = thread::spawn(move || {
        use std::io::Write;
        let line = [b"stranger\n".as_slice(); 100].concat();
        while stopped.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
            // A pipe without a reader is what it may end with.
            if (&held).write(&line).is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock) {
                return;
            }
        }
    });
    let struck = Instant::now();
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = group.end();
    let took = ended.at - struck;
    drop(stop);
    stranger.join().expect("the stranger ends");
    ended.code(7);
    assert!(took < GONE_AFTER, "took {took:?}");
    drop(reader);
}

/// Long lines take several writes each, and the other way out leads to the same reader.
fn one_pipe_for_both_is_not_torn(mode: Mode) {
    let (reader, writer) = io::pipe().expect("a pipe");
    let script = "yes $(head -c 20000 /dev/zero | tr '\\0' A) | head -n 300; echo done";
    let mut group = relayed(mode, "text")
        .main("web", Shell(script))
        .sidecar("s", Shell("seq 30000 >&2; exec sleep 60"))
        .stdout(writer.try_clone().expect("one more"))
        .stderr(writer);
    group = group.top("grace_period: 60s");
    let group = group.start();
    let text = later(reader, |reader| {
        let mut bytes = Vec::new();
        let mut some = vec![0; 30_000];
        loop {
            match reader.read(&mut some).expect("something") {
                0 => return bytes,
                count => bytes.extend_from_slice(&some[..count]),
            }
            thread::sleep(Duration::from_millis(1));
        }
    });
    group.end().code(0);
    let text = text.join().expect("the reader ends");
    let long = "A".repeat(20_000);
    let lines = of_member(&text, "web");
    assert_eq!(lines.iter().filter(|line| **line == long).count(), 300);
    assert_eq!(lines.len(), 301);
    // Its last line may be half of one: it is stopped while it writes.
    let lines = of_member(&text, "s");
    for (at, line) in lines.iter().enumerate().take(lines.len() - 1) {
        assert_eq!(*line, (at + 1).to_string(), "of {}", lines.len());
    }
}

fn a_stalled_socket_does_not_silence_stderr(mode: Mode) {
    let (reader, writer) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
    let mut group = relayed(mode, "text")
        .main("web", Argv(&["/usr/bin/yes", "a line of text"]))
        .sidecar("config-server", Shell("sleep 0.3; echo it works >&2; exec sleep 60"))
        .stdout(std::os::fd::OwnedFd::from(writer))
        .start();
    group.until("stderr is relayed", |group| {
        (of_member(&group.stderr(), "config-server") == ["it works"]).then_some(())
    });
    wait_full(&mut group);
    let struck = Instant::now();
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    let took = ended.at - struck;
    ended.code(143).verdict(&["SIGTERM from "]).says(&["what members wrote last was not read"]);
    assert!(took < GONE_AFTER, "took {took:?}\n{ended}");
    drop(reader);
}

fn what_was_given_up_is_said(mode: Mode) {
    let (reader, writer) = full_pipe();
    let (ended, _) = strike(busy(mode, "text").stdout(writer).start());
    ended.code(7).says(&["what members wrote last was not read, and is lost"]);
    drop(reader);
    let ended = relayed(mode, "text").main("web", "print=hello exit=0").start().end();
    ended.code(0).silent_about("was not read");
}

fn who_writes_nothing_costs_nothing(mode: Mode) {
    let mut group = relayed(mode, "text")
        .main("web", Shell("seq 100000; exec $FIXTURE $LOG web wait"))
        .sidecar("config-server", "print=hello wait")
        .start();
    group.wait_started(&["web", "config-server"]);
    let fateshare = group.fateshare();
    let (mut before, mut since) = (crate::idle::runs(fateshare), Instant::now());
    let quiet = poll(Duration::from_secs(20), || {
        let now = crate::idle::runs(fateshare);
        if now != before {
            (before, since) = (now, Instant::now());
        }
        (since.elapsed() > Duration::from_secs(1)).then_some(())
    });
    assert!(quiet.is_some(), "it ran {before} times by now");
    group.signal(Signal::SIGTERM);
    group.end().code(143);
}
