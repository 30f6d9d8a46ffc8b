//! What Cloud Foundry's log shows of a group, from events alone: reference section 4.

use std::time::Duration;

use fateshare::core::{
    Action, Answer, Cause, Check, Context, Ending, Ends, Event, Group, Instance, JobControl,
    Leader, LogLine, MemberId, Moment, Outcome, Pid, Plan, Received, Sender, Status, Timer,
};
use fateshare::core::{End, SpawnFailure, SpawnFailureKind, platform_lines};
use fateshare::spec::{Launch, Overlay, Signal, SpecFile, read};

const WEB: MemberId = MemberId::MAIN;
const SIDECAR: MemberId = MemberId(1);

/// A group that runs, and what the log shows from then on.
struct Story {
    launch: Launch,
    group: Group,
    ending: Ending,
    instance: Instance,
    lines: Vec<LogLine>,
}

impl Story {
    fn of(web: &str, crashes: u32) -> Self {
        let spec = format!(
            "{{main: {{name: web, command: [nginx]{web}}}, \
             sidecars: [{{name: config-server, command: [redis-server]}}]}}"
        );
        let file = SpecFile { shown: "./fateshare.yml".to_owned(), folder: "/".into() };
        let launch = read(spec.as_bytes(), &file, &Overlay::default()).expect("a good spec").launch;
        let text = str::to_owned;
        let instance =
            Instance { app: text("APP"), version: text("VERSION"), guid: text("GUID"), crashes };
        let mut story = Self {
            group: Group::new(Plan::new(&launch, JobControl::Nobody)),
            launch,
            ending: Ending::default(),
            instance,
            lines: Vec::new(),
        };
        story.at(0, Event::Start);
        for (member, pid) in MemberId::all(2).zip(7..) {
            story.at(0, Event::Spawned { member, pid: Pid(pid) });
        }
        story
    }

    fn at(&mut self, millis: u64, event: Event) -> &mut Self {
        let now = Moment::at(Duration::from_millis(millis));
        for action in self.group.step(now, event) {
            let Action::Record(happening) = action else { continue };
            self.ending.note(&self.launch, now, &happening);
            let context = Context {
                launch: &self.launch,
                instance: &self.instance,
                ending: &self.ending,
                since_1970: Duration::from_secs(1),
            };
            self.lines.extend(platform_lines(context, &happening));
        }
        self
    }

    fn end(&mut self, millis: u64, member: MemberId, status: Status) -> &mut Self {
        self.at(millis, Event::Ends(Ends { members: vec![(member, status)], ..Ends::default() }))
    }

    fn over(&mut self, millis: u64) -> &mut Self {
        self.at(millis, Event::Ends(Ends { none_left: true, ..Ends::default() }))
    }

    fn outcome(&self) -> Outcome {
        self.ending.outcome(&self.launch, 5)
    }

    fn payload(&self) -> &str {
        let found = self.lines.iter().find_map(|line| match line {
            LogLine::Platform(text) => text.strip_prefix("[API/0] OUT App instance exited with "),
            LogLine::Member(..) => None,
        });
        found.unwrap_or_else(|| panic!("no crash: {:#?}", self.lines))
    }

    fn of_member(&self, member: MemberId) -> Vec<&str> {
        let text = |line: &'_ LogLine| matches!(line, LogLine::Member(of, _) if *of == member);
        let lines = self.lines.iter().filter(|line| text(line));
        lines
            .map(|line| match line {
                LogLine::Platform(text) | LogLine::Member(_, text) => text.as_str(),
            })
            .collect()
    }
}

#[test]
fn a_crash_is_recorded_as_the_platform_does() {
    let mut story = Story::of("", 2);
    story
        .end(9_000, SIDECAR, Status::Killed(Signal::KILL))
        .end(9_010, WEB, Status::Killed(Signal::TERM))
        .over(9_020);
    assert_eq!(
        story.payload(),
        "guid APP payload: {\"instance\"=>\"GUID\", \"index\"=>0, \"cell_id\"=>\"local\", \
         \"reason\"=>\"CRASHED\", \
         \"exit_description\"=>\"APP/PROC/WEB/SIDECAR/CONFIG-SERVER: Exited with status 137\", \
         \"crash_count\"=>3, \"crash_timestamp\"=>1000000000, \"version\"=>\"VERSION\"}"
    );
    assert_eq!(story.of_member(SIDECAR), ["Exit status 137"]);
    assert_eq!(story.of_member(WEB), ["Exit status 143"], "it was cancelled: only its own line");
    let outcome = story.outcome();
    assert_eq!((outcome.end, outcome.code), (End::Crashed, 5));
    assert_eq!(outcome.running, Some(Duration::from_secs(9)));
}

#[test]
fn more_than_five_minutes_of_running_make_it_the_first_crash_again() {
    let mut story = Story::of("", 7);
    story.end(300_001, WEB, Status::Exited(3)).over(300_002);
    assert!(story.payload().contains("\"crash_count\"=>1,"), "{}", story.payload());
}

#[test]
fn who_was_never_healthy_was_never_running() {
    let mut story = Story::of(", health_check: {type: port}", 7);
    story.end(400_000, WEB, Status::Exited(3)).over(400_002);
    assert!(story.payload().contains("\"crash_count\"=>8,"), "{}", story.payload());
    assert_eq!(story.outcome().running, None);
}

