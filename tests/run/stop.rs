//! A stop request stops all members, and main's own end is the exit code.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{Argv, Group, Mode, in_both_modes};

in_both_modes![
    each_stop_signal_reaches_every_member,
    main_that_dies_by_the_stop_signal_is_128_plus_it,
    mains_own_code_counts_not_the_sidecars,
    main_success_does_not_apply_to_a_stop,
    stopped_replaces_0_and_the_stop_signal,
    stopped_never_hides_a_forced_kill,
    a_members_own_stop_signal_is_used,
    a_crash_stops_with_sigterm_whatever_was_requested_before,
    the_signal_during_start_is_not_lost,
    a_stop_that_was_there_before_starts_nothing,
    a_stop_ends_the_wait_for_a_spec,
    a_stop_ends_the_wait_for_a_spec_that_was_looked_up,
    a_stop_ends_the_wait_for_a_reader_of_help,
    a_stop_while_many_start,
    a_second_sigterm_changes_nothing,
    a_later_sigint_ends_the_grace,
    a_later_sigint_is_heard_while_many_are_still_to_end,
    a_sigint_right_after_the_first_changes_nothing,
    a_signal_that_is_no_stop_request_goes_to_main,
    any_signal_can_be_a_stop_request,
];

fn each_stop_signal_reaches_every_member(mode: Mode) {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let words = format!("exit-on={}:0 wait", &signal.as_str()[3..]);
        let mut group = Group::new(mode)
            .main("web", &*words)
            .sidecar("config-server", &*words)
            .sidecar("log-shipper", &*words)
            .start();
        group.wait_started(&["web", "config-server", "log-shipper"]);
        group.signal(signal);
        let ended = group.end();
        let from = format!("{signal} from ");
        ended.code(0).verdict(&[&from, "stopping web, config-server, log-shipper"]);
        for name in ["web", "config-server", "log-shipper"] {
            ended.logged(&format!("{name}: got {signal}"), 1);
        }
        if mode == Mode::Pid1 {
            ended.verdict(&["from outside this container"]);
        }
        ended.says(&["nobody had to be killed", "exit 0"]);
    }
}

fn main_that_dies_by_the_stop_signal_is_128_plus_it(mode: Mode) {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGQUIT, 131)] {
        let mut group = Group::new(mode)
            .main("web", Argv(&["/bin/sh", "-c", "ulimit -c 0; $FIXTURE $LOG web; exec sleep 60"]))
            .sidecar("config-server", "exit-on=TERM:0 exit-on=INT:0 exit-on=QUIT:0 wait")
            .start();
        group.wait_started(&["web", "config-server"]);
        // The fixture's run is over before its shell has become `sleep`; both die of any signal.
        group.signal(signal);
        group.end().code(code);
    }
}

fn mains_own_code_counts_not_the_sidecars(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "exit-on=TERM:4:50 wait")
        .sidecar("config-server", "exit-on=TERM:9 wait")
        .start();
    group.wait_started(&["web", "config-server"]);
    group.signal(Signal::SIGTERM);
    group.end().code(4).verdict(&["SIGTERM from "]);
}

fn main_success_does_not_apply_to_a_stop(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "exit-on=TERM:0 wait")
        .top("exit_codes: {main_success: 70}")
        .start();
    group.wait_started(&["web"]);
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}

fn stopped_replaces_0_and_the_stop_signal(mode: Mode) {
    for (main, code) in [("exit-on=TERM:0 wait", 21), ("wait", 21), ("exit-on=TERM:4 wait", 4)] {
        let mut group = Group::new(mode).main("web", main).top("exit_codes: {stopped: 21}").start();
        group.wait_started(&["web"]);
        group.signal(Signal::SIGTERM);
        group.end().code(code);
    }
}

fn stopped_never_hides_a_forced_kill(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "take=TERM wait")
        .top("exit_codes: {stopped: 0}")
        .top("grace_period: 300ms")
        .start();
    group.wait_started(&["web"]);
    group.signal(Signal::SIGTERM);
    group.end().code(137).says(&["web did not stop within 300ms: SIGKILL"]);
}

