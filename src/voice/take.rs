//! What takes lines, and how many of them in one piece.

use std::io;

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

/// What takes the lines; a test has one of its own.
pub(super) trait Take {
    /// See [`Sink::room`].
    fn room(&self) -> usize;
    /// See [`Sink::write`].
    fn write(&self, bytes: &[u8]) -> io::Result<Option<usize>>;
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

    fn name(&self) -> &'static str {
        self.name()
    }
}
