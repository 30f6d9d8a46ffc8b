//! What a member has written, as it is passed on: cut into lines, each with what belongs around it.

use std::time::Duration;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use fateshare::voice::format::{Colours, Frame, Stream};
use fateshare::voice::lines::{LONGEST, Splitter};
use fateshare::voice::out::Out;

/// So much is read at once, all that a pipe holds.
const PIECE: usize = 64 * 1024;

/// What a member may write.
#[derive(Clone, Copy, Debug)]
enum Written {
    /// 100 bytes a line, with its end.
    Lines,
    /// The same as JSON objects, as services log.
    Objects,
    /// 16 KiB a line.
    LongLines,
    /// One line that is too long, and so is split.
    Endless,
    /// Lines of 100 bytes, some of which are no UTF-8.
    Invalid,
    /// Lines of 100 bytes in another alphabet.
    Cyrillic,
}

const ALL: [Written; 6] = [
    Written::Lines,
    Written::Objects,
    Written::LongLines,
    Written::Endless,
    Written::Invalid,
    Written::Cyrillic,
];

impl Written {
    /// As many whole lines as one piece holds.
    fn piece(self) -> Vec<u8> {
        let line = match self {
            Self::Lines => line_of(b"127.0.0.1 - GET /config 200 (1.2 ms) ", 100),
            Self::Objects => {
                br#"{"time":"2025-11-25T15:12:01Z","level":"info","msg":"GET /config","status":200,"ms":1.25,"user":"x"}"#
                    .iter().chain(b"\n").copied().collect()
            }
            Self::LongLines => line_of(b"the quick brown fox jumps over the lazy dog, ", 16 * 1024),
            Self::Endless => return vec![b'x'; LONGEST + 1024],
            Self::Invalid => line_of(b"\xff bytes \xfe", 100),
            Self::Cyrillic => line_of("Съешь ещё этих мягких булок ".as_bytes(), 100),
        };
        line.repeat(PIECE / line.len())
    }
}

/// The text again and again, and an end.
fn line_of(text: &[u8], length: usize) -> Vec<u8> {
    let mut line: Vec<u8> = text.iter().copied().cycle().take(length - 1).collect();
    line.push(b'\n');
    line
}

/// One piece on its way through: what `voice::lane` does between reading and writing.
fn relay(bencher: Bencher<'_, '_>, written: Written, frame: &Frame) {
    let piece = written.piece();
    let (mut splitter, mut out, mut prefix) = (Splitter::default(), Out::default(), Vec::new());
    bencher.counter(BytesCount::of_slice(&piece)).bench_local(|| {
        frame.prefix(&mut prefix, Duration::from_micros(1_764_083_521_000_042));
        let mut at = 0;
        while let Some(line) = splitter.next(black_box(&piece), &mut at) {
            frame.append(&mut out, &prefix, line);
        }
        black_box(out.bytes());
        out.forget(out.len());
    });
}

#[divan::bench(args = ALL)]
fn text(bencher: Bencher<'_, '_>, written: Written) {
    let names = ["web", "config-server"].map(str::to_owned);
    relay(bencher, written, &Frame::text(&names, 0, Colours::None));
}

#[divan::bench(args = ALL)]
fn json(bencher: Bencher<'_, '_>, written: Written) {
    relay(bencher, written, &Frame::json("web", Stream::Stdout));
}

#[divan::bench(args = ALL)]
fn cloud_foundry(bencher: Bencher<'_, '_>, written: Written) {
    let frame = Frame::cloud_foundry("APP/PROC/WEB", Stream::Stdout, Colours::None);
    relay(bencher, written, &frame);
}

/// The cutter by itself.
#[divan::bench(args = ALL)]
fn lines(bencher: Bencher<'_, '_>, written: Written) {
    let piece = written.piece();
    let mut splitter = Splitter::default();
    bencher.counter(BytesCount::of_slice(&piece)).bench_local(|| {
        let mut at = 0;
        while let Some(line) = splitter.next(black_box(&piece), &mut at) {
            black_box(line);
        }
    });
}

/// A line at a time, as most members write: what one line costs, the time in front of it too.
#[divan::bench]
fn one_json_line(bencher: Bencher<'_, '_>) {
    let line = line_of(b"127.0.0.1 - GET /config 200 (1.2 ms) ", 100);
    let frame = Frame::json("web", Stream::Stdout);
    let (mut splitter, mut out, mut prefix) = (Splitter::default(), Out::default(), Vec::new());
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        frame.prefix(&mut prefix, Duration::from_micros(1_764_083_521_000_042));
        if let Some(line) = splitter.next(black_box(&line), &mut 0) {
            frame.append(&mut out, &prefix, line);
        }
        black_box(out.bytes());
        out.forget(out.len());
    });
}
