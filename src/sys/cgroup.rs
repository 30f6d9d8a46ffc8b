//! The control group that our memory is charged to: how often the kernel has killed in it because
//! its memory was used up, and its limit (`cgroups(7)`).
//!
//! A container has one. In version 2 it is the one line `0::PATH` of `/proc/self/cgroup`; where the
//! `memory` controller is on a hierarchy of version 1 that has a line of its own, and the other one
//! knows nothing of memory. PATH and the root of a mount are both seen from our cgroup namespace;
//! what of PATH lies below the root lies below the mount point.
//!
//! All of it may be missing: no `/proc`, nothing mounted, the root group, which has no such files, an
//! old kernel that does not count. Then nothing is known, and that is no failure.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use super::seam;

/// Which control groups have the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

impl Version {
    /// The file that counts kills.
    fn count(self) -> &'static str {
        match self {
            Self::One => "memory.oom_control",
            Self::Two => "memory.events",
        }
    }

    /// The file with the limit.
    fn limit(self) -> &'static str {
        match self {
            Self::One => "memory.limit_in_bytes",
            Self::Two => "memory.max",
        }
    }
}

/// From here on a limit is none: version 1 has a number for that, which depends on the size of pages.
const NO_LIMIT: u64 = 1 << 62;

/// Our memory's control group. Has one descriptor open, from the start on: members may see to it that
/// later there is none to be had.
#[derive(Debug)]
pub struct Memory {
    version: Version,
    folder: PathBuf,
    file: Rc<File>,
    /// The count at the last look.
    count: u64,
}

