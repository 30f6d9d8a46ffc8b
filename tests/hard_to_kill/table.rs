//! The matrix: who meets what, and what comes of it everywhere.

use std::fmt;

use nix::sys::signal::Signal::{self, SIGKILL, SIGSEGV};

use crate::cell::Cell;
use crate::judge::{Judged, judge};
use crate::places::Stage;
use crate::scene::Scene;
use crate::{members, platform, us};

/// Whom a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// A member: `web`, the main process. It has a child, `worker`.
    Main,
    /// A member: `config-server`. It has left a straggler, `daemon`.
    Sidecar,
    /// `worker`, under a shell that is the main process and ends as its child did.
    Child,
    /// `daemon`, in a session of its own, whose parent is gone.
    Straggler,
    /// `fateshare` itself.
    Fateshare,
    /// Whoever has started us: it holds our pipes and our limits, sends the stop request, and may put processes
    /// beside us.
    Platform,
}

/// The fault. What it is for a member and its processes, [`members`] says; for us [`us`], for the platform
/// [`platform`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Sigkill,
    Sigterm,
    Sigstop,
    Sigsegv,
    OutOfMemory,
    Exit0,
    ExitN,
    ClosesStdout,
    FillsStdout,
    ForkBomb,
    DescriptorLeak,
}

/// How `fateshare` runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// PID 1 of a fresh PID namespace.
    Pid1,
    /// A process like any other, which adopts orphans.
    Ordinary,
    /// The same as nobody, without capabilities.
    Unprivileged,
    /// `run --pid1`.
    Apart,
    /// PID 1 where nothing can be written.
    ReadOnly,
    /// PID 1 of a container, under Docker's default seccomp profile.
    Seccomp,
}

pub(crate) const WHOS: [Who; 6] =
    [Who::Main, Who::Sidecar, Who::Child, Who::Straggler, Who::Fateshare, Who::Platform];

pub(crate) const WHATS: [What; 11] = [
    What::Sigkill,
    What::Sigterm,
    What::Sigstop,
    What::Sigsegv,
    What::OutOfMemory,
    What::Exit0,
    What::ExitN,
    What::ClosesStdout,
    What::FillsStdout,
    What::ForkBomb,
    What::DescriptorLeak,
];

pub(crate) const WHERES: [Where; 6] = [
    Where::Pid1,
    Where::Ordinary,
    Where::Unprivileged,
    Where::Apart,
    Where::ReadOnly,
    Where::Seccomp,
];

/// One fault as it is played.
pub(crate) struct Story {
    /// What happens, in words.
    pub(crate) means: &'static str,
    /// What is different before the start.
    pub(crate) arrange: fn(&mut Scene<'_>),
    /// The fault, and whatever has to follow for the group to end.
    pub(crate) act: fn(&mut Cell<'_>),
}

/// What the platform sees of our end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// This exit code.
    Code(i32),
    /// We die of this signal, and nobody is there any more who could say anything of an end.
    Dies(Signal),
}

/// How everybody else ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    /// Everybody is told once, and ends; nobody has to be killed.
    Told,
    /// Members are told once, and somebody is killed at the deadline.
    Killed,
    /// Nobody was started.
    NeverStarted,
    /// The documented exception: who was not a member's leader when we were killed, and lives on where we are not
    /// PID 1. The leaders die with us, and as PID 1 everybody does.
    LiveOn(&'static [&'static str]),
    /// The other documented exception: who cannot be seen, because nothing can be opened, is not told; as PID 1 we
    /// kill him at the deadline, elsewhere he lives on, and both are said.
    Unseen(&'static [&'static str]),
}

/// What is expected of a cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// As it is said, without process numbers; `*` stands for anything.
    pub(crate) verdict: &'static str,
    pub(crate) end: End,
    pub(crate) others: Others,
}

/// Who, what, how that is played, the verdict, the end, and everybody else.
pub(crate) struct Row(Who, What, &'static Story, &'static str, End, Others);

