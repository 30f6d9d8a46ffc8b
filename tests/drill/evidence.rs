//! What the judgement goes by: evidence that tells causes apart, and what is no evidence.

use fateshare::drill::document::Outcome;

use crate::harness::{GOOD, Place, Setting, outcomes, row};
use crate::support::host::can_make_calls_fail;
use crate::support::ports::free_port;
use crate::support::{LIMIT, poll, unshare};

/// A browser, for one, has processes in namespaces of its own, where numbers begin anew.
#[test]
fn who_has_a_namespace_of_its_own_is_not_taken_for_another() {
    if unshare().is_err() || !nix::unistd::geteuid().is_root() {
        return;
    }
    let spec = "main: {name: web, command: [./fixture, '-', web, child, '[', it, exec, unshare, --pid, --fork, sh, \
        -c, 'sleep 1002 & sleep 1003 & sleep 1004', ']', wait]}\ngrace_period: 1s\n";
    let mut setting = Setting::new(spec);
    setting.fixture().arguments(&["--settle", "500ms", "--strike", "kill", "--json"]);
    let drill = setting.run().drill();
    let killed = row(&drill, "web", "kill");
    assert!(killed.verdict.as_ref().is_some_and(|it| it.starts_with("web (pid ")), "{killed:?}");
    assert!(killed.exit_code == Some(137) && killed.told_ms.is_none(), "{killed:?}");
    assert!(killed.gone_ms.is_some_and(|ms| ms < 3_000.0), "{killed:?}");
}

/// A daemon's child that stays with its parent is no double fork.
#[test]
fn a_grandchild_is_no_double_fork() {
    let spec = "main: {name: web, command: [./fixture, '-', web, child, '[', launcher, child, '[', worker, \
        take=SIGTERM, wait, ']', wait, ']', wait]}\ngrace_period: 300ms\n";
    let mut setting = Setting::new(spec);
    setting.fixture().arguments(&["--settle", "1s", "--strike", "kill", "--json"]);
    let drill = setting.run().code(1).drill();
    let problem = row(&drill, "web", "kill").problem.clone().expect("a problem");
    assert_eq!(problem.kind, "left_behind", "{problem:?}");
    assert!(problem.cause.contains("./fixture - launcher"), "{problem:?}");
}

/// The sidecar ends by itself while main takes its time to end as it was told.
#[test]
fn an_end_for_another_reason_is_told() {
    let spec = "main: {name: web, command: [./fixture, log, web, 'exit-on=SIGTERM:0:2000', wait]}\nsidecars:\n\
        - {name: it, command: [sh, -c, 'until rm go 2>/dev/null; do sleep 0.02; done; exit 7']}\n";
    let mut setting = Setting::new(spec);
    setting.fixture();
    setting.arguments(&["--settle", "500ms", "--member", "web", "--strike", "term", "--json"]);
    let dir = setting.dir().to_owned();
    let going = setting.start();
    let told =
        || std::fs::read_to_string(dir.join("log")).is_ok_and(|it| it.contains("got SIGTERM"));
    poll(LIMIT, || told().then_some(())).expect("it was struck");
    std::fs::write(dir.join("go"), "").expect("the trigger");
    let drill = going.wait().code(0).drill();
    let row = row(&drill, "web", "term");
    let problem = row.problem.as_ref().expect("a finding");
    assert_eq!(
        (row.outcome, problem.kind.as_str()),
        (Outcome::Finding, "ended_otherwise"),
        "{row:?}"
    );
    assert!(
        problem.cause.contains("it (pid ") && problem.cause.contains("exited with 7"),
        "{problem:?}"
    );
}

#[test]
fn a_stop_signal_of_its_own_is_respected() {
    let spec = "main: {name: web, stop_signal: SIGINT, command: [./fixture, '-', web, take=SIGTERM, wait]}\n";
    let mut setting = Setting::new(spec);
    setting.fixture().arguments(&["--settle", "500ms", "--within", "500ms", "--json"]);
    setting.arguments(&["--strike", "term", "--strike", "platform"]);
    let drill = setting.run().code(0).drill();
    let problem = row(&drill, "web", "term").problem.clone().expect("a finding");
    assert_eq!(problem.kind, "another_stop_signal", "{problem:?}");
    let stopped = row(&drill, "(fateshare)", "platform");
    assert_eq!((stopped.outcome, stopped.exit_code), (Outcome::Pass, Some(130)), "{stopped:?}");
}

/// The kernel blocks a signal while its handler runs: that is no member that blocks it.
#[test]
fn who_is_still_in_its_handler_catches_the_signal() {
    let mut setting = Setting::new("main: {name: web, command: ./web.pl}\ngrace_period: 500ms\n");
    setting.file(
        "web.pl",
        "#!/usr/bin/perl\n$SIG{TERM} = sub { select undef, undef, undef, 30 };\nsleep 1 while 1;\n",
    );
    setting.arguments(&["--settle", "1s", "--strike", "platform", "--json"]);
    let drill = setting.run().code(1).drill();
    let problem = row(&drill, "(fateshare)", "platform").problem.clone().expect("a problem");
    assert_eq!(problem.kind, "catches_signal", "{problem:?}");
}

