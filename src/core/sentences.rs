//! The sentences for people: each is rendered from one entry of the event list.

use std::fmt::Write as _;

use super::event::{Before, Check, Sender, SignalFailure, SpawnFailure, Target};
use super::foreground;
use super::happening::{
    Decided, EndMeaning, GraceOver, Happening, Killing, MemberEnded, NotForwarded, Over, Straggler,
    Why,
};
use super::ids::{MemberId, Status};
use super::out_of_memory::OutOfMemory;
use super::time::span;
use super::verdict::{Cause, MemberEnd};
use crate::spec::{CommandForm, Launch, Signal, on_one_line};

/// How much a line matters; decides at which level it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Importance {
    /// Every step.
    Debug,
    /// The normal course of things.
    Info,
    /// Something to mend.
    Warn,
    /// A failure of ours or of the spec.
    Error,
    /// Written at every level but `off`: the spec, the verdict, the end.
    Always,
}

/// One line for people, without the `fateshare: ` before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How much it matters.
    pub importance: Importance,
    /// The text, without a newline.
    pub text: String,
}

/// So many names are spelled out in one line.
const NAMES_SHOWN: usize = 8;

/// The line for an entry; `None` for those that only reports show. Names of processes and reasons are from
/// outside: whatever they hold, it is one line, and commands no terminal.
pub fn render(launch: &Launch, happening: &Happening) -> Option<Line> {
    let Line { importance, text } = sentence(launch, happening)?;
    Some(Line { importance, text: on_one_line(&text) })
}

fn sentence(launch: &Launch, happening: &Happening) -> Option<Line> {
    use Importance as I;
    let writer = Writer { launch };
    let (importance, text) = match happening {
        Happening::OddlyPassed(check, why) => {
            let what = if *check == Check::Health { "healthy" } else { "ready" };
            (I::Warn, format!("{} is {what}, but {why}", writer.name(MemberId::MAIN)))
        }
        Happening::ProfileFailed(how) => (I::Warn, format!("the profile scripts {how}")),
        Happening::Started { member, pid } => {
            (I::Debug, format!("{} (pid {pid}) started", writer.name(*member)))
        }
        Happening::SpawnFailed(failure) => (I::Error, writer.spawn_failed(failure)),
        Happening::AllRunning => (I::Debug, "every member runs".to_owned()),
        Happening::Healthy { after } => {
            (I::Info, format!("healthy after {}{}", span(*after), writer.check(Check::Health)))
        }
        Happening::Ready => (I::Info, format!("ready{}", writer.check(Check::Readiness))),
        Happening::NotReady(why) => (I::Warn, format!("not ready: {why}")),
        Happening::Got(received) => {
            (I::Debug, format!("got {} {}", received.signal, from(&received.sender)))
        }
        Happening::Forwarded(signal) => {
            (I::Debug, format!("forwarded {signal} to {}", writer.name(MemberId::MAIN)))
        }
        Happening::NotForwarded(signal, why) => writer.not_forwarded(*signal, *why),
        Happening::Ended(end) => return writer.ended(end),
        Happening::Verdict(decided) => (I::Always, writer.verdict(decided)),
        Happening::Told { member, signal, target } => {
            let whom = match target {
                Target::Leader => "",
                Target::Group => "the process group of ",
            };
            (I::Debug, format!("sent {signal} to {whom}{}", writer.name(*member)))
        }
        Happening::StragglerTold { straggler, signal } => {
            (I::Info, format!("sent {signal} to {}", writer.straggler(straggler)))
        }
        Happening::Blind(why) => (I::Warn, format!("cannot look for stragglers: {why}")),
        Happening::SignalFailed(failure) => (I::Warn, writer.signal_failed(failure)),
        Happening::DeadlineMoved { .. } => (
            I::Warn,
            "was frozen or suspended during the teardown: gave members time again".to_owned(),
        ),
        Happening::Suspended(signal) => {
            (I::Info, format!("stopped with all members ({signal}); SIGCONT continues"))
        }
        Happening::Resumed => (I::Info, "continued, with all members".to_owned()),
        Happening::OwnFailure(what) => (I::Error, what.clone()),
        Happening::Hurried => (
            I::Warn,
            "asked during the teardown to stop at once: not waiting any longer".to_owned(),
        ),
        Happening::GraceOver(over) => return Some(writer.grace_over(over)),
        Happening::KillWave { number, freeze } => {
            let first = if *freeze { "SIGSTOP, then " } else { "" };
            (I::Debug, format!("wave {number}: {first}SIGKILL to everything left"))
        }
        Happening::Over(over) => (I::Always, writer.over(over)),
    };
    Some(Line { importance, text })
}

