//! For every kind of ending: verdict, exit code, Cloud Foundry's description, termination message,
//! timeline and report tell one story. They are rendered from one event list, which the core itself
//! has made; `tests/one_story/` keeps them.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use fateshare::core::{
    Action, Answer, Cause, Check, Ends, Event, Found, Group, Happening, JobControl, Leader,
    MemberId, Moment, Pid, Plan, Preparation, ProcessKey, Received, Seen, Sender, SignalFailure,
    SpawnFailure, SpawnFailureKind, State, Status, exit_description, render, short_cause,
};
use fateshare::report::document::{Environment, Facts, LogRow, Report, Used};
use fateshare::report::timeline::{Letters, Look, picture, story};
use fateshare::report::{Entry, termination};
use fateshare::spec::{Launch, Overlay, Signal, SpecFile, read};

const WEB: MemberId = MemberId::MAIN;
const SIDECAR: MemberId = MemberId(1);
const KILLED: Status = Status::Killed(Signal::KILL);

const PAIR: &str = "{platform: cloudfoundry, main: {name: web, command: rackup, memory: 192M}, \
                    sidecars: [{name: config-server, command: ./config-server, memory: 64M}]}";
const CHECKED: &str = "{platform: cloudfoundry, \
                       main: {name: web, command: rackup, health_check: {type: http, port: 8080}}, \
                       sidecars: [{name: config-server, command: ./config-server}]}";
const FINISHING: &str = "{platform: cloudfoundry, main: {name: web, command: rackup}, \
                         sidecars: [{name: migrate, command: ./migrate, may_finish: true}, \
                         {name: 'performance monitor', command: ./monitor, stop: after_main}]}";
const SHELL: &str = "{platform: cloudfoundry, main: {name: web, command: 'cd / && ./server'}}";

/// A group's life from its first moment.
struct Life {
    launch: Launch,
    group: Group,
    now: Moment,
    entries: Vec<Entry>,
    code: Option<u8>,
}

impl Life {
    /// One that has not begun.
    fn new(spec: &str, change: impl FnOnce(&mut Plan)) -> Self {
        let file = SpecFile { shown: "./fateshare.yml".to_owned(), folder: "/".into() };
        let launch = read(spec.as_bytes(), &file, &Overlay::default()).expect("a good spec").launch;
        let mut plan = Plan::new(&launch, JobControl::Nobody);
        change(&mut plan);
        let group = Group::new(plan);
        Self { launch, group, now: Moment::ZERO, entries: Vec::new(), code: None }
    }

    /// One whose members all run.
    fn of(spec: &str) -> Self {
        let mut life = Self::new(spec, |_| {});
        life.at(1, Event::Start);
        for (member, pid) in MemberId::all(life.launch.members.len()).zip(7..) {
            life.at(u64::from(member.0) + 2, Event::Spawned { member, pid: Pid(pid) });
        }
        assert_eq!(life.group.state(), State::Running);
        life
    }

    /// At this time, in milliseconds, this happens; timers that are due before it are.
    fn at(&mut self, millis: u64, event: Event) -> &mut Self {
        let at = Moment::at(Duration::from_millis(millis));
        while let Some(due) = self.group.next_timer().filter(|due| *due < at) {
            self.now = self.now.max(due);
            self.step(Event::Tick);
        }
        self.now = at;
        self.step(event);
        self
    }

