//! What is said of each kind of end: short stories of events, and the lines that they give.

use std::time::Duration;

use fateshare::core::{
    Action, Answer, Check, Ends, Event, Foreground, Found, Group, JobControl, Leader, MemberId,
    Moment, Pid, Plan, ProcessKey, Received, Seen, Sender, SignalFailure, SpawnFailure,
    SpawnFailureKind, State, Status, Timer, exit_description, opening, render,
};
use fateshare::spec::{Launch, Overlay, Signal, SpecFile, read};

const WEB: MemberId = MemberId::MAIN;
const SIDECAR: MemberId = MemberId(1);

const PAIR: &str = "{main: {name: web, command: [nginx]}, \
                    sidecars: [{name: config-server, command: [redis-server]}]}";

fn launch(spec: &str) -> Launch {
    let file = SpecFile { shown: "./fateshare.yml".to_owned(), folder: "/".into() };
    read(spec.as_bytes(), &file, &Overlay::default()).expect("a good spec").launch
}

/// A group that runs, and every line that it says from then on.
struct Story {
    launch: Launch,
    group: Group,
    lines: Vec<String>,
}

impl Story {
    fn of(spec: &str) -> Self {
        let launch = launch(spec);
        let group = Group::new(Plan::new(&launch, JobControl::Nobody));
        let mut story = Self { launch, group, lines: Vec::new() };
        story.at(0, Event::Start);
        for (member, pid) in MemberId::all(story.launch.members.len()).zip(7..) {
            story.at(0, Event::Spawned { member, pid: Pid(pid) });
        }
        story.lines.clear();
        story
    }

    fn at(&mut self, millis: u64, event: Event) -> &mut Self {
        let actions = self.group.step(Moment::at(Duration::from_millis(millis)), event);
        for action in actions {
            if let Action::Record(happening) = action
                && let Some(line) = render(&self.launch, &happening)
            {
                self.lines.push(line.text);
            }
        }
        self
    }

    #[track_caller]
    fn says_nothing(&self) -> &Self {
        assert_eq!(self.lines, Vec::<String>::new());
        self
    }

    #[track_caller]
    fn says(&self, line: &str) -> &Self {
        assert!(self.lines.iter().any(|said| said == line), "{line:?} in {:#?}", self.lines);
        self
    }
}

fn ends(members: &[(MemberId, Status)]) -> Event {
    Event::Ends(Ends { members: members.to_vec(), ..Ends::default() })
}

fn nothing_left() -> Event {
    Event::Ends(Ends { none_left: true, ..Ends::default() })
}

fn got(signal: Signal, sender: Sender) -> Event {
    Event::Signal(Received { signal, sender, main_leader: Leader::Program })
}

fn stray(name: &str, started: u64) -> Seen {
    Seen {
        key: ProcessKey { pid: Pid(44), start_ticks: 1 },
        under: None,
        group: Pid(44),
        session: Pid(44),
        started: Moment::at(Duration::from_millis(started)),
        name: name.to_owned(),
    }
}

fn found(processes: Vec<Seen>) -> Event {
    Event::Found(Found { processes, ..Found::default() })
}

#[test]
fn the_opening_names_the_spec_and_its_members() {
    assert_eq!(opening(&launch(PAIR)), "./fateshare.yml: web + config-server, grace 9s");
}

#[test]
fn a_member_killed_by_somebody_else() {
    let mut story = Story::of(PAIR);
    story.at(9_000, ends(&[(SIDECAR, Status::Killed(Signal::KILL))]));
    story.says("config-server (pid 8) was killed by SIGKILL, not by fateshare; stopping web");
    story.at(9_310, ends(&[(WEB, Status::SUCCESS)])).at(9_310, nothing_left());
    story.says("web (pid 7) exited with 0");
    story.says("ended in 310ms, nobody had to be killed; exit 137");
}

#[test]
fn a_member_killed_by_a_signal_that_was_forwarded() {
    let mut story = Story::of(PAIR);
    story.at(1_000, got(Signal::USR1, Sender::Outside));
    story.at(1_001, ends(&[(WEB, Status::Killed(Signal::USR1))]));
    story.says(
        "web (pid 7) was killed by SIGUSR1, which fateshare had forwarded; stopping config-server",
    );
}

