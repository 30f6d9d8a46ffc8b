//! One way out, standard output or standard error, with everything that goes there.
//!
//! A lane never waits for its reader: what could not be written stays in it, and nothing more is
//! read for it until that is out. So a slow reader slows the members that it does not keep up with,
//! and nobody else.

mod ending;

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use memchr::memchr_iter;

use super::counters::{Counted, Counters};
use super::format::Frame;
use super::inbox::{Inbox, LastWords, Said};
use super::lines::{End, Line, Splitter};
use super::out::Out;
use super::take::{Take, Turn, Written, whole_lines};
use crate::sys::memory::Buffer;
use crate::sys::output::Sink;
use crate::sys::watch::{Outputs, Wanted};
use crate::sys::{clock, outlet};

/// So many bytes are read at once: all that a pipe holds. Less would wake its writer up more often.
const READ_AT_ONCE: NonZeroUsize = NonZeroUsize::new(64 * 1024).expect("it is not zero");

/// So much is written at once, most of a pipe, where there is room: less would wake the reader up
/// for every little bit, more would keep it waiting for the next.
const WRITE_AT_ONCE: usize = 48 * 1024;

/// So much is kept of memory that was used; the rest goes back when nothing happens any more.
const KEPT: usize = 8 * 1024;

/// An output of a member on its way to this lane.
#[derive(Debug)]
pub(super) struct Relayed {
    pub(super) ours: Arc<OwnedFd>,
    pub(super) frame: Frame,
    pub(super) counters: Counted,
    pub(super) splitter: Splitter,
    /// When something was read of it last, since 1970.
    pub(super) read_at: Duration,
}

/// What has come of outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Came {
    pub(super) lines: bool,
    pub(super) ends: bool,
}

/// What was read and is not in lines yet.
#[derive(Clone, Copy, Debug)]
struct Piece {
    number: usize,
    at: usize,
    end: usize,
}

/// The lane.
#[derive(Debug)]
pub(super) struct Lane<S = Sink> {
    sink: S,
    outputs: Arc<Outputs>,
    /// By the numbers that `outputs` gives.
    streams: Vec<Option<Relayed>>,
    ready: Vec<usize>,
    buffer: Buffer,
    /// So much of the buffer was used since it was given back.
    touched: usize,
    piece: Option<Piece>,
    /// What comes before each line of the piece.
    prefix: Vec<u8>,
    /// Lines, the first `written` bytes of which are out.
    out: Out,
    written: usize,
    /// Whose lines they are, by number; nobody's are our own.
    of: Option<(usize, Counted)>,
    /// This lane among those that share a turn; not 0.
    place: usize,
    turn: Arc<Turn>,
    stalled_since: Option<Duration>,
    /// So much waited for the reader when that was looked at last.
    unread: Option<usize>,
    /// How long it was stalled, to be told to those who had something to say meanwhile.
    held_up: Duration,
    /// At the end: the output that is read to its end, and how much of it is.
    last: (usize, usize),
    is_drained: bool,
    /// Since that was asked for.
    came: Came,
    /// What comes behind all that a member has written, with what belongs around it.
    last_words: VecDeque<(Frame, LastWords)>,
    inbox: Arc<Inbox>,
    /// Why what goes here is lost, and whether that was said.
    failure: Option<String>,
}

impl Lane {
    /// What to wait for: room while there is something to write, else something to read; nothing
    /// when everything was read.
    pub(super) fn wanted(&self) -> Option<Wanted<'_>> {
        if !self.out.is_empty() {
            Some(Wanted::Writable(self.sink.as_fd()))
        } else if self.is_drained {
            None
        } else {
            Some(Wanted::Readable(self.outputs.as_fd()))
        }
    }
}

impl<S: Take> Lane<S> {
    pub(super) fn new(
        sink: S,
        (place, turn): (usize, Arc<Turn>),
        outputs: Arc<Outputs>,
        inbox: Arc<Inbox>,
    ) -> io::Result<Self> {
        Ok(Self {
            sink,
            outputs,
            streams: Vec::new(),
            ready: Vec::new(),
            buffer: Buffer::new(READ_AT_ONCE)?,
            touched: 0,
            piece: None,
            prefix: Vec::new(),
            out: Out::default(),
            written: 0,
            of: None,
            place,
            turn,
            stalled_since: None,
            unread: None,
            held_up: Duration::ZERO,
            last: (0, 0),
            is_drained: false,
            came: Came::default(),
            last_words: VecDeque::new(),
            inbox,
            failure: None,
        })
    }

    /// Takes in an output that `outputs` has given this number.
    pub(super) fn add(&mut self, number: usize, relayed: Relayed) {
        if self.streams.len() <= number {
            self.streams.resize_with(number + 1, || None);
        }
        self.streams[number] = Some(relayed);
    }

