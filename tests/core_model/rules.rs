//! The contract as a table of rules: each says what holds, given what has passed. A wrong reading of
//! the contract is this table with another rule in one place.
//!
//! Where the contract is silent and the machine had to choose, a comment says what is *assumed*.

use std::time::Duration;

use fateshare::core::{MemberId, Moment, Plan, SpawnFailure, SpawnFailureKind, Status, Target};
use fateshare::spec::{MayFinish, Signal, StopOrder, StopTo};

use super::facts::{Facts, Past, Stray, What, Why};

/// What a rule judges.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(super) plan: &'a Plan,
    pub(super) facts: &'a Facts,
    pub(super) rules: &'a Rules,
}

/// The rules that decide what becomes of a group.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    /// The exit code for a member that cannot be started.
    pub(super) spawn_code: fn(&SpawnFailure) -> u8,
    /// Whether this end of a member ends the group.
    pub(super) is_fatal: fn(&Plan, MemberId, Status) -> bool,
    /// Which of the ends of one wake-up comes first: the smallest.
    pub(super) rank: fn(MemberId, Status) -> (u8, u16),
    /// Whether a failed check, now, is the end.
    pub(super) is_unhealthy: fn(Case<'_>) -> bool,
    /// Whether a signal goes on to the main process.
    pub(super) goes_on: fn(Signal) -> bool,
    /// When everything that is left gets SIGKILL.
    pub(super) deadline: fn(Case<'_>, Why) -> Moment,
    /// Whether this signal, now, makes the deadline now.
    pub(super) hurries: fn(Case<'_>, Why, Signal) -> bool,
    /// The signal that asks a member to stop, or a straggler of nobody known.
    pub(super) stop_signal: fn(&Plan, Why, Option<MemberId>) -> Signal,
    /// Who gets it.
    pub(super) target: fn(&Plan, MemberId) -> Target,
    /// Whether a living member is told now, or waits for main.
    pub(super) is_its_turn: fn(Case<'_>, Why, MemberId) -> bool,
    /// Whether somebody who was found has to be told.
    pub(super) is_straggler: fn(&Stray) -> bool,
    /// Whether this wave of SIGKILL has one of SIGSTOP before it.
    pub(super) freezes: fn(u32) -> bool,
    /// How long it is waited for what was killed, and when we have left at the latest.
    pub(super) give_up_after: Duration,
    pub(super) leave_after: Duration,
    pub(super) code: fn(Case<'_>, Why) -> u8,
}

/// The contract as it stands.
pub(crate) const CONTRACT: Rules = Rules {
    spawn_code,
    is_fatal,
    rank,
    is_unhealthy,
    goes_on,
    deadline,
    hurries,
    stop_signal,
    target,
    is_its_turn,
    is_straggler,
    freezes: |wave| wave > 3,
    give_up_after: Duration::from_millis(500),
    leave_after: Duration::from_millis(900),
    code,
};

/// Rule 2. Assumed: of several the first.
pub(super) fn spawn_code(failure: &SpawnFailure) -> u8 {
    match failure.kind {
        SpawnFailureKind::NotFound => 127,
        SpawnFailureKind::NotExecutable => 126,
        SpawnFailureKind::Other => 125,
    }
}

/// Rule 3.
pub(super) fn is_fatal(plan: &Plan, member: MemberId, status: Status) -> bool {
    let may_finish = plan.members[member.index()].may_finish == MayFinish::WithZero;
    !(may_finish && status == Status::SUCCESS)
}

/// Rule 4: death by signal before non-zero before 0, in a class main first, then spec order.
pub(super) fn rank(member: MemberId, status: Status) -> (u8, u16) {
    let class = match status {
        Status::Killed(_) => 0,
        Status::Exited(1..) => 1,
        Status::Exited(0) => 2,
    };
    (class, member.0)
}

/// The spec's `health_check`: one failure, once it has passed; before, when the time is used up.
pub(super) fn is_unhealthy(case: Case<'_>) -> bool {
    let health = case.facts.health;
    let limit = case.plan.health.expect("it was asked").start_timeout;
    !health.in_vain && (health.passed || case.facts.now >= health.since.plus(limit))
}

/// Rule 9, of the signals that a world sends.
pub(super) fn goes_on(signal: Signal) -> bool {
    [Signal::HUP, Signal::CONT].contains(&signal)
}

/// Rules 5, 8 and 10: the last that has set it counts.
pub(super) fn deadline(case: Case<'_>, why: Why) -> Moment {
    let teardown = case.facts.teardown;
    let by_grace = why.at.plus(case.plan.grace);
    match (teardown.hurried, teardown.slept) {
        (None, None) => by_grace,
        (Some(hurried), None) => hurried,
        (Some(hurried), Some((asleep, _))) if hurried > asleep => hurried,
        (hurried, Some((asleep, awake))) => {
            let before = hurried.unwrap_or(by_grace);
            awake.plus(before.since(asleep).min(Duration::from_secs(2))).max(before)
        }
    }
}

/// Rule 8: a SIGINT, 500 ms or more after the verdict and after the previous one. Assumed: one that
/// came too early is a previous one.
pub(super) fn hurries(case: Case<'_>, why: Why, signal: Signal) -> bool {
    let before = case.facts.teardown.last_int.unwrap_or(why.at);
    signal == Signal::INT && case.facts.now.since(before) >= Duration::from_millis(500)
}

/// Rule 5 and the spec's `stop_signal`: a member's own, else the request's, else SIGTERM.
pub(super) fn stop_signal(plan: &Plan, why: Why, member: Option<MemberId>) -> Signal {
    let Some(member) = member else { return Signal::TERM };
    let asked = match why.what {
        What::Asked(signal) => signal,
        _ => Signal::TERM,
    };
    plan.members[member.index()].stop_signal.unwrap_or(asked)
}

/// The spec's `stop_to`.
pub(super) fn target(plan: &Plan, member: MemberId) -> Target {
    match plan.members[member.index()].stop_to {
        StopTo::Process => Target::Leader,
        StopTo::Group => Target::Group,
    }
}

/// Rule 5: `after_main` waits until main and what it left are gone, or two thirds of the grace are
/// used.
pub(super) fn is_its_turn(case: Case<'_>, _: Why, member: MemberId) -> bool {
    let waits = case.plan.members[member.index()].stop == StopOrder::AfterMain;
    !waits || case.main_is_gone() || case.facts.teardown.thirds_used
}

/// Rule 5: it descends from no living leader, and was not told before.
pub(super) fn is_straggler(stray: &Stray) -> bool {
    stray.under.is_none() && !stray.told
}

/// The table of exit codes.
pub(super) fn code(case: Case<'_>, why: Why) -> u8 {
    let codes = case.plan.exit_codes;
    match why.what {
        What::Ended(MemberId::MAIN, Status::SUCCESS) => codes.main_success,
        What::Ended(_, Status::SUCCESS) => codes.sidecar_success,
        What::Ended(_, status) => flat(status),
        What::Unhealthy => codes.unhealthy,
        What::Asked(signal) => asked_code(case, why, signal),
        What::CannotStart(code) => code,
        // Assumed: for scripts that exit with 0 main's zero is meant.
        What::ScriptsExited(0) => codes.main_success,
        What::ScriptsExited(code) => code,
        What::OwnFailure => 125,
    }
}

/// The same after a stop request.
fn asked_code(case: Case<'_>, why: Why, signal: Signal) -> u8 {
    let stop_signal = (case.rules.stop_signal)(case.plan, why, Some(MemberId::MAIN));
    let code = match case.facts.of(MemberId::MAIN) {
        Past { ended: Some(status), .. } => flat(status),
        Past { pid: Some(_), .. } => return 137,
        Past { pid: None, .. } => 128 + number(signal),
    };
    let as_told = [0, 128 + number(stop_signal)].contains(&code);
    case.plan.exit_codes.stopped.filter(|_| as_told && code != 137).unwrap_or(code)
}

/// Code and signal are flattened only here.
pub(super) fn flat(status: Status) -> u8 {
    match status {
        Status::Exited(code) => code,
        Status::Killed(signal) => 128 + number(signal),
    }
}

fn number(signal: Signal) -> u8 {
    u8::try_from(signal.number()).expect("signals have small numbers")
}

impl Case<'_> {
    /// A member that exits with 0 at once may have put itself into the background. Assumed: "at once" is in the first 5 s, and a sidecar may have done it too.
    pub(super) fn is_hasty(self, what: What) -> bool {
        let What::Ended(member, Status::SUCCESS) = what else { return false };
        let begun = self.facts.of(member).begun;
        begun.is_some_and(|it| self.facts.now.since(it) < Duration::from_secs(5))
    }

    /// Rule 5: two thirds of the grace. Assumed: they are not moved with the deadline.
    pub(super) fn two_thirds(self, why: Why) -> Moment {
        why.at.plus(self.plan.grace / 3 * 2)
    }

    /// Rule 5: main and what it left are gone. Assumed: not before a walk has shown it, and whoever
    /// is nobody's may be main's.
    pub(super) fn main_is_gone(self) -> bool {
        let facts = self.facts;
        let may_be_mains = |it: &Stray| it.of.is_none_or(|of| of == MemberId::MAIN);
        !facts.main_lives()
            && facts.teardown.main_looked_for
            && !facts.strays.iter().any(may_be_mains)
    }

    /// Whether whoever is left is one whom we may not signal, or below one. Assumed: then there is
    /// nothing to wait for, and SIGKILL is sent at once.
    pub(super) fn only_denied_left(self) -> bool {
        let facts = self.facts;
        facts.teardown.looked
            && facts.somebody_lives()
            && facts.living().all(|it| facts.of(it).denied)
            && facts.strays.iter().all(|it| it.under.is_some())
    }

    /// Whether whoever lives has refused SIGKILL. Assumed: twice, for at the first refusal it may be
    /// dying already, and in the last wave.
    pub(super) fn all_refuse(self) -> bool {
        self.facts.living().all(|it| self.facts.of(it).refused_kill > 1)
    }
}
