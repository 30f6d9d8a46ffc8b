//! Many at once: orphans, signals, members.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::{Argv, Group, Mode, heavy, in_both_modes, proc};

in_both_modes![
    twenty_thousand_orphans,
    a_storm_of_ends_is_taken_to_its_end,
    ten_thousand_mixed_signals,
    two_hundred_fifty_six_members,
];

fn twenty_thousand_orphans(mode: Mode) {
    let _alone = heavy();
    // Each subshell starts a hundred processes that end at once, and ends without waiting for any:
    // all of them are left to `fateshare`. Two members do it side by side, as fast as they can.
    let script = "i=0; while [ $i -lt 100 ]; do \
                  (j=0; while [ $j -lt 100 ]; do : & j=$((j+1)); done); i=$((i+1)); done; \
                  exec $FIXTURE $LOG $0 exit-on=TERM:0 wait";
    let mut group = Group::new(mode)
        .main("web", Argv(&["/bin/sh", "-c", script, "web"]))
        .sidecar("config-server", Argv(&["/bin/sh", "-c", script, "config-server"]))
        .start();
    group.wait_started(&["web", "config-server"]);
    group.wait_no_zombies();
    let fateshare = group.fateshare();
    group.until("only the members are left", |_| {
        (proc::children(fateshare).len() == 2).then_some(())
    });
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(0).verdict(&["SIGTERM from "]);
    ended.logged("web: got SIGTERM", 1).logged("config-server: got SIGTERM", 1);
}

fn a_storm_of_ends_is_taken_to_its_end(mode: Mode) {
    let _alone = heavy();
    // More than one wake-up takes, and one SIGCHLD tells of all of it: each subshell leaves one
    // process to fateshare, which is stopped meanwhile.
    let script = "cd ${LOG%/*}; until [ -e go ]; do sleep 0.01; done; \
                  i=0; while [ $i -lt 1500 ]; do (: &); i=$((i+1)); done; \
                  exec $FIXTURE $LOG web exit-on=TERM:0 wait";
    let mut group = Group::new(mode).main("sh", Argv(&["/bin/sh", "-c", script])).start();
    let fateshare = group.fateshare();
    group.until("main runs", |_| (!proc::children(fateshare).is_empty()).then_some(()));
    group.signal(Signal::SIGSTOP);
    group.wait_state(fateshare, 'T');
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    group.wait_started(&["web"]);
    group.until("most have ended", |_| {
        let zombies = proc::children(fateshare).iter().filter(|(_, it)| it.state == 'Z').count();
        (zombies > 1_200).then_some(())
    });
    group.signal(Signal::SIGCONT);
    group.wait_no_zombies();
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}

fn ten_thousand_mixed_signals(mode: Mode) {
    let kinds = "HUP USR1 USR2 WINCH CONT ALRM URG 34 40 64";
    let taken = kinds.replace(' ', ",");
    let mut group = Group::new(mode)
        .main("web", &*format!("count={taken} exit-on=TERM:0 until=go counts=10 wait"))
        .sidecar("config-server", &*format!("take={taken} exit-on=TERM:0 wait"))
        .start();
    group.wait_started(&["web", "config-server"]);
    let script = "i=0; while [ $i -lt 1000 ]; do \
                  for s in $2; do kill -$s $1 || exit 1; done; i=$((i+1)); done";
    let pid = group.fateshare().to_string();
    let status = Command::new("/bin/sh").args(["-c", script, "sh", &pid, kinds]).status();
    assert!(status.expect("a shell").success(), "fateshare is there to the last signal");
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    group.until("main has counted", |group| {
        group.log().contains("web: counted SIGRTMIN+30").then_some(())
    });
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(0).verdict(&["SIGTERM from "]);
    let counted = |name: &str| ended.log.lines().filter(|line| line.starts_with(name)).count();
    assert_eq!(counted("web: counted "), 10, "no kind is lost\n{ended}");
    // They are main's alone: a sidecar gets no more than its stop signal, and the SIGCONT behind it.
    assert!(counted("config-server: got ") <= 2, "{ended}");
    ended.logged("web: got SIGTERM", 1).logged("config-server: got SIGTERM", 1);
}

fn two_hundred_fifty_six_members(mode: Mode) {
    let mut group = Group::new(mode).main("web", "exit-on=TERM:0 wait");
    for number in 1..256 {
        group = group.sidecar(&format!("sidecar-{number}"), "exit-on=TERM:0 wait");
    }
    let mut group = group.top("grace_period: 30s").start();
    group.until("all have started", |group| {
        (group.log().matches(": started ").count() == 256).then_some(())
    });
    group.signal_member("sidecar-200", Signal::SIGKILL);
    let ended = group.end();
    ended.code(137).verdict(&["sidecar-200 (pid ", ") was killed by SIGKILL", "stopping web"]);
    ended.silent_about("did not stop");
    assert_eq!(ended.log.matches(": got SIGTERM\n").count(), 255, "{ended}");
    assert_eq!(ended.log.matches(": ends 0\n").count(), 255, "{ended}");
}
