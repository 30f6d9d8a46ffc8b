//! One group of a drill: a copy of ourselves that is its fateshare, what that tells, and its processes as
//! `/proc` shows them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, PipeReader, Read, Write};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use super::check;
use super::remains::Remains;
use super::secrets::Secrets;
use super::step::{Event, Setup};
use super::strike::{HELD_BACK, Kind, Strike};
use crate::core::{HeldBack, MemberId, Moment, OWN_FAILURE, Pid, Target};
use crate::local::copies;
use crate::report::event;
use crate::report::ledger::{Line, take_lines};
use crate::run::{self, Settings};
use crate::spec::{Launch, Signal};
use crate::sys::apart::{self, Place, Refused};
use crate::sys::family::{self, Relative};
use crate::sys::ledger::Ledger;
use crate::sys::outlet::Outlet;
use crate::sys::ports::{self, Taken, Use};
use crate::sys::reap::{Reaped, reap};
use crate::sys::{clock, descendants, descriptors, kill, procfs};

/// A look at who listens where takes no longer: an app may have thousands of descriptors.
const LOOK_FOR: Duration = Duration::from_millis(200);
/// The output's end is kept, so much of it.
const OUTPUT_KEPT: usize = 16 * 1024;
/// So many pieces are read at a glance: somebody may write without end.
const MOST_PIECES: usize = 64;
/// Behind a verdict its processes are looked at so much later, and so long before SIGKILL.
const LOOK_AFTER: Duration = Duration::from_millis(50);
const LOOK_BEFORE: Duration = Duration::from_millis(300);
/// What a killed fateshare has left is given so long to be taken along.
const TAKEN_ALONG: Duration = Duration::from_millis(300);

/// A group that lives.
pub(super) struct Living {
    pub(super) copy: Pid,
    ledger: Ledger,
    read: u64,
    partial: Vec<u8>,
    output: PipeReader,
    looks: BTreeSet<Moment>,
    pub(super) left: Remains,
}

/// What all groups of a drill have in common.
pub(super) struct Stage<'a> {
    launch: &'a Launch,
    settings: Settings,
    place: Place,
    /// Why groups have no namespaces.
    pub(super) refused: Option<String>,
    begin: Duration,
    /// What runs since before us is no affair of ours.
    since: Duration,
    pub(super) living: Option<Living>,
    /// Which member was seen to listen at which port.
    pub(super) ports: BTreeMap<u16, MemberId>,
    secrets: Secrets,
}

impl<'a> Stage<'a> {
    pub(super) fn new(launch: &'a Launch, settings: Settings, secrets: Secrets) -> Self {
        Self {
            launch,
            settings,
            place: Place::Apart { own_group: true },
            refused: None,
            begin: clock::monotonic(),
            since: clock::both().0,
            living: None,
            ports: BTreeMap::new(),
            secrets,
        }
    }

    /// Whether groups have PID namespaces of their own.
    pub(super) fn is_apart(&self) -> bool {
        self.place != Place::Here
    }

    pub(super) fn now(&self) -> Moment {
        Moment::at(clock::monotonic().saturating_sub(self.begin))
    }

    /// Starts a group; in a PID namespace of its own where the system allows that.
    pub(super) fn start(&mut self, setup: Setup) -> Result<()> {
        let ledger = Ledger::new().context("cannot make a file in memory for what happens")?;
        let Outlet { ours, theirs } =
            Outlet::pipe(None).context("cannot make a pipe for the members' output")?;
        let ours = RefCell::new(Some(ours));
        let mut launch = self.launch.clone();
        if setup.quick {
            check::ask_quickly(&mut launch);
        }
        let mut settings = self.settings.clone();
        settings.outside.ledger = Some(ledger.clone());
        settings.held_back = setup.late.map(|member| HeldBack { member, by: HELD_BACK });
        let work = || {
            // Else nobody would be told that it is read no more.
            drop(ours.borrow_mut().take());
            live(&launch, &settings, &theirs)
        };
        let started = match apart::start(self.place, |_| {}, work) {
            Err(refused) if self.is_apart() => {
                self.refused = Some(refused.to_string());
                refused.copy.into_iter().for_each(copies::reap_refused);
                self.place = Place::Here;
                apart::start(self.place, |_| {}, work)
            }
            started => started,
        };
        let copy = started.map_err(|refused: Refused| {
            refused.copy.into_iter().for_each(copies::reap_refused);
            anyhow!("cannot start a group: {refused}")
        })?;
        let output = ours.take().context("the members' output")?;
        self.living = Some(Living {
            copy,
            ledger,
            read: 0,
            partial: Vec::new(),
            output: PipeReader::from(output),
            looks: BTreeSet::new(),
            left: Remains {
                copy: procfs::stat(copy).ok().flatten().map(|it| (copy, it.session)),
                ..Remains::default()
            },
        });
        Ok(())
    }

