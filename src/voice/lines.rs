//! From pieces of a stream to lines: the rules, without any I/O.
//!
//! A line ends with `\n`, and everything else passes through: `\r` (unless that ends lines too), NUL
//! bytes, what is no UTF-8. A line of more than [`LONGEST`] bytes is split, where possible not within a character. What has no
//! end when the stream ends is a line too.

use memchr::{memchr, memchr2};

/// The most bytes that are one line.
pub const LONGEST: usize = 60 * 1024;

/// What becomes of memory that a long unfinished line took.
const KEPT: usize = 256;

/// One line, or a part of one that is too long, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// How it ended.
    pub end: End,
}

/// What ends a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ends {
    /// `\n`.
    #[default]
    Newline,
    /// `\n` or `\r`, as on Cloud Foundry.
    NewlineOrReturn,
}

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With what ends lines.
    Newline,
    /// It was too long: the next line goes on with it.
    Split,
    /// With the stream.
    Unfinished,
}

/// Takes a stream apart. Holds no more than one unfinished line.
#[derive(Debug, Default)]
pub struct Splitter {
    tail: Vec<u8>,
    /// So much of the tail has been given out.
    given: usize,
    ends: Ends,
}

impl Splitter {
    /// For a stream whose lines end so.
    pub fn new(ends: Ends) -> Self {
        Self { ends, ..Self::default() }
    }

    /// The next line of `piece`, from `*at` on, which is moved behind it. `None` when the rest of
    /// the piece has no end: it is kept, and the piece is used up.
    pub fn next<'a>(&'a mut self, piece: &'a [u8], at: &mut usize) -> Option<Line<'a>> {
        self.forget_given();
        let rest = piece.get(*at..).unwrap_or_default();
        let newline = match self.ends {
            Ends::Newline => memchr(b'\n', rest),
            Ends::NewlineOrReturn => memchr2(b'\n', b'\r', rest),
        };
        let line = &rest[..newline.unwrap_or(rest.len())];
        if self.tail.len() + line.len() > LONGEST {
            return Some(self.split(line, at));
        }
        if newline.is_none() {
            self.tail.extend_from_slice(line);
            *at += line.len();
            return None;
        }
        *at += line.len() + 1;
        if self.tail.is_empty() {
            return Some(Line { bytes: line, end: End::Newline });
        }
        self.tail.extend_from_slice(line);
        self.given = self.tail.len();
        Some(Line { bytes: &self.tail, end: End::Newline })
    }

    /// A first part of a line that is too long, from the tail and then from here.
    fn split<'a>(&'a mut self, line: &'a [u8], at: &mut usize) -> Line<'a> {
        let end = End::Split;
        if self.tail.is_empty() {
            let bytes = &line[..cut(&line[..=LONGEST])];
            *at += bytes.len();
            return Line { bytes, end };
        }
        let taken = LONGEST + 1 - self.tail.len();
        self.tail.extend_from_slice(&line[..taken]);
        *at += taken;
        self.given = cut(&self.tail);
        Line { bytes: &self.tail[..self.given], end }
    }

    /// What is left when the stream is over.
    pub fn finish(&mut self) -> Option<Line<'_>> {
        self.forget_given();
        self.given = self.tail.len();
        (self.given > 0).then_some(Line { bytes: &self.tail, end: End::Unfinished })
    }

    fn forget_given(&mut self) {
        if self.given == 0 {
            return;
        }
        self.tail.drain(..std::mem::take(&mut self.given));
        if self.tail.is_empty() && self.tail.capacity() > KEPT {
            self.tail = Vec::new();
        }
    }
}

/// Where to cut text that is one byte too long: before the character that the last byte is in the
/// middle of, if it is in one.
fn cut(text: &[u8]) -> usize {
    let last = text.len() - 1;
    let goes_on = |at: &usize| text[*at] & 0b1100_0000 == 0b1000_0000;
    let first = (last.saturating_sub(3)..=last).rev().find(|at| !goes_on(at));
    // Only what could be a character is kept together: `text` cannot show its end.
    match first {
        Some(first) if last - first < length(text[first]) => first,
        _ => last,
    }
}

