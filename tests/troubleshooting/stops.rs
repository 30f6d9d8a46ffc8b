//! Stops that take their time, or end with a code that nobody expects.

use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::support::host::can_change_users;
use crate::support::running::send;
use crate::support::{Argv, Group, LIMIT, Running, Shell, poll, proc};
use crate::{Section, group, program, stopped_after, wait_for};

pub(crate) const TOO_SLOW: &str = "web did not stop within 9s: SIGKILL";

#[test]
fn a_program_that_ignores_the_signal() {
    let section = Section::because(TOO_SLOW, "It ignores the signal, or needs another one");
    let (Some(broken), Some(fixed)) = (group(), group()) else { return };
    let program = "take=TERM exit-on=QUIT:0 wait";
    let broken = broken.main("web", program).top("grace_period: 300ms");
    section.said(&stopped_after_start(broken.start()), 137);
    let fixed = fixed.main("web", program).key(section.fix("stop_signal: SIGQUIT"));
    section.gone(&stopped_after_start(fixed.start()), 0);
}

fn stopped_after_start(mut running: Running) -> crate::support::Ended {
    running.wait_started(&["web"]);
    running.signal(Signal::SIGTERM);
    running.end()
}

/// The name of the program that a process executes.
fn comm(pid: i32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
    name.unwrap_or_default().trim_end().to_owned()
}

/// A signal that comes before the shell has started `sleep` is the shell's alone.
fn stopped_while_it_sleeps(group: Group) -> crate::support::Ended {
    let mut running = group.start();
    let fateshare = running.fateshare();
    running.until("it sleeps", |_| {
        let members = proc::children(fateshare).into_iter().map(|(pid, _)| pid);
        let all =
            members.flat_map(|it| proc::children(it).into_iter().map(|(pid, _)| pid).chain([it]));
        all.into_iter().any(|pid| comm(pid) == "sleep").then_some(())
    });
    running.signal(Signal::SIGTERM);
    running.end()
}

#[test]
fn a_shell_that_keeps_the_signal() {
    let section = Section::because(TOO_SLOW, "A shell keeps the signal");
    let script = "trap 'echo stopping' TERM; sleep 1000";
    let Some(broken) = group() else { return };
    let broken = broken.main("web", Argv(&["/bin/sh", "-c", script]));
    section.said(&stopped_while_it_sleeps(broken.top("grace_period: 300ms")), 137);
    for fix in ["exec", "stop_to: group"] {
        let Some(fixed) = group() else { return };
        let changed = script.replace("; sleep", "; exec sleep");
        let script = if section.fix(fix) == "exec" { &changed } else { script };
        let fixed = fixed.main("web", Argv(&["/bin/sh", "-c", script]));
        let fixed = if fix == "exec" { fixed } else { fixed.key(fix) };
        section.gone(&stopped_while_it_sleeps(fixed), 143);
    }
}

/// What was left was told, and ended with 0, which nobody sees.
#[test]
fn a_shell_that_leaves_its_program() {
    let section = Section::new("sent SIGTERM to sleep (pid 9), left by web");
    let script = "echo ready; sleep 1000; echo done";
    if program("dash", "dash").is_none() {
        return;
    }
    let (Some(broken), Some(fixed)) = (group(), group()) else { return };
    let broken = broken.main("web", Argv(&["/bin/dash", "-c", script]));
    section.said(&stopped_while_it_sleeps(broken), 143);
    section.fix("exec");
    let fixed = fixed.main("web", Argv(&["/bin/dash", "-c", "echo ready; exec sleep 1000"]));
    section.gone(&stopped_after(fixed, "ready"), 143);
}

/// The page's table of shells.
#[test]
fn who_is_there_under_dash_and_bash() {
    let section = Section::new("sent SIGTERM to sleep (pid 9), left by web");
    for shell in ["dash", "bash"] {
        let Some(path) = program(shell, shell) else { return };
        for script in
            ["sleep 1000", "cd /; sleep 1000", "cd /; exec sleep 1000", "sleep 1000; exit $?"]
        {
            let mut child = Command::new(&path)
                .args(["-c", script])
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("the shell");
            let pid = child.id().cast_signed();
            let name = |pid: i32| {
                let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                name.trim().to_owned()
            };
            // Either it became sleep, or it has a child that did.
            let settled = || {
                let below = proc::children(pid);
                let found = below.iter().find(|(child, _)| name(*child) == "sleep");
                (name(pid) == "sleep").then_some(None).or(found.map(|(child, _)| Some(*child)))
            };
            let below = poll(LIMIT, settled).expect("sleep runs");
            let is_there = if below.is_some() { "the shell, and sleep below" } else { "sleep" };
            for pid in [below, Some(pid)].into_iter().flatten() {
                send(pid, Signal::SIGKILL as i32);
            }
            child.wait().expect("its status");
            let row =
                section.text.lines().find(|line| line.starts_with(&format!("| `{script}` |")));
            let row = row.unwrap_or_else(|| panic!("no row for `{script}`"));
            let cell = row.split('|').nth(if shell == "dash" { 2 } else { 3 }).expect("a cell");
            assert_eq!(cell.trim(), is_there, "{shell} -c '{script}'");
        }
    }
}

