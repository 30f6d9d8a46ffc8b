//! One random group: who its members are, what they do, and how they may end.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::chance::Chance;
use crate::reading::Format;
use crate::strike::Strike;
use crate::support::{Argv, Group, Mode, Shell};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Code(u8),
    Signal(Signal),
}

impl End {
    /// As a shell shows it.
    pub(crate) fn flat(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + u8::try_from(signal as i32).expect("a small number"),
        }
    }

    /// From the report.
    pub(crate) fn parse(status: &Value) -> Option<Self> {
        if let Some(code) = status["exit_code"].as_u64() {
            return u8::try_from(code).ok().map(Self::Code);
        }
        status["signal"].as_str()?.parse().ok().map(Self::Signal)
    }
}

/// What a member does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Stops when it is told.
    Obeys,
    /// Stops with this code, so many milliseconds after it was told.
    Slow(u8, u64),
    /// Dies of its stop signal.
    Dies,
    /// Does not care about its stop signal.
    Ignores,
    /// Ends by itself after so many milliseconds.
    Ends(u8, u64),
    /// Dies by itself of SIGKILL.
    Kills(u64),
    /// Has children in its group, one of which does not care.
    Forks,
    /// Has left a daemon in its own session, which may not care.
    Leaves(bool),
    /// Ends with 0 and leaves one that starts a successor, and so on.
    Chain,
    /// A shell that stays, with a child.
    Shell,
    /// Stopped itself.
    Frozen,
    /// There is no such program.
    Missing,
    /// A sidecar that may finish, and does.
    Finishes(u64),
    /// Says which descriptors it has got beyond the first three.
    Looks,
}

/// What a shell that stays runs; its commands are known by it.
pub(crate) const TRAP: &str = "trap 'exit 7' TERM INT QUIT; sleep 60 & wait";

/// Where descriptors are written down that nobody should have.
pub(crate) const TOO_MANY: &str = "descriptors";

impl Shape {
    fn any(chance: &mut Chance, is_main: bool) -> Self {
        let (code, after) = (u8::try_from(chance.below(256)).expect("a byte"), chance.below(80));
        match chance.below(if is_main { 30 } else { 32 }) {
            0..=6 => Self::Obeys,
            7..=9 => Self::Slow(code, after),
            10..=12 => Self::Dies,
            13..=14 => Self::Ignores,
            15 => Self::Ends(code, 0),
            16 => Self::Ends(code, after),
            17 => Self::Kills(after),
            18..=20 => Self::Forks,
            21..=23 => Self::Leaves(chance.one_in(3)),
            24 => Self::Chain,
            25..=26 => Self::Shell,
            27 => Self::Frozen,
            28 => {
                if chance.one_in(3) {
                    Self::Missing
                } else {
                    Self::Obeys
                }
            }
            29 => Self::Looks,
            _ => Self::Finishes(after),
        }
    }

    /// How it ends when nobody does anything to it.
    pub(crate) fn own_end(self) -> Option<End> {
        match self {
            Self::Ends(code, _) => Some(End::Code(code)),
            Self::Kills(_) => Some(End::Signal(Signal::SIGKILL)),
            Self::Chain | Self::Finishes(_) => Some(End::Code(0)),
            _ => None,
        }
    }

    /// Whether its own end is the group's, which is soon.
    pub(crate) fn ends_the_group(self) -> bool {
        self == Self::Missing || (self.own_end().is_some() && !matches!(self, Self::Finishes(_)))
    }