    fn step(&mut self, event: Event) {
        let mut actions = std::collections::VecDeque::from(self.group.step(self.now, event));
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Record(happening) => {
                    let since_1970 = Duration::from_secs(1_795_000_000) + self.now.since_start();
                    let seq = self.entries.len() as u64;
                    self.entries.push(Entry { seq, at: self.now, since_1970, happening });
                }
                Action::End(code) => self.code = Some(code),
                _ => {}
            }
        }
    }

    fn ends(&mut self, millis: u64, members: &[(MemberId, Status)]) -> &mut Self {
        self.at(millis, Event::Ends(Ends { members: members.to_vec(), ..Ends::default() }))
    }

    fn runs_out_of_memory(&mut self, millis: u64, members: &[(MemberId, Status)]) -> &mut Self {
        let members = members.to_vec();
        self.at(millis, Event::Ends(Ends { members, out_of_memory: true, ..Ends::default() }))
    }

    fn nobody_is_left(&mut self, millis: u64) -> &mut Self {
        self.at(millis, Event::Ends(Ends { none_left: true, ..Ends::default() }))
    }

    fn signal(&mut self, millis: u64, signal: Signal, sender: Sender) -> &mut Self {
        let main_leader = Leader::Program;
        self.at(millis, Event::Signal(Received { signal, sender, main_leader }))
    }

    fn finds(&mut self, millis: u64, processes: Vec<Seen>) -> &mut Self {
        self.at(millis, Event::Found(Found { processes, ..Found::default() }))
    }

    fn denied(&mut self, millis: u64, member: MemberId, pid: i32, signal: Signal) -> &mut Self {
        let reason = "Operation not permitted (os error 1)".to_owned();
        let failure =
            SignalFailure { pid: Pid(pid), member: Some(member), signal, reason, denied: true };
        self.at(millis, Event::SignalFailed(failure))
    }

    /// All six, rendered from the event list, as one text.
    fn rendered(&self) -> String {
        let code = self.code.expect("the group is over");
        let verdicts = self.entries.iter().filter_map(|entry| match &entry.happening {
            Happening::Verdict(decided) => Some((entry, decided)),
            _ => None,
        });
        let [(entry, decided)] = verdicts.collect::<Vec<_>>()[..] else {
            panic!("one verdict, no more and no less");
        };
        let verdict = render(&self.launch, &entry.happening).expect("its line").text;
        let description = exit_description(&self.launch, &decided.verdict.cause);
        let message = termination::message(&self.launch, &self.entries);
        let report = Report::new(&self.launch, &self.entries, &Self::facts());
        let look = Look { width: 80, letters: Letters::Unicode, most_rows: 20 };
        let drawn = story(&report, look);
        let narrow = picture(&report, Look { width: 50, letters: Letters::Ascii, ..look });
        let json = report.text();

        // One story.
        assert_eq!(message.lines().next(), Some(verdict.as_str()));
        assert!(message.len() <= termination::LONGEST);
        assert_eq!(drawn.lines().next(), Some(verdict.as_str()));
        let row = report.verdict.as_ref().expect("a verdict");
        assert_eq!(row.message, verdict);
        assert_eq!(row.cloud_foundry, description);
        assert_eq!(report.exit_code, Some(code));
        assert!(report.is_final);
        for text in [&message, &drawn] {
            assert!(text.contains(&format!("exit {code}\n")), "{text}");
            assert_eq!(text.contains("Cloud Foundry would say: "), description.is_some());
            assert!(description.as_ref().is_none_or(|it| text.contains(it)), "{text}");
        }
        if let Cause::MemberEnded(end) = &decided.verdict.cause {
            let name = &self.launch.members[end.member.index()].name;
            assert_eq!(row.culprit.as_ref(), Some(name));
            let line = drawn.lines().find(|line| line.contains("ended first")).expect("its note");
            assert!(drawn.contains(&format!("\n  {name} ")), "{drawn}");
            assert_eq!(line.contains("out of memory"), verdict.contains("out of memory"), "{line}");
        }
        for member in &report.members {
            assert!(!member.forced || member.left || drawn.contains("SIGKILL +"), "{drawn}");
        }
        for (picture, width) in [(&picture(&report, look), 80), (&narrow, 50)] {
            let fits = picture.lines().all(|line| line.chars().count() <= width);
            assert!(fits, "{picture}");
        }
        assert!(narrow.is_ascii());
        let again: Report = serde_json::from_str(&json).expect("it can be read");
        assert_eq!(again, report);

        let mut text = format!("verdict: {verdict}\nexit code: {code}\n");
        let short = short_cause(&self.launch, &decided.verdict.cause);
        assert_eq!(short.contains("out of memory"), verdict.contains("out of memory"), "{short}");
        let _ = writeln!(text, "while it stops: {short}");
        let _ = writeln!(text, "Cloud Foundry: {}", description.as_deref().unwrap_or("(nothing)"));
        let _ = writeln!(text, "\n--- termination message\n{message}");
        let _ = writeln!(text, "--- timeline\n{drawn}");
        let _ = writeln!(text, "--- narrow, ASCII\n{narrow}");
        let _ = write!(text, "--- report\n{json}");
        text
    }

    fn facts() -> Facts {
        Facts {
            environment: Environment {
                version: "0.1.0".to_owned(),
                pid: 1,
                role: "init".to_owned(),
                log_format: "raw".to_owned(),
                memory_limit_bytes: Some(256 << 20),
                ..Environment::default()
            },
            began: Duration::from_secs(1_795_000_000),
            used: vec![Some(Used { user_ms: 12.5, system_ms: 4.0, peak_resident_bytes: 35 << 20 })],
            logs: vec![LogRow {
                member: "web".to_owned(),
                stream: "stdout".to_owned(),
                lines: 3,
                bytes: 60,
                ..LogRow::default()
            }],
            ..Facts::default()
        }
    }
}

