//! What is done to a group at a random moment, and what is known of it then.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::chance::Chance;
use crate::support::{fateshare, poll, proc};

/// How a group is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strike {
    /// Not at all: it ends by itself, or is told to stop.
    Nothing,
    /// `fateshare` gets this signal, which is a stop request.
    Stop(Signal),
    /// SIGINT twice: the second one ends the grace period.
    StopTwice,
    /// SIGKILL of `fateshare`.
    KillFateshare,
    /// One of `fateshare`'s children gets this signal.
    Member(Signal),
    /// All of its children get SIGKILL.
    AllMembers,
    /// A process further down gets SIGKILL.
    Descendant,
    /// A child is stopped, then the group is told to stop.
    FreezeMember,
    /// While `fateshare` is stopped a child is killed and a stop requested: both are there at once.
    FreezeFateshare,
    /// `fateshare` gets a signal that it passes on.
    Forwarded(Signal),
}

impl Strike {
    pub(crate) fn any(chance: &mut Chance) -> Self {
        let stops = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT];
        match chance.below(24) {
            0 => Self::Nothing,
            1..=4 => Self::Stop(Signal::SIGTERM),
            5 => Self::Stop(chance.pick(&stops)),
            6 => Self::StopTwice,
            7..=10 => Self::KillFateshare,
            11..=15 => Self::Member(Signal::SIGKILL),
            16 => Self::Member(chance.pick(&[Signal::SIGTERM, Signal::SIGHUP, Signal::SIGABRT])),
            17 => Self::AllMembers,
            18 => Self::Descendant,
            19..=20 => Self::FreezeMember,
            21..=22 => Self::FreezeFateshare,
            _ => Self::Forwarded(chance.pick(&[Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGWINCH])),
        }
    }

    /// What it is called in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing, then SIGTERM",
            Self::Stop(_) => "TERM, INT, QUIT to fateshare",
            Self::StopTwice => "INT twice to fateshare",
            Self::KillFateshare => "kill -9 fateshare",
            Self::Member(Signal::SIGKILL) => "kill -9 a member",
            Self::Member(_) => "TERM, HUP, ABRT to a member",
            Self::AllMembers => "kill -9 all members",
            Self::Descendant => "kill -9 further down",
            Self::FreezeMember => "STOP a member, then TERM",
            Self::FreezeFateshare => "kill and TERM while frozen",
            Self::Forwarded(_) => "HUP, USR1, WINCH passed on",
        }
    }
}

/// A signal to somebody below `fateshare`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blow {
    /// As the group sees it.
    pub(crate) pid: i32,
    pub(crate) signal: Signal,
    /// Whether it was there then, and not as a zombie.
    pub(crate) lived: bool,
    /// Whether it may have been a member, and not somebody whom a member has left.
    pub(crate) led: bool,
}

/// A signal to `fateshare`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) signal: Signal,
    /// Whether it had said what is to become of it: before, a signal does what it does to any program.
    pub(crate) heard: bool,
}

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) blows: Vec<Blow>,
    pub(crate) sent: Vec<Sent>,
    /// SIGKILL went to `fateshare`.
    pub(crate) killed: bool,
    /// It was asked to stop in the end, because nothing else had ended it.
    pub(crate) closing: bool,
    /// No member was there yet.
    pub(crate) early: bool,
}

/// A group that is there to be struck.
pub(crate) struct Target {
    /// The process that was started as `fateshare`.
    pub(crate) outer: i32,
    /// The one that runs the group: the same, but for `--pid1`.
    pub(crate) inner: i32,
}

fn children(pid: i32) -> Vec<i32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let numbers = |text: String| text.split_whitespace().filter_map(|it| it.parse().ok()).collect();
    list.map_or_else(|_| proc::children(pid).into_iter().map(|(pid, _)| pid).collect(), numbers)
}

/// The children of the calling thread, of which this is the last.
pub(crate) fn own_child() -> Option<i32> {
    let list = fs::read_to_string("/proc/thread-self/children").ok()?;
    list.split_whitespace().last()?.parse().ok()
}

fn runs(pid: i32, program: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program)
}

/// The child that runs this program.
pub(crate) fn child_running(pid: i32, program: &Path) -> Option<i32> {
    children(pid).into_iter().find(|&child| runs(child, program))
}

