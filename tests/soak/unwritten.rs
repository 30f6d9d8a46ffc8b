//! What can be said of a group that has left no report: it was killed, or ended before it had begun, or was too busy.

use nix::sys::signal::Signal;

use crate::judge::{Judge, Kind, ensure};
use crate::plan::{End, Place};
use crate::play::{is_stop, said};

/// What is said when there was no time to write the report.
const NO_TURN: &str = "cannot write the report: it takes longer than there is time for";

impl Judge<'_> {
    /// Who is killed writes no report, and neither does who was told to stop before he has read what to run.
    pub(crate) fn without_report(&self) -> Result<Kind, String> {
        let Self { plan, done, ended, .. } = self;
        let lines = said(ended, plan);
        let stopping = lines.iter().filter(|line| line.contains("; stopping ")).count();
        if done.killed {
            ensure(stopping <= 1, "more than one verdict")?;
            // `unshare` cannot die by SIGKILL itself everywhere, and ends with 1 then.
            if ended.signal == Some(9) || (plan.place == Place::Pid1 && ended.code == Some(1)) {
                return Ok(Kind::Killed);
            }
            let says = |part: &str| ended.stderr.contains(part);
            let killed = ended.code == Some(137) && says(") was killed by SIGKILL; exit 137");
            let at_once = ended.code == Some(125) && says("it ended before it had begun");
            ensure(plan.place == Place::Apart && (killed || at_once), "not killed")?;
            return Ok(Kind::CopyKilled);
        }
        let sent = |wanted: &dyn Fn(Signal, bool) -> bool| {
            done.sent.iter().any(|sent| wanted(sent.signal, sent.heard))
        };
        if let Some(number) = ended.signal {
            let unheard = sent(&|signal, heard| signal as i32 == number && !heard);
            ensure(unheard, "it died of a signal that it had to hear")?;
            ensure(ended.log.is_empty(), "it died of a signal, and members had run")?;
            return Ok(Kind::Unheard);
        }
        if ended.stderr.contains(NO_TURN) {
            return self.by_its_lines(&lines);
        }
        let code = |signal: Signal| Some(128 + signal as i32);
        // What waited to be heard, while the spec was read.
        let early = sent(&|signal, _| is_stop(signal) && code(signal) == ended.code);
        ensure(early && ended.log.is_empty(), "no report")?;
        Ok(Kind::StopRequest)
    }

    /// Whoever writes the report had no turn on a busy machine, which is said: the lines tell the same in short.
    fn by_its_lines(&self, lines: &[String]) -> Result<Kind, String> {
        let Self { plan, done, ended, .. } = self;
        let code = ended.code.ok_or("it died of a signal")?;
        let last = lines.iter().filter(|line| line.starts_with("ended in "));
        let last: Vec<&String> =
            last.filter(|it| it.ends_with(&format!("; exit {code}"))).collect();
        ensure(last.len() == 1, "its end is said once, with its exit code")?;
        let stopping = lines.iter().filter(|line| line.contains("; stopping ")).count();
        ensure(stopping <= 1, "more than one verdict")?;
        for line in lines.iter().filter(|line| !line.ends_with(", as it may")) {
            if let Some((signal, _)) = line.split_once(" from ")
                && let Ok(signal) = signal.parse::<Signal>()
            {
                let asked = done.sent.iter().any(|sent| sent.signal == signal);
                ensure(asked, format!("nobody asked for that: {line}"))?;
                return Ok(Kind::StopRequest);
            }
            let member = plan.members.iter().position(|it| line.starts_with(&format!("{} ", it.0)));
            let Some(at) = member else { continue };
            if line.contains(" was never healthy within ") {
                ensure(plan.unhealthy && code == 69, format!("exit code {code}: {line}"))?;
                return Ok(Kind::Unhealthy);
            }
            if line.contains(" could not be started: ") {
                ensure(code == 127, format!("exit code {code}: {line}"))?;
                return Ok(Kind::CannotStart);
            }
            let end = if let Some((_, rest)) = line.split_once(") exited with ") {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                End::Code(digits.parse().map_err(|_| format!("no code: {line}"))?)
            } else {
                let (_, rest) = line.split_once(") was killed by ").ok_or("no verdict")?;
                let name = rest.split([' ', ',', ';', ':']).next().unwrap_or_default();
                End::Signal(name.parse().map_err(|_| format!("no signal: {line}"))?)
            };
            let expected = match (end, at) {
                (End::Code(0), 0) => 0,
                (End::Code(0), _) => 69,
                (end, _) => end.flat(),
            };
            ensure(code == i32::from(expected), format!("exit code {code}: {line}"))?;
            return Ok(Kind::MemberEnded);
        }
        Err("no verdict".to_owned())
    }

    /// Whether there was no time for the report.
    pub(crate) fn has_no_report(&self) -> bool {
        self.ended.stderr.contains(NO_TURN)
    }
}
