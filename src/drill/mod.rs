//! The drill: crashes every member of a group in turn, and judges what happens.
//!
//! Each group is a copy of this process that runs as `fateshare run` would, in a PID namespace of its own
//! where the system allows that. [`course`] decides what comes next, from events alone; [`stage`] starts
//! groups, strikes, and looks; [`judge`] makes a verdict of what they told and what was seen, [`cause`]
//! names the reason. [`document`] is what is found, all else ([`table`], [`page`], [`junit`],
//! [`annotations`], [`compare`]) is made from it.

pub mod annotations;
mod cause;
mod check;
pub mod compare;
mod course;
#[cfg(test)]
mod course_tests;
pub mod document;
mod judge;
pub mod junit;
mod live;
pub mod page;
mod remains;
mod replay;
mod secrets;
mod stage;
mod step;
mod strike;
pub mod table;

pub use replay::replay;
pub use secrets::{Secrets, variables};
pub use strike::{Choice, Kind};

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::core::{self, JobControl, Moment, Stopped, timestamp};
use crate::report::millis;
use crate::run::{self, Settings};
use crate::spec::{Launch, Signal};
use crate::sys::terminal::Session;
use crate::sys::{clock, ports, process, wait_signal};
use course::Course;
use document::{Drill, FORM};
use judge::Facts;
use live::Live;
use remains::Remains;
use stage::Stage;
use step::{Action, Doing, Ending, Event, Rules, Way};
use strike::Strike;
use table::{Look, Table};

/// What is wanted of a drill.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which strikes.
    pub choice: Choice,
    /// So long everything may take to be gone.
    pub within: Duration,
    /// So long a group without a health check must run to be called healthy, and one with a check for a
    /// quarter of it.
    pub settle: Duration,
    /// The command line that makes this drill, as words for a shell, without what chooses strikes and
    /// looks.
    pub command: Vec<String>,
    /// What stands behind those: `-- COMMAND`.
    pub tail: Vec<String>,
    /// Whether the table is shown as it grows.
    pub rows: bool,
    /// Whether somebody sees what we do just now.
    pub progress: bool,
    /// How the table is drawn.
    pub look: Look,
    /// What no command line is to show.
    pub secrets: Secrets,
}

/// How often it is looked whether something has come.
const GLANCE: Duration = Duration::from_millis(2);
/// If a glance takes longer, we could not run, and what was measured is wrong.
const HELD_UP: Duration = Duration::from_secs(1);

/// Makes the drill. All signals must be blocked, and there must be no other thread. Fails only before
/// anything was started, and when what it needs from the system is refused.
pub fn run(
    launch: &Launch,
    warnings: &[String],
    mut settings: Settings,
    wanted: &Wanted,
) -> Result<Drill> {
    let strikes = wanted.choice.strikes(launch).map_err(|reason| anyhow!(reason))?;
    if strikes.is_empty() {
        return Err(anyhow!("nothing is to be struck: --member and --strike leave nothing"));
    }
    process::adopt_orphans().context("cannot adopt orphans (PR_SET_CHILD_SUBREAPER)")?;
    if settings.port == Some(0) {
        settings.port = Some(run::free_port().context("--port 0: no port is free")?);
    }
    let mut remarks = Vec::new();
    let is_frozen = strikes.iter().any(|strike| strike.kind == Kind::Freeze);
    if is_frozen && check::is_asked_slowly(launch) {
        remarks.push("for freeze the health_check's interval is 1s".to_owned());
    }
    let names: Vec<(String, String)> =
        strikes.iter().map(|it| (it.target(launch), it.label(launch))).collect();
    let widths = names.iter().map(|(target, label)| (target.as_str(), label.as_str()));
    let table = Table::new(widths, wanted.look);
    let mut live = Live::new(table, wanted.rows, wanted.progress);
    live.say(&core::opening(launch));
    for line in warnings.iter().chain(&remarks) {
        live.say(line);
    }
    let rules = Rules {
        strikes: strikes.clone(),
        start_timeout: check::of_main(launch).map(|check| check.start_timeout),
        notice: check::notice(launch).unwrap_or(wanted.settle),
        settle: wanted.settle,
        within: wanted.within,
        grace: launch.grace_period,
    };
    let drill = Drill {
        form: FORM.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        spec: launch.source.clone(),
        began: timestamp(clock::since_1970()),
        took_ms: 0.0,
        members: launch.members.iter().map(|member| member.name.clone()).collect(),
        within_ms: millis(wanted.within),
        settle_ms: millis(wanted.settle),
        pid_namespaces: true,
        remarks,
        cut_short: None,
        passed: 0,
        failed: 0,
        findings: 0,
        skipped: 0,
        strikes: Vec::new(),
    };
    let shell = Shell {
        launch,
        wanted,
        strikes,
        names,
        course: Course::new(rules),
        stage: Stage::new(launch, settings, wanted.secrets.clone()),
        struck: None,
        returned: None,
        not_sent: None,
        unread: None,
        glanced: Moment::ZERO,
        live,
        drill,
    };
    shell.run()
}

