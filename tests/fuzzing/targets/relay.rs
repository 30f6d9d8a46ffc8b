//! The relay: whatever members write, in whatever pieces it is read and taken, every line comes through
//! whole, in its order, once; or is counted as lost. `raw` relays nothing: members have our own outputs.

use std::collections::BTreeMap;

use fateshare::voice::bench::{Bench, Mood, Readers};
use fateshare::voice::format::{Format, Stream};
use fateshare::voice::lines::LONGEST;
use serde_json::Value;

use super::choices::Choices;

/// So much waits in a pipe at most before its next write: it has room for twice as much.
const MOST_WAITING: usize = 30_000;

/// So much is written in one life; what repeats makes long lines of few bytes.
const MOST_WRITTEN: usize = 300_000;

/// Lines by member and stream; those of fateshare itself have no member.
type Lines = BTreeMap<(Option<usize>, usize), Vec<Vec<u8>>>;

struct Life {
    bench: Bench,
    /// By member and stream.
    written: Vec<[Vec<u8>; 2]>,
    own: Vec<Vec<u8>>,
}

pub(super) fn relay(data: &[u8]) -> bool {
    let mut choices = Choices(data);
    let format = choices.of(&[Format::Text, Format::Json, Format::CloudFoundry]);
    let members = choices.below(3) + 1;
    let (is_same, may_fail) = (choices.flag(), choices.byte() >= 200);
    let room = choices.of(&[4_096, 20_000, usize::MAX]);
    let readers = if is_same {
        Readers::Same(moods(&mut choices, may_fail))
    } else {
        Readers::Apart([moods(&mut choices, may_fail), moods(&mut choices, may_fail)])
    };
    let names = (0..members).map(|number| format!("m{number}")).collect();
    let bench = Bench::new(format, names, readers, room).expect("a bench");
    let mut life = Life { bench, written: vec![Default::default(); members], own: vec![] };
    life.live(&mut choices);
    let ends_with_words = format == Format::CloudFoundry && data.len() % 2 == 1;
    if ends_with_words {
        for (member, written) in life.written.iter_mut().enumerate() {
            life.bench.last_words(member, "Exit status 3");
            written[0].extend_from_slice(b"Exit status 3\n");
        }
    }
    let Life { bench, written, own, .. } = life;
    let (taken, counts) = bench.finish();
    let expected = expected(format, &written, own);
    for ((member, stream), lines) in &expected {
        let Some(member) = member else { continue };
        let counts = counts[*member][*stream];
        let words = if ends_with_words && *stream == 0 { b"Exit status 3\n".len() } else { 0 };
        assert_eq!(counts.bytes, (written[*member][*stream].len() - words) as u64);
        assert_eq!(counts.lines, lines.len() as u64, "every line is counted");
        assert!(may_fail || counts.dropped_lines == 0, "nothing is lost");
    }
    if may_fail {
        if format == Format::Json {
            let lost: u64 = counts.iter().flatten().map(|it| it.dropped_lines).sum();
            what_is_lost_is_counted(&taken, &expected, lost);
        }
        return !written.concat().concat().is_empty();
    }
    let came = came(format, &taken, is_same);
    let shown = |mut lines: Lines| {
        // Cloud Foundry drops empty lines.
        if format == Format::CloudFoundry {
            for lines in lines.values_mut() {
                lines.retain(|line| !line.is_empty());
            }
        }
        lines.retain(|_, lines| !lines.is_empty());
        lines
    };
    let (mut expected, mut came) = (shown(expected), shown(came));
    if format == Format::Text && is_same {
        // Which stream a line is of cannot be seen: only that it came.
        (expected, came) = (together(expected), together(came));
    }
    assert!(came == expected, "what came: {came:.200?}\nwhat was written: {expected:.200?}");
    !expected.is_empty()
}