#[test]
fn codes_that_shells_report() {
    let mut story = Story::of("{main: {name: web, command: 'cd / && ./server'}}");
    story.at(9_000, ends(&[(WEB, Status::Exited(137))]));
    story.says("web (pid 7) exited with 137 (its shell reports SIGKILL)");

    let mut story = Story::of("{main: {name: web, command: ./server}}");
    story.at(9_000, ends(&[(WEB, Status::Exited(127))]));
    story.says("web (pid 7) exited with 127 (its shell found no such command)");

    let mut story = Story::of("{main: {name: web, command: [./server]}}");
    story.at(9_000, ends(&[(WEB, Status::Exited(137))]));
    story.says("web (pid 7) exited with 137");
}

#[test]
fn ends_that_nobody_can_put_in_order() {
    let mut story = Story::of(PAIR);
    let both = [(WEB, Status::Exited(3)), (SIDECAR, Status::Killed(Signal::SEGV))];
    story.at(9_000, ends(&both));
    story.says(
        "config-server (pid 8) was killed by SIGSEGV, not by fateshare; \
         at the same time web exited with 3",
    );
}

/// These ends, and the container ran out of memory.
fn out_of_memory(members: &[(MemberId, Status)]) -> Event {
    Event::Ends(Ends { members: members.to_vec(), out_of_memory: true, ..Ends::default() })
}

const KILLED: Status = Status::Killed(Signal::KILL);

#[test]
fn out_of_memory_is_said_of_who_ended_by_it() {
    let mut story = Story::of(PAIR);
    story.at(9_000, out_of_memory(&[(SIDECAR, KILLED)]));
    story.says("config-server (pid 8) was killed by SIGKILL: out of memory; stopping web");

    let mut story = Story::of(PAIR);
    story.at(9_000, out_of_memory(&[(WEB, Status::Exited(137))]));
    story.says(
        "web (pid 7) exited with 137 (probably out of memory in a child); stopping config-server",
    );

    // The kernel kills all of a group at once (`memory.oom.group`).
    let mut story = Story::of(PAIR);
    story.at(9_000, out_of_memory(&[(SIDECAR, KILLED), (WEB, KILLED)]));
    story.says(
        "web (pid 7) was killed by SIGKILL: out of memory; \
         at the same time config-server was killed by SIGKILL",
    );
    story.says(
        "config-server (pid 8) was killed by SIGKILL: out of memory, together with the first",
    );

    for (status, expected) in [
        (Status::Exited(1), "web (pid 7) exited with 1; stopping config-server"),
        (
            Status::Killed(Signal::TERM),
            "web (pid 7) was killed by SIGTERM, not by fateshare; stopping config-server",
        ),
    ] {
        let mut story = Story::of(PAIR);
        story.at(9_000, out_of_memory(&[(WEB, status)]));
        story.says(expected);
    }
}

#[test]
fn out_of_memory_may_be_known_before_the_end() {
    for (end, expected) in [
        (9_000, "web (pid 7) was killed by SIGKILL: out of memory; stopping config-server"),
        (11_000, "web (pid 7) was killed by SIGKILL: out of memory; stopping config-server"),
        (11_001, "web (pid 7) was killed by SIGKILL, not by fateshare; stopping config-server"),
    ] {
        let mut story = Story::of(PAIR);
        story.at(9_000, out_of_memory(&[])).says_nothing();
        story.at(end, ends(&[(WEB, KILLED)])).says(expected);
    }
}

#[test]
fn out_of_memory_during_the_teardown() {
    let mut story = Story::of(PAIR);
    story.at(9_000, ends(&[(WEB, Status::Exited(3))]));
    story.at(9_100, out_of_memory(&[(SIDECAR, KILLED)]));
    story.says("config-server (pid 8) was killed by SIGKILL: out of memory");

    // Whom we kill has not died of that.
    let mut story = Story::of(PAIR);
    story.at(9_000, ends(&[(WEB, Status::Exited(3))]));
    story.at(17_999, out_of_memory(&[]));
    story.at(18_000, Event::Tick).at(18_001, out_of_memory(&[(SIDECAR, KILLED)]));
    story.says("config-server (pid 8) was killed by SIGKILL after fateshare had sent SIGKILL");
}