/// Everything that is there while a drill goes on.
struct Shell<'a> {
    launch: &'a Launch,
    wanted: &'a Wanted,
    strikes: Vec<Strike>,
    names: Vec<(String, String)>,
    course: Course,
    stage: Stage<'a>,
    /// What is left of the group that was struck, and of the one that was to come back.
    struck: Option<Remains>,
    returned: Option<Remains>,
    not_sent: Option<String>,
    /// Why nobody can read the table any more.
    unread: Option<io::Error>,
    /// When it was last looked whether something has come.
    glanced: Moment,
    live: Live,
    drill: Drill,
}

impl Shell<'_> {
    fn run(mut self) -> Result<Drill> {
        match self.until_finished() {
            Ok(()) => self.finish(),
            Err(error) => {
                self.abandon();
                Err(error)
            }
        }
    }

    fn until_finished(&mut self) -> Result<()> {
        self.live.begin();
        let mut actions = VecDeque::from(self.course.step(self.stage.now(), Event::Begin));
        loop {
            while let Some(action) = actions.pop_front() {
                if action == Action::Finish {
                    return Ok(());
                }
                let is_hit = matches!(action, Action::Hit(_));
                self.perform(action)?;
                if is_hit {
                    // To look takes a while: time runs from here.
                    actions.extend(self.course.step(self.stage.now(), Event::Hit));
                }
            }
            if let Some((at, doing)) = self.course.doing()
                && let Some((target, label)) = self.names.get(at)
            {
                self.live.doing(at, self.names.len(), &format!("{target} {label}"), doing);
            }
            for event in self.wait()? {
                let now = self.stage.now();
                actions.extend(self.course.step(now, event));
            }
        }
    }

    /// Waits for a moment; gives what has come.
    fn wait(&mut self) -> Result<Vec<Event>> {
        let before = self.glanced;
        let signal = wait_signal::next(Some(GLANCE)).context("cannot wait for signals")?;
        let mut events = Vec::new();
        match signal.map(|(signal, _)| signal) {
            Some(Signal::INT | Signal::TERM | Signal::HUP | Signal::QUIT) => {
                self.drill.cut_short.get_or_insert("interrupted".to_owned());
                events.push(Event::Interrupted);
            }
            // Where nobody could continue us it would be for ever.
            Some(Signal::TSTP) if Session::find().job_control == JobControl::Shell => {
                drop(process::suspend(Stopped::Alone));
            }
            _ => {}
        }
        self.glanced = self.stage.now();
        if self.glanced.since(before) > HELD_UP {
            events.push(Event::HeldUp);
        }
        events.extend(self.show());
        events.extend(self.stage.listen().context("cannot read what the group tells")?);
        if let Some(left) = self.stage.reap().context("cannot reap children")? {
            // What `run` refuses too: nothing was started.
            if let Some(why) = left.refusal(self.launch).filter(|_| self.drill.strikes.is_empty()) {
                return Err(anyhow!(why));
            }
            let is_closing = matches!(self.course.doing(), Some((_, Doing::Closing)));
            if self.struck.is_none() && !is_closing {
                self.struck = Some(left);
            } else if !is_closing {
                self.returned = Some(left);
            }
            events.push(Event::Gone);
        }
        events.push(Event::Tick);
        Ok(events)
    }

    fn perform(&mut self, action: Action) -> Result<()> {
        match action {
            Action::Start { setup, comes_back } => {
                if !comes_back {
                    self.forget();
                }
                let was_apart = self.stage.is_apart();
                self.stage.start(setup)?;
                if was_apart
                    && !self.stage.is_apart()
                    && let Some(why) = &self.stage.refused
                {
                    let remark = format!("groups have no PID namespace of their own here: {why}");
                    self.live.say(&remark);
                    self.drill.remarks.push(remark);
                    self.drill.pid_namespaces = false;
                }
            }
            Action::Look => self.stage.look(),
            Action::Hit(strike) => {
                self.forget();
                self.not_sent = self.stage.hit(strike).err().map(|error| error.to_string());
            }
            Action::Stop => self.stage.stop(),
            Action::Kill => self.stage.kill(),
            Action::Judge(number, ending) => self.judge(number, ending),
            Action::Finish => {}
        }
        Ok(())
    }

    fn forget(&mut self) {
        (self.struck, self.returned, self.not_sent) = (None, None, None);
    }

    fn judge(&mut self, number: usize, ending: Ending) {
        let Some(strike) = self.strikes.get(number).copied() else { return };
        let (struck, returned) = (self.struck.take(), self.returned.take());
        let now = self.stage.living.as_ref().map(|living| living.left.clone());
        let untouched = ending.way == Way::NotStruck;
        let struck = struck.or(now).filter(|_| !untouched).unwrap_or_default();
        let facts = Facts {
            launch: self.launch,
            strike,
            ending,
            struck: &struck,
            returned: returned.as_ref(),
            ports: &self.stage.ports,
            taken: ports::taken(),
            not_sent: self.not_sent.take(),
            within: self.wanted.within,
            replay: self.replay(strike),
        };
        let row = judge::judge(&facts);
        self.live.row(&row);
        self.drill.strikes.push(row);
    }

    /// The command that makes this strike again.
    fn replay(&self, strike: Strike) -> String {
        let mut words = self.wanted.command.clone();
        let member = strike.member.filter(|_| strike.kind.is_for_each_member());
        if let Some(member) = member.and_then(|member| self.launch.members.get(member.index())) {
            // A name may begin as an option does.
            if member.name.starts_with('-') {
                words.push(format!("--member={}", quoted(&member.name)));
            } else {
                words.extend(["--member".to_owned(), quoted(&member.name)]);
            }
        }
        words.extend(["--strike".to_owned(), strike.kind.name().to_owned()]);
        words.extend(self.wanted.tail.clone());
        words.join(" ")
    }

    fn finish(mut self) -> Result<Drill> {
        self.live.clear();
        // There is no group any more that would have to wait for a slow reader; a signal ends it.
        while self.unread.is_none() && self.live.write().unwrap_or(false) {
            if let Ok(Some((Signal::INT | Signal::TERM | Signal::HUP | Signal::QUIT, _))) =
                wait_signal::next(Some(GLANCE))
            {
                return Err(anyhow!("interrupted, and nobody reads standard output"));
            }
        }
        if let Some(error) = self.unread {
            return Err(error).context("standard output cannot be written");
        }
        self.drill.took_ms = millis(self.stage.now().since(Moment::ZERO));
        self.drill.count();
        Ok(self.drill)
    }

    /// We cannot go on: the group must not stay.
    fn abandon(&mut self) {
        self.live.clear();
        let _ = self.live.write();
        self.stage.kill();
        let begin = self.stage.now();
        while self.stage.living.is_some() && self.stage.now().since(begin) < HELD_UP {
            let _ = self.stage.reap();
            clock::nap();
        }
    }

    /// Writes what is taken of the table; nobody wants the rest when nobody will read it.
    fn show(&mut self) -> Option<Event> {
        let failed = self.live.write().err()?;
        let is_first = self.unread.replace(failed).is_none();
        is_first.then_some(Event::Interrupted)
    }
}

/// A word as a shell reads it, on one line.
pub fn quoted(word: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_./:=@%+,".contains(it);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if word.chars().any(char::is_control) {
        let escaped = |letter: char| match letter {
            '\n' => "\\n".to_owned(),
            '\'' | '\\' => format!("\\{letter}"),
            letter if letter.is_ascii_control() => format!("\\x{:02x}", u32::from(letter)),
            letter => letter.to_string(),
        };
        return format!("$'{}'", word.chars().map(escaped).collect::<String>());
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, expected) in [
            ("a-b_c.d/e:f=g@h%i+j,k", "a-b_c.d/e:f=g@h%i+j,k"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("a\nb'\\\u{1}é", r"$'a\nb\'\\\x01é'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