/// So often a cell is played on a machine that gives us no time for the report.
const TRIES: u32 = 5;

/// The group lives on, until it is asked to stop.
pub(crate) const STOP: &str = "SIGTERM from outside this container; stopping web, config-server";
/// Nobody is left to say anything.
pub(crate) const NONE: &str = "";

use End::{Code, Dies};
use Others::{Killed, LiveOn, Told, Unseen};
use What::*;
use Who::*;

#[rustfmt::skip]
pub(crate) const TABLE: [Row; 66] = [
    //  who       what            story                      verdict                                                                                    end             everybody else
    Row(Main,      Sigkill,        &members::SIGKILLED,       "web was killed by SIGKILL, not by fateshare; stopping config-server",                     Code(137),      Told),
    Row(Main,      Sigterm,        &members::SIGTERMED,       "web was killed by SIGTERM, not by fateshare; stopping config-server",                     Code(143),      Told),
    Row(Main,      Sigstop,        &members::STOPPED,         STOP,                                                                                      Code(7),        Told),
    Row(Main,      Sigsegv,        &members::CRASHES,         "web was killed by SIGSEGV, not by fateshare; stopping config-server",                     Code(139),      Told),
    Row(Main,      OutOfMemory,    &members::EATS,            "web was killed by SIGKILL: out of memory; stopping config-server",                        Code(137),      Told),
    Row(Main,      Exit0,          &members::EXITS_0,         "web exited with 0*; stopping config-server",                                              Code(0),        Told),
    Row(Main,      ExitN,          &members::EXITS_3,         "web exited with 3; stopping config-server",                                               Code(3),        Told),
    Row(Main,      ClosesStdout,   &members::CLOSES_STDOUT,   STOP,                                                                                      Code(7),        Told),
    Row(Main,      FillsStdout,    &members::FILLS_STDOUT,    STOP,                                                                                      Code(143),      Told),
    Row(Main,      ForkBomb,       &members::FORKS,           STOP,                                                                                      Code(137),      Killed),
    Row(Main,      DescriptorLeak, &members::LEAKS,           STOP,                                                                                      Code(7),        Told),

    Row(Sidecar,   Sigkill,        &members::SIGKILLED,       "config-server was killed by SIGKILL, not by fateshare; stopping web",                     Code(137),      Told),
    Row(Sidecar,   Sigterm,        &members::SIGTERMED,       "config-server was killed by SIGTERM, not by fateshare; stopping web",                     Code(143),      Told),
    Row(Sidecar,   Sigstop,        &members::STOPPED,         STOP,                                                                                      Code(7),        Told),
    Row(Sidecar,   Sigsegv,        &members::CRASHES,         "config-server was killed by SIGSEGV, not by fateshare; stopping web",                     Code(139),      Told),
    Row(Sidecar,   OutOfMemory,    &members::EATS,            "config-server was killed by SIGKILL: out of memory; stopping web",                        Code(137),      Told),
    Row(Sidecar,   Exit0,          &members::EXITS_0,         "config-server exited with 0; stopping web",                                               Code(69),       Told),
    Row(Sidecar,   ExitN,          &members::EXITS_3,         "config-server exited with 3; stopping web",                                               Code(3),        Told),
    Row(Sidecar,   ClosesStdout,   &members::CLOSES_STDOUT,   STOP,                                                                                      Code(7),        Told),
    Row(Sidecar,   FillsStdout,    &members::FILLS_STDOUT,    STOP,                                                                                      Code(7),        Told),
    Row(Sidecar,   ForkBomb,       &members::FORKS,           STOP,                                                                                      Code(7),        Killed),
    Row(Sidecar,   DescriptorLeak, &members::LEAKS,           STOP,                                                                                      Code(7),        Told),

    Row(Child,     Sigkill,        &members::SIGKILLED,       "web exited with 137 (its shell reports SIGKILL); stopping config-server",                 Code(137),      Told),
    Row(Child,     Sigterm,        &members::SIGTERMED,       "web exited with 143 (its shell reports SIGTERM); stopping config-server",                 Code(143),      Told),
    Row(Child,     Sigstop,        &members::STOPPED,         STOP,                                                                                      Code(143),      Told),
    Row(Child,     Sigsegv,        &members::CRASHES,         "web exited with 139 (its shell reports SIGSEGV); stopping config-server",                 Code(139),      Told),
    Row(Child,     OutOfMemory,    &members::EATS,            "web exited with 137 (probably out of memory in a child); stopping config-server",         Code(137),      Told),
    Row(Child,     Exit0,          &members::EXITS_0,         "web exited with 0; stopping config-server",                                               Code(0),        Told),
    Row(Child,     ExitN,          &members::EXITS_3,         "web exited with 3; stopping config-server",                                               Code(3),        Told),
    Row(Child,     ClosesStdout,   &members::CLOSES_STDOUT,   STOP,                                                                                      Code(143),      Told),
    Row(Child,     FillsStdout,    &members::FILLS_STDOUT,    STOP,                                                                                      Code(143),      Told),
    Row(Child,     ForkBomb,       &members::FORKS,           STOP,                                                                                      Code(143),      Killed),
    Row(Child,     DescriptorLeak, &members::LEAKS,           STOP,                                                                                      Code(143),      Told),

    Row(Straggler, Sigkill,        &members::SIGKILLED,       STOP,                                                                                      Code(7),        Told),
    Row(Straggler, Sigterm,        &members::SIGTERMED,       STOP,                                                                                      Code(7),        Told),
    Row(Straggler, Sigstop,        &members::STOPPED,         STOP,                                                                                      Code(7),        Told),
    Row(Straggler, Sigsegv,        &members::CRASHES,         STOP,                                                                                      Code(7),        Told),
    Row(Straggler, OutOfMemory,    &members::EATS,            STOP,                                                                                      Code(7),        Told),
    Row(Straggler, Exit0,          &members::EXITS_0,         STOP,                                                                                      Code(7),        Told),
    Row(Straggler, ExitN,          &members::EXITS_3,         STOP,                                                                                      Code(7),        Told),
    Row(Straggler, ClosesStdout,   &members::CLOSES_STDOUT,   STOP,                                                                                      Code(7),        Told),
    Row(Straggler, FillsStdout,    &members::FILLS_STDOUT,    STOP,                                                                                      Code(7),        Told),
    Row(Straggler, ForkBomb,       &members::FORKS,           STOP,                                                                                      Code(7),        Killed),
    Row(Straggler, DescriptorLeak, &members::LEAKS,           STOP,                                                                                      Code(7),        Told),

    Row(Fateshare, Sigkill,        &us::SIGKILLED,            NONE,                                                                                      Dies(SIGKILL),  LiveOn(&["worker", "daemon"])),
    Row(Fateshare, Sigterm,        &us::SIGTERM_FROM_A_MEMBER,"SIGTERM from pid * (fixture); stopping web, config-server",                               Code(7),        Told),
    Row(Fateshare, Sigstop,        &us::STOPPED,              "config-server was killed by SIGKILL, not by fateshare; stopping web",                     Code(137),      Told),
    Row(Fateshare, Sigsegv,        &us::CRASHES,              NONE,                                                                                      Dies(SIGSEGV),  LiveOn(&["worker", "daemon"])),
    Row(Fateshare, OutOfMemory,    &us::KILLED_FOR_MEMORY,    NONE,                                                                                      Dies(SIGKILL),  LiveOn(&["worker", "daemon"])),
    Row(Fateshare, Exit0,          &us::ENDS_A_STOP_WITH_0,   STOP,                                                                                      Code(0),        Told),
    Row(Fateshare, ExitN,          &us::CANNOT_START_ONE,     "config-server could not be started: *; stopping web",                                     Code(126),      Told),
    Row(Fateshare, ClosesStdout,   &us::HAS_NO_OUTPUT,        STOP,                                                                                      Code(7),        Told),
    Row(Fateshare, FillsStdout,    &us::SAYS_TOO_MUCH,        STOP,                                                                                      Code(7),        Told),
    Row(Fateshare, ForkBomb,       &us::STARTS_TOO_MANY,      "* could not be started: a new process: Resource temporarily unavailable (os error 11). *",Code(125),      Told),
    Row(Fateshare, DescriptorLeak, &us::MAY_OPEN_NOTHING,     "config-server was killed by SIGKILL, not by fateshare; stopping web",                     Code(137),      Unseen(&["daemon"])),

    Row(Platform,  Sigkill,        &platform::LOSES_PATIENCE, STOP,                                                                                      Dies(SIGKILL),  LiveOn(&["worker"])),
    Row(Platform,  Sigterm,        &platform::STOPS,          STOP,                                                                                      Code(7),        Told),
    Row(Platform,  Sigstop,        &platform::PAUSES,         STOP,                                                                                      Code(7),        Told),
    Row(Platform,  Sigsegv,        &platform::CRASHES,        STOP,                                                                                      Code(7),        Told),
    Row(Platform,  OutOfMemory,    &platform::EATS_BESIDE_US, STOP,                                                                                      Code(7),        Told),
    Row(Platform,  Exit0,          &platform::LEAVES_EARLY,   STOP,                                                                                      Code(7),        Told),
    Row(Platform,  ExitN,          &platform::LEAVES_LATER,   STOP,                                                                                      Code(7),        Told),
    Row(Platform,  ClosesStdout,   &platform::CLOSES_STDOUT,  STOP,                                                                                      Code(7),        Told),
    Row(Platform,  FillsStdout,    &platform::READS_NOTHING,  STOP,                                                                                      Code(7),        Told),
    Row(Platform,  ForkBomb,       &platform::FORKS_BESIDE_US,STOP,                                                                                      Code(7),        Told),
    Row(Platform,  DescriptorLeak, &platform::LEAKS_INTO_US,  STOP,                                                                                      Code(7),        Told),
];

