//! The writing thread: everything that fateshare itself says goes through here, and what members
//! write where it is relayed.
//!
//! The supervisor hands lines and outputs over and never waits: a reader that takes nothing must not
//! stop a teardown. What waits of our own lines is bounded, and what is dropped of them is counted;
//! what members write waits in their own pipes. The thread is left behind when we leave;
//! [`Voice::finish`] gives it a last, bounded chance.
//!
//! Bytes go this way: `sys::outlet` reads them, [`lines`] finds the lines, [`format`] puts what
//! belongs around them, a [`lane`] writes them; [`pump`] is the thread's loop around its two lanes.

mod alone;
mod aside;
#[doc(hidden)]
pub mod bench;
pub mod counters;
pub mod format;
#[cfg(test)]
mod fuzz;
mod inbox;
mod json;
mod lane;
#[cfg(test)]
mod lane_tests;
pub mod lines;
pub mod out;
mod pump;
mod say;
mod scribe;
mod take;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

pub use aside::Aside;
pub use say::{ALWAYS, Level, PLATFORM};
pub use scribe::within;

use crate::sys::output::{Sink, Which};
use crate::sys::watch::{Bell, Outputs};
use crate::sys::{memory, output};
use alone::Alone;
use counters::{Counters, Counts};
use format::{Colours, Format, Frame, Stream};
use inbox::{Inbox, Output};
use lane::Lane;
use pump::Pump;
use take::Turn;

/// At the end the flush is given up after this long without progress.
pub const FLUSH_WITHOUT_PROGRESS: Duration = Duration::from_millis(250);

/// So long the line has that something was given up: a reader who is there takes it at once, but on a
/// busy machine the thread has to get its turn.
const LAST_GLANCE: Duration = Duration::from_millis(100);

/// What the voice sounds like.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// How much we say ourselves.
    pub level: Level,
    /// What lines look like, and whether members' output is relayed at all.
    pub format: Format,
    /// Whether labels have colours on standard output, and on standard error.
    pub colours: [Colours; 2],
}

/// A handle on the writing thread.
#[derive(Clone, Debug)]
pub struct Voice {
    inbox: Arc<Inbox>,
    how: How,
}

/// Who writes.
#[derive(Clone, Debug)]
enum How {
    /// The thread; with the outputs that it watches, for standard output and for standard error, and what
    /// it counts.
    Thread([Arc<Outputs>; 2], Arc<[[Counters; 2]]>),
    /// Whoever says something.
    Alone(Arc<Alone>),
}

impl Voice {
    /// Starts the thread and makes it the place that `tracing` writes to. Call it while all
    /// signals are blocked: the thread inherits the mask, so that handlers run elsewhere.
    ///
    /// Some sandboxes let no thread be started (old seccomp profiles refuse `clone3`): then our own
    /// lines are written without it, and nothing can be [relayed](Self::relays).
    pub fn start(style: Style, names: Vec<String>) -> Self {
        memory::share_one_store();
        let (voice, failure) = match Self::on_a_thread(style, names) {
            Ok(voice) => (voice, None),
            Err(error) => {
                let alone = How::Alone(Arc::new(Alone::new(style.format, style.colours[1])));
                (Self { inbox: Arc::new(Inbox::default()), how: alone }, Some(error))
            }
        };
        say::subscribe(style.level, voice.clone());
        if let Some(error) = failure {
            if style.format == Format::Raw {
                tracing::info!("cannot start the writing thread, does without: {error}");
            } else {
                tracing::warn!(
                    "cannot start the writing thread: {error}: members' output is passed on as it is"
                );
            }
        }
        voice
    }

    fn on_a_thread(style: Style, names: Vec<String>) -> io::Result<Self> {
        let outputs = [Arc::new(Outputs::new()?), Arc::new(Outputs::new()?)];
        let inbox = Arc::new(Inbox::new(Bell::new()?));
        // What goes the same way must not get between the parts of a line.
        let shared = Arc::new(Turn::default());
        let turn = || if output::same() { Arc::clone(&shared) } else { Arc::default() };
        let lane = |which, place, outputs: &Arc<_>| {
            let sink = Sink::open(which);
            Lane::new(sink, (place, turn()), Arc::clone(outputs), Arc::clone(&inbox))
        };
        let counters: Arc<[_]> = names.iter().map(|_| <[Counters; 2]>::default()).collect();
        let pump = Pump {
            inbox: Arc::clone(&inbox),
            lanes: [lane(Which::Stdout, 1, &outputs[0])?, lane(Which::Stderr, 2, &outputs[1])?],
            format: style.format,
            counters: Arc::clone(&counters),
            names,
            colours: style.colours,
            ours: Frame::ours(style.format, style.colours[1]),
            platform: Frame::platform(),
            picture: Frame::picture(),
            summed_up: false,
        };
        // Its frames are small; the stack is memory that every container would pay for.
        let builder = thread::Builder::new().name("voice".to_owned()).stack_size(64 * 1024);
        builder.spawn(move || pump.run())?;
        Ok(Self { inbox, how: How::Thread(outputs, counters) })
    }

    /// Whether members' outputs can be relayed.
    pub fn relays(&self) -> bool {
        matches!(self.how, How::Thread(..))
    }

    /// Relays this output of a member from now on, until nobody writes to it any more. No other one of
    /// the same stream may have its number.
    pub fn relay(
        &self,
        number: usize,
        member: usize,
        stream: Stream,
        ours: Arc<OwnedFd>,
    ) -> io::Result<()> {
        let How::Thread(outputs, _) = &self.how else { return Ok(()) };
        let outputs = &outputs[stream as usize];
        let output = Output { number, member, stream, ours };
        self.inbox.put_output(output, |output| outputs.add(output, number))
    }

    /// What was counted of each member's standard output and standard error, where they are relayed.
    pub fn counts(&self) -> Vec<[Counts; 2]> {
        let How::Thread(_, counters) = &self.how else { return Vec::new() };
        counters.iter().map(|[out, err]| [out.counts(), err.counts()]).collect()
    }

    /// How many of our own lines were dropped, because nobody read them.
    pub fn dropped(&self) -> u64 {
        self.inbox.dropped()
    }

    /// Says something on this member's standard output, behind everything that it has written there.
    /// Only where that is relayed.
    pub fn last_words(&self, member: usize, text: &str) {
        if self.relays() {
            self.inbox.put_last_words(member, text);
        }
    }

    /// Waits until our own lines are written, but no longer than [`FLUSH_WITHOUT_PROGRESS`] after the
    /// last byte that was taken, and no longer than `limit` in all.
    pub fn flush(&self, limit: Duration) {
        match &self.how {
            How::Thread(..) => self.inbox.wait_until_empty(FLUSH_WITHOUT_PROGRESS, limit),
            How::Alone(alone) => alone.flush(&self.inbox, FLUSH_WITHOUT_PROGRESS, limit),
        }
    }

    /// Waits likewise until everything is written that members have left in their outputs, where they
    /// are relayed, and our last lines. Nothing is relayed any more afterwards.
    pub fn finish(&self, limit: Duration, relayed: bool) {
        if let How::Alone(_) = &self.how {
            self.flush(limit);
        } else if !self.inbox.wait_until_all_done(FLUSH_WITHOUT_PROGRESS, limit) && relayed {
            tracing::warn!("what members wrote last was not read, and is lost");
            self.inbox.wait_until_empty(LAST_GLANCE, LAST_GLANCE);
        }
    }
}
