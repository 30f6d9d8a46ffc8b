//! The event list: everything that happened, in order, and the lines that it gives.

use super::window::Recorder;
use crate::core::{
    Context, Ending, Happening, Importance, Instance, LogLine, Moment, NotForwarded, Outcome,
    created, exit_description, platform_lines, render,
};
use crate::spec::Launch;
use crate::status::Board;
use crate::sys::clock;
use crate::voice::format::Format;
use crate::voice::{ALWAYS, PLATFORM, Voice};

/// The event list of one group.
#[derive(Debug)]
pub(super) struct History {
    board: Board,
    recorder: Recorder,
    warned_of_shell: bool,
    ending: Ending,
    /// Which life of an app this is, for the platform that is played.
    instance: Instance,
    /// Whether the platform's log is shown.
    is_platform: bool,
    voice: Voice,
}

impl History {
    /// An empty one. Says what stands before everything in the platform's log, where that is wanted.
    pub(super) fn new(
        voice: &Voice,
        format: Format,
        instance: &Instance,
        (board, recorder): (Board, Recorder),
    ) -> Self {
        let is_platform = format == Format::CloudFoundry;
        let history = Self {
            board,
            recorder,
            warned_of_shell: false,
            ending: Ending::default(),
            instance: instance.clone(),
            is_platform,
            voice: voice.clone(),
        };
        if is_platform {
            for line in created(instance) {
                history.log_line(line);
            }
        }
        history
    }

    /// Adds an entry, says its line, and writes down what has to be there before it goes on.
    pub(super) fn add(&mut self, launch: &Launch, now: Moment, happening: Happening) {
        self.ending.note(launch, now, &happening);
        self.recorder.happens(now, &happening);
        // What happened comes before what it means, and the platform's crash behind all.
        let is_end = matches!(happening, Happening::Over(_));
        if !is_end {
            self.log(launch, &happening);
        }
        self.say(launch, &happening);
        if is_end {
            self.log(launch, &happening);
        }
        let is_deadline = matches!(happening, Happening::GraceOver(_));
        let frequent = is_frequent(&happening);
        let is_step = matches!(happening, Happening::AllRunning | Happening::Healthy { .. });
        self.board.add(now, happening, frequent);
        if is_step || is_deadline || is_end {
            self.recorder.tell_all();
        }
        if is_deadline {
            self.recorder.before_sigkill();
        }
        if is_end {
            self.recorder.over();
            if self.ending.crash().is_some() {
                self.draw();
            }
        }
    }

    /// The group as a picture, on a terminal.
    fn draw(&self) {
        if let Some(picture) = self.recorder.picture() {
            self.voice.draw(&format!("\n{picture}"));
        }
    }

    /// Everything was said and relayed that could be.
    pub(super) fn flushed(&mut self) {
        self.recorder.flushed();
    }

    /// What came of the group that ended with this code.
    pub(super) fn outcome(&self, launch: &Launch, code: u8) -> Outcome {
        self.ending.outcome(launch, code)
    }

    /// Says what the platform's log shows of this, where that is wanted.
    fn log(&self, launch: &Launch, happening: &Happening) {
        if !self.is_platform {
            return;
        }
        let (instance, ending) = (&self.instance, &self.ending);
        let context = Context { launch, instance, ending, since_1970: clock::since_1970() };
        for line in platform_lines(context, happening) {
            self.log_line(line);
        }
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

/// What may happen any number of times in a group's life.
fn is_frequent(happening: &Happening) -> bool {
    matches!(
        happening,
        Happening::Got(_)
            | Happening::Forwarded(_)
            | Happening::NotForwarded(..)
            | Happening::Ready
            | Happening::NotReady(_)
    )
}