    /// One round: each output that has something to read is read once. Says whether there was one.
    /// What is too little to be worth a write may wait for the next round, until the last one is
    /// followed by [`push_all`](Self::push_all).
    pub(super) fn relay(&mut self) -> bool {
        if self.streams.is_empty() {
            return false;
        }
        if self.work_off() == Written::Stalled {
            return false;
        }
        let mut ready = std::mem::take(&mut self.ready);
        if let Err(error) = self.outputs.readable(&mut ready) {
            // Then nothing is relayed, and the next round tries again.
            tracing::debug!("cannot see which members have written something: {error}");
            clock::nap();
        }
        self.share_hold_up(&ready);
        for number in &ready {
            if self.turn_to(*number) == Written::Stalled {
                break;
            }
            self.read(*number, usize::MAX);
            if self.work_off() == Written::Stalled {
                break;
            }
        }
        let any = !ready.is_empty();
        self.ready = ready;
        any && self.stalled_since.is_none()
    }

    /// Who has something to say after a stall had it during the stall; whose lines were stalled has
    /// been told already.
    fn share_hold_up(&mut self, ready: &[usize]) {
        let time = std::mem::take(&mut self.held_up);
        let of = self.of.as_ref().map(|(number, _)| *number);
        let others = ready.iter().filter(|number| !time.is_zero() && Some(**number) != of);
        for counters in others.filter_map(|number| self.counters(*number)) {
            counters.held_up(time);
        }
    }

    /// No two outputs' lines wait together: those that are lost are counted where they belong.
    fn turn_to(&mut self, number: usize) -> Written {
        match self.of {
            Some((of, _)) if of == number => Written::All,
            _ => self.push(usize::MAX),
        }
    }

    /// Reads what is there of one output, at most so much. Says how much that was; nothing if it is
    /// over or has nothing.
    fn read(&mut self, number: usize, most: usize) -> usize {
        let Some(relayed) = self.streams.get_mut(number).and_then(Option::as_mut) else {
            return 0;
        };
        self.inbox.progress();
        let buffer = self.buffer.bytes();
        let most = most.min(buffer.len());
        match outlet::read_some(&relayed.ours, &mut buffer[..most]) {
            Ok(Some(count)) if count > 0 => {
                self.touched = self.touched.max(count);
                self.came.lines = true;
                relayed.read_at = clock::since_1970();
                relayed.frame.prefix(&mut self.prefix, relayed.read_at);
                if let Some(counters) = relayed.counters.get() {
                    counters.read(count);
                }
                self.piece = Some(Piece { number, at: 0, end: count });
                count
            }
            Ok(None) => 0,
            Ok(Some(_)) => {
                self.close(number);
                0
            }
            Err(error) => {
                tracing::warn!("cannot read what a member writes: {error}");
                self.close(number);
                0
            }
        }
    }

    /// Nobody writes to it any more.
    fn close(&mut self, number: usize) {
        self.came.ends = true;
        if let Some(Some(relayed)) = self.streams.get(number)
            && relayed.frame.goes_on()
        {
            self.outputs.remove(&relayed.ours);
            return;
        }
        self.finish_line(number);
        if let Some(relayed) = self.streams.get_mut(number).and_then(Option::take) {
            self.outputs.remove(&relayed.ours);
        }
    }

    /// What has no end is a line too, now that nothing follows.
    fn finish_line(&mut self, number: usize) {
        let Some(relayed) = self.streams.get_mut(number).and_then(Option::as_mut) else { return };
        if let Some(line) = relayed.splitter.finish() {
            relayed.frame.prefix(&mut self.prefix, relayed.read_at);
            relayed.frame.append(&mut self.out, &self.prefix, line);
            if let Some(counters) = relayed.counters.get() {
                counters.relayed(1, 0);
            }
            self.of = Some((number, relayed.counters.clone()));
        }
    }

    /// Writes what waits, and puts the rest of what was read into lines.
    fn work_off(&mut self) -> Written {
        if self.stalled_since.is_some() && self.push(usize::MAX) == Written::Stalled {
            return Written::Stalled;
        }
        let Some(mut piece) = self.piece.take() else { return Written::All };
        let Some(Some(relayed)) = self.streams.get(piece.number) else { return Written::All };
        self.of = Some((piece.number, relayed.counters.clone()));
        let (mut lines, mut splits) = (0, 0);
        let mut out = Written::All;
        while out == Written::All {
            let before = self.out.len();
            let Some(Some(relayed)) = self.streams.get_mut(piece.number) else { break };
            let bytes = &self.buffer.bytes()[..piece.end];
            let Some(line) = relayed.splitter.next(bytes, &mut piece.at) else { break };
            lines += 1;
            splits += u64::from(line.end == End::Split);
            relayed.frame.append(&mut self.out, &self.prefix, line);
            if self.out.len() > WRITE_AT_ONCE {
                // What fits, if that is not one line alone.
                out = self.push(if before > 0 { before } else { usize::MAX });
            }
        }
        if let Some(counters) = self.counted() {
            counters.relayed(lines, splits);
        }
        if out == Written::Stalled {
            self.piece = Some(piece);
        }
        out
    }

