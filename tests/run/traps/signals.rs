//! Signals: those that fateshare gets, those that it sends, and to whom.

use std::path::Path;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::{beside, code};
use crate::support::running::send;
use crate::support::{Argv, Group, Mode, Running, cannot_run, in_both_modes, proc};

in_both_modes![
    handler_before_data,
    setpgid_only_in_the_child,
    start_phase_deaf_to_term,
    term_to_a_stopped_process_waits,
    leaked_mask_or_sig_ign,
    leader_gone_is_not_group_gone,
    pdeathsig_is_per_thread,
];

const SLEEP: crate::support::group::Program<'static> = Argv(&["/bin/sleep", "60"]);

/// Inits that trusted in defaults slept through SIGTERM as PID 1, and could not even end themselves
/// by it. What stops us is caught, what comes from inside to kill or stop PID 1 is the kernel's to
/// ignore, and the end is an exit code, never a signal.
#[test]
fn pid_1_has_no_default_actions() {
    if !Mode::Pid1.can_run() {
        return;
    }
    for (signal, code) in [("TERM", 143), ("INT", 130), ("QUIT", 131)] {
        let script =
            format!("ulimit -c 0; kill -KILL 1; kill -STOP 1; kill -{signal} 1; exec sleep 60");
        let ended =
            Group::new(Mode::Pid1).main("web", Argv(&["/bin/sh", "-c", &script])).start().end();
        assert_eq!(ended.signal, None, "{ended}");
        ended.code(code).verdict(&[&format!("SIG{signal} from pid "), "; stopping web"]);
    }
}

/// multirun's handler walks over a table that is still being filled, so that an early SIGTERM goes
/// to whatever numbers stand in it. Whenever it comes here, who runs is told, and nobody else.
fn handler_before_data(mode: Mode) {
    for started in [0, 0, 1, 3, 6, 9] {
        let mut group = Group::new(mode).main("web", "wait").env("FATESHARE_LOG", "debug");
        for number in 0..9 {
            group = group.sidecar(&format!("sidecar-{number}"), "wait");
        }
        let mut group = group.after_words("block=WINCH,URG,CONT,TERM").start();
        let fateshare = group.fateshare();
        group.until("so many have started", |group| {
            (group.log().matches(": started ").count() >= started).then_some(())
        });
        for signal in [Signal::SIGWINCH, Signal::SIGURG, Signal::SIGCONT, Signal::SIGTERM] {
            send(fateshare, signal as i32);
        }
        let ended = group.end();
        ended.code(143).verdict(&["SIGTERM from ", "; "]).silent_about("could not send");
        ended.says(&["nobody had to be killed", "exit 143"]);
    }
}

/// multirun's children make themselves group leaders some time after they were started: a signal
/// to the group before that finds nobody, and is swallowed. Here the group is there when the
/// program is.
fn setpgid_only_in_the_child(mode: Mode) {
    let mut group = Group::new(mode).main("web", SLEEP).key("stop_to: group");
    for number in 0..6 {
        group = group.sidecar(&format!("sidecar-{number}"), SLEEP).key("stop_to: group");
    }
    // The last one to be started brings the signal with it.
    let script = "kill -TERM $PPID; exec sleep 60";
    let ended = group
        .sidecar("last", Argv(&["/bin/sh", "-c", script]))
        .key("stop_to: group")
        .env("FATESHARE_LOG", "debug")
        .start()
        .end();
    ended.code(143).verdict(&["SIGTERM from ", "; stopping web"]).silent_about("could not send");
    ended.says(&["sent SIGTERM to the process group of last"]).says(&["nobody had to be killed"]);
}

/// circus and Phusion's `my_init` did not hear SIGTERM while they were starting, and s6-overlay was
/// left half up by SIGINT. A stop request wins over the start of whoever is still to come.
fn start_phase_deaf_to_term(mode: Mode) {
    for (signal, code) in [("TERM", 143), ("INT", 130), ("QUIT", 131)] {
        let script = format!("ulimit -c 0; kill -{signal} $PPID; exec sleep 60");
        let mut group = Group::new(mode).main("web", Argv(&["/bin/sh", "-c", &script]));
        for number in 0..24 {
            group = group.sidecar(&format!("sidecar-{number}"), SLEEP).key("stop_signal: TERM");
        }
        let ended = group.start().end();
        ended.code(code).verdict(&[&format!("SIG{signal} from pid "), "; stopping web"]);
        ended.says(&["nobody had to be killed"]);
    }
}

