//! The bounded queue between the supervisor and the writing thread.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::sys::clock;

/// So many bytes may wait. A reader that is further behind gets a count instead of lines.
const LARGEST: usize = 64 * 1024;

/// Whether a line may be dropped when too much is waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// It may.
    Ordinary,
    /// Never: the spec, the verdict and the end. They are few.
    Always,
}

/// Lines that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Signalled when there is something to write.
    filled: Condvar,
    /// Signalled when something was written.
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    dropped: usize,
    /// Whether the thread is writing a line that it has taken.
    writing: bool,
    /// Grows with every write that got anything out, and with every line that is dealt with.
    moves: u64,
}

impl State {
    fn next(&mut self) -> Option<Vec<u8>> {
        if let Some(line) = self.lines.pop_front() {
            self.bytes -= line.len();
            self.writing = true;
            return Some(line);
        }
        if self.dropped == 0 {
            return None;
        }
        self.writing = true;
        let dropped = std::mem::take(&mut self.dropped);
        let text = format!(
            "fateshare: {dropped} of its own messages were dropped: standard error was not read\n"
        );
        Some(text.into_bytes())
    }
}

impl Queue {
    /// Adds a line, or counts it if too much is waiting. Never waits for the reader: the lock is
    /// never held during a write.
    pub(super) fn put(&self, line: &[u8], weight: Weight) {
        let mut state = self.lock();
        if weight == Weight::Ordinary && state.bytes + line.len() > LARGEST {
            state.dropped += 1;
        } else {
            state.bytes += line.len();
            state.lines.push_back(line.to_vec());
        }
        drop(state);
        self.filled.notify_one();
    }

    /// The next line, as soon as there is one.
    pub(super) fn take(&self) -> Vec<u8> {
        let mut state = self.lock();
        loop {
            if let Some(line) = state.next() {
                return line;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next line, if there is one.
    pub(super) fn try_take(&self) -> Option<Vec<u8>> {
        self.lock().next()
    }

    /// Notes that some bytes got out.
    pub(super) fn progress(&self) {
        self.lock().moves += 1;
        self.moved.notify_one();
    }

    /// Notes that the line which was taken is dealt with.
    pub(super) fn done(&self) {
        let mut state = self.lock();
        state.writing = false;
        state.moves += 1;
        drop(state);
        self.moved.notify_one();
    }

    /// Waits until nothing is left to write, until there was no progress for `patience`, or until
    /// `limit` is over.
    pub(super) fn wait_until_empty(&self, patience: Duration, limit: Duration) {
        let begin = clock::monotonic();
        let mut state = self.lock();
        while state.writing || !state.lines.is_empty() || state.dropped > 0 {
            let before = state.moves;
            let left = limit.saturating_sub(clock::monotonic().saturating_sub(begin));
            let (after, waited) = self
                .moved
                .wait_timeout_while(state, patience.min(left), |state| state.moves == before)
                .unwrap_or_else(PoisonError::into_inner);
            state = after;
            if waited.timed_out() {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn lines_come_out_in_their_order() {
        let queue = Queue::default();
        queue.put(b"one\n", Weight::Ordinary);
        queue.put(b"two\n", Weight::Always);
        assert_eq!(queue.take(), b"one\n");
        assert_eq!(queue.take(), b"two\n");
    }

    #[test]
    fn what_does_not_fit_is_counted_and_said_once() {
        let queue = Queue::default();
        let line = vec![b'x'; LARGEST / 2];
        for _ in 0..5 {
            queue.put(&line, Weight::Ordinary);
        }
        queue.put(b"the verdict\n", Weight::Always);
        assert_eq!(queue.take().len(), line.len());
        assert_eq!(queue.take().len(), line.len());
        assert_eq!(queue.take(), b"the verdict\n", "what always matters is never dropped");
        let text = String::from_utf8(queue.take()).expect("our own text");
        assert!(text.starts_with("fateshare: 3 of its own messages were dropped"), "{text}");
        queue.put(b"again\n", Weight::Ordinary);
        assert_eq!(queue.take(), b"again\n");
    }

    #[test]
    fn a_flush_ends_when_the_last_line_is_written() {
        let queue = Arc::new(Queue::default());
        queue.put(b"one\n", Weight::Ordinary);
        queue.put(b"two\n", Weight::Ordinary);
        let writer = Arc::clone(&queue);
        let thread = thread::spawn(move || {
            for _ in 0..2 {
                writer.take();
                writer.progress();
                writer.done();
            }
        });
        queue.wait_until_empty(Duration::from_mins(1), Duration::from_mins(1));
        thread.join().expect("the writer ends");
        let state = queue.lock();
        assert!(state.lines.is_empty() && !state.writing);
    }

    #[test]
    fn a_flush_gives_up_when_nothing_moves() {
        let queue = Queue::default();
        queue.put(b"one\n", Weight::Ordinary);
        queue.take();
        // Nobody writes: it comes back all the same.
        queue.wait_until_empty(Duration::from_millis(20), Duration::from_mins(1));
        assert!(queue.lock().writing);
    }

    #[test]
    fn a_reader_that_takes_drop_by_drop_does_not_hold_a_flush_for_ever() {
        let queue = Arc::new(Queue::default());
        queue.put(b"one\n", Weight::Always);
        let writer = Arc::clone(&queue);
        // It is left behind, as the writing thread is: there is progress for ever.
        thread::spawn(move || {
            writer.take();
            loop {
                writer.progress();
                thread::yield_now();
            }
        });
        queue.wait_until_empty(Duration::from_mins(1), Duration::from_millis(50));
        assert!(!queue.lock().lines.is_empty() || queue.lock().writing);
    }
}
