//! What takes lines, how many of them in one piece, and whose turn it is.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use memchr::memrchr;

use crate::sys::output::{Sink, WHOLE};

/// As much as can be written in one piece: lines that are not torn, or a part of one that is longer
/// than anything that is sure to stay together.
pub(super) fn whole_lines(waiting: &[u8], room: impl FnOnce() -> usize) -> &[u8] {
    if waiting.len() <= WHOLE {
        return waiting;
    }
    let room = room();
    let Some(first) = waiting.get(..room) else { return waiting };
    let end = memrchr(b'\n', first).map_or(room, |newline| newline + 1);
    &waiting[..end]
}

/// Whether everything is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is.
    All,
    /// The reader takes nothing now.
    Stalled,
}

/// What takes the lines; a test has one of its own.
pub(super) trait Take {
    /// See [`Sink::room`].
    fn room(&self) -> usize;
    /// See [`Sink::write`].
    fn write(&self, bytes: &[u8]) -> io::Result<Option<usize>>;
    /// See [`Sink::unread`].
    fn unread(&self) -> Option<usize>;
    /// What it is called.
    fn name(&self) -> &'static str;
}

impl Take for Sink {
    fn room(&self) -> usize {
        self.room()
    }

    fn write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        self.write(bytes)
    }

    fn unread(&self) -> Option<usize> {
        self.unread()
    }

    fn name(&self) -> &'static str {
        self.name()
    }
}

/// Whose line is under way where lanes write to the same pipe or terminal: nobody writes into it.
/// Lanes that go different ways have one each.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// The lane that is within a line, by number; 0 while none is.
    holder: AtomicUsize,
    /// Whether the rest of the line that was written last is lost.
    torn: AtomicBool,
}

impl Turn {
    /// Whether another lane than this one is within a line.
    pub(super) fn is_anothers(&self, lane: usize) -> bool {
        ![0, lane].contains(&self.holder.load(Ordering::Relaxed))
    }

    /// Notes that this lane has written something, and how that ended.
    pub(super) fn wrote(&self, lane: usize, last: Option<&u8>) {
        let within = last.is_some_and(|byte| *byte != b'\n');
        self.holder.store(if within { lane } else { 0 }, Ordering::Relaxed);
    }

    /// Notes that nothing more of this lane's line will come.
    pub(super) fn give_up(&self, lane: usize) {
        if self.holder.load(Ordering::Relaxed) == lane {
            self.holder.store(0, Ordering::Relaxed);
            self.torn.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a line has to be ended before the next.
    pub(super) fn is_torn(&self) -> bool {
        self.torn.load(Ordering::Relaxed)
    }

    /// Notes that it is ended.
    pub(super) fn mended(&self) {
        self.torn.store(false, Ordering::Relaxed);
    }
}
