//! HTTP, at all three ends: what is asked of a running group, what a group answers to `ps`, and what an app
//! answers to a health check.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use fateshare::core::{Happening, Killing, Moment, Over};
use fateshare::health;
use fateshare::report::timeline::Letters;
use fateshare::spec::{Overlay, SpecFile, read};
use fateshare::status::Board;
use fateshare::status::client::{Found, Refusal, converse, shown};
use fateshare::status::ps::{PsLook, judge as judge_health, show};
use fateshare::status::server::{Door, serve};
use fateshare::sys::status_socket::Place;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::choices::Choices;
use super::judge;

/// No input waits for anything, so nothing takes as long as this.
const LONGEST: Duration = Duration::from_secs(8);

/// What a server may answer.
const CODES: [&str; 9] = ["200", "400", "403", "404", "405", "408", "414", "431", "503"];

thread_local! {
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_time().build().expect("a runtime");
    static BOARD: Board = board();
}

/// Of a group that is over: then a stream of its events has an end.
fn board() -> Board {
    let file = SpecFile { shown: "spec.yml".to_owned(), folder: "/".into() };
    let spec = b"{main: {command: [web]}, sidecars: [{name: '\"s\\', command: [s]}]}";
    let launch = read(spec, &file, &Overlay::default()).expect("a good spec").launch;
    let board = Board::new(&launch, Vec::new(), Duration::ZERO, || (Vec::new(), 0));
    let over = Over {
        code: 3,
        took: Duration::ZERO,
        forced: Vec::new(),
        forced_stragglers: Vec::new(),
        killing: Killing::NotNeeded,
        left: Vec::new(),
        left_stragglers: Vec::new(),
        gave_up: false,
    };
    for happening in [Happening::AllRunning, Happening::Over(over)] {
        board.add(Moment::ZERO, happening, false);
    }
    board
}

/// A request in pieces: it is answered in HTTP, or hung up on; and at once, when no more of it comes.
pub(super) fn status(data: &[u8]) -> bool {
    let mut choices = Choices(data);
    let door = choices.of(&[Door::Entitled, Door::Probes, Door::Refused(5)]);
    let pieces = choices.below(4) + 1;
    let request = choices.0;
    let board = BOARD.with(Board::clone);
    let answer = run(async move {
        let (mut client, server) = duplex(64 * 1024);
        let server = tokio::spawn(serve(server, board, door));
        for piece in request.chunks(request.len().div_ceil(pieces).max(1)) {
            // Who has heard enough hangs up.
            if client.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let _ = client.shutdown().await;
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.ok();
        server.await.expect("no panic");
        answer
    });
    if answer.is_empty() {
        return false;
    }
    let (code, body) = parse(&answer);
    assert!(CODES.contains(&code.as_str()), "{code}");
    if door == Door::Entitled && code == "200" && body.starts_with(b"{") {
        for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            serde_json::from_slice::<serde_json::Value>(line).expect("JSON");
        }
    }
    if matches!(door, Door::Refused(_)) {
        assert_ne!(code, "200", "who may not ask is told nothing");
    }
    code == "200"
}

/// The code and the body of a whole answer; anything else is none.
fn parse(answer: &[u8]) -> (String, Vec<u8>) {
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n").expect("the end of a head");
    let head = std::str::from_utf8(&answer[..end]).expect("a head of text");
    let body = &answer[end + 4..];
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let version = first.strip_prefix("HTTP/1.1 ").or_else(|| first.strip_prefix("HTTP/1.0 "));
    let code = version.and_then(|rest| rest.get(..3)).unwrap_or_else(|| panic!("{first:?}"));
    // Who waits to be told to go on is told that first.
    if code == "100" {
        return parse(body);
    }
    let (mut length, mut chunked) = (None, false);
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?}"));
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = Some(value.parse::<usize>().expect("a length")),
            "transfer-encoding" => chunked = value == "chunked",
            _ => {}
        }
    }
    // Whoever asked for the head alone gets that.
    let body = match length {
        _ if body.is_empty() => Vec::new(),
        Some(length) => {
            assert_eq!(body.len(), length, "{head}");
            body.to_vec()
        }
        None if chunked => dechunked(body),
        None => body.to_vec(),
    };
    (code.to_owned(), body)
}

