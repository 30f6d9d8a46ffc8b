//! What a line looks like: pure text, without any I/O.

use std::time::Duration;

use super::json;
use super::lines::{End, Ends, Line};
use super::out::Out;
use crate::core::timestamp;

/// How the members' output is passed on, and what our own lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The members have our own standard output and standard error.
    Raw,
    /// `name | line`.
    Text,
    /// One object a line.
    Json,
    /// As `cf logs` shows it: `TIME [APP/PROC/WEB/0] OUT line`.
    CloudFoundry,
}

impl Format {
    /// What ends a line of a member.
    pub(super) fn ends(self) -> Ends {
        if self == Self::CloudFoundry { Ends::NewlineOrReturn } else { Ends::Newline }
    }
}

/// Which of a member's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
}

impl Stream {
    /// Both, in the order of their numbers.
    pub const BOTH: [Self; 2] = [Self::Stdout, Self::Stderr];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Names are aligned up to here; longer ones stand out.
const WIDEST: usize = 32;

/// Colours of labels, one member after the other: cyan, yellow, green, magenta, blue, and then
/// bright. No red: that means an error.
const COLOURS: [u8; 10] = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94];

const RED: &[u8] = b"\x1b[31m";
const PLAIN: &[u8] = b"\x1b[0m";

/// So much of a timestamp goes down to hundredths of a second: what `cf logs` shows.
const HUNDREDTHS: usize = "2026-11-25T15:12:01.00".len();

/// Whether labels have colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// They have.
    Some,
    /// They have not.
    None,
}

/// What stands around each line of one stream.
#[derive(Clone, Debug)]
pub struct Frame {
    format: Format,
    /// Before the message; in JSON and for Cloud Foundry behind the time.
    head: Vec<u8>,
    /// For Cloud Foundry: whether the line is red.
    red: bool,
    /// Whether something may follow when nobody writes any more: the member's last words.
    goes_on: bool,
}

impl Frame {
    /// Of a member's lines in this format.
    pub(super) fn of_member(
        format: Format,
        names: &[String],
        member: usize,
        stream: Stream,
        colours: Colours,
    ) -> Self {
        let name = names.get(member).map_or("?", String::as_str);
        match format {
            Format::Json => Self::json(name, stream),
            Format::CloudFoundry => Self::cloud_foundry(name, stream, colours),
            Format::Raw | Format::Text => Self::text(names, member, colours),
        }
    }

    /// `name | `, the bar of all members in one column.
    pub fn text(names: &[String], member: usize, colours: Colours) -> Self {
        let columns = |name: &String| name.chars().count();
        let widest = names.iter().map(columns).max().unwrap_or(0).min(WIDEST);
        let name = names.get(member).map_or("?", String::as_str);
        let label = format!("{name:<widest$} |");
        let head = match colours {
            // What the member's own last line has left on is off with it.
            Colours::Some => {
                let colour = COLOURS[member % COLOURS.len()];
                format!("\x1b[0;{colour}m{label}\x1b[0m ")
            }
            Colours::None => format!("{label} "),
        };
        Self { format: Format::Text, head: head.into_bytes(), red: false, goes_on: false }
    }

    /// ` [APP/PROC/WEB/0] OUT `; errors are red, where there are colours.
    pub fn cloud_foundry(source: &str, stream: Stream, colours: Colours) -> Self {
        let kind = if stream == Stream::Stdout { "OUT" } else { "ERR" };
        let red = stream == Stream::Stderr && colours == Colours::Some;
        let head = format!(" [{source}/0] {kind} ").into_bytes();
        let goes_on = stream == Stream::Stdout;
        Self { format: Format::CloudFoundry, head, red, goes_on }
    }

    /// For who has no last words.
    pub(super) fn without_last_words(self) -> Self {
        Self { goes_on: false, ..self }
    }

    /// For lines of the platform itself, which bring along where they are from.
    pub(super) fn platform() -> Self {
        Self { format: Format::CloudFoundry, head: b" ".to_vec(), red: false, goes_on: false }
    }

