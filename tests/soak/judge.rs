//! What may become of a group to which this was done, by the rules of the verdict and its exit code.
//!
//! The rules are written down here once more, in their own words: which verdict was possible, which code follows
//! from it, and how each member may have ended.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::plan::{End, Place, Plan, Shape};
use crate::play::{is_stop, said};
use crate::strike::{Done, Strike};
use crate::support::Ended;

/// From the deadline on it is over within this, in milliseconds.
const KILLING: f64 = 900.0;
/// So many more may a machine take that has too much to do.
const STARVED: f64 = 10_000.0;

/// On a machine without a free core everything may take so many times as long.
const MARGIN: f64 = 3.0;

/// How a group ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    MemberEnded,
    StopRequest,
    CannotStart,
    Unhealthy,
    /// `fateshare` was killed.
    Killed,
    /// The copy of it that was PID 1 of its own namespace was killed.
    CopyKilled,
    /// A signal ended it before it could hear any.
    Unheard,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MemberEnded => "a member ended",
            Self::StopRequest => "a stop request",
            Self::CannotStart => "a member could not be started",
            Self::Unhealthy => "main was never healthy",
            Self::Killed => "fateshare was killed",
            Self::CopyKilled => "its PID 1 was killed (--pid1)",
            Self::Unheard => "before its first statement",
        }
    }
}

pub(crate) struct Judge<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) done: &'a Done,
    pub(crate) ended: &'a Ended,
    pub(crate) report: Option<&'a Value>,
}

pub(crate) fn ensure(is: bool, what: impl Into<String>) -> Result<(), String> {
    if is { Ok(()) } else { Err(what.into()) }
}

