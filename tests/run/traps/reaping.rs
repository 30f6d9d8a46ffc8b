//! Ends and their statuses: every one is taken, once, by one owner, for what it is.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;

use super::nowhere;
use crate::support::{Argv, Group, Mode, heavy, in_both_modes, proc};

in_both_modes![
    sigchld_coalescing,
    wrong_status_decoding,
    registering_after_spawn,
    inherited_children,
    ending_on_an_unmanaged_reap,
    blocking_reap_loops,
];

/// catatonit went by the process number in the signal's record: of two deaths behind one SIGCHLD
/// it saw one, and hung. However many ends a signal stands for, all of them are taken.
fn sigchld_coalescing(mode: Mode) {
    let mut group = Group::new(mode).main("web", "exit-on=TERM:0 wait");
    for number in 0..8 {
        let code = if number == 4 { 4 } else { 0 };
        for (batch, code) in [("first", 0), ("second", code)] {
            group = group
                .sidecar(&format!("{batch}-{number}"), &*format!("until={batch} exit={code}"))
                .key("may_finish: true");
        }
    }
    let mut group = group.start();
    let fateshare = group.fateshare();
    group.wait_started(&["web"]);
    for batch in ["first", "second"] {
        let members: Vec<i32> =
            (0..8).map(|number| group.pid(&format!("{batch}-{number}"))).collect();
        group.signal(Signal::SIGSTOP);
        group.wait_state(fateshare, 'T');
        fs::write(group.dir().join(batch), "").expect("the trigger");
        for member in members {
            group.wait_state(member, 'Z');
        }
        group.signal(Signal::SIGCONT);
        if batch == "first" {
            group.wait_no_zombies();
        }
    }
    // The one that matters was neither the first nor the last of its eight.
    let ended = group.end();
    ended.code(4).verdict(&["second-4 (pid ", ") exited with 4", "; stopping web"]);
    ended.logged("web: got SIGTERM", 1);
}

/// catatonit hung on 127; Phusion's `my_init` took the code of a child that a signal had killed,
/// which is 0, so that a crash was a success; Horust has one number for all signals. A code is a
/// code and a signal is that signal, with or without a core dump. (Every single one: `exit_codes`.)
fn wrong_status_decoding(mode: Mode) {
    for (script, code, words) in [
        ("exit 1", 1, "exited with 1"),
        ("exit 9", 9, "exited with 9"),
        ("exit 127", 127, "exited with 127"),
        ("exit 128", 128, "exited with 128"),
        ("exit 139", 139, "exited with 139"),
        ("exit 255", 255, "exited with 255"),
        ("kill -1 $$", 129, "was killed by SIGHUP"),
        ("kill -9 $$", 137, "was killed by SIGKILL"),
        ("ulimit -c 0; kill -11 $$", 139, "was killed by SIGSEGV"),
        ("ulimit -c $(ulimit -H -c); kill -11 $$", 139, "was killed by SIGSEGV"),
        ("kill -34 $$", 162, "was killed by SIGRTMIN"),
        ("kill -64 $$", 192, "was killed by SIGRTMIN+30"),
    ] {
        let script = format!("{script}; exec sleep 60");
        let ended = Group::new(mode)
            .main("web", Argv(&["/bin/sleep", "60"]))
            .sidecar("config-server", Argv(&["/bin/sh", "-c", &script]))
            .start()
            .end();
        let not_us = if words.starts_with("exited") { "" } else { ", not by fateshare" };
        let words = format!(") {words}{not_us}; stopping web");
        ended.code(code).verdict(&["config-server (pid ", &words]);
    }
}

/// pebble and containerd waited for any child in one place and for a certain one in another, and
/// the one stole the other's status. Here one function waits, and one place calls it; another one in
/// the process that recreates groups, which has no other children.
#[test]
fn two_waiters_race() {
    nowhere(&["waitid", "WEXITED"], &["src/sys/reap.rs"]);
    let callers =
        ["src/run/arrivals.rs", "src/local/mod.rs", "src/local/copies.rs", "src/drill/stage.rs"];
    nowhere(&["match reap()", "= reap()", "use crate::sys::reap::{"], &callers);
    nowhere(
        &["wait4", "waitpid", "wait3", "tokio::process", "process::Command", "process::Child"],
        &[],
    );
    // A global queue of orphans comes with this feature of tokio.
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = fs::read_to_string(manifest).expect("the manifest");
    let tokio = manifest.lines().find(|line| line.starts_with("tokio = ")).expect("its line");
    assert!(!tokio.contains("process") && !tokio.contains("full"), "{tokio}");
}

