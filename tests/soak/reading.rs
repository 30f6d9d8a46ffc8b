//! Reads what members have written, in each format, and holds it to what `tests/support/chatter.rs` writes: every
//! line is there once, whole, in its order, under its member's name.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, PipeReader};

use serde_json::Value;

/// How the members' output is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Raw,
    Text,
    Json,
    CloudFoundry,
}

impl Format {
    pub(crate) const ALL: [Self; 4] = [Self::Raw, Self::Text, Self::Json, Self::CloudFoundry];

    /// As `FATESHARE_LOG_FORMAT` has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Text => "text",
            Self::Json => "json",
            Self::CloudFoundry => "cf",
        }
    }

    /// What a line says, and who says it where that is told; nothing for a line that nobody has said.
    pub(crate) fn message(self, line: &str) -> Option<(Option<String>, String)> {
        const OURS: &str = "fateshare: ";
        let ours = |rest: &str| Some((Some("fateshare".to_owned()), rest.to_owned()));
        match self {
            Self::Raw | Self::Text if line.starts_with(OURS) => ours(&line[OURS.len()..]),
            Self::Raw => Some((None, line.to_owned())),
            Self::Text => {
                let (name, message) = line.split_once(" | ")?;
                Some((Some(name.trim_end().to_owned()), message.to_owned()))
            }
            Self::Json => {
                let object: Value = serde_json::from_str(line).ok()?;
                let text = |key: &str| object[key].as_str().map(str::to_owned);
                Some((Some(text("member")?), text("message")?))
            }
            Self::CloudFoundry => {
                let (_, rest) = line.split_once(" [")?;
                let (source, rest) = rest.split_once("] ")?;
                let message = rest.strip_prefix("OUT ").or_else(|| rest.strip_prefix("ERR "))?;
                let source = source.strip_suffix("/0").unwrap_or(source);
                let name = match source.rsplit('/').next()? {
                    "FATESHARE" | "CELL" | "API" => "fateshare".to_owned(),
                    name => name.to_lowercase(),
                };
                Some((Some(name), message.to_owned()))
            }
        }
    }
}

/// What came through one of `fateshare`'s two streams.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// The last number that came, by the member's name.
    pub(crate) last: BTreeMap<String, u64>,
    pub(crate) bytes: u64,
    /// Lines that are not as they were written, or not where they belong.
    pub(crate) wrong: Vec<String>,
    /// What fateshare itself said.
    pub(crate) ours: Vec<String>,
}

/// So many wrong lines say enough.
const ENOUGH: usize = 20;

/// Reads until nobody has the other end any more.
pub(crate) fn read(format: Format, letter: &str, pipe: PipeReader) -> Read {
    let mut read = Read::default();
    let mut lines = BufReader::with_capacity(1 << 16, pipe);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).expect("a pipe can be read") > 0 {
        read.bytes += line.len() as u64;
        let text = String::from_utf8_lossy(&line);
        if let Err(why) = read.take(format, letter, text.trim_end_matches('\n'))
            && read.wrong.len() < ENOUGH
        {
            let start: String = text.chars().take(200).collect();
            read.wrong.push(format!("{why}: {start}"));
        }
        line.clear();
    }
    read
}

impl Read {
    fn take(&mut self, format: Format, letter: &str, line: &str) -> Result<(), String> {
        let (who, message) = format.message(line).ok_or("no line of this format")?;
        if who.as_deref() == Some("fateshare") {
            self.ours.push(message);
            return Ok(());
        }
        // The platform's last word of a member.
        if format == Format::CloudFoundry && message.starts_with("Exit status ") {
            return Ok(());
        }
        let mut parts = message.splitn(5, ' ');
        let mut part = || parts.next().ok_or("a part is missing");
        let (name, stream, number, length, filler) = (part()?, part()?, part()?, part()?, part()?);
        if who.is_some_and(|who| who != name) {
            return Err("under another member's name".to_owned());
        }
        if stream != letter {
            return Err("on the other stream".to_owned());
        }
        let number: u64 = number.parse().map_err(|_| "no number")?;
        let last = self.last.entry(name.to_owned()).or_default();
        let expected = *last + 1;
        *last = number;
        if number != expected {
            return Err(format!("{expected} was expected"));
        }
        let letter = b'a' + u8::try_from(number % 26).expect("it is below 26");
        if length.parse() != Ok(filler.len()) || !filler.bytes().all(|byte| byte == letter) {
            return Err(format!("torn: {} bytes of filler", filler.len()));
        }
        Ok(())
    }
}

#[test]
fn what_is_missing_torn_or_out_of_place_is_seen() {
    let wrong = |lines: &[&str]| {
        let mut read = Read::default();
        lines.iter().filter(|line| read.take(Format::Text, "o", line).is_err()).count()
    };
    assert_eq!(wrong(&["web | web o 1 3 bbb", "db  | db o 1 0 ", "web | web o 2 1 c"]), 0);
    assert_eq!(wrong(&["web | web o 1 3 bbb", "web | web o 3 1 d"]), 1, "one is missing");
    assert_eq!(wrong(&["web | web o 1 3 bbb", "web | web o 1 3 bbb"]), 1, "one came twice");
    assert_eq!(wrong(&["web | web o 1 3 bb"]), 1, "torn");
    assert_eq!(wrong(&["web | web o 1 3 bxb"]), 1, "mixed with another");
    assert_eq!(wrong(&["db  | web o 1 3 bbb"]), 1, "under another name");
    assert_eq!(wrong(&["web | web e 1 3 bbb"]), 1, "on the other stream");
    assert_eq!(wrong(&["web o 1 3 bbb"]), 1, "without a label");
}