fn stray(name: &str, pid: i32, under: Option<MemberId>) -> Seen {
    Seen {
        key: ProcessKey { pid: Pid(pid), start_ticks: 1 },
        under,
        group: Pid(pid),
        session: Pid(pid),
        started: Moment::at(Duration::from_secs(5)),
        name: name.to_owned(),
    }
}

fn cannot_start(member: MemberId, kind: SpawnFailureKind) -> SpawnFailure {
    let reason = "./config-server: No such file or directory (os error 2)".to_owned();
    SpawnFailure { member, kind, reason, hint: Some("Check the path".to_owned()) }
}

fn failed(check: Check) -> Event {
    let why = "port 8080: connection refused".to_owned();
    Event::Probed { check, answer: Answer::Failed(why) }
}

/// Asks when it is due, and answers at once.
fn probe(life: &mut Life, answer: Event) {
    let due = life.group.next_timer().expect("a check");
    life.now = due;
    life.step(Event::Tick);
    life.step(answer);
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn endings() -> Vec<(&'static str, Life)> {
    let mut all = Vec::new();
    let mut add = |name, spec, tell: &dyn Fn(&mut Life)| {
        let mut life = Life::of(spec);
        tell(&mut life);
        all.push((name, life));
    };
    add("a_sidecar_is_killed", PAIR, &|life| {
        life.ends(42_100, &[(SIDECAR, KILLED)]);
        life.ends(42_410, &[(WEB, Status::SUCCESS)]).nobody_is_left(42_410);
    });
    add("a_sidecar_exits_0", PAIR, &|life| {
        life.ends(3_000, &[(SIDECAR, Status::SUCCESS)]);
        life.finds(3_000, Vec::new());
        life.ends(3_004, &[(WEB, Status::Killed(Signal::TERM))]).nobody_is_left(3_004);
    });
    add("main_exits_3", PAIR, &|life| {
        life.ends(90_000, &[(WEB, Status::Exited(3))]);
        life.ends(90_012, &[(SIDECAR, Status::Killed(Signal::TERM))]).nobody_is_left(90_012);
    });
    add("main_exits_0_at_once", PAIR, &|life| {
        life.ends(15, &[(WEB, Status::SUCCESS)]);
        life.finds(15, vec![stray("nginx", 44, None)]);
        life.ends(700, &[(SIDECAR, Status::Killed(Signal::TERM))]).nobody_is_left(700);
    });
    add("a_shell_reports_sigsegv", SHELL, &|life| {
        life.ends(60_000, &[(WEB, Status::Exited(139))]).nobody_is_left(60_001);
    });
    add("several_at_once", PAIR, &|life| {
        life.ends(9_000, &[(WEB, Status::Exited(3)), (SIDECAR, Status::Killed(Signal::SEGV))]);
        life.nobody_is_left(9_000);
    });
    add("a_member_runs_out_of_memory", PAIR, &|life| {
        life.runs_out_of_memory(30_000, &[(WEB, KILLED)]);
        life.ends(30_100, &[(SIDECAR, Status::Killed(Signal::TERM))]).nobody_is_left(30_100);
    });
    add("a_child_runs_out_of_memory", SHELL, &|life| {
        life.runs_out_of_memory(30_000, &[(WEB, Status::Exited(137))]).nobody_is_left(30_001);
    });
    add("stopped_from_outside", PAIR, &|life| {
        life.signal(5_000, Signal::USR1, Sender::Process { pid: Pid(9), uid: 0, name: None });
        life.signal(3_600_000, Signal::TERM, Sender::Outside);
        life.ends(3_600_250, &[(SIDECAR, Status::Killed(Signal::TERM))]);
        life.ends(3_601_500, &[(WEB, Status::SUCCESS)]).nobody_is_left(3_601_500);
    });
    add("stopped_and_main_has_to_be_killed", PAIR, &|life| {
        life.signal(20_000, Signal::TERM, Sender::Process { pid: Pid(9), uid: 0, name: None });
        life.ends(20_004, &[(SIDECAR, Status::SUCCESS)]);
        life.finds(20_010, Vec::new());
        life.ends(29_003, &[(WEB, KILLED)]).nobody_is_left(29_003);
    });
    add("stopped_twice_by_ctrl_c", PAIR, &|life| {
        life.signal(20_000, Signal::INT, Sender::Terminal);
        life.ends(20_004, &[(SIDECAR, Status::SUCCESS)]);
        life.finds(20_010, Vec::new());
        life.signal(21_500, Signal::INT, Sender::Terminal);
        life.at(21_500, Event::Tick);
        life.ends(21_502, &[(WEB, KILLED)]).nobody_is_left(21_502);
    });
    add("a_straggler_has_to_be_killed", PAIR, &|life| {
        life.ends(10_000, &[(SIDECAR, Status::Exited(1))]);
        life.finds(10_005, vec![stray("sleep", 44, None), stray("worker", 45, Some(WEB))]);
        life.ends(10_100, &[(WEB, Status::SUCCESS)]);
        life.finds(10_200, vec![stray("sleep", 44, None), stray("worker", 45, None)]);
        life.finds(10_400, vec![stray("sleep", 44, None)]);
        life.at(19_000, Event::Tick);
        life.nobody_is_left(19_005);
    });
    add("main_cannot_be_killed", PAIR, &|life| {
        life.ends(10_000, &[(SIDECAR, KILLED)]);
        life.finds(10_005, Vec::new());
        life.at(19_600, Event::Tick);
        life.finds(19_601, vec![stray("nfsd", 46, None)]);
    });
    add("a_member_may_not_be_signalled", PAIR, &|life| {
        life.ends(10_000, &[(WEB, Status::Exited(1))]);
        life.denied(10_000, SIDECAR, 8, Signal::TERM);
        life.finds(10_006, Vec::new());
        life.denied(10_007, SIDECAR, 8, Signal::KILL);
        life.denied(10_018, SIDECAR, 8, Signal::KILL);
        life.finds(10_019, Vec::new());
    });
    add("a_sidecar_finished_before", FINISHING, &|life| {
        life.ends(8_000, &[(SIDECAR, Status::SUCCESS)]);
        life.ends(40_000, &[(WEB, Status::Exited(1))]);
        life.finds(40_000, Vec::new());
        life.ends(40_030, &[(MemberId(2), Status::SUCCESS)]).nobody_is_left(40_030);
    });
    add("main_was_never_healthy", CHECKED, &|life| {
        while life.group.state() == State::Running {
            probe(life, failed(Check::Health));
        }
        let end = u64::try_from(life.now.since_start().as_millis()).expect("a minute") + 20;
        life.ends(end, &[(WEB, Status::SUCCESS), (SIDECAR, Status::SUCCESS)]).nobody_is_left(end);
    });
    add("main_became_unhealthy", CHECKED, &|life| {
        probe(life, Event::Probed { check: Check::Health, answer: Answer::Passed });
        probe(life, failed(Check::Health));
        let end = u64::try_from(life.now.since_start().as_millis()).expect("a minute") + 20;
        life.ends(end, &[(WEB, Status::SUCCESS), (SIDECAR, Status::SUCCESS)]).nobody_is_left(end);
    });
    add("something_of_our_own_fails", PAIR, &|life| {
        life.at(4_000, Event::OwnFailure("cannot reap children: Input/output error".to_owned()));
        life.ends(4_010, &[(WEB, Status::SUCCESS), (SIDECAR, Status::SUCCESS)])
            .nobody_is_left(4_010);
    });

    let mut life = Life::new(PAIR, |_| {});
    life.at(1, Event::Start).at(2, Event::Spawned { member: WEB, pid: Pid(7) });
    life.at(3, Event::SpawnFailed(vec![cannot_start(SIDECAR, SpawnFailureKind::NotFound)]));
    life.ends(9, &[(WEB, Status::Killed(Signal::TERM))]).nobody_is_left(9);
    all.push(("a_sidecar_cannot_be_started", life));

    let mut life = Life::new(PAIR, |_| {});
    let both = [WEB, SIDECAR].map(|member| cannot_start(member, SpawnFailureKind::NotExecutable));
    life.at(1, Event::SpawnFailed(both.to_vec())).nobody_is_left(2);
    all.push(("nobody_can_be_started", life));

    let mut life = Life::new(PAIR, |plan| plan.profile = true);
    life.at(1, Event::Start).at(800, Event::Prepared(Preparation::Exited(7))).nobody_is_left(801);
    all.push(("a_profile_script_exits", life));
    all
}

#[test]
fn every_ending_is_one_story() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/one_story");
    let overwrite = std::env::var_os("SNAPSHOTS").is_some_and(|mode| mode == "overwrite");
    let endings = endings();
    for (name, life) in &endings {
        let kept = folder.join(format!("{name}.txt"));
        let text = life.rendered();
        if overwrite {
            std::fs::write(&kept, &text).expect("the snapshot is written");
        }
        let expected = std::fs::read_to_string(&kept).expect("the snapshot is there");
        let differs = text.lines().zip(expected.lines()).find(|(one, other)| one != other);
        assert_eq!(differs, None, "{name}: run with SNAPSHOTS=overwrite and look at the change");
        assert_eq!(text.len(), expected.len(), "{name}");
    }
    let kept = std::fs::read_dir(folder).expect("the folder").count();
    assert_eq!(kept, endings.len(), "one file for each ending");
}