fn dechunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|part| part == b"\r\n").expect("a chunk's size");
        let size = std::str::from_utf8(&rest[..end]).expect("a number");
        let size = usize::from_str_radix(size, 16).expect("a number");
        rest = &rest[end + 2..];
        body.extend_from_slice(rest.get(..size).expect("a whole chunk"));
        rest = rest[size..].strip_prefix(b"\r\n").expect("the end of a chunk");
        if size == 0 {
            assert!(rest.is_empty(), "nothing behind the end");
            return body;
        }
    }
}

/// A server's answer: a table that a terminal can show, or a short reason.
pub(super) fn answer(data: &[u8]) -> bool {
    let text = data.to_vec();
    let answer = run(async move { converse(server(text, 64 * 1024)).await });
    match answer {
        Ok(status) => {
            let place = Place::parse(Path::new("/run/fateshare.sock"));
            let found = [Found { place, status: Ok(status), own: true }];
            for (width, letters) in [(None, Letters::Unicode), (Some(40), Letters::Ascii)] {
                let look = PsLook { width, letters };
                let (table, failures) = show(&found, false, look);
                judge::is_harmless("a table", &table);
                assert!(failures.is_empty());
                let too_wide = |line: &str| width.is_some_and(|it| line.chars().count() > it);
                assert!(!table.lines().any(too_wide), "{table}");
                let (text, _) = show(&found, true, look);
                serde_json::from_str::<serde_json::Value>(&text).expect("JSON");
            }
            for ready in [true, false] {
                let (Ok(line) | Err(line)) = judge_health(&found, ready);
                judge::is_one_line("health", &line);
            }
            true
        }
        Err(Refusal::Silent(why)) => {
            let line = shown(&why);
            judge::is_one_line("no answer", &line);
            assert!(line.len() <= 300, "{line}");
            false
        }
        Err(_) => false,
    }
}

/// An app's answers to a health check, one after the other: a status, or a reason that fits into a line.
pub(super) fn probe(data: &[u8]) -> bool {
    let mut choices = Choices(data);
    // The end of an answer is a byte that no text has.
    let answers: Vec<Vec<u8>> = (0..12).map(|_| choices.until(0xff).to_vec()).collect();
    let asked = Cell::new(0_usize);
    let status = run(async {
        let connect = || {
            let number = asked.get();
            asked.set(number + 1);
            let answer = answers.get(number).cloned().unwrap_or_default();
            async move { Ok::<_, io::Error>(server(answer, 16 * 1024)) }
        };
        let first = connect().await.expect("a stream");
        let address = SocketAddr::from(([127, 0, 0, 1], 8080));
        health::status(first, address, "/a/b?c=/d", connect).await
    });
    assert!(asked.get() <= 11, "ten redirects are followed");
    match status {
        Ok(status) => {
            assert!((100..1000).contains(&status), "{status}");
            status == 200
        }
        Err(why) => {
            judge::is_one_line("a failure", &why);
            assert!(why.len() <= 1_000, "{why}");
            false
        }
    }
}

/// The client's end of a connection to somebody who hears the question, says this and hangs up.
fn server(answer: Vec<u8>, room: usize) -> DuplexStream {
    let (client, mut server) = duplex(room);
    tokio::spawn(async move {
        let mut question = [0; 1024];
        let _ = server.read(&mut question).await;
        let _ = server.write_all(&answer).await;
        let _ = server.shutdown().await;
        let _ = server.read_to_end(&mut Vec::new()).await;
    });
    client
}

fn run<T>(work: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| {
        runtime.block_on(async { timeout(LONGEST, work).await.expect("nothing blocks") })
    })
}
