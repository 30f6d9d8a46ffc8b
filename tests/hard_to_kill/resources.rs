//! What can run out, or go wrong around us: at the start, and in the middle of a group's life.
//!
//! Each is played as PID 1 and as an ordinary process, and it is the kernel that says no, but for ENOMEM: without
//! memory of its own no program gets far, so it is the calls that make something new in the kernel. In
//! `tests/run/faults.rs` every call fails with every error.

use std::fmt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::cell::{Cell, strike};
use crate::clock;
use crate::limits;
use crate::places::Stage;
use crate::platform::put_beside;
use crate::scene::Scene;
use crate::support::{Terminal, heavy, proc};
use crate::table::End::Code;
use crate::table::Others::{Killed, NeverStarted, Told, Unseen};
use crate::table::{End, NONE, Others, Outcome, STOP, Story, Who, play};
use crate::us;

/// What is missing, or wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Eagain,
    Emfile,
    Enomem,
    NoProc,
    Hidepid,
    FullDisk,
    ClockJump,
    FrozenCgroup,
    SuspendedTerminal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    AtStart,
    InTheMiddle,
}

pub(crate) const FAULTS: [Fault; 9] = [
    Fault::Eagain,
    Fault::Emfile,
    Fault::Enomem,
    Fault::NoProc,
    Fault::Hidepid,
    Fault::FullDisk,
    Fault::ClockJump,
    Fault::FrozenCgroup,
    Fault::SuspendedTerminal,
];

/// What, when, how that is played, the verdict, the end, and everybody else.
pub(crate) struct Row(Fault, When, &'static Story, &'static str, End, Others);

const KILLED: &str = "config-server was killed by SIGKILL, not by fateshare; stopping web";

use Fault::*;
use When::*;

#[rustfmt::skip]
pub(crate) const TABLE: [Row; 18] = [
    //  what               when         story                verdict                                                                                      end         everybody else
    Row(Eagain,            AtStart,     &NO_PROCESS,         "web could not be started: a new process: Resource temporarily unavailable (os error 11). *",Code(125), Told),
    Row(Eagain,            InTheMiddle, &NO_PROCESS_MORE,    KILLED,                                                                                      Code(137), Told),
    Row(Emfile,            AtStart,     &NO_DESCRIPTOR,      NONE,                                                                                        Code(125), NeverStarted),
    Row(Emfile,            InTheMiddle, &us::MAY_OPEN_NOTHING,KILLED,                                                                                     Code(137), Unseen(&["daemon"])),
    Row(Enomem,            AtStart,     &NO_MEMORY,          "web could not be started: a new process: Cannot allocate memory (os error 12). *",          Code(125), Told),
    Row(Enomem,            InTheMiddle, &NO_MEMORY_MORE,     KILLED,                                                                                      Code(137), Told),
    Row(NoProc,            AtStart,     &NO_PROC,            KILLED,                                                                                      Code(137), Unseen(&["daemon"])),
    Row(NoProc,            InTheMiddle, &NO_PROC_MORE,       KILLED,                                                                                      Code(137), Unseen(&["daemon"])),
    Row(Hidepid,           AtStart,     &HIDDEN,             KILLED,                                                                                      Code(137), Told),
    Row(Hidepid,           InTheMiddle, &HIDDEN_LATER,       KILLED,                                                                                      Code(137), Told),
    Row(FullDisk,          AtStart,     &FULL,               KILLED,                                                                                      Code(137), Told),
    Row(FullDisk,          InTheMiddle, &FULL_LATER,         KILLED,                                                                                      Code(137), Told),
    Row(ClockJump,         AtStart,     &SINCE_1970,         KILLED,                                                                                      Code(137), Told),
    Row(ClockJump,         InTheMiddle, &TEN_YEARS_AND_BACK, KILLED,                                                                                      Code(137), Killed),
    Row(FrozenCgroup,      AtStart,     &FROZEN,             STOP,                                                                                        Code(7),   Told),
    Row(FrozenCgroup,      InTheMiddle, &FROZEN_LATER,       STOP,                                                                                        Code(137), Killed),
    Row(SuspendedTerminal, AtStart,     &NO_OUTPUT,          KILLED,                                                                                      Code(137), Told),
    Row(SuspendedTerminal, InTheMiddle, &NO_OUTPUT_MORE,     KILLED,                                                                                      Code(137), Told),
];

impl Row {
    pub(crate) fn is(&self, what: Fault, when: When) -> bool {
        (self.0, self.1) == (what, when)
    }

    pub(crate) fn play(&self, stage: &Stage) {
        let Self(_, _, story, verdict, end, others) = *self;
        play(stage, Who::Platform, story, Outcome { verdict, end, others });
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(what, when, story, verdict, end, others) = self;
        let means = story.means;
        write!(f, "{what:?} {when:?}\n({means}; expected: {verdict:?}, {end:?}, {others:?})")
    }
}

