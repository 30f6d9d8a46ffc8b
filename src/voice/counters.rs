//! What was relayed, counted for each stream of each member.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::format::Stream;

/// The counts of one stream. The voice writes them, anybody may read them.
#[derive(Debug, Default)]
pub struct Counters {
    bytes: AtomicU64,
    lines: AtomicU64,
    splits: AtomicU64,
    dropped_bytes: AtomicU64,
    dropped_lines: AtomicU64,
    held_up: AtomicU64,
}

/// Where a stream's counters are.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    pub(super) all: Arc<[[Counters; 2]]>,
    pub(super) member: usize,
    pub(super) stream: usize,
}

impl Counted {
    pub(super) fn get(&self) -> Option<&Counters> {
        self.all.get(self.member)?.get(self.stream)
    }
}

/// What was counted until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes that the member wrote.
    pub bytes: u64,
    /// Lines that these were, parts of too long ones included.
    pub lines: u64,
    /// How often a too long line was split.
    pub splits: u64,
    /// Bytes that could not be written because nobody reads any more, labels included.
    pub dropped_bytes: u64,
    /// The lines that these were.
    pub dropped_lines: u64,
    /// How long it had something to say while the reader did not take it.
    pub held_up: Duration,
}

impl Counters {
    /// What was counted until now.
    pub fn counts(&self) -> Counts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            bytes: count(&self.bytes),
            lines: count(&self.lines),
            splits: count(&self.splits),
            dropped_bytes: count(&self.dropped_bytes),
            dropped_lines: count(&self.dropped_lines),
            held_up: Duration::from_micros(count(&self.held_up)),
        }
    }

    pub(super) fn read(&self, bytes: usize) {
        add(&self.bytes, bytes as u64);
    }

    pub(super) fn relayed(&self, lines: u64, splits: u64) {
        add(&self.lines, lines);
        if splits > 0 {
            add(&self.splits, splits);
        }
    }

    pub(super) fn dropped(&self, bytes: usize, lines: usize) {
        add(&self.dropped_bytes, bytes as u64);
        add(&self.dropped_lines, lines as u64);
    }

    pub(super) fn held_up(&self, time: Duration) {
        add(&self.held_up, u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

impl Counts {
    /// For people, and only what there is to say.
    pub(super) fn sentence(&self, member: &str, stream: Stream) -> Option<String> {
        let mut parts = vec![counted(self.lines, "line"), counted(self.bytes, "byte")];
        if self.splits > 0 {
            parts.push(counted(self.splits, "split"));
        }
        if self.dropped_lines > 0 {
            parts.push(format!("{} lost", counted(self.dropped_lines, "line")));
        }
        if !self.held_up.is_zero() {
            parts.push(format!("held up for {}ms", self.held_up.as_millis()));
        }
        let stream = stream.name();
        (self.bytes > 0).then(|| format!("relayed {stream} of {member}: {}", parts.join(", ")))
    }
}

/// `1 line`, `2 lines`.
pub(super) fn counted(count: u64, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_said_and_nothing_else() {
        let counters = Counters::default();
        assert_eq!(counters.counts().sentence("web", Stream::Stdout), None);
        counters.read(10);
        counters.relayed(1, 0);
        let text = counters.counts().sentence("web", Stream::Stdout);
        assert_eq!(text.as_deref(), Some("relayed stdout of web: 1 line, 10 bytes"));
        counters.relayed(2, 1);
        counters.dropped(7, 2);
        counters.held_up(Duration::from_micros(2_500));
        let counts = Counts {
            bytes: 10,
            lines: 3,
            splits: 1,
            dropped_bytes: 7,
            dropped_lines: 2,
            held_up: Duration::from_micros(2_500),
        };
        assert_eq!(counters.counts(), counts);
        let text = counts.sentence("web", Stream::Stderr);
        let expected =
            "relayed stderr of web: 3 lines, 10 bytes, 1 split, 2 lines lost, held up for 2ms";
        assert_eq!(text.as_deref(), Some(expected));
    }
}
