//! What is seen while a drill is under way: the table as it grows, and what we do just now. Nothing here
//! waits for a reader: a group lives meanwhile.

use std::io;

use super::document::Row;
use super::step::Doing;
use super::table::Table;
use crate::sys::output::{Sink, Which};

/// Where a drill is seen.
pub(super) struct Live {
    table: Table,
    /// Whether rows are shown as they come.
    rows: bool,
    /// Whether somebody sees what we do just now.
    progress: bool,
    /// What is shown of that.
    shown: String,
    stdout: Stream,
    stderr: Stream,
}

/// One of the two, with what it has not taken yet.
struct Stream {
    sink: Sink,
    waiting: Vec<u8>,
}

impl Live {
    pub(super) fn new(table: Table, rows: bool, progress: bool) -> Self {
        let stream = |which| Stream { sink: Sink::open(which), waiting: Vec::new() };
        let (stdout, stderr) = (stream(Which::Stdout), stream(Which::Stderr));
        Self { table, rows, progress, shown: String::new(), stdout, stderr }
    }

    pub(super) fn begin(&mut self) {
        if self.rows {
            self.stdout.add(&self.table.heading());
        }
    }

    pub(super) fn row(&mut self, row: &Row) {
        self.clear();
        if self.rows {
            let line = self.table.row(row);
            self.stdout.add(&line);
        }
    }

    /// On a terminal: what we do, on a line that comes and goes.
    pub(super) fn doing(&mut self, number: usize, of: usize, name: &str, doing: Doing) {
        if !self.progress {
            return;
        }
        let what = match doing {
            Doing::Starting => "starting",
            Doing::Settling => "watching it for a moment",
            Doing::Ending => "waiting for its end",
            Doing::ComingBack => "waiting until it is back",
            Doing::Closing => "stopping it",
        };
        let text = format!("{}/{of} {name}: {what}", number + 1);
        // Where it is not taken, it is of no use later.
        if self.stderr.write().is_err() {
            return;
        }
        if text != self.shown && self.stderr.waiting.is_empty() {
            self.clear();
            self.stderr.add(&text);
            self.shown = text;
        }
    }

    pub(super) fn clear(&mut self) {
        if !std::mem::take(&mut self.shown).is_empty() {
            self.stderr.add("\r\u{1b}[K");
        }
    }

    /// A line beside the table.
    pub(super) fn say(&mut self, text: &str) {
        self.clear();
        self.stderr.add(&format!("fateshare: {text}\n"));
    }

    /// Writes what is taken now; gives whether anything is left. Fails when nobody will read the table.
    pub(super) fn write(&mut self) -> io::Result<bool> {
        // What is said beside the table is no reason to stop.
        if self.stderr.write().is_err() {
            self.stderr.waiting.clear();
        }
        self.stdout.write()?;
        Ok(!(self.stdout.waiting.is_empty() && self.stderr.waiting.is_empty()))
    }
}

impl Stream {
    fn add(&mut self, text: &str) {
        self.waiting.extend_from_slice(text.as_bytes());
    }

    fn write(&mut self) -> io::Result<()> {
        while !self.waiting.is_empty() {
            let piece = self.waiting.len().min(self.sink.room());
            match self.sink.write(&self.waiting[..piece])? {
                Some(written) => drop(self.waiting.drain(..written)),
                None => return Ok(()),
            }
        }
        Ok(())
    }
}
