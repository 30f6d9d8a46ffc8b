//! Wrong readings of the contract, one rule each: the machine must be seen to do otherwise.

use std::time::Duration;

use fateshare::core::{MemberId, Status, Target};
use fateshare::spec::Signal;

use super::facts::What;
use super::rules::{self, CONTRACT, Rules};

/// What is wrong, and the rules with that mistake.
pub(crate) static WRONG: [(&str, Rules); 32] = [
    (
        "the grace is a second longer",
        Rules {
            deadline: |case, why| rules::deadline(case, why).plus(Duration::from_secs(1)),
            ..CONTRACT
        },
    ),
    (
        "a freeze moves no deadline",
        Rules {
            deadline: |case, why| {
                let by_grace = why.at.plus(case.plan.grace);
                case.facts.teardown.hurried.unwrap_or(by_grace)
            },
            ..CONTRACT
        },
    ),
    (
        "a freeze gives all of the grace again",
        Rules {
            deadline: |case, why| match case.facts.teardown.slept {
                Some((_, awake)) => awake.plus(case.plan.grace),
                None => rules::deadline(case, why),
            },
            ..CONTRACT
        },
    ),
    (
        "a second SIGINT hurries however soon it comes",
        Rules { hurries: |_, _, signal| signal == Signal::INT, ..CONTRACT },
    ),
    (
        "a second SIGTERM hurries",
        Rules {
            hurries: |case, why, signal| {
                let signal = if signal == Signal::TERM { Signal::INT } else { signal };
                rules::hurries(case, why, signal)
            },
            ..CONTRACT
        },
    ),
    ("nothing hurries", Rules { hurries: |_, _, _| false, ..CONTRACT }),
    (
        "main is always the first of those that ended together",
        Rules { rank: |member, _| (0, member.0), ..CONTRACT },
    ),
    (
        "0 comes before a failure",
        Rules {
            rank: |member, status| match status {
                Status::SUCCESS => (0, member.0),
                _ => rules::rank(member, status),
            },
            ..CONTRACT
        },
    ),
    (
        "the last of equals is the first",
        Rules {
            rank: |member, status| (rules::rank(member, status).0, u16::MAX - member.0),
            ..CONTRACT
        },
    ),
    (
        "whoever may finish may fail",
        Rules {
            is_fatal: |plan, member, _| rules::is_fatal(plan, member, Status::SUCCESS),
            ..CONTRACT
        },
    ),
    ("nobody may finish", Rules { is_fatal: |_, _, _| true, ..CONTRACT }),
    (
        "members get SIGTERM whatever came",
        Rules {
            stop_signal: |plan, _, member| {
                member.and_then(|it| plan.members[it.index()].stop_signal).unwrap_or(Signal::TERM)
            },
            ..CONTRACT
        },
    ),
    (
        "a member's own stop signal does not count",
        Rules {
            stop_signal: |_, why, member| match why.what {
                What::Asked(signal) if member.is_some() => signal,
                _ => Signal::TERM,
            },
            ..CONTRACT
        },
    ),
    (
        "strangers get the signal of the request",
        Rules {
            stop_signal: |plan, why, member| match why.what {
                What::Asked(signal) if member.is_none() => signal,
                _ => rules::stop_signal(plan, why, member),
            },
            ..CONTRACT
        },
    ),
    ("whole groups are told", Rules { target: |_, _| Target::Group, ..CONTRACT }),
    ("leaders alone are told", Rules { target: |_, _| Target::Leader, ..CONTRACT }),
    ("nobody waits for main", Rules { is_its_turn: |_, _, _| true, ..CONTRACT }),
    (
        "who waits for main waits until the deadline",
        Rules {
            is_its_turn: |case, why, member| {
                let first = rules::is_its_turn(case, why, member);
                first && (!case.facts.teardown.thirds_used || case.main_is_gone())
            },
            ..CONTRACT
        },
    ),
    (
        "nobody waits for what main has left",
        Rules {
            is_its_turn: |case, why, member| {
                rules::is_its_turn(case, why, member) || !case.facts.main_lives()
            },
            ..CONTRACT
        },
    ),
    ("stragglers are left alone", Rules { is_straggler: |_| false, ..CONTRACT }),
    (
        "stragglers are told again and again",
        Rules { is_straggler: |it| it.under.is_none(), ..CONTRACT },
    ),
    ("children of a living leader are told too", Rules { is_straggler: |it| !it.told, ..CONTRACT }),
    (
        "the first failed check is the end",
        Rules { is_unhealthy: |case| !case.facts.health.in_vain, ..CONTRACT },
    ),
    (
        "a check during a freeze counts",
        Rules {
            is_unhealthy: |case| {
                let health = case.facts.health;
                let limit = case.plan.health.expect("it was asked").start_timeout;
                health.passed || case.facts.now >= health.since.plus(limit)
            },
            ..CONTRACT
        },
    ),
    ("SIGHUP does not go on to main", Rules { goes_on: |it| it == Signal::CONT, ..CONTRACT }),
    ("the third wave has a SIGSTOP before it", Rules { freezes: |wave| wave > 2, ..CONTRACT }),
    (
        "what was killed is waited for a second",
        Rules { give_up_after: Duration::from_secs(1), ..CONTRACT },
    ),
    (
        "the last words have no time of their own",
        Rules { leave_after: Duration::from_millis(500), ..CONTRACT },
    ),
    (
        "main's 0 after a stop request is an outage",
        Rules {
            code: |case, why| match (why.what, rules::code(case, why)) {
                (What::Asked(_), 0) => case.plan.exit_codes.main_success,
                (_, code) => code,
            },
            ..CONTRACT
        },
    ),
    (
        "a stop request is a success",
        Rules {
            code: |case, why| match why.what {
                What::Asked(_) => 0,
                _ => rules::code(case, why),
            },
            ..CONTRACT
        },
    ),
    (
        "a sidecar's 0 is the group's",
        Rules {
            code: |case, why| match why.what {
                What::Ended(member, status) if member != MemberId::MAIN => rules::flat(status),
                _ => rules::code(case, why),
            },
            ..CONTRACT
        },
    ),
    (
        "`stopped` hides that main had to be killed",
        Rules {
            code: |case, why| {
                let forced = case.facts.of(MemberId::MAIN).forced;
                let stopped = case.plan.exit_codes.stopped.filter(|_| forced);
                match why.what {
                    What::Asked(_) => stopped.unwrap_or_else(|| rules::code(case, why)),
                    _ => rules::code(case, why),
                }
            },
            ..CONTRACT
        },
    ),
];
