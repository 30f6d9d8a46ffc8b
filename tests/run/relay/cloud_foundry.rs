//! `--log-format cf`: what members write, and what the platform would say of them, as `cf logs` shows it.

use std::net::{Ipv4Addr, TcpListener};

use crate::relay::relayed;
use crate::support::{Argv, Ended, Group, Mode, Running, Shell, in_both_modes};

in_both_modes![
    lines_have_a_time_and_a_source,
    a_line_ends_at_a_carriage_return_too_and_empty_ones_are_dropped,
    the_exit_status_is_a_members_last_line,
    it_is_glued_to_an_unfinished_line,
    an_unfinished_error_waits_for_nobody,
    what_profile_scripts_leave_unfinished_comes_first,
    a_straggler_that_holds_the_output_delays_no_exit_status,
    who_had_to_be_killed_is_said,
    a_stop_is_no_crash,
    a_crash_is_recorded,
    health_is_told_as_the_platform_tells_it,
    a_failed_check_is_told_as_the_platform_tells_it,
    who_cannot_be_started_is_said,
    at_level_off_only_members_are_heard,
];

/// A pair whose main process does this when both run.
fn group(mode: Mode, web: &str) -> Group {
    relayed(mode, "cf")
        .main("web", Shell(&format!("until [ -e up ]; do sleep 0.01; done; {web}")))
        .sidecar("config server", Shell("touch up; exec sleep 600"))
}

/// The lines without their times, which are looked at here.
#[track_caller]
fn untimed(text: &str) -> Vec<&str> {
    let untimed = |line: &str| -> Option<usize> {
        let (time, _) = line.split_once(' ')?;
        let shape: String =
            time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        (shape == "0000-00-00T00:00:00.00+0000").then_some(time.len() + 1)
    };
    text.lines()
        .map(|line| &line[untimed(line).unwrap_or_else(|| panic!("no time: {line}\n{text}"))..])
        .collect()
}

/// The lines of one source.
#[track_caller]
fn of<'a>(text: &'a str, source: &str) -> Vec<&'a str> {
    let head = format!("[{source}/0] ");
    untimed(text).into_iter().filter_map(|line| line.strip_prefix(&head)).collect()
}

/// What the platform says, with its GUIDs and numbers taken out.
#[track_caller]
fn platform(ended: &Ended) -> Vec<String> {
    let lines = untimed(&ended.stderr).into_iter();
    let lines =
        lines.filter(|line| !line.starts_with("[FATESHARE/0]") && !line.starts_with("[APP/"));
    lines.map(without_guids).collect()
}

fn without_guids(line: &str) -> String {
    let words = line.split_inclusive([' ', '"', ',', '>']).map(|word| {
        let bare = word.trim_end_matches([' ', '"', ',', '>']);
        let is_guid = bare.len() == 36 && bare.split('-').count() == 5;
        let is_time = bare.len() == 19 && bare.bytes().all(|byte| byte.is_ascii_digit());
        match (is_guid, is_time) {
            (true, _) => word.replace(bare, "G"),
            (_, true) => word.replace(bare, "T"),
            _ => word.to_owned(),
        }
    });
    words.collect()
}

fn wait_for_line(running: &mut Running, part: &str) {
    let what = format!("a line with {part}");
    running.until(&what, |running| {
        (running.stderr() + &running.stdout()).contains(part).then_some(())
    });
}

fn lines_have_a_time_and_a_source(mode: Mode) {
    let ended = group(mode, "echo out; echo err >&2; exit 3").start().end();
    ended.code(3);
    assert_eq!(of(&ended.stdout, "APP/PROC/WEB"), ["OUT out", "OUT Exit status 3"]);
    assert_eq!(of(&ended.stderr, "APP/PROC/WEB"), ["ERR err"]);
    let sidecar = of(&ended.stdout, "APP/PROC/WEB/SIDECAR/CONFIG SERVER");
    assert_eq!(sidecar, ["OUT Exit status 143"]);
}