impl Memory {
    /// Finds it; otherwise says why it is not known.
    pub fn find() -> io::Result<Self> {
        let groups = seam::call("read_cgroup", || read("/proc/self/cgroup"))?;
        let mounts = seam::call("read_mountinfo", || read("/proc/self/mountinfo"))?;
        let mut last = io::Error::other("no control group of memory is mounted");
        // One may hide another, and some may lead nowhere.
        for (version, folder) in folders(&groups, &mounts) {
            match Self::open(version, folder) {
                Ok(memory) => return Ok(memory),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn open(version: Version, folder: PathBuf) -> io::Result<Self> {
        let path = seam::path(folder.join(version.count()));
        let file = Rc::new(seam::call("open_oom_kills", || File::open(path))?);
        let count = count(&file)?;
        Ok(Self { version, folder, file, count })
    }

    /// Whether the kernel has killed since the last look, because the memory was used up.
    ///
    /// It counts first and kills then: of whom it has killed, and we have reaped, we hear here.
    pub fn has_killed(&mut self) -> bool {
        // What cannot be read now may be next time, and then nothing is lost.
        let Ok(now) = count(&self.file) else { return false };
        // It is lower if we were moved into another group that has taken the name.
        std::mem::replace(&mut self.count, now) < now
    }

    /// What is to be watched for `EPOLLPRI`: that something was counted. Until the next look it is not
    /// said again. `None` in version 1, which tells only those who may write to its files.
    pub fn to_watch(&self) -> Option<Rc<File>> {
        (self.version == Version::Two).then(|| Rc::clone(&self.file))
    }

    /// How much memory all that is in the container may use, in bytes; `None` without a limit.
    pub fn limit(&self) -> Option<u64> {
        let path = seam::path(self.folder.join(self.version.limit()));
        let text = seam::call("read_memory_limit", || fs::read_to_string(path)).ok()?;
        text.trim().parse().ok().filter(|limit| *limit < NO_LIMIT)
    }

    /// The file that counts.
    pub fn path(&self) -> PathBuf {
        self.folder.join(self.version.count())
    }
}

/// In one gulp: for each read of these the kernel begins anew, and it gives no size to read in one go.
fn read(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(16 * 1024);
    File::open(seam::path(PathBuf::from(path)))?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the count, and from the beginning: that makes the kernel tell of the next change.
fn count(file: &File) -> io::Result<u64> {
    // Seven names with a number each.
    let mut text = [0; 512];
    let length = seam::call("read_oom_kills", || file.read_at(&mut text, 0))?;
    let counted = text.get(..length).and_then(kills);
    counted.ok_or_else(|| io::Error::other("this kernel does not count out-of-memory kills"))
}

/// The count in `memory.events` or `memory.oom_control`.
pub(super) fn kills(text: &[u8]) -> Option<u64> {
    let mut lines = std::str::from_utf8(text).ok()?.lines().filter_map(|it| it.split_once(' '));
    lines.find(|(name, _)| *name == "oom_kill")?.1.parse().ok()
}

/// Where our memory's control group may be.
pub(super) fn folders(groups: &[u8], mounts: &[u8]) -> Vec<(Version, PathBuf)> {
    let Some((version, group)) = group(groups) else { return Vec::new() };
    let mounts = mounts.split(|byte| *byte == b'\n');
    mounts.filter_map(|mount| Some((version, folder(version, &group, mount)?))).collect()
}

/// The path of our group in the hierarchy that has the memory: `4:memory:/docker/01ab`, `0::/`.
fn group(groups: &[u8]) -> Option<(Version, PathBuf)> {
    let path = |path: &[u8]| PathBuf::from(OsString::from_vec(path.to_vec()));
    let mut second = None;
    for line in groups.split(|byte| *byte == b'\n') {
        let mut fields = line.splitn(3, |byte| *byte == b':');
        let (Some(number), Some(controllers), Some(group)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if controllers.split(|byte| *byte == b',').any(|it| it == b"memory") {
            return Some((Version::One, path(group)));
        }
        if number == b"0" {
            second = Some((Version::Two, path(group)));
        }
    }
    second
}

/// Where this line of mountinfo shows our group (`proc_pid_mountinfo(5)`), if it does.
fn folder(version: Version, group: &Path, mount: &[u8]) -> Option<PathBuf> {
    let fields: Vec<&[u8]> = mount.split(|byte| *byte == b' ').collect();
    let end = fields.iter().position(|field| *field == b"-")?;
    let (root, point) = (unescaped(fields.get(3)?), unescaped(fields.get(4)?));
    let (kind, options) = (*fields.get(end + 1)?, *fields.get(end + 3)?);
    let fits = match version {
        Version::One => {
            kind == b"cgroup" && options.split(|byte| *byte == b',').any(|it| it == b"memory")
        }
        Version::Two => kind == b"cgroup2",
    };
    // `/..` is what lies outside our cgroup namespace: from there the way to us is not known.
    let below = group.strip_prefix(root).ok().filter(|_| fits)?;
    let upwards = below.components().any(|part| part == Component::ParentDir);
    (!upwards).then(|| point.join(below))
}

/// A path with blanks and the like as `\040`.
fn unescaped(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, others)) = rest.split_first() {
        let digits = others.get(..3).filter(|_| *first == b'\\');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            bytes.push(byte);
            rest = &others[3..];
        } else {
            bytes.push(*first);
            rest = others;
        }
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_found_where_its_part_below_the_mounts_root_is() {
        use Version::{One, Two};
        let v2 = |root: &str| format!("30 23 0:26 {root} /sys/fs/cgroup ro - cgroup2 cgroup rw");
        let v1 = |root: &str| {
            format!(
                "32 31 0:29 {root} /sys/fs/cgroup/cpu ro master:9 - cgroup cgroup rw,cpu,cpuacct\n\
                 35 31 0:32 {root} /sys/fs/cgroup/mem\\040ory ro - cgroup cgroup rw,memory\n\
                 41 31 0:38 {root} /sys/fs/cgroup/unified ro - cgroup2 cgroup2 rw\n"
            )
        };
        for (groups, mounts, expected) in [
            // A cgroup namespace of its own: both are its root.
            ("0::/\n", v2("/"), Some((Two, "/sys/fs/cgroup"))),
            // The host's, with all of the tree, or with the container's part alone.
            ("0::/docker/01ab\n", v2("/"), Some((Two, "/sys/fs/cgroup/docker/01ab"))),
            ("0::/docker/01ab\n", v2("/docker/01ab"), Some((Two, "/sys/fs/cgroup"))),
            ("0::/docker/01ab/x\n", v2("/docker/01ab"), Some((Two, "/sys/fs/cgroup/x"))),
            // Another's part; what is above our namespace.
            ("0::/docker/01ab\n", v2("/docker/01"), None),
            ("0::/../01ab\n", v2("/"), None),
            ("0::/\n", v2("/../.."), None),
            // Version 1, and version 2 beside it without the memory.
            (
                "5:cpu,cpuacct:/\n4:memory:/docker/01ab\n0::/\n",
                v1("/docker/01ab"),
                Some((One, "/sys/fs/cgroup/mem ory")),
            ),
            ("0::/\n4:hugetlb,memory:/\n", v1("/"), Some((One, "/sys/fs/cgroup/mem ory"))),
            ("4:memory:/\n0::/\n", v2("/"), None),
            ("0::/\n", "not a mount\n\n".to_owned(), None),
            ("not a group\n", v2("/"), None),
        ] {
            let expected = expected.into_iter().map(|(version, at)| (version, PathBuf::from(at)));
            let found = folders(groups.as_bytes(), mounts.as_bytes());
            assert_eq!(found, expected.collect::<Vec<_>>(), "{groups:?} {mounts:?}");
        }
    }

    #[test]
    fn a_backslash_that_escapes_nothing_stays() {
        for (text, path) in [("/a\\134b\\", "/a\\b\\"), ("/\\999\\01", "/\\999\\01")] {
            assert_eq!(unescaped(text.as_bytes()), Path::new(path));
        }
    }
}
