//! Looking for our descendants.
//!
//! By the lists of children that `/proc` has (`CONFIG_PROC_CHILDREN`), else by one scan of all
//! processes. Where `/proc` shows nothing, the process groups that our leaders left are asked for.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{getpgid, getsid};

use super::procfs::{self, Stat};
use super::reap::{Whose, have_child};
use super::{clock, process, seam};
use crate::core::{Found, MemberId, Moment, Pid, ProcessKey, Seen, TICK};

/// A walk takes no longer than this. Among thousands of processes that come and go it sees a part,
/// and the next one the rest; signals, ends and the deadline are more important.
const LONGEST_WALK: Duration = Duration::from_millis(50);

/// Whom a walk starts from.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The members' leaders that are not reaped.
    pub leaders: &'a BTreeMap<Pid, MemberId>,
    /// The numbers of those that are: what they left may still be in their process groups.
    pub ended: &'a [Pid],
}

/// Walks over our descendants. `zero` is when the group's clock began, on [`clock::monotonic`], for
/// start times.
pub fn walk(known: Known<'_>, zero: Duration) -> Found {
    let (boot, begin) = clock::both();
    let now = begin.saturating_sub(zero);
    if let Err(why) = procfs::usable() {
        let processes = groups_left(known.ended).map(|group| Seen {
            key: group,
            under: None,
            group: Pid(-group.pid.0),
            session: Pid(-group.pid.0),
            started: Moment::ZERO,
            name: "process group".to_owned(),
        });
        return Found { processes: processes.collect(), blind: Some(why), ..Found::default() };
    }
    let mut look = |pid: Pid, under: Option<MemberId>| {
        let stat = match procfs::stat(pid) {
            Ok(Some(stat)) => stat,
            Ok(None) => return Looked::Unseen,
            Err(error) => return Looked::Trouble(error),
        };
        if matches!(stat.state, b'Z' | b'X') {
            // The first thread has ended; others may live on, and have children.
            return if stat.threads > 1 { Looked::Hollow } else { Looked::Gone };
        }
        let age = boot.saturating_sub(ticks(stat.key.start_ticks));
        let started = Moment::at(now.saturating_sub(age));
        let Stat { key, name, group, session, .. } = stat;
        Looked::Alive(Seen { key, under, group, session, started, name })
    };
    // A scan of all processes is made whole, or nothing of it is of use: the limit begins after it.
    let scanned = (!has_children_lists()).then(by_parent);
    let looking = clock::monotonic();
    let in_time = || clock::monotonic().saturating_sub(looking) < LONGEST_WALK;
    let mut walk = Walk {
        leaders: known.leaders,
        look: &mut look,
        in_time: &in_time,
        cut_short: false,
        trouble: None,
    };
    let processes = if let Some(scanned) = scanned {
        // Each list is taken once, so that nothing can go round in a circle.
        let mut by_parent = scanned.unwrap_or_else(|error| {
            walk.trouble = Some(error);
            BTreeMap::new()
        });
        walk.descend(&mut |pid| Ok(by_parent.remove(&pid).unwrap_or_default()))
    } else {
        walk.descend(&mut children)
    };
    let cut_short = walk.cut_short;
    let trouble = walk.trouble.map(|error| format!("cannot read /proc: {error}"));
    let took = clock::monotonic().saturating_sub(begin);
    Found { processes, took, cut_short, blind: trouble }
}

/// The process groups of reaped leaders that a child of ours is still in. Such a child pins the
/// group's number, so that it can be signalled: nobody but us can reap it. What those leaders left
/// deeper than that comes to us, one by one, when what is above it ends.
pub(super) fn groups_left(ended: &[Pid]) -> impl Iterator<Item = ProcessKey> {
    let left = ended.iter().filter(|pid| have_child(Whose::Group(**pid)));
    left.map(|pid| ProcessKey { pid: Pid(-pid.0), start_ticks: 0 })
}

/// What a look at one process shows.
enum Looked {
    Alive(Seen),
    /// A zombie whose other threads live.
    Hollow,
    /// A zombie.
    Gone,
    /// Nothing is shown of it.
    Unseen,
    /// The look itself failed.
    Trouble(io::Error),
}

/// One walk.
struct Walk<'a> {
    leaders: &'a BTreeMap<Pid, MemberId>,
    look: &'a mut dyn FnMut(Pid, Option<MemberId>) -> Looked,
    in_time: &'a dyn Fn() -> bool,
    /// Whether the time was over before everybody was seen.
    cut_short: bool,
    /// The first thing that could not be looked at.
    trouble: Option<io::Error>,
}

impl Walk<'_> {
    /// Goes down from ourselves. Leaders are not reported, what is below them is theirs.
    fn descend(&mut self, children: &mut dyn FnMut(Pid) -> io::Result<Vec<Pid>>) -> Vec<Seen> {
        let own = process::own_pid();
        let mut found = Vec::new();
        let mut open: Vec<(Pid, Option<MemberId>)> = vec![(own, None)];
        while let Some((parent, under)) = open.pop() {
            let below = match children(parent) {
                Ok(below) => below,
                Err(error) => {
                    self.trouble.get_or_insert(error);
                    continue;
                }
            };
            for child in below {
                if !(self.in_time)() {
                    self.cut_short = true;
                    return found;
                }
                if let Some(member) = self.leaders.get(&child) {
                    open.push((child, Some(*member)));
                    continue;
                }
                match (self.look)(child, under) {
                    Looked::Alive(seen) => found.push(seen),
                    Looked::Hollow => {}
                    // A child of our own is there until we reap it: it is hidden from us.
                    Looked::Unseen if parent == own => found.extend(hidden(child)),
                    Looked::Gone | Looked::Unseen => continue,
                    Looked::Trouble(error) => {
                        self.trouble.get_or_insert(error);
                    }
                }
                open.push((child, under));
            }
        }
        found
    }
}

