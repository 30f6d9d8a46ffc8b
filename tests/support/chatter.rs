//! A member that is never quiet: numbered lines on both streams, in bursts and in pieces, and children that it
//! leaves to others.
//!
//! A line is `NAME STREAM NUMBER LENGTH FILLER`, so that whoever reads it sees whether it is whole, and whether
//! one is missing before it: `web o 17 5 rrrrr`. The filler is LENGTH times the letter that belongs to the number.

use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Actor, Flow, millis};

/// What a pipe takes in one piece, whoever else writes to it.
const ATOMIC: u64 = 4_096;

/// The letters that lines are filled with, one after the other.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

/// One of the two streams.
struct Stream {
    letter: char,
    out: File,
    written: u64,
}

impl Stream {
    fn new(letter: char, descriptor: BorrowedFd<'_>) -> Self {
        let out = descriptor.try_clone_to_owned().expect("one more descriptor").into();
        Self { letter, out, written: 0 }
    }

    fn line(&mut self, name: &str, length: usize) -> Vec<u8> {
        self.written += 1;
        let mut line = format!("{name} {} {} {length} ", self.letter, self.written).into_bytes();
        let at = usize::try_from(self.written).expect("a number of lines") % LETTERS.len();
        line.resize(line.len() + length, LETTERS[at]);
        line.push(b'\n');
        line
    }

    fn write(&mut self, bytes: &[u8]) {
        self.out.write_all(bytes).expect("somebody reads it");
    }
}

/// Numbers that are spread well enough, the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn length(&mut self, most: u64) -> usize {
        let length = match self.below(100) {
            0..70 => 20 + self.below(100),
            70..90 => self.below(1_000),
            90..98 => self.below(3_900),
            _ => self.below(50_000),
        };
        usize::try_from(length.min(most)).expect("a length")
    }
}

impl Actor {
    /// `chat=SEED:MS` or `chat=SEED:MS:whole`: writes until a signal ends it, with pauses of about so many
    /// milliseconds; `whole` never writes a part of a line, nor one that a pipe would not take at once.
    pub(super) fn chat(&mut self, value: &str) -> Flow {
        let mut parts = value.split(':');
        let seed: u64 = parts.next().and_then(|seed| seed.parse().ok()).expect("a seed");
        let pause = millis(parts.next().expect("a pause"));
        let whole = parts.next() == Some("whole");
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut streams =
            [Stream::new('o', io::stdout().as_fd()), Stream::new('e', io::stderr().as_fd())];
        let mut orphans = 0;
        if !whole {
            // Unfinished lines, as long as any will be, of all members at the same time: more is never needed.
            let lines = streams.each_mut().map(|stream| stream.line(&self.name, 60_000));
            let (begun, rest) = (0..59_990, 59_990..);
            for (stream, line) in streams.iter_mut().zip(&lines) {
                stream.write(&line[begun.clone()]);
            }
            std::thread::sleep(Duration::from_millis(500));
            for (stream, line) in streams.iter_mut().zip(&lines) {
                stream.write(&line[rest.clone()]);
            }
        }
        let end = loop {
            if let ControlFlow::Break(code) = self.burst(&mut dice, &mut streams, whole) {
                break code;
            }
            if dice.below(20) == 0 {
                // The one ends at once and has no parent then, or before; the other lives on for a moment.
                let script = format!("(: &); sleep 0.0{} &", dice.below(10));
                let status = Command::new("/bin/sh").args(["-c", &script]).status();
                assert!(status.expect("a shell").success(), "{script}");
                orphans += 2;
            }
            let most = u64::try_from(pause.as_micros()).expect("a short pause") * 2;
            let until = Instant::now() + Duration::from_micros(dice.below(most));
            if let ControlFlow::Break(code) = self.rest(Some(until)) {
                break code;
            }
        };
        let [out, err] = streams.map(|stream| stream.written);
        let signals: usize = self.counts.values().sum();
        self.say(&format!("chatted {out} {err} {orphans} {signals}"));
        Flow::Break(end)
    }

    fn burst(&mut self, dice: &mut Dice, streams: &mut [Stream; 2], whole: bool) -> Flow {
        let lines = if dice.below(50) == 0 { 200 } else { 1 + dice.below(12) };
        for _ in 0..lines {
            let at = usize::from(dice.below(3) == 0);
            let room = ATOMIC - u64::try_from(self.name.len()).expect("a name") - 32;
            let length = dice.length(if whole { room } else { u64::MAX });
            let line = streams[at].line(&self.name, length);
            if whole || dice.below(8) > 0 {
                streams[at].write(&line);
                continue;
            }
            let cut = usize::try_from(dice.below(line.len() as u64)).expect("a length");
            let (first, rest) = line.split_at(cut);
            streams[at].write(first);
            let between = streams[1 - at].line(&self.name, 10);
            streams[1 - at].write(&between);
            let paused = self.rest(Some(Instant::now() + Duration::from_millis(dice.below(4))));
            // Whatever has come: a line that was begun is ended.
            streams[at].write(rest);
            paused?;
        }
        Flow::Continue(())
    }
}
