//! Other signals are main's: they reach its leader while the group runs, and nobody else.

use nix::sys::signal::Signal;

use crate::support::{Group, Mode, Running, Shell, in_both_modes};

in_both_modes![
    each_signal_reaches_main_alone,
    nothing_is_forwarded_after_the_verdict,
    a_forwarded_signal_that_ends_main_is_named,
    children_of_main_get_nothing,
    a_shell_that_became_the_program_is_not_spared,
    a_shell_that_stays_is_spared,
];

/// Until `fateshare` has taken all signals that were sent to it.
fn wait_taken(group: &mut Running) {
    let pid = group.fateshare();
    group.until("no signal is pending", |_| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let mut pending = status
            .lines()
            .filter(|line| line.starts_with("SigPnd:") || line.starts_with("ShdPnd:"));
        let none = pending.all(|line| line.ends_with("\t0000000000000000"));
        (none && status.contains("State:\tS")).then_some(())
    });
}

fn each_signal_reaches_main_alone(mode: Mode) {
    let standard = [1, 10, 12, 28, 18, 14, 26, 27, 29, 30, 23];
    let mut group = Group::new(mode)
        .main("web", "take=all until=go exit=0")
        .sidecar("config-server", "take=all exit-on=TERM:0 wait")
        .start();
    group.wait_started(&["web", "config-server"]);
    for signal in standard.into_iter().chain(34..=64) {
        group.signal_number(signal);
        let name = Signal::try_from(signal)
            .map_or_else(|_| format!("SIGRTMIN+{}", signal - 34), |signal| signal.to_string());
        group.wait_for(&format!("web: got {name}"));
    }
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = group.end();
    let others: Vec<&str> =
        ended.log.lines().filter(|line| line.starts_with("config-server: got")).collect();
    // Rule 5: the stop signal is followed by SIGCONT.
    assert!(
        others.iter().all(|line| line.ends_with("SIGTERM") || line.ends_with("SIGCONT")),
        "{ended}"
    );
    ended.code(0).logged("config-server: got SIGTERM", 1).logged("web: got SIGUSR1", 1);
}

fn nothing_is_forwarded_after_the_verdict(mode: Mode) {
    let mut group = Group::new(mode).main("web", "take=TERM,USR1,HUP until=go exit=0").start();
    group.wait_started(&["web"]);
    group.signal(Signal::SIGTERM);
    group.wait_for("web: got SIGTERM");
    group.signal(Signal::SIGUSR1);
    group.signal(Signal::SIGHUP);
    wait_taken(&mut group);
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = group.end();
    ended.code(0).logged("web: got SIGUSR1", 0).logged("web: got SIGHUP", 0);
}

fn a_forwarded_signal_that_ends_main_is_named(mode: Mode) {
    let mut group = Group::new(mode).main("web", "wait").start();
    group.wait_started(&["web"]);
    group.signal(Signal::SIGUSR1);
    group.end().code(138).verdict(&["was killed by SIGUSR1, which fateshare had forwarded"]);
}

fn children_of_main_get_nothing(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "child [ worker take=USR1 exit-on=TERM:0 wait ] take=USR1 exit-on=TERM:0 wait")
        .start();
    group.wait_started(&["web", "worker"]);
    group.signal(Signal::SIGUSR1);
    group.wait_for("web: got SIGUSR1");
    group.signal(Signal::SIGTERM);
    group.end().code(0).logged("worker: got SIGUSR1", 0);
}

fn a_shell_that_became_the_program_is_not_spared(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", Shell("cd / && exec $FIXTURE $LOG web take=HUP exit-on=TERM:0 wait"))
        .start();
    group.wait_started(&["web"]);
    group.signal(Signal::SIGHUP);
    group.wait_for("web: got SIGHUP");
    group.signal(Signal::SIGTERM);
    group.end().code(0).silent_about("not forwarded");
}

fn a_shell_that_stays_is_spared(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", Shell("$FIXTURE $LOG server exit-on=TERM:0 wait; exit 6"))
        .start();
    group.wait_started(&["server"]);
    group.signal(Signal::SIGHUP);
    group.signal(Signal::SIGUSR1);
    wait_taken(&mut group);
    group.signal_member("server", Signal::SIGTERM);
    // The shell was there to go on.
    let ended = group.end();
    ended.code(6).says(&["fateshare: ", "SIG", "shell"]);
}