#[test]
fn a_daemon_that_went_into_the_background() {
    let mut story = Story::of(PAIR);
    story.at(100, ends(&[(WEB, Status::SUCCESS)]));
    story.at(101, found(vec![stray("nginx", 90)]));
    story.says(
        "web (pid 7) exited with 0 and left nginx (pid 44): it put itself into the background; \
         run it in the foreground (nginx -g 'daemon off;'); stopping config-server",
    );
}

/// On a busy machine we may hear of a start long after it: main has forked and is gone by then.
#[test]
fn a_daemon_that_was_faster_than_we() {
    let launch = launch(PAIR);
    let group = Group::new(Plan::new(&launch, JobControl::Nobody));
    let mut story = Story { launch, group, lines: Vec::new() };
    story.at(0, Event::Start);
    story.at(50, Event::Spawned { member: WEB, pid: Pid(7) });
    story.at(51, ends(&[(WEB, Status::SUCCESS)])).at(52, found(vec![stray("nginx", 20)]));
    story.says(
        "web (pid 7) exited with 0 and left nginx (pid 44): it put itself into the background; \
         run it in the foreground (nginx -g 'daemon off;'); config-server was not started",
    );
}

#[test]
fn nobody_is_blamed_for_the_processes_of_others() {
    // Another member's, by its command; nobody's that is known.
    for seen in [stray("redis-server", 90), stray("sleep", 90)] {
        let mut story = Story::of(PAIR);
        story.at(100, ends(&[(WEB, Status::SUCCESS)])).at(101, found(vec![seen]));
        story.says("web (pid 7) exited with 0; stopping config-server");
    }
    // One that ran for long and then ended in peace did not go into the background.
    let mut story = Story::of(PAIR);
    story.at(60_000, ends(&[(WEB, Status::SUCCESS)])).at(60_001, found(vec![stray("nginx", 90)]));
    story.says("web (pid 7) exited with 0; stopping config-server");
}

#[test]
fn stop_requests_and_their_senders() {
    let bash = Sender::Process { pid: Pid(3), uid: 0, name: Some("bash".to_owned()) };
    let nameless = Sender::Process { pid: Pid(3), uid: 1000, name: None };
    for (signal, sender, text) in [
        (Signal::TERM, Sender::Outside, "SIGTERM from outside this container"),
        (Signal::INT, Sender::Terminal, "SIGINT from the terminal"),
        (Signal::TERM, bash, "SIGTERM from pid 3 (bash)"),
        (Signal::TERM, nameless, "SIGTERM from pid 3 (user 1000)"),
        (Signal::QUIT, Sender::Unknown, "SIGQUIT from an unknown sender"),
    ] {
        let mut story = Story::of(PAIR);
        story.at(9_000, got(signal, sender));
        story.says(&format!("{text}; stopping web, config-server"));
    }
}

/// The answer to a question that is asked when its timer is due.
fn answer(story: &mut Story, check: Check, answer: Answer) {
    let timer = match check {
        Check::Health => Timer::Health,
        Check::Readiness => Timer::Readiness,
    };
    let due = story.group.timer(timer).expect("it is armed").since_start().as_millis();
    let due = u64::try_from(due).expect("small");
    story.at(due, Event::Tick);
    story.at(due + 3, Event::Probed { check, answer });
}

const CHECKED: &str = "{main: {name: web, command: [nginx], health_check: {type: http, port: 80, \
                       start_timeout: 1s}, readiness_check: {type: port, port: 81}}, sidecars: \
                       [{name: config-server, command: [redis-server]}]}";

