//! What `fateshare` uses while it runs, looked at from outside, and whether that stays the same.

use std::fs;
use std::time::Duration;

use crate::support::{poll, proc};

/// What it uses at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Look {
    /// Memory of its own, in KiB: pages that nobody shares with it, and that it has written to.
    pub(crate) private: u64,
    /// All memory that is in use, in KiB, the program itself included.
    pub(crate) resident: u64,
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
    /// Children that have ended and were not reaped yet.
    pub(crate) zombies: u64,
}

/// The number behind this word of a file in `/proc`.
fn value(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no {key} in\n{text}"))
}

impl Look {
    /// Looks at a process that has these many descriptors when nobody asks it anything: a connection that was
    /// closed on our side lives on for a moment on its own.
    pub(crate) fn at(pid: i32, usual: Option<u64>) -> Self {
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).expect("it runs");
        let rollup = read("smaps_rollup");
        let count = || fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count() as u64;
        let mut descriptors = count();
        poll(Duration::from_secs(5), || {
            descriptors = descriptors.min(count());
            usual.is_none_or(|usual| descriptors <= usual).then_some(())
        });
        let zombies = proc::children(pid).iter().filter(|(_, stat)| stat.state == 'Z').count();
        Self {
            private: value(&rollup, "Private_Dirty"),
            resident: value(&rollup, "Rss"),
            descriptors,
            threads: value(&read("status"), "Threads"),
            zombies: zombies as u64,
        }
    }
}

/// Memory may be so many KiB more in the last third than in the one before: where blocks lie that come and go
/// is chance, and an allocator needs a page more now and then. Of what grows with each line, child, signal or
/// question thousands pass in a third of even a short run.
pub(crate) const TOLERANCE: u64 = 128;

/// Looks that were taken one after the other.
#[derive(Debug, Default)]
pub(crate) struct Looks(pub(crate) Vec<Look>);

impl Looks {
    /// The largest value of the middle third and of the last one; the first third is to warm up.
    pub(crate) fn thirds(&self, of: fn(&Look) -> u64) -> (u64, u64) {
        let third = self.0.len() / 3;
        let most = |looks: &[Look]| looks.iter().map(of).max().unwrap_or(0);
        (most(&self.0[third..2 * third]), most(&self.0[2 * third..]))
    }

    /// What has grown.
    pub(crate) fn grown(&self) -> Vec<String> {
        let mut grown = Vec::new();
        let mut hold = |what: &str, of: fn(&Look) -> u64, tolerance: u64| {
            let (middle, last) = self.thirds(of);
            if last > middle + tolerance {
                grown.push(format!("{what}: {middle} in the middle third, {last} in the last"));
            }
        };
        hold("KiB of private memory", |look| look.private, TOLERANCE);
        hold("KiB of resident memory", |look| look.resident, TOLERANCE);
        hold("descriptors", |look| look.descriptors, 0);
        hold("threads", |look| look.threads, 0);
        grown
    }
}

#[test]
fn what_grows_is_seen() {
    let look =
        |number: u64| Look { private: 1_000 + 10 * number, descriptors: 7, ..Look::default() };
    let growing = Looks((0..60).map(look).collect());
    assert_eq!(
        growing.grown(),
        ["KiB of private memory: 1390 in the middle third, 1590 in the last"]
    );
    let flat = |number: u64| Look { private: 1_000 + number % 20, ..look(0) };
    assert!(Looks((0..60).map(flat).collect()).grown().is_empty());
    let mut one_more = Looks((0..60).map(flat).collect());
    one_more.0[59].descriptors += 1;
    assert_eq!(one_more.grown(), ["descriptors: 7 in the middle third, 8 in the last"]);
}