fn a_line_ends_at_a_carriage_return_too_and_empty_ones_are_dropped(mode: Mode) {
    let ended = group(mode, r"printf 'a\rb\r\n\n\r\nc\n'; exit 3").start().end();
    let lines = of(&ended.stdout, "APP/PROC/WEB");
    assert_eq!(lines, ["OUT a", "OUT b", "OUT c", "OUT Exit status 3"]);
}

fn the_exit_status_is_a_members_last_line(mode: Mode) {
    let ended = group(mode, "seq 20000; exit 3").start().end();
    let lines = of(&ended.stdout, "APP/PROC/WEB");
    assert_eq!(lines.len(), 20_001);
    assert_eq!(lines.last(), Some(&"OUT Exit status 3"));
}

fn it_is_glued_to_an_unfinished_line(mode: Mode) {
    let ended = group(mode, "printf 'no end'; exit 3").start().end();
    assert_eq!(of(&ended.stdout, "APP/PROC/WEB"), ["OUT no endExit status 3"]);
}

fn an_unfinished_error_waits_for_nobody(mode: Mode) {
    let mut running = relayed(mode, "cf")
        .main("web", Shell("until [ -e go ]; do sleep 0.01; done; exit 3"))
        .sidecar("once", Shell("printf 'no end' >&2"))
        .key("may_finish: true")
        .start();
    wait_for_line(&mut running, "[APP/PROC/WEB/SIDECAR/ONCE/0] ERR no end");
    std::fs::write(running.dir().join("go"), "").expect("the trigger");
    running.end().code(3);
}

fn what_profile_scripts_leave_unfinished_comes_first(mode: Mode) {
    let ended = relayed(mode, "cf")
        .main("web", Shell("sleep 0.3; printf 'no end'; exit 3"))
        .file(".profile", "printf 'of a script'\n")
        .top("platform: cloudfoundry")
        .top("profile: .")
        .start()
        .end();
    let lines = of(&ended.stdout, "APP/PROC/WEB");
    assert!(lines.ends_with(&["OUT of a script", "OUT no endExit status 3"]), "{ended}");
}

fn a_straggler_that_holds_the_output_delays_no_exit_status(mode: Mode) {
    let mut running = relayed(mode, "cf")
        .main("web", Shell(
            "(trap '' TERM; touch held; until [ -e go ]; do sleep 0.01; done; echo late) & until [ -e held ]; do sleep 0.01; done; exit 3",
        ))
        .start();
    wait_for_line(&mut running, "Exit status 3");
    assert!(!running.stdout().contains("late"));
    std::fs::write(running.dir().join("go"), "").expect("the trigger");
    let ended = running.end();
    assert_eq!(of(&ended.stdout, "APP/PROC/WEB"), ["OUT Exit status 3", "OUT late"]);
}

fn who_had_to_be_killed_is_said(mode: Mode) {
    let ended = group(mode, "exit 3")
        .sidecar("deaf", Shell("trap '' TERM; touch deaf; exec sleep 600"))
        .main("web", Shell("until [ -e deaf ]; do sleep 0.01; done; exit 3"))
        .top("grace_period: 300ms")
        .start()
        .end();
    let lines = of(&ended.stdout, "APP/PROC/WEB/SIDECAR/DEAF");
    assert_eq!(lines, ["OUT Exit status 137 (exceeded 300ms graceful shutdown interval)"]);
}

fn a_stop_is_no_crash(mode: Mode) {
    let mut running =
        group(mode, "trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done").start();
    wait_for_line(&mut running, "OUT up");
    running.signal(nix::sys::signal::Signal::SIGTERM);
    let ended = running.end();
    ended.code(0);
    assert_eq!(
        platform(&ended),
        [
            "[CELL/0] OUT Cell local creating container for instance G",
            "[CELL/0] OUT Cell local successfully created container for instance G",
            "[CELL/0] OUT Cell local stopping instance G",
            "[CELL/0] OUT Cell local destroying container for instance G",
            "[CELL/0] OUT Cell local successfully destroyed container for instance G",
        ]
    );
}