/// A child of our own that `/proc` does not show us (`hidepid`, another user).
fn hidden(pid: Pid) -> Option<Seen> {
    let number = nix::unistd::Pid::from_raw(pid.0);
    let group = seam::call("getpgid", || Ok(getpgid(Some(number))?)).ok()?;
    let session = seam::call("getsid", || Ok(getsid(Some(number))?)).ok()?;
    Some(Seen {
        key: ProcessKey { pid, start_ticks: 0 },
        under: None,
        group: Pid(group.as_raw()),
        session: Pid(session.as_raw()),
        started: Moment::ZERO,
        name: "hidden process".to_owned(),
    })
}

/// So many of the kernel's clock ticks as a time.
pub fn ticks(count: u64) -> Duration {
    let milliseconds = u64::try_from(TICK.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(count.saturating_mul(milliseconds))
}

/// Whether the kernel was built with `CONFIG_PROC_CHILDREN`.
fn has_children_lists() -> bool {
    seam::call("children_list", || fs::exists("/proc/thread-self/children")).unwrap_or(false)
}

/// Our own children that were started after this moment ([`clock::both`]'s first) or in the same tick of the
/// kernel's clock, zombies too. By a scan of all processes where there are no lists; nothing where `/proc`
/// does not show them.
pub fn children_since(since: Duration) -> Vec<Pid> {
    let own = process::own_pid();
    let found = if has_children_lists() {
        children(own)
    } else {
        by_parent().map(|mut by_parent| by_parent.remove(&own).unwrap_or_default())
    };
    let mut found = found.unwrap_or_default();
    found.retain(|pid| {
        let started = procfs::stat(*pid).ok().flatten().map(|stat| ticks(stat.key.start_ticks));
        started.is_some_and(|started| started + TICK > since)
    });
    found
}

/// Our own children, zombies too; nothing where `/proc` does not show them.
pub(super) fn own_children() -> Vec<Pid> {
    if procfs::usable().is_ok() && has_children_lists() {
        children(process::own_pid()).unwrap_or_default()
    } else {
        Vec::new()
    }
}

/// The children of all threads of a process, by the lists that `/proc` has.
fn children(pid: Pid) -> io::Result<Vec<Pid>> {
    let mut children = Vec::new();
    let tasks = seam::call("read_dir", || fs::read_dir(format!("/proc/{pid}/task")));
    let tasks = match tasks {
        Err(error) if procfs::is_absence(&error) => return Ok(children),
        tasks => tasks?,
    };
    for task in tasks.flatten() {
        children.extend(children_of(&task.path())?);
    }
    Ok(children)
}

/// Where `/proc` has the threads of a process; none if it is gone.
pub fn threads(pid: Pid) -> impl Iterator<Item = PathBuf> {
    let tasks = seam::call("read_dir", || fs::read_dir(format!("/proc/{pid}/task")));
    tasks.into_iter().flatten().flatten().map(|task| task.path())
}

/// The children of one of [`threads`]; none if it is gone, or `/proc` has no such lists.
pub fn children_of(thread: &Path) -> io::Result<Vec<Pid>> {
    let mut text = String::new();
    let read = seam::call("read_children", || {
        fs::File::open(thread.join("children"))?.read_to_string(&mut text)
    });
    match read {
        Err(error) if procfs::is_absence(&error) => return Ok(Vec::new()),
        read => read?,
    };
    Ok(text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).map(Pid).collect())
}

/// All descendants of a process, parents before their children, zombies too.
pub(super) fn all_below(root: Pid) -> Vec<Pid> {
    let mut by_parent =
        if has_children_lists() { None } else { Some(by_parent().unwrap_or_default()) };
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        found.extend(match &mut by_parent {
            Some(by_parent) => by_parent.remove(&parent).unwrap_or_default(),
            None => children(parent).unwrap_or_default(),
        });
    }
    found.split_off(1)
}

/// One scan of all processes: their children by parent.
fn by_parent() -> io::Result<BTreeMap<Pid, Vec<Pid>>> {
    let mut children: BTreeMap<Pid, Vec<Pid>> = BTreeMap::new();
    for entry in seam::call("read_dir", || fs::read_dir("/proc"))?.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).map(Pid);
        if let Some(stat) = pid.map(procfs::stat).transpose()?.flatten() {
            children.entry(stat.parent).or_default().push(stat.key.pid);
        }
    }
    Ok(children)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut look = |pid: Pid, member: Option<MemberId>| match procfs::stat(pid) {
            Ok(Some(Stat { key, name, group, session, .. })) => Looked::Alive(Seen {
                key,
                under: member,
                group,
                session,
                started: Moment::ZERO,
                name,
            }),
            Ok(None) => Looked::Unseen,
            Err(error) => Looked::Trouble(error),
        };
        let in_time = || true;
        let mut walk = Walk {
            leaders: &leaders,
            look: &mut look,
            in_time: &in_time,
            cut_short: false,
            trouble: None,
        };
        let one = under(walk.descend(&mut children));
        let mut scanned = by_parent().expect("a scan");
        let other = under(walk.descend(&mut |pid| Ok(scanned.remove(&pid).unwrap_or_default())));
        assert!(walk.trouble.is_none(), "{:?}", walk.trouble);
        for key in &one {
            let _ = super::super::kill::straggler(*key, crate::spec::Signal::KILL);
        }
        child.wait().expect("the shell ends");
        assert_eq!(one.len(), 2);
        assert_eq!(one, other);
    }
}