fn a_members_own_stop_signal_is_used(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "take=TERM exit-on=QUIT:0 wait")
        .key("stop_signal: SIGQUIT")
        .sidecar("config-server", "take=TERM exit-on=USR1:0 wait")
        .key("stop_signal: USR1")
        .sidecar("log-shipper", "exit-on=TERM:0 wait")
        .start();
    group.wait_started(&["web", "config-server", "log-shipper"]);
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(0).silent_about("did not stop");
    ended.logged("web: got SIGQUIT", 1).logged("web: got SIGTERM", 0);
    ended.logged("config-server: got SIGUSR1", 1).logged("config-server: got SIGTERM", 0);
    ended.logged("log-shipper: got SIGTERM", 1);
}

fn a_crash_stops_with_sigterm_whatever_was_requested_before(mode: Mode) {
    // HUP is forwarded and is not the signal of a stop request.
    let mut group = Group::new(mode)
        .main("web", "take=HUP exit-on=TERM:0 wait")
        .sidecar("config-server", "wait")
        .start();
    group.wait_started(&["web", "config-server"]);
    group.signal(Signal::SIGHUP);
    group.wait_for("web: got SIGHUP");
    group.signal_member("config-server", Signal::SIGKILL);
    group.end().code(137).logged("web: got SIGTERM", 1).logged("web: got SIGHUP", 1);
}

fn the_signal_during_start_is_not_lost(mode: Mode) {
    // It is pending before the first instruction of the program.
    let ended = Group::new(mode)
        .after_words("block=TERM send=TERM")
        .main("web", "wait")
        .sidecar("config-server", "wait")
        .start()
        .end();
    ended.code(143).verdict(&["SIGTERM from "]);
}

fn a_stop_that_was_there_before_starts_nothing(mode: Mode) {
    let group = Group::new(mode)
        .main("web", "exit-on=TERM:0 wait")
        .after_words("block=TERM send=TERM")
        .start();
    let ended = group.end();
    ended.code(143).verdict(&["SIGTERM from ", "web was not started"]);
    ended.logged("web: started", 0);
}

fn a_stop_ends_the_wait_for_a_spec(mode: Mode) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut group = Group::new(mode).bare(&["run", "-"]).stdin(reader).start();
    let fateshare = group.fateshare();
    group.until("it reads the spec", |_| {
        let call = std::fs::read_to_string(format!("/proc/{fateshare}/syscall")).ok()?;
        // It sleeps in `read` of descriptor 0.
        call.starts_with("0 0x0 ").then_some(())
    });
    group.signal(Signal::SIGTERM);
    group.end().code(143);
    drop(writer);
}

fn a_stop_while_many_start(mode: Mode) {
    let mut group = Group::new(mode).main("web", "wait");
    for number in 0..40 {
        group = group.sidecar(&format!("sidecar-{number}"), "wait");
    }
    let mut group = group.start();
    group.wait_started(&["web"]);
    group.signal(Signal::SIGTERM);
    group.end().code(143).verdict(&["SIGTERM from "]).silent_about("did not stop");
}

fn a_second_sigterm_changes_nothing(mode: Mode) {
    let mut group =
        Group::new(mode).main("web", "take=TERM until=go exit=0").top("grace_period: 30s").start();
    group.wait_started(&["web"]);
    group.signal(Signal::SIGTERM);
    group.wait_for("web: got SIGTERM");
    thread::sleep(Duration::from_millis(700));
    group.signal(Signal::SIGTERM);
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = group.end();
    ended.code(0).logged("web: got SIGTERM", 1).logged("web: ends 0", 1);
}

fn a_later_sigint_ends_the_grace(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "take=INT wait")
        .sidecar("config-server", "take=INT wait")
        .top("grace_period: 10m")
        .start();
    group.wait_started(&["web", "config-server"]);
    group.signal(Signal::SIGINT);
    group.wait_for("web: got SIGINT");
    group.wait_for("config-server: got SIGINT");
    // Not to wait for something: the time between the two signals is what is tested.
    thread::sleep(Duration::from_millis(600));
    group.signal(Signal::SIGINT);
    let ended = group.end();
    ended.code(137).verdict(&["SIGINT from "]);
    ended.logged("web: got SIGINT", 1).logged("config-server: got SIGINT", 1);
}

