//! What the supervisor hands to the writing thread: our own lines, members' outputs, and the wish to
//! see everything written.
//!
//! The supervisor never waits here for a reader: the lock is never held during a read or a write.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::format::Stream;
use crate::sys::clock;
use crate::sys::watch::Bell;

/// So many bytes may wait. A reader that is further behind gets a count instead of lines.
const LARGEST: usize = 64 * 1024;

/// So long the thread is waited for before it has heard that it is to finish: a write where nothing
/// but a blocking one is to be had may hold it.
const UNHEARD: Duration = Duration::from_secs(1);

/// Whether a line may be dropped when too much is waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// It may.
    Ordinary,
    /// Never: the spec, the verdict and the end. They are few.
    Always,
}

/// A line of our own, without `fateshare: ` and without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// When it was said, since 1970.
    pub(super) at: Duration,
    pub(super) text: Vec<u8>,
    pub(super) whose: Whose,
}

/// Whose words a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Ours.
    Ours,
    /// Those of the platform that is played.
    Platform,
    /// A part of a picture: nothing stands before it.
    Picture,
}

/// What comes on a member's standard output behind all that it wrote before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LastWords {
    pub(super) member: usize,
    /// When, since 1970.
    pub(super) at: Duration,
    pub(super) text: Vec<u8>,
}

/// An output of a member that is to be relayed.
#[derive(Debug)]
pub(super) struct Output {
    /// Its own among all outputs of the stream.
    pub(super) number: usize,
    pub(super) member: usize,
    pub(super) stream: Stream,
    pub(super) ours: Arc<OwnedFd>,
}

/// What lies there for the writing thread.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    /// Signalled when somebody's wait may be over.
    moved: Condvar,
    /// Whether anybody waits.
    awaited: AtomicBool,
    /// When something was read or written last while somebody waited, in nanoseconds of the monotonic clock.
    /// Who waits looks at it when his patience ends: to be woken each time would cost more than all the rest.
    progressed: AtomicU64,
    /// Wakes the thread, if there is one.
    bell: Option<Bell>,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Said>,
    bytes: usize,
    dropped: usize,
    /// The same since the beginning.
    dropped_in_all: u64,
    /// Whether a line that was taken is not written yet.
    writing: bool,
    outputs: Vec<Output>,
    last_words: Vec<LastWords>,
    /// So many lines were there before the first of these.
    older: usize,
    last: Last,
}

/// Whether the group is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Last {
    #[default]
    NotYet,
    /// Everything that is there is to be written.
    Wanted,
    /// The thread knows.
    Heard,
    /// It is.
    Done,
}

impl State {
    fn next(&mut self) -> Option<Said> {
        if let Some(said) = self.lines.pop_front() {
            self.bytes -= said.text.len();
            self.older = self.older.saturating_sub(1);
            self.writing = true;
            return Some(said);
        }
        if self.dropped == 0 {
            return None;
        }
        self.writing = true;
        let dropped = std::mem::take(&mut self.dropped);
        let text =
            format!("{dropped} of its own messages were dropped: standard error was not read");
        Some(Said { at: clock::since_1970(), text: text.into_bytes(), whose: Whose::Ours })
    }

    fn is_empty(&self) -> bool {
        !self.writing && self.lines.is_empty() && self.dropped == 0
    }
}

impl Inbox {
    /// For a thread that is woken by this bell.
    pub(super) fn new(bell: Bell) -> Self {
        Self { bell: Some(bell), ..Self::default() }
    }

    /// What wakes the thread.
    pub(super) fn bell(&self) -> Option<&Bell> {
        self.bell.as_ref()
    }

    /// Adds a line, or counts it if too much is waiting.
    pub(super) fn put(&self, text: &[u8], weight: Weight, whose: Whose) {
        let at = clock::since_1970();
        let mut state = self.lock();
        if weight == Weight::Ordinary && state.bytes + text.len() > LARGEST {
            state.dropped += 1;
            state.dropped_in_all += 1;
        } else {
            state.bytes += text.len();
            state.lines.push_back(Said { at, text: text.to_vec(), whose });
        }
        drop(state);
        self.wake();
    }

    /// Adds what comes behind all that a member has written to its standard output.
    pub(super) fn put_last_words(&self, member: usize, text: &str) {
        let (at, text) = (clock::since_1970(), text.as_bytes().to_vec());
        self.lock().last_words.push(LastWords { member, at, text });
        self.wake();
    }

