//! Lines between two groups: no thread may be there then, because the next group is a copy of us.

use std::time::Duration;

use super::alone::Alone;
use super::inbox::{Inbox, Weight, Whose};
use super::{Level, Style};

/// So long a reader has for a line; the rest of it waits for the next one.
const PATIENCE: Duration = Duration::from_millis(100);

/// Says lines without a thread.
#[derive(Debug)]
pub struct Aside {
    alone: Alone,
    inbox: Inbox,
    level: Level,
}

impl Aside {
    /// In this style.
    pub fn new(style: Style) -> Self {
        let alone = Alone::new(style.format, style.colours[1]);
        Self { alone, inbox: Inbox::default(), level: style.level }
    }

    /// Says this at every level but `off`.
    pub fn say(&self, text: &str) {
        if self.level != Level::Off {
            self.inbox.put(text.as_bytes(), Weight::Always, Whose::Ours);
            self.alone.flush(&self.inbox, PATIENCE, PATIENCE);
        }
    }
}
