//! What Cloud Foundry would say of a group's end: the crash's `exit_description`.

use std::time::Duration;

use super::event::{Before, Unhealthy};
use super::ids::{MemberId, Status};
use super::out_of_memory::OutOfMemory;
use super::verdict::{Cause, MemberEnd};
use crate::spec::{Launch, Platform, on_one_line};

/// The platform's words for this cause, where the platform is played; `None` also where it would say
/// nothing: see [`description`].
pub fn exit_description(launch: &Launch, cause: &Cause) -> Option<String> {
    let Some(Platform::CloudFoundry { .. }) = launch.platform else { return None };
    description(launch, cause)
}

/// The platform's words for this cause; `None` where it would say nothing: after a stop request, and
/// for what only we could not do.
pub(super) fn description(launch: &Launch, cause: &Cause) -> Option<String> {
    let text = match cause {
        Cause::MemberEnded(end) => member_ended(launch, end),
        Cause::Unhealthy(unhealthy) => match unhealthy.before {
            Before::NeverHealthy(time) => {
                format!("Instance never healthy after {}: {}", go(time), probed(unhealthy))
            }
            Before::Healthy => format!("Instance became unhealthy: {}", probed(unhealthy)),
        },
        // There every member runs the scripts, and the first to exit is as good as any other.
        Cause::ProfileExited(code) => {
            exits(launch, &[(MemberId::MAIN, Status::Exited(*code))], false)
        }
        Cause::StopRequest(_) | Cause::CannotStart(_) | Cause::OwnFailure(_) => return None,
    };
    // A check's reason may be a server's words.
    Some(on_one_line(&text))
}

/// What the platform's probe says. It asks one address, where we may have asked two.
pub(super) fn probed(unhealthy: &Unhealthy) -> String {
    let reason = &unhealthy.reason;
    let one = || {
        let (first, rest) = reason.split_once(" or ")?;
        let (second, why) = rest.split_once(": ")?;
        (!second.contains(' ')).then(|| format!("{first}: {why}"))
    };
    let reason = one().unwrap_or_else(|| reason.clone());
    match unhealthy.before {
        Before::Healthy => format!("Liveness check unsuccessful: {reason}"),
        Before::NeverHealthy(_) => reason,
    }
}

/// The ends of all that ended by themselves.
fn member_ended(launch: &Launch, end: &MemberEnd) -> String {
    let mut all = vec![(end.member, end.status)];
    all.extend(&end.together);
    // Once the container has run out of memory, the platform says it of every failure.
    exits(launch, &all, end.out_of_memory > OutOfMemory::Never)
}

/// The failures, joined. One that ended with 0 is a crash too, and the platform does not say whose: we
/// do.
fn exits(launch: &Launch, ends: &[(MemberId, Status)], out_of_memory: bool) -> String {
    let (zeros, failures): (Vec<_>, Vec<_>) =
        ends.iter().partition(|(_, it)| *it == Status::SUCCESS);
    if failures.is_empty() {
        let names: Vec<String> = zeros.iter().map(|(member, _)| source(launch, *member)).collect();
        return format!("Codependent step exited ({}: exited with 0)", names.join(", "));
    }
    let memory = if out_of_memory { " (out of memory)" } else { "" };
    let failures = failures.iter().map(|(member, status)| {
        format!("{}: Exited with status {}{memory}", source(launch, *member), status.code())
    });
    failures.collect::<Vec<_>>().join("; ")
}

/// What the platform calls a member in its logs: `APP/PROC/WEB/SIDECAR/CONFIG-SERVER`.
pub fn source(launch: &Launch, member: MemberId) -> String {
    let name = |at: usize| launch.members.get(at).map_or("?", |it| it.name.as_str()).to_uppercase();
    let main = name(MemberId::MAIN.index());
    match member {
        MemberId::MAIN => format!("APP/PROC/{main}"),
        sidecar => format!("APP/PROC/{main}/SIDECAR/{}", name(sidecar.index())),
    }
}

/// A duration as Go writes it: `1m0s`.
pub(super) fn go(time: Duration) -> String {
    let (minutes, seconds) = (time.as_secs() / 60, time.as_secs() % 60);
    match (minutes, time.subsec_millis()) {
        (0, 0) => format!("{seconds}s"),
        (0, millis) if seconds == 0 => format!("{millis}ms"),
        (0, millis) => format!("{seconds}.{}s", trimmed(millis)),
        (minutes, 0) if minutes < 60 => format!("{minutes}m{seconds}s"),
        (minutes, millis) => {
            let fraction =
                if millis == 0 { String::new() } else { format!(".{}", trimmed(millis)) };
            let hours = if minutes < 60 { String::new() } else { format!("{}h", minutes / 60) };
            format!("{hours}{}m{seconds}{fraction}s", minutes % 60)
        }
    }
}

/// Thousandths without zeros at the end.
fn trimmed(millis: u32) -> String {
    format!("{millis:03}").trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_does() {
        for (millis, text) in [
            (1_000, "1s"),
            (300, "300ms"),
            (1_500, "1.5s"),
            (60_000, "1m0s"),
            (90_250, "1m30.25s"),
            (180_000, "3m0s"),
            (3_600_000, "1h0m0s"),
            (5_425_000, "1h30m25s"),
        ] {
            assert_eq!(go(Duration::from_millis(millis)), text);
        }
    }
}
