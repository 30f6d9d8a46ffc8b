//! Whatever members write, in whatever pieces it is read and taken: every line comes through whole,
//! in its order, once; or is counted.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::bench::{Mood, Reader};
use super::counters::{Counted, Counters};
use super::format::{Colours, Format, Frame, Stream};
use super::inbox::{Inbox, LastWords, Said, Whose};
use super::lane::{Lane, Relayed};
use super::lines::{LONGEST, Splitter};
use super::take::Written;
use crate::sys::outlet::Outlet;
use crate::sys::watch::Outputs;

/// What a member writes, and in which pieces.
#[derive(Clone, Debug)]
struct Writer {
    text: Vec<u8>,
    pieces: Vec<usize>,
}

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Text,
    Json,
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("m{number}")).collect()
}

/// Lets the lane relay what the writers write, in turns, and gives the lane at the end.
fn relay(
    writers: &[Writer],
    look: Look,
    reader: Reader,
) -> (Lane<Reader>, Arc<[[Counters; 2]]>, Arc<Inbox>) {
    let inbox = Arc::new(Inbox::default());
    let outputs = Arc::new(Outputs::new().expect("a set of outputs"));
    let names = names(writers.len());
    let counters: Arc<[[Counters; 2]]> = names.iter().map(|_| <[Counters; 2]>::default()).collect();
    let mut lane = Lane::new(reader, (1, Arc::default()), Arc::clone(&outputs), Arc::clone(&inbox))
        .expect("a lane");
    let mut open = Vec::new();
    for (member, writer) in writers.iter().enumerate() {
        let outlet = Outlet::pipe(None).expect("a pipe");
        outputs.add(&outlet.ours, member).expect("it is watched");
        let frame = match look {
            Look::Text => Frame::text(&names, member, Colours::None),
            Look::Json => Frame::json(&names[member], Stream::Stdout),
        };
        let counters = Counted { all: Arc::clone(&counters), member, stream: 0 };
        let ours = Arc::new(outlet.ours);
        lane.add(
            member,
            Relayed {
                ours,
                frame,
                counters,
                splitter: Splitter::default(),
                read_at: Duration::ZERO,
            },
        );
        open.push((
            File::from(outlet.theirs),
            writer.text.as_slice(),
            writer.pieces.iter().cycle(),
        ));
    }
    while !open.is_empty() {
        open.retain_mut(|(pipe, rest, sizes)| {
            // Less than a pipe holds, which is emptied before the next piece.
            let size = (*sizes.next().expect("sizes without end")).min(rest.len()).min(30_000);
            pipe.write_all(&rest[..size]).expect("it has room");
            *rest = &rest[size..];
            !rest.is_empty()
        });
        // Everything is read, however the reader feels: a round may end early because it stalls, and
        // the next push find that it does not any more.
        while lane.push_all() == Written::Stalled || lane.relay() || has_unread(&outputs) {}
    }
    while lane.drain() == Written::Stalled {}
    (lane, counters, inbox)
}

/// Whether a member's pipe holds something that nobody has read.
fn has_unread(outputs: &Outputs) -> bool {
    let mut ready = Vec::new();
    outputs.readable(&mut ready).expect("a set of outputs");
    !ready.is_empty()
}

/// The lines of a stream, as the rules say; long ones in parts.
fn expected(text: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let whole = text.strip_suffix(b"\n").unwrap_or(text);
    if text.is_empty() {
        return lines;
    }
    for line in whole.split(|byte| *byte == b'\n') {
        let mut rest = line;
        while rest.len() > LONGEST {
            let mut cut = LONGEST;
            // Back to the beginning of the character that it is in.
            for back in 1..=3 {
                let at = LONGEST - back;
                let long_enough = match rest[at] {
                    0xc2..=0xdf => 2,
                    0xe0..=0xef => 3,
                    0xf0..=0xf4 => 4,
                    _ => 0,
                };
                let between = &rest[at + 1..=LONGEST];
                if long_enough > back && between.iter().all(|byte| (0x80..0xc0).contains(byte)) {
                    cut = at;
                }
            }
            lines.push(rest[..cut].to_vec());
            rest = &rest[cut..];
        }
        lines.push(rest.to_vec());
    }
    lines
}

