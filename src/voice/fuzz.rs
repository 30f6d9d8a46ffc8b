//! The splitter and the escaper on nonsense, many times: mutated pieces of what logs hold, in pieces
//! of any size. `FATESHARE_FUZZ=N` executions of each; a few thousand without it.

use super::json;
use super::lines::{End, LONGEST, Splitter};
use super::out::Out;
use crate::chance::Chance;

/// What is mutated: what the rules speak of, and the edges of the words that are looked at.
const SEEDS: [&[u8]; 12] = [
    b"",
    b"\n",
    b"plain text of a log\n",
    b"{\"level\":\"info\",\"msg\":\"say \\\"hi\\\"\",\"n\":[1,2.5e3,null]}\n",
    b"\r\n\r\n\r",
    b"\0\x01\x1f\x20\x7f\x80\xff",
    "é€😀\u{fffd}\u{10ffff}".as_bytes(),
    b"\xc3\xe2\x82\xf0\x9f\x98\xed\xa0\x80\xc0\x80\xf5",
    b"\"\"\"\"\"\"\"\"\\\\\\\\\\\\\\\\",
    b"1234567\"1234567\\12345678\n",
    b"{}{}[]\"\\ud800\\udc00\\ud800\"",
    b"\x1b[0;31mred\x1b[0m\tand\x08\x0c\n",
];

impl Chance {
    /// Some seeds one behind the other, with a few bytes changed, left out, or doubled; now and then
    /// one of them often, so that a line is too long.
    fn text(&mut self, longest: usize) -> Vec<u8> {
        let mut text = Vec::new();
        for _ in 0..self.below(6) {
            let seed = SEEDS[self.below(SEEDS.len())];
            let times = if self.below(200) == 0 { longest / seed.len().max(1) } else { 1 };
            for _ in 0..times {
                text.extend_from_slice(seed);
            }
        }
        for _ in 0..self.below(5) {
            let at = self.below(text.len());
            let byte = self.next().to_le_bytes()[0];
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

/// Whether a whole character begins before this place and ends behind it.
fn is_within_a_character(text: &[u8], place: usize) -> bool {
    (1..=3).any(|before| {
        let from = place - before;
        (before + 1..=4).any(|length| {
            let character = text.get(from..from + length).map(std::str::from_utf8);
            character.is_some_and(|it| it.is_ok_and(|text| text.chars().count() == 1))
        })
    })
}

fn executions() -> usize {
    let set = std::env::var("FATESHARE_FUZZ").ok().and_then(|text| text.parse().ok());
    set.unwrap_or(3_000)
}

#[test]
fn the_splitter_loses_nothing() {
    let mut chance = Chance(0x5eed);
    for _ in 0..executions() {
        let text = chance.text(2 * LONGEST);
        let mut splitter = Splitter::default();
        let (mut back, mut rest) = (Vec::new(), text.as_slice());
        let mut finished = false;
        while !finished {
            let limit = [1, 10, 5_000, 40_000][chance.below(4)];
            let (piece, behind) = rest.split_at((1 + chance.below(limit)).min(rest.len()));
            finished = piece.is_empty();
            rest = behind;
            let mut at = 0;
            loop {
                let line = if finished { splitter.finish() } else { splitter.next(piece, &mut at) };
                let Some(line) = line else { break };
                assert!(line.bytes.len() <= LONGEST && !line.bytes.contains(&b'\n'));
                back.extend_from_slice(line.bytes);
                match line.end {
                    End::Newline => back.push(b'\n'),
                    End::Split => {
                        assert!(line.bytes.len() >= LONGEST - 3);
                        assert!(!is_within_a_character(&text, back.len()));
                    }
                    End::Unfinished => assert!(!line.bytes.is_empty()),
                }
            }
            assert!(finished || at == piece.len(), "it is used up");
        }
        assert!(back == text, "what went in came out");
    }
}

#[test]
fn the_escaper_can_be_read_back() {
    let mut chance = Chance(0xe5ca);
    let mut out = Out::default();
    for _ in 0..executions() {
        let text = chance.text(2_000);
        out.forget(out.len());
        out.push(b'"');
        json::escape(&mut out, &text);
        out.push(b'"');
        let back: String = serde_json::from_slice(out.bytes()).expect("a JSON string");
        assert_eq!(back, String::from_utf8_lossy(&text));
        if let Some(object) = json::object(&text) {
            let value: serde_json::Value = serde_json::from_slice(object).expect("JSON");
            assert!(value.is_object());
        }
    }
}
