//! When any member ends, for any reason, all end, with the right code and a line that says why.

use nix::sys::signal::Signal;

use crate::support::{Argv, Group, Mode, in_both_modes, proc, running};

in_both_modes![
    a_killed_main_takes_all_with_it,
    a_killed_sidecar_takes_all_with_it,
    a_sidecar_that_exits_0_takes_all_with_it,
    a_sidecar_that_fails_takes_all_with_it,
    main_that_exits_3_takes_all_with_it,
    main_that_exits_0_takes_all_with_it,
    main_success_replaces_mains_0,
    sidecar_success_replaces_69,
    a_sidecar_that_may_finish_ends_only_itself,
    a_sidecar_that_may_finish_but_fails_takes_all_with_it,
    a_main_alone_needs_no_sidecar,
    two_ends_at_once_the_signal_comes_first,
    two_ends_at_once_the_failure_comes_before_0,
    two_ends_at_once_main_comes_first_among_equals,
    a_stop_request_wins_over_an_end_at_the_same_time,
];

/// Both members end with 0 when they are told to.
fn pair(mode: Mode) -> Group {
    Group::new(mode)
        .main("web", "exit-on=TERM:0 wait")
        .sidecar("config-server", "exit-on=TERM:0 wait")
}

fn a_killed_main_takes_all_with_it(mode: Mode) {
    let mut group = pair(mode).start();
    group.wait_started(&["web", "config-server"]);
    let pid = group.inner_pid("web");
    group.signal_member("web", Signal::SIGKILL);
    let ended = group.end();
    let who = format!("web (pid {pid}) was killed by SIGKILL, not by fateshare");
    ended.code(137).verdict(&[&who, "stopping config-server"]);
    ended.logged("config-server: got SIGTERM", 1).logged("config-server: ends 0", 1);
    ended.says(&["nobody had to be killed", "exit 137"]).silent_about("did not stop");
}

fn a_killed_sidecar_takes_all_with_it(mode: Mode) {
    let mut group = pair(mode).start();
    group.wait_started(&["web", "config-server"]);
    let pid = group.inner_pid("config-server");
    group.signal_member("config-server", Signal::SIGKILL);
    let ended = group.end();
    let who = format!("config-server (pid {pid}) was killed by SIGKILL, not by fateshare");
    ended.code(137).verdict(&[&who, "stopping web"]);
    ended.logged("web: got SIGTERM", 1).logged("web: ends 0", 1);
    ended.says(&["nobody had to be killed", "exit 137"]).silent_about("did not stop");
}

fn a_sidecar_that_exits_0_takes_all_with_it(mode: Mode) {
    let go = "go";
    let mut group = Group::new(mode)
        .main("web", "exit-on=TERM:0 wait")
        .sidecar("config-server", "until=go exit=0")
        .start();
    group.wait_started(&["web", "config-server"]);
    let pid = group.inner_pid("config-server");
    std::fs::write(group.dir().join(go), "").expect("the trigger");
    let ended = group.end();
    let who = format!("config-server (pid {pid}) exited with 0");
    ended.code(69).verdict(&[&who, "stopping web"]).logged("web: got SIGTERM", 1);
}

fn a_sidecar_that_fails_takes_all_with_it(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "exit-on=TERM:0 wait")
        .sidecar("log-shipper", "exit-on=TERM:0 wait")
        .sidecar("config-server", "until=go exit=7")
        .start();
    group.wait_started(&["web", "log-shipper", "config-server"]);
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = group.end();
    ended.code(7).verdict(&["config-server (pid ", ") exited with 7", "stopping web, log-shipper"]);
    ended.logged("web: got SIGTERM", 1).logged("log-shipper: got SIGTERM", 1);
}

fn main_that_exits_3_takes_all_with_it(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "until=go exit=3")
        .sidecar("config-server", "exit-on=TERM:5 wait")
        .start();
    group.wait_started(&["web", "config-server"]);
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = group.end();
    ended.code(3).verdict(&["web (pid ", ") exited with 3", "stopping config-server"]);
    ended.logged("config-server: got SIGTERM", 1).says(&["exit 3"]);
}

fn main_that_exits_0_takes_all_with_it(mode: Mode) {
    let ended = main_exits_0(Group::new(mode));
    ended.code(0).verdict(&["web (pid ", ") exited with 0", "stopping config-server"]);
    ended.logged("config-server: got SIGTERM", 1);
}

