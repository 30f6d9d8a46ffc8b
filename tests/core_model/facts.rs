//! What has passed between the machine and its world, as facts. Nothing in here decides anything.

use std::time::Duration;

use fateshare::core::{MemberId, Moment, Pid, Plan, ProcessKey, Status, Stopped, Target};
use fateshare::spec::Signal;

/// All that the rules may ask about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Facts {
    pub(super) now: Moment,
    pub(super) begun: bool,
    pub(super) scripts: Scripts,
    pub(super) members: Vec<Past>,
    /// Whom the last walk found.
    pub(super) strays: Vec<Stray>,
    pub(super) start: Start,
    pub(super) health: Health,
    /// Why it ends, from the verdict on.
    pub(super) end: Option<Why>,
    pub(super) teardown: Teardown,
    /// Since when we are stopped, as Ctrl-Z asks for.
    pub(super) suspended: Option<Moment>,
    pub(super) code: Option<u8>,
    pub(super) wish: Wish,
}

/// Where the profile scripts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scripts {
    /// They have to be started.
    Missing,
    Running {
        /// They were asked to stop.
        told: bool,
    },
    /// They are over, or there are none.
    Over,
}

/// What is known of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct Past {
    /// When we began to start it.
    pub(super) begun: Option<Moment>,
    pub(super) pid: Option<Pid>,
    pub(super) cannot_start: bool,
    pub(super) ended: Option<Status>,
    /// It ended after SIGKILL.
    pub(super) forced: bool,
    /// It lived when the verdict was passed.
    pub(super) outlived: bool,
    /// Who got its stop signal.
    pub(super) told: Option<Target>,
    /// We may not signal it; and how often SIGKILL was refused, two for again and in the last wave.
    pub(super) denied: bool,
    pub(super) refused_kill: u8,
    /// It has to be continued when we are.
    pub(super) paused: bool,
}

impl Past {
    pub(super) fn lives(&self) -> bool {
        self.pid.is_some() && self.ended.is_none()
    }
}

/// One descendant that is no leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stray {
    pub(super) key: ProcessKey,
    /// The living leader that it descends from.
    pub(super) under: Option<MemberId>,
    /// Whose it is, as far as that is known.
    pub(super) of: Option<MemberId>,
    pub(super) told: bool,
}

/// How far the members are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Start {
    /// A spawn has no answer yet.
    pub(super) unanswered: bool,
    /// We asked for what is pending, and have not been told all.
    pub(super) listening: bool,
    /// All that was pending after the last spawn has been told.
    pub(super) heard: bool,
    /// When the last one was started, or the group was.
    pub(super) last: Moment,
}

/// What the main process's health check has said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct Health {
    /// Since when it could have passed, without the time in which nothing ran.
    pub(super) since: Moment,
    /// The same as it was known at the last answer.
    pub(super) since_at_answer: Moment,
    /// Since when a question is under way.
    pub(super) asked: Option<Moment>,
    /// The time for its answer is used up.
    pub(super) is_late: bool,
    /// Its answer does not count: nothing ran meanwhile.
    pub(super) in_vain: bool,
    pub(super) passed: bool,
    /// How many questions had no success, before the first one that had.
    pub(super) failures: u32,
    pub(super) answered: Option<Moment>,
}

/// Why the group ends: what was known when that was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Why {
    pub(super) at: Moment,
    pub(super) what: What,
    /// The culprit may have put itself into the background.
    pub(super) hasty: bool,
}

/// The culprit and the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum What {
    Ended(MemberId, Status),
    Asked(Signal),
    /// With the exit code for it.
    CannotStart(u8),
    Unhealthy,
    ScriptsExited(u8),
    OwnFailure,
}