/// `a, b, c`, or the first few and how many more.
pub(super) fn shorten(names: &[&str], between: &str) -> String {
    if names.len() <= NAMES_SHOWN {
        return names.join(between);
    }
    let shown = &names[..NAMES_SHOWN];
    format!("{} and {} more", shown.join(between), names.len() - shown.len())
}

/// `from pid 8 (bash)`, `from outside this container`.
pub fn from(sender: &Sender) -> String {
    match sender {
        Sender::Process { pid, name: Some(name), .. } => {
            format!("from pid {pid} ({})", name.escape_debug())
        }
        Sender::Process { pid, uid, name: None } => format!("from pid {pid} (user {uid})"),
        Sender::Outside => "from outside this container".to_owned(),
        Sender::Terminal => "from the terminal".to_owned(),
        Sender::Unknown => "from an unknown sender".to_owned(),
    }
}

/// `sleep (pid 44)`, `process group 44`.
fn process(straggler: &Straggler) -> String {
    match straggler.key.pid.0 {
        number @ ..0 => format!("process group {}", number.unsigned_abs()),
        number => format!("{} (pid {number})", straggler.name.escape_debug()),
    }
}

/// What is said where memory is the reason for an end: its own, or a child's.
fn memory(status: Status, out_of_memory: OutOfMemory) -> Option<&'static str> {
    match status {
        _ if out_of_memory != OutOfMemory::Reason => None,
        Status::Killed(Signal::KILL) => Some(": out of memory"),
        Status::Exited(137) => Some(" (probably out of memory in a child)"),
        _ => None,
    }
}

struct Writer<'a> {
    launch: &'a Launch,
}

