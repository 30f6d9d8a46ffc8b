//! Looking for our descendants in `/proc` (`proc(5)`).

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

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
    let own = process::own_pid();
    match stat(Pid(0)) {
        Some(stat) if stat.key.pid == own => Ok(()),
        Some(_) => Err("/proc belongs to another PID namespace".to_owned()),
        None => Err("/proc is not mounted".to_owned()),
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
}

/// Reads it; `Pid(0)` means ourselves. `None` if there is no such process, or no `/proc`.
pub fn stat(pid: Pid) -> Option<Stat> {
    let path = if pid.0 == 0 { "/proc/self/stat".to_owned() } else { format!("/proc/{pid}/stat") };
    // A name has at most 64 bytes (kernel threads), all numbers together fit beside it.
    let mut text = Vec::with_capacity(512);
    fs::File::open(path).ok()?.read_to_end(&mut text).ok()?;
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
    // Fields 7 to 21 lie between the session and the start time.
    let start_ticks = number(fields.nth(15)?)?;
    Some(Stat {
        key: ProcessKey { pid: Pid(pid), start_ticks },
        name,
        state,
        parent: Pid(parent),
        group: Pid(group),
        session: Pid(session),
    })
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// Walks over our descendants; `leaders` are the members' living (un-reaped) leaders. `now` is the
/// present on the group's clock, for start times.
pub fn walk(leaders: &BTreeMap<Pid, MemberId>, now: Moment) -> Found {
    let begin = clock::monotonic();
    let boot = clock::since_boot();
    if let Err(why) = usable() {
        return Found { blind: Some(why), ..Found::default() };
    }
    let mut seen = |pid: Pid, under: Option<MemberId>| {
        let stat = stat(pid).filter(|stat| !matches!(stat.state, b'Z' | b'X'))?;
        let age = boot.saturating_sub(ticks(stat.key.start_ticks));
        let started = Moment::at(now.since_start().saturating_sub(age));
        let Stat { key, name, group, session, .. } = stat;
        Some(Seen { key, under, group, session, started, name })
    };
    let processes = if has_children_lists() {
        by_children(leaders, &mut seen)
    } else {
        by_parents(leaders, &mut seen)
    };
    Found { processes, took: clock::monotonic().saturating_sub(begin), blind: None }
}

fn ticks(count: u64) -> std::time::Duration {
    TICK.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Whether the kernel was built with `CONFIG_PROC_CHILDREN`.
fn has_children_lists() -> bool {
    fs::exists("/proc/thread-self/children").unwrap_or(false)
}

type Look<'a> = dyn FnMut(Pid, Option<MemberId>) -> Option<Seen> + 'a;

/// Goes down from ourselves by the lists of children that each thread has.
fn by_children(leaders: &BTreeMap<Pid, MemberId>, look: &mut Look<'_>) -> Vec<Seen> {
    let mut found = Vec::new();
    let mut open: Vec<(Pid, Option<MemberId>)> = vec![(process::own_pid(), None)];
    while let Some((parent, under)) = open.pop() {
        for child in children(parent) {
            if let Some(member) = leaders.get(&child) {
                open.push((child, Some(*member)));
            } else {
                found.extend(look(child, under));
                // Down from a zombie too: its threads may live on and have children.
                open.push((child, under));
            }
        }
    }
    found
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

/// One scan of all processes, then down from ourselves by their parents.
fn by_parents(leaders: &BTreeMap<Pid, MemberId>, look: &mut Look<'_>) -> Vec<Seen> {
    let mut children: BTreeMap<Pid, Vec<Pid>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).map(Pid);
        if let Some(stat) = pid.and_then(stat) {
            children.entry(stat.parent).or_default().push(stat.key.pid);
        }
    }
    let mut found = Vec::new();
    let mut open: Vec<(Pid, Option<MemberId>)> = vec![(process::own_pid(), None)];
    while let Some((parent, under)) = open.pop() {
        // Each list is taken once, so that nothing can go round in a circle.
        for child in children.remove(&parent).unwrap_or_default() {
            if let Some(member) = leaders.get(&child) {
                open.push((child, Some(*member)));
            } else {
                found.extend(look(child, under));
                open.push((child, under));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let line = b"7 (a b) S (c)) T 1 7 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 1 2\n";
        let stat = parse(line).expect("it is a whole line");
        assert_eq!(stat.key, ProcessKey { pid: Pid(7), start_ticks: 4711 });
        assert_eq!((stat.name.as_str(), stat.state), ("a b) S (c)", b'T'));
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
        let mut look = |pid: Pid, member: Option<MemberId>| {
            let stat = stat(pid)?;
            Some(Seen {
                key: stat.key,
                under: member,
                group: stat.group,
                session: stat.session,
                started: Moment::ZERO,
                name: stat.name,
            })
        };
        let one = under(by_children(&leaders, &mut look));
        let other = under(by_parents(&leaders, &mut look));
        for key in &one {
            let _ = super::super::kill::straggler(*key, crate::spec::Signal::KILL);
        }
        child.wait().expect("the shell ends");
        assert_eq!(one.len(), 2);
        assert_eq!(one, other);
    }
}
