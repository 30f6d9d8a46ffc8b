//! The ways to end a group, or a part of it.

use std::time::Duration;

use crate::core::MemberId;
use crate::spec::{Launch, Signal};

/// So long a late member is held back.
pub(super) const HELD_BACK: Duration = Duration::from_secs(3);

/// One way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// SIGKILL to a member.
    Kill,
    /// SIGTERM to a member alone.
    Term,
    /// A member is started later than all others.
    Late,
    /// SIGSTOP to the main process.
    Freeze,
    /// A stop request, as a platform makes it.
    Platform,
    /// SIGKILL to fateshare itself.
    Supervisor,
}

impl Kind {
    /// All of them, in the order in which they are struck.
    pub const ALL: [Self; 6] =
        [Self::Kill, Self::Term, Self::Late, Self::Freeze, Self::Platform, Self::Supervisor];

    /// As it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Term => "term",
            Self::Late => "late",
            Self::Freeze => "freeze",
            Self::Platform => "platform",
            Self::Supervisor => "supervisor",
        }
    }

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether each member is struck by it, and not the group once.
    pub fn is_for_each_member(self) -> bool {
        matches!(self, Self::Kill | Self::Term | Self::Late)
    }
}

/// One way to end something, and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strike {
    /// How.
    pub kind: Kind,
    /// Whom; `None` for fateshare.
    pub member: Option<MemberId>,
}

impl Strike {
    /// The signal that is sent, if any is. A platform stops a group by the first signal that it takes
    /// for a stop request, SIGTERM where that is one.
    pub fn signal(self, launch: &Launch) -> Option<Signal> {
        match self.kind {
            Kind::Kill | Kind::Supervisor => Some(Signal::KILL),
            Kind::Term => Some(Signal::TERM),
            Kind::Late => None,
            Kind::Freeze => Some(Signal::STOP),
            Kind::Platform if launch.stop_on.contains(&Signal::TERM) => Some(Signal::TERM),
            Kind::Platform => Some(launch.stop_on.first().copied().unwrap_or(Signal::TERM)),
        }
    }

    /// Whom it hits, as a table shows it.
    pub fn target(self, launch: &Launch) -> String {
        let member = self.member.and_then(|member| launch.members.get(member.index()));
        member.map_or("(fateshare)".to_owned(), |member| member.name.clone())
    }

    /// What is done, as a table shows it.
    pub fn label(self, launch: &Launch) -> String {
        match (self.kind, self.signal(launch)) {
            (Kind::Late, _) => format!("late {}s", HELD_BACK.as_secs()),
            (Kind::Freeze, _) => "freeze".to_owned(),
            (_, signal) => signal.map_or(String::new(), |signal| signal.to_string()),
        }
    }
}

/// Who and what is wanted; nothing for everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Names of members.
    pub members: Vec<String>,
    /// Ways.
    pub kinds: Vec<Kind>,
}

impl Choice {
    /// The strikes in their order: each member's, then the group's. The error names what is not there.
    pub fn strikes(&self, launch: &Launch) -> Result<Vec<Strike>, String> {
        for name in &self.members {
            if !launch.members.iter().any(|member| member.name == *name) {
                let names: Vec<&str> = launch.members.iter().map(|it| it.name.as_str()).collect();
                return Err(format!(
                    "--member: there is no {name:?}; there are: {}",
                    names.join(", ")
                ));
            }
        }
        let wanted = |kind: &Kind| self.kinds.is_empty() || self.kinds.contains(kind);
        let mut strikes = Vec::new();
        for (id, member) in MemberId::all(launch.members.len()).zip(&launch.members) {
            if self.members.is_empty() || self.members.contains(&member.name) {
                let kinds = Kind::ALL.into_iter().filter(|it| it.is_for_each_member());
                let kinds = kinds.filter(wanted);
                strikes.extend(kinds.map(|kind| Strike { kind, member: Some(id) }));
            }
        }
        // With members named, only what is named too.
        let rest = Kind::ALL.into_iter().filter(|kind| !kind.is_for_each_member());
        let rest =
            rest.filter(|it| wanted(it) && (self.members.is_empty() || self.kinds.contains(it)));
        strikes.extend(rest.map(|kind| {
            let member = (kind == Kind::Freeze).then_some(MemberId::MAIN);
            Strike { kind, member }
        }));
        Ok(strikes)
    }
}