    /// Writes a line of our own, if nothing waits before it. Says whether everything is out.
    pub(super) fn say(&mut self, frame: &Frame, said: &Said) -> Written {
        self.of = None;
        // Not the lane's own: a piece may be waiting whose lines go on with it.
        let mut prefix = Vec::new();
        frame.prefix(&mut prefix, said.at);
        let line = Line { bytes: &said.text, end: End::Newline };
        frame.append(&mut self.out, &prefix, line);
        self.push(usize::MAX)
    }

    /// Writes what waits. Says whether all of it is out.
    pub(super) fn push_all(&mut self) -> Written {
        self.push(usize::MAX)
    }

    /// Writes the first so many bytes of what waits, and forgets them.
    fn push(&mut self, most: usize) -> Written {
        let end = most.min(self.out.len());
        while self.written < end {
            if self.turn.is_anothers(self.place) {
                return self.stall();
            }
            let waiting = &self.out.bytes()[self.written..end];
            // A line begins on a line of its own, whatever got lost before it.
            let torn = self.turn.is_torn();
            let next = if torn { b"\n" } else { whole_lines(waiting, || self.sink.room()) };
            match self.sink.write(next) {
                Ok(Some(_)) if torn => self.turn.mended(),
                Ok(Some(written)) => {
                    self.turn.wrote(self.place, next[..written].last());
                    self.written += written;
                    self.inbox.progress();
                }
                Ok(None) => return self.stall(),
                Err(error) => {
                    self.lose(end, &error);
                    break;
                }
            }
        }
        if let Some(since) = self.stalled_since.take() {
            let time = clock::monotonic().saturating_sub(since);
            if let Some(counters) = self.counted() {
                counters.held_up(time);
            }
            self.held_up += time;
        }
        self.written = 0;
        self.out.forget(end);
        Written::All
    }

    fn stall(&mut self) -> Written {
        self.stalled_since.get_or_insert_with(clock::monotonic);
        Written::Stalled
    }

    /// Nobody will ever read the rest (EPIPE, EIO), or there is no room for it: these lines are
    /// lost, the group is not. The next ones are tried again.
    fn lose(&mut self, end: usize, error: &io::Error) {
        let lost = &self.out.bytes()[self.written..end];
        let in_a_line = self.written > 0 && self.out.bytes()[self.written - 1] != b'\n';
        self.turn.give_up(self.place);
        let Some(counters) = self.counted() else { return };
        // A line that lacks nothing but its end gets one before the next.
        let complete = usize::from(in_a_line && lost.first() == Some(&b'\n'));
        let lines = memchr_iter(b'\n', lost).count() - complete;
        counters.dropped(lost.len(), lines);
        if self.failure.is_none() {
            let name = self.sink.name();
            tracing::warn!("{name}: {error}: what members write there is lost, and counted");
            self.failure = Some(error.to_string());
        }
    }

    /// The counters of those whose lines wait.
    fn counted(&self) -> Option<&Counters> {
        self.of.as_ref().and_then(|(_, counted)| counted.get())
    }

    fn counters(&self, number: usize) -> Option<&Counters> {
        self.streams.get(number)?.as_ref()?.counters.get()
    }

    /// Where and why members' lines were lost here, if any were.
    pub(super) fn failure(&self) -> Option<(&'static str, &str)> {
        Some((self.sink.name(), self.failure.as_deref()?))
    }

    /// Whether the reader takes nothing now.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled_since.is_some()
    }

    /// What has come since this was asked for.
    pub(super) fn came(&mut self) -> Came {
        std::mem::take(&mut self.came)
    }

    /// Whether it can go on at once: something that was read, or is to be said, waits for nothing.
    pub(super) fn has_work(&self) -> bool {
        let any = self.piece.is_some() || !self.last_words.is_empty();
        any && self.stalled_since.is_none()
    }

    /// Whether it holds memory that it does not need while nothing happens.
    pub(super) fn is_swollen(&self) -> bool {
        let idle = self.piece.is_none() && self.out.is_empty();
        idle && (self.touched > 0 || self.out.size() > KEPT)
    }

    /// Whether much was read at a time since that was given back.
    pub(super) fn was_flooded(&self) -> bool {
        self.touched > KEPT
    }

    /// Gives that back.
    pub(super) fn give_back(&mut self) {
        if self.is_swollen() {
            self.touched = 0;
            self.buffer.give_back();
            self.out = Out::default();
        }
    }

    /// What took the lines.
    #[cfg(test)]
    pub(super) fn into_sink(self) -> S {
        self.sink
    }
}