impl Writer<'_> {
    fn name(&self, member: MemberId) -> &str {
        self.launch.members.get(member.index()).map_or("?", |member| member.name.as_str())
    }

    fn names(&self, members: &[MemberId]) -> String {
        let names: Vec<&str> = members.iter().map(|member| self.name(*member)).collect();
        shorten(&names, ", ")
    }

    fn form(&self, member: MemberId) -> CommandForm {
        self.launch.members.get(member.index()).map_or(CommandForm::List, |member| member.form)
    }

    /// ` (port 8080)`.
    fn check(&self, check: Check) -> String {
        let main = self.launch.members.first();
        let check = main.and_then(|main| match check {
            Check::Health => main.health_check.as_ref(),
            Check::Readiness => main.readiness_check.as_ref(),
        });
        check.map_or(String::new(), |check| format!(" ({check})"))
    }

    /// `sleep (pid 44), left by web`.
    fn straggler(&self, straggler: &Straggler) -> String {
        let mut text = process(straggler);
        if let Some(member) = straggler.member {
            let _ = write!(text, ", left by {}", self.name(member));
        }
        text
    }

    fn stragglers(&self, stragglers: &[Straggler]) -> String {
        let mut shown: Vec<String> =
            stragglers.iter().take(NAMES_SHOWN).map(|it| self.straggler(it)).collect();
        if stragglers.len() > shown.len() {
            shown.push(format!("and {} more processes", stragglers.len() - shown.len()));
        }
        shown.join("; ")
    }

    fn spawn_failed(&self, failure: &SpawnFailure) -> String {
        let mut text =
            format!("{} could not be started: {}", self.name(failure.member), failure.reason);
        if let Some(hint) = &failure.hint {
            let _ = write!(text, ". {hint}");
        }
        text
    }

    fn not_forwarded(&self, signal: Signal, why: NotForwarded) -> (Importance, String) {
        let main = self.name(MemberId::MAIN);
        match why {
            NotForwarded::ShellLeads => (
                Importance::Warn,
                format!(
                    "{signal} was not forwarded: {main} runs under a shell, which would die of it. \
                     Start the command with `exec`, or write it as a list"
                ),
            ),
            NotForwarded::NoMain => {
                (Importance::Debug, format!("{signal} was not forwarded: {main} does not run"))
            }
            NotForwarded::NotOfThatKind => {
                (Importance::Debug, format!("{signal} is never forwarded"))
            }
            NotForwarded::NobodyContinues => (
                Importance::Info,
                format!("{signal} stops nothing here: nobody could continue {main}"),
            ),
        }
    }

    fn ended(&self, end: &MemberEnded) -> Option<Line> {
        let name = self.name(end.member);
        let (importance, note) = match end.meaning {
            // The verdict says it.
            EndMeaning::Culprit => return None,
            EndMeaning::Together => (Importance::Info, ", together with the first"),
            EndMeaning::Finished => (Importance::Info, ", as it may"),
            EndMeaning::Stopped => (Importance::Info, ""),
            EndMeaning::Forced => (Importance::Info, " after fateshare had sent SIGKILL"),
        };
        let why = memory(end.status, end.out_of_memory).unwrap_or_default();
        let text = format!("{name} (pid {}) {}{why}{note}", end.pid, end.status);
        Some(Line { importance, text })
    }

    fn verdict(&self, decided: &Decided) -> String {
        let text = match &decided.verdict.cause {
            Cause::MemberEnded(end) => self.member_ended(end, &decided.background),
            Cause::StopRequest(request) => format!("{} {}", request.signal, from(&request.sender)),
            Cause::CannotStart(failures) => {
                if let [failure] = failures.as_slice() {
                    return self.consequences(self.spawn_failed(failure), decided);
                }
                let names: Vec<MemberId> = failures.iter().map(|it| it.member).collect();
                format!("{} could not be started", self.names(&names))
            }
            Cause::Unhealthy(unhealthy) => {
                let name = self.name(unhealthy.member);
                let reason = &unhealthy.reason;
                match unhealthy.before {
                    Before::NeverHealthy(time) => {
                        format!("{name} was never healthy within {}: {reason}", span(time))
                    }
                    Before::Healthy => format!("{name} became unhealthy: {reason}"),
                }
            }
            Cause::ProfileExited(code) => {
                format!("a profile script ended its shell: exit {code}")
            }
            Cause::OwnFailure(what) => format!("fateshare cannot go on: {what}"),
        };
        self.consequences(text, decided)
    }

    /// Adds whom the verdict takes down, and who will never be there.
    fn consequences(&self, mut text: String, decided: &Decided) -> String {
        if !decided.stopping.is_empty() {
            let _ = write!(text, "; stopping {}", self.names(&decided.stopping));
        }
        if !decided.not_started.is_empty() {
            let were = if decided.not_started.len() == 1 { "was" } else { "were" };
            let _ = write!(text, "; {} {were} not started", self.names(&decided.not_started));
        }
        text
    }

    fn member_ended(&self, end: &MemberEnd, background: &[Straggler]) -> String {
        let mut text = format!("{} (pid {}) {}", self.name(end.member), end.pid, end.status);
        text.push_str(&self.why(end));
        let background: Vec<&Straggler> =
            background.iter().filter(|straggler| self.is_of(straggler, end.member)).collect();
        if !background.is_empty() {
            let flag = background.iter().find_map(|straggler| foreground::flag(&straggler.name));
            let names: Vec<String> =
                background.iter().take(NAMES_SHOWN).map(|it| process(it)).collect();
            let _ = write!(
                text,
                " and left {}: it put itself into the background; run it in the foreground",
                names.join(", ")
            );
            if let Some(flag) = flag {
                let _ = write!(text, " ({flag})");
            }
        }
        if !end.together.is_empty() {
            let others: Vec<String> = end
                .together
                .iter()
                .take(NAMES_SHOWN)
                .map(|(member, status)| format!("{} {status}", self.name(*member)))
                .collect();
            let _ = write!(text, "; at the same time {}", others.join(", "));
            if end.together.len() > others.len() {
                let _ = write!(text, " and {} more", end.together.len() - others.len());
            }
        }
        text
    }

    /// Whether a process that was left behind is this member's: it was seen under it, there is no
    /// other member, or its name stands in this member's command and in no other's.
    fn is_of(&self, straggler: &Straggler, member: MemberId) -> bool {
        if straggler.member.is_some() || self.launch.members.len() == 1 {
            return true;
        }
        let mut named = MemberId::all(self.launch.members.len())
            .filter(|member| self.command_names(*member, &straggler.name));
        named.next() == Some(member) && named.next().is_none()
    }

    /// Whether a member's command holds this program name, be it in a string for its shell.
    fn command_names(&self, member: MemberId, name: &str) -> bool {
        let Some(member) = self.launch.members.get(member.index()) else { return false };
        let text = member.argv.iter().map(|word| word.to_string_lossy());
        text.into_iter().any(|text| {
            text.split(|c: char| c.is_whitespace() || c == '/' || "'\"=;&|()".contains(c))
                // The kernel keeps 15 bytes of a name.
                .any(|word| !name.is_empty() && word.get(..15).unwrap_or(word) == name)
        })
    }

    /// What is known beyond the bare status.
    fn why(&self, end: &MemberEnd) -> String {
        let shell = self.form(end.member) != CommandForm::List;
        match end.status {
            status if let Some(why) = memory(status, end.out_of_memory) => why.to_owned(),
            Status::Killed(_) if end.forwarded => ", which fateshare had forwarded".to_owned(),
            Status::Killed(_) => ", not by fateshare".to_owned(),
            Status::Exited(127) if shell => " (its shell found no such command)".to_owned(),
            Status::Exited(126) if shell => " (its shell could not execute the command)".to_owned(),
            Status::Exited(code) if self.form(end.member) == CommandForm::Shell => {
                let signal = code.checked_sub(128).map(i32::from);
                let signal = signal.and_then(Signal::from_number);
                signal.map_or(String::new(), |signal| format!(" (its shell reports {signal})"))
            }
            Status::Exited(_) => String::new(),
        }
    }

    fn signal_failed(&self, failure: &SignalFailure) -> String {
        let whom = match failure.member {
            Some(member) => format!("{} (pid {})", self.name(member), failure.pid),
            None if failure.pid.0 < 0 => {
                format!("process group {}", failure.pid.0.unsigned_abs())
            }
            None => format!("pid {}", failure.pid),
        };
        let hint = if failure.denied {
            ". It runs as a user whom fateshare may not signal: let `user` change it, or start fateshare as root"
        } else {
            ""
        };
        format!("could not send {} to {whom}: {}{hint}", failure.signal, failure.reason)
    }

    /// Says what did not stop, and what to do about it.
    fn grace_over(&self, over: &GraceOver) -> Line {
        let mut who = Vec::new();
        if !over.members.is_empty() {
            who.push(self.names(&over.members));
        }
        if !over.stragglers.is_empty() {
            who.push(self.stragglers(&over.stragglers));
        }
        if who.is_empty() {
            // As PID 1 SIGKILL reaches what no walk could see.
            who.push("what fateshare cannot see".to_owned());
        }
        let (who, after) = (who.join("; "), span(over.after));
        let text = match over.why {
            Why::Deadline => format!(
                "{who} did not stop within {after}: SIGKILL. Raise grace_period, and keep it 1s \
                 below your platform's (Docker 10s, Kubernetes 30s, ECS 30s)"
            ),
            Why::Hurried => {
                format!("{who} did not stop within {after}: SIGKILL, because it was asked for")
            }
            Why::Denied => format!("{who} may not be signalled: not waiting for it"),
        };
        Line { importance: Importance::Warn, text }
    }

    fn over(&self, over: &Over) -> String {
        let mut forced = Vec::new();
        if !over.forced.is_empty() {
            forced.push(self.names(&over.forced));
        }
        if !over.forced_stragglers.is_empty() {
            forced.push(self.stragglers(&over.forced_stragglers));
        }
        let mut left = Vec::new();
        if !over.left.is_empty() {
            left.push(self.names(&over.left));
        }
        if !over.left_stragglers.is_empty() {
            left.push(self.stragglers(&over.left_stragglers));
        }
        let mut outcome = Vec::new();
        if !forced.is_empty() {
            outcome.push(format!("had to kill {}", forced.join("; ")));
        }
        if !left.is_empty() {
            outcome.push(format!("could not kill {}: left to the kernel", left.join("; ")));
        }
        if outcome.is_empty() {
            outcome.push(match (over.killing, over.gave_up) {
                (Killing::NotNeeded, _) => "nobody had to be killed".to_owned(),
                (Killing::Needed, false) => "had to kill what it could not see".to_owned(),
                (Killing::Needed, true) => "something is left that it cannot see".to_owned(),
            });
        }
        format!("ended in {}, {}; exit {}", span(over.took), outcome.join(", "), over.code)
    }
}
