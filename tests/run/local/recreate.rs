//! `run --recreate`: the whole group again and again, by the platform's policy.

use nix::sys::signal::Signal;

use super::{BEFORE, inner, kill_it, pair, times, wait_said, wait_times};
use crate::support::host::can_make_calls_fail;
use crate::support::{Group, Mode, Shell, in_both_modes};

in_both_modes![
    a_crash_is_recreated_until_it_is_enough,
    the_first_two_come_back_at_once_and_the_third_waits,
    ctrl_c_ends_the_wait,
    a_stop_request_is_no_crash,
    a_stop_request_ends_the_recreation_whatever_main_does,
    whoever_asked_is_still_named,
    other_signals_go_on_to_main,
    a_killed_fateshare_is_recreated_and_leaves_nothing,
    children_from_before_are_left_alone,
    when_we_are_killed_the_group_is_told_to_stop,
    what_cannot_be_started_is_a_crash_too,
    two_hundred_crashes_are_the_end,
    a_wrong_spec_is_not_tried_again,
    an_app_finds_its_port_again,
    each_life_has_a_guid_and_a_count_of_its_own,
    a_readers_end_is_not_ours,
    where_no_sender_can_be_told_it_stops_all_the_same,
];

fn a_crash_is_recreated_until_it_is_enough(mode: Mode) {
    let ended = pair(mode, "exit=3", &["--recreate=2"]).start().end();
    ended.code(3).logged("web: ends 3", 3);
    let crashes: Vec<&str> =
        ended.ours().into_iter().filter(|line| line.starts_with("crash ")).collect();
    assert_eq!(
        crashes,
        [
            "crash 1 (exit 3); recreating at once",
            "crash 2 (exit 3); recreating at once",
            "crash 3 (exit 3); recreated 2 times, and not again (--recreate=2); exit 3",
        ],
        "{ended}"
    );
}

/// Reference section 7 with a real clock: its first two crashes.
fn the_first_two_come_back_at_once_and_the_third_waits(mode: Mode) {
    let mut group = pair(mode, "exit=3", &["--recreate"]).start();
    wait_said(
        &mut group,
        "crash 3 (exit 3); recreating in 30s, as Cloud Foundry does; Ctrl-C ends it",
    );
    assert_eq!(times(&group, "web: started"), 3);
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(3).says(&["SIGTERM while waiting; not recreating; exit 3"]);
    ended.logged("web: ends 3", 3);
}

fn ctrl_c_ends_the_wait(mode: Mode) {
    let mut group = pair(mode, "exit=3", &["--recreate"]).top("stop_on: [SIGTERM]").start();
    wait_said(&mut group, "recreating in 30s");
    group.signal(Signal::SIGUSR1);
    group.signal(Signal::SIGINT);
    group.end().code(3).says(&["SIGINT while waiting; not recreating; exit 3"]);
}

fn a_stop_request_is_no_crash(mode: Mode) {
    let mut group = pair(mode, "exit-on=TERM:0 wait", &["--recreate"]).start();
    group.wait_started(&["web", "config-server"]);
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(0).silent_about("crash").logged("web: ends 0", 1);
}

fn a_stop_request_ends_the_recreation_whatever_main_does(mode: Mode) {
    let mut group = pair(mode, "exit-on=TERM:3 wait", &["--recreate"]).start();
    group.wait_started(&["web", "config-server"]);
    group.signal(Signal::SIGTERM);
    group.end().code(3).silent_about("crash").logged("web: ends 3", 1);
}

fn whoever_asked_is_still_named(mode: Mode) {
    let mut group = pair(mode, "exit-on=TERM:0 wait", &["--recreate"]).start();
    group.wait_started(&["web", "config-server"]);
    group.signal(Signal::SIGTERM);
    let sender = match mode {
        Mode::Pid1 => "SIGTERM from outside this container; ".to_owned(),
        Mode::Ordinary => format!("SIGTERM from pid {} (", std::process::id()),
    };
    group.end().code(0).verdict(&[&sender]);
}

fn other_signals_go_on_to_main(mode: Mode) {
    let mut group = pair(mode, "take=USR1,HUP exit-on=TERM:0 wait", &["--recreate"]).start();
    group.wait_started(&["web", "config-server"]);
    group.signal(Signal::SIGUSR1);
    group.wait_for("web: got SIGUSR1");
    group.signal(Signal::SIGHUP);
    group.wait_for("web: got SIGHUP");
    group.signal(Signal::SIGTERM);
    group.end().code(0).logged("web: got SIGUSR1", 1);
}

fn a_killed_fateshare_is_recreated_and_leaves_nothing(mode: Mode) {
    let main = "child [ worker session wait ] exit-on=TERM:0 wait";
    // With the kernel's lists of children, and by looking at all processes.
    for rule in ["", "children_list:2"] {
        let mut group = pair(mode, main, &["--recreate=1"]).failing(rule).start();
        wait_times(&mut group, "worker: started", 1);
        wait_times(&mut group, "config-server: started", 1);
        kill_it(inner(&mut group));
        wait_times(&mut group, "worker: started", 2);
        wait_times(&mut group, "config-server: started", 2);
        // Two fateshares, two members, and the worker.
        assert_eq!(group.processes().len(), 5, "{rule}");
        group.signal(Signal::SIGTERM);
        let ended = group.end();
        ended.code(0);
        ended.says(&[
            "crash 1 (the group's fateshare (pid ",
            ") was killed by SIGKILL); recreating",
        ]);
    }
}