    /// Reads what the group has told since the last time.
    pub(super) fn listen(&mut self) -> io::Result<Vec<Event>> {
        let begin = self.begin;
        let now = self.now();
        let Some(living) = &mut self.living else { return Ok(Vec::new()) };
        living.hear_output();
        let told = living.ledger.read_from(living.read)?;
        living.read += told.len() as u64;
        living.partial.extend(told);
        let mut events = Vec::new();
        for line in take_lines(&mut living.partial) {
            match line {
                Line::Zero(zero) => {
                    let zero = Duration::from_nanos(zero).saturating_sub(begin);
                    living.left.zero = Some(Moment::at(zero));
                }
                Line::Report(report) => living.left.report = Some(*report),
                Line::Event(event) => events.extend(living.hear(self.launch, &event, now)),
            }
        }
        if living.looks.first().is_some_and(|due| *due <= now) {
            living.looks.pop_first();
            living.look(&self.secrets);
        }
        Ok(events)
    }

    /// Looks at the group's processes, and where they listen.
    pub(super) fn look(&mut self) {
        let begin = self.now();
        let zero = self.begin;
        let in_time = || clock::monotonic().saturating_sub(zero) < (begin.since_start() + LOOK_FOR);
        let Some(living) = &mut self.living else { return };
        living.look(&self.secrets);
        let pids: Vec<Pid> = living.left.seen.values().map(|it| it.key.pid).collect();
        let open = ports::sockets(&pids, &in_time);
        for Taken { port, inode, .. } in
            ports::taken().into_iter().filter(|it| it.by == Use::Listens)
        {
            let member = open.get(&inode).and_then(|pid| living.left.member_of(self.launch, *pid));
            if let Some(member) = member {
                self.ports.insert(port, member);
                living.left.ports.insert(port);
            }
        }
    }

    /// Strikes.
    pub(super) fn hit(&mut self, strike: Strike) -> io::Result<()> {
        let now = self.now();
        let signal = strike.signal(self.launch);
        let Some(living) = &mut self.living else { return Ok(()) };
        living.left.struck = Some(now);
        let Some(signal) = signal else { return Ok(()) };
        let member = strike.member.filter(|_| strike.kind != Kind::Platform);
        match member.map(|member| living.left.leader(member).map(|it| it.key)) {
            Some(Some(key)) => kill::straggler(key, signal),
            Some(None) => Err(io::Error::other("/proc does not show it")),
            None => kill::leader(living.copy, Target::Leader, signal),
        }
    }

    /// Asks the group to stop.
    pub(super) fn stop(&self) {
        if let Some(living) = &self.living {
            let strike = Strike { kind: Kind::Platform, member: None };
            let signal = strike.signal(self.launch).unwrap_or(Signal::TERM);
            // If it is gone already, that is seen.
            let _ = kill::leader(living.copy, Target::Leader, signal);
        }
    }

    /// Kills the group's fateshare.
    pub(super) fn kill(&self) {
        if let Some(living) = &self.living {
            let _ = kill::leader(living.copy, Target::Leader, Signal::KILL);
        }
    }