/// Before the first SIGKILL both are there with all that is known then.
#[test]
fn a_report_before_sigkill_says_that_it_is_not_over() {
    let mut life = Life::of(PAIR);
    life.ends(10_000, &[(SIDECAR, KILLED)]).finds(10_005, Vec::new());
    life.at(19_000, Event::Tick);
    let at = life.entries.iter().position(|it| matches!(it.happening, Happening::KillWave { .. }));
    let before = &life.entries[..at.expect("SIGKILL was sent")];
    let report = Report::new(&life.launch, before, &Life::facts());
    assert!(!report.is_final && report.exit_code.is_none() && report.over_ms.is_none());
    assert!(report.members[0].forced, "who gets SIGKILL is named");
    let message = termination::message(&life.launch, before);
    assert!(message.starts_with("config-server (pid 8) was killed by SIGKILL"), "{message}");
    assert!(message.contains("web did not stop within 9s: SIGKILL"), "{message}");
    assert!(message.ends_with("\nnot over yet: sending SIGKILL\n"), "{message}");
    let look = Look { width: 80, letters: Letters::Unicode, most_rows: 20 };
    assert!(story(&report, look).contains("written when SIGKILL was due"));
}

/// Reports with slips in them: refused, or drawn, and no panic. `FATESHARE_FUZZ=N` of them.
#[test]
fn a_report_may_come_from_anywhere() {
    let count =
        std::env::var("FATESHARE_FUZZ").ok().and_then(|it| it.parse().ok()).unwrap_or(3_000);
    let reports: Vec<Vec<u8>> = endings()
        .iter()
        .map(|(_, life)| {
            Report::new(&life.launch, &life.entries, &Life::facts()).text().into_bytes()
        })
        .collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).expect("31 bits") % limit.max(1)
    };
    let words: [&[u8]; 10] = [
        b"1e308",
        b"-1",
        b"null",
        b"true",
        b"[]",
        b"\"\\u0000\"",
        b"0.0",
        b"\"x\"",
        b"18446744073709551615",
        b"9",
    ];
    let mut drawn = 0;
    for _ in 0..count {
        let mut text = reports[next(reports.len())].clone();
        for _ in 0..=next(3) {
            // A value or a single byte becomes another one.
            let at = next(text.len());
            let end = at + text[at..].iter().position(|it| b",\n".contains(it)).unwrap_or(0);
            let begin = text[..at].iter().rposition(|it| *it == b':').map_or(at, |it| it + 1);
            if next(2) == 0 && begin < end && !text[begin..end].contains(&b'\n') {
                text.splice(begin..end, words[next(words.len())].iter().copied());
            } else {
                text[at] = b"0123456789-.eE\"{}[]:, a"[next(23)];
            }
        }
        let Ok(report) = serde_json::from_slice::<Report>(&text) else { continue };
        let look = Look { width: next(200), letters: Letters::Unicode, most_rows: next(5) };
        assert!(!story(&report, look).is_empty());
        assert!(!fateshare::report::page::page(&report).is_empty());
        drawn += 1;
    }
    assert!(drawn > count / 20, "some are reports: {drawn} of {count}");
}