/// Where a number is written down after the start, as in Horust, a child that ends before that is
/// nobody's, and is waited for for ever. Here it counts however short it lives.
fn registering_after_spawn(mode: Mode) {
    for round in 0..12 {
        let group = Group::new(mode);
        let (who, group) = if round % 2 == 0 {
            ("web (pid ", group.main("web", Argv(&["/bin/false"])))
        } else {
            let group = group.main("web", Argv(&["/bin/sleep", "60"]));
            ("quick (pid ", group.sidecar("quick", Argv(&["/bin/false"])))
        };
        let ended = group.sidecar("config-server", Argv(&["/bin/sleep", "60"])).start().end();
        ended.code(1).verdict(&[who, ") exited with 1"]);
    }
}

/// A PID 1 that was reached by `exec` has the children of whoever was there before, and bubblewrap
/// took one for its own. They are reaped, however they end, and end with the group at the latest.
fn inherited_children(mode: Mode) {
    // Some have ended, and nobody has waited for them, before fateshare is there.
    let before = "child [ early exit=9 ] child [ killed raise=KILL ] child [ later until=go exit=9 ] \
                  child [ last exit-on=TERM:0 wait ] sleep=100";
    let mut group = Group::new(mode).main("web", "exit-on=TERM:0 wait").after_words(before).start();
    group.wait_started(&["web"]);
    group.wait_no_zombies();
    let fateshare = group.fateshare();
    group.until("web, and the two that live", |_| {
        (proc::children(fateshare).len() == 3).then_some(())
    });
    fs::write(group.dir().join("go"), "").expect("the trigger");
    group.until("one less", |_| (proc::children(fateshare).len() == 2).then_some(()));
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(0).verdict(&["SIGTERM from "]).says(&["nobody had to be killed"]);
}

/// supervisord ended when it reaped a process that it had not started. Orphans come to us too, and
/// end as they like.
fn ending_on_an_unmanaged_reap(mode: Mode) {
    let orphans = "child [ fails until=go exit=9 ] child [ dies until=go raise=KILL ] \
                   child [ works until=go exit=0 ]";
    let mut group = Group::new(mode)
        .main("web", &*format!("run [ middle {orphans} exit=0 ] until=end exit=3"))
        .start();
    let fateshare = group.fateshare();
    let orphans = ["fails", "dies", "works"].map(|name| group.pid(name));
    for orphan in orphans {
        group.until("the orphan is adopted", |_| {
            (proc::stat(orphan)?.parent == fateshare).then_some(())
        });
    }
    fs::write(group.dir().join("go"), "").expect("the trigger");
    for orphan in orphans {
        group.until("it is reaped", |_| proc::stat(orphan).is_none().then_some(()));
    }
    fs::write(group.dir().join("end"), "").expect("the trigger");
    group.end().code(3).verdict(&["web (pid ", ") exited with 3"]);
}

/// `ContainerPilot` and `my_init` sat in a wait for children while signals were to be served. Neither
/// living children nor an endless supply of dead ones keep a signal from being answered.
fn blocking_reap_loops(mode: Mode) {
    let _alone = heavy();
    let endless = "cd ${LOG%/*}; until [ -e go ]; do sleep 0.01; done; while :; do (: &); done";
    let mut group = Group::new(mode)
        .main("web", "take=USR1,USR2 exit-on=TERM:0 wait")
        .sidecar("migration", "until=finish exit=0")
        .key("may_finish: true")
        .sidecar("orphan-maker", Argv(&["/bin/sh", "-c", endless]))
        .start();
    group.wait_started(&["web", "migration"]);
    let migration = group.pid("migration");
    fs::write(group.dir().join("finish"), "").expect("the trigger");
    group.until("it is reaped", |_| proc::stat(migration).is_none().then_some(()));
    group.signal(Signal::SIGUSR1);
    group.wait_for("web: got SIGUSR1");
    fs::write(group.dir().join("go"), "").expect("the trigger");
    let fateshare = group.fateshare();
    group.until("orphans come", |_| (proc::children(fateshare).len() > 2).then_some(()));
    group.signal(Signal::SIGUSR2);
    group.wait_for("web: got SIGUSR2");
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(0).verdict(&["SIGTERM from "]).logged("web: got SIGTERM", 1);
}