/// How many bytes a character has that begins with this one; 0 for those that begin none.
fn length(first: u8) -> usize {
    match first {
        0..=0x7f => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All lines of a stream that comes in pieces of these sizes, again and again.
    fn lines(stream: &[u8], sizes: &[usize]) -> Vec<(Vec<u8>, End)> {
        split(Splitter::default(), stream, sizes)
    }

    fn split(mut splitter: Splitter, stream: &[u8], sizes: &[usize]) -> Vec<(Vec<u8>, End)> {
        let mut lines = Vec::new();
        let mut rest = stream;
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, behind) = rest.split_at((*size).clamp(1, rest.len()));
            let mut at = 0;
            while let Some(line) = splitter.next(piece, &mut at) {
                lines.push((line.bytes.to_vec(), line.end));
            }
            assert_eq!(at, piece.len(), "it is used up");
            rest = behind;
        }
        if let Some(line) = splitter.finish() {
            lines.push((line.bytes.to_vec(), line.end));
        }
        assert!(splitter.finish().is_none());
        lines
    }

    fn newline(text: &[u8]) -> (Vec<u8>, End) {
        (text.to_vec(), End::Newline)
    }

    #[test]
    fn everything_but_newlines_passes_through() {
        let stream = b"one\r\n\n\0two\xff\rthree\nfour";
        let expected = vec![
            newline(b"one\r"),
            newline(b""),
            newline(b"\0two\xff\rthree"),
            (b"four".to_vec(), End::Unfinished),
        ];
        for size in 1..=stream.len() {
            assert_eq!(lines(stream, &[size]), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_carriage_return_can_end_a_line_too() {
        let stream = b"one\r\ntwo\rthree\n\rfour";
        let expected = ["one", "", "two", "three", ""].map(|text| newline(text.as_bytes()));
        for size in 1..=stream.len() {
            let lines = split(Splitter::new(Ends::NewlineOrReturn), stream, &[size]);
            assert_eq!(lines[..5], expected, "in pieces of {size}");
            assert_eq!(lines[5..], [(b"four".to_vec(), End::Unfinished)]);
        }
    }

    #[test]
    fn a_line_may_be_60_kib_long_and_no_longer() {
        let mut stream = vec![b'a'; LONGEST];
        stream.push(b'\n');
        for sizes in [&[usize::MAX][..], &[1000], &[LONGEST], &[LONGEST - 1, 1]] {
            assert_eq!(lines(&stream, sizes), [newline(&stream[..LONGEST])]);
        }
        stream.insert(0, b'b');
        for sizes in [&[usize::MAX][..], &[1000], &[LONGEST], &[LONGEST + 1, 1], &[7, LONGEST]] {
            let (first, rest) = stream.split_at(LONGEST);
            assert_eq!(lines(&stream, sizes), [(first.to_vec(), End::Split), newline(&rest[..1])]);
        }
    }

    #[test]
    fn a_character_is_not_split() {
        for (character, before) in [("é", 1), ("€", 1), ("€", 2), ("😀", 1), ("😀", 2), ("😀", 3)]
        {
            // So many of its bytes would be in the first part.
            let mut stream = vec![b'a'; LONGEST - before];
            stream.extend_from_slice(character.as_bytes());
            stream.extend_from_slice(b"b\n");
            for sizes in [&[usize::MAX][..], &[1000], &[1], &[LONGEST], &[LONGEST + 1]] {
                let (first, rest) = stream.split_at(LONGEST - before);
                let rest = newline(&rest[..rest.len() - 1]);
                assert_eq!(lines(&stream, sizes), [(first.to_vec(), End::Split), rest]);
            }
        }
    }

    #[test]
    fn what_is_no_character_is_split_anywhere() {
        for byte in [0x80, 0xbf, 0xff, 0xc0] {
            let stream = vec![byte; LONGEST + 5];
            let (first, rest) = stream.split_at(LONGEST);
            let expected = [(first.to_vec(), End::Split), (rest.to_vec(), End::Unfinished)];
            assert_eq!(lines(&stream, &[usize::MAX]), expected, "{byte:x}");
            assert_eq!(lines(&stream, &[999]), expected, "{byte:x}");
        }
    }

    #[test]
    fn an_unfinished_line_takes_no_memory_when_it_is_through() {
        let mut splitter = Splitter::default();
        assert!(splitter.next(&vec![b'a'; 50_000], &mut 0).is_none());
        assert!(splitter.next(b"b\n", &mut 0).is_some());
        assert!(splitter.next(b"", &mut 0).is_none());
        assert!(splitter.tail.capacity() <= KEPT);
    }
}