#[test]
fn a_failed_health_check() {
    let failed = || Answer::Failed("received status code 500 in 3ms".to_owned());
    let mut story = Story::of(CHECKED);
    answer(&mut story, Check::Health, failed());
    story.says_nothing();
    answer(&mut story, Check::Health, Answer::Passed);
    story.says("healthy after 106ms (http 80/)");
    story.lines.clear();
    answer(&mut story, Check::Health, Answer::Passed);
    story.says_nothing();
    answer(&mut story, Check::Health, failed());
    story
        .says("web became unhealthy: received status code 500 in 3ms; stopping web, config-server");
    let mut story = Story::of(CHECKED);
    for _ in 0..4 {
        answer(&mut story, Check::Health, failed());
        story.says_nothing();
    }
    // 50, 103, 206, 409, 812 ms, and the last chance after a second.
    answer(&mut story, Check::Health, failed());
    story.says_nothing();
    answer(&mut story, Check::Health, failed());
    story.says(
        "web was never healthy within 1s: received status code 500 in 3ms; \
         stopping web, config-server",
    );
}

/// Reference section 4: what the platform's crash event would hold.
#[test]
fn the_platforms_description_of_an_end() {
    let spec = format!("{{platform: cloudfoundry, {}", &PAIR[1..]);
    let killed = Status::Killed(Signal::KILL);
    for (members, out_of_memory, expected) in [
        (
            &[(SIDECAR, killed)][..],
            false,
            "APP/PROC/WEB/SIDECAR/CONFIG-SERVER: Exited with status 137",
        ),
        (&[(WEB, Status::Exited(3))], false, "APP/PROC/WEB: Exited with status 3"),
        (
            &[(WEB, Status::Exited(1)), (SIDECAR, killed)],
            true,
            "APP/PROC/WEB/SIDECAR/CONFIG-SERVER: Exited with status 137 (out of memory); \
             APP/PROC/WEB: Exited with status 1 (out of memory)",
        ),
        (
            &[(SIDECAR, Status::SUCCESS)],
            false,
            "Codependent step exited (APP/PROC/WEB/SIDECAR/CONFIG-SERVER: exited with 0)",
        ),
        (
            &[(SIDECAR, Status::SUCCESS), (WEB, Status::Exited(2))],
            false,
            "APP/PROC/WEB: Exited with status 2",
        ),
    ] {
        let mut story = Story::of(&spec);
        story.at(
            9_000,
            Event::Ends(Ends { members: members.to_vec(), out_of_memory, ..Ends::default() }),
        );
        let cause = &story.group.verdict().expect("a verdict").cause;
        assert_eq!(exit_description(&story.launch, cause).as_deref(), Some(expected));
        assert_eq!(exit_description(&launch(PAIR), cause), None, "it is for manifests");
    }
    // Whoever was killed, and whenever that was.
    let mut story = Story::of(&spec);
    story.at(9_000, out_of_memory(&[])).at(99_000, ends(&[(WEB, Status::Exited(3))]));
    let cause = &story.group.verdict().expect("a verdict").cause;
    let description = exit_description(&story.launch, cause);
    let expected = "APP/PROC/WEB: Exited with status 3 (out of memory)";
    assert_eq!(description.as_deref(), Some(expected));
    let mut story = Story::of(&spec);
    let (signal, sender, main_leader) = (Signal::TERM, Sender::Outside, Leader::Program);
    story.at(9_000, Event::Signal(Received { signal, sender, main_leader }));
    let cause = &story.group.verdict().expect("a verdict").cause;
    assert_eq!(exit_description(&story.launch, cause), None, "a stop is no crash");
}

#[test]
fn readiness_ends_nothing() {
    let mut story = Story::of(CHECKED);
    for _ in 0..50 {
        answer(&mut story, Check::Readiness, Answer::Failed("connection refused".to_owned()));
    }
    story.says_nothing();
    answer(&mut story, Check::Readiness, Answer::Passed);
    story.says("ready (port 81)");
    story.lines.clear();
    answer(&mut story, Check::Readiness, Answer::Failed("connection refused".to_owned()));
    story.says("not ready: connection refused");
    story.lines.clear();
    answer(&mut story, Check::Readiness, Answer::Passed);
    story.says("ready (port 81)");
    assert_eq!(story.group.state(), State::Running);
}

