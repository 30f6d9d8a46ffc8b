//! The writing thread: waits, relays what members write, says what we have to say; for ever.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use super::counters::{Counted, Counters, counted};
use super::format::{Colours, Format, Frame, Stream};
use super::inbox::{Inbox, LastWords, Output, Whose};
use super::lane::{Came, Lane, Relayed};
use super::lines::Splitter;
use super::take::{Take, Written};
use crate::sys::output::Sink;
use crate::sys::watch::{Bell, Wanted, wait};
use crate::sys::{clock, memory};

/// So often outputs are read before we look at anything else.
const ROUNDS: usize = 4;

/// What a member wrote before something happened comes before what we say of it: outputs are read
/// until they are empty. A terminal gives little at a time; a flood has no end, so there is one here.
const ROUNDS_BEFORE_OUR_OWN: usize = 64;

/// When nothing has happened for so long, memory that is not needed goes back.
const QUIET: Duration = Duration::from_millis(100);

/// Where nothing came but the ends of outputs, more will follow: members are being stopped. So long they are
/// left to come together: each look would take the processor from those who are to be told, and who have to end.
const TOGETHER: Duration = Duration::from_millis(1);

/// At the end it is looked so often whether a reader that has no room for more takes something at
/// all. A terminal and a socket say that they have room much later than they have it: there it is
/// tried.
const GLANCE: Duration = Duration::from_millis(50);

/// What the thread works with.
#[derive(Debug)]
pub(super) struct Pump<S = Sink> {
    pub(super) inbox: Arc<Inbox>,
    /// Standard output and standard error.
    pub(super) lanes: [Lane<S>; 2],
    pub(super) format: Format,
    pub(super) names: Vec<String>,
    pub(super) colours: [Colours; 2],
    pub(super) counters: Arc<[[Counters; 2]]>,
    pub(super) ours: Frame,
    pub(super) platform: Frame,
    pub(super) picture: Frame,
    /// Whether the sum was drawn at the end.
    pub(super) summed_up: bool,
}

impl Pump {
    /// Goes on until the process ends.
    pub(super) fn run(mut self) {
        let inbox = Arc::clone(&self.inbox);
        let Some(bell) = inbox.bell() else { return };
        loop {
            self.turn();
            self.rest(bell);
        }
    }

    /// Sleeps until there is something to do.
    fn rest(&mut self, bell: &Bell) {
        let [stdout, stderr] = self.lanes.each_mut().map(Lane::came);
        let came = Came { lines: stdout.lines | stderr.lines, ends: stdout.ends | stderr.ends };
        if self.lanes.iter().any(Lane::has_work) {
            return;
        }
        if came == (Came { lines: false, ends: true }) && !self.inbox.is_last() {
            if let Ok([true]) = wait([Wanted::Readable(bell.as_fd())], Some(TOGETHER)) {
                bell.silence();
            }
            return;
        }
        let swollen = self.lanes.iter().any(Lane::is_swollen);
        let ending = self.inbox.is_last() && self.lanes.iter().any(Lane::is_stalled);
        let limit = if ending { Some(GLANCE) } else { swollen.then_some(QUIET) };
        let [stdout, stderr] = &self.lanes;
        let called = || Wanted::Readable(bell.as_fd());
        let [stdout, stderr] = [stdout, stderr].map(|lane| lane.wanted().unwrap_or_else(called));
        let wanted = [called(), stdout, stderr];
        match wait(wanted, limit) {
            Ok([true, ..]) => bell.silence(),
            Ok([false, false, false]) if ending => {
                self.lanes.iter_mut().for_each(Lane::look_at_reader);
            }
            Ok([false, false, false]) if swollen => {
                let flooded = self.lanes.iter().any(|it| it.is_swollen() && it.was_flooded());
                self.lanes.iter_mut().for_each(Lane::give_back);
                memory::give_back();
                if flooded {
                    // What a flood needs of the program, a line now and then does not. Nothing is lost where it fails.
                    let _ = memory::forget_program();
                }
            }
            Ok(_) => {}
            Err(_) => clock::nap(),
        }
    }
}

impl<S: Take> Pump<S> {
    /// Everything that can be done now, be it the end. Says whether that is reached.
    pub(super) fn turn(&mut self) -> bool {
        if !self.inbox.is_last() {
            self.round();
            return false;
        }
        let done = self.finish();
        if done {
            self.inbox.all_done();
        }
        done
    }