/// The lines that came, without labels, for each member.
fn came(taken: &[u8], members: usize, look: Look) -> Vec<Vec<Vec<u8>>> {
    let mut lines = vec![Vec::new(); members];
    for line in taken.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").expect("every line has an end");
        let (name, message) = match look {
            Look::Text => {
                let at = line.windows(3).position(|part| part == b" | ").expect("a label");
                (String::from_utf8(line[..at].to_vec()).expect("a name"), line[at + 3..].to_vec())
            }
            Look::Json => {
                let object: serde_json::Value = serde_json::from_slice(line).expect("JSON");
                let text = |key: &str| object[key].as_str().expect(key).to_owned();
                assert_eq!(text("stream"), "stdout");
                assert_eq!(text("time").len(), "2026-11-25T16:00:00.000000Z".len());
                assert!(object.get("data").is_none_or(serde_json::Value::is_object));
                (text("member"), text("message").into_bytes())
            }
        };
        let member: usize = name[1..].parse().expect("a number");
        lines[member].push(message);
    }
    lines
}

fn any_text() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![
        3 => Just(b"\n".to_vec()),
        3 => "[ -~]{0,40}".prop_map(String::into_bytes),
        1 => "\\PC{0,20}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => "\\{\"a\": ?\"[a-z\\\\\"]{0,5}\"\\}\n".prop_map(String::into_bytes),
    ];
    let ordinary = prop::collection::vec(bytes, 0..40).prop_map(|parts| parts.concat());
    // Now and then a line that is too long, of characters of all lengths.
    let long =
        (prop::sample::select(vec!["a", "é", "€", "😀", "\u{80}", "\0"]), 0_usize..6, 0..3_usize);
    let long = long.prop_map(|(character, before, lines)| {
        let mut text = vec![b'x'; before];
        text.extend(character.repeat(140_000 / character.len()).into_bytes());
        text.extend(b"\n".repeat(lines));
        text
    });
    prop_oneof![30 => ordinary, 1 => long]
}

fn any_writer() -> impl Strategy<Value = Writer> {
    let pieces =
        prop::collection::vec(prop_oneof![1_usize..10, 1_usize..5_000, Just(30_000)], 1..8);
    (any_text(), pieces).prop_map(|(text, pieces)| Writer { text, pieces })
}

fn any_moods(fails: bool) -> impl Strategy<Value = Vec<Mood>> {
    let fails = u32::from(fails);
    let mood = prop_oneof![
        4 => (1_usize..5_000).prop_map(Mood::Takes),
        2 => (1_usize..20).prop_map(Mood::Takes),
        2 => Just(Mood::Stalls),
        fails => Just(Mood::Fails),
    ];
    prop::collection::vec(mood, 0..60)
}

