//! One entry of the event list as an object: what `/v1/events` streams and reports hold.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Entry, millis};
use crate::core::{
    Cause, Check, EndMeaning, GraceOver, Happening, MemberEnded, MemberId, NotForwarded,
    OutOfMemory, Over, Sender, SpawnFailureKind, Status, Straggler, Target, Unhealthy, Verdict,
    Why, render, timestamp,
};
use crate::spec::Launch;

/// An event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its number, from 0; some may be left out.
    pub seq: u64,
    /// When, in milliseconds since the group was made, by a clock that nobody sets.
    pub at_ms: f64,
    /// When, by the machine's clock: RFC 3339 in UTC.
    pub time: String,
    /// What kind of event it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The line that fateshare says of it, if it says any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What there is to know beyond that, by kind.
    #[serde(flatten)]
    pub details: Map<String, Value>,
}

impl Event {
    /// An entry of the list.
    pub fn new(launch: &Launch, entry: &Entry) -> Self {
        let (kind, details) = Names { launch }.describe(&entry.happening);
        Self {
            seq: entry.seq,
            at_ms: millis(entry.at.since_start()),
            time: timestamp(entry.since_1970),
            kind: kind.to_owned(),
            message: render(launch, &entry.happening).map(|line| line.text),
            details: match details {
                Value::Object(details) => details,
                _ => Map::new(),
            },
        }
    }
}

/// How a process ended: `{"exit_code": 3}` or `{"signal": "SIGKILL"}`.
pub fn status(status: Status) -> Value {
    match status {
        Status::Exited(code) => json!({"exit_code": code}),
        Status::Killed(signal) => json!({"signal": signal.to_string()}),
    }
}

/// Who sent a signal.
pub fn sender(sender: &Sender) -> Value {
    match sender {
        Sender::Process { pid, uid, name } => {
            json!({"kind": "process", "pid": pid.0, "uid": uid, "name": name})
        }
        Sender::Outside => json!({"kind": "outside"}),
        Sender::Terminal => json!({"kind": "terminal"}),
        Sender::Unknown => json!({"kind": "unknown"}),
    }
}

/// What the end of a member meant to the group.
pub fn meaning(meaning: EndMeaning) -> &'static str {
    match meaning {
        EndMeaning::Culprit => "culprit",
        EndMeaning::Together => "together",
        EndMeaning::Finished => "finished",
        EndMeaning::Stopped => "stopped",
        EndMeaning::Forced => "forced",
    }
}

/// The class of a verdict's cause.
pub fn cause(verdict: &Verdict) -> &'static str {
    match &verdict.cause {
        Cause::MemberEnded(_) => "member_ended",
        Cause::StopRequest(_) => "stop_request",
        Cause::CannotStart(_) => "cannot_start",
        Cause::Unhealthy(_) => "unhealthy",
        Cause::ProfileExited(_) => "profile_exited",
        Cause::OwnFailure(_) => "own_failure",
    }
}

/// The member that a verdict blames, if it is one.
pub fn culprit(verdict: &Verdict) -> Option<MemberId> {
    match &verdict.cause {
        Cause::MemberEnded(end) => Some(end.member),
        Cause::Unhealthy(Unhealthy { member, .. }) => Some(*member),
        Cause::CannotStart(failures) => failures.first().map(|failure| failure.member),
        Cause::StopRequest(_) | Cause::ProfileExited(_) | Cause::OwnFailure(_) => None,
    }
}

/// What is called by its name.
struct Names<'a> {
    launch: &'a Launch,
}