/// While a group is watched it may begin to end: that is no healthy one.
#[test]
fn a_group_that_ends_while_it_is_watched_is_not_healthy() {
    let spec = "main: {name: web, command: [./fixture, '-', web, sleep=200, exit=3]}\nsidecars:\n\
        - {name: it, command: [./fixture, '-', it, 'exit-on=SIGTERM:0:1500', wait]}\n";
    let mut setting = Setting::new(spec);
    setting.fixture().arguments(&["--settle", "20s", "--strike", "kill", "--json"]);
    let drill = setting.run().code(1).drill();
    assert_eq!(drill.strikes[0].problem.as_ref().map(|it| it.kind.as_str()), Some("never_healthy"));
    assert_eq!((drill.failed, drill.skipped), (1, 1), "{:?}", outcomes(&drill));
}

/// With a health check, too, a sidecar gets the time for the first thing that it does.
#[test]
fn a_sidecar_that_ends_at_once_is_no_healthy_group() {
    let port = free_port();
    let spec = format!(
        "main: {{name: web, command: [./fixture, '-', web, listen={port}, wait], health_check: {{type: port, port: \
         {port}}}}}\nsidecars:\n- {{name: it, command: [./fixture, '-', it, sleep=150, exit=9]}}\n"
    );
    let mut setting = Setting::new(&spec);
    setting.fixture().arguments(&["--settle", "20s", "--strike", "kill", "--json"]);
    let drill = setting.run().code(1).drill();
    let problem = drill.strikes[0].problem.as_ref().expect("a problem");
    assert_eq!(problem.kind, "never_healthy", "{problem:?}");
}

#[test]
fn an_end_that_looks_like_success_is_a_finding() {
    let mut setting = Setting::new(
        "main: {name: web, command: [./fixture, '-', web, 'exit-on=SIGTERM:0', wait]}",
    );
    setting.fixture().arguments(&["--settle", "500ms", "--strike", "term"]);
    let made = setting.run();
    made.code(0);
    assert!(
        made.stdout.contains("finding  exit 0: not every policy recreates it"),
        "{}",
        made.stdout
    );
    assert!(made.stdout.contains("Set exit_codes.main_success to 69"), "{}", made.stdout);
    assert!(made.stdout.contains("not after web SIGTERM."), "{}", made.stdout);
}

#[test]
fn who_waits_too_long_is_too_slow() {
    let mut setting = Setting::new(
        "main: {name: web, command: [./fixture, '-', web, 'exit-on=SIGTERM:0:700', wait]}",
    );
    setting.fixture();
    setting
        .arguments(&["--settle", "500ms", "--strike", "platform", "--within", "300ms", "--json"]);
    let drill = setting.run().code(1).drill();
    let slow = row(&drill, "(fateshare)", "platform");
    assert_eq!(slow.problem.as_ref().expect("a problem").kind, "too_slow");
}

#[test]
fn what_cannot_be_struck_says_why() {
    if !can_make_calls_fail() {
        return;
    }
    let mut setting = Setting::new(GOOD);
    setting.fixture().env("FATESHARE_FAIL", "pidfd_send_signal:1,kill_by_number:1");
    setting.arguments(&[
        "--settle", "500ms", "--within", "500ms", "--member", "web", "--strike", "kill",
    ]);
    let made = setting.run();
    made.code(1);
    assert!(
        made.stdout.contains("web could not be struck: Operation not permitted"),
        "{}",
        made.stdout
    );
}

#[test]
fn a_group_that_is_never_healthy_is_not_struck() {
    let mut setting = Setting::new("main: {name: web, command: [./fixture, '-', web, exit=3]}");
    setting.fixture().arguments(&["--json"]);
    let drill = setting.run().code(1).drill();
    assert_eq!((drill.failed, drill.skipped, drill.strikes.len()), (1, 5, 6));
    let problem = drill.strikes[0].problem.as_ref().expect("a problem");
    assert_eq!(problem.kind, "never_healthy");
    assert!(problem.cause.contains("exited with 3"), "{}", problem.cause);
}

/// What is not tied to fateshare survives its SIGKILL, is named, and does not stay.
#[test]
fn who_survives_fateshare_is_named() {
    if !can_make_calls_fail() {
        return;
    }
    let mut setting = Setting::new(
        "main: {name: web, command: [./fixture, '-', web, child, '[', it, wait, ']', wait]}",
    );
    setting.fixture().place(Place::Here);
    setting.arguments(&["--strike", "supervisor", "--settle", "1s", "--json"]);
    let drill = setting.run().code(0).drill();
    let supervisor = row(&drill, "(fateshare)", "supervisor");
    assert_eq!(
        (supervisor.outcome, supervisor.survivors.len()),
        (Outcome::Finding, 1),
        "{supervisor:?}"
    );
    assert_eq!(supervisor.survivors[0].command, "./fixture - it wait");
    let problem = supervisor.problem.as_ref().expect("what was found");
    assert_eq!(problem.kind, "survivors");
    assert!(problem.fix.contains("--pid1"));
    assert!(drill.remarks.iter().any(|it| it.contains("no PID namespace of their own here")));
}
