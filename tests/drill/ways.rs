//! What is struck, how it is judged, and what a drill refuses.

use std::path::Path;
use std::time::{Duration, Instant};

use fateshare::drill::document::Outcome;
use nix::sys::signal::Signal;

use crate::harness::{GOOD, Place, Setting, outcomes, row};
use crate::support::host::{can_change_users, can_make_calls_fail};
use crate::support::ports::free_port;
use crate::support::{LIMIT, poll, unshare};

/// The promise is 15 s; a slow machine gets three times that.
const PROMISED: Duration = Duration::from_secs(3 * 15);

/// The pair of Cloud Foundry's tutorial.
fn tutorial() -> Setting {
    let mut setting = Setting::empty();
    let built = Path::new(env!("CARGO_BIN_EXE_fateshare")).with_file_name("examples");
    let manifest =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sidecar-dependent-app/manifest.yml");
    let manifest = std::fs::read_to_string(manifest).expect("the example");
    let path = manifest.lines().find(|line| line.trim().starts_with("path:")).expect("a path");
    let port = free_port().to_string();
    setting.file("manifest.yml", &manifest.replace(path, "  path: .").replace("8082", &port));
    for name in ["sidecar-dependent-app", "config-server"] {
        setting.program(&built.join(name), name);
    }
    setting.arguments(&["manifest.yml", "--port", "0", "--json"]);
    setting
}

fn passes(setting: Setting, place: Place) {
    let begun = Instant::now();
    let made = setting.start().wait_without_files();
    let took = begun.elapsed();
    let drill = made.code(0).drill();
    assert!(took < PROMISED, "{took:?}");
    assert_eq!(
        (drill.strikes.len(), drill.failed, drill.skipped),
        (9, 0, 0),
        "{:?}",
        outcomes(&drill)
    );
    // A port check does not see a frozen process.
    let freeze = row(&drill, "web", "freeze");
    assert_eq!(freeze.outcome, Outcome::Finding);
    let problem = freeze.problem.as_ref().expect("what was found");
    assert!(problem.cause.contains("the kernel takes connections for a frozen process too"));
    assert_eq!(drill.pid_namespaces, place == Place::Apart);
    let killed = row(&drill, "config-server", "kill");
    assert_eq!((killed.exit_code, killed.outcome), (Some(137), Outcome::Pass));
    assert!(killed.told_ms.is_some() && killed.gone_ms > killed.told_ms, "{killed:?}");
    assert!(killed.back_ms > killed.gone_ms, "{killed:?}");
    assert!(killed.platforms.expect("policies").docker_on_failure);
    // A manifest makes 69 of a web process that ends with 0.
    let told = row(&drill, "web", "term");
    assert_eq!((told.own_code, told.exit_code), (Some(0), Some(69)));
    let late = row(&drill, "config-server", "late");
    assert!(late.back_ms.is_some_and(|ms| ms >= 3_000.0), "{late:?}");
    let started = late.report.as_ref().expect("a report").members.iter().map(|it| it.started_ms);
    let started: Vec<f64> = started.map(|it| it.expect("it was started")).collect();
    assert!(started[1] - started[0] >= 2_990.0, "{started:?}");
    let stopped = row(&drill, "(fateshare)", "platform");
    assert_eq!((stopped.exit_code, stopped.back_ms), (Some(0), None));
    assert!(!stopped.platforms.expect("policies").docker_always);
    let supervisor = row(&drill, "(fateshare)", "supervisor");
    assert_eq!(supervisor.exit_code, Some(137));
    assert!(supervisor.survivors.is_empty(), "{supervisor:?}");
}

#[test]
fn the_tutorials_app_passes() {
    if unshare().is_ok() {
        passes(tutorial(), Place::Apart);
    }
}

#[test]
fn the_tutorials_app_passes_as_an_ordinary_user() {
    if unshare().is_ok() && can_change_users() {
        let mut setting = tutorial();
        setting.by_nobody();
        passes(setting, Place::Apart);
    }
}

#[test]
fn the_tutorials_app_passes_where_there_are_no_namespaces() {
    if can_make_calls_fail() {
        let mut setting = tutorial();
        setting.place(Place::Here);
        passes(setting, Place::Here);
    }
}