impl Row {
    pub(crate) fn who(&self) -> Who {
        self.0
    }

    pub(crate) fn what(&self) -> What {
        self.1
    }

    /// One cell, from its start to the last look at what is left.
    pub(crate) fn play(&self, stage: &Stage) {
        let Self(who, _, story, verdict, end, others) = *self;
        play(stage, who, story, Outcome { verdict, end, others });
    }
}

/// Plays a story, and judges what comes of it.
pub(crate) fn play(stage: &Stage, who: Who, story: &Story, expected: Outcome) {
    for _ in 0..TRIES {
        let mut scene = Scene::new(stage, who);
        (story.arrange)(&mut scene);
        let mut cell = scene.start();
        (story.act)(&mut cell);
        if let Judged::AsExpected = judge(cell, expected) {
            return;
        }
    }
    panic!("{TRIES} times the machine was too busy");
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_, _, story, verdict, end, others) = self;
        write!(f, "({}; expected: {verdict:?}, {end:?}, {others:?})", story.means)
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Main => "main process",
            Self::Sidecar => "sidecar",
            Self::Child => "member's child",
            Self::Straggler => "straggler",
            Self::Fateshare => "fateshare",
            Self::Platform => "platform",
        })
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sigkill => "SIGKILL",
            Self::Sigterm => "SIGTERM",
            Self::Sigstop => "SIGSTOP",
            Self::Sigsegv => "SIGSEGV",
            Self::OutOfMemory => "out of memory",
            Self::Exit0 => "exit 0",
            Self::ExitN => "exit n",
            Self::ClosesStdout => "closes stdout",
            Self::FillsStdout => "fills stdout",
            Self::ForkBomb => "fork bomb",
            Self::DescriptorLeak => "descriptor leak",
        })
    }
}

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pid1 => "PID 1",
            Self::Ordinary => "ordinary process",
            Self::Unprivileged => "unprivileged",
            Self::Apart => "--pid1",
            Self::ReadOnly => "read-only root",
            Self::Seccomp => "default seccomp",
        })
    }
}