impl Names<'_> {
    fn of(&self, member: MemberId) -> &str {
        self.launch.members.get(member.index()).map_or("?", |member| member.name.as_str())
    }

    fn all(&self, members: &[MemberId]) -> Vec<&str> {
        members.iter().map(|member| self.of(*member)).collect()
    }

    fn describe(&self, happening: &Happening) -> (&'static str, Value) {
        match happening {
            Happening::ProfileFailed(reason) => ("profile_failed", json!({"reason": reason})),
            Happening::OddlyPassed(check, reason) => {
                let check = if *check == Check::Health { "health" } else { "readiness" };
                ("passed_only_here", json!({"check": check, "reason": reason}))
            }
            Happening::Started { member, pid } => {
                ("started", json!({"member": self.of(*member), "pid": pid.0}))
            }
            Happening::SpawnFailed(failure) => {
                let kind = match failure.kind {
                    SpawnFailureKind::NotFound => "not_found",
                    SpawnFailureKind::NotExecutable => "not_executable",
                    SpawnFailureKind::Other => "other",
                };
                let details = json!({
                    "member": self.of(failure.member),
                    "kind": kind,
                    "reason": failure.reason,
                    "hint": failure.hint,
                });
                ("cannot_start", details)
            }
            Happening::AllRunning => ("running", Value::Null),
            Happening::Healthy { after } => ("healthy", json!({"after_ms": millis(*after)})),
            Happening::Ready => ("ready", Value::Null),
            Happening::NotReady(reason) => ("not_ready", json!({"reason": reason})),
            Happening::Got(received) => {
                let (signal, from) = (received.signal.to_string(), sender(&received.sender));
                ("signal", json!({"signal": signal, "sender": from}))
            }
            Happening::Forwarded(signal) => ("forwarded", json!({"signal": signal.to_string()})),
            Happening::NotForwarded(signal, why) => {
                let why = match why {
                    NotForwarded::NoMain => "no_main",
                    NotForwarded::ShellLeads => "shell_leads",
                    NotForwarded::NotOfThatKind => "not_of_that_kind",
                    NotForwarded::NobodyContinues => "nobody_continues",
                };
                ("not_forwarded", json!({"signal": signal.to_string(), "why": why}))
            }
            Happening::Ended(end) => ("ended", self.ended(end)),
            Happening::Verdict(decided) => {
                let verdict = &decided.verdict;
                let details = json!({
                    "cause": cause(verdict),
                    "culprit": culprit(verdict).map(|member| self.of(member)),
                    "stopping": self.all(&decided.stopping),
                    "not_started": self.all(&decided.not_started),
                    "decided_at_ms": millis(verdict.at.since_start()),
                });
                ("verdict", details)
            }
            Happening::Told { member, signal, target } => {
                let target = if *target == Target::Leader { "leader" } else { "group" };
                let member = self.of(*member);
                ("told", json!({"member": member, "signal": signal.to_string(), "to": target}))
            }
            Happening::StragglerTold { straggler, signal } => {
                let straggler = self.straggler(straggler);
                ("straggler_told", json!({"straggler": straggler, "signal": signal.to_string()}))
            }
            Happening::Blind(reason) => ("blind", json!({"reason": reason})),
            Happening::SignalFailed(failure) => {
                let details = json!({
                    "pid": failure.pid.0,
                    "member": failure.member.map(|member| self.of(member)),
                    "signal": failure.signal.to_string(),
                    "reason": failure.reason,
                    "denied": failure.denied,
                });
                ("signal_failed", details)
            }
            Happening::DeadlineMoved { to } => {
                ("deadline_moved", json!({"to_ms": millis(to.since_start())}))
            }
            Happening::Hurried => ("hurried", Value::Null),
            Happening::Suspended(signal) => ("suspended", json!({"signal": signal.to_string()})),
            Happening::Resumed => ("resumed", Value::Null),
            Happening::OwnFailure(reason) => ("own_failure", json!({"reason": reason})),
            Happening::GraceOver(over) => ("grace_over", self.grace_over(over)),
            Happening::KillWave { number, freeze } => {
                ("kill_wave", json!({"number": number, "freeze": freeze}))
            }
            Happening::Over(over) => ("over", self.over(over)),
        }
    }

    fn ended(&self, end: &MemberEnded) -> Value {
        json!({
            "member": self.of(end.member),
            "pid": end.pid.0,
            "status": status(end.status),
            "lived_ms": millis(end.lived),
            "meaning": meaning(end.meaning),
            "out_of_memory": end.out_of_memory == OutOfMemory::Reason,
        })
    }

    fn grace_over(&self, over: &GraceOver) -> Value {
        let why = match over.why {
            Why::Deadline => "deadline",
            Why::Hurried => "hurried",
            Why::Denied => "denied",
        };
        json!({
            "members": self.all(&over.members),
            "stragglers": self.stragglers(&over.stragglers),
            "after_ms": millis(over.after),
            "why": why,
        })
    }

    fn over(&self, over: &Over) -> Value {
        json!({
            "exit_code": over.code,
            "took_ms": millis(over.took),
            "forced": self.all(&over.forced),
            "forced_stragglers": self.stragglers(&over.forced_stragglers),
            "left": self.all(&over.left),
            "left_stragglers": self.stragglers(&over.left_stragglers),
        })
    }

    fn stragglers(&self, stragglers: &[Straggler]) -> Vec<Value> {
        stragglers.iter().map(|it| self.straggler(it)).collect()
    }

    fn straggler(&self, straggler: &Straggler) -> Value {
        json!({
            "pid": straggler.key.pid.0,
            "name": straggler.name,
            "member": straggler.member.map(|member| self.of(member)),
        })
    }
}
