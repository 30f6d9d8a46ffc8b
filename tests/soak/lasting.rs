//! The soak: eight members that write, fork and are signalled, in every format, for as long as it is told. Not a
//! line is lost, and `fateshare` uses as much at the end as in the middle.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::exercise::{Done, Exercise};
use crate::figures::{Table, thousands};
use crate::looks::{Look, Looks, TOLERANCE};
use crate::number;
use crate::reading::{Format, Read, read};
use crate::support::{Ended, Group, Mode, heavy};

/// How many members each group has.
const MEMBERS: usize = 8;

/// How long it runs unless it is told.
const SECONDS: u64 = 9;

/// About so long a member pauses between two bursts, in milliseconds.
const PAUSE: u64 = 40;

/// About so long we pause between two things that we do to a group.
const STEP: Duration = Duration::from_millis(20);

/// So often it is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What a member says that it has done.
#[derive(Clone, Copy, Debug, Default)]
struct Chatted {
    lines: [u64; 2],
    orphans: u64,
    signals: u64,
}

/// What became of one group.
struct Soaked {
    format: Format,
    mode: Mode,
    looks: Looks,
    done: Done,
    streams: [Read; 2],
    members: Vec<(String, Chatted)>,
    /// What is wrong with it.
    wrong: Vec<String>,
}