/// A stopped process does not see SIGTERM before it goes on, so that most supervisors wait for the
/// deadline and kill it. Here it is continued: a leader alone, and a group of which all are stopped.
fn term_to_a_stopped_process_waits(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "wait")
        .sidecar("asleep", "stop wait")
        .sidecar("catcher", "exit-on=TERM:0 stop wait")
        .sidecar("leader", "child [ worker exit-on=TERM:0 stop wait ] exit-on=TERM:0 stop wait")
        .key("stop_to: group")
        .top("grace_period: 30s")
        .start();
    group.wait_started(&["web"]);
    for name in ["asleep", "catcher", "leader", "worker"] {
        let pid = group.pid(name);
        group.wait_state(pid, 'T');
    }
    group.signal_member("web", Signal::SIGKILL);
    let ended = group.end();
    ended.code(137).silent_about("did not stop").says(&["nobody had to be killed"]);
    for name in ["catcher", "leader", "worker"] {
        ended.logged(&format!("{name}: got SIGTERM"), 1).logged(&format!("{name}: ends 0"), 1);
    }
}

/// A mask and ignored signals live through `execve`: tini has to restore them, and whether a
/// library does is a surprise. A member has a clean slate, whatever our parent left us, down to the
/// two signals that the C library keeps to itself.
fn leaked_mask_or_sig_ign(mode: Mode) {
    let all = "HUP,INT,QUIT,USR1,USR2,PIPE,ALRM,TERM,CHLD,CONT,TSTP,TTIN,TTOU,URG,XCPU,XFSZ,\
               VTALRM,PROF,WINCH,IO,SYS";
    let ignore = format!("trap '' {}; exec \"$@\"", all.replace(',', " "));
    // `grep` changes nothing about signals, unlike a program in Rust.
    let show = Argv(&["/bin/grep", "-E", "^(Sig(Blk|Ign|Pnd)|ShdPnd):", "/proc/self/status"]);
    let mut group = Group::new(mode)
        .after_script(&ignore)
        .after_words(&format!("block={all}"))
        .main("web", "until=go exit=0")
        .sidecar("shown", show)
        .key("may_finish: true")
        .start();
    group.until("it is shown", |group| (group.stdout().lines().count() >= 4).then_some(()));
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = group.end();
    ended.code(0);
    for line in ended.stdout.lines() {
        assert!(line.ends_with(":\t0000000000000000"), "{line}\n{ended}");
    }
}

/// As an ordinary process on a host, or in a pod whose containers share their processes, SIGKILL to
/// "everything" hits strangers: it did in Dobby. Here it is for PID 1 alone; elsewhere only our
/// own descendants are killed.
#[test]
fn kill_minus_one() {
    if !Mode::Pid1.can_run() {
        return;
    }
    // In a namespace of its own, so that a mistake would not hit this machine.
    let script = "$FIXTURE $LOG stranger take=all wait & \"$@\"; code=$?; \
                  kill -0 $! && echo 'the stranger lives' >> $LOG; exit $code";
    let mut group = beside(script)
        .main("web", "exit-on=TERM:0 wait")
        .sidecar("stubborn", "child [ below take=all wait ] take=all wait")
        .top("grace_period: 200ms")
        .start();
    group.wait_started(&["stranger", "web", "stubborn", "below"]);
    group.signal_member("web", Signal::SIGKILL);
    let ended = group.end();
    ended.code(137).says(&["stubborn", "did not stop within 200ms: SIGKILL"]);
    ended.logged("the stranger lives", 1);
    assert!(!ended.log.contains("stranger: got "), "{ended}");
}

/// As PID 1 the same call reaches its own namespace, and nobody outside.
#[test]
fn kill_minus_one_as_pid_1() {
    if !Mode::Pid1.can_run() {
        return;
    }
    let mut outside = Group::new(Mode::Ordinary).main("stranger", "take=all wait").start();
    let stranger = outside.pid("stranger");
    let daemon = "run [ middle session child [ daemon take=all wait ] exit=0 ]";
    let mut group = Group::new(Mode::Pid1)
        .main("web", &*format!("{daemon} take=all wait"))
        .top("grace_period: 200ms")
        .start();
    group.wait_started(&["web", "daemon"]);
    group.signal(Signal::SIGTERM);
    group.end().code(137).says(&["web", "did not stop within 200ms: SIGKILL"]);
    assert!(proc::stat(stranger).is_some_and(|stat| stat.state != 'Z'), "the stranger lives");
    assert!(!outside.log().contains("stranger: got "), "{}", outside.log());
    drop(outside);
}