#[test]
fn choices_are_kept_to_and_replays_repeat_them() {
    let mut setting = Setting::new(GOOD);
    setting.fixture().env("LC_ALL", "C");
    setting.arguments(&["--settle", "500ms", "--member", "config-server", "--strike", "term"]);
    setting.arguments(&["--strike=platform", "--json"]);
    let drill = setting.run().code(0).drill();
    let rows: Vec<(&str, &str)> =
        drill.strikes.iter().map(|row| (row.target.as_str(), row.replay.as_str())).collect();
    let expected = [
        ("config-server", "fateshare drill --settle 500ms --member config-server --strike term"),
        ("(fateshare)", "fateshare drill --settle 500ms --strike platform"),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_main_process_alone_has_nobody_to_tell() {
    let mut setting = Setting::empty();
    setting
        .fixture()
        .arguments(&["--settle", "500ms", "--strike", "kill", "--strike", "late", "--json"]);
    setting.arguments(&["--", "./fixture", "-", "web", "wait"]);
    let drill = setting.run().code(0).drill();
    assert_eq!(drill.spec, "command line");
    let killed = row(&drill, "main", "kill");
    assert_eq!((killed.outcome, killed.told_ms), (Outcome::Pass, None));
    assert!(killed.replay.ends_with("--member main --strike kill -- ./fixture - web wait"));
    assert_eq!(row(&drill, "main", "late").outcome, Outcome::Pass);
}

#[test]
fn a_sidecar_that_may_finish_ends_alone_or_is_not_struck() {
    let spec = "main: {name: web, command: [./fixture, '-', web, wait]}\nsidecars:\n\
        - {name: done, may_finish: true, command: [./fixture, '-', done, exit=0]}\n\
        - {name: loader, may_finish: true, command: [./fixture, '-', it, 'exit-on=SIGTERM:0', wait]}\n";
    let mut setting = Setting::new(spec);
    setting
        .fixture()
        .arguments(&["--settle", "1s", "--json", "--strike", "kill", "--strike", "term"]);
    let drill = setting.run().code(0).drill();
    for strike in ["kill", "term"] {
        let done = row(&drill, "done", strike);
        assert_eq!(
            (done.outcome, done.note.as_str()),
            (Outcome::Skipped, "done had finished before, as it may")
        );
    }
    let loader = row(&drill, "loader", "term");
    assert_eq!(
        (loader.outcome, loader.note.as_str()),
        (Outcome::Pass, "it ended alone, as it may")
    );
    assert_eq!(row(&drill, "loader", "kill").exit_code, Some(137));
    assert_eq!(drill.skipped, 2);
}

/// A small server over HTTP; with `fork` a child of it answers.
const SERVER: &str = "#!/usr/bin/perl\nuse strict; use warnings; use IO::Socket::INET;\n\
    my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $ARGV[0], Listen => 16, \
    ReuseAddr => 1) or die;\n\
    if (@ARGV > 1 && fork) { $SIG{TERM} = sub { kill 'TERM', 0; exit 0 }; sleep 1 while 1 }\n\
    while (1) { my $c = $server->accept or next; while (my $l = <$c>) { last if $l =~ /^\\r?$/ }\n\
    print $c \"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok\"; close $c }\n";

fn freeze(arguments: &str) -> (fateshare::drill::document::Drill, String) {
    let port = free_port();
    let mut setting = Setting::new(&format!(
        "main:\n  name: web\n  command: ./server.pl {port}{arguments}\n  health_check: {{type: http, port: {port}}}\n"
    ));
    setting.file("server.pl", SERVER);
    setting.arguments(&["--strike", "freeze", "--json"]);
    let made = setting.run();
    (made.drill(), made.stderr)
}

#[test]
fn a_frozen_main_is_noticed_over_http() {
    let (drill, stderr) = freeze("");
    let frozen = row(&drill, "web", "freeze");
    assert_eq!(frozen.outcome, Outcome::Pass, "{frozen:?}");
    let verdict = frozen.verdict.as_ref().expect("a verdict");
    assert!(verdict.contains("became unhealthy"), "{verdict}");
    assert_eq!(frozen.exit_code, Some(69));
    assert!(frozen.back_ms.is_some());
    let said = "for freeze the health_check's interval is 1s";
    assert!(stderr.contains(said) && drill.remarks == [said], "{stderr}");
}

#[test]
fn children_that_answer_for_a_frozen_main_are_a_finding() {
    let (drill, _) = freeze(" fork");
    let frozen = row(&drill, "web", "freeze");
    assert_eq!(frozen.outcome, Outcome::Finding, "{frozen:?}");
    assert_eq!(frozen.problem.as_ref().expect("what was found").kind, "children_answer");
}

#[test]
fn a_platform_stops_by_what_the_spec_calls_a_stop_request() {
    let mut setting = Setting::new(
        "main: {name: web, command: [./fixture, '-', web, 'exit-on=SIGINT:0', wait]}\nstop_on: [SIGINT]",
    );
    setting.fixture().arguments(&["--settle", "500ms", "--strike", "platform", "--json"]);
    let drill = setting.run().code(0).drill();
    assert_eq!(row(&drill, "(fateshare)", "platform").label, "SIGINT");
}

/// Frozen between the strike and the end, it makes the strike again.
#[test]
fn what_was_measured_while_we_were_frozen_does_not_count() {
    let spec = "main: {name: web, command: [./fixture, log, web, 'exit-on=SIGTERM:0:700', wait]}\n\
        exit_codes: {main_success: 69}\n";
    let mut setting = Setting::new(spec);
    setting.fixture().arguments(&["--settle", "50ms", "--strike", "term", "--json"]);
    let log = setting.dir().join("log");
    let going = setting.start();
    let told = || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("got SIGTERM")).then_some(())
    };
    poll(LIMIT, told).expect("it was struck");
    going.send(Signal::SIGSTOP);
    std::thread::sleep(Duration::from_secs(6));
    going.send(Signal::SIGCONT);
    let made = going.wait();
    let drill = made.code(0).drill();
    let lives = std::fs::read_to_string(made.dir.path().join("log")).expect("the log");
    // Two were struck, and one was to come back at last.
    assert!(lives.matches("web: ends 0").count() >= 3, "{lives}");
    assert!(row(&drill, "web", "term").gone_ms.is_some_and(|ms| ms < 5_000.0), "{drill:?}");
}