fn moods(choices: &mut Choices<'_>, may_fail: bool) -> Vec<Mood> {
    let mood = |byte: u8| match byte {
        0..64 => Mood::Takes(usize::from(byte) + 1),
        64..160 => Mood::Takes(usize::from(byte - 63) * 100),
        160..200 => Mood::Takes(usize::MAX),
        200..230 if may_fail => Mood::Fails,
        _ => Mood::Stalls,
    };
    (0..choices.below(32)).map(|_| mood(choices.byte())).collect()
}

impl Life {
    fn live(&mut self, choices: &mut Choices<'_>) {
        let mut all = 0;
        while !choices.is_empty() && all < MOST_WRITTEN {
            let order = choices.byte();
            let member = usize::from(order >> 4 & 3) % self.written.len();
            let stream = Stream::BOTH[usize::from(order >> 6 & 1)];
            match order & 15 {
                0..6 => {
                    let count = choices.below(64);
                    let piece = choices.take(count).to_vec();
                    all += self.write(member, stream, &piece);
                }
                6 | 7 => {
                    let piece = [choices.until(0), b"\n"].concat();
                    all += self.write(member, stream, &piece);
                }
                8 => {
                    // A pattern again and again: lines that are too long.
                    let (times, count) = (choices.below(20_000), choices.below(8));
                    let pattern = choices.take(count).to_vec();
                    let most = MOST_WAITING / pattern.len().max(1);
                    all += self.write(member, stream, &pattern.repeat(times.min(most)));
                }
                9..13 => self.bench.turn(),
                13 => {
                    let line = format!("own {}", self.own.len());
                    self.bench.say(&line);
                    self.own.push(line.into_bytes());
                }
                14 => self.bench.close(member, stream),
                _ => {
                    let ended = [&b"\n"[..], b"\r", b"\r\n", b"\xf0\x9f\x98\x80"];
                    let piece = ended[choices.below(ended.len())];
                    all += self.write(member, stream, piece);
                }
            }
        }
    }

    fn write(&mut self, member: usize, stream: Stream, piece: &[u8]) -> usize {
        let place = stream as usize;
        if piece.is_empty() || !self.bench.writes(member, stream) {
            return 0;
        }
        // Each turn takes a mood of the reader's away, and in the end it takes everything.
        for _ in 0..1_000 {
            let read = self.bench.counts()[member][place].bytes;
            let waiting = self.written[member][place].len() - usize::try_from(read).expect("few");
            if waiting + piece.len() <= MOST_WAITING {
                self.bench.write(member, stream, piece).expect("it has room");
                self.written[member][place].extend_from_slice(piece);
                return piece.len();
            }
            self.bench.turn();
        }
        panic!("it does not go on");
    }
}

fn expected(format: Format, written: &[[Vec<u8>; 2]], own: Vec<Vec<u8>>) -> Lines {
    let mut all = Lines::from([((None, 1), own)]);
    for (member, streams) in written.iter().enumerate() {
        for (stream, text) in streams.iter().enumerate() {
            let mut lines = split(format, text);
            if format == Format::Json {
                let readable = |line: &Vec<u8>| String::from_utf8_lossy(line).into_owned();
                lines = lines.iter().map(|line| readable(line).into_bytes()).collect();
            }
            all.insert((Some(member), stream), lines);
        }
    }
    all
}

/// The lines of a stream, as the rules say; long ones in parts.
fn split(format: Format, text: &[u8]) -> Vec<Vec<u8>> {
    let ends = |byte: &u8| *byte == b'\n' || (*byte == b'\r' && format == Format::CloudFoundry);
    let mut lines = Vec::new();
    let whole = text.split_last().map_or(text, |(last, rest)| if ends(last) { rest } else { text });
    if text.is_empty() {
        return lines;
    }
    for mut line in whole.split(ends) {
        while line.len() > LONGEST {
            let mut cut = LONGEST;
            // Back to the beginning of the character that it is in.
            for back in 1..=3 {
                let at = LONGEST - back;
                let long_enough = match line[at] {
                    0xc2..=0xdf => 2,
                    0xe0..=0xef => 3,
                    0xf0..=0xf4 => 4,
                    _ => 0,
                };
                let between = &line[at + 1..=LONGEST];
                if long_enough > back && between.iter().all(|byte| (0x80..0xc0).contains(byte)) {
                    cut = at;
                }
            }
            lines.push(line[..cut].to_vec());
            line = &line[cut..];
        }
        lines.push(line.to_vec());
    }
    lines
}