    /// For lines of a picture, on a terminal.
    pub(super) fn picture() -> Self {
        Self { format: Format::Raw, head: Vec::new(), red: false, goes_on: false }
    }

    /// Everything of an object between time and message.
    pub fn json(name: &str, stream: Stream) -> Self {
        let mut head = Out::default();
        head.extend(b"\",\"member\":\"");
        json::escape(&mut head, name.as_bytes());
        head.extend(b"\",\"stream\":\"");
        head.extend(stream.name().as_bytes());
        head.extend(b"\",\"message\":\"");
        Self { format: Format::Json, head: head.bytes().to_vec(), red: false, goes_on: false }
    }

    /// For what we say ourselves.
    pub(super) fn ours(format: Format, colours: Colours) -> Self {
        let head: &[u8] = match (format, colours) {
            (Format::Json, _) => return Self::json("fateshare", Stream::Stderr),
            // Its own words are no error of the app's.
            (Format::CloudFoundry, _) => {
                return Self::cloud_foundry("FATESHARE", Stream::Stdout, Colours::None);
            }
            // A member may have left a colour on.
            (Format::Text, Colours::Some) => b"\x1b[0mfateshare: ",
            (Format::Text, Colours::None) | (Format::Raw, _) => b"fateshare: ",
        };
        Self { format, head: head.to_vec(), red: false, goes_on: false }
    }

    /// Whether something may follow when nobody writes any more: the member's last words.
    pub(super) fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// Writes what comes before each line of the same moment.
    pub fn prefix(&self, prefix: &mut Vec<u8>, since_1970: Duration) {
        prefix.clear();
        match self.format {
            Format::Json => {
                prefix.extend_from_slice(b"{\"time\":\"");
                prefix.extend_from_slice(timestamp(since_1970).as_bytes());
            }
            Format::CloudFoundry => {
                if self.red {
                    prefix.extend_from_slice(RED);
                }
                // The time zone is ours to choose: a container has none.
                let text = timestamp(since_1970);
                prefix.extend_from_slice(&text.as_bytes()[..HUNDREDTHS]);
                prefix.extend_from_slice(b"+0000");
            }
            Format::Raw | Format::Text => {}
        }
        prefix.extend_from_slice(&self.head);
    }