/// A sidecar is killed, and so the group ends.
fn kill(cell: &mut Cell<'_>) {
    cell.not_told.push("config-server");
    let pid = cell.pid("config-server");
    strike(pid, Signal::SIGKILL);
}

fn runs_and_is_killed(cell: &mut Cell<'_>) {
    cell.runs();
    kill(cell);
}

/// Runs a shell's commands in the mount namespace of `fateshare`.
fn among_its_mounts(cell: &mut Cell<'_>, commands: &str) {
    let pid = cell.fateshare().to_string();
    let ran = Command::new("nsenter")
        .args(["--mount", "--target", &pid, "sh", "-c", commands, "sh"])
        .arg(cell.group.dir())
        .status();
    assert!(ran.expect("nsenter can be run").success(), "{commands}");
}

const NO_PROCESS: Story = Story {
    means: "not one process more may be made",
    arrange: |scene| {
        // `unshare` stays, around a PID 1.
        scene.limits.processes = Some(if scene.stage.is_pid_1() { 2 } else { 1 });
    },
    act: us::ends,
};

const NO_PROCESS_MORE: Story = Story {
    means: "somebody beside us takes all processes that the limit leaves, and a sidecar is killed",
    arrange: |scene| scene.limits.processes = Some(48),
    act: |cell| {
        cell.runs();
        cell.crowd = Some(heavy());
        put_beside(cell, "pids", &["take=TERM", "bomb"]);
        let group = limits::of(cell.fateshare(), "pids");
        cell.group.until("the limit is reached", |_| limits::is_full(&group).then_some(()));
        kill(cell);
    },
};

const NO_DESCRIPTOR: Story = Story {
    means: "we may have ten descriptors, which is too few to begin with: nothing is started",
    arrange: |scene| scene.inside.push("ulimit -n 10 && exec \"$@\""),
    act: |cell| {
        cell.no_report = true;
        cell.says = "Too many open files (os error 24)";
        cell.group.until("it is said", |it| it.stderr().contains("Too many").then_some(()));
    },
};

const NO_MEMORY: Story = Story {
    means: "the kernel has no memory for a process",
    arrange: |scene| scene.failing = "clone:12",
    act: us::ends,
};

const NO_MEMORY_MORE: Story = Story {
    means: "the kernel has no memory for descriptors of processes, nor for lists of children, and a sidecar is killed",
    arrange: |scene| scene.failing = "pidfd_open:12,children_list:12",
    act: runs_and_is_killed,
};

const NO_PROC: Story = Story {
    means: "/proc is not mounted",
    arrange: |scene| {
        scene.grace = "1s";
        scene.inside.push(
            "exec unshare --mount sh -c 'mount -t tmpfs none /proc && exec \"$@\"' sh \"$@\"",
        );
    },
    act: runs_and_is_killed,
};

const NO_PROC_MORE: Story = Story {
    means: "/proc goes while the group runs",
    arrange: |scene| {
        scene.grace = "1s";
        scene.inside.push("exec unshare --mount \"$@\"");
    },
    act: |cell| {
        cell.runs();
        among_its_mounts(cell, "mount -t tmpfs none /proc");
        kill(cell);
    },
};

/// What is not shown is found all the same.
const FOUND: &str = "sent SIGTERM to hidden process";

/// Root without the privilege to look at others, and not in the group that may.
const WITHOUT_PRIVILEGE: &str = "exec setpriv --bounding-set -sys_ptrace \"$@\"";

const HIDDEN: Story = Story {
    means: "/proc hides the processes of other users, which members are",
    arrange: |scene| {
        scene.others = true;
        scene.environment.push(("FATESHARE_LOG", "info"));
        scene.inside.push(
            "exec unshare --mount sh -c \
             'mount -t proc -o hidepid=2,gid=65533 none /proc && exec \"$@\"' sh \"$@\"",
        );
        scene.inside.push(WITHOUT_PRIVILEGE);
    },
    act: |cell| {
        cell.says = FOUND;
        runs_and_is_killed(cell);
    },
};

const HIDDEN_LATER: Story = Story {
    means: "/proc hides them from when the group runs",
    arrange: |scene| {
        scene.others = true;
        scene.environment.push(("FATESHARE_LOG", "info"));
        scene
            .inside
            .push("exec unshare --mount sh -c 'mount -t proc none /proc && exec \"$@\"' sh \"$@\"");
        scene.inside.push(WITHOUT_PRIVILEGE);
    },
    act: |cell| {
        cell.says = FOUND;
        cell.runs();
        among_its_mounts(cell, "mount -o remount,hidepid=2,gid=65533 /proc");
        kill(cell);
    },
};

/// A small file system, and the report in it.
fn small_disk(scene: &mut Scene<'_>) {
    scene.environment.push(("FATESHARE_REPORT", "full/report.json"));
    scene.inside.push(
        "mkdir full && exec unshare --mount sh -c \
         'mount -t tmpfs -o size=16k none full && eval \"$FILL\" && exec \"$@\"' sh \"$@\"",
    );
}

