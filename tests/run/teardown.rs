//! From the verdict to the end: who gets which signal, when, and how long it may take.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{Argv, Group, Mode, Shell, in_both_modes};

in_both_modes![
    who_takes_sigterm_and_stays_is_killed_at_the_deadline,
    who_ignores_sigterm_is_killed_at_the_deadline,
    one_deadline_for_all_of_them,
    a_server_behind_a_shell_gets_its_time,
    a_server_behind_a_shell_that_is_signalled_alone_gets_its_time,
    a_forwarder_and_its_child_get_one_signal_each,
    a_group_target_reaches_the_children,
    after_main_waits_for_main,
    after_main_waits_for_what_main_left,
    after_main_waits_two_thirds_of_the_grace_at_most,
    the_grace_comes_from_the_flag_then_the_variable_then_the_spec,
];

fn who_takes_sigterm_and_stays_is_killed_at_the_deadline(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "wait")
        .sidecar("config-server", "take=TERM wait")
        .top("grace_period: 3s")
        .start();
    group.wait_started(&["web", "config-server"]);
    let struck = Instant::now();
    group.signal_member("web", Signal::SIGKILL);
    let ended = group.end();
    ended.code(137).verdict(&["web (pid ", ") was killed by SIGKILL", "stopping config-server"]);
    ended.says(&["config-server did not stop within 3s: SIGKILL. Raise grace_period"]);
    ended.silent_about("nobody had to be killed");
    ended.logged("config-server: got SIGTERM", 1);
    let took = ended.at - struck;
    assert!(took >= Duration::from_millis(2_990), "killed too early, after {took:?}\n{ended}");
    // The grace, and at most 900 ms behind it; threefold.
    assert!(took < Duration::from_millis(3 * 3_900), "killed too late, after {took:?}\n{ended}");
}

fn who_ignores_sigterm_is_killed_at_the_deadline(mode: Mode) {
    let script = "trap '' TERM; $FIXTURE $LOG web; while :; do sleep 60; done";
    let mut group = Group::new(mode)
        .main("web", Argv(&["/bin/sh", "-c", script]))
        .top("grace_period: 300ms")
        .start();
    group.wait_started(&["web"]);
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(137).verdict(&["SIGTERM from "]);
    ended.says(&["web did not stop within 300ms: SIGKILL. Raise grace_period"]).says(&["exit 137"]);
}

fn one_deadline_for_all_of_them(mode: Mode) {
    let mut group = Group::new(mode).main("web", "take=TERM wait").top("grace_period: 2s");
    for number in 0..6 {
        group = group.sidecar(&format!("sidecar-{number}"), "take=TERM wait");
    }
    let mut group = group.start();
    group.wait_started(&["web", "sidecar-0", "sidecar-1", "sidecar-5"]);
    let struck = Instant::now();
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    let took = ended.at - struck;
    // One grace for each of the seven would be 14 s.
    assert!(took < Duration::from_millis(8700), "took {took:?}\n{ended}");
    ended.code(137).says(&["sidecar-5", "did not stop within 2s"]);
}

fn a_server_behind_a_shell_gets_its_time(mode: Mode) {
    let server = "cd / && $FIXTURE $LOG server exit-on=TERM:0:2000 wait";
    let mut group = Group::new(mode).main("web", Shell(server)).start();
    group.wait_started(&["server"]);
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.verdict(&["SIGTERM from "]).silent_about("did not stop");
    ended.logged("server: got SIGTERM", 1).logged("server: ends 0", 1);
}

fn a_server_behind_a_shell_that_is_signalled_alone_gets_its_time(mode: Mode) {
    // The shell stays, dies of SIGTERM at once, and leaves the server.
    let server = "cd / && $FIXTURE $LOG server exit-on=TERM:0:2000 wait; exit 9";
    let mut group = Group::new(mode)
        .main("web", Shell(server))
        .key("stop_to: process")
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .start();
    group.wait_started(&["server", "config-server"]);
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(143).silent_about("did not stop");
    ended.logged("server: got SIGTERM", 1).logged("server: ends 0", 1);
}

fn a_forwarder_and_its_child_get_one_signal_each(mode: Mode) {
    let mut group = Group::new(mode)
        .main("npm", "forward=TERM [ server exit-on=TERM:0:500 wait ]")
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .start();
    group.wait_started(&["npm", "server", "config-server"]);
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(0).logged("npm: got SIGTERM", 1);
    ended.logged("server: got SIGTERM", 1).logged("server: ends 0", 1);
}

fn a_group_target_reaches_the_children(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "child [ worker exit-on=TERM:0 wait ] exit-on=TERM:0:2000 wait")
        .key("stop_to: group")
        .start();
    group.wait_started(&["web", "worker"]);
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(0).logged("web: got SIGTERM", 1).logged("worker: got SIGTERM", 1);
    ended.logged_before("worker: got SIGTERM", "web: ends 0");
}

fn after_main_waits_for_main(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "exit-on=TERM:0:2000 wait")
        .sidecar("proxy", "exit-on=TERM:0 wait")
        .key("stop: after_main")
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .start();
    group.wait_started(&["web", "proxy", "config-server"]);
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(0).logged("proxy: got SIGTERM", 1).logged("config-server: got SIGTERM", 1);
    ended.logged_before("web: ends 0", "proxy: got SIGTERM");
    ended.logged_before("config-server: got SIGTERM", "web: ends 0");
}

fn after_main_waits_for_what_main_left(mode: Mode) {
    let daemon = "run [ middle session child [ daemon exit-on=TERM:0:400 wait ] exit=0 ]";
    let mut group = Group::new(mode)
        .main("web", &*format!("{daemon} until=go exit=3"))
        .sidecar("proxy", "exit-on=TERM:0 wait")
        .key("stop: after_main")
        .start();
    group.wait_started(&["web", "daemon", "proxy"]);
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = group.end();
    ended.code(3).logged_before("daemon: ends 0", "proxy: got SIGTERM");
    ended.logged("proxy: got SIGTERM", 1).logged("daemon: got SIGTERM", 1);
}

fn after_main_waits_two_thirds_of_the_grace_at_most(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "take=TERM wait")
        .sidecar("proxy", "exit-on=TERM:0 wait")
        .key("stop: after_main")
        .top("grace_period: 6s")
        .start();
    group.wait_started(&["web", "proxy"]);
    group.signal(Signal::SIGTERM);
    group.wait_for("web: got SIGTERM");
    thread::sleep(Duration::from_millis(200));
    assert!(!group.log().contains("proxy: got SIGTERM"), "{}", group.log());
    let ended = group.end();
    ended.code(137).logged("proxy: got SIGTERM", 1).logged("proxy: ends 0", 1);
    ended.says(&["web did not stop within 6s: SIGKILL"]);
}

fn the_grace_comes_from_the_flag_then_the_variable_then_the_spec(mode: Mode) {
    let stubborn = || Group::new(mode).main("web", "take=TERM wait").top("grace_period: 10m");
    let groups = [
        stubborn().arguments(&["--grace-period", "310ms"]).env("FATESHARE_GRACE_PERIOD", "9m"),
        stubborn().env("FATESHARE_GRACE_PERIOD", "310ms"),
    ];
    for group in groups {
        let mut group = group.start();
        group.wait_started(&["web"]);
        group.signal(Signal::SIGTERM);
        group.end().code(137).says(&["web did not stop within 310ms: SIGKILL"]);
    }
}