fn children_from_before_are_left_alone(mode: Mode) {
    let mut group =
        pair(mode, "exit-on=TERM:0 wait", &["--recreate=1"]).after_script(BEFORE).start();
    group.wait_started(&["before", "web", "config-server"]);
    kill_it(inner(&mut group));
    wait_times(&mut group, "web: started", 2);
    wait_times(&mut group, "config-server: started", 2);
    group.signal(Signal::SIGTERM);
    group.end_leaving(&["before"]).code(0);
}

fn when_we_are_killed_the_group_is_told_to_stop(mode: Mode) {
    let mut group = pair(mode, "exit-on=TERM:0 wait", &["--recreate"]).start();
    group.wait_started(&["web", "config-server"]);
    kill_it(group.fateshare());
    if mode == Mode::Ordinary {
        wait_times(&mut group, "web: got SIGTERM", 1);
        wait_times(&mut group, "config-server: got SIGTERM", 1);
    }
    group.end_killed();
}

fn what_cannot_be_started_is_a_crash_too(mode: Mode) {
    let ended = Group::new(mode)
        .main("web", crate::support::Argv(&["/nowhere"]))
        .arguments(&["--recreate=1"])
        .start()
        .end();
    ended.code(127).says(&["crash 1 (exit 127); recreating at once"]);
    ended.says(&["crash 2 (exit 127); recreated once, and not again (--recreate=1); exit 127"]);
}

fn two_hundred_crashes_are_the_end(mode: Mode) {
    let options = ["--recreate", "--recreate-delay", "0s"];
    let ended = Group::new(mode)
        .main("web", crate::support::Argv(&["/nowhere"]))
        .arguments(&options)
        .start()
        .end();
    ended.code(127).says(&["crash 3 (exit 127); recreating at once (Cloud Foundry waits 30s)"]);
    ended.says(&[
        "crash 200 (exit 127); after so many Cloud Foundry recreates it never again; exit 127",
    ]);
    let lives = ended.ours().into_iter().filter(|line| line.contains("could not be started"));
    assert_eq!(lives.count(), 200, "{ended}");
}

fn a_wrong_spec_is_not_tried_again(mode: Mode) {
    let ended = pair(mode, "wait", &["--recreate", "--port", "5"]).start().end();
    ended.code(125).silent_about("crash").says(&["--port is for Cloud Foundry's files"]);
}

fn an_app_finds_its_port_again(mode: Mode) {
    let ended = Group::new(mode)
        .main("web", Shell("echo $PORT; exit 3"))
        .top("platform: cloudfoundry")
        .arguments(&["--recreate=2", "--port", "0"])
        .start()
        .end();
    let ports: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(ports.len(), 3, "{ended}");
    assert!(ports[0] != "0" && ports.iter().all(|port| *port == ports[0]), "{ended}");
    let crash = "crash 1 (APP/PROC/WEB: Exited with status 3); recreating at once";
    ended.says(&[crash]);
}

fn each_life_has_a_guid_and_a_count_of_its_own(mode: Mode) {
    let ended = Group::new(mode)
        .main("web", Shell("echo $CF_INSTANCE_GUID; exit 3"))
        .top("platform: cloudfoundry")
        .arguments(&["--recreate=1", "--log-format", "cf"])
        .start()
        .end();
    let payloads: Vec<&str> =
        ended.stderr.lines().filter(|line| line.contains("App instance exited")).collect();
    let guids: Vec<&str> = ended
        .stdout
        .lines()
        .filter(|line| !line.contains("Exit status"))
        .filter_map(|line| line.rsplit(' ').next())
        .collect();
    assert_eq!((payloads.len(), guids.len()), (2, 2), "{ended}");
    assert_ne!(guids[0], guids[1]);
    for (at, payload) in payloads.iter().enumerate() {
        assert!(payload.contains(&format!("\"instance\"=>\"{}\"", guids[at])), "{ended}");
        assert!(payload.contains(&format!("\"crash_count\"=>{},", at + 1)), "{ended}");
    }
    let app = |payload: &str| payload.split(" guid ").nth(1).map(|rest| rest[..36].to_owned());
    assert_eq!(app(payloads[0]), app(payloads[1]), "it is the same app");
    assert!(ended.stderr.contains("[FATESHARE/0] OUT crash 1 (APP/PROC/WEB: "), "{ended}");
}

fn a_readers_end_is_not_ours(mode: Mode) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let group = pair(mode, "exit=3", &["--recreate=2"]).stderr(writer);
    drop(reader);
    group.start().end().code(3).logged("web: ends 3", 3);
}

fn where_no_sender_can_be_told_it_stops_all_the_same(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    let group = pair(mode, "exit-on=TERM:0 wait", &["--recreate"]).failing("sigqueue:38");
    let mut group = group.start();
    group.wait_started(&["web", "config-server"]);
    group.signal(Signal::SIGTERM);
    group.end().code(0).verdict(&["SIGTERM from pid ", " (fateshare)"]);
}
