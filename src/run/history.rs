//! The event list: everything that happened, in order, and the lines that it gives.

use crate::core::{Happening, Importance, Moment, NotForwarded, exit_description, render};
use crate::spec::Launch;
use crate::voice::ALWAYS;

/// Signals come as often as somebody sends them: beyond so many entries they are only counted.
const SIGNALS_KEPT: usize = 1_000;

/// The event list of one group.
#[derive(Debug, Default)]
pub(super) struct History {
    entries: Vec<(Moment, Happening)>,
    signals: usize,
    warned_of_shell: bool,
}

impl History {
    /// Adds an entry and says its line.
    pub(super) fn add(&mut self, launch: &Launch, now: Moment, happening: Happening) {
        self.say(launch, &happening);
        let noise = matches!(
            happening,
            Happening::Got(_) | Happening::Forwarded(_) | Happening::NotForwarded(..)
        );
        self.signals += usize::from(noise);
        if !noise || self.signals <= SIGNALS_KEPT {
            self.entries.push((now, happening));
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
            tracing::warn!("Cloud Foundry would say: {description}");
        }
    }
}