fn a_crash_is_recorded(mode: Mode) {
    let ended = group(mode, "kill -9 $$").start().end();
    ended.code(137);
    assert_eq!(
        platform(&ended)[2..],
        [
            "[CELL/0] OUT Cell local stopping instance G",
            "[CELL/0] OUT Cell local destroying container for instance G",
            "[API/0] OUT Process has crashed with type: \"web\"",
            "[API/0] OUT App instance exited with guid G payload: {\"instance\"=>\"G\", \"index\"=>0, \
             \"cell_id\"=>\"local\", \"reason\"=>\"CRASHED\", \
             \"exit_description\"=>\"APP/PROC/WEB: Exited with status 137\", \"crash_count\"=>1, \
             \"crash_timestamp\"=>T, \"version\"=>\"G\"}",
            "[CELL/0] OUT Cell local successfully destroyed container for instance G",
        ]
    );
    // Our own words stand beside it: the verdict, and the end.
    let ours = of(&ended.stderr, "FATESHARE");
    assert!(
        ours.iter()
            .any(|line| line.contains("web (pid ") && line.contains("was killed by SIGKILL"))
    );
    assert!(ours.last().is_some_and(|line| line.ends_with("exit 137")), "{ended}");
}

/// The lines about health, with another check of the main process.
#[track_caller]
fn about_health(mode: Mode, check: &str, until: &str) -> Vec<String> {
    let mut running = relayed(mode, "cf").main("web", "exit-on=TERM:0 wait").key(check).start();
    wait_for_line(&mut running, until);
    running.signal(nix::sys::signal::Signal::SIGTERM);
    let lines = platform(&running.end());
    lines.into_iter().filter(|line| !line.contains("Cell local")).collect()
}

fn health_is_told_as_the_platform_tells_it(mode: Mode) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let check = format!("health_check: {{type: port, port: {port}}}");
    assert_eq!(
        about_health(mode, &check, "became healthy"),
        [
            "[CELL/0] OUT Starting health monitoring of container",
            "[CELL/0] OUT Container became healthy"
        ]
    );
    let check = format!("readiness_check: {{type: port, port: {port}}}");
    assert_eq!(
        about_health(mode, &check, "route pool"),
        [
            "[CELL/0] OUT Starting readiness health monitoring of container",
            "[CELL/0] OUT Container passed the readiness health check. Container marked ready and added \
             to route pool."
        ]
    );
}

fn a_failed_check_is_told_as_the_platform_tells_it(mode: Mode) {
    let ended = relayed(mode, "cf")
        .main("web", "exit-on=TERM:0 wait")
        .key("health_check: {type: port, port: 1, start_timeout: 1s}")
        .start()
        .end();
    ended.code(69);
    let lines = platform(&ended);
    let about = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    assert_eq!(
        about("[HEALTH/0] ERR failed to make TCP connection to 127.0.0.1:1: "),
        1,
        "{ended}"
    );
    let failed = "[CELL/0] OUT Failed after 1s: startup health check never passed.";
    assert_eq!(about(failed), 1, "{ended}");
    assert_eq!(
        about("\"exit_description\"=>\"Instance never healthy after 1s: failed to make TCP"),
        1,
        "{ended}"
    );
}

fn who_cannot_be_started_is_said(mode: Mode) {
    let ended = relayed(mode, "cf").main("web", Argv(&["/nowhere/at/all"])).start().end();
    ended.code(127);
    let lines = of(&ended.stdout, "APP/PROC/WEB");
    assert_eq!(lines.len(), 1, "{ended}");
    assert!(
        lines[0].starts_with("OUT failed-creating-process: program /nowhere/at/all"),
        "{ended}"
    );
}

fn at_level_off_only_members_are_heard(mode: Mode) {
    let ended = group(mode, "echo out; exit 3").env("FATESHARE_LOG", "off").start().end();
    assert_eq!(of(&ended.stdout, "APP/PROC/WEB"), ["OUT out", "OUT Exit status 3"]);
    assert_eq!(ended.stderr, "", "{ended}");
}