#[test]
fn a_member_that_cannot_be_started() {
    let launch = launch(PAIR);
    let failure = |member| SpawnFailure {
        member,
        kind: SpawnFailureKind::NotFound,
        reason: "program x: not found".to_owned(),
        hint: Some("Look there".to_owned()),
    };
    let mut group = Group::new(Plan::new(&launch, JobControl::Nobody));
    let lines = |actions: Vec<Action>| -> Vec<String> {
        let said = actions.into_iter().filter_map(|action| match action {
            Action::Record(happening) => render(&launch, &happening),
            _ => None,
        });
        said.map(|line| line.text).collect()
    };
    let said = lines(group.step(Moment::ZERO, Event::SpawnFailed(vec![failure(SIDECAR)])));
    assert_eq!(
        said,
        ["config-server could not be started: program x: not found. Look there; \
          web was not started"]
    );
    let mut group = Group::new(Plan::new(&launch, JobControl::Nobody));
    let both = vec![failure(WEB), failure(SIDECAR)];
    let said = lines(group.step(Moment::ZERO, Event::SpawnFailed(both)));
    assert_eq!(said.len(), 3, "one line each, and the verdict: {said:?}");
    assert_eq!(said[2], "web, config-server could not be started");
}

#[test]
fn who_does_not_stop_is_named_with_the_next_move() {
    let mut story = Story::of(PAIR);
    story.at(0, got(Signal::TERM, Sender::Outside)).at(9_001, Event::Tick);
    story.says(
        "web, config-server did not stop within 9s: SIGKILL. Raise grace_period, and keep it 1s \
         below your platform's (Docker 10s, Kubernetes 30s, ECS 30s)",
    );
    let dead = Status::Killed(Signal::KILL);
    story.at(9_002, ends(&[(WEB, dead), (SIDECAR, dead)])).at(9_002, nothing_left());
    story.says("ended in 9s, had to kill web, config-server; exit 137");
}

#[test]
fn what_cannot_be_killed_is_named_and_was_not_killed() {
    let mut story = Story::of(PAIR);
    story.at(0, got(Signal::TERM, Sender::Outside)).at(9_000, Event::Tick);
    story.at(9_001, ends(&[(WEB, Status::Killed(Signal::KILL))]));
    story.at(9_600, Event::Tick).at(9_600, found(vec![stray("dd", 90)]));
    story.says(
        "ended in 9.6s, had to kill web, could not kill config-server; dd (pid 44): left to the \
         kernel; exit 137",
    );
}

#[test]
fn a_killing_of_the_unseen_is_not_denied() {
    let blind = || {
        let blind = Some("/proc is not mounted".to_owned());
        Event::Found(Found { blind, ..Found::default() })
    };
    let end = |story: &mut Story| {
        story.at(0, ends(&[(WEB, Status::Exited(7))])).at(1, blind());
        story.at(2, ends(&[(SIDECAR, Status::SUCCESS)])).at(9_000, Event::Tick);
    };
    let mut story = Story::of(PAIR);
    end(&mut story);
    story.says("cannot look for stragglers: /proc is not mounted");
    story.at(9_001, nothing_left());
    story.says("ended in 9s, had to kill what it could not see; exit 7");

    let mut story = Story::of(PAIR);
    end(&mut story);
    story.at(9_600, Event::Tick).at(9_600, blind());
    story.says("ended in 9.6s, something is left that it cannot see; exit 7");
}

