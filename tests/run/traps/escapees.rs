//! Processes that left their member's group, and how they are found.

use std::process::Command;

use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use super::nowhere;
use crate::support::{Group, Mode, fixture, in_both_modes, proc};

in_both_modes![
    setsid_and_double_fork_leave_the_group,
    sweep_in_waves,
    children_lists_are_per_thread,
    older_profiles_answer_eperm,
];

/// Who signals process groups only never meets a daemon again. Here daemons are asked to stop too,
/// and daemons of daemons, once each, and get their time.
fn setsid_and_double_fork_leave_the_group(mode: Mode) {
    let inner = "run [ b session child [ inner exit-on=TERM:0:100 wait ] exit=0 ]";
    let outer = format!("run [ a session child [ outer {inner} exit-on=TERM:0:200 wait ] exit=0 ]");
    let mut group = Group::new(mode)
        .main("web", &*format!("{outer} wait"))
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .top("grace_period: 30s")
        .start();
    group.wait_started(&["web", "outer", "inner", "config-server"]);
    group.signal_member("web", Signal::SIGKILL);
    let ended = group.end();
    ended.code(137).says(&["nobody had to be killed"]);
    for name in ["outer", "inner"] {
        ended.logged(&format!("{name}: got SIGTERM"), 1).logged(&format!("{name}: ends 0"), 1);
    }
}

/// To kill a parent gives its children a new one, behind the back of whoever goes over a list once.
/// The killing goes on until nobody is left, however deep they sat, each in a session of its own.
fn sweep_in_waves(mode: Mode) {
    let deep = (0..12).rev().fold("wait".to_owned(), |below, level| {
        format!("child [ level-{level} session take=TERM {below} wait ]")
    });
    let mut group = Group::new(mode)
        .main("web", &*format!("{deep} take=TERM wait"))
        .top("grace_period: 200ms")
        .start();
    group.wait_started(&["web", "level-11"]);
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(137).says(&["web", "did not stop within 200ms: SIGKILL"]);
}

/// The kernel lists children by the thread that made them, and tozd/dinit reads the first thread's
/// list. A child of another thread is found as well, while its parent lives.
fn children_lists_are_per_thread(mode: Mode) {
    let daemon = "run [ middle session child [ daemon take=TERM \
                  thread [ worker session exit-on=TERM:0 wait ] until=end exit=0 ] exit=0 ]";
    let mut group = Group::new(mode)
        .main("web", &*format!("{daemon} until=go exit=3"))
        .top("grace_period: 60s")
        .start();
    group.wait_started(&["web", "daemon", "worker"]);
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    group.wait_for("worker: got SIGTERM");
    group.wait_for("daemon: got SIGTERM");
    std::fs::write(group.dir().join("end"), "").expect("the trigger");
    let ended = group.end();
    ended.code(3).says(&["nobody had to be killed"]);
    ended.logged("daemon: got SIGTERM", 1).logged("worker: got SIGTERM", 1);
}

/// Who comes in from outside, as `docker exec` does, leaves orphans as well, and since Linux 4.11 they
/// come to PID 1: containerd did not expect them. They end as they like, and with the group.
#[test]
fn reparenting_in_joined_pid_namespaces() {
    if !Mode::Pid1.can_run() {
        return;
    }
    let group = Group::new(Mode::Pid1).main("web", "exit-on=TERM:0 wait");
    let log = group.log();
    let mut group = group.start();
    group.wait_started(&["web"]);
    let fateshare = group.fateshare();
    let words = "visitor run [ middle child [ fails until=go exit=9 ] \
                 child [ daemon session exit-on=TERM:0 wait ] exit=0 ]";
    // Without privileges the namespace belongs to a user namespace, which comes first.
    let joined: &[&str] = if geteuid().is_root() {
        &["--pid"]
    } else {
        &["--user", "--preserve-credentials", "--pid"]
    };
    let visit = Command::new("nsenter")
        .args(["--target", &fateshare.to_string()])
        .args(joined)
        .arg(fixture())
        .arg(log)
        .args(words.split_whitespace())
        .current_dir(group.dir())
        .status();
    assert!(visit.expect("nsenter, which comes with unshare").success());
    group.wait_started(&["fails", "daemon"]);
    group.until("all are adopted", |_| (proc::children(fateshare).len() == 3).then_some(()));
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    group.until("one is reaped", |_| (proc::children(fateshare).len() == 2).then_some(()));
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(0).verdict(&["SIGTERM from "]).says(&["nobody had to be killed"]);
    ended.logged("fails: ends 9", 1).logged("daemon: got SIGTERM", 1).logged("daemon: ends 0", 1);
}

/// Docker's default profile refuses both, as tozd/dinit found out: nothing of ours may need them.
#[test]
fn kcmp_and_pidfd_getfd_are_refused() {
    nowhere(&["kcmp", "pidfd_getfd"], &[]);
}

/// Profiles that do not know a call answer EPERM, not ENOSYS. Without pidfds and `close_range`
/// stragglers are still asked to stop, and killed at the deadline.
fn older_profiles_answer_eperm(mode: Mode) {
    let daemon = |name: &str, words: &str| {
        format!("run [ middle session child [ {name} {words} wait ] exit=0 ]")
    };
    let (good, bad) = (daemon("good", "exit-on=TERM:0:50"), daemon("bad", "take=TERM"));
    let mut group = Group::new(mode)
        .after_words("refuse=pidfd_open,pidfd_send_signal,close_range")
        .main("web", &*format!("{good} {bad} exit-on=TERM:0 wait"))
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .top("grace_period: 3s")
        .start();
    group.wait_started(&["web", "good", "bad", "config-server"]);
    group.signal_member("config-server", Signal::SIGKILL);
    let ended = group.end();
    ended.code(137).silent_about("could not send").silent_about("cannot");
    ended.logged("good: got SIGTERM", 1).logged("good: ends 0", 1).logged("bad: got SIGTERM", 1);
    ended.says(&["fixture (pid ", "did not stop within 3s: SIGKILL"]);
}
