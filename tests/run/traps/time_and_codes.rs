//! How long it may take, and what the exit code says.

use std::time::{Duration, Instant};

use fateshare::core::LEAVE_AFTER;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use crate::idle::runs;
use crate::support::{Argv, Group, Mode, Shell, cannot_run, in_both_modes, poll, proc};

in_both_modes![
    inner_grace_below_the_platforms,
    bounded_wait_after_kill,
    kill_timer_dies_with_the_group,
    no_polling,
    a_program_that_exits_137_by_itself,
    no_single_restart,
];

/// Where the inner grace is as long as the platform's, nobody ever stops cleanly. Cloud Foundry and
/// Docker kill after 10 s: by then the grace is over, the rest is killed, and we have left.
fn inner_grace_below_the_platforms(mode: Mode) {
    let ended = Group::new(mode).main("web", Argv(&["/bin/true"])).start().end();
    let grace = "group.yml: web, grace 9s";
    assert!(ended.ours().first().is_some_and(|line| line.ends_with(grace)), "{ended}");
    assert!(Duration::from_secs(9) + LEAVE_AFTER < Duration::from_secs(10));
}

/// A process whose end nobody is told of before we let go of it.
struct Held(Pid);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = nix::sys::signal::kill(self.0, Signal::SIGKILL);
        let _ = waitpid(self.0, None);
    }
}

/// What sleeps in the kernel does not die of SIGKILL either, and a supervisor that waits for it
/// never leaves: Diego gives it a second, pebble five. Here a tracer keeps the end of a member from
/// us. We wait half a second, name it, and leave.
fn bounded_wait_after_kill(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "exit-on=TERM:0 wait")
        .sidecar("held", "take=TERM wait")
        .top("grace_period: 2s")
        .start();
    group.wait_started(&["web", "held"]);
    let held = group.pid("held");
    let pid = Pid::from_raw(held);
    if let Err(error) = ptrace::seize(pid, ptrace::Options::empty()) {
        cannot_run(&format!("no process may be traced: {error}"));
        return;
    }
    let tracer = Held(pid);
    let struck = Instant::now();
    group.signal(Signal::SIGTERM);
    group.until("it leaves", |group| group.stderr().contains("; exit ").then_some(()));
    let took = struck.elapsed();
    assert!(proc::stat(held).is_some_and(|stat| stat.state == 'Z'), "it is dead, and nobody's");
    // As PID 1 the kernel waits for it too, when we have left.
    drop(tracer);
    let ended = group.end_killed();
    ended.code(0).says(&["held did not stop within 2s: SIGKILL"]);
    ended.says(&["ended in ", "could not kill held: left to the kernel; exit 0"]);
    assert!(took > Duration::from_millis(2_490), "given up too early, after {took:?}\n{ended}");
    // The grace, and at most 900 ms behind it; threefold.
    assert!(took < Duration::from_millis(3 * 2_900), "left too late, after {took:?}\n{ended}");
}

/// In concurrently a timer for SIGKILL kept the program alive when all had ended long since. When
/// the last one is gone, we are.
fn kill_timer_dies_with_the_group(mode: Mode) {
    let daemon = "run [ middle session child [ daemon exit-on=TERM:0 wait ] exit=0 ]";
    let mut group = Group::new(mode)
        .main("web", &*format!("{daemon} exit-on=TERM:0 wait"))
        .sidecar("proxy", "exit-on=TERM:0 wait")
        .key("stop: after_main")
        .top("grace_period: 30s")
        .start();
    group.wait_started(&["web", "daemon", "proxy"]);
    let struck = Instant::now();
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    let took = ended.at - struck;
    ended.code(0).says(&["nobody had to be killed"]);
    assert!(took < Duration::from_secs(10), "took {took:?} of 30 s\n{ended}");
}

/// Escalation by naps and looks at the clock cost others a third of a second, or wake-ups all day.
/// Not even during a teardown that takes its time do we look without a reason. (Before it: `idle`.)
fn no_polling(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "child [ below wait ] take=TERM until=go exit=0")
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .top("grace_period: 10m")
        .start();
    group.wait_started(&["web", "below", "config-server"]);
    let fateshare = group.fateshare();
    group.signal(Signal::SIGTERM);
    group.wait_for("web: got SIGTERM");
    group.wait_for("config-server: ends 0");
    // Quiet for this long: who polls cannot be, however long we wait for it.
    let (mut before, mut since) = (runs(fateshare), Instant::now());
    let quiet = poll(Duration::from_secs(20), || {
        let now = runs(fateshare);
        if now != before {
            (before, since) = (now, Instant::now());
        }
        (since.elapsed() > Duration::from_millis(400)).then_some(())
    });
    assert!(quiet.is_some(), "it ran {before} times by now");
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    group.end().code(0).says(&["nobody had to be killed"]);
}

/// 128+n is how a signal looks from outside, and any program may say it. One that exits so was not
/// killed; if its shell does, the shell reports it of somebody.
fn a_program_that_exits_137_by_itself(mode: Mode) {
    for (code, signal) in [(137, "SIGKILL"), (143, "SIGTERM"), (139, "SIGSEGV")] {
        let script = format!("exit {code}");
        let plain = format!(") exited with {code}");
        let ended = Group::new(mode).main("web", Argv(&["/bin/sh", "-c", &script])).start().end();
        ended.code(code).verdict(&["web (pid ", &plain]).silent_about("killed by");
        ended.silent_about(signal);
        let ended = Group::new(mode).main("web", Shell(&script)).start().end();
        let reported = format!("{plain} (its shell reports {signal})");
        ended.code(code).verdict(&["web (pid ", &reported]).silent_about("killed by");
    }
}

/// process-compose once took a project down because one process was to be restarted: fate that is
/// shared and restarts do not mix. Whatever ends here is never started again.
fn no_single_restart(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "exit-on=TERM:0 wait")
        .sidecar("migration", "until=finish exit=0")
        .key("may_finish: true")
        .sidecar("config-server", "wait")
        .sidecar("log-shipper", "take=TERM wait")
        .top("grace_period: 300ms")
        .start();
    group.wait_started(&["web", "migration", "config-server", "log-shipper"]);
    let migration = group.pid("migration");
    std::fs::write(group.dir().join("finish"), "").expect("the trigger");
    group.until("it is reaped", |_| proc::stat(migration).is_none().then_some(()));
    group.signal_member("config-server", Signal::SIGKILL);
    let ended = group.end();
    ended.code(137).verdict(&["config-server (pid "]);
    assert_eq!(ended.log.matches(": started ").count(), 4, "{ended}");
}