#[test]
fn a_code_that_says_sigterm() {
    let section = Section::new("ended in 0.5ms, nobody had to be killed; exit 143");
    let (Some(broken), Some(fixed)) = (group(), group()) else { return };
    let command = Shell("echo ready; exec sleep 1000");
    section.said(&stopped_after(broken.main("web", command), "ready"), 143);
    let fixed = fixed.main("web", command).top(section.fix("exit_codes: {stopped: 0}"));
    section.gone(&stopped_after(fixed, "ready"), 0);
}

/// A tracer is told of a process's end before its parent is.
#[test]
fn a_member_that_is_traced() {
    let section = Section::new("could not kill config-server: left to the kernel");
    let Some(strace) = program("strace", "strace") else { return };
    let Some(broken) = group() else { return };
    let broken = broken.main("web", "exit-on=TERM:0 wait").top("grace_period: 5s");
    let mut running = broken.sidecar("config-server", "exit-on=TERM:0 wait").start();
    running.wait_started(&["web", "config-server"]);
    let tracer = Tracer::attach(&strace, running.pid("config-server"));
    // Somebody looks at something else: it is stopped, as a debugger at its prompt is.
    send(tracer.pid(), Signal::SIGSTOP as i32);
    running.signal(Signal::SIGTERM);
    wait_for(&mut running, "left to the kernel");
    drop(tracer);
    section.said(&running.end(), 0);

    // Its end is not noticed, until the tracer is gone.
    let Some(fixed) = group() else { return };
    let fixed = fixed.main("web", "exit-on=TERM:0 wait");
    let mut running = fixed.sidecar("config-server", "exit-on=TERM:0 wait").start();
    running.wait_started(&["web", "config-server"]);
    let held = running.pid("config-server");
    let tracer = Tracer::attach(&strace, held);
    send(tracer.pid(), Signal::SIGSTOP as i32);
    running.signal_member("config-server", Signal::SIGKILL);
    running.until("it is dead", |_| {
        proc::stat(held).filter(|stat| matches!(stat.state, 't' | 'Z')).map(drop)
    });
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(!running.stderr().contains("config-server (pid "), "{}", running.stderr());
    let status = std::fs::read_to_string(format!("/proc/{held}/status")).expect("it is there");
    let who = format!("{}:\t{}", section.fix("TracerPid"), tracer.pid());
    assert!(status.contains(&who), "{status}");
    drop(tracer);
    let ended = running.end();
    section.gone(&ended, 137);
    ended.verdict(&[
        "config-server (pid ",
        ") was killed by SIGKILL, not by fateshare; stopping web",
    ]);
}

/// A running strace, which lets go when this is dropped.
struct Tracer(std::process::Child);

impl Tracer {
    #[track_caller]
    fn attach(strace: &std::path::Path, pid: i32) -> Self {
        let mut command = Command::new(strace);
        command.args(["-qq", "-o", "/dev/null", "-p", &pid.to_string()]);
        let child = command.stdin(Stdio::null()).spawn().expect("strace");
        let tracer = Self(child);
        let line = format!("TracerPid:\t{}\n", tracer.pid());
        let attached = || {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            status.contains(&line).then_some(())
        };
        assert!(poll(LIMIT, attached).is_some(), "strace may not trace {pid}");
        tracer
    }

    fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn who_may_not_be_signalled() {
    let section = Section::new("web may not be signalled: not waiting for it");
    if !can_change_users() {
        return;
    }
    let (Some(broken), Some(fixed)) = (group(), group()) else { return };
    let broken = broken
        .for_all_users()
        .run_by_nobody("--inh-caps +setuid,+setgid --ambient-caps +setuid,+setgid")
        .main("web", "become-root take=TERM wait");
    let mut running = broken.start();
    running.wait_started(&["web"]);
    running.signal(Signal::SIGTERM);
    section.said(&running.end_leaving(&["web"]), 137);
    let fixed = fixed.for_all_users().main("web", "exit-on=TERM:0 wait");
    let fixed = fixed.key(section.fix("user: \"1000:1000\""));
    section.gone(&stopped_after_start(fixed.start()), 0);
}

#[test]
fn a_signal_that_a_shell_would_die_of() {
    let section =
        Section::new("SIGHUP was not forwarded: web runs under a shell, which would die of it");
    let (Some(broken), Some(fixed)) = (group(), group()) else { return };
    let mut running = broken.main("web", Shell("cd /; echo ready; sleep 1000; true")).start();
    wait_for(&mut running, "ready");
    running.signal(Signal::SIGHUP);
    wait_for(&mut running, "was not forwarded");
    running.signal(Signal::SIGTERM);
    section.said(&running.end(), 143);
    let command = format!("{} $FIXTURE $LOG web take=HUP exit-on=TERM:0 wait", section.fix("exec"));
    let mut running = fixed.main("web", Shell(&command)).start();
    running.wait_started(&["web"]);
    running.signal(Signal::SIGHUP);
    running.wait_for("web: got SIGHUP");
    running.signal(Signal::SIGTERM);
    section.gone(&running.end(), 0);
}
