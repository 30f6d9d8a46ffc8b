//! What we say ourselves: levels, and the way from `tracing` to the inbox.

use std::fmt::{Debug, Write};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

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
    let subscriber = Teller { level: level.filter(), voice };
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

/// Takes the message of each event to the voice, which knows what belongs around it.
///
/// There are no spans here, and nothing is kept: the registry of `tracing-subscriber` is 40 KiB of memory that every
/// container would pay for.
struct Teller {
    level: LevelFilter,
    voice: Voice,
}

impl Subscriber for Teller {
    fn enabled(&self, meta: &Metadata<'_>) -> bool {
        *meta.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let (weight, whose) = match event.metadata().target() {
            ALWAYS => (Weight::Always, Whose::Ours),
            PLATFORM => (Weight::Always, Whose::Platform),
            _ => (Weight::Ordinary, Whose::Ours),
        };
        self.voice.put(message.0.as_bytes(), weight, whose);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The message of an event, and whatever else it has behind it.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // A `String` takes everything.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}
