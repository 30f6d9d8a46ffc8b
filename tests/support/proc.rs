//! What `/proc` tells about processes that are not ours.

use std::fs::{self, File};
use std::io::Read;

/// The parts of `/proc/PID/stat` that the tests look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat {
    pub(crate) state: char,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    pub(crate) session: i32,
}

/// Every process that is there, zombies too.
pub(crate) fn all() -> Vec<i32> {
    fs::read_dir("/proc")
        .expect("/proc is mounted")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// `None` when the process is gone.
pub(crate) fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// One line of `/proc/PID/stat`; the name in it may hold anything.
pub(crate) fn parse_stat(line: &str) -> Option<Stat> {
    let (_, tail) = line.rsplit_once(')')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
    })
}

/// Whether all threads of a process sleep.
pub(crate) fn sleeps(pid: i32) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    let mut states = tasks.flatten().map(|task| {
        let stat = fs::read_to_string(task.path().join("stat")).ok()?;
        parse_stat(&stat).map(|stat| stat.state)
    });
    states.all(|state| state == Some('S'))
}

/// The children of a process, zombies too.
pub(crate) fn children(parent: i32) -> Vec<(i32, Stat)> {
    all()
        .into_iter()
        .filter_map(|pid| Some((pid, stat(pid)?)))
        .filter(|(_, stat)| stat.parent == parent)
        .collect()
}

/// The living processes that have this entry in their environment. A zombie has none.
pub(crate) fn marked(entry: &str) -> Vec<i32> {
    // Asked for at the end of each group of a test, of all that run on the machine.
    let mut environment = Vec::new();
    all()
        .into_iter()
        .filter(|pid| {
            environment.clear();
            let file = File::open(format!("/proc/{pid}/environ"));
            let all = file.and_then(|mut it| it.read_to_end(&mut environment));
            all.is_ok_and(|length| length >= entry.len())
                && environment.split(|byte| *byte == 0).any(|found| found == entry.as_bytes())
        })
        .collect()
}

/// The process's number in its own PID namespace.
pub(crate) fn inner_pid(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    numbers.split_whitespace().last()?.parse().ok()
}

/// A process in one line, for messages.
pub(crate) fn describe(pid: i32) -> String {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    format!("{pid} {:?} {command}", stat(pid))
}
