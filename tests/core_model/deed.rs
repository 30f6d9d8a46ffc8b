//! What the machine does, without what it only says; and how that becomes a fact.

use fateshare::core::{Action, Check, MemberId, ProcessKey, Stopped, Target};
use fateshare::spec::Signal;

use super::Reference;
use super::facts::Scripts;

/// One of the machine's actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Prepare,
    StopPreparing(Signal),
    Spawn(MemberId),
    ComeBack,
    Forward(Signal),
    Resize,
    Stop { member: MemberId, signal: Signal, target: Target },
    StopStraggler { key: ProcessKey, signal: Signal },
    Probe(Check),
    CancelProbes,
    Walk,
    KillWave { freeze: bool, again: bool },
    Pause(MemberId),
    Suspend(Stopped),
    TakeTerminal,
    GiveTerminal,
    Continue(MemberId),
    End(u8),
}

impl Deed {
    /// The deed in an action; none for an entry of the event list.
    pub(super) fn of(action: &Action) -> Option<Self> {
        Some(match *action {
            Action::Record(_) => return None,
            Action::Prepare => Self::Prepare,
            Action::StopPreparing(signal) => Self::StopPreparing(signal),
            Action::Spawn(member) => Self::Spawn(member),
            Action::ComeBack => Self::ComeBack,
            Action::Forward(signal) => Self::Forward(signal),
            Action::Resize(_) => Self::Resize,
            Action::Stop { member, signal, target } => Self::Stop { member, signal, target },
            Action::StopStraggler { key, signal } => Self::StopStraggler { key, signal },
            Action::Probe(check) => Self::Probe(check),
            Action::CancelProbes => Self::CancelProbes,
            Action::Walk => Self::Walk,
            Action::KillWave { freeze, again } => Self::KillWave { freeze, again },
            Action::Pause(member) => Self::Pause(member),
            Action::Suspend(stopped) => Self::Suspend(stopped),
            Action::TakeTerminal => Self::TakeTerminal,
            Action::GiveTerminal => Self::GiveTerminal,
            Action::Continue(member) => Self::Continue(member),
            Action::End(code) => Self::End(code),
        })
    }
}

impl Reference {
    /// The machine did this.
    pub(super) fn see(&mut self, deed: Deed) {
        let facts = &mut self.facts;
        let now = facts.now;
        match deed {
            Deed::Prepare => facts.scripts = Scripts::Running { told: false },
            Deed::StopPreparing(_) => facts.scripts = Scripts::Running { told: true },
            Deed::Spawn(member) => {
                facts.members[member.index()].begun = Some(now);
                facts.start.unanswered = true;
            }
            Deed::ComeBack => facts.start.listening = true,
            Deed::Forward(_) => facts.wish.forward = None,
            // Never owed.
            Deed::Resize => {}
            Deed::Stop { member, target, .. } => {
                facts.members[member.index()].told = Some(target);
            }
            Deed::StopStraggler { key, .. } => {
                for stray in facts.strays.iter_mut().filter(|it| it.key == key) {
                    stray.told = true;
                }
            }
            Deed::Probe(_) => {
                facts.health.asked = Some(now);
                facts.wish.ask_again = false;
            }
            Deed::CancelProbes => facts.health.asked = None,
            Deed::Walk => {
                facts.teardown.stirred = None;
                facts.teardown.walk_asked = true;
                facts.teardown.looking_last |= facts.is_killing() && !facts.wish.look_who_is_left;
                facts.wish.look_who_is_left = false;
            }
            Deed::KillWave { .. } => {
                if !facts.is_killing() {
                    facts.teardown.first_wave = now;
                }
                facts.teardown.waves += 1;
                facts.teardown.last_wave = now;
                facts.teardown.ended_since_wave = false;
                // It has to be refused in this wave too: who may be signalled may have changed.
                for member in &mut facts.members {
                    member.refused_kill = member.refused_kill.min(1);
                }
            }
            Deed::Pause(member) => facts.members[member.index()].paused = true,
            Deed::Suspend(_) => {
                facts.wish.suspend = None;
                facts.suspended = Some(now);
            }
            Deed::TakeTerminal => facts.wish.take_terminal = false,
            Deed::GiveTerminal => facts.wish.give_terminal = false,
            Deed::Continue(member) => facts.members[member.index()].paused = false,
            Deed::End(code) => facts.code = Some(code),
        }
    }
}
