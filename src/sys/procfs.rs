//! Looking for our descendants in `/proc` (`proc(5)`).

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use super::{clock, process};
use crate::core::{Found, MemberId, Moment, Pid, ProcessKey, Seen, TICK};

/// The name of a process (`comm`), if it can be read.
pub fn name(pid: Pid) -> Option<String> {
    let text = fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(String::from_utf8_lossy(&text).trim_end_matches('\n').to_owned())
}

/// Whether a process runs the program in this file; `None` if that cannot be seen.
pub fn runs(pid: Pid, file: &Path) -> Option<bool> {
    let running = fs::metadata(format!("/proc/{pid}/exe")).ok()?;
    let program = fs::metadata(file).ok()?;
    Some((running.dev(), running.ino()) == (program.dev(), program.ino()))
}

/// Whether `/proc` is there and shows our own PID namespace; otherwise why not.
pub fn usable() -> Result<(), String> {
    match fs::read("/proc/self/stat") {
        Ok(text) if parse(&text).is_some_and(|stat| stat.key.pid == process::own_pid()) => Ok(()),
        Ok(_) => Err("/proc belongs to another PID namespace".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err("/proc is not mounted".to_owned())
        }
        Err(error) => Err(format!("cannot read /proc: {error}")),
    }
}

/// One line of `/proc/PID/stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Which process.
    pub key: ProcessKey,
    /// Its name.
    pub name: String,
    /// Its state: `R`, `S`, `D`, `T`, `Z`...
    pub state: u8,
    /// Its parent.
    pub parent: Pid,
    /// Its process group.
    pub group: Pid,
    /// Its session.
    pub session: Pid,
    /// How many threads it has.
    pub threads: u32,
}

/// Reads it; `None` if there is no such process, or no `/proc`.
pub fn stat(pid: Pid) -> Option<Stat> {
    // A name has at most 64 bytes (kernel threads), all numbers together fit beside it.
    let mut text = Vec::with_capacity(512);
    fs::File::open(format!("/proc/{pid}/stat")).ok()?.read_to_end(&mut text).ok()?;
    parse(&text)
}

/// The name may hold blanks and parentheses, so the fields are counted from the last one on.
fn parse(text: &[u8]) -> Option<Stat> {
    let open = text.iter().position(|byte| *byte == b'(')?;
    let close = text.iter().rposition(|byte| *byte == b')')?;
    let pid = number(text.get(..open)?)?;
    let name = String::from_utf8_lossy(text.get(open + 1..close)?).into_owned();
    let mut fields = text.get(close + 1..)?.split(u8::is_ascii_whitespace);
    let mut fields = fields.by_ref().filter(|field| !field.is_empty());
    let state = *fields.next()?.first()?;
    let parent = number(fields.next()?)?;
    let group = number(fields.next()?)?;
    let session = number(fields.next()?)?;
    // Fields 7 to 19 lie between the session and the number of threads, 21 before the start time.
    let threads = number(fields.nth(13)?)?;
    let start_ticks = number(fields.nth(1)?)?;
    Some(Stat {
        key: ProcessKey { pid: Pid(pid), start_ticks },
        name,
        state,
        parent: Pid(parent),
        group: Pid(group),
        session: Pid(session),
        threads,
    })
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// A walk takes no longer than this. Among thousands of processes that come and go it sees a part,
/// and the next one the rest; signals, ends and the deadline are more important.
const LONGEST_WALK: Duration = Duration::from_millis(50);

/// Walks over our descendants; `leaders` are the members' living (un-reaped) leaders. `now` is the
/// present on the group's clock, for start times.
pub fn walk(leaders: &BTreeMap<Pid, MemberId>, now: Moment) -> Found {
    let begin = clock::monotonic();
    let boot = clock::since_boot();
    if let Err(why) = usable() {
        return Found { blind: Some(why), ..Found::default() };
    }
    let mut look = |pid: Pid, under: Option<MemberId>| {
        let Some(stat) = stat(pid) else { return Looked::Gone };
        if matches!(stat.state, b'Z' | b'X') {
            // The first thread has ended; others may live on, and have children.
            return if stat.threads > 1 { Looked::Hollow } else { Looked::Gone };
        }
        let age = boot.saturating_sub(ticks(stat.key.start_ticks));
        let started = Moment::at(now.since_start().saturating_sub(age));
        let Stat { key, name, group, session, .. } = stat;
        Looked::Alive(Seen { key, under, group, session, started, name })
    };
    let in_time = || clock::monotonic().saturating_sub(begin) < LONGEST_WALK;
    let processes = if has_children_lists() {
        descend(leaders, &mut children, &mut look, &in_time)
    } else {
        let mut by_parent = by_parent();
        // Each list is taken once, so that nothing can go round in a circle.
        let mut children = |pid: Pid| by_parent.remove(&pid).unwrap_or_default();
        descend(leaders, &mut children, &mut look, &in_time)
    };
    Found { processes, took: clock::monotonic().saturating_sub(begin), blind: None }
}

/// What a look at one process shows.
enum Looked {
    Alive(Seen),
    /// A zombie whose other threads live.
    Hollow,
    Gone,
}

/// Goes down from ourselves. Leaders are not reported, what is below them is theirs.
fn descend(
    leaders: &BTreeMap<Pid, MemberId>,
    children: &mut dyn FnMut(Pid) -> Vec<Pid>,
    look: &mut dyn FnMut(Pid, Option<MemberId>) -> Looked,
    in_time: &dyn Fn() -> bool,
) -> Vec<Seen> {
    let mut found = Vec::new();
    let mut open: Vec<(Pid, Option<MemberId>)> = vec![(process::own_pid(), None)];
    while let Some((parent, under)) = open.pop() {
        for child in children(parent) {
            if !in_time() {
                return found;
            }
            if let Some(member) = leaders.get(&child) {
                open.push((child, Some(*member)));
                continue;
            }
            match look(child, under) {
                Looked::Gone => continue,
                Looked::Hollow => {}
                Looked::Alive(seen) => found.push(seen),
            }
            open.push((child, under));
        }
    }
    found
}

fn ticks(count: u64) -> Duration {
    let milliseconds = u64::try_from(TICK.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(count.saturating_mul(milliseconds))
}

/// Whether the kernel was built with `CONFIG_PROC_CHILDREN`.
fn has_children_lists() -> bool {
    fs::exists("/proc/thread-self/children").unwrap_or(false)
}

/// Our own children, zombies too; nothing where `/proc` does not show them.
pub fn own_children() -> Vec<Pid> {
    if usable().is_ok() && has_children_lists() { children(process::own_pid()) } else { Vec::new() }
}

/// The children of all threads of a process.
fn children(pid: Pid) -> Vec<Pid> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let mut children = Vec::new();
    let mut text = String::new();
    for task in tasks.flatten() {
        text.clear();
        let opened = fs::File::open(task.path().join("children"));
        if opened.and_then(|mut file| file.read_to_string(&mut text)).is_ok() {
            children.extend(
                text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).map(Pid),
            );
        }
    }
    children
}