#[test]
fn who_may_not_be_signalled_is_named_and_not_waited_for() {
    let mut story = Story::of(PAIR);
    let denied = |signal| {
        Event::SignalFailed(SignalFailure {
            pid: Pid(8),
            member: Some(SIDECAR),
            signal,
            reason: "Operation not permitted".to_owned(),
            denied: true,
        })
    };
    story.at(0, got(Signal::TERM, Sender::Outside)).at(0, denied(Signal::TERM));
    story.says(
        "could not send SIGTERM to config-server (pid 8): Operation not permitted. It runs as a \
         user whom fateshare may not signal: let `user` change it, or start fateshare as root",
    );
    story.at(10, found(vec![]));
    assert_eq!(story.group.state(), State::Stopping, "web is still waited for");
    story.at(20, ends(&[(WEB, Status::SUCCESS)])).at(25, Event::Tick).at(25, found(vec![]));
    story.says("config-server may not be signalled: not waiting for it");
    story.at(26, denied(Signal::KILL)).at(26, found(vec![]));
    assert_eq!(story.group.state(), State::Killing, "once is not enough");
    story.at(35, Event::Tick).at(36, denied(Signal::KILL)).at(36, found(vec![]));
    story.says("ended in 36ms, could not kill config-server: left to the kernel; exit 0");
}

#[test]
fn who_dies_of_the_first_wave_is_waited_for_when_the_second_is_refused() {
    let mut story = Story::of(PAIR);
    story.at(0, ends(&[(WEB, Status::Exited(3))])).at(9_000, Event::Tick);
    let refused = |story: &mut Story, at| {
        let (signal, reason) = (Signal::KILL, "Operation not permitted".to_owned());
        let member = Some(SIDECAR);
        let failure = SignalFailure { pid: Pid(8), member, signal, reason, denied: true };
        story.at(at, Event::SignalFailed(failure)).at(at, found(vec![]));
    };
    // The second wave; the first had reached it.
    story.at(9_010, Event::Tick);
    refused(&mut story, 9_011);
    assert_eq!(story.group.state(), State::Killing, "it may be dying");
    story.at(9_020, Event::Tick);
    refused(&mut story, 9_021);
    story.says("ended in 9s, could not kill config-server: left to the kernel; exit 3");
}

#[test]
fn a_failure_of_our_own_ends_the_group() {
    let mut story = Story::of(PAIR);
    story.at(5, Event::OwnFailure("cannot reap children: Bad address".to_owned()));
    story.says(
        "fateshare cannot go on: cannot reap children: Bad address; stopping web, config-server",
    );
    let both = [(WEB, Status::SUCCESS), (SIDECAR, Status::SUCCESS)];
    story.at(6, ends(&both)).at(6, nothing_left());
    story.says("ended in 1.0ms, nobody had to be killed; exit 125");
}

#[test]
fn without_proc_what_a_member_left_is_a_process_group() {
    let mut story = Story::of(PAIR);
    let group = Seen {
        key: ProcessKey { pid: Pid(-7), start_ticks: 0 },
        under: None,
        group: Pid(7),
        session: Pid(7),
        started: Moment::ZERO,
        name: "process group".to_owned(),
    };
    story.at(0, ends(&[(WEB, Status::Exited(3))])).at(5, Event::Tick).at(5, found(vec![group]));
    story.says("sent SIGTERM to process group 7, left by web");
}

#[test]
fn ctrl_z_and_what_undoes_it() {
    let mut story = Story::of(PAIR);
    story.at(5, Event::MainStopped { signal: Signal::TSTP, ours: Foreground::NotOurs });
    story.says("SIGTSTP stops nothing here: nobody could continue web");
    story.group = Group::new(Plan::new(&story.launch, JobControl::Shell));
    story.at(0, Event::Start).at(0, Event::Spawned { member: WEB, pid: Pid(7) });
    story
        .at(5, Event::MainStopped { signal: Signal::TSTP, ours: Foreground::NotOurs })
        .at(6, got(Signal::CONT, Sender::Unknown));
    story.says("stopped with all members (SIGTSTP); SIGCONT continues");
    story.says("continued, with all members");
}

#[test]
fn a_reason_from_outside_stays_on_one_line() {
    let mut story = Story::of(PAIR);
    let failure = SignalFailure {
        pid: Pid(8),
        member: Some(SIDECAR),
        signal: Signal::TERM,
        reason: "no\nfateshare: ended\u{1b}[2J".to_owned(),
        denied: false,
    };
    story.at(0, got(Signal::TERM, Sender::Outside)).at(0, Event::SignalFailed(failure));
    story.says("could not send SIGTERM to config-server (pid 8): no\\nfateshare: ended\u{fffd}[2J");
}
