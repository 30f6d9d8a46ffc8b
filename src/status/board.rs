//! What is known of a running group: written by the event loop, read by the server and the report.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use super::answer::Answers;
use crate::core::{Check, CheckStory, Happening, MemberId, Moment, Pid, Story};
use crate::report::document::{Environment, Facts, LogRow, Report, Used};
use crate::report::{Entry, millis, termination};
use crate::spec::Launch;
use crate::sys::clock;
use crate::sys::reap::Usage;

/// Signals come as often as somebody sends them, and readiness may change all year: so many of these are
/// kept, half of them the first and half the latest.
const FREQUENT_KEPT: usize = 1_000;

/// What the voice has counted: members' output, and our own messages that were dropped.
pub type Counted = (Vec<LogRow>, u64);

/// What is known of a running group. Clones share it.
#[derive(Clone)]
pub struct Board {
    shared: Arc<Shared>,
    changed: Arc<Notify>,
}

struct Shared {
    launch: Launch,
    commands: Vec<String>,
    /// When the group's clock began, on [`clock::monotonic`], and since 1970.
    zero: Duration,
    began: Duration,
    counted: Box<dyn Fn() -> Counted + Send + Sync>,
    state: Mutex<State>,
    /// What is answered, for all who ask at the same time.
    answers: tokio::sync::Mutex<Option<Answers>>,
}

/// What changes.
#[derive(Debug)]
pub(super) struct State {
    /// By their numbers.
    pub(super) entries: BTreeMap<u64, Entry>,
    /// The number of the next one.
    pub(super) next: u64,
    /// The numbers of the latest frequent ones, and how many there were.
    latest: VecDeque<u64>,
    frequent: usize,
    left_out: u64,
    pub(super) story: Story,
    /// Grows with everything that changes an answer, but for what members use.
    pub(super) changes: u64,
    /// The latest answer to each check, whether it passed, and when it came.
    pub(super) answers: [Option<(bool, Moment)>; 2],
    pub(super) orphans: u64,
    /// What each member used, once it has ended.
    used: Vec<Option<Used>>,
    /// The users whom members run as: they may ask too.
    pub(super) users: Vec<u32>,
    /// The most processor time that each member was seen to have used: it never goes back.
    pub(super) cpu: BTreeMap<usize, Duration>,
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board").finish_non_exhaustive()
    }
}

impl Board {
    /// Of a group that has not begun. `zero` is when its clock does, on [`clock::monotonic`]; `commands` are
    /// the members', as people are shown them.
    pub fn new(
        launch: &Launch,
        commands: Vec<String>,
        zero: Duration,
        counted: impl Fn() -> Counted + Send + Sync + 'static,
    ) -> Self {
        let mut launch = launch.clone();
        // Nobody is told what is in there.
        launch.members.iter_mut().for_each(|member| member.env = Vec::new());
        let state = State {
            entries: BTreeMap::new(),
            next: 0,
            latest: VecDeque::new(),
            frequent: 0,
            left_out: 0,
            story: Story::new(&launch),
            changes: 0,
            answers: [None; 2],
            orphans: 0,
            used: vec![None; launch.members.len()],
            users: Vec::new(),
            cpu: BTreeMap::new(),
        };
        let began = clock::since_1970().saturating_sub(clock::monotonic().saturating_sub(zero));
        let counted = Box::new(counted);
        let (state, answers) = (Mutex::new(state), tokio::sync::Mutex::default());
        let shared = Arc::new(Shared { launch, commands, zero, began, counted, state, answers });
        Self { shared, changed: Arc::new(Notify::new()) }
    }