/// Until nothing more has room.
const FILL: &str = "! dd if=/dev/zero of=full/filling 2>/dev/null";

const FULL: Story = Story {
    means: "the disk under the report is full",
    arrange: |scene| {
        small_disk(scene);
        scene.environment.push(("FILL", FILL));
    },
    act: |cell| {
        cell.no_report = true;
        cell.says = "cannot write the report to full/report.json: No space left on device";
        runs_and_is_killed(cell);
    },
};

const FULL_LATER: Story = Story {
    means: "the disk under the report gets full",
    arrange: |scene| {
        small_disk(scene);
        scene.environment.push(("FILL", ":"));
    },
    act: |cell| {
        cell.no_report = true;
        cell.says = "cannot write the report to full/report.json: No space left on device";
        cell.runs();
        among_its_mounts(cell, "cd \"$1\" && ! dd if=/dev/zero of=full/filling 2>/dev/null");
        kill(cell);
    },
};

const SINCE_1970: Story = Story {
    means: "the clock begins with 1970",
    arrange: |scene| {
        clock::install(scene.group.dir());
        clock::set(scene.group.dir(), clock::to_1970());
        scene.inside.push(clock::SCRIPT);
    },
    act: |cell| {
        cell.also = |report| {
            let began = report["began"].as_str().unwrap_or_default();
            assert!(began.starts_with("1970-01-01T00:"), "{began}");
        };
        runs_and_is_killed(cell);
    },
};

const TEN_YEARS_AND_BACK: Story = Story {
    means: "the clock jumps ten years forward, then to 1970 while members stop, and one does not",
    arrange: |scene| {
        clock::install(scene.group.dir());
        scene.inside.push(clock::SCRIPT);
        scene.grace = "3s";
        "take=TERM wait".clone_into(&mut scene.web);
    },
    act: |cell| {
        const YEAR: i64 = 365 * 24 * 60 * 60;
        cell.runs();
        clock::set(cell.group.dir(), 10 * YEAR);
        kill(cell);
        cell.group.wait_for("web: got SIGTERM");
        clock::set(cell.group.dir(), clock::to_1970());
        cell.not_told.push("web");
        cell.also = |report| {
            let events = report["events"].as_array().expect("events");
            let time = |kind: &str| {
                let event = events.iter().find(|event| event["type"] == kind).expect("it happened");
                event["time"].as_str().expect("a time")[..4].parse::<u32>().expect("a year")
            };
            assert!(time("started") < 2100 && time("verdict") > time("started") + 8, "{events:?}");
            assert_eq!(time("over"), 1970, "{events:?}");
        };
    },
};

/// More than a timer may be late before it is taken for a freeze.
const LONG: Duration = Duration::from_millis(1300);

const FROZEN: Story = Story {
    means: "the control group is frozen while we begin; when it goes on everything is as it should be",
    arrange: |scene| scene.limits.freezer = true,
    act: |cell| {
        cell.fateshare();
        let cgroup = cell.cgroup.as_ref().expect("a control group");
        cgroup.freeze(true);
        thread::sleep(LONG);
        cgroup.freeze(false);
        cell.runs();
        cell.stop();
    },
};

const FROZEN_LATER: Story = Story {
    means: "the control group is frozen while a member does not stop: it gets time again, and is killed",
    arrange: |scene| {
        scene.limits.freezer = true;
        scene.grace = "4s";
        "take=TERM wait".clone_into(&mut scene.web);
    },
    act: |cell| {
        cell.runs();
        cell.stop();
        cell.group.wait_for("web: got SIGTERM");
        cell.group.wait_for("daemon: ends 0");
        // It has looked for others once more, and sleeps until the deadline.
        thread::sleep(Duration::from_millis(100));
        let fateshare = cell.fateshare();
        cell.group.until("we sleep", |_| proc::sleeps(fateshare).then_some(()));
        let cgroup = cell.cgroup.as_ref().expect("a control group");
        cgroup.freeze(true);
        // The grace, and then so much that the timer is later than it ever is.
        thread::sleep(Duration::from_secs(4) + LONG);
        cgroup.freeze(false);
        cell.not_told.push("web");
        cell.says = "was frozen or suspended during the teardown: gave members time again";
        // It is given two seconds at most again.
        cell.at_most += 6_000.0 + 2_000.0;
    },
};

const NO_OUTPUT: Story = Story {
    means: "the terminal that we are to run on shows nothing more, as after Ctrl-S",
    arrange: |scene| {
        let terminal = Terminal::new();
        terminal.stop_output();
        scene.terminal = Some(terminal);
    },
    act: |cell| {
        cell.unheard = true;
        runs_and_is_killed(cell);
    },
};

const NO_OUTPUT_MORE: Story = Story {
    means: "the terminal shows nothing more from when the group runs",
    arrange: |scene| scene.terminal = Some(Terminal::new()),
    act: |cell| {
        cell.unheard = true;
        cell.runs();
        cell.terminal.as_ref().expect("it has one").stop_output();
        kill(cell);
    },
};
