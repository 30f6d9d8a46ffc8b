//! Readers that take drop by drop, but steadily: nothing is given up.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};

use crate::relay::{objects, of_member, relayed};
use crate::support::{Mode, Shell, in_both_modes};

in_both_modes![
    a_pipe_of_which_less_than_a_page_is_taken,
    a_socket_that_is_emptied_slowly,
    a_terminal_that_is_shown_slowly,
    an_unfinished_line_has_the_time_of_its_reading,
];

/// Reads so much at a time for a while, then all the rest. Often enough that a busy machine does not
/// turn it into one that takes nothing for a quarter of a second.
///
/// Gives what it read, and whether it was that often.
fn drop_by_drop(mut from: impl Read, size: usize) -> (String, bool) {
    let began = Instant::now();
    let (mut last, mut often) = (began, true);
    let (mut all, mut some) = (Vec::new(), vec![0; size]);
    // A terminal whose other side is closed says so by an error.
    while let Ok(count @ 1..) = from.read(&mut some) {
        all.extend_from_slice(&some[..count]);
        often &= last.elapsed() < Duration::from_millis(200);
        last = Instant::now();
        if began.elapsed() < Duration::from_secs(2) {
            thread::sleep(Duration::from_millis(20));
        }
    }
    (String::from_utf8(all).expect("UTF-8"), often)
}

/// So often it is tried to read often enough.
const TRIES: u32 = 5;

/// Main writes so many numbers and is gone; they come all the same to a reader that takes so much at a time.
fn all_come<R: Read + Send + 'static>(
    mode: Mode,
    (count, size): (usize, usize),
    ends: impl Fn() -> (R, OwnedFd),
) {
    for _ in 0..TRIES {
        let (reader, writer) = ends();
        let group = relayed(mode, "text")
            .main("web", Shell(&format!("seq {count}")))
            .sidecar("config-server", "exit-on=TERM:0 wait")
            .top("grace_period: 60s")
            .stdout(File::from(writer))
            .arguments(&["--color=never"])
            .start();
        let text = thread::spawn(move || drop_by_drop(reader, size));
        let ended = group.end();
        ended.code(0);
        let (text, often) = text.join().expect("the reader ends");
        if !often {
            // The machine was so busy that it has read nothing for a while: who does that may lose something.
            continue;
        }
        ended.silent_about("was not read");
        let text = text.replace('\r', "");
        let lines = of_member(&text, "web");
        assert_eq!(lines.len(), count, "{ended}");
        assert!(lines.iter().zip(1..).all(|(line, number)| *line == number.to_string()));
        return;
    }
    panic!("nobody could read often enough, {TRIES} times");
}

fn a_pipe_of_which_less_than_a_page_is_taken(mode: Mode) {
    all_come(mode, (20_000, 1_200), || {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        (reader, writer.into())
    });
}

fn a_socket_that_is_emptied_slowly(mode: Mode) {
    all_come(mode, (40_000, 4_096), || {
        let (reader, writer) = UnixStream::pair().expect("a pair of sockets");
        (reader, writer.into())
    });
}

fn a_terminal_that_is_shown_slowly(mode: Mode) {
    all_come(mode, (500, 200), || {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY;
        let master = posix_openpt(flags | OFlag::O_CLOEXEC).expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("its other side");
        let name = ptsname_r(&master).expect("its name");
        let slave = File::options().write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(name);
        (master, slave.expect("it opens").into())
    });
}

fn an_unfinished_line_has_the_time_of_its_reading(mode: Mode) {
    let ended = relayed(mode, "json")
        .main("web", Shell("printf 'panic: oom'; sleep 0.5; exit 3"))
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .start()
        .end();
    ended.code(3);
    let (out, err) = (objects(&ended.stdout), objects(&ended.stderr));
    let line = out.iter().find(|it| it["message"] == "panic: oom").expect("the line");
    let verdict =
        err.iter().find(|it| it["message"].as_str().is_some_and(|it| it.contains("exited with 3")));
    let (read, said) = (line["time"].as_str(), verdict.expect("the verdict")["time"].as_str());
    assert!(read < said, "{ended}");
}
