//! The containers' processes as the host sees them, and what takes root there.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::geteuid;

/// A process, told apart from a later one with the same number by its start time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    state: char,
    started: u64,
    /// Its PID in its own namespace.
    pub(crate) inner: String,
    pub(crate) command: Vec<String>,
}

impl Process {
    fn read(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, tail) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = tail.split_whitespace().collect();
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command);
        Some(Self {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            state: fields.first()?.chars().next()?,
            started: fields.get(19)?.parse().ok()?,
            inner: status(pid, "NSpid"),
            command: command.split_terminator('\0').map(str::to_owned).collect(),
        })
    }

    /// Whether it is still there, be it as a zombie.
    pub(crate) fn is_there(&self) -> bool {
        Self::read(self.pid).is_some_and(|now| now.started == self.started)
    }

    pub(crate) fn lives(&self) -> bool {
        Self::read(self.pid).is_some_and(|now| now.started == self.started && now.state != 'Z')
    }

    /// The last word of a line in its /proc/PID/status.
    pub(crate) fn status(&self, key: &str) -> String {
        status(self.pid, key)
    }

    pub(crate) fn kill(&self) {
        let pid = self.pid.to_string();
        let killed = as_root("kill").args(["-KILL", &pid]).output().expect("kill can be run");
        assert!(killed.status.success(), "kill: {}", String::from_utf8_lossy(&killed.stderr));
    }
}

/// Of several PIDs the last one is the innermost.
fn status(pid: i32, key: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let value = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    value.unwrap_or_default().split_whitespace().last().unwrap_or_default().to_owned()
}

/// All processes here, zombies too.
fn all() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The processes of the container with this ID: they are in its control group.
pub(crate) fn of_container(id: &str) -> Vec<Process> {
    let inside = |pid: &i32| {
        fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|groups| groups.contains(id))
    };
    all().filter(inside).filter_map(Process::read).collect()
}

/// A process's children, zombies too.
pub(crate) fn children(parent: &Process) -> Vec<Process> {
    all().filter_map(Process::read).filter(|process| process.parent == parent.pid).collect()
}

/// This program as root; `sudo` must not ask.
pub(crate) fn as_root(program: impl AsRef<Path>) -> Command {
    let program = program.as_ref();
    let mut command = if geteuid().is_root() {
        Command::new(program)
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("--non-interactive").arg(program);
        sudo
    };
    command.stdin(Stdio::null());
    command
}

/// Containers' processes are killed from outside, and Debian is installed: both take root.
pub(crate) fn can_be_root() -> Result<(), String> {
    match as_root("true").output() {
        Ok(tried) if tried.status.success() => Ok(()),
        Ok(tried) => Err(format!("it takes root: {}", String::from_utf8_lossy(&tried.stderr))),
        Err(error) => Err(format!("it takes root, and sudo: {error}")),
    }
}