/// pebble, process-wrap and pid1-rs keep the number of a process that they have reaped, and may
/// signal whoever has it then. A number that was a member's is nobody's after the reap.
#[test]
fn pid_reuse() {
    if !Mode::Pid1.can_run() {
        return;
    }
    if !Path::new("/proc/sys/kernel/ns_last_pid").exists() {
        cannot_run("the kernel was built without CONFIG_CHECKPOINT_RESTORE");
        return;
    }
    for group in [Group::new(Mode::Pid1), beside("\"$@\"; exit $?")] {
        // The stranger is the child of a living leader, which passes SIGTERM on: it is left to it.
        let mut group = group
            .main("web", "wait")
            .sidecar("migration", "until=finish exit=0")
            .key("may_finish: true")
            .key("stop_signal: USR1")
            .sidecar(
                "proxy",
                "until=go again=migration \
                 forward=TERM [ stranger take=USR1,CONT exit-on=TERM:0 wait ]",
            )
            .top("grace_period: 30s")
            .start();
        group.wait_started(&["web", "migration", "proxy"]);
        let number = group.inner_pid("migration");
        let migration = group.pid("migration");
        std::fs::write(group.dir().join("finish"), "").expect("the trigger");
        group.until("it is reaped", |_| proc::stat(migration).is_none().then_some(()));
        std::fs::write(group.dir().join("go"), "").expect("the trigger");
        assert_eq!(group.inner_pid("stranger"), number, "the number came again");
        group.signal_member("web", Signal::SIGKILL);
        let ended = group.end();
        ended.code(137).says(&["nobody had to be killed"]);
        ended.logged("stranger: got SIGTERM", 1).logged("stranger: ends 0", 1);
        ended.logged("stranger: got SIGUSR1", 0).logged("stranger: got SIGCONT", 0);
    }
}

/// process-compose took a group for gone with its leader. What a leader leaves in its group is
/// asked to stop, gets its time, and is killed at the deadline if it stays.
fn leader_gone_is_not_group_gone(mode: Mode) {
    let mut group = Group::new(mode)
        .main(
            "web",
            "child [ quick exit-on=TERM:0:200 wait ] child [ stays take=TERM wait ] until=go exit=3",
        )
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .top("grace_period: 3s")
        .start();
    group.wait_started(&["web", "quick", "stays", "config-server"]);
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = group.end();
    ended.code(3).verdict(&["web (pid ", ") exited with 3"]);
    ended.logged("quick: got SIGTERM", 1).logged("quick: ends 0", 1);
    ended.logged("stays: got SIGTERM", 1).says(&["left by web did not stop within 3s: SIGKILL"]);
}

/// The signal for the parent's death comes when the *thread* ends that started the child: in
/// `OpenDeck` a worker of tokio. Our first thread starts them all, and the others none.
fn pdeathsig_is_per_thread(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "exit-on=TERM:0 wait")
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .start();
    let members = [group.pid("web"), group.pid("config-server")];
    let fateshare = group.fateshare();
    let children = |thread: &str| {
        let list = format!("/proc/{fateshare}/task/{thread}/children");
        let list = std::fs::read_to_string(list).expect("the children of a thread");
        let mut list: Vec<i32> =
            list.split_whitespace().map(|pid| pid.parse().expect("a PID")).collect();
        list.sort_unstable();
        list
    };
    let threads: Vec<String> = std::fs::read_dir(format!("/proc/{fateshare}/task"))
        .expect("its threads")
        .map(|entry| entry.expect("a thread").file_name().to_string_lossy().into_owned())
        .collect();
    assert!(threads.len() > 1, "there is another thread");
    for thread in threads {
        let expected = if thread == fateshare.to_string() { &members[..] } else { &[] };
        assert_eq!(children(&thread), expected, "of thread {thread}");
    }
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}

/// Nothing tells a child of a parent that died before it asked to be told: bubblewrap looks again,
/// and so do we, whenever SIGKILL comes during the start.
#[test]
fn pdeathsig_of_a_parent_that_is_dead_already() {
    for started in [0, 1, 2, 5, 9, 14] {
        let mut group = Group::new(Mode::Ordinary).main("web", "wait");
        for number in 0..16 {
            group = group.sidecar(&format!("sidecar-{number}"), "wait");
        }
        let mut group: Running = group.start();
        let fateshare = group.fateshare();
        group.until("so many have started", |group| {
            (group.log().matches(": started ").count() >= started).then_some(())
        });
        send(fateshare, Signal::SIGKILL as i32);
        assert_eq!(group.end_killed().signal, Some(9));
    }
}

