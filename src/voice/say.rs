//! What we say ourselves: levels, and the way from `tracing` to the inbox.

use std::io;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use super::inbox::{Weight, Whose};
use super::{How, Voice};

/// The target of lines that are written at every level but `off`.
pub const ALWAYS: &str = "fateshare::always";

/// The target of lines of the platform that is played: at every level but `off`.
pub const PLATFORM: &str = "fateshare::platform";

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

/// Makes the voice the place that `tracing` writes to.
pub(super) fn subscribe(level: Level, voice: Voice) {
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level.filter())
        .event_format(Bare)
        .with_writer(voice)
        .finish();
    // Fails only when there is a subscriber already, and then that one is as good.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

impl Voice {
    /// Shows a picture at every level but `off`: lines with nothing before them, each with its end.
    pub fn draw(&self, picture: &str) {
        if tracing::enabled!(tracing::Level::ERROR) {
            let text = picture.strip_suffix('\n').unwrap_or(picture);
            self.put(text.as_bytes(), Weight::Always, Whose::Picture);
        }
    }

    fn put(&self, text: &[u8], weight: Weight, whose: Whose) {
        self.inbox.put(text, weight, whose);
        if let How::Alone(alone) = &self.how {
            alone.write(&self.inbox, Duration::ZERO);
        }
    }
}

/// The message alone: what belongs around it, the voice knows.
struct Bare;

impl<S, N> FormatEvent<S, N> for Bare
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        context.format_fields(writer, event)
    }
}

impl<'a> MakeWriter<'a> for Voice {
    type Writer = Lines<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Lines { voice: self, weight: Weight::Ordinary, whose: Whose::Ours }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        let (weight, whose) = match meta.target() {
            ALWAYS => (Weight::Always, Whose::Ours),
            PLATFORM => (Weight::Always, Whose::Platform),
            _ => (Weight::Ordinary, Whose::Ours),
        };
        Lines { voice: self, weight, whose }
    }
}

/// Where `tracing` puts the lines of one event.
#[derive(Debug)]
pub struct Lines<'a> {
    voice: &'a Voice,
    weight: Weight,
    whose: Whose,
}

/// `tracing` hands over each message whole.
impl io::Write for Lines<'_> {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        self.voice.put(message, self.weight, self.whose);
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