/// Each case makes pipes and writes to them: a thousand take a minute or two.
fn cases() -> u32 {
    let long = std::env::var("FATESHARE_TEST_LONG").is_ok_and(|value| value == "1");
    if long { 1_000 } else { 60 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn without_labels_it_is_what_was_written(
        writers in prop::collection::vec(any_writer(), 1..4),
        moods in any_moods(false),
        room in prop_oneof![Just(4_096_usize), Just(20_000), Just(usize::MAX)],
    ) {
        let (lane, counters, _) = relay(&writers, Look::Text, Reader::new(moods, room));
        let lines = came(&lane.into_sink().into_taken(), writers.len(), Look::Text);
        for (member, writer) in writers.iter().enumerate() {
            let expected = expected(&writer.text);
            prop_assert_eq!(&lines[member], &expected);
            let counts = counters[member][0].counts();
            prop_assert_eq!(counts.bytes, writer.text.len() as u64);
            prop_assert_eq!(counts.lines, expected.len() as u64);
            prop_assert_eq!(counts.dropped_lines, 0);
        }
    }

    #[test]
    fn every_line_of_json_can_be_read(
        writers in prop::collection::vec(any_writer(), 1..4),
        moods in any_moods(false),
        room in prop_oneof![Just(4_096_usize), Just(20_000), Just(usize::MAX)],
    ) {
        let (lane, ..) = relay(&writers, Look::Json, Reader::new(moods, room));
        let lines = came(&lane.into_sink().into_taken(), writers.len(), Look::Json);
        for (member, writer) in writers.iter().enumerate() {
            let expected: Vec<Vec<u8>> = expected(&writer.text)
                .iter()
                .map(|line| String::from_utf8_lossy(line).into_owned().into_bytes())
                .collect();
            prop_assert_eq!(&lines[member], &expected);
        }
    }

    #[test]
    fn what_is_lost_is_counted(
        writers in prop::collection::vec(any_writer(), 1..4),
        moods in any_moods(true),
    ) {
        let (lane, counters, _) = relay(&writers, Look::Json, Reader::new(moods, 4_096));
        // What came of a line whose rest is lost is a line, and none that can be read.
        let taken = lane.into_sink().into_taken();
        let whole = |line: &&[u8]| serde_json::from_slice::<serde_json::Value>(line).is_ok();
        let came = taken.split(|byte| *byte == b'\n').filter(whole).count() as u64;
        let counts: Vec<_> = counters.iter().map(|member| member[0].counts()).collect();
        let lines: u64 = counts.iter().map(|it| it.lines).sum();
        let lost: u64 = counts.iter().map(|it| it.dropped_lines).sum();
        let expected: usize = writers.iter().map(|writer| expected(&writer.text).len()).sum();
        prop_assert_eq!(lines, expected as u64);
        prop_assert_eq!(came + lost, lines);
    }
}

/// A lane that relays one pipe with this frame, and the pipe's other end.
fn alone(moods: Vec<Mood>, frame: Frame, splitter: Splitter) -> (Lane<Reader>, File) {
    let inbox = Arc::new(Inbox::default());
    let outputs = Arc::new(Outputs::new().expect("a set of outputs"));
    let outlet = Outlet::pipe(None).expect("a pipe");
    outputs.add(&outlet.ours, 0).expect("it is watched");
    let mut lane =
        Lane::new(Reader::new(moods, 4_096), (1, Arc::default()), outputs, inbox).expect("a lane");
    let all: Arc<[[Counters; 2]]> = Arc::new([<[Counters; 2]>::default()]);
    let counters = Counted { all, member: 0, stream: 0 };
    let ours = Arc::new(outlet.ours);
    lane.add(0, Relayed { ours, frame, counters, splitter, read_at: Duration::ZERO });
    (lane, File::from(outlet.theirs))
}

#[test]
fn a_line_of_ours_comes_between_lines_of_a_member() {
    // The reader stalls in the middle of a long line, and takes it when we have something to say.
    let moods = vec![Mood::Takes(100), Mood::Stalls];
    let text = b"0123456789\n".repeat(5_000);
    let frame = Frame::text(&names(1), 0, Colours::None);
    let (mut lane, mut theirs) = alone(moods, frame, Splitter::default());
    theirs.write_all(&text).expect("it has room");
    assert!(!lane.relay(), "it stalls");
    assert!(!lane.has_work(), "it waits for its reader");
    assert_eq!(lane.push_all(), Written::All);
    assert!(lane.has_work(), "it must not wait for a member");
    let (at, text) = (Duration::ZERO, b"web exited".to_vec());
    lane.say(&Frame::ours(Format::Text, Colours::None), &Said { at, text, whose: Whose::Ours });
    while lane.drain() == Written::Stalled {}
    let taken = String::from_utf8(lane.into_sink().into_taken()).expect("text");
    assert_eq!(taken.lines().filter(|line| *line == "m0 | 0123456789").count(), 5_000);
    assert_eq!(taken.lines().filter(|line| *line == "fateshare: web exited").count(), 1);
    assert_eq!(taken.lines().count(), 5_001);
}

#[test]
fn last_words_come_behind_everything_whatever_the_reader_does() {
    let stalls = vec![Mood::Takes(100), Mood::Stalls, Mood::Takes(10), Mood::Stalls];
    for (moods, closed) in [(stalls.clone(), false), (Vec::new(), true), (stalls, true)] {
        let frame = || Frame::cloud_foundry("APP/PROC/WEB", Stream::Stdout, Colours::None);
        let splitter = Splitter::new(Format::CloudFoundry.ends());
        let (mut lane, mut theirs) = alone(moods, frame(), splitter);
        theirs.write_all(&b"0123456789\n".repeat(3_000)).expect("it has room");
        theirs.write_all(b"no end: ").expect("it has room");
        let held = (!closed).then_some(theirs);
        while lane.relay() {}
        let words = LastWords { member: 0, at: Duration::ZERO, text: b"Exit status 3".to_vec() };
        lane.take_last_words(frame(), words);
        // As the thread does it: again and again, until everything is out.
        loop {
            let more = lane.relay();
            if lane.say_last_words(|_| true) == Written::All && !more {
                break;
            }
        }
        while lane.drain() == Written::Stalled {}
        drop(held);
        let taken = String::from_utf8(lane.into_sink().into_taken()).expect("text");
        assert_eq!(taken.lines().count(), 3_001, "{closed}");
        let last = "1970-01-01T00:00:00.00+0000 [APP/PROC/WEB/0] OUT no end: Exit status 3";
        assert_eq!(taken.lines().last(), Some(last), "{closed}");
    }
}
