//! The server on nonsense, many times: mutated requests in pieces. `FATESHARE_FUZZ=N` connections; two
//! thousand without it.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::Board;
use super::server::{Door, LONGEST, Pool, serve};
use crate::chance::Chance;
use crate::core::{Happening, Killing, Moment, Over};
use crate::spec::{Overlay, SpecFile, read};

const SEEDS: [&[u8]; 14] = [
    b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/events?since=3 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /readyz HTTP/1.0\r\n\r\n",
    b"GET http://x/livez HTTP/1.1\r\nConnection: keep-alive\r\n\r\n",
    b"POST /v1/status HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nExpect: 100-continue\r\nUpgrade: h2c\r\n\r\n",
    b"CONNECT x:1 HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    b"GET /v1/events?since=18446744073709551615&&since=0 HTTP/1.1\r\n\r\n",
    b"X-Header: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
    b"\r\n\r\n\0\xff\xc3\xe2",
];

/// What may be answered.
const CODES: [&str; 10] = ["100", "200", "400", "403", "404", "405", "408", "414", "431", "503"];

impl Chance {
    /// Some seeds one behind the other, now and then one very often, with a few bytes changed.
    fn request(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        for _ in 0..=self.below(3) {
            let seed = SEEDS[self.below(SEEDS.len())];
            let times = if self.below(50) == 0 { 1 + 40_000 / seed.len() } else { 1 };
            for _ in 0..times {
                text.extend_from_slice(seed);
            }
        }
        for _ in 0..self.below(6) {
            let (at, byte) = (self.below(text.len()), u8::try_from(self.below(256)).unwrap_or(0));
            match self.below(3) {
                _ if text.is_empty() => {}
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                _ => drop(text.remove(at)),
            }
        }
        text
    }
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

#[test]
fn whatever_comes_is_answered_or_hung_up_on() {
    let count =
        std::env::var("FATESHARE_FUZZ").ok().and_then(|it| it.parse().ok()).unwrap_or(2_000);
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let board = board();
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut answered = 0;
    for _ in 0..count {
        let door = [Door::Entitled, Door::Refused(5), Door::Probes][chance.below(3)];
        let (request, pieces) = (chance.request(), 1 + chance.below(4));
        let answer = runtime.block_on(async {
            let (mut client, server) = duplex(64 * 1024);
            let server = tokio::spawn(serve(server, board.clone(), door));
            let mut answer = Vec::new();
            for piece in request.chunks(request.len().div_ceil(pieces).max(1)) {
                // Who has heard enough hangs up.
                if client.write_all(piece).await.is_err() {
                    break;
                }
            }
            let _ = client.shutdown().await;
            let read = timeout(LONGEST * 2, client.read_to_end(&mut answer)).await;
            read.expect("it ends").ok();
            server.await.expect("no panic");
            answer
        });
        let text = String::from_utf8_lossy(&answer);
        let code = text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5));
        assert!(
            text.is_empty() || code.is_some_and(|code| CODES.contains(&code)),
            "{:?} -> {text:?}",
            String::from_utf8_lossy(&request)
        );
        answered += usize::from(code == Some("200"));
    }
    assert!(answered > count / 50, "some of it makes sense: {answered} of {count}");
}

#[test]
fn the_crowd_loses_its_own() {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut pool = Pool::new(4);
        for whose in [1, 2, 2, 2] {
            pool.admit(whose, std::future::pending());
        }
        pool.admit(2, std::future::pending());
        pool.admit(3, std::future::pending());
        let left: Vec<i32> = pool.tasks.iter().map(|(whose, _)| *whose).collect();
        assert_eq!(left, [1, 2, 2, 3], "the oldest of those with the most");
        pool.admit(4, std::future::pending());
        pool.admit(5, std::future::pending());
        let left: Vec<i32> = pool.tasks.iter().map(|(whose, _)| *whose).collect();
        assert_eq!(left, [2, 3, 4, 5], "among equals the oldest");
    });
}
