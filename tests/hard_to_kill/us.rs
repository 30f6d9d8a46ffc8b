//! What each fault is for `fateshare` itself.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::cell::{Cell, strike};
use crate::pipe::Pipe;
use crate::support::Running;
use crate::table::Story;

pub(crate) const SIGKILLED: Story = Story {
    means: "somebody sends us SIGKILL; with --pid1 the one around the group",
    arrange: |_| {},
    act: |cell| {
        cell.runs();
        let pid = cell.outermost();
        strike(pid, Signal::SIGKILL);
    },
};

pub(crate) const SIGTERM_FROM_A_MEMBER: Story = Story {
    means: "a member sends us SIGTERM, which is a stop request",
    arrange: |scene| {
        "exit-on=TERM:0 until=go send-parent=TERM wait".clone_into(&mut scene.config_server);
    },
    act: |cell| {
        cell.runs();
        cell.go();
    },
};

pub(crate) const STOPPED: Story = Story {
    means: "somebody sends us SIGSTOP, a member is killed meanwhile, and we are continued",
    arrange: |_| {},
    act: |cell| {
        cell.runs();
        cell.not_told.push("config-server");
        let (fateshare, config_server) = (cell.fateshare(), cell.pid("config-server"));
        strike(fateshare, Signal::SIGSTOP);
        cell.group.wait_state(fateshare, 'T');
        strike(config_server, Signal::SIGKILL);
        cell.group.wait_state(config_server, 'Z');
        strike(fateshare, Signal::SIGCONT);
    },
};

pub(crate) const CRASHES: Story = Story {
    means: "we jump to where nothing is: a real SIGSEGV; with --pid1 in the PID 1",
    arrange: |_| {},
    act: |cell| {
        cell.runs();
        let pid = Pid::from_raw(cell.fateshare());
        ptrace::attach(pid).expect("as root it can be traced");
        waitpid(pid, Some(WaitPidFlag::__WALL)).expect("it stops");
        let mut registers = ptrace::getregs(pid).expect("its registers");
        #[cfg(target_arch = "x86_64")]
        let next = &mut registers.rip;
        #[cfg(target_arch = "aarch64")]
        let next = &mut registers.pc;
        *next = 0;
        ptrace::setregs(pid, registers).expect("they are set");
        ptrace::detach(pid, None).expect("it goes on");
    },
};

pub(crate) const KILLED_FOR_MEMORY: Story = Story {
    means: "the memory is used up, and of all processes the kernel kills us; with --pid1 the PID 1",
    arrange: |scene| {
        scene.limits.memory = Some(64);
        "until=go eat".clone_into(&mut scene.web);
    },
    act: |cell| {
        cell.runs();
        let first = format!("/proc/{}/oom_score_adj", cell.fateshare());
        fs::write(first, "1000").expect("it is the first to be killed");
        cell.go();
    },
};

pub(crate) const ENDS_A_STOP_WITH_0: Story = Story {
    means: "a stop that went well is to be told with 0",
    arrange: |scene| {
        "wait".clone_into(&mut scene.web);
        scene.top.push("exit_codes: {stopped: 0}");
    },
    act: |cell| {
        cell.runs();
        cell.not_told.push("web");
        cell.stop();
    },
};

pub(crate) const CANNOT_START_ONE: Story = Story {
    means: "a sidecar cannot be executed: a failure of our own, with a code of our own",
    arrange: |scene| scene.broken = true,
    act: ends,
};

pub(crate) const HAS_NO_OUTPUT: Story = Story {
    means: "we have no standard output and no standard error from the start on",
    arrange: |scene| scene.inherits.push("exec \"$@\" >&- 2>&-"),
    act: |cell| {
        cell.unheard = true;
        cell.runs();
        cell.stop();
    },
};

pub(crate) const SAYS_TOO_MUCH: Story = Story {
    means: "we say all that we can, and nobody reads that",
    arrange: |scene| {
        scene.environment.push(("FATESHARE_LOG", "debug"));
        scene.inherits.push("exec \"$@\" 2>pipe");
        let pipe = Pipe::make(scene.group.dir().join("pipe"));
        pipe.fill();
        scene.pipe = Some(pipe);
    },
    act: |cell| {
        cell.unheard = true;
        cell.runs();
        cell.stop();
    },
};

pub(crate) const STARTS_TOO_MANY: Story = Story {
    means: "we have to start more members than there may be processes",
    arrange: |scene| {
        scene.children = false;
        scene.limits.processes = Some(24);
        scene.more = 40;
    },
    act: ends,
};

pub(crate) const MAY_OPEN_NOTHING: Story = Story {
    means: "we may not open any descriptor more, as if we had lost them all; then a sidecar is killed",
    arrange: |scene| scene.grace = "1s",
    act: |cell| {
        cell.runs();
        cell.not_told.push("config-server");
        // It can open none.
        cell.no_report = true;
        may_open_nothing(cell);
        let pid = cell.pid("config-server");
        strike(pid, Signal::SIGKILL);
    },
};

/// From now on we can open nothing.
pub(crate) fn may_open_nothing(cell: &mut Cell<'_>) {
    let pid = cell.fateshare();
    let user = fs::metadata(format!("/proc/{pid}")).expect("it runs");
    // A process of the same user may do that without any capability.
    let user = [format!("--reuid={}", user.uid()), format!("--regid={}", user.gid())];
    let set = Command::new("setpriv")
        .args(user)
        .args(["--clear-groups", "prlimit", &format!("--pid={pid}"), "--nofile=0:0"])
        .status();
    assert!(set.expect("setpriv can be run").success(), "the limit is set");
}

/// It comes to its end by itself.
pub(crate) fn ends(cell: &mut Cell<'_>) {
    let over = |group: &Running| group.stderr().lines().any(|line| line.contains("; exit "));
    cell.group.until("it has ended", |group| over(group).then_some(()));
}