    /// Reaps what has ended; gives what is left of the group if that has.
    pub(super) fn reap(&mut self) -> io::Result<Option<Remains>> {
        let mut over = None;
        while let Reaped::Child(pid, status, _) = reap()? {
            if self.living.as_ref().is_some_and(|living| living.copy == pid) {
                over = Some(status);
            }
        }
        let Some(status) = over else { return Ok(None) };
        let now = self.now();
        // The last that it told.
        self.listen()?;
        let Some(living) = self.living.take() else { return Ok(None) };
        let mut left = living.left;
        left.end = Some((status, now));
        left.survivors = self.sweep();
        Ok(Some(left))
    }

    /// Where a group has no namespace, its fateshare may leave something: that is named, and killed.
    fn sweep(&self) -> Vec<Relative> {
        if self.is_apart() {
            return Vec::new();
        }
        let begin = clock::monotonic();
        let left = || descendants::children_since(self.since);
        while !left().is_empty() && clock::monotonic().saturating_sub(begin) < TAKEN_ALONG {
            clock::nap();
            copies::reap_all();
        }
        let mut survivors = Vec::new();
        for pid in left() {
            survivors.extend(family::one(pid));
            survivors.extend(family::below(pid));
        }
        for survivor in &mut survivors {
            survivor.command = self.secrets.masked(&survivor.command);
        }
        copies::sweep(self.since);
        survivors
    }
}

impl Living {
    fn hear(&mut self, launch: &Launch, told: &event::Event, now: Moment) -> Option<Event> {
        let member = || {
            let name = told.details.get("member")?.as_str()?;
            let at = launch.members.iter().position(|member| member.name == name)?;
            u16::try_from(at).ok().map(MemberId)
        };
        match told.kind.as_str() {
            "started" => {
                let pid = told.details.get("pid").and_then(|pid| i32::try_from(pid.as_i64()?).ok());
                self.left.pids.extend(member().zip(pid.map(Pid)));
                None
            }
            "running" => Some(Event::Running),
            "healthy" => Some(Event::Healthy),
            "ended" if told.details.get("meaning").is_some_and(|it| it == "finished") => {
                member().map(Event::Finished)
            }
            "straggler_told" => {
                self.looks.insert(now);
                None
            }
            "verdict" => {
                let before = launch.grace_period.saturating_sub(LOOK_BEFORE);
                self.looks.extend([now.plus(LOOK_AFTER), now.plus(before)]);
                Some(Event::Verdict)
            }
            _ => None,
        }
    }

    /// Takes what members have written, so that they need not wait.
    fn hear_output(&mut self) {
        let mut piece = [0; 16 * 1024];
        let output = &mut self.left.output;
        for _ in 0..MOST_PIECES {
            let Ok(read @ 1..) = self.output.read(&mut piece) else { return };
            output.extend_from_slice(&piece[..read]);
            if output.len() > 2 * OUTPUT_KEPT {
                output.drain(..output.len() - OUTPUT_KEPT);
            }
        }
    }

    fn look(&mut self, secrets: &Secrets) {
        for mut relative in family::below(self.copy) {
            relative.command = secrets.masked(&relative.command);
            let seen = &mut self.left.seen;
            // Whose it was is seen while its parents live; what it does with signals, at last.
            let first = seen.get(&relative.inner).filter(|it| it.key == relative.key);
            let known = match first {
                Some(first) => Relative { parent: first.parent, ..relative.seen_before(first) },
                None => relative,
            };
            seen.insert(known.inner, known);
        }
    }
}

/// What the copy does: it is the group's fateshare.
fn live(launch: &Launch, settings: &Settings, output: &std::os::fd::OwnedFd) -> u8 {
    let ran = descriptors::replace_standard(output)
        .context("cannot replace standard output")
        .and_then(|()| run::run(launch, &[], settings));
    match ran {
        Ok(outcome) => outcome.code,
        Err(error) => {
            // Whoever reads our output sees it.
            let _ = writeln!(io::stderr(), "fateshare: {error:#}");
            OWN_FAILURE
        }
    }
}