    /// Appends a line with its [`prefix`](Self::prefix) and its end. Which is always one: parts of a line that was too long are lines
    /// of their own, in JSON marked as `partial`. Cloud Foundry drops empty lines.
    pub fn append(&self, out: &mut Out, prefix: &[u8], line: Line<'_>) {
        if self.format == Format::CloudFoundry && line.bytes.is_empty() {
            return;
        }
        out.extend(prefix);
        if self.format != Format::Json {
            out.extend(line.bytes);
            if self.red {
                out.extend(PLAIN);
            }
            out.push(b'\n');
            return;
        }
        json::escape(out, line.bytes);
        out.push(b'"');
        if line.end == End::Split {
            out.extend(b",\"partial\":true");
        }
        if let Some(object) = json::object(line.bytes) {
            out.extend(b",\"data\":");
            out.extend(object);
        }
        out.extend(b"}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn line(frame: &Frame, bytes: &[u8], end: End) -> String {
        let (mut prefix, mut out) = (Vec::new(), Out::default());
        frame.prefix(&mut prefix, Duration::from_micros(1_764_083_521_000_042));
        frame.append(&mut out, &prefix, Line { bytes, end });
        String::from_utf8(out.bytes().to_vec()).expect("the text of a test")
    }

    #[test]
    fn text_has_its_bars_in_one_column() {
        let names = names(&["web", "config-server"]);
        let shown = |member| line(&Frame::text(&names, member, Colours::None), b"hi", End::Newline);
        assert_eq!(shown(0), "web           | hi\n");
        assert_eq!(shown(1), "config-server | hi\n");
    }

    #[test]
    fn a_very_long_name_does_not_push_the_others_away() {
        let names = names(&["web", &"n".repeat(100), "é"]);
        let shown = |member| line(&Frame::text(&names, member, Colours::None), b"hi", End::Newline);
        assert_eq!(shown(0), format!("web{} | hi\n", " ".repeat(WIDEST - 3)));
        assert_eq!(shown(1), format!("{} | hi\n", names[1]));
        assert_eq!(shown(2), format!("é{} | hi\n", " ".repeat(WIDEST - 1)), "by characters");
    }

    #[test]
    fn each_member_has_a_colour_and_the_line_has_its_own() {
        let names = names(&["web", "db"]);
        let shown = |member| line(&Frame::text(&names, member, Colours::Some), b"hi", End::Newline);
        assert_eq!(shown(0), "\x1b[0;36mweb |\x1b[0m hi\n");
        assert_eq!(shown(1), "\x1b[0;33mdb  |\x1b[0m hi\n");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let frame = Frame::json("per\"formance", Stream::Stderr);
        assert_eq!(
            line(&frame, b"say \"hi\"\r", End::Newline),
            "{\"time\":\"2025-11-25T15:12:01.000042Z\",\"member\":\"per\\\"formance\",\
             \"stream\":\"stderr\",\"message\":\"say \\\"hi\\\"\\r\"}\n"
        );
        let message = line(&frame, b" {\"a\": [1]}", End::Newline);
        assert!(message.ends_with(",\"message\":\" {\\\"a\\\": [1]}\",\"data\":{\"a\": [1]}}\n"));
        assert!(line(&frame, b"a", End::Split).ends_with("\"message\":\"a\",\"partial\":true}\n"));
    }

    #[test]
    fn cloud_foundrys_form_is_that_of_cf_logs() {
        let shown = |stream, colours, text: &str| {
            let frame = Frame::cloud_foundry("APP/PROC/WEB", stream, colours);
            line(&frame, text.as_bytes(), End::Newline)
        };
        let out = shown(Stream::Stdout, Colours::Some, "hi");
        assert_eq!(out, "2025-11-25T15:12:01.00+0000 [APP/PROC/WEB/0] OUT hi\n");
        let err = shown(Stream::Stderr, Colours::None, "hi");
        assert_eq!(err, "2025-11-25T15:12:01.00+0000 [APP/PROC/WEB/0] ERR hi\n");
        let red = shown(Stream::Stderr, Colours::Some, "hi");
        assert_eq!(red, format!("\x1b[31m{}\x1b[0m\n", err.trim_end()));
        assert_eq!(shown(Stream::Stdout, Colours::None, ""), "", "empty lines are dropped");
        let ours = Frame::ours(Format::CloudFoundry, Colours::Some);
        let ours = line(&ours, b"web exited", End::Newline);
        assert_eq!(ours, "2025-11-25T15:12:01.00+0000 [FATESHARE/0] OUT web exited\n");
        let cell = line(&Frame::platform(), b"[CELL/0] OUT Container became healthy", End::Newline);
        assert!(cell.starts_with("2025-11-25T15:12:01.00+0000 [CELL/0] OUT Cont"), "{cell}");
    }

    #[test]
    fn our_own_lines_have_the_same_form() {
        let ours = |format| line(&Frame::ours(format, Colours::None), b"web exited", End::Newline);
        assert_eq!(ours(Format::Text), "fateshare: web exited\n");
        assert_eq!(ours(Format::Raw), "fateshare: web exited\n");
        assert!(ours(Format::Json).contains(",\"member\":\"fateshare\",\"stream\":\"stderr\","));
    }

    #[test]
    fn a_clock_that_is_set_wrong_is_no_reason_to_fail() {
        assert_eq!(timestamp(Duration::ZERO), "1970-01-01T00:00:00.000000Z");
        assert_eq!(timestamp(Duration::MAX), "9999-12-31T23:59:59.000000Z");
    }
}