#[test]
fn wrong_usage_starts_nothing() {
    for (arguments, reason) in [
        (&["--member", "wbe"][..], "--member: there is no \"wbe\"; there are: web, config-server"),
        (
            &["--strike", "stab"],
            "--strike: \"stab\" is none of kill, term, late, freeze, platform, supervisor",
        ),
        (&["--within", "soon"], "--within"),
        (&["--within", "0s"], "--within: nothing ends in no time"),
        (&["--json", "--junit", "-"], "--json and --junit would be mixed on standard output"),
        (&["--html", "no/such/folder/x.html"], "--html: no/such/folder is no directory"),
        (&["--junit", "."], "--junit: . is a directory"),
        (&["--settle", "1 parsec"], "--settle"),
        (&["--baseline", "no-such.json"], "--baseline: no-such.json: No such file"),
        (&["--baseline", "fateshare.yml"], "is nothing that fateshare drill --json has printed"),
        (&["missing.yml"], "missing.yml"),
        (&["--junit"], "--junit"),
    ] {
        let mut setting = Setting::new(GOOD);
        setting.arguments(arguments);
        let made = setting.start().wait_without_files();
        made.code(125);
        assert!(made.stderr.contains(reason), "{arguments:?}: {}", made.stderr);
        assert_eq!(made.stdout, "", "{arguments:?}");
    }
}

/// Not even where a command line is shown that has them.
#[test]
fn secrets_are_printed_nowhere() {
    let manifest = "applications:\n- name: app\n  path: .\n  command: sh -c './fixture - web child [ it session \
        take=SIGTERM say=hunter2-of-var say=$TOKEN say=$INHERITED wait ] wait'\n  health-check-type: process\n  \
        env: {TOKEN: hunter2-of-env}\n";
    let manifest = manifest.replace("hunter2-of-var", "((pw))");
    for look in [&["--json"][..], &["--junit", "-"], &["--html", "-"], &[]] {
        let mut setting = Setting::empty();
        setting.fixture().file("manifest.yml", &manifest).env("INHERITED", "hunter2-inherited");
        setting.env("GITHUB_ACTIONS", "true");
        setting.arguments(&["--var", "pw=hunter2-of-var", "--settle", "1s", "--strike", "kill"]);
        setting.arguments(&["--grace-period", "300ms"]).arguments(look);
        let made = setting.run();
        made.code(1);
        let shown = format!("{look:?}\n{}\n{}", made.stdout, made.stderr);
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("((pw))") && shown.contains("$TOKEN"), "{shown}");
    }
}

/// What `run` refuses is no crash of the app.
#[test]
fn what_run_refuses_is_an_error_here_too() {
    for (spec, arguments, reason) in [
        (GOOD, &["--port", "0"][..], "--port"),
        (
            "main: {name: web, user: no-such-user, command: [./fixture, '-', web, wait]}",
            &[],
            "no-such-user",
        ),
    ] {
        let mut setting = Setting::new(spec);
        setting.fixture().arguments(&["--strike", "kill"]).arguments(arguments);
        let made = setting.start().wait_without_files();
        made.code(125);
        assert!(made.stderr.contains(reason), "{}", made.stderr);
    }
}
