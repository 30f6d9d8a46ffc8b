//! What came of a cell: the verdict, the exit code, how everybody else ended, and that nothing is left.

use serde_json::Value;

use crate::cell::{Around, Cell};
use crate::limits::Cgroup;
use crate::support::{Ended, LIMIT, poll, proc};
use crate::table::{End, Others, Outcome, Where};

/// What the test puts into its folder, and what the group is told to.
#[rustfmt::skip]
const FILES: [&str; 17] = [
    "clock", "clock.c", "clock.so", "docker.env", "failed", "fateshare", "fixture", "full", "go",
    "group.yml", "left", "log", "pipe", "report.json", "script", "stderr", "stdout",
];

/// Why there is no report in the end on a machine that gives us no time.
const LATE: &str = "cannot write the report: it takes longer than there is time for";

/// Whether a cell can be judged.
#[must_use]
pub(crate) enum Judged {
    AsExpected,
    /// The machine was so busy that no report could be written in time, without which nothing is seen of some cells;
    /// that who was killed did not die in time; or that the kernel has killed two for one, because the first did
    /// not. Where that is no fault of the machine it is so every time.
    Starved,
}

/// Waits for the end of a cell, and judges it.
#[track_caller]
pub(crate) fn judge(mut cell: Cell<'_>, expected: Outcome) -> Judged {
    let outside = !cell.stage.is_pid_1();
    let survivors: &[&str] = match expected.others {
        Others::LiveOn(names) | Others::Unseen(names) if outside => names,
        _ => &[],
    };
    let Some(report) = gone(&mut cell, survivors) else { return Judged::Starved };
    let Cell { group, cgroup, mut strangers, stage, around, .. } = cell;
    // With --pid1 the group dies soon after the one around it, and not before him.
    let soon = around != Around::Waits
        || (stage.place == Where::Apart && matches!(expected.end, End::Dies(_)));
    let ended = match survivors {
        [] if soon => group.end_killed(),
        [] => group.end(),
        _ => group.end_leaving(survivors),
    };
    if outside {
        // They are no affair of ours.
        strangers.live();
        cgroup.iter().for_each(Cgroup::end_all);
    }
    drop(strangers);
    if let Some(cgroup) = cgroup {
        cgroup.remove();
    }

    let via_unshare = matches!(stage.place, Where::Pid1 | Where::ReadOnly);
    let unheard = cell.unheard || (around != Around::Waits && stage.place == Where::Seccomp);
    let written = matches!(expected.end, End::Code(_)) && !cell.no_report;
    let unseen = written && !report.is_object() && (unheard || ended.ours().contains(&LATE));
    if unseen || ended.stderr.contains(": left to the kernel; exit ") {
        return Judged::Starved;
    }
    assert_eq!(report.is_object(), written, "whether there is a report\n{ended}");
    code(expected.end, &ended, &report, around, via_unshare);
    verdict(expected.verdict, &ended, &report, unheard);
    if !cell.says.is_empty() {
        ended.says(&[cell.says]);
    }
    others(expected.others, outside, &cell.not_told, &ended, &report);
    let took = match expected.others {
        // By our own clock: it is us who has promised it.
        Others::Killed => report["over_ms"].as_f64().zip(report["verdict"]["at_ms"].as_f64()),
        _ => None,
    };
    if let Some((over, verdict)) = took {
        assert!(over - verdict < cell.at_most, "took {} ms\n{ended}", over - verdict);
    }
    (cell.also)(&report);
    Judged::AsExpected
}

/// Waits until everybody is gone but these; gives the report, or null. Gives nothing where the machine is too busy
/// for that.
#[track_caller]
fn gone(cell: &mut Cell<'_>, survivors: &[&str]) -> Option<Value> {
    let survivors: Vec<i32> = survivors.iter().map(|name| cell.pid(name)).collect();
    let known = cell.group.processes();
    let lives = |pid: i32| proc::stat(pid).is_some_and(|stat| stat.state != 'Z');
    let is_gone = |pid: &i32| survivors.contains(pid) || !lives(*pid);
    let mut looks = 0_u32;
    let gone = poll(LIMIT, || {
        looks += 1;
        let now_and_then = looks.is_multiple_of(64);
        let late = || cell.group.stderr().contains(": left to the kernel; exit ");
        let twice = cell.cgroup.as_ref().is_some_and(|it| it.kills() > 1);
        if twice || (now_and_then && late()) {
            return Some(false);
        }
        // To look at all processes there are takes long: when it may be so, and now and then, because another one
        // may have got a number.
        let may_be = now_and_then || known.iter().all(is_gone);
        let left = || cell.group.processes().iter().any(|pid| !survivors.contains(pid));
        (may_be && !left()).then_some(true)
    });
    let Some(gone) = gone else {
        let left: Vec<String> = cell.group.processes().into_iter().map(proc::describe).collect();
        panic!("left behind:\n{}\n{}\n{}", left.join("\n"), cell.group.stderr(), cell.group.log());
    };
    if !gone {
        return None;
    }
    let report: Value = serde_json::from_str(&cell.read("report.json")).unwrap_or_default();
    // One from before the deadline is no report of the end.
    let report = if report["is_final"] == true { report } else { Value::Null };
    let strange = cell.files().into_iter().filter(|name| !FILES.contains(&&**name));
    // What was left behind because it took too long.
    let strange = strange.filter(|name| report.is_object() || !name.starts_with(".report.json."));
    let strange: Vec<String> = strange.collect();
    assert!(strange.is_empty(), "files were left: {strange:?}");
    Some(report)
}