/// The lines that came, without what is around them.
fn came(format: Format, taken: &[Vec<u8>; 2], is_same: bool) -> Lines {
    let mut lines = Lines::new();
    for (place, taken) in taken.iter().enumerate() {
        for line in taken.split_inclusive(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\n").expect("every line has an end");
            let (name, stream, message) = match format {
                Format::Json => object(line),
                Format::CloudFoundry => log_line(line),
                Format::Text | Format::Raw => label(line, place),
            };
            let member = name.strip_prefix('m').map(|number| number.parse().expect("a number"));
            assert!(is_same || stream == place || member.is_none(), "on its own way");
            let stream = if member.is_none() { 1 } else { stream };
            lines.entry((member, stream)).or_default().push(message);
        }
    }
    lines
}

fn label(line: &[u8], place: usize) -> (String, usize, Vec<u8>) {
    if let Some(own) = line.strip_prefix(b"fateshare: ") {
        return (String::new(), 1, own.to_vec());
    }
    let at = line.windows(3).position(|part| part == b" | ").expect("a label");
    (String::from_utf8(line[..at].to_vec()).expect("a name"), place, line[at + 3..].to_vec())
}

fn log_line(line: &[u8]) -> (String, usize, Vec<u8>) {
    let time = line.get(..b"2026-11-25T15:12:01.00+0000".len()).expect("a time");
    assert!(time.ends_with(b"+0000") && time.is_ascii(), "a time");
    let rest = line[time.len()..].strip_prefix(b" [").expect("a source");
    let end = rest.windows(4).position(|part| part == b"/0] ").expect("an instance");
    let name = String::from_utf8(rest[..end].to_vec()).expect("a name");
    let (kind, message) = rest[end + 4..].split_at(4);
    let stream = usize::from(kind != b"OUT ");
    assert!(kind == b"OUT " || kind == b"ERR ", "a kind");
    (name, stream, message.to_vec())
}

fn object(line: &[u8]) -> (String, usize, Vec<u8>) {
    let object: Value = serde_json::from_slice(line).expect("JSON");
    let text = |key: &str| object[key].as_str().expect(key).to_owned();
    assert_eq!(text("time").len(), "2026-11-25T16:00:00.000000Z".len());
    let message = text("message");
    if let Some(data) = object.get("data") {
        let same: Value = serde_json::from_str(&message).expect("an object in the message");
        assert!(data.is_object() && *data == same, "{message}");
    }
    (text("member"), usize::from(text("stream") == "stderr"), message.into_bytes())
}

fn together(lines: Lines) -> Lines {
    let mut all = Lines::new();
    for ((member, _), lines) in lines {
        all.entry((member, 0)).or_default().extend(lines);
    }
    for lines in all.values_mut() {
        lines.sort();
    }
    all
}

/// What came of a line whose rest is lost is a line, and none that can be read.
fn what_is_lost_is_counted(taken: &[Vec<u8>; 2], expected: &Lines, lost: u64) {
    let is_members = |line: &&[u8]| {
        let object: Option<Value> = serde_json::from_slice(line).ok();
        object.is_some_and(|it| it["member"].as_str().is_some_and(|it| it.starts_with('m')))
    };
    let lines = taken.iter().flat_map(|taken| taken.split(|byte| *byte == b'\n'));
    let came = lines.filter(is_members).count() as u64;
    let written: usize =
        expected.iter().filter(|((member, _), _)| member.is_some()).map(|(_, it)| it.len()).sum();
    assert_eq!(came + lost, written as u64, "what is lost is counted");
}
