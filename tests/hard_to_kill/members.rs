//! What each fault is for a member, its child, and a straggler. Who dies of it, and whose life is not the group's,
//! is a straggler: then the group lives on, as it does when nobody dies, until it is asked to stop.

use nix::sys::signal::Signal;

use crate::cell::{Cell, strike};
use crate::limits;
use crate::support::heavy;
use crate::table::{Story, Who};

pub(crate) const SIGKILLED: Story = Story {
    means: "somebody sends it SIGKILL",
    arrange: |_| {},
    act: |cell| sent(cell, Signal::SIGKILL),
};

pub(crate) const SIGTERMED: Story = Story {
    means: "somebody sends it SIGTERM, and it dies of that",
    arrange: |scene| scene.victim_does("wait"),
    act: |cell| sent(cell, Signal::SIGTERM),
};

pub(crate) const STOPPED: Story = Story {
    means: "somebody sends it SIGSTOP; it is continued when it is told to stop",
    arrange: |_| {},
    act: |cell| {
        cell.runs();
        let pid = cell.pid(cell.victim());
        strike(pid, Signal::SIGSTOP);
        cell.group.wait_state(pid, 'T');
        cell.stop();
    },
};

pub(crate) const CRASHES: Story = Story {
    means: "it dies of SIGSEGV",
    arrange: |scene| scene.victim_does("until=go raise=SEGV"),
    act: dies,
};

pub(crate) const EATS: Story = Story {
    means: "it uses up the memory, and the kernel kills it",
    arrange: |scene| {
        scene.limits.memory = Some(64);
        scene.victim_does("until=go eat");
    },
    act: dies,
};

pub(crate) const EXITS_0: Story = Story {
    means: "it exits with 0",
    arrange: |scene| scene.victim_does("until=go exit=0"),
    act: dies,
};

pub(crate) const EXITS_3: Story = Story {
    means: "it exits with 3",
    arrange: |scene| scene.victim_does("until=go exit=3"),
    act: dies,
};

pub(crate) const CLOSES_STDOUT: Story = Story {
    means: "it closes its standard output, which is relayed",
    arrange: |scene| {
        scene.stdout_is_a_pipe();
        scene.victim_does("STOPS until=go close wait");
    },
    act: |cell| lives_on(cell, "closed"),
};

pub(crate) const FILLS_STDOUT: Story = Story {
    means: "it writes without end, its output is relayed, and nobody reads that",
    arrange: |scene| {
        scene.stdout_is_a_pipe();
        scene.victim_does("until=go fill");
    },
    act: |cell| {
        cell.runs();
        cell.not_told.push(cell.victim());
        cell.go();
        let pipe = cell.pipe.take().expect("it has one");
        cell.group.until("the pipe is full", |_| pipe.is_full().then_some(()));
        cell.pipe = Some(pipe);
        cell.stop();
    },
};

pub(crate) const FORKS: Story = Story {
    means: "it copies itself without end, up to the limit of processes, and does not stop when told",
    arrange: |scene| {
        scene.limits.processes = Some(48);
        scene.grace = "1s";
        scene.victim_does("take=TERM until=go bomb");
    },
    act: |cell| {
        cell.runs();
        cell.crowd = Some(heavy());
        cell.not_told.push(cell.victim());
        let group = limits::of(cell.fateshare(), "pids");
        cell.go();
        cell.group.until("the limit is reached", |_| limits::is_full(&group).then_some(()));
        cell.stop();
    },
};

pub(crate) const LEAKS: Story = Story {
    means: "it opens descriptors until it may open no more",
    arrange: |scene| {
        scene.inherits.push("ulimit -Sn 64 && exec \"$@\"");
        scene.victim_does("STOPS until=go leak=1000000 wait");
    },
    act: |cell| lives_on(cell, "leaked "),
};

/// A signal that is the end of it.
fn sent(cell: &mut Cell<'_>, signal: Signal) {
    cell.runs();
    cell.not_told.push(cell.victim());
    let pid = cell.pid(cell.victim());
    strike(pid, signal);
    and_the_group(cell, pid);
}

/// It ends by itself.
fn dies(cell: &mut Cell<'_>) {
    cell.runs();
    cell.not_told.push(cell.victim());
    let pid = cell.pid(cell.victim());
    cell.go();
    and_the_group(cell, pid);
}

/// With a straggler the group does not end.
fn and_the_group(cell: &mut Cell<'_>, pid: i32) {
    if cell.who == Who::Straggler {
        cell.wait_reaped(pid);
        cell.stop();
    }
}

/// It has done something, which it says, and lives on.
fn lives_on(cell: &mut Cell<'_>, says: &str) {
    cell.runs();
    cell.go();
    let line = format!("{}: {says}", cell.victim());
    let done = |log: &str| log.lines().any(|it| it.starts_with(&line));
    cell.group.until(&line, |group| done(&group.log()).then_some(()));
    cell.stop();
}
