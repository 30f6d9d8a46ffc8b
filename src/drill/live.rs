//! What is seen while a drill is under way: the table as it grows, and what we do just now.

use std::io::{self, Write};

use super::course::Doing;
use super::document::Row;
use super::table::Table;

/// Where a drill is seen.
pub(super) struct Live {
    table: Table,
    /// Whether rows are shown as they come.
    rows: bool,
    /// Whether somebody sees what we do just now.
    progress: bool,
    /// What is shown of that.
    shown: String,
}

impl Live {
    pub(super) fn new(table: Table, rows: bool, progress: bool) -> Self {
        Self { table, rows, progress, shown: String::new() }
    }

    pub(super) fn begin(&mut self) -> io::Result<()> {
        if self.rows { write(&self.table.heading()) } else { Ok(()) }
    }

    pub(super) fn row(&mut self, row: &Row) -> io::Result<()> {
        self.clear();
        if self.rows { write(&self.table.row(row)) } else { Ok(()) }
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
        if text != self.shown {
            self.clear();
            self.shown = text;
            let _ = io::stderr().write_all(self.shown.as_bytes());
        }
    }

    pub(super) fn clear(&mut self) {
        if !std::mem::take(&mut self.shown).is_empty() {
            let _ = io::stderr().write_all(b"\r\x1b[K");
        }
    }

    /// A line beside the table.
    pub(super) fn say(&mut self, text: &str) {
        self.clear();
        let _ = io::stderr().write_all(format!("fateshare: {text}\n").as_bytes());
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
