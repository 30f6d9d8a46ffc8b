//! The event list: everything that happened, in order, and the lines that it gives.

use crate::core::{
    Cause, Context, End, Happening, Importance, Instance, LogLine, Moment, NotForwarded, Outcome,
    PlatformLog, asks_for_an_end, created, exit_description, render,
};
use crate::spec::Launch;
use crate::sys::clock;
use crate::voice::format::Format;
use crate::voice::{ALWAYS, PLATFORM, Voice};

/// Signals come as often as somebody sends them: beyond so many entries they are only counted.
const SIGNALS_KEPT: usize = 1_000;

/// The event list of one group.
#[derive(Debug)]
pub(super) struct History {
    entries: Vec<(Moment, Happening)>,
    signals: usize,
    warned_of_shell: bool,
    /// Whether somebody asked for an end, be it after the verdict.
    asked: bool,
    /// Which life of an app this is, for the platform that is played.
    instance: Instance,
    /// What the platform's log shows, where that is wanted.
    log: Option<PlatformLog>,
    voice: Voice,
}

impl History {
    /// An empty one. Says what stands before everything in the platform's log, where that is wanted.
    pub(super) fn new(voice: &Voice, format: Format, instance: &Instance) -> Self {
        let log = (format == Format::CloudFoundry).then(PlatformLog::default);
        let history = Self {
            entries: Vec::new(),
            signals: 0,
            warned_of_shell: false,
            asked: false,
            instance: instance.clone(),
            log,
            voice: voice.clone(),
        };
        if log.is_some() {
            for line in created(instance) {
                history.log_line(line);
            }
        }
        history
    }

    /// Adds an entry and says its line.
    pub(super) fn add(&mut self, launch: &Launch, now: Moment, happening: Happening) {
        // What happened comes before what it means, and the platform's crash behind all.
        let is_end = matches!(happening, Happening::Over(_));
        if !is_end {
            self.log(launch, &happening);
        }
        self.say(launch, &happening);
        if is_end {
            self.log(launch, &happening);
        }
        if let Happening::Got(received) = &happening {
            self.asked |= asks_for_an_end(&launch.stop_on, received);
        }
        let noise = matches!(
            happening,
            Happening::Got(_) | Happening::Forwarded(_) | Happening::NotForwarded(..)
        );
        self.signals += usize::from(noise);
        if !noise || self.signals <= SIGNALS_KEPT {
            self.entries.push((now, happening));
        }
    }

    /// What came of the group, as far as it has come; `code` is what it ends with.
    pub(super) fn outcome(&self, launch: &Launch, code: u8) -> Outcome {
        let outcome = Outcome::of(launch, code, &self.entries);
        // Who wants an end wants no new beginning, whatever came first.
        if self.asked { Outcome { end: End::Stopped, ..outcome } } else { outcome }
    }

    /// Says what the platform's log shows of this, where that is wanted.
    fn log(&mut self, launch: &Launch, happening: &Happening) {
        let Some(mut log) = self.log else { return };
        let outcome = Outcome::of(launch, 0, &self.entries);
        let context = Context {
            launch,
            instance: &self.instance,
            cause: self.cause(),
            running: outcome.running,
            since_1970: clock::since_1970(),
        };
        let lines = log.lines(context, happening);
        for line in lines {
            self.log_line(line);
        }
        self.log = Some(log);
    }

    fn cause(&self) -> Option<&Cause> {
        self.entries.iter().rev().find_map(|(_, happening)| match happening {
            Happening::Verdict(decided) => Some(&decided.verdict.cause),
            _ => None,
        })
    }

    fn log_line(&self, line: LogLine) {
        match line {
            LogLine::Platform(text) => tracing::error!(target: PLATFORM, "{text}"),
            LogLine::Member(member, text) => self.voice.last_words(member.index(), &text),
        }
    }

    fn say(&mut self, launch: &Launch, happening: &Happening) {
        let Some(line) = render(launch, happening) else {
            return;
        };
        let text = line.text;
        let description = match happening {
            Happening::Verdict(decided) => exit_description(launch, &decided.verdict.cause),
            _ => None,
        };
        let again = matches!(happening, Happening::NotForwarded(_, NotForwarded::ShellLeads))
            && std::mem::replace(&mut self.warned_of_shell, true);
        match line.importance {
            _ if again => tracing::debug!("{text}"),
            Importance::Always => tracing::error!(target: ALWAYS, "{text}"),
            Importance::Error => tracing::error!("{text}"),
            Importance::Warn => tracing::warn!("{text}"),
            Importance::Info => tracing::info!("{text}"),
            Importance::Debug => tracing::debug!("{text}"),
        }
        if let Some(description) = description {
            tracing::error!(target: ALWAYS, "Cloud Foundry would say: {description}");
        }
    }
}
