//! Clients that are slow, many, or talk nonsense change nothing for the group.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{MOMENT, about, asked, connect, get, socket, wait_running};
use crate::idle::wait_quiet;
use crate::real_programs::free_address;
use crate::support::host::{can_change_users, can_make_calls_fail};
use crate::support::{Group, Mode, Shell, heavy, in_both_modes};

in_both_modes![
    a_thousand_bad_clients_change_neither_the_teardown_nor_memory,
    an_idle_client_wakes_nobody_up,
    without_a_client_nothing_runs,
    the_oldest_goes_when_there_are_too_many,
    a_reader_that_does_not_read_holds_up_nothing,
];

fn pair(mode: Mode) -> Group {
    asked(Group::new(mode))
        .main("web", "exit-on=TERM:0 wait")
        .sidecar("config-server", "exit-on=TERM:0 wait")
}

/// What bad clients send.
const GARBAGE: [&[u8]; 8] = [
    b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    b"",
    b"G",
    b"GET /v1/status HTTP/1.1\r\nHost: ",
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n",
    b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /v1/status HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: x\r\n\r\nfffffffffffffffff\r\n",
];

/// Memory that is the process's own, in KiB.
fn private_dirty(pid: i32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("its memory");
    let line = rollup.lines().find(|line| line.starts_with("Private_Dirty:")).expect("the line");
    line.split_whitespace().nth(1).and_then(|it| it.parse().ok()).expect("a number")
}

/// At most 32 connections with at most 16 KiB of a request each, on both doors: a megabyte and a half,
/// with all that belongs to a connection. Promised are two; a build with debug assertions needs no more.
const MOST_MEMORY: u64 = 2 * 1024;

/// Without clients the teardown of two that end at once takes milliseconds. The rest is for machines that are busy with
/// clients.
const LONGEST_TEARDOWN: Duration = Duration::from_secs(3);

fn a_thousand_bad_clients_change_neither_the_teardown_nor_memory(mode: Mode) {
    let _one_at_a_time = heavy();
    let port = free_address();
    // An answer of a hundred kilobytes, which most of them ask for and do not read.
    let words: Vec<String> = (0..2_000).map(|number| format!("say={number:050}")).collect();
    let group = pair(mode).sidecar("wordy", &*format!("{} exit-on=TERM:0 wait", words.join(" ")));
    let mut group = group.arguments(&["--listen", &port.to_string()]).start();
    wait_running(&mut group);
    let fateshare = group.fateshare();
    // What the first answer of each kind takes is no client's fault.
    for _ in 0..40 {
        drop(get(&group, "/metrics"));
    }
    let before = private_dirty(fateshare);
    let mut slow: Vec<UnixStream> = Vec::new();
    for number in 0..1_000 {
        let mut stream = connect(&group);
        // Whoever was let in before may be gone: that is the point.
        let _ = stream.write_all(GARBAGE[number % GARBAGE.len()]);
        slow.push(stream);
        if slow.len() > 200 {
            slow.drain(..100);
        }
        if number % 10 == 0
            && let Ok(mut probe) = TcpStream::connect(port)
        {
            let _ = probe.write_all(GARBAGE[number / 10 % GARBAGE.len()]);
        }
    }
    // They are all still there, and go on sending while it ends.
    let stop = AtomicBool::new(false);
    let path = socket(group.dir());
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    if let Ok(mut stream) = UnixStream::connect(&path) {
                        let _ = stream.write_all(GARBAGE[2]);
                    }
                }
            });
        }
        let said = about(&group, &["health"]);
        assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
        let grown = private_dirty(fateshare).saturating_sub(before);
        assert!(grown < MOST_MEMORY, "{grown} KiB more");
        group.signal_member("config-server", Signal::SIGKILL);
        let ended = group.end();
        ended.code(137);
        let line = ended.ours().into_iter().find_map(|line| line.split_once("ended in "));
        let (_, took) = line.expect("the ended line");
        let took = took.split(',').next().expect("its time").to_owned();
        assert!(millis(&took) < LONGEST_TEARDOWN.as_secs_f64() * 1e3, "{took}");
    });
}

/// Ends the others when the test does, however that is.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// `1.5ms`, `310ms` or `2s`.
fn millis(text: &str) -> f64 {
    match text.strip_suffix("ms") {
        Some(number) => number.parse().expect("a number"),
        None => text.trim_end_matches('s').parse::<f64>().expect("a number") * 1e3,
    }
}