fn code(end: End, ended: &Ended, report: &Value, around: Around, via_unshare: bool) {
    match (end, around) {
        (End::Code(code), Around::Waits) => {
            ended.code(code);
            let reported = report["exit_code"].as_i64();
            assert!(reported.is_none_or(|it| it == i64::from(code)), "{reported:?}\n{ended}");
        }
        (End::Code(code), Around::Dies) => assert_eq!(report["exit_code"], code, "{ended}"),
        (End::Code(code), Around::Leaves(theirs)) => {
            assert_eq!(report["exit_code"], code, "{ended}");
            ended.code(theirs);
        }
        (End::Dies(signal), _) => {
            let signal = signal as i32;
            let died = ended.signal == Some(signal) || ended.code == Some(128 + signal);
            // `unshare` cannot die by every signal itself, and ends with 1 then.
            assert!(died || (via_unshare && ended.code == Some(1)), "{ended}");
        }
    }
}

fn verdict(expected: &str, ended: &Ended, report: &Value, unheard: bool) {
    if let Some(message) = report["verdict"]["message"].as_str() {
        assert!(fits(&plain(message), expected), "the report's verdict: {message}\n{ended}");
    }
    if unheard {
        return;
    }
    let said = ended.verdicts();
    if expected.is_empty() {
        assert!(said.is_empty(), "nobody was there to say a line\n{ended}");
        return;
    }
    let ours: Vec<String> = ended.ours().into_iter().map(plain).collect();
    let found = ours.iter().filter(|line| fits(line, expected)).count();
    assert!(found == 1 && said.len() <= 1, "one line, and one verdict\n{ended}");
}

/// A sentence without process numbers. Who sends the stop request is outside of a container, or it is this process.
fn plain(sentence: &str) -> String {
    let mut text = sentence.to_owned();
    let us = format!(" from pid {} (", std::process::id());
    if let Some((before, rest)) = text.split_once(&us)
        && let Some((_, after)) = rest.split_once(')')
    {
        text = format!("{before} from outside this container{after}");
    }
    let mut parts = text.split(" (pid ");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain += part.split_once(')').map_or(part, |(_, after)| after);
    }
    plain
}

/// Whether a sentence is this; `*` stands for anything.
fn fits(sentence: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| sentence.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let at = if parts.peek().is_none() { rest.rfind(part) } else { rest.find(part) };
        let Some(at) = at else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

fn others(others: Others, outside: bool, not_told: &[&str], ended: &Ended, report: &Value) {
    // The report has it even where nobody can hear us.
    let said = ended.ours().into_iter().rfind(|line| line.starts_with("ended in "));
    let last = report["summary"].as_str().or(said).unwrap_or_default();
    let (names, outcome): (&[&str], &str) = match others {
        Others::Told => (&["web", "worker", "config-server", "daemon"], "nobody had to be killed"),
        Others::Killed => (&["web", "config-server"], "had to kill "),
        Others::Unseen(_) if outside => (&["web"], "something is left that it cannot see"),
        Others::Unseen(_) => (&["web"], "had to kill what it could not see"),
        Others::NeverStarted => {
            assert!(ended.log.is_empty(), "nobody was started\n{ended}");
            return;
        }
        Others::LiveOn(_) => return,
    };
    if let Others::Unseen(_) = others {
        ended.says(&["cannot look for stragglers: "]);
    }
    assert!(last.contains(outcome), "the last line: {last}\n{ended}");
    for name in names.iter().filter(|name| !not_told.contains(name)) {
        let has =
            |what: &str| ended.log.lines().any(|it| it.starts_with(&format!("{name}: {what}")));
        // Who was told before he had started has not said anything.
        if has("started ") {
            ended.logged(&format!("{name}: got SIGTERM"), 1);
            assert!(has("ends "), "{name} did not end by itself\n{ended}");
        }
    }
}
