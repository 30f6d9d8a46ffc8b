//! The stress: random groups, started and killed at random moments, with every core busy. Each has the fate that
//! the rules allow, says so, ends in time, and leaves nothing behind.

use std::any::Any;
use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::chance::Chance;
use crate::figures::{Table, thousands};
use crate::judge::Kind;
use crate::number;
use crate::plan::{Place, Plan};
use crate::play::{Note, Played, play};
use crate::support::{Mode, cannot_run, heavy, proc};

/// So many groups unless it is told.
const GROUPS: u64 = 150;

/// So many at a time for each core: most of their time they wait.
const EACH_CORE: usize = 5;

/// So many failures say enough.
const ENOUGH: usize = 10;

/// What all groups together came to.
#[derive(Default)]
struct Tally {
    groups: u64,
    members: u64,
    kinds: BTreeMap<Kind, u64>,
    strikes: BTreeMap<&'static str, u64>,
    places: BTreeMap<Place, u64>,
    notes: BTreeMap<Note, u64>,
    left: u64,
    late: u64,
    beyond: f64,
    failures: Vec<String>,
}

#[test]
fn groups_killed_at_random_moments() {
    if !Path::new("/proc/thread-self/children").exists() {
        return cannot_run("the kernel lists no children in /proc (CONFIG_PROC_CHILDREN)");
    }
    let _alone = heavy();
    let seed = number("FATESHARE_STRESS_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
        now.as_secs() ^ u64::from(now.subsec_nanos()) << 20
    });
    let only = number("FATESHARE_STRESS_GROUP");
    let groups = number("FATESHARE_STRESS_GROUPS").unwrap_or(GROUPS);
    println!("FATESHARE_STRESS_SEED={seed}");
    let can_be_pid_1 = Mode::Pid1.can_run();
    let _busy = Busy::all_cores();
    let descriptors = own_descriptors();
    let (tally, begun) = (Mutex::new(Tally::default()), Instant::now());
    let next = AtomicU64::new(only.unwrap_or(0));
    let end = only.map_or(groups, |only| only + 1);
    thread::scope(|scope| {
        for _ in 0..cores() * EACH_CORE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= end || tally.lock().expect("no panic").failures.len() >= ENOUGH {
                        return;
                    }
                    let plan = Plan::new(seed_of(seed, number), can_be_pid_1);
                    let played = catch_unwind(AssertUnwindSafe(|| play(&plan)));
                    tally.lock().expect("no panic").add(seed, number, &plan, played);
                }
            });
        }
    });
    let tally = tally.into_inner().expect("no panic");
    let seconds = begun.elapsed().as_secs_f64();
    tally.print(seconds);
    assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n\n"));
    assert_eq!(own_descriptors(), descriptors, "descriptors of this process");
    assert_eq!(zombies(), 0, "children of this process that nobody has waited for");
}

/// Each group's own seed, so that one can be played alone.
fn seed_of(seed: u64, number: u64) -> u64 {
    Chance::new(seed ^ number.wrapping_mul(0x2545_F491_4F6C_DD1D)).next()
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn own_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("/proc").count()
}

fn zombies() -> usize {
    let me = std::process::id().cast_signed();
    proc::children(me).iter().filter(|(_, stat)| stat.state == 'Z').count()
}

/// Takes what is left of each core, and no more: the groups come first.
struct Busy(Vec<Child>);

impl Busy {
    fn all_cores() -> Self {
        let burn = || {
            let mut command = Command::new("nice");
            // Not for longer than we are there, however we end.
            let script = format!("while [ -d /proc/{} ]; do :; done", std::process::id());
            command.args(["-n", "19", "/bin/sh", "-c", &script]);
            command.stdin(Stdio::null()).spawn().expect("nice")
        };
        Self((0..cores()).map(|_| burn()).collect())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Tally {
    fn add(
        &mut self,
        seed: u64,
        number: u64,
        plan: &Plan,
        played: Result<Played, Box<dyn Any + Send>>,
    ) {
        self.groups += 1;
        if self.groups.is_multiple_of(1_000) {
            println!("{} groups, {} failures", thousands(self.groups), self.failures.len());
        }
        self.members += plan.members.len() as u64;
        *self.strikes.entry(plan.strike.name()).or_default() += 1;
        *self.places.entry(plan.place).or_default() += 1;
        match played {
            Ok(played) => {
                *self.kinds.entry(played.kind).or_default() += 1;
                for note in played.notes {
                    *self.notes.entry(note).or_default() += 1;
                }
                self.left += played.left as u64;
                self.late += played.late as u64;
                self.beyond = self.beyond.max(played.beyond);
            }
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                self.failures.push(format!(
                    "FATESHARE_STRESS_SEED={seed} FATESHARE_STRESS_GROUP={number}\n{plan:?}\n{}",
                    text.unwrap_or("it panicked")
                ));
            }
        }
    }

    fn print(&self, seconds: f64) {
        let groups = self.groups;
        let mut table =
            Table::new(&format!("stress: {} groups in {seconds:.0} s", thousands(groups)));
        let mut row = |name: &str, count: u64| table.row(name, [thousands(count)]);
        row("members", self.members);
        for (place, count) in &self.places {
            let name = match place {
                Place::Pid1 => "as PID 1",
                Place::Ordinary => "as an ordinary process",
                Place::Apart => "with --pid1",
            };
            row(name, *count);
        }
        for (strike, count) in &self.strikes {
            row(&format!("struck: {strike}"), *count);
        }
        let noted = |note| self.notes.get(&note).copied().unwrap_or(0);
        row("  before a member ran", noted(Note::Early));
        row("  before its first statement", noted(Note::Unheard));
        for (kind, count) in &self.kinds {
            row(&format!("ended: {}", kind.name()), *count);
        }
        row("processes left by a killed fateshare, not PID 1", self.left);
        row("willing members that had no turn in time", self.late);
        row("reports that had no turn in time, as was said", noted(Note::NoReport));
        row(
            "groups with one who had no turn to die in time, as was said",
            noted(Note::ToTheKernel),
        );
        row("failures", self.failures.len() as u64);
        table.note(&format!(
            "from the verdict to the end at most {:.0} ms more than the grace period",
            self.beyond
        ));
        table.print();
    }
}