/// What has been seen since the verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct Teardown {
    /// The verdict is in the event list.
    pub(super) said: bool,
    /// The last SIGINT, and the one that cut the grace short.
    pub(super) last_int: Option<Moment>,
    pub(super) hurried: Option<Moment>,
    /// When we had looked before we were far too late, and when we looked then, if that moved the deadline.
    pub(super) slept: Option<(Moment, Moment)>,
    /// How much of the grace nobody could use.
    pub(super) lost: Duration,
    /// Two thirds of the grace are used.
    pub(super) thirds_used: bool,
    /// Somebody has ended, or could not be signalled, and nobody has looked since.
    pub(super) stirred: Option<Moment>,
    /// There was a walk; and when the last one was answered.
    pub(super) walk_asked: bool,
    pub(super) walked: Option<Moment>,
    /// Nothing has stirred since that.
    pub(super) looked: bool,
    /// A walk was answered since main has ended.
    pub(super) main_looked_for: bool,
    /// How often SIGKILL was sent, and when for the first and the last time.
    pub(super) waves: u32,
    pub(super) first_wave: Moment,
    pub(super) last_wave: Moment,
    pub(super) ended_since_wave: bool,
    /// The last look at who is left: it was asked for, it was answered.
    pub(super) looking_last: bool,
    pub(super) looked_last: bool,
    /// The kernel says that nobody is left.
    pub(super) nobody_left: bool,
}

/// What the event that is being answered asks for, and nothing that came before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools, reason = "independent wishes")]
pub(super) struct Wish {
    /// Timers that have run out are told.
    pub(super) ticked: bool,
    /// Something has changed after which one has to look at once.
    pub(super) stirred: bool,
    /// The verdict was passed.
    pub(super) decided: bool,
    pub(super) forward: Option<Signal>,
    pub(super) suspend: Option<Stopped>,
    pub(super) resume: bool,
    pub(super) give_terminal: bool,
    pub(super) take_terminal: bool,
    /// The health check's question has to be repeated.
    pub(super) ask_again: bool,
    pub(super) look_who_is_left: bool,
    /// The grace was cut short; the deadline was moved; the first success of the health check.
    pub(super) hurried: bool,
    pub(super) moved: bool,
    pub(super) healthy: bool,
}

impl Facts {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            now: Moment::ZERO,
            begun: false,
            scripts: if plan.profile { Scripts::Missing } else { Scripts::Over },
            members: vec![Past::default(); plan.members.len()],
            strays: Vec::new(),
            start: Start { unanswered: false, listening: false, heard: true, last: Moment::ZERO },
            health: Health::default(),
            end: None,
            teardown: Teardown::default(),
            suspended: None,
            code: None,
            wish: Wish::default(),
        }
    }

    /// SIGKILL was sent.
    pub(super) fn is_killing(&self) -> bool {
        self.teardown.waves > 0
    }

    pub(super) fn all_run(&self) -> bool {
        self.members.iter().all(|it| it.pid.is_some())
    }

    pub(super) fn main_lives(&self) -> bool {
        self.members[0].lives()
    }

    pub(super) fn somebody_lives(&self) -> bool {
        self.members.iter().any(Past::lives)
    }

    pub(super) fn living(&self) -> impl Iterator<Item = MemberId> {
        MemberId::all(self.members.len()).filter(|it| self.of(*it).lives())
    }

    pub(super) fn of(&self, member: MemberId) -> Past {
        self.members[member.index()]
    }

    pub(super) fn stir(&mut self) {
        self.wish.stirred = true;
        self.teardown.stirred = Some(self.now);
        self.teardown.looked = false;
    }

    /// Drops what no rule asks about any more, so that the same outlook is the same state.
    pub(super) fn forget(&mut self) {
        self.wish = Wish::default();
        let Some(why) = &mut self.end else { return };
        why.hasty &= !self.teardown.said;
        self.start = Start { unanswered: false, listening: false, heard: true, last: Moment::ZERO };
        self.health = Health::default();
        for member in &mut self.members {
            member.begun = None;
            if member.ended.is_some() {
                (member.denied, member.refused_kill) = (false, 0);
            }
        }
        if self.is_killing() {
            self.suspended = None;
            let teardown = &mut self.teardown;
            teardown.last_int = None;
            teardown.stirred = None;
            teardown.walk_asked = true;
            teardown.walked = None;
            teardown.thirds_used = true;
            teardown.looked = false;
            teardown.main_looked_for = false;
            self.strays.clear();
            for member in &mut self.members {
                member.told = None;
                member.outlived = false;
                member.paused = false;
            }
        }
    }
}