/// One scan of all processes: their children by parent.
fn by_parent() -> BTreeMap<Pid, Vec<Pid>> {
    let mut children: BTreeMap<Pid, Vec<Pid>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).map(Pid);
        if let Some(stat) = pid.and_then(stat) {
            children.entry(stat.parent).or_default().push(stat.key.pid);
        }
    }
    children
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let line = b"7 (a b) S (c)) T 1 7 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 1 2\n";
        let stat = parse(line).expect("it is a whole line");
        assert_eq!(stat.key, ProcessKey { pid: Pid(7), start_ticks: 4711 });
        assert_eq!((stat.name.as_str(), stat.state, stat.threads), ("a b) S (c)", b'T', 1));
        assert_eq!((stat.parent, stat.group, stat.session), (Pid(1), Pid(7), Pid(9)));
        assert_eq!(parse(b"7 (a) S 1"), None, "a torn line is no process");
    }

    #[test]
    fn both_ways_of_looking_find_the_same() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "sleep 60 & sleep 60 & echo; wait"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut line = [0];
        child.stdout.take().expect("its output").read_exact(&mut line).expect("it has begun");
        let own = i32::try_from(child.id()).expect("a pid");
        let leaders = BTreeMap::from([(Pid(own), MemberId(3))]);
        // Other tests of this process have children too: only those under the leader count.
        let under = |found: Vec<Seen>| {
            let mut under: Vec<ProcessKey> = found
                .into_iter()
                .filter(|seen| seen.under == Some(MemberId(3)))
                .map(|seen| seen.key)
                .collect();
            under.sort();
            under
        };
        let mut look = |pid: Pid, member: Option<MemberId>| match stat(pid) {
            Some(Stat { key, name, group, session, .. }) => Looked::Alive(Seen {
                key,
                under: member,
                group,
                session,
                started: Moment::ZERO,
                name,
            }),
            None => Looked::Gone,
        };
        let one = under(descend(&leaders, &mut children, &mut look, &|| true));
        let mut scanned = by_parent();
        let mut by_scan = |pid: Pid| scanned.remove(&pid).unwrap_or_default();
        let other = under(descend(&leaders, &mut by_scan, &mut look, &|| true));
        for key in &one {
            let _ = super::super::kill::straggler(*key, crate::spec::Signal::KILL);
        }
        child.wait().expect("the shell ends");
        assert_eq!(one.len(), 2);
        assert_eq!(one, other);
    }
}