    /// What was added so since.
    pub(super) fn take_last_words(&self) -> Vec<LastWords> {
        std::mem::take(&mut self.lock().last_words)
    }

    /// Adds an output. `watch` is called with the lock held: the thread must not hear of an output
    /// that it cannot find here.
    pub(super) fn put_output<E>(
        &self,
        output: Output,
        watch: impl FnOnce(&OwnedFd) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut state = self.lock();
        watch(&output.ours)?;
        if state.outputs.is_empty() {
            state.older = state.lines.len();
        }
        state.outputs.push(output);
        Ok(())
    }

    /// The outputs that were added since, and how many of the lines that wait are older than any of
    /// them.
    pub(super) fn take_outputs(&self) -> (Vec<Output>, usize) {
        let mut state = self.lock();
        let older = std::mem::take(&mut state.older).min(state.lines.len());
        (std::mem::take(&mut state.outputs), older)
    }

    /// How many lines were dropped since the beginning.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped_in_all
    }

    /// How many lines wait.
    pub(super) fn waiting(&self) -> usize {
        let state = self.lock();
        state.lines.len() + usize::from(state.dropped > 0)
    }

    /// The next line, if there is one.
    pub(super) fn try_take(&self) -> Option<Said> {
        self.lock().next()
    }

    /// Notes that something was read or written.
    pub(super) fn progress(&self) {
        // Who begins to wait now finds out at the next one.
        if self.awaited.load(Ordering::Relaxed) {
            let now = u64::try_from(clock::monotonic().as_nanos()).unwrap_or(u64::MAX);
            self.progressed.store(now, Ordering::Relaxed);
        }
    }

    /// Notes that the line which was taken is dealt with.
    pub(super) fn done(&self) {
        let mut state = self.lock();
        if std::mem::take(&mut state.writing) {
            drop(state);
            self.progress();
            self.moved.notify_one();
        }
    }

    /// Whether everything that is there is to be written now. The thread asks.
    pub(super) fn is_last(&self) -> bool {
        let mut state = self.lock();
        if state.last == Last::Wanted {
            state.last = Last::Heard;
            self.progress();
        }
        state.last == Last::Heard
    }

    /// Notes that everything is written.
    pub(super) fn all_done(&self) {
        let mut state = self.lock();
        state.last = Last::Done;
        drop(state);
        self.moved.notify_one();
    }

    /// Waits until our own lines are written, until there was no progress for `patience`, or until
    /// `limit` is over.
    pub(super) fn wait_until_empty(&self, patience: Duration, limit: Duration) {
        self.wait_until(State::is_empty, patience, limit);
    }

    /// The same for everything, what members have written before they ended included. Says whether
    /// all of it is written.
    pub(super) fn wait_until_all_done(&self, patience: Duration, limit: Duration) -> bool {
        self.want_all();
        self.wait_until(|state| state.last == Last::Done, patience, limit);
        self.lock().last == Last::Done
    }

    /// From now on everything that is there is to be written.
    pub(super) fn want_all(&self) {
        self.lock().last = Last::Wanted;
        self.wake();
    }

    fn wait_until(&self, done: impl Fn(&State) -> bool, patience: Duration, limit: Duration) {
        let begin = clock::monotonic();
        self.awaited.store(true, Ordering::Relaxed);
        let mut state = self.lock();
        while !done(&state) {
            // On a machine that has too much to do the thread may not have its turn for a while, which is no
            // reader's fault.
            let patient = if state.last == Last::Wanted { patience.max(UNHEARD) } else { patience };
            let progressed = Duration::from_nanos(self.progressed.load(Ordering::Relaxed));
            let now = clock::monotonic();
            let left = (begin.max(progressed) + patient).min(begin + limit).saturating_sub(now);
            if left.is_zero() {
                break;
            }
            let woken = self.moved.wait_timeout(state, left.min(patience));
            let (after, waited) = woken.unwrap_or_else(PoisonError::into_inner);
            state = after;
            if waited.timed_out() && clock::monotonic() == now {
                // The clock stands still: so this was the last.
                break;
            }
        }
        drop(state);
        self.awaited.store(false, Ordering::Relaxed);
    }

    fn wake(&self) {
        if let Some(bell) = &self.bell {
            bell.ring();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn take(inbox: &Inbox) -> Vec<u8> {
        inbox.try_take().expect("a line").text
    }

    #[test]
    fn lines_come_out_in_their_order() {
        let inbox = Inbox::default();
        inbox.put(b"one\n", Weight::Ordinary, Whose::Ours);
        inbox.put(b"two\n", Weight::Always, Whose::Ours);
        assert_eq!(take(&inbox), b"one\n");
        assert_eq!(take(&inbox), b"two\n");
    }

    #[test]
    fn what_does_not_fit_is_counted_and_said_once() {
        let inbox = Inbox::default();
        let line = vec![b'x'; LARGEST / 2];
        for _ in 0..5 {
            inbox.put(&line, Weight::Ordinary, Whose::Ours);
        }
        inbox.put(b"the verdict\n", Weight::Always, Whose::Ours);
        assert_eq!(take(&inbox).len(), line.len());
        assert_eq!(take(&inbox).len(), line.len());
        assert_eq!(take(&inbox), b"the verdict\n", "what always matters is never dropped");
        let text = String::from_utf8(take(&inbox)).expect("our own text");
        assert!(text.starts_with("3 of its own messages were dropped"), "{text}");
        inbox.put(b"again\n", Weight::Ordinary, Whose::Ours);
        assert_eq!(take(&inbox), b"again\n");
    }

    #[test]
    fn a_flush_ends_when_the_last_line_is_written() {
        let inbox = Arc::new(Inbox::default());
        inbox.put(b"one\n", Weight::Ordinary, Whose::Ours);
        inbox.put(b"two\n", Weight::Ordinary, Whose::Ours);
        let writer = Arc::clone(&inbox);
        let thread = thread::spawn(move || {
            for _ in 0..2 {
                take(&writer);
                writer.progress();
                writer.done();
            }
        });
        inbox.wait_until_empty(Duration::from_mins(1), Duration::from_mins(1));
        thread.join().expect("the writer ends");
        let state = inbox.lock();
        assert!(state.is_empty());
    }

    #[test]
    fn a_flush_gives_up_when_nothing_moves() {
        let inbox = Inbox::default();
        inbox.put(b"one\n", Weight::Ordinary, Whose::Ours);
        take(&inbox);
        // Nobody writes: it comes back all the same.
        inbox.wait_until_empty(Duration::from_millis(20), Duration::from_mins(1));
        assert!(inbox.lock().writing);
    }

    #[test]
    fn a_reader_that_takes_drop_by_drop_does_not_hold_a_flush_for_ever() {
        let inbox = Arc::new(Inbox::default());
        inbox.put(b"one\n", Weight::Always, Whose::Ours);
        let writer = Arc::clone(&inbox);
        // There is progress as long as anybody waits.
        thread::spawn(move || {
            take(&writer);
            while Arc::strong_count(&writer) > 1 {
                writer.progress();
                thread::yield_now();
            }
        });
        inbox.wait_until_empty(Duration::from_mins(1), Duration::from_millis(50));
        assert!(!inbox.lock().lines.is_empty() || inbox.lock().writing);
    }

    #[test]
    fn a_flush_waits_as_long_as_something_moves_and_then_gives_up() {
        const PATIENCE: Duration = Duration::from_millis(200);
        let inbox = Arc::new(Inbox::default());
        inbox.put(b"one\n", Weight::Ordinary, Whose::Ours);
        let writer = Arc::clone(&inbox);
        let begin = clock::monotonic();
        let moves = thread::spawn(move || {
            let mut moves = vec![(begin, begin)];
            while clock::monotonic() < begin + 2 * PATIENCE {
                thread::sleep(PATIENCE / 20);
                let before = clock::monotonic();
                writer.progress();
                moves.push((before, clock::monotonic()));
            }
            moves
        });
        inbox.wait_until_empty(PATIENCE, Duration::from_mins(1));
        let ended = clock::monotonic();
        assert!(!inbox.lock().is_empty(), "nobody has written it");
        let moves = moves.join().expect("it ends");
        // On a machine that has too much to do this one may not have had its turn, and the rest is too late.
        let rests = |two: &[(Duration, Duration)]| two[1].1 >= two[0].0 + PATIENCE;
        let last = moves.windows(2).position(rests).unwrap_or(moves.len() - 1);
        assert!(ended >= moves[last].0 + PATIENCE, "{ended:?}, after {last} of {moves:?}");
    }

    #[test]
    fn a_thread_that_has_not_heard_of_the_end_is_waited_for_longer() {
        const PATIENCE: Duration = Duration::from_millis(1);
        let inbox = Inbox::default();
        let begin = clock::monotonic();
        assert!(!inbox.wait_until_all_done(PATIENCE, Duration::from_mins(1)));
        assert!(clock::monotonic() >= begin + UNHEARD);
    }
}
