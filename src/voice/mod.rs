//! The writing thread: everything that fateshare itself says goes through here.
//!
//! The supervisor hands lines over and never waits: standard error may be a pipe that nobody
//! reads, and that must not stop a teardown. The queue is bounded and counts what it drops. The
//! thread is left behind when we leave; [`Voice::flush`] gives it a last, bounded chance.

mod queue;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::sys::{clock, output};
use queue::{Queue, Weight};

/// The target of lines that are written at every level but `off`.
pub const ALWAYS: &str = "fateshare::always";

/// At the end the flush is given up after this long without progress.
pub const FLUSH_WITHOUT_PROGRESS: Duration = Duration::from_millis(250);

/// How much of what we have to say is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Nothing at all.
    Off,
    /// Failures, and what is always written.
    Error,
    /// Also what should be mended.
    Warn,
    /// Also the normal course of things.
    Info,
    /// Every step.
    Debug,
}

impl Level {
    /// The level with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "off" => Self::Off,
            "error" => Self::Error,
            "warn" => Self::Warn,
            "info" => Self::Info,
            "debug" => Self::Debug,
            _ => return None,
        })
    }

    fn filter(self) -> LevelFilter {
        match self {
            Self::Off => LevelFilter::OFF,
            // What is always written is said at this level.
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
        }
    }
}

/// A handle on the writing thread.
#[derive(Clone, Debug)]
pub struct Voice {
    queue: Arc<Queue>,
    /// What is written without the thread, where there is none.
    alone: Option<Arc<Mutex<Rest>>>,
}

/// What is left of the line that is being written.
#[derive(Debug)]
struct Rest {
    stderr: output::NonBlocking,
    line: Vec<u8>,
    written: usize,
    tries: u32,
}

impl Voice {
    /// Starts the thread and makes it the place that `tracing` writes to. Call it while all
    /// signals are blocked: the thread inherits the mask, so that handlers run elsewhere.
    ///
    /// Some sandboxes let no thread be started (old seccomp profiles refuse `clone3`): then each line
    /// is written at once as far as standard error takes it, and the rest later.
    pub fn start(level: Level) -> Self {
        let queue = Arc::new(Queue::default());
        let lines = Arc::clone(&queue);
        // Its frames are small; the stack is memory that every container would pay for.
        let builder = thread::Builder::new().name("voice".to_owned()).stack_size(64 * 1024);
        let thread = builder.spawn(move || write_all(&lines));
        let alone = thread.is_err().then(|| {
            let stderr = output::NonBlocking::open();
            Arc::new(Mutex::new(Rest { stderr, line: Vec::new(), written: 0, tries: 0 }))
        });
        let voice = Self { queue, alone };
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level.filter())
            .event_format(Plain)
            .with_writer(voice.clone())
            .finish();
        // Fails only when there is a subscriber already, and then that one is as good.
        let _ = tracing::subscriber::set_global_default(subscriber);
        if let Err(error) = thread {
            tracing::info!("cannot start the writing thread, does without: {error}");
        }
        voice
    }

    /// Without the thread: writes what standard error takes within this time. Says whether it took
    /// any.
    fn write_alone(&self, limit: Duration) -> bool {
        let Some(rest) = &self.alone else { return false };
        let mut rest = rest.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = clock::monotonic();
        let mut progress = false;
        loop {
            if rest.written == rest.line.len() || rest.tries == TRIES {
                let Some(line) = self.queue.try_take() else { return progress };
                (rest.line, rest.written, rest.tries) = (line, 0, 0);
            }
            let left = limit.saturating_sub(clock::monotonic().saturating_sub(begin));
            match rest.stderr.write(&rest.line[rest.written..], left) {
                Ok(Some(written)) => {
                    rest.written += written;
                    progress = true;
                }
                Ok(None) => return progress,
                Err(_) => rest.tries += 1,
            }
        }
    }

    /// Waits until everything is written, but no longer than [`FLUSH_WITHOUT_PROGRESS`] after the
    /// last byte that was taken, and no longer than `limit` in all.
    pub fn flush(&self, limit: Duration) {
        if self.alone.is_none() {
            self.queue.wait_until_empty(FLUSH_WITHOUT_PROGRESS, limit);
            return;
        }
        let begin = clock::monotonic();
        let left = || limit.saturating_sub(clock::monotonic().saturating_sub(begin));
        while !left().is_zero() && self.write_alone(FLUSH_WITHOUT_PROGRESS.min(left())) {}
    }
}

/// So often a line is tried: a full disk may have room again.
const TRIES: u32 = 2;

/// The thread: writes line after line, for ever.
fn write_all(queue: &Queue) {
    loop {
        let text = queue.take();
        let mut rest = text.as_slice();
        let mut tries = 0;
        while !rest.is_empty() && tries < TRIES {
            match output::write_some(rest) {
                Ok(written) => {
                    rest = &rest[written..];
                    queue.progress();
                }
                Err(_) => tries += 1,
            }
        }
        // Nobody will ever read the rest (EPIPE, EBADF): the line is lost, the group is not.
        queue.done();
    }
}

/// `fateshare: message`, one line an event.
struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        write!(writer, "fateshare: ")?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

impl<'a> MakeWriter<'a> for Voice {
    type Writer = Lines<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Lines { voice: self, weight: Weight::Ordinary }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        let always = meta.target() == ALWAYS;
        Lines { voice: self, weight: if always { Weight::Always } else { Weight::Ordinary } }
    }
}

/// Where `tracing` puts the lines of one event.
#[derive(Debug)]
pub struct Lines<'a> {
    voice: &'a Voice,
    weight: Weight,
}

/// `tracing` hands over each line whole.
impl io::Write for Lines<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.voice.queue.put(line, self.weight);
        self.voice.write_alone(Duration::ZERO);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
