//! Control groups of our own, of the version that this machine has: what is in one is limited, and can be frozen.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{LIMIT, poll};

const ROOT: &str = "/sys/fs/cgroup";

/// How much there is of what.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// Memory in MiB.
    pub(crate) memory: Option<u32>,
    /// Processes and threads.
    pub(crate) processes: Option<u32>,
    /// Whether it is to be frozen.
    pub(crate) freezer: bool,
}

impl Limits {
    /// The controllers of version 1 that this takes.
    fn controllers(self) -> impl Iterator<Item = &'static str> {
        let wanted = [
            ("memory", self.memory.is_some()),
            ("pids", self.processes.is_some()),
            ("freezer", self.freezer),
        ];
        wanted.into_iter().filter(|(_, wanted)| *wanted).map(|(name, _)| name)
    }
}

/// Whether everything is of version 2.
fn is_unified() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}

/// Folders that are one control group; removed when dropped, with whoever is in them.
#[derive(Debug)]
pub(crate) struct Cgroup {
    folders: Vec<PathBuf>,
}

impl Cgroup {
    /// `None` without a limit.
    pub(crate) fn make(limits: Limits) -> io::Result<Option<Self>> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fateshare-hard-to-kill-{}-{number}", process::id());
        let mut made = Self { folders: Vec::new() };
        let root = Path::new(ROOT);
        let controllers: Vec<&str> = limits.controllers().collect();
        if controllers.is_empty() {
            return Ok(None);
        }
        if is_unified() {
            for controller in controllers.iter().filter(|name| **name != "freezer") {
                fs::write(root.join("cgroup.subtree_control"), format!("+{controller}"))?;
            }
            made.add(root.join(&name))?;
        } else {
            for controller in controllers {
                made.add(root.join(controller).join(&name))?;
            }
        }
        if let Some(mebibytes) = limits.memory {
            let bytes = (u64::from(mebibytes) << 20).to_string();
            made.set(&["memory.max", "memory.limit_in_bytes"], &bytes)?;
            // Where nothing is swapped these are not there.
            let _ = made.set(&["memory.swap.max"], "0");
            let _ = made.set(&["memory.memsw.limit_in_bytes"], &bytes);
        }
        if let Some(count) = limits.processes {
            made.set(&["pids.max"], &count.to_string())?;
        }
        Ok(Some(made))
    }

    fn add(&mut self, folder: PathBuf) -> io::Result<()> {
        fs::create_dir(&folder)?;
        self.folders.push(folder);
        Ok(())
    }

    /// Writes to the first of these files that there is.
    fn set(&self, names: &[&str], text: &str) -> io::Result<()> {
        let files = self.folders.iter().flat_map(|it| names.iter().map(|name| it.join(name)));
        let mut there = files.filter(|file| file.exists());
        let file = there.next().ok_or(io::ErrorKind::NotFound)?;
        fs::write(file, text)
    }

    /// What a shell does that goes into it.
    pub(crate) fn join(&self) -> String {
        let join = |folder: &PathBuf| format!("echo 0 >{}/cgroup.procs && ", folder.display());
        self.folders.iter().map(join).collect()
    }

    /// Stops or continues everything in it, unseen by whoever is.
    pub(crate) fn freeze(&self, frozen: bool) {
        let (one, two) = if frozen { ("FROZEN", "1") } else { ("THAWED", "0") };
        let text = if is_unified() { two } else { one };
        self.set(&["cgroup.freeze", "freezer.state"], text).expect("it can be frozen");
    }

    /// So many the kernel has killed in it, because its memory was used up.
    pub(crate) fn kills(&self) -> u32 {
        let files = ["memory.events", "memory.oom_control"];
        let files = self.folders.iter().flat_map(|it| files.map(|name| it.join(name)));
        let texts: Vec<String> = files.flat_map(fs::read_to_string).collect();
        let mut lines = texts.iter().flat_map(|text| text.lines());
        let count = lines.find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.parse().ok()).unwrap_or_default()
    }

    /// Whoever is in it; as seen from here.
    fn processes(&self) -> Vec<i32> {
        let read = |it: &PathBuf| fs::read_to_string(it.join("cgroup.procs")).unwrap_or_default();
        self.folders
            .iter()
            .map(read)
            .flat_map(|text| text.lines().filter_map(|it| it.parse().ok()).collect::<Vec<_>>())
            .collect()
    }

    /// Kills whoever is in it, until nobody is.
    pub(crate) fn end_all(&self) {
        poll(LIMIT, || {
            let left = self.processes();
            for pid in &left {
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
            left.is_empty().then_some(())
        });
    }

    /// Removes it, which the kernel allows when nobody is in it: not even a zombie.
    #[track_caller]
    pub(crate) fn remove(mut self) {
        let folders = std::mem::take(&mut self.folders);
        for folder in folders {
            let gone = poll(LIMIT, || fs::remove_dir(&folder).ok());
            let left = fs::read_to_string(folder.join("cgroup.procs"));
            assert!(gone.is_some(), "left in {}: {left:?}", folder.display());
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.end_all();
        for folder in &self.folders {
            poll(LIMIT, || fs::remove_dir(folder).ok());
        }
    }
}

/// Where the control group of a process is that limits this: ours, or a container's.
#[track_caller]
pub(crate) fn of(pid: i32, controller: &str) -> PathBuf {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("a living process");
    let root = Path::new(ROOT);
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (_, names, path) = (parts.next(), parts.next(), parts.next());
        let (names, path) = (names.unwrap_or_default(), path.unwrap_or_default());
        let below = path.trim_start_matches('/');
        if is_unified() && names.is_empty() {
            return root.join(below);
        }
        if names.split(',').any(|name| name == controller) {
            return root.join(controller).join(below);
        }
    }
    panic!("no control group with {controller}:\n{text}");
}

/// Whether there is no process to be had any more in this control group.
pub(crate) fn is_full(group: &Path) -> bool {
    let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u32>().ok();
    matches!((number("pids.current"), number("pids.max")), (Some(now), Some(most)) if now >= most)
}

/// Whether control groups can be made here; otherwise why not.
pub(crate) fn can_limit() -> Result<(), String> {
    let limits = Limits { memory: Some(64), processes: Some(64), freezer: true };
    match Cgroup::make(limits) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("no control group can be made: {error}")),
    }
}