    /// Something happened. What is `frequent` may happen any number of times: only the first and the
    /// latest of that are kept.
    pub fn add(&self, at: Moment, happening: Happening, frequent: bool) {
        let mut state = self.lock();
        state.story.note(at, &happening);
        let seq = state.next;
        state.entries.insert(seq, Entry { seq, at, since_1970: clock::since_1970(), happening });
        state.next += 1;
        state.changes += 1;
        if frequent {
            state.keep_frequent(seq);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// A check was answered.
    pub fn answered(&self, check: Check, passed: bool, at: Moment) {
        let mut state = self.lock();
        state.answers[check as usize] = Some((passed, at));
        state.changes += 1;
    }

    /// So many processes were reaped that are no member's leader.
    pub fn reaped(&self, orphans: usize) {
        self.lock().orphans += orphans as u64;
    }

    /// A member has ended, and used so much.
    pub fn used(&self, member: MemberId, usage: Usage) {
        let used = Used {
            user_ms: millis(usage.user),
            system_ms: millis(usage.system),
            peak_resident_bytes: usage.peak_resident,
        };
        if let Some(place) = self.lock().used.get_mut(member.index()) {
            *place = Some(used);
        }
    }

    /// The report of all that is known now.
    pub fn report(&self, environment: &Environment) -> Report {
        let (logs, messages_dropped) = self.counted();
        let state = self.lock();
        let facts = Facts {
            environment: environment.clone(),
            began: self.shared.began,
            commands: self.shared.commands.clone(),
            used: state.used.clone(),
            logs,
            messages_dropped,
            left_out: state.left_out,
        };
        let entries: Vec<Entry> = state.entries.values().cloned().collect();
        drop(state);
        Report::new(&self.shared.launch, &entries, &facts)
    }

    /// The termination message of all that is known now.
    pub fn termination_message(&self) -> String {
        let entries: Vec<Entry> = self.lock().entries.values().cloned().collect();
        termination::message(&self.shared.launch, &entries)
    }

    /// Members run as these users, who may ask then.
    pub fn entitle(&self, users: Vec<u32>) {
        self.lock().users = users;
    }

    /// What runs, without any member's environment.
    pub fn launch(&self) -> &Launch {
        &self.shared.launch
    }

    /// When the group's clock began, on [`clock::monotonic`].
    pub fn zero(&self) -> Duration {
        self.shared.zero
    }

    /// When the group's clock began, since 1970.
    pub fn began(&self) -> Duration {
        self.shared.began
    }

    /// A member's command, as people are shown it.
    pub fn command(&self, member: MemberId) -> &str {
        self.shared.commands.get(member.index()).map_or("", String::as_str)
    }

    /// What the voice has counted until now.
    pub fn counted(&self) -> Counted {
        (self.shared.counted)()
    }

    /// Where answers are kept; whoever makes one holds it.
    pub(super) fn answers(&self) -> &tokio::sync::Mutex<Option<Answers>> {
        &self.shared.answers
    }

    /// The leaders that have not ended, as far as the event list knows.
    pub(super) fn leaders(&self) -> Vec<(MemberId, Pid)> {
        let state = self.lock();
        let members = MemberId::all(state.story.members.len()).zip(&state.story.members);
        let living = members.filter(|(_, member)| member.ended.is_none());
        living.filter_map(|(id, member)| Some((id, member.started?.0))).collect()
    }

    /// Until something happens after this call.
    pub(super) fn change(&self) -> OwnedNotified {
        Arc::clone(&self.changed).notified_owned()
    }

    /// Now, on the group's clock.
    pub(super) fn now(&self) -> Moment {
        Moment::at(clock::monotonic().saturating_sub(self.shared.zero))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// One more of those that are frequent; one in the middle may go for it.
    fn keep_frequent(&mut self, seq: u64) {
        self.frequent += 1;
        if self.frequent <= FREQUENT_KEPT / 2 {
            return;
        }
        self.latest.push_back(seq);
        if self.latest.len() > FREQUENT_KEPT / 2
            && let Some(oldest) = self.latest.pop_front()
        {
            self.entries.remove(&oldest);
            self.left_out += 1;
        }
    }

    /// Where it is in its life, in a word.
    pub(super) fn word(&self) -> &'static str {
        let story = &self.story;
        if story.over.is_some() {
            "ended"
        } else if story.grace_over.is_some() {
            "killing"
        } else if story.decided.is_some() {
            "stopping"
        } else if story.running.is_some() {
            "running"
        } else {
            "starting"
        }
    }

    /// Why the main process is not ready; `None` if it is.
    pub(super) fn unreadiness(&self) -> Option<String> {
        let story = &self.story;
        if story.is_ready() {
            return None;
        }
        Some(if story.decided.is_some() {
            "the group is stopping".to_owned()
        } else if story.running.is_none() {
            "the group is starting".to_owned()
        } else {
            match (&story.health, &story.readiness) {
                (CheckStory::NotYet, _) => "its health check has not passed yet".to_owned(),
                (_, CheckStory::Fails(why)) => why.clone(),
                _ => "its readiness check has not passed yet".to_owned(),
            }
        })
    }
}
