//! The writing thread's work on a bench: members that write what they are told to, a reader with moods, and
//! between the two all that is there when the program runs, but for the thread.
//!
//! The program never comes here; tests and fuzzing do.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, PipeWriter, Write};
use std::rc::Rc;
use std::sync::Arc;

use super::counters::{Counters, Counts};
use super::format::{Colours, Format, Frame, Stream};
use super::inbox::{Inbox, Output, Weight, Whose};
use super::lane::Lane;
use super::pump::Pump;
use super::take::{Take, Turn};
use crate::sys::outlet::Outlet;
use crate::sys::watch::Outputs;

/// What a reader does with one write.
#[derive(Clone, Copy, Debug)]
pub enum Mood {
    /// It takes at most so many bytes.
    Takes(usize),
    /// It takes nothing now.
    Stalls,
    /// The write fails.
    Fails,
}

/// A reader with moods, one a write; in the end it takes everything.
#[derive(Debug, Default)]
pub(super) struct Reader {
    moods: RefCell<VecDeque<Mood>>,
    taken: RefCell<Vec<u8>>,
    room: usize,
}

impl Reader {
    pub(super) fn new(moods: Vec<Mood>, room: usize) -> Self {
        let moods = RefCell::new(moods.into());
        Self { moods, taken: RefCell::default(), room }
    }

    #[cfg(test)]
    pub(super) fn into_taken(self) -> Vec<u8> {
        self.taken.into_inner()
    }
}

impl Take for Reader {
    fn room(&self) -> usize {
        self.room
    }

    fn write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        assert!(!bytes.is_empty(), "nothing is written for nothing");
        let mood = self.moods.borrow_mut().pop_front().unwrap_or(Mood::Takes(usize::MAX));
        match mood {
            Mood::Takes(most) => {
                let count = bytes.len().min(most);
                self.taken.borrow_mut().extend_from_slice(&bytes[..count]);
                Ok(Some(count))
            }
            Mood::Stalls => Ok(None),
            Mood::Fails => Err(io::Error::from(io::ErrorKind::BrokenPipe)),
        }
    }

    fn unread(&self) -> Option<usize> {
        None
    }

    fn name(&self) -> &'static str {
        "a reader with moods"
    }
}

impl Take for Rc<Reader> {
    fn room(&self) -> usize {
        self.as_ref().room()
    }

    fn write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        self.as_ref().write(bytes)
    }

    fn unread(&self) -> Option<usize> {
        self.as_ref().unread()
    }

    fn name(&self) -> &'static str {
        self.as_ref().name()
    }
}

/// Where standard output and standard error lead.
#[derive(Debug)]
pub enum Readers {
    /// To one reader.
    Same(Vec<Mood>),
    /// To one each.
    Apart([Vec<Mood>; 2]),
}

/// The bench.
#[derive(Debug)]
pub struct Bench {
    inbox: Arc<Inbox>,
    pump: Pump<Rc<Reader>>,
    readers: [Rc<Reader>; 2],
    /// By member and stream.
    theirs: Vec<[Option<PipeWriter>; 2]>,
}

impl Bench {
    /// With members of these names, whose lines have this format. The readers have so much `room` at a time.
    pub fn new(
        format: Format,
        names: Vec<String>,
        readers: Readers,
        room: usize,
    ) -> io::Result<Self> {
        let inbox = Arc::new(Inbox::default());
        let outputs = [Arc::new(Outputs::new()?), Arc::new(Outputs::new()?)];
        let reader = |moods| Rc::new(Reader::new(moods, room));
        let (readers, turns) = match readers {
            Readers::Same(moods) => {
                let (reader, turn) = (reader(moods), Arc::<Turn>::default());
                ([Rc::clone(&reader), reader], [Arc::clone(&turn), turn])
            }
            Readers::Apart(moods) => (moods.map(reader), [Arc::default(), Arc::default()]),
        };
        let lane = |at: usize| {
            let way = (at + 1, Arc::clone(&turns[at]));
            Lane::new(Rc::clone(&readers[at]), way, Arc::clone(&outputs[at]), Arc::clone(&inbox))
        };
        let mut theirs = Vec::new();
        for member in 0..names.len() {
            let mut ends = [None, None];
            for stream in Stream::BOTH {
                let Outlet { ours, theirs } = Outlet::pipe(None)?;
                let output = Output { number: member, member, stream, ours: Arc::new(ours) };
                let outputs = &outputs[stream as usize];
                inbox.put_output(output, |output| outputs.add(output, member))?;
                ends[stream as usize] = Some(PipeWriter::from(theirs));
            }
            theirs.push(ends);
        }
        let counters: Arc<[_]> = names.iter().map(|_| <[Counters; 2]>::default()).collect();
        let pump = Pump {
            inbox: Arc::clone(&inbox),
            lanes: [lane(0)?, lane(1)?],
            format,
            names,
            colours: [Colours::None; 2],
            counters,
            ours: Frame::ours(format, Colours::None),
            platform: Frame::platform(),
            picture: Frame::picture(),
            summed_up: false,
        };
        Ok(Self { inbox, pump, readers, theirs })
    }

    /// A member writes this. What waits in its pipe must leave room for it: nobody else would make any.
    pub fn write(&mut self, member: usize, stream: Stream, piece: &[u8]) -> io::Result<()> {
        let end = self.theirs.get_mut(member).and_then(|ends| ends[stream as usize].as_mut());
        end.map_or(Ok(()), |end| end.write_all(piece))
    }

    /// Whether a member may write there any more.
    pub fn writes(&self, member: usize, stream: Stream) -> bool {
        self.theirs.get(member).is_some_and(|ends| ends[stream as usize].is_some())
    }

    /// A member writes nothing more.
    pub fn close(&mut self, member: usize, stream: Stream) {
        if let Some(ends) = self.theirs.get_mut(member) {
            ends[stream as usize] = None;
        }
    }

    /// fateshare says this itself.
    pub fn say(&self, line: &str) {
        self.inbox.put(line.as_bytes(), Weight::Always, Whose::Ours);
    }

    /// This comes on a member's standard output behind all that it has written there.
    pub fn last_words(&self, member: usize, line: &str) {
        self.inbox.put_last_words(member, line);
    }

    /// The thread has a turn.
    pub fn turn(&mut self) {
        self.pump.turn();
    }

    /// What was counted of each member until now.
    pub fn counts(&self) -> Vec<[Counts; 2]> {
        self.pump.counters.iter().map(|[out, err]| [out.counts(), err.counts()]).collect()
    }

    /// The end: the thread has turns until it says that everything is written. What the readers have taken,
    /// on standard output and on standard error; all of it is in the first if they are the same.
    pub fn finish(mut self) -> ([Vec<u8>; 2], Vec<[Counts; 2]>) {
        self.inbox.want_all();
        while !self.pump.turn() {}
        (self.readers.each_ref().map(|reader| reader.taken.take()), self.counts())
    }
}
