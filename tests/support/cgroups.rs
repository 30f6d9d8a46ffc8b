//! What machines of several kinds have of control groups, in files that stand for theirs (see
//! `src/sys/seam.rs`).

use std::fs;
use std::path::{Path, PathBuf};

use super::Group;

/// The files of one kind of machine, seen from a container with 64 MiB of memory.
pub(crate) struct Recorded {
    /// `/proc/self/cgroup`.
    groups: &'static str,
    /// `/proc/self/mountinfo`, of which the lines about control groups.
    mounts: &'static str,
    /// The file with the count.
    pub(crate) at: &'static str,
    /// What stands in there before the count, and behind it.
    around: (&'static str, &'static str),
    /// The file with the limit.
    limit: &'static str,
}

pub(crate) const KINDS: [&Recorded; 4] = [&VERSION_1, &NAMESPACE, &HOST_PATH, &HYBRID];

const EVENTS: (&str, &str) = ("low 0\nhigh 0\nmax 121\noom 1\n", "oom_group_kill 0\n");
const CONTROL: (&str, &str) = ("oom_kill_disable 0\nunder_oom 0\n", "");

/// A container where everything is of version 1.
pub(crate) const VERSION_1: Recorded = Recorded {
    groups: "9:name=systemd:/docker/0a1b\n4:memory:/docker/0a1b\n3:cpuset:/docker/0a1b\n\
             1:cpu,cpuacct:/docker/0a1b\n",
    mounts: "652 651 0:62 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,mode=755\n\
             653 652 0:29 /docker/0a1b /sys/fs/cgroup/cpu,cpuacct ro,relatime master:11 - cgroup cgroup rw,cpu,cpuacct\n\
             656 652 0:32 /docker/0a1b /sys/fs/cgroup/memory ro,relatime master:14 - cgroup cgroup rw,memory\n\
             661 652 0:37 /docker/0a1b /sys/fs/cgroup/systemd ro,relatime master:19 - cgroup cgroup rw,name=systemd\n",
    at: "/sys/fs/cgroup/memory/memory.oom_control",
    around: CONTROL,
    limit: "/sys/fs/cgroup/memory/memory.limit_in_bytes",
};

/// A container with a cgroup namespace of its own.
pub(crate) const NAMESPACE: Recorded = Recorded {
    groups: "0::/\n",
    mounts: "30 29 0:26 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate,memory_recursiveprot\n",
    at: "/sys/fs/cgroup/memory.events",
    around: EVENTS,
    limit: "/sys/fs/cgroup/memory.max",
};

/// A container with that of its host.
pub(crate) const HOST_PATH: Recorded = Recorded {
    groups: "0::/system.slice/docker-0a1b.scope\n",
    mounts: "30 29 0:26 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate\n",
    at: "/sys/fs/cgroup/system.slice/docker-0a1b.scope/memory.events",
    around: EVENTS,
    limit: "/sys/fs/cgroup/system.slice/docker-0a1b.scope/memory.max",
};

/// Version 2 beside version 1, which has the memory.
pub(crate) const HYBRID: Recorded = Recorded {
    groups: "0::/system.slice/app.service\n9:memory:/system.slice/app.service\n1:name=systemd:/\n",
    mounts: "24 23 0:21 / /sys/fs/cgroup/unified rw,nosuid,nodev,noexec,relatime shared:5 - cgroup2 cgroup2 rw\n\
             33 23 0:30 / /sys/fs/cgroup/memory rw,nosuid,nodev,noexec,relatime shared:14 - cgroup cgroup rw,memory\n",
    at: "/sys/fs/cgroup/memory/system.slice/app.service/memory.oom_control",
    around: CONTROL,
    limit: "/sys/fs/cgroup/memory/system.slice/app.service/memory.limit_in_bytes",
};

impl Recorded {
    /// Where the file with the count is for a group that was started in this directory.
    pub(crate) fn file(&self, dir: &Path) -> PathBuf {
        inside(dir, self.at)
    }

    /// The kernel has killed so many.
    pub(crate) fn count(&self, dir: &Path, kills: u32) {
        let (before, behind) = self.around;
        write(&self.file(dir), &format!("{before}oom_kill {kills}\n{behind}"));
    }
}

impl Group {
    /// `fateshare` sees the control groups of such a machine.
    pub(crate) fn recorded(self, kind: &Recorded) -> Self {
        let dir = self.dir();
        kind.count(dir, 0);
        for (path, text) in [
            ("/proc/self/cgroup", kind.groups),
            ("/proc/self/mountinfo", kind.mounts),
            (kind.limit, "67108864\n"),
        ] {
            write(&inside(dir, path), text);
        }
        let host = inside(dir, "/");
        self.env("FATESHARE_CGROUP_FILES", host.to_str().expect("a path in UTF-8"))
    }
}

fn inside(dir: &Path, path: &str) -> PathBuf {
    dir.join("host").join(path.trim_start_matches('/'))
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
    fs::write(path, text).expect("the file is written");
}
