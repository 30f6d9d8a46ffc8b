//! What `/proc` tells of one process (`proc(5)`).

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::libc;

use super::{process, seam};
use crate::core::{Pid, ProcessKey};

/// The name of a process (`comm`), if it can be read.
pub fn name(pid: Pid) -> Option<String> {
    let text = seam::call("read_comm", || fs::read(format!("/proc/{pid}/comm"))).ok()?;
    Some(String::from_utf8_lossy(&text).trim_end_matches('\n').to_owned())
}

/// Whether a process runs the program in this file; `None` if that cannot be seen.
fn runs(pid: Pid, file: &Path) -> Option<bool> {
    let running = seam::call("stat_exe", || fs::metadata(format!("/proc/{pid}/exe"))).ok()?;
    let program = seam::call("stat_exe", || fs::metadata(file)).ok()?;
    Some((running.dev(), running.ino()) == (program.dev(), program.ino()))
}

/// Whether a process still runs the program in this file; by its name alone where another user's
/// executable may not be looked at. `None` if nothing can be seen.
pub fn leads(pid: Pid, file: &Path) -> Option<bool> {
    runs(pid, file).or_else(|| {
        let name = stat(pid).ok()??.name;
        // The kernel keeps 15 bytes of a name.
        let expected = file.file_name()?.to_string_lossy();
        Some(expected.bytes().take(15).eq(name.bytes()))
    })
}

/// Whether `/proc` is there and shows our own PID namespace; otherwise why not.
pub fn usable() -> Result<(), String> {
    match seam::call("proc", || fs::read("/proc/self/stat")) {
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
    /// Its controlling terminal's number, 0 for none.
    pub terminal: i32,
    /// Processor time that it and those of its children have used that it waited for, in the kernel's
    /// clock ticks.
    pub cpu_ticks: u64,
    /// How many threads it has.
    pub threads: u32,
    /// Its memory that is there just now, in pages.
    pub resident_pages: u64,
}

/// Reads it; `None` if there is no such process, or none that we may see.
pub fn stat(pid: Pid) -> io::Result<Option<Stat>> {
    // A name has at most 64 bytes (kernel threads), all numbers together fit beside it.
    let mut text = Vec::with_capacity(512);
    let read = seam::call("read_stat", || {
        fs::File::open(format!("/proc/{pid}/stat"))?.read_to_end(&mut text)
    });
    match read {
        Ok(_) => Ok(parse(&text)),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What `/proc` answers about a process that is gone, or that `hidepid` hides.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH | libc::EACCES | libc::EPERM))
}

/// The name may hold blanks and parentheses, so the fields are counted from the last one on.
pub(super) fn parse(text: &[u8]) -> Option<Stat> {
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
    let terminal = number(fields.next()?)?;
    // Fields 8 to 13 lie between the terminal and the times (14 to 17), 18 and 19 before the number of
    // threads, 21 before the start time, 23 before the memory.
    let mut cpu_ticks = number::<u64>(fields.nth(6)?)?;
    for _ in 0..3 {
        // Children's times are signed, and never negative.
        cpu_ticks = cpu_ticks.saturating_add(number(fields.next()?)?);
    }
    let threads = number(fields.nth(2)?)?;
    let start_ticks = number(fields.nth(1)?)?;
    let resident_pages = number(fields.nth(1)?)?;
    Some(Stat {
        key: ProcessKey { pid: Pid(pid), start_ticks },
        name,
        state,
        parent: Pid(parent),
        group: Pid(group),
        session: Pid(session),
        terminal,
        cpu_ticks,
        threads,
        resident_pages,
    })
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let line = b"7 (a b) S (c)) T 1 7 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 4096 77 2\n";
        let stat = parse(line).expect("it is a whole line");
        assert_eq!(stat.key, ProcessKey { pid: Pid(7), start_ticks: 4711 });
        assert_eq!((stat.name.as_str(), stat.state, stat.threads), ("a b) S (c)", b'T', 1));
        assert_eq!((stat.cpu_ticks, stat.resident_pages), (5 + 6 + 7 + 8, 77));
        assert_eq!((stat.parent, stat.group, stat.session), (Pid(1), Pid(7), Pid(9)));
        assert_eq!(parse(b"7 (a) S 1"), None, "a torn line is no process");
    }
}