#[test]
fn eight_members_for_long() {
    let _alone = heavy();
    let seconds = number("FATESHARE_SOAK_SECONDS").unwrap_or(SECONDS);
    let can = Mode::Pid1.can_run();
    let groups: Vec<Soaked> = thread::scope(|scope| {
        // All at the same time, so that each has all of it.
        let threads: Vec<_> = Format::ALL
            .into_iter()
            .enumerate()
            .map(|(at, format)| {
                let mode = if can && at % 2 == 1 { Mode::Pid1 } else { Mode::Ordinary };
                scope.spawn(move || soak(format, mode, Duration::from_secs(seconds)))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("it comes to its end")).collect()
    });
    print(&groups, seconds);
    let wrong: Vec<String> = groups
        .iter()
        .flat_map(|group| {
            group.wrong.iter().map(|why| format!("{} {:?}: {why}", group.format.name(), group.mode))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn names() -> Vec<String> {
    let sidecars = (1..MEMBERS).map(|number| format!("sidecar-{number}"));
    ["web".to_owned()].into_iter().chain(sidecars).collect()
}

fn soak(format: Format, mode: Mode, time: Duration) -> Soaked {
    let dir = tempfile::tempdir().expect("a directory");
    let (report, socket) = (dir.path().join("report.json"), dir.path().join("group.sock"));
    let (pipes, writers): (Vec<_>, Vec<_>) =
        (0..2).map(|_| std::io::pipe().expect("a pipe")).unzip();
    let [out, err] = <[_; 2]>::try_from(writers).expect("two");
    let mut group = Group::new(mode)
        .env("FATESHARE_LOG_FORMAT", format.name())
        .env("FATESHARE_REPORT", report.to_str().expect("a path in UTF-8"))
        .env("FATESHARE_SOCKET", socket.to_str().expect("a path in UTF-8"))
        .stdout(out)
        .stderr(err);
    let names = names();
    for (at, name) in names.iter().enumerate() {
        // Who shares one pipe with seven others can write no long lines, nor parts of them.
        let whole = if format == Format::Raw { ":whole" } else { "" };
        let words = format!(
            "count=HUP,USR1,USR2,WINCH,CONT,URG exit-on=TERM:0 chat={}:{PAUSE}{whole}",
            at + 1
        );
        group = if at == 0 { group.main(name, &*words) } else { group.sidecar(name, &*words) };
    }
    let mut running = group.start();
    let mut letters = ["o", "e"].into_iter();
    let readers: Vec<_> = pipes
        .into_iter()
        .map(|pipe| {
            let letter = letters.next().expect("two");
            thread::spawn(move || read(format, letter, pipe))
        })
        .collect();
    let fateshare = running.fateshare();
    let members: Vec<i32> = names.iter().map(|name| running.pid(name)).collect();
    let mut exercise = Exercise::new(1 + format as u64, fateshare, &members, &socket);
    running.until("it listens", |_| socket.exists().then_some(()));
    exercise.begin();

    // Connections of the beginning may take a while to be gone.
    let looks = (0..20).map(|_| {
        thread::sleep(Duration::from_millis(50));
        Look::at(fateshare, None).descriptors
    });
    let usual = looks.min().expect("some");
    let mut looks = Looks::default();
    let begun = Instant::now();
    let mut due = LOOK;
    while begun.elapsed() < time {
        exercise.step();
        thread::sleep(STEP);
        if begun.elapsed() >= due {
            looks.0.push(Look::at(fateshare, Some(usual)));
            due += LOOK;
        }
    }
    running.signal(Signal::SIGTERM);
    let ended = running.end();
    let streams: Vec<Read> =
        readers.into_iter().map(|reader| reader.join().expect("it has read")).collect();
    let streams = <[Read; 2]>::try_from(streams).expect("two");
    let members: Vec<(String, Chatted)> =
        names.into_iter().map(|name| (name.clone(), chatted(&ended, &name))).collect();
    let report = fs::read_to_string(&report).expect("the report");
    let report = serde_json::from_str(&report).expect("JSON");
    let mut soaked =
        Soaked { format, mode, looks, done: exercise.done, streams, members, wrong: Vec::new() };
    soaked.judge(&ended, &report);
    let left: Vec<_> = fs::read_dir(dir.path()).expect("the directory").flatten().collect();
    if left.len() != 1 {
        soaked.wrong.push(format!("files beside the report: {left:?}"));
    }
    soaked
}

fn chatted(ended: &Ended, name: &str) -> Chatted {
    let head = format!("{name}: chatted ");
    let line = ended.log.lines().find_map(|line| line.strip_prefix(&head));
    let line = line.unwrap_or_else(|| panic!("{name} has not come to its end\n{ended}"));
    let numbers: Vec<u64> = line.split(' ').map(|word| word.parse().expect("a number")).collect();
    let [out, err, orphans, signals] = <[u64; 4]>::try_from(numbers).expect("four numbers");
    Chatted { lines: [out, err], orphans, signals }
}

impl Soaked {
    fn lost(&self) -> u64 {
        let of = |stream: usize| -> u64 {
            let came = &self.streams[stream].last;
            let lost = self.members.iter().map(|(name, chatted)| {
                chatted.lines[stream].abs_diff(came.get(name).copied().unwrap_or(0))
            });
            lost.sum()
        };
        of(0) + of(1)
    }

    fn sum(&self, of: impl Fn(&Chatted) -> u64) -> u64 {
        self.members.iter().map(|(_, chatted)| of(chatted)).sum()
    }

    fn judge(&mut self, ended: &Ended, report: &Value) {
        let mut wrong = self.looks.grown();
        for read in &self.streams {
            wrong.extend(read.wrong.iter().cloned());
        }
        let lost = self.lost();
        if lost > 0 {
            wrong.push(format!("{lost} lines were lost at the end"));
        }
        let mut hold = |is: bool, what: &str| {
            if !is {
                wrong.push(format!("{what}\n{ended}"));
            }
        };
        hold(ended.code == Some(0), "the exit code is main's, 0");
        hold(report["exit_code"] == 0, "so the report says");
        hold(report["verdict"]["cause"] == "stop_request", "it was asked to stop");
        let ours = &self.streams[1].ours;
        let count = |part: &str| ours.iter().filter(|line| line.contains(part)).count();
        hold(count("SIGTERM from ") == 1, "the verdict is said once");
        hold(count("nobody had to be killed; exit 0") == 1, "the end is said once");
        let ends = report["members"].as_array().into_iter().flatten();
        let orderly = ends.filter(|member| member["ended"]["status"]["exit_code"] == 0).count();
        hold(orderly == MEMBERS, "each member has ended with 0");
        for member in &self.members {
            hold(ended.log.matches(&format!("{}: started", member.0)).count() == 1, "started once");
        }
        // Not each one arrives: equal signals that wait together count as one.
        let main = self.members[0].1.signals;
        hold(main > self.done.to_fateshare / 50, "main has got what fateshare has passed on");
        if self.format != Format::Raw {
            let logs = report["logs"].as_array().cloned().unwrap_or_default();
            let sum = |key: &str| logs.iter().filter_map(|log| log[key].as_u64()).sum::<u64>();
            hold(sum("lost_lines") == 0, "the report counts no lost line");
            let lines = self.sum(|chatted| chatted.lines.iter().sum());
            // There each member has a last word that it has not written.
            let more = if self.format == Format::CloudFoundry { MEMBERS as u64 } else { 0 };
            hold(sum("lines") == lines + more, "the report counts each line");
        }
        self.wrong = wrong;
    }
}

/// One number of a look.
type Part = fn(&Look) -> u64;

/// What is looked at while it runs.
const USED: [(&str, Part); 4] = [
    ("private memory, KiB", |look| look.private),
    ("resident memory, KiB", |look| look.resident),
    ("descriptors", |look| look.descriptors),
    ("threads", |look| look.threads),
];

fn print(groups: &[Soaked], seconds: u64) {
    let mut table = Table::new(&format!(
        "soak: {} groups of {MEMBERS} members for {seconds} s, all at the same time",
        groups.len()
    ));
    let mut row = |name: &str, of: &dyn Fn(&Soaked) -> String| {
        table.row(name, groups.iter().map(of));
    };
    row("format", &|it| it.format.name().to_owned());
    row("as", &|it| if it.mode == Mode::Pid1 { "PID 1" } else { "a process" }.to_owned());
    row("lines", &|it| thousands(it.sum(|chatted| chatted.lines.iter().sum())));
    row("bytes passed on", &|it| thousands(it.streams.iter().map(|read| read.bytes).sum()));
    row("lines lost, torn or out of order", &|it| {
        thousands(it.lost() + it.streams.iter().map(|read| read.wrong.len() as u64).sum::<u64>())
    });
    row("orphans reaped", &|it| thousands(it.sum(|chatted| chatted.orphans)));
    row("signals to fateshare", &|it| thousands(it.done.to_fateshare));
    row("signals to members", &|it| thousands(it.done.to_members));
    row("signals that members got", &|it| thousands(it.sum(|chatted| chatted.signals)));
    row("questions", &|it| thousands(it.done.questions));
    for (name, of) in USED {
        row(name, &|it| {
            let (middle, last) = it.looks.thirds(of);
            let first = it.looks.0.first().map_or(0, of);
            let end = it.looks.0.last().map_or(0, of);
            format!("{first} {middle} {last} {end}")
        });
    }
    row("most zombies at a time", &|it| {
        thousands(it.looks.0.iter().map(|look| look.zombies).max().unwrap_or(0))
    });
    table.note(&format!(
        "first, most in the middle third, most in the last third (at most {TOLERANCE} KiB more), last"
    ));
    table.print();
}
