//! The processes below another one, as `/proc` shows them: who they are, what they run, and which signals
//! they do not take (`proc_pid_status(5)`).

use std::fs;
use std::path::PathBuf;

use super::{descendants, procfs, seam};
use crate::core::{Pid, ProcessKey};
use crate::spec::{Signal, on_one_line};

/// So much of a command line is read.
const LONGEST_COMMAND: usize = 4096;

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relative {
    /// Which, by the numbers that we see; so are all others but [`Relative::inner`].
    pub key: ProcessKey,
    /// Its number in the PID namespace of the one whose descendant it is.
    pub inner: Pid,
    /// Its parent.
    pub parent: Pid,
    /// Its session.
    pub session: Pid,
    /// Its name.
    pub name: String,
    /// Its command line, on one line; its name where that cannot be read.
    pub command: String,
    /// The program that it runs, if that can be seen.
    pub program: Option<PathBuf>,
    /// Whether it had nothing to run any more when it was looked at.
    pub is_ending: bool,
    /// Signals that it blocks, ignores and catches.
    pub blocked: Signals,
    /// See [`Relative::blocked`].
    pub ignored: Signals,
    /// See [`Relative::blocked`].
    pub caught: Signals,
}

impl Relative {
    /// With what it ran when that could still be seen, before: who is about to end has no program any more, and
    /// its command line is empty.
    #[must_use]
    pub fn seen_before(self, before: &Self) -> Self {
        if !self.is_ending {
            return self;
        }
        Self { command: before.command.clone(), program: before.program.clone(), ..self }
    }
}

/// A set of signals, as the kernel writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals(pub u64);

impl Signals {
    /// Whether this one is among them.
    pub fn has(self, signal: Signal) -> bool {
        let bit = u32::try_from(signal.number() - 1).ok().and_then(|bit| 1_u64.checked_shl(bit));
        bit.is_some_and(|bit| self.0 & bit != 0)
    }
}

/// All descendants of this process that have not ended, parents before their children. What cannot be
/// looked at is left out.
pub fn below(root: Pid) -> Vec<Relative> {
    let depth = numbers(root).len();
    descendants::all_below(root).into_iter().filter_map(|pid| look(pid, depth)).collect()
}

/// One process, if it has not ended.
pub fn one(pid: Pid) -> Option<Relative> {
    look(pid, numbers(pid).len())
}

/// The numbers of a process in all PID namespaces that it is in, from ours inwards.
fn numbers(pid: Pid) -> Vec<Pid> {
    let status = seam::call("read_status", || fs::read_to_string(format!("/proc/{pid}/status")));
    let status = status.unwrap_or_default();
    let all = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    all.split_whitespace().filter_map(|number| number.parse().ok()).map(Pid).collect()
}

fn look(pid: Pid, depth: usize) -> Option<Relative> {
    let stat = procfs::stat(pid).ok()??;
    if matches!(stat.state, b'Z' | b'X') {
        return None;
    }
    let status = seam::call("read_status", || fs::read(format!("/proc/{pid}/status"))).ok()?;
    let status = String::from_utf8_lossy(&status).into_owned();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim)
    };
    let set = |name| {
        let digits = field(name).and_then(|text| u64::from_str_radix(text, 16).ok());
        Signals(digits.unwrap_or_default())
    };
    // It may have a namespace of its own inside of the one that is meant.
    let numbers = field("NSpid").into_iter().flat_map(str::split_whitespace);
    let inner = numbers.take(depth).last().and_then(|number| number.parse().ok());
    let program = seam::call("read_exe", || fs::read_link(format!("/proc/{pid}/exe"))).ok();
    let command = command(pid);
    Some(Relative {
        key: stat.key,
        inner: inner.map_or(pid, Pid),
        parent: stat.parent,
        session: stat.session,
        // Whoever lives has a command line, and everybody may read it.
        is_ending: command.is_none(),
        program,
        command: command.unwrap_or_else(|| stat.name.clone()),
        name: stat.name,
        blocked: set("SigBlk"),
        ignored: set("SigIgn"),
        caught: set("SigCgt"),
    })
}

fn command(pid: Pid) -> Option<String> {
    let bytes = seam::call("read_cmdline", || fs::read(format!("/proc/{pid}/cmdline"))).ok()?;
    let words: Vec<_> = bytes.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let line = on_one_line(words.join(" ").trim_end());
    let command = line[..line.floor_char_boundary(LONGEST_COMMAND)].to_owned();
    (!command.is_empty()).then_some(command)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::sys::{kill, process};

    #[test]
    fn what_it_ran_is_kept_when_it_is_about_to_end() {
        let before = one(process::own_pid()).expect("ourselves");
        assert!(before.program.is_some() && before.command != "x", "{before:?}");
        let ending = Relative {
            program: None,
            is_ending: true,
            command: "x".to_owned(),
            name: "x".to_owned(),
            ignored: Signals(1),
            ..before.clone()
        };
        let kept = ending.clone().seen_before(&before);
        assert_eq!((&kept.command, &kept.program), (&before.command, &before.program));
        assert_eq!(kept.ignored, Signals(1), "what it does with signals is known better now");
        let command = before.name.clone();
        let other = Relative { command, program: None, ..before.clone() };
        assert_eq!(other.clone().seen_before(&before), other, "another program is seen as it is");
    }

    #[test]
    fn a_child_is_seen_with_what_it_runs_and_ignores() {
        let mut shell = Command::new("sh")
            .args(["-c", "trap '' TERM; trap : USR2; sleep 60 & echo; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut line = [0];
        shell.stdout.take().expect("its output").read_exact(&mut line).expect("it has begun");
        let pid = Pid(i32::try_from(shell.id()).expect("a pid"));
        // Between `fork` and `execve` it is still called as the shell.
        let child = (0..1_000).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            below(pid).into_iter().find(|it| it.command == "sleep 60")
        });
        let child = child.expect("the shell's child");
        let seen = below(process::own_pid()).into_iter().find(|it| it.key.pid == pid);
        let seen = seen.expect("the shell");
        assert_eq!((seen.inner, child.parent, child.inner), (pid, pid, child.key.pid));
        assert!(seen.ignored.has(Signal::TERM) && !seen.ignored.has(Signal::USR2));
        assert!(seen.caught.has(Signal::USR2) && !seen.caught.has(Signal::TERM));
        assert!(child.ignored.has(Signal::TERM), "what is ignored is inherited");
        assert!(seen.command.starts_with("sh -c trap '' TERM"), "{}", seen.command);
        assert!(child.program.expect("its program").to_string_lossy().contains("sleep"));
        for key in [child.key, seen.key] {
            kill::straggler(key, Signal::KILL).expect("ours");
        }
        shell.wait().expect("its status");
    }
}