fn an_idle_client_wakes_nobody_up(mode: Mode) {
    let mut group = pair(mode).start();
    wait_running(&mut group);
    let silent = connect(&group);
    let mut listening = connect(&group);
    listening
        .write_all(b"GET /v1/events HTTP/1.1\r\nHost: fateshare\r\n\r\n")
        .expect("the request is taken");
    let mut some = [0; 4096];
    assert!(listening.read(&mut some).expect("the first events") > 0);
    wait_quiet(&mut group);
    // Both are still served: an event reaches the one, and the other may ask now.
    drop(super::answer(silent, "/v1/status"));
    group.signal(Signal::SIGTERM);
    let mut rest = String::new();
    listening.read_to_string(&mut rest).expect("the last events");
    assert!(rest.contains("\"type\":\"over\""), "{rest}");
    group.end().code(0);
}

fn without_a_client_nothing_runs(mode: Mode) {
    let port = free_address().to_string();
    let mut group = pair(mode).arguments(&["--listen", &port]).start();
    wait_running(&mut group);
    wait_quiet(&mut group);
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}

fn the_oldest_goes_when_there_are_too_many(mode: Mode) {
    let mut group = pair(mode).start();
    wait_running(&mut group);
    let mut oldest = connect(&group);
    oldest.write_all(b"GET").expect("it is let in");
    thread::sleep(MOMENT);
    let others: Vec<UnixStream> = (0..32).map(|_| connect(&group)).collect();
    // It is hung up on, be it with an error, and those that came later are not.
    let mut byte = [0];
    assert!(matches!(oldest.read(&mut byte), Ok(0) | Err(_)));
    assert_eq!(about(&group, &["health"]).code, Some(0));
    let last = others.into_iter().next_back().expect("there are some");
    assert!(super::answer(last, "/v1/status").0.starts_with("HTTP/1.1 200 "));
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}

fn a_reader_that_does_not_read_holds_up_nothing(mode: Mode) {
    let mut group = asked(Group::new(mode)).main("web", "count=USR1 wait").start();
    wait_running(&mut group);
    let mut stream = connect(&group);
    stream
        .write_all(b"GET /v1/events HTTP/1.1\r\nHost: fateshare\r\n\r\n")
        .expect("the request is taken");
    stream.shutdown(Shutdown::Write).expect("nothing more to say");
    // More events than any buffer between us holds; it reads none of them.
    let mut events = 0;
    while events < 900 {
        group.signal(Signal::SIGUSR1);
        events = super::status(&group)["events"].as_u64().expect("a number");
    }
    group.signal_member("web", Signal::SIGKILL);
    group.end().code(137);
    drop(stream);
}

#[test]
fn what_fails_there_ends_nothing() {
    if !can_make_calls_fail() {
        return;
    }
    // Whose peer cannot be told is not answered, and the group goes on.
    let mut group = pair(Mode::Ordinary).failing("peer_credentials:5").start();
    group.wait_started(&["web", "config-server"]);
    let said = group.until("it listens", |group| {
        socket(group.dir()).exists().then(|| about(group, &["health"]))
    });
    assert_eq!(said.code, Some(1), "{}", said.stdout);
    group.signal(Signal::SIGTERM);
    group.end().code(0);

    // Whoever may listen there is left alone.
    let group = pair(Mode::Ordinary);
    drop(std::os::unix::net::UnixListener::bind(socket(group.dir())).expect("a socket"));
    let mut group = group.failing("connect_socket:12").start();
    group.wait_started(&["web", "config-server"]);
    group.signal(Signal::SIGTERM);
    group.end().code(0);

    // A directory that cannot be made is one place less.
    if can_change_users() {
        let group = Group::new(Mode::Ordinary).main("web", Shell("exit 3"));
        let group = group.without_env("FATESHARE_SOCKET").failing("mkdir_socket:13");
        group.run_by_nobody("").start().end().code(3).silent_about("no socket can be made");
        // One that cannot be removed stays, and is no harm.
        let group = Group::new(Mode::Ordinary).main("web", Shell("exit 3"));
        let group = group.without_env("FATESHARE_SOCKET").failing("rmdir_socket:13");
        group.run_by_nobody("").start().end().code(3);
        // Others may have theirs there.
        let _ = std::fs::remove_dir("/tmp/fateshare-65534");
    }

    // Where there is none at all it is said, once, and nothing else changes.
    let group = Group::new(Mode::Ordinary).main("web", "exit-on=TERM:0 wait");
    let group = group.without_env("FATESHARE_SOCKET").failing("bind_socket:12,open_lock:30");
    let mut group = group.start();
    group.wait_started(&["web"]);
    group.signal(Signal::SIGTERM);
    group.end().code(0).says(&["no socket can be made, so nobody can ask for the status"]);
}