    /// Whether it may end so after this signal, be it before it has got ready for it.
    pub(crate) fn may_end(self, end: End, signal: Signal) -> bool {
        let stops = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT].contains(&signal);
        let taken = match self {
            Self::Obeys | Self::Forks | Self::Leaves(_) => stops && end == End::Code(0),
            Self::Slow(code, _) => stops && end == End::Code(code),
            // Its child may be gone first, and then it has waited for all.
            Self::Shell | Self::Looks => stops && [End::Code(7), End::Code(0)].contains(&end),
            _ => false,
        };
        taken || end == End::Signal(signal)
    }

    /// Whether it ends at once when it is told to, and needs no SIGKILL if it gets its turn.
    pub(crate) fn is_willing(self) -> bool {
        !matches!(self, Self::Ignores | Self::Slow(..))
    }

    fn add(self, group: Group, name: &str, is_main: bool) -> Group {
        const OBEYS: &str = "exit-on=TERM:0 exit-on=INT:0 exit-on=QUIT:0";
        const TAKES: &str = "take=TERM,INT,QUIT wait";
        let descriptors = format!(
            "for n in 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do \
             if [ -e /proc/self/fd/$n ]; then echo $n >> {TOO_MANY}; fi; done; {TRAP}"
        );
        let words = match self {
            Self::Obeys => format!("print=hello {OBEYS} wait"),
            Self::Slow(code, after) => {
                let on = |signal| format!("exit-on={signal}:{code}:{after}");
                format!("{} {} {} wait", on("TERM"), on("INT"), on("QUIT"))
            }
            Self::Dies => "wait".to_owned(),
            Self::Ignores => format!("print=hello {TAKES}"),
            Self::Ends(code, 0) => format!("exit={code}"),
            Self::Ends(code, after) => format!("print=hello sleep={after} exit={code}"),
            Self::Kills(after) => format!("sleep={after} raise=KILL"),
            Self::Forks => {
                format!("{OBEYS} child [ {name}-a wait ] child [ {name}-b {TAKES} ] wait")
            }
            Self::Leaves(cares) => {
                let daemon = if cares { "wait" } else { TAKES };
                format!("{OBEYS} run [ {name}-m session child [ {name}-d {daemon} ] exit=0 ] wait")
            }
            Self::Chain => "chain=3:5".to_owned(),
            Self::Frozen => "stop wait".to_owned(),
            Self::Finishes(after) => format!("sleep={after} exit=0"),
            Self::Shell | Self::Looks | Self::Missing => String::new(),
        };
        let program = match self {
            Self::Shell => Shell(TRAP),
            Self::Looks => Shell(&descriptors),
            Self::Missing => Argv(&["/no/such/program"]),
            _ => words.as_str().into(),
        };
        let group = if is_main { group.main(name, program) } else { group.sidecar(name, program) };
        if matches!(self, Self::Finishes(_)) { group.key("may_finish: true") } else { group }
    }
}

/// Where `fateshare` runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Pid1,
    Ordinary,
    /// An ordinary process that makes a namespace itself: `run --pid1`.
    Apart,
}

impl Place {
    pub(crate) fn mode(self) -> Mode {
        if self == Self::Pid1 { Mode::Pid1 } else { Mode::Ordinary }
    }
}

/// One group, and what is done to it.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) place: Place,
    pub(crate) format: Format,
    pub(crate) members: Vec<(String, Shape)>,
    pub(crate) after_main: Vec<usize>,
    pub(crate) grace: u64,
    pub(crate) profile: bool,
    pub(crate) unhealthy: bool,
    pub(crate) socket: bool,
    /// So long after `fateshare` was executed it is struck, in microseconds.
    pub(crate) delay: u64,
    pub(crate) strike: Strike,
}

impl Plan {
    pub(crate) fn new(seed: u64, can_be_pid_1: bool) -> Self {
        let mut chance = Chance::new(seed);
        let place = match chance.below(20) {
            0..=8 if can_be_pid_1 => Place::Pid1,
            9..=10 if can_be_pid_1 => Place::Apart,
            _ => Place::Ordinary,
        };
        let count = usize::try_from(1 + chance.below(8)).expect("a small number");
        let members: Vec<(String, Shape)> = (0..count)
            .map(|at| {
                let name = if at == 0 { "web".to_owned() } else { format!("sidecar-{at}") };
                (name, Shape::any(&mut chance, at == 0))
            })
            .collect();
        let after_main = (1..count).filter(|_| chance.one_in(6)).collect();
        Self {
            seed,
            place,
            format: chance.pick(&Format::ALL),
            members,
            after_main,
            grace: chance.pick(&[200, 400, 600]),
            profile: chance.one_in(10),
            unhealthy: chance.one_in(12),
            socket: chance.one_in(4),
            delay: if chance.one_in(8) { 0 } else { chance.below(100_001) },
            strike: Strike::any(&mut chance),
        }
    }

    /// The group, whose files for others go into this directory.
    pub(crate) fn group(&self, dir: &std::path::Path) -> Group {
        let path = |name: &str| dir.join(name).to_str().expect("a path in UTF-8").to_owned();
        let mut group = Group::new(self.place.mode())
            .env("FATESHARE_LOG_FORMAT", self.format.name())
            .env("FATESHARE_LOG", "info")
            .env("FATESHARE_REPORT", &path("report.json"))
            .env("TMPDIR", &path(""))
            .top(&format!("grace_period: {}ms", self.grace));
        if self.socket {
            group = group.env("FATESHARE_SOCKET", &path("group.sock"));
        }
        if self.place == Place::Apart {
            group = group.arguments(&["--pid1"]);
        }
        if self.profile {
            group = group.top("profile: .").file(".profile", "sleep 0.03; export A=b\n");
        }
        for (at, (name, shape)) in self.members.iter().enumerate() {
            group = shape.add(group, name, at == 0);
            if at == 0 && self.unhealthy {
                group = group.key("health_check: {type: port, port: 1, start_timeout: 150ms}");
            }
            if self.after_main.contains(&at) {
                group = group.key("stop: after_main");
            }
        }
        group
    }
}