/// A child of `vfork` shares its parent's memory: a handler that runs in it before `execve` writes
/// to what is not its own. Signals that come to our whole process group while members are started
/// are answered once we go on, and the members know nothing of them.
#[test]
fn no_handler_runs_in_the_vfork_window() {
    // What a handler would do there can hardly be seen from outside; this can.
    let spawn: Vec<String> = code()
        .into_iter()
        .filter(|(path, _, _)| path.ends_with("src/sys/spawn.rs"))
        .map(|(_, _, line)| line)
        .collect();
    let at = |word: &str| spawn.iter().position(|line| line.contains(word)).expect(word);
    assert!(at("signals::block_all()") < at("self.make("));
    assert!(at("self.make(") < at("signals::unblock_all()"));
    let show = Argv(&["/bin/grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status"]);
    let mut group = Group::new(Mode::Ordinary)
        .after_words("session")
        .main("web", "count=WINCH,URG,CONT exit-on=TERM:0 until=go counts=3 until=end exit=3");
    for number in 0..64 {
        group = group.sidecar(&format!("sidecar-{number}"), show).key("may_finish: true");
    }
    let mut group = group.start();
    let fateshare = Pid::from_raw(group.fateshare());
    group.until("its signals are caught", |_| {
        let status = std::fs::read_to_string(format!("/proc/{fateshare}/status")).ok()?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t"))?;
        let caught = u64::from_str_radix(caught, 16).ok()?;
        (caught & (1 << (Signal::SIGWINCH as i32 - 1)) != 0).then_some(())
    });
    // Each of them does nothing by default, so that main cannot die of one before it is ready.
    loop {
        let all_started = group.stdout().lines().count() == 64 * 2;
        let done = all_started && group.log().contains("web: started");
        for _ in 0..50 {
            for signal in [Signal::SIGWINCH, Signal::SIGURG, Signal::SIGCONT] {
                killpg(fateshare, signal).expect("fateshare is there");
            }
        }
        if done {
            break;
        }
    }
    std::fs::write(group.dir().join("go"), "").expect("the trigger");
    for kind in [Signal::SIGWINCH, Signal::SIGURG, Signal::SIGCONT] {
        group.until(&format!("{kind} is counted"), |group| {
            group.log().contains(&format!("web: counted {kind} ")).then_some(())
        });
    }
    std::fs::write(group.dir().join("end"), "").expect("the trigger");
    let ended = group.end();
    ended.code(3).verdict(&["web (pid ", ") exited with 3"]);
    for line in ended.stdout.lines() {
        assert!(line.ends_with(":\t0000000000000000"), "{line}\n{ended}");
    }
}

/// The same for what a member leaves: a daemon that leads a session of a number that was once a
/// finished sidecar's is not that sidecar's, and does not get its stop signal.
#[test]
fn pid_reuse_by_a_daemon() {
    if !Mode::Pid1.can_run() {
        return;
    }
    for group in [Group::new(Mode::Pid1), beside("\"$@\"; exit $?")] {
        let mut group = group
            .main(
                "web",
                "until=go run [ middle again=migration \
                 child [ daemon session take=USR1 exit-on=TERM:0 wait ] exit=0 ] wait",
            )
            .sidecar("migration", "until=finish exit=0")
            .key("may_finish: true")
            .key("stop_signal: USR1")
            .top("grace_period: 3s")
            .start();
        group.wait_started(&["web", "migration"]);
        let number = group.inner_pid("migration");
        let migration = group.pid("migration");
        std::fs::write(group.dir().join("finish"), "").expect("the trigger");
        group.until("it is reaped", |_| proc::stat(migration).is_none().then_some(()));
        std::fs::write(group.dir().join("go"), "").expect("the trigger");
        assert_eq!(group.inner_pid("daemon"), number, "the number came again");
        group.signal_member("web", Signal::SIGKILL);
        let ended = group.end();
        ended.code(137).logged("daemon: got SIGUSR1", 0).logged("daemon: got SIGTERM", 1);
        ended.says(&["nobody had to be killed"]);
    }
}