fn a_later_sigint_is_heard_while_many_are_still_to_end(mode: Mode) {
    // So many that their ends are left to come together, see `src/run/stop.rs`.
    let mut group = Group::new(mode).main("web", "take=INT wait").top("grace_period: 10m");
    for number in 0..20 {
        group = group.sidecar(&format!("sidecar-{number}"), "take=INT wait");
    }
    let mut group = group.sidecar("config-server", "exit-on=INT:0 wait").start();
    group.wait_started(&["web", "config-server", "sidecar-0", "sidecar-19"]);
    group.signal(Signal::SIGINT);
    for name in ["web", "sidecar-0", "sidecar-19"] {
        group.wait_for(&format!("{name}: got SIGINT"));
    }
    // Not to wait for something: the time between the two signals is what is tested.
    thread::sleep(Duration::from_millis(600));
    group.signal(Signal::SIGINT);
    let ended = group.end();
    ended.code(137).verdict(&["SIGINT from "]).logged("sidecar-19: got SIGINT", 1);
}

fn a_sigint_right_after_the_first_changes_nothing(mode: Mode) {
    const TRIES: u32 = 5;
    for _ in 0..TRIES {
        let group = Group::new(mode).main("web", "exit-on=INT:0:3000 wait");
        let mut group = group.top("grace_period: 30s").start();
        group.wait_started(&["web"]);
        let begun = Instant::now();
        for _ in 0..3 {
            group.signal(Signal::SIGINT);
        }
        let right_after = begun.elapsed() < Duration::from_millis(300);
        let ended = group.end();
        if right_after {
            ended.code(0).logged("web: got SIGINT", 1).logged("web: ends 0", 1);
            return;
        }
    }
    panic!("three signals took too long, {TRIES} times");
}

fn a_signal_that_is_no_stop_request_goes_to_main(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "exit-on=TERM:5 wait")
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .top("stop_on: [SIGINT]")
        .start();
    group.wait_started(&["web", "config-server"]);
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(5).verdict(&["web (pid ", ") exited with 5", "stopping config-server"]);
}

fn any_signal_can_be_a_stop_request(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "exit-on=WINCH:0 wait")
        .sidecar("config-server", "take=WINCH exit-on=TERM:0 wait")
        .key("stop_signal: TERM")
        .top("stop_on: [SIGTERM, SIGWINCH]")
        .start();
    group.wait_started(&["web", "config-server"]);
    group.signal(Signal::SIGWINCH);
    let ended = group.end();
    ended.code(0).verdict(&["SIGWINCH from "]).logged("web: got SIGWINCH", 1);
    ended.logged("config-server: got SIGWINCH", 0).logged("config-server: got SIGTERM", 1);
}

#[test]
fn the_sender_is_named() {
    let mut group = Group::new(Mode::Ordinary).main("web", "exit-on=TERM:0 wait").start();
    group.wait_started(&["web"]);
    group.signal(Signal::SIGTERM);
    let from = format!("SIGTERM from pid {} (", std::process::id());
    group.end().code(0).verdict(&[&from, "; stopping web"]);
}

fn a_stop_ends_the_wait_for_a_spec_that_was_looked_up(mode: Mode) {
    let group = Group::new(mode);
    let fifo = group.dir().join("fateshare.yml");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    let mut group = group.bare(&["run"]).start();
    let fateshare = group.fateshare();
    group.wait_state(fateshare, 'S');
    group.signal(Signal::SIGTERM);
    group.end().code(143);
}

fn a_stop_ends_the_wait_for_a_reader_of_help(mode: Mode) {
    for (arguments, code) in [(&["run", "--help"][..], 143), (&["run", "--no-such-option"], 143)] {
        let (reader, writer) = crate::output::full_pipe();
        let group = Group::new(mode).bare(arguments).stdout(writer.try_clone().expect("one more"));
        let mut group = group.stderr(writer).start();
        let fateshare = group.fateshare();
        group.wait_state(fateshare, 'S');
        group.signal(Signal::SIGTERM);
        group.end().code(code);
        drop(reader);
    }
}