    /// Everything that can be done now.
    fn round(&mut self) {
        self.take_outputs();
        // Looked at before the outputs are: what they hold was written earlier.
        let own = self.inbox.waiting();
        let last_words = self.inbox.take_last_words();
        let rounds = if own > 0 || !last_words.is_empty() { ROUNDS_BEFORE_OUR_OWN } else { ROUNDS };
        for lane in &mut self.lanes {
            for _ in 0..rounds {
                if !lane.relay() {
                    break;
                }
            }
            lane.push_all();
        }
        self.pass_on(last_words);
        let [stdout, _] = &mut self.lanes;
        stdout.say_last_words(|_| true);
        self.say(own);
    }

    /// Members' last words go to standard output.
    fn pass_on(&mut self, last_words: Vec<LastWords>) {
        let [stdout, _] = &mut self.lanes;
        for words in last_words {
            let name = self.names.get(words.member).map_or("?", String::as_str);
            let frame = Frame::cloud_foundry(name, Stream::Stdout, self.colours[0]);
            stdout.take_last_words(frame, words);
        }
    }

    fn take_outputs(&mut self) {
        let (new, before) = self.inbox.take_outputs();
        // What was said before somebody could write anything comes first.
        self.say(before);
        for output in new {
            self.add(output);
        }
    }

    fn add(&mut self, output: Output) {
        let Output { number, member, stream, ours } = output;
        let place = stream as usize;
        let colours = self.colours[place];
        let frame = Frame::of_member(self.format, &self.names, member, stream, colours);
        // Profile scripts write in a member's name.
        let is_member = number < self.names.len();
        let frame = if is_member { frame } else { frame.without_last_words() };
        let all = Arc::clone(&self.counters);
        let counters = Counted { all, member, stream: place };
        let relayed = Relayed {
            ours,
            frame,
            counters,
            splitter: Splitter::new(self.format.ends()),
            read_at: Duration::ZERO,
        };
        self.lanes[place].add(number, relayed);
    }

    /// Our own lines, no more than so many, as long as the reader takes them. Says whether they are
    /// out.
    fn say(&mut self, most: usize) -> Written {
        let [_, lane] = &mut self.lanes;
        for _ in 0..most {
            if lane.push_all() == Written::Stalled {
                return Written::Stalled;
            }
            self.inbox.done();
            let Some(said) = self.inbox.try_take() else { return Written::All };
            let frame = match said.whose {
                Whose::Ours => &self.ours,
                Whose::Platform => &self.platform,
                Whose::Picture => &self.picture,
            };
            lane.say(frame, &said);
        }
        let out = lane.push_all();
        if out == Written::All {
            self.inbox.done();
        }
        out
    }

    /// The end: everything that members have written, the sum, our last lines. Says whether all of
    /// it is out.
    fn finish(&mut self) -> bool {
        self.take_outputs();
        let last_words = self.inbox.take_last_words();
        self.pass_on(last_words);
        let [stdout, stderr] = &mut self.lanes;
        let drained = [stdout.drain(), stderr.drain()];
        if drained == [Written::All; 2] && !std::mem::replace(&mut self.summed_up, true) {
            self.sum_up();
        }
        let own = self.inbox.waiting();
        drained[1] == Written::All && self.say(own) == Written::All && drained[0] == Written::All
    }

    fn sum_up(&self) {
        for (place, lane) in self.lanes.iter().enumerate() {
            let all = self.counters.iter().map(|member| member[place].counts());
            let lost: u64 = all.map(|counts| counts.dropped_lines).sum();
            if let Some((name, failure)) = lane.failure()
                && lost > 0
            {
                let lines = counted(lost, "line");
                tracing::warn!(
                    "{name}: {lines} that members wrote could not be written: {failure}"
                );
            }
        }
        if self.format == Format::Raw {
            return;
        }
        for (name, counters) in self.names.iter().zip(self.counters.iter()) {
            for (counters, stream) in counters.iter().zip(Stream::BOTH) {
                if let Some(text) = counters.counts().sentence(name, stream) {
                    tracing::debug!("{text}");
                }
            }
        }
    }
}