pub(crate) fn lives(pid: i32) -> bool {
    proc::stat(pid).is_some_and(|stat| !['Z', 'X'].contains(&stat.state))
}

/// Whether a process catches a signal, or lets it wait. While it takes signals one by one none of them is said to be
/// blocked, but then it has a child.
fn hears(pid: i32, signal: Signal) -> bool {
    if !children(pid).is_empty() {
        return true;
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mut sets = status.lines().filter_map(|line| {
        let set = line.strip_prefix("SigBlk:").or_else(|| line.strip_prefix("SigCgt:"))?;
        u64::from_str_radix(set.trim(), 16).ok()
    });
    sets.any(|set| set >> (signal as i32 - 1) & 1 == 1)
}

impl Target {
    /// Strikes; what cannot be done because nobody is there any more is left out.
    pub(crate) fn strike(&self, strike: Strike, chance: &mut Chance) -> Done {
        let mut done = Done { early: children(self.inner).is_empty(), ..Done::default() };
        match strike {
            Strike::Nothing => {}
            Strike::Stop(signal) => self.send(signal, &mut done),
            Strike::Forwarded(signal) => self.send(signal, &mut done),
            Strike::StopTwice => {
                self.send(Signal::SIGINT, &mut done);
                // Not to wait for something: from here on a second one counts.
                thread::sleep(Duration::from_millis(520));
                self.send(Signal::SIGINT, &mut done);
            }
            Strike::KillFateshare => {
                let pid = if chance.one_in(2) { self.outer } else { self.inner };
                done.killed = kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok();
            }
            Strike::Member(signal) => {
                if let Some(child) = self.child(chance) {
                    blow(child, signal, &mut done);
                }
            }
            Strike::AllMembers => {
                self.child(chance);
                for child in children(self.inner) {
                    blow(child, Signal::SIGKILL, &mut done);
                }
            }
            Strike::Descendant => {
                let below: Vec<i32> = children(self.inner).into_iter().flat_map(children).collect();
                if !below.is_empty() {
                    blow(chance.pick(&below), Signal::SIGKILL, &mut done);
                }
            }
            Strike::FreezeMember => {
                // Not one that is only just being made: until it has executed its program the kernel keeps whoever
                // makes it waiting, here as in every `posix_spawn`.
                self.child(chance);
                let executed: Vec<i32> = children(self.inner)
                    .into_iter()
                    .filter(|&pid| !runs(pid, fateshare()))
                    .collect();
                if !executed.is_empty() {
                    blow(chance.pick(&executed), Signal::SIGSTOP, &mut done);
                }
                self.send(Signal::SIGTERM, &mut done);
            }
            Strike::FreezeFateshare => {
                let pid = Pid::from_raw(self.inner);
                let child = self.child(chance);
                if kill(pid, Signal::SIGSTOP).is_ok() {
                    if let Some(child) = child {
                        blow(child, Signal::SIGKILL, &mut done);
                    }
                    self.send(Signal::SIGTERM, &mut done);
                    let _ = kill(pid, Signal::SIGCONT);
                }
            }
        }
        done
    }

    /// One of the children, once there is one.
    fn child(&self, chance: &mut Chance) -> Option<i32> {
        poll(Duration::from_secs(5), || {
            let found = children(self.inner);
            (!found.is_empty() || !lives(self.outer)).then_some(found)
        })
        .filter(|found| !found.is_empty())
        .map(|found| chance.pick(&found))
    }

    /// A signal to `fateshare`.
    pub(crate) fn send(&self, signal: Signal, done: &mut Done) {
        let heard = hears(self.outer, signal);
        if lives(self.outer) && kill(Pid::from_raw(self.outer), signal).is_ok() {
            done.sent.push(Sent { signal, heard });
        }
    }
}

fn blow(pid: i32, signal: Signal, done: &mut Done) {
    let Some(inside) = proc::inner_pid(pid) else { return };
    let lived = lives(pid);
    // A member leads a group in our session; before it has executed its program it may not do so yet.
    let led = proc::stat(pid)
        .is_some_and(|stat| stat.session != pid && (stat.group == pid || runs(pid, fateshare())));
    if kill(Pid::from_raw(pid), signal).is_ok() {
        done.blows.push(Blow { pid: inside, signal, lived, led });
    }
}