#[test]
fn from_the_first_success_on_it_is_running() {
    let mut story = Story::of(", health_check: {type: port}", 7);
    let due = story.group.timer(Timer::Health).expect("a first question");
    story.at(u64::try_from(due.since(Moment::ZERO).as_millis()).expect("soon"), Event::Tick);
    let answer = Answer::Passed;
    story.at(2_000, Event::Probed { check: Check::Health, answer });
    story.end(12_000, WEB, Status::Exited(3)).over(12_002);
    assert_eq!(story.outcome().running, Some(Duration::from_secs(10)));
}

#[test]
fn once_out_of_memory_every_later_failure_says_so() {
    let mut story = Story::of("", 0);
    let members = vec![(SIDECAR, Status::Killed(Signal::KILL))];
    story.at(9_000, Event::Ends(Ends { members, out_of_memory: true, ..Ends::default() }));
    story.end(9_010, WEB, Status::Exited(2)).over(9_020);
    assert_eq!(story.of_member(SIDECAR), ["Exit status 137 (out of memory)"]);
    assert_eq!(story.of_member(WEB), ["Exit status 2 (out of memory)"]);
}

#[test]
fn out_of_memory_long_ago_is_said_of_every_later_failure() {
    let mut story = Story::of("", 0);
    story.at(9_000, Event::Ends(Ends { out_of_memory: true, ..Ends::default() }));
    story.end(99_000, WEB, Status::Exited(2)).end(99_010, SIDECAR, Status::SUCCESS).over(99_020);
    assert_eq!(story.of_member(WEB), ["Exit status 2 (out of memory)"]);
    assert_eq!(story.of_member(SIDECAR), ["Exit status 0"]);
}

#[test]
fn an_exit_with_0_needs_no_memory() {
    let mut story = Story::of("", 0);
    let members = vec![(SIDECAR, Status::Killed(Signal::KILL))];
    story.at(9_000, Event::Ends(Ends { members, out_of_memory: true, ..Ends::default() }));
    story.end(9_010, WEB, Status::SUCCESS).over(9_020);
    assert_eq!(story.of_member(WEB), ["Exit status 0"]);
}

#[test]
fn a_stop_request_is_no_crash() {
    let mut story = Story::of("", 0);
    let (signal, sender, main_leader) = (Signal::TERM, Sender::Outside, Leader::Program);
    story.at(9_000, Event::Signal(Received { signal, sender, main_leader }));
    story.end(9_010, WEB, Status::SUCCESS).end(9_010, SIDECAR, Status::SUCCESS).over(9_020);
    let crashes = |line: &&LogLine| matches!(line, LogLine::Platform(it) if it.contains("[API/0]"));
    assert_eq!(story.lines.iter().filter(crashes).count(), 0, "{:#?}", story.lines);
    assert_eq!(story.outcome().end, End::Stopped);
}

#[test]
fn who_asks_for_an_end_during_a_crash_wants_no_new_beginning() {
    for (signal, sender, end) in [
        (Signal::TERM, Sender::Outside, End::Stopped),
        (Signal::HUP, Sender::Terminal, End::Stopped),
        (Signal::USR1, Sender::Outside, End::Crashed),
    ] {
        let mut story = Story::of("", 0);
        story.end(9_000, SIDECAR, Status::Killed(Signal::KILL));
        let main_leader = Leader::Program;
        story.at(9_005, Event::Signal(Received { signal, sender, main_leader }));
        story.end(9_010, WEB, Status::SUCCESS).over(9_020);
        assert_eq!(story.outcome().end, end, "{signal}");
        assert!(story.payload().contains("CRASHED"), "it crashed all the same");
    }
}

#[test]
fn several_that_cannot_be_started_have_a_line_each() {
    let failure = |member| SpawnFailure {
        member,
        kind: SpawnFailureKind::NotFound,
        reason: "program nginx: not found".to_owned(),
        hint: None,
    };
    let spec = Story::of("", 0).launch;
    for failed in [vec![WEB], vec![WEB, SIDECAR]] {
        let mut story = Story::of("", 0);
        story.group = Group::new(Plan::new(&spec, JobControl::Nobody));
        story.ending = Ending::default();
        story.lines.clear();
        story.at(0, Event::SpawnFailed(failed.iter().copied().map(failure).collect()));
        for member in &failed {
            let expected = ["failed-creating-process: program nginx: not found"];
            assert_eq!(story.of_member(*member), expected);
        }
        let verdict = story.group.verdict().expect("a verdict");
        assert!(matches!(verdict.cause, Cause::CannotStart(_)));
    }
}

#[test]
fn a_reason_of_several_lines_is_one() {
    let mut story = Story::of(", health_check: {type: port, start_timeout: 1s}", 0);
    story.at(50, Event::Tick);
    let answer = Answer::Failed("refused\n[CELL/0] OUT Container became healthy".to_owned());
    story.at(1_100, Event::Probed { check: Check::Health, answer });
    assert!(matches!(story.group.verdict().expect("a verdict").cause, Cause::Unhealthy(_)));
    let reason = "refused\\n[CELL/0] OUT Container became healthy";
    let is_whole = |line: &LogLine| match line {
        LogLine::Platform(text) => !text.contains('\n'),
        LogLine::Member(..) => false,
    };
    assert!(story.lines.iter().all(is_whole), "{:?}", story.lines);
    let last = story
        .lines
        .iter()
        .filter(|it| matches!(it, LogLine::Platform(text) if text.contains(reason)));
    assert_eq!(last.count(), 1, "{:?}", story.lines);
}