fn main_success_replaces_mains_0(mode: Mode) {
    let ended = main_exits_0(Group::new(mode).top("exit_codes: {main_success: 70}"));
    ended.code(70).verdict(&["web (pid ", ") exited with 0"]);
}

fn main_exits_0(group: Group) -> crate::support::Ended {
    let mut group = group
        .main("web", "until=go exit=0")
        .sidecar("config-server", "exit-on=TERM:5 wait")
        .start();
    group.wait_started(&["web", "config-server"]);
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    group.end()
}

fn sidecar_success_replaces_69(mode: Mode) {
    let ended = Group::new(mode)
        .main("web", "exit-on=TERM:0 wait")
        .sidecar("config-server", "exit=0")
        .top("exit_codes: {sidecar_success: 12}")
        .start()
        .end();
    ended.code(12);
}

fn a_sidecar_that_may_finish_ends_only_itself(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "until=go exit=3")
        .sidecar("migration", "until=finish exit=0")
        .key("may_finish: true")
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .start();
    group.wait_started(&["web", "migration", "config-server"]);
    let finished = group.pid("migration");
    std::fs::write(group.dir().join("finish"), "").expect("the trigger");
    group.wait_for("migration: ends 0");
    group.until("it is reaped", |_| proc::stat(finished).is_none().then_some(()));
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = group.end();
    ended.code(3).verdict(&["web (pid ", ") exited with 3", "stopping config-server"]);
    ended.logged("config-server: got SIGTERM", 1);
}

fn a_sidecar_that_may_finish_but_fails_takes_all_with_it(mode: Mode) {
    let ended = Group::new(mode)
        .main("web", "wait")
        .sidecar("migration", "exit=4")
        .key("may_finish: true")
        .start()
        .end();
    ended.code(4).verdict(&["migration (pid ", ") exited with 4", "stopping web"]);
}

fn a_main_alone_needs_no_sidecar(mode: Mode) {
    let ended = Group::new(mode).main("web", Argv(&["/bin/sh", "-c", "exit 5"])).start().end();
    ended.code(5).verdict(&["web (pid ", ") exited with 5"]);
}

/// Both end while `fateshare` is stopped, so it learns of both in one wake-up.
fn both_at_once(mode: Mode, main: &str, sidecar: &str) -> crate::support::Ended {
    let mut group = Group::new(mode)
        .main("web", &*format!("until=go {main}"))
        .sidecar("config-server", &*format!("until=go {sidecar}"))
        .sidecar("third", "exit-on=TERM:0 wait")
        .start();
    group.wait_started(&["web", "config-server", "third"]);
    let (web, config_server) = (group.pid("web"), group.pid("config-server"));
    let fateshare = group.fateshare();
    group.signal(Signal::SIGSTOP);
    group.wait_state(fateshare, 'T');
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    group.wait_state(web, 'Z');
    group.wait_state(config_server, 'Z');
    group.signal(Signal::SIGCONT);
    group.end()
}

fn two_ends_at_once_the_signal_comes_first(mode: Mode) {
    let ended = both_at_once(mode, "exit=3", "raise=KILL");
    ended.code(137).verdict(&["config-server (pid ", ") was killed by SIGKILL", "stopping third"]);
    ended.logged("third: got SIGTERM", 1);
}

fn two_ends_at_once_the_failure_comes_before_0(mode: Mode) {
    let ended = both_at_once(mode, "exit=0", "exit=4");
    ended.code(4).verdict(&["config-server (pid ", ") exited with 4"]);
}

fn two_ends_at_once_main_comes_first_among_equals(mode: Mode) {
    let ended = both_at_once(mode, "exit=6", "exit=4");
    ended.code(6).verdict(&["web (pid ", ") exited with 6"]);
}

fn a_stop_request_wins_over_an_end_at_the_same_time(mode: Mode) {
    let mut group = pair(mode).start();
    group.wait_started(&["web", "config-server"]);
    let sidecar = group.pid("config-server");
    let fateshare = group.fateshare();
    group.signal(Signal::SIGSTOP);
    group.wait_state(fateshare, 'T');
    running::send(sidecar, Signal::SIGKILL as i32);
    group.wait_state(sidecar, 'Z');
    group.signal(Signal::SIGTERM);
    group.signal(Signal::SIGCONT);
    let ended = group.end();
    ended.code(0).verdict(&["SIGTERM from "]).logged("web: got SIGTERM", 1);
}