impl Judge<'_> {
    /// How it ended; or what is wrong with that.
    pub(crate) fn kind(&self) -> Result<Kind, String> {
        let Self { done, ended, .. } = self;
        let Some(report) = self.report.filter(|report| report["is_final"] == true) else {
            return self.without_report();
        };
        // Killed after it had done everything.
        let relayed = ended.signal == Some(9) || (ended.signal.is_none() && ended.code == Some(1));
        if !(done.killed && (relayed || ended.code == Some(137))) {
            ensure(report["exit_code"].as_i64() == ended.code.map(i64::from), "another exit code")?;
            self.is_said(report)?;
        }
        let kind = self.verdict(report)?;
        self.members(report)?;
        self.times(report)?;
        self.told_once()?;
        Ok(kind)
    }

    /// Verdict and end are said, each once, and as the report has them.
    fn is_said(&self, report: &Value) -> Result<(), String> {
        let lines = said(self.ended, self.plan);
        for text in [&report["verdict"]["message"], &report["summary"]] {
            let text = text.as_str().ok_or("no verdict, or no summary")?;
            let count = lines.iter().filter(|line| *line == text).count();
            ensure(count == 1, format!("said {count} times: {text}"))?;
        }
        let stopping = lines.iter().filter(|line| line.contains("; stopping ")).count();
        ensure(stopping <= 1, "more than one verdict")?;
        let code = format!("; exit {}", self.ended.code.unwrap_or(-1));
        let summary = report["summary"].as_str().unwrap_or_default();
        ensure(summary.ends_with(&code), format!("the last line is not about this end: {summary}"))
    }

    fn row(report: &Value, at: usize) -> &Value {
        &report["members"][at]
    }

    fn end(report: &Value, at: usize) -> Option<End> {
        End::parse(&Self::row(report, at)["ended"]["status"])
    }

    /// Whether the verdict can be what it is, and the exit code follows from it.
    fn verdict(&self, report: &Value) -> Result<Kind, String> {
        let Self { plan, done, .. } = self;
        let message = report["verdict"]["message"].as_str().unwrap_or_default();
        let cause = report["verdict"]["cause"].as_str().unwrap_or_default();
        let code = report["exit_code"].as_u64().and_then(|code| u8::try_from(code).ok());
        let code = code.ok_or("no exit code")?;
        let must = |expected: u8| {
            ensure(code == expected, format!("exit code {code}, not {expected}: {message}"))
        };
        match cause {
            "member_ended" => {
                let name = report["verdict"]["culprit"].as_str().unwrap_or_default();
                let at = plan.members.iter().position(|member| member.0 == name);
                let at = at.ok_or("an unknown culprit")?;
                let end = Self::end(report, at).ok_or("the culprit has not ended")?;
                let pid = Self::row(report, at)["pid"].as_i64().ok_or("without a number")?;
                let how = match end {
                    End::Code(code) => format!("{name} (pid {pid}) exited with {code}"),
                    End::Signal(signal) => format!("{name} (pid {pid}) was killed by {signal}"),
                };
                ensure(message.starts_with(&how), format!("{message}, not {how}"))?;
                ensure(self.possible(report, at, end), format!("nobody did that: {message}"))?;
                self.first_of_all(report, at, end)?;
                must(match (end, at) {
                    (End::Code(0), 0) => 0,
                    (End::Code(0), _) => 69,
                    (end, _) => end.flat(),
                })?;
                Ok(Kind::MemberEnded)
            }
            "stop_request" => {
                let mut stops = done.sent.iter().filter(|sent| is_stop(sent.signal));
                let of = |signal: Signal| message.starts_with(&format!("{signal} from "));
                let stop = stops.find(|sent| of(sent.signal));
                let signal = stop.ok_or(format!("nobody asked for that: {message}"))?.signal;
                self.nothing_came_before(report)?;
                match Self::end(report, 0) {
                    _ if Self::row(report, 0)["left"] == true => must(137)?,
                    Some(end) => must(end.flat())?,
                    None => {
                        ensure(Self::row(report, 0)["pid"].is_null(), "main has not ended")?;
                        must(128 + u8::try_from(signal as i32).expect("a small number"))?;
                    }
                }
                Ok(Kind::StopRequest)
            }
            "cannot_start" => {
                let missing = plan.members.iter().any(|member| member.1 == Shape::Missing);
                ensure(missing, format!("everything is there: {message}"))?;
                must(127)?;
                Ok(Kind::CannotStart)
            }
            "unhealthy" => {
                ensure(plan.unhealthy, format!("nobody asks for it: {message}"))?;
                must(69)?;
                Ok(Kind::Unhealthy)
            }
            _ => Err(format!("{cause}: {message}")),
        }
    }

    /// Whether a member may have ended so without being told to stop.
    fn possible(&self, report: &Value, at: usize, end: End) -> bool {
        let shape = self.plan.members[at].1;
        let pid = Self::row(report, at)["pid"].as_i64();
        let mut blows = self.done.blows.iter().filter(|blow| Some(i64::from(blow.pid)) == pid);
        let mut passed_on = self.done.sent.iter().filter(|_| at == 0);
        // A shell that has lost its child has waited for all.
        let bereft = self.plan.strike == Strike::Descendant
            && matches!(shape, Shape::Shell | Shape::Looks)
            && end == End::Code(0);
        bereft
            || shape.own_end() == Some(end)
            || blows.any(|blow| shape.may_end(end, blow.signal))
            || passed_on.any(|sent| !is_stop(sent.signal) && end == End::Signal(sent.signal))
    }

    /// Of those that ended at the same time: a signal before a failure before 0, then main, then as in the spec.
    fn first_of_all(&self, report: &Value, culprit: usize, end: End) -> Result<(), String> {
        let class = |end: End| match end {
            End::Signal(_) => 0,
            End::Code(1..) => 1,
            End::Code(0) => 2,
        };
        for at in 0..self.plan.members.len() {
            if Self::row(report, at)["ended"]["meaning"] == "together" {
                let other = Self::end(report, at).ok_or("it has ended")?;
                let first = (class(end), culprit) < (class(other), at);
                ensure(first, format!("{culprit} is blamed, and not {at}"))?;
            }
        }
        Ok(())
    }

    /// A group that was asked to stop because nothing had ended it had no reason to end.
    fn nothing_came_before(&self, report: &Value) -> Result<(), String> {
        let Self { plan, done, .. } = self;
        if !done.closing || plan.strike == Strike::FreezeFateshare {
            return Ok(());
        }
        for (at, (name, shape)) in plan.members.iter().enumerate() {
            let pid = Self::row(report, at)["pid"].as_i64();
            let killed = done.blows.iter().any(|blow| {
                Some(i64::from(blow.pid)) == pid && blow.signal == Signal::SIGKILL && blow.lived
            });
            let over = shape.own_end().is_some_and(|end| Self::end(report, at) == Some(end));
            ensure(!killed || over, format!("{name} was killed, and nothing came of it"))?;
            ensure(!shape.ends_the_group(), format!("{name} ended, and nothing came of it"))?;
        }
        let stop = done.sent.iter().find(|sent| is_stop(sent.signal) && sent.heard);
        let closing = done.sent.last().map(|sent| sent.signal);
        let only = stop.is_none_or(|stop| Some(stop.signal) == closing);
        ensure(only, "a stop request, and nothing came of it")?;
        ensure(!plan.unhealthy, "it was not healthy, and nothing came of it")
    }

    /// Each member has ended as it can.
    fn members(&self, report: &Value) -> Result<(), String> {
        for (at, (name, shape)) in self.plan.members.iter().enumerate() {
            let row = Self::row(report, at);
            ensure(row["name"] == name.as_str(), format!("{name} is not in its place"))?;
            if row["pid"].is_null() {
                continue;
            }
            // Who got SIGKILL and no turn to die of it is named and left to the kernel.
            if row["left"] == true {
                ensure(row["forced"] == true, format!("{name} is left, and nobody killed it"))?;
                continue;
            }
            let end = Self::end(report, at).ok_or(format!("{name} has not ended"))?;
            let told = row["told"]["signal"].as_str().and_then(|signal| signal.parse().ok());
            let obeyed = told.is_some_and(|signal| shape.may_end(end, signal));
            let forced = row["forced"] == true && end == End::Signal(Signal::SIGKILL);
            let fine = obeyed || forced || self.possible(report, at, end);
            ensure(fine, format!("{name} cannot have ended with {end:?}"))?;
            let meant = &row["ended"]["meaning"];
            let finished = matches!(shape, Shape::Finishes(_)) && end == End::Code(0);
            ensure(meant != "finished" || finished, format!("{name} may not finish"))?;
        }
        let left = report["stragglers"].as_array().into_iter().flatten();
        for straggler in left {
            let fine = straggler["left"] == false || straggler["forced"] == true;
            ensure(fine, format!("it is left, and nobody killed it: {straggler}"))?;
        }
        Ok(())
    }

    fn took(report: &Value) -> f64 {
        let at = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        at(&report["over_ms"]) - at(&report["verdict"]["at_ms"])
    }

    fn times(&self, report: &Value) -> Result<(), String> {
        let grace = f64::from(u32::try_from(self.plan.grace).expect("a short time"));
        let took = Self::took(report);
        let most = MARGIN * (grace + KILLING) + STARVED;
        ensure(took <= most, format!("it took {took} ms to end"))
    }

    /// Nobody is told to stop twice, whoever he is.
    fn told_once(&self) -> Result<(), String> {
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
            let ours = self.done.blows.iter().filter(|blow| blow.signal == signal).count();
            let said = format!(": got {signal}");
            let mut lines: Vec<&str> = Vec::new();
            lines.extend(self.ended.log.lines().filter(|line| line.ends_with(&said)));
            for line in &lines {
                let times = lines.iter().filter(|it| *it == line).count();
                // A chain goes on under one name.
                let is_chain = |name: &str| {
                    let of = |it: &&(String, Shape)| line.split(": ").next() == Some(it.0.as_str());
                    let member = self.plan.members.iter().find(of);
                    name.is_empty() || member.is_some_and(|it| it.1 == Shape::Chain)
                };
                ensure(times <= 1 + ours || is_chain("x"), format!("{times} times: {line}"))?;
            }
        }
        Ok(())
    }

    /// Members that stop when they are told, and had to be killed all the same: they did not get their turn in time.
    pub(crate) fn late(&self) -> usize {
        let Some(report) = self.report.filter(|report| report["is_final"] == true) else {
            return 0;
        };
        if self.plan.strike == Strike::StopTwice {
            return 0;
        }
        let late = self.plan.members.iter().enumerate().filter(|(at, (_, shape))| {
            Self::row(report, *at)["forced"] == true && shape.is_willing()
        });
        late.count()
    }

    /// From the verdict to the end, beyond the grace period.
    pub(crate) fn beyond(&self) -> f64 {
        let grace = f64::from(u32::try_from(self.plan.grace).expect("a short time"));
        let took = self.report.map_or(0.0, Self::took);
        // Of a report that is not final there is no end.
        if took.is_nan() { 0.0 } else { (took - grace).max(0.0) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde_json::json;

    use super::*;
    use crate::reading::Format;
    use crate::strike::Blow;

    /// A sidecar was killed, and this is said to have come of it.
    fn judged(code: u8, culprit: &str, told: &str) -> Result<Kind, String> {
        let plan = Plan {
            place: Place::Ordinary,
            format: Format::Text,
            members: ["web", "db"].map(|name| (name.to_owned(), Shape::Obeys)).to_vec(),
            grace: 200,
            profile: false,
            unhealthy: false,
            strike: Strike::Member(Signal::SIGKILL),
            ..Plan::new(1, false)
        };
        let blow = Blow { pid: 8, signal: Signal::SIGKILL, lived: true, led: true };
        let done = Done { blows: vec![blow], ..Done::default() };
        let message = format!("{culprit} was killed by SIGKILL, not by fateshare; stopping web");
        let summary = format!("ended in 1ms, nobody had to be killed; exit {code}");
        let member = |name: &str, pid: i32, status: Value, meaning: &str| {
            json!({"name": name, "pid": pid, "forced": false, "left": false,
                "told": {"signal": "SIGTERM"}, "ended": {"status": status, "meaning": meaning}})
        };
        let report = json!({
            "is_final": true, "exit_code": code, "over_ms": 31.0, "summary": summary,
            "verdict": {"at_ms": 30.0, "cause": "member_ended", "culprit": "db", "message": message},
            "members": [
                member("web", 7, json!({"exit_code": 0}), "stopped"),
                member("db", 8, json!({"signal": "SIGKILL"}), "culprit"),
            ],
            "stragglers": [],
        });
        let ended = Ended {
            code: Some(i32::from(code)),
            signal: None,
            stdout: String::new(),
            stderr: format!("fateshare: {message}\nfateshare: {summary}\n"),
            log: told.to_owned(),
            failed: String::new(),
            at: Instant::now(),
        };
        Judge { plan: &plan, done: &done, ended: &ended, report: Some(&report) }.kind()
    }

    #[test]
    fn what_is_against_the_rules_is_seen() {
        assert_eq!(judged(137, "db (pid 8)", "web: got SIGTERM\n"), Ok(Kind::MemberEnded));
        assert!(judged(143, "db (pid 8)", "").is_err(), "another code");
        assert!(judged(137, "web (pid 7)", "").is_err(), "another culprit");
        let twice = "web: got SIGTERM\nweb: got SIGTERM\n";
        assert!(judged(137, "db (pid 8)", twice).is_err(), "told twice");
    }
}
