//! The course of a drill: pure, from events to actions. For each strike a healthy group, the strike, its
//! end, and a new group that has to become healthy; that one is the next strike's, where it was started as
//! that one needs it.

use std::time::Duration;

use super::step::{Action, Back, Doing, Ending, Event, Rules, Setup, Way};
use super::strike::{HELD_BACK, Kind, Strike};
use crate::core::{MemberId, Moment};

/// What a group that starts is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// To be struck.
    ToStrike,
    /// To show that a group comes back.
    Back,
    /// It is the strike itself.
    Late,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is no group.
    Empty,
    /// A group is to become healthy by then.
    Opening { purpose: Purpose, by: Moment },
    /// It is healthy since then, and until then it must stay so.
    Settling { purpose: Purpose, since: Moment, until: Moment },
    /// It ends before it is healthy; if it is there then it is killed.
    Failing { purpose: Purpose, by: Moment },
    /// It is healthy.
    Open,
    /// It was struck; until then something has to happen.
    Struck { by: Moment, decided: bool },
    /// It is told to stop; if it is there then it is killed.
    Closing { by: Moment },
    /// All is over.
    Over,
}

/// A group has so long beyond its own limits.
const SLACK: Duration = Duration::from_secs(3);
/// With a health check all members must run for this part of the time that they must without.
const SETTLE_PART: u32 = 4;
/// Until all members run, which profile scripts may delay.
const LONGEST_START: Duration = Duration::from_mins(1);
/// So often a strike is made again that was measured wrongly.
const MOST_REPEATS: u32 = 2;

/// A drill.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct Course {
    rules: Rules,
    state: State,
    /// The strike that is under way.
    at: usize,
    setup: Setup,
    /// When all members of the group ran.
    running: Moment,
    /// Members of the group that have ended, as they may.
    finished: Vec<MemberId>,
    held_up: bool,
    repeats: u32,
    /// Whether a group was healthy.
    has_opened: bool,
    /// Whether one was not, behind a strike.
    came_not_back: bool,
    /// Nothing more is struck.
    stop: bool,
}

impl Course {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            state: State::Empty,
            at: 0,
            setup: Setup::default(),
            running: Moment::ZERO,
            finished: Vec::new(),
            held_up: false,
            repeats: 0,
            has_opened: false,
            came_not_back: false,
            stop: false,
        }
    }

    /// The strike that is under way, and what we do for it.
    pub(super) fn doing(&self) -> Option<(usize, Doing)> {
        let doing = match self.state {
            State::Opening { purpose: Purpose::Back, .. } => Doing::ComingBack,
            State::Opening { .. } | State::Empty => Doing::Starting,
            State::Settling { .. } => Doing::Settling,
            State::Failing { .. } | State::Struck { .. } | State::Open => Doing::Ending,
            State::Closing { .. } => Doing::Closing,
            State::Over => return None,
        };
        Some((self.at, doing))
    }

    pub(super) fn step(&mut self, now: Moment, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        match (self.state, event) {
            (State::Empty, Event::Begin) => self.begin(now, &mut out),
            (State::Over, _) => {}
            (_, Event::HeldUp) => self.held_up = true,
            (_, Event::Interrupted) => self.interrupted(now, &mut out),
            (_, Event::Finished(member)) => self.finished(now, member, &mut out),
            (State::Opening { purpose, .. }, Event::Running) => {
                self.running = now;
                self.state = if let Some(limit) = self.rules.start_timeout {
                    // The time for the first success counts from here.
                    State::Opening { purpose, by: now.plus(limit + SLACK) }
                } else {
                    let until = now.plus(self.rules.settle);
                    State::Settling { purpose, since: now, until }
                };
            }
            (State::Opening { purpose, .. } | State::Settling { purpose, .. }, Event::Verdict) => {
                let by = now.plus(self.rules.grace + SLACK);
                self.state = State::Failing { purpose, by };
            }
            (State::Failing { purpose, by }, Event::Tick) if by <= now => {
                out.push(Action::Kill);
                self.state = State::Failing { purpose, by: now.plus(SLACK) };
            }
            (State::Opening { purpose, .. }, Event::Healthy) => {
                // Main may be up before a sidecar has done the first thing it does.
                let until = self.running.plus(self.rules.settle / SETTLE_PART).max(now);
                self.state = State::Settling { purpose, since: now, until };
            }
            (
                State::Opening { purpose, .. }
                | State::Settling { purpose, .. }
                | State::Failing { purpose, .. },
                Event::Gone,
            ) => {
                self.state = State::Empty;
                self.not_opened(now, purpose, Way::Ended, &mut out);
            }
            (State::Opening { purpose, by }, Event::Tick) if by <= now => {
                out.push(Action::Look);
                self.not_opened(now, purpose, Way::NotHealthyInTime, &mut out);
            }
            (State::Settling { purpose, since, until }, Event::Tick) if until <= now => {
                self.opened(now, purpose, since, &mut out);
            }
            (State::Struck { decided: false, .. }, Event::Hit) => {
                self.state = State::Struck { by: now.plus(self.limit()), decided: false };
            }
            (State::Struck { .. }, Event::Verdict) => {
                // From here on it has its own deadline, and some time to keep it.
                let by = now.plus(self.rules.grace + SLACK);
                self.state = State::Struck { by, decided: true };
            }
            (State::Struck { .. }, Event::Gone) => {
                self.state = State::Empty;
                self.ended(now, &mut out);
            }
            (State::Struck { by, decided }, Event::Tick) if by <= now => {
                out.push(Action::Look);
                if decided {
                    // It should have been over long ago.
                    out.push(Action::Kill);
                    self.state = State::Struck { by: now.plus(SLACK), decided };
                } else {
                    self.judge(now, Way::StillThere, Back::NotWanted, &mut out);
                }
            }
            (State::Closing { .. }, Event::Gone) => {
                self.state = State::Empty;
                self.begin(now, &mut out);
            }
            (State::Closing { by }, Event::Tick) if by <= now => {
                out.push(Action::Kill);
                self.state = State::Closing { by: now.plus(SLACK) };
            }
            // A group that we have not touched: the strike that is to come finds none.
            (State::Open | State::Empty, Event::Gone) => {
                self.state = State::Empty;
                self.begin(now, &mut out);
            }
            (
                State::Empty
                | State::Opening { .. }
                | State::Settling { .. }
                | State::Failing { .. }
                | State::Open
                | State::Struck { .. }
                | State::Closing { .. },
                Event::Begin
                | Event::Running
                | Event::Healthy
                | Event::Hit
                | Event::Verdict
                | Event::Tick,
            ) => {}
        }
        out
    }

    /// The next strike, with a group as it needs one.
    fn begin(&mut self, now: Moment, out: &mut Vec<Action>) {
        let strike = self.rules.strikes.get(self.at).copied().filter(|_| !self.stop);
        let is_late = strike.is_some_and(|strike| strike.kind == Kind::Late);
        match (self.state, strike) {
            (State::Open, Some(strike)) if !is_late && self.setup == setup(strike) => {
                self.hit(now, strike, out);
            }
            // What is late shows something only where a group is healthy that is left alone.
            (State::Empty, Some(strike)) if is_late && self.has_opened => {
                self.start(now, setup(strike), Purpose::Late, out);
            }
            (State::Empty, Some(strike)) => {
                let setup = if is_late { Setup::default() } else { setup(strike) };
                self.start(now, setup, Purpose::ToStrike, out);
            }
            (State::Empty, None) => {
                self.state = State::Over;
                let left = self.at..self.rules.strikes.len();
                let not = Ending { way: Way::NotStruck, back: Back::NotWanted };
                out.extend(left.map(|number| Action::Judge(number, not)));
                out.push(Action::Finish);
            }
            _ => self.close(now, out),
        }
    }

    fn start(&mut self, now: Moment, setup: Setup, purpose: Purpose, out: &mut Vec<Action>) {
        let late = if setup.late.is_some() { HELD_BACK } else { Duration::ZERO };
        if purpose == Purpose::Late {
            self.held_up = false;
        }
        (self.setup, self.running) = (setup, now);
        self.finished.clear();
        self.state = State::Opening { purpose, by: now.plus(LONGEST_START + late) };
        out.push(Action::Start { setup, comes_back: purpose == Purpose::Back });
    }

    fn close(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.state = State::Closing { by: now.plus(self.rules.grace + SLACK) };
        out.push(Action::Stop);
    }

    fn hit(&mut self, now: Moment, strike: Strike, out: &mut Vec<Action>) {
        if strike.member.is_some_and(|member| self.finished.contains(&member)) {
            self.judge(now, Way::NothingToStrike, Back::NotWanted, out);
            return;
        }
        self.held_up = false;
        out.extend([Action::Look, Action::Hit(strike)]);
        self.state = State::Struck { by: now.plus(self.limit()), decided: false };
    }

    /// So long the strike may go unnoticed.
    fn limit(&self) -> Duration {
        match self.rules.strikes.get(self.at).map(|strike| strike.kind) {
            Some(Kind::Freeze) => self.rules.notice,
            _ => self.rules.within,
        }
    }

    /// A group is healthy, since then.
    fn opened(&mut self, now: Moment, purpose: Purpose, since: Moment, out: &mut Vec<Action>) {
        self.state = State::Open;
        (self.has_opened, self.came_not_back) = (true, false);
        out.push(Action::Look);
        match purpose {
            Purpose::ToStrike => self.begin(now, out),
            Purpose::Back => self.judge(now, Way::Ended, Back::Since(since), out),
            Purpose::Late => self.judge(now, Way::Healthy, Back::Since(since), out),
        }
    }

    /// It is not, and will not be.
    fn not_opened(&mut self, now: Moment, purpose: Purpose, way: Way, out: &mut Vec<Action>) {
        match purpose {
            Purpose::ToStrike => {
                // Without a healthy group there is nothing to learn; why there is none, a strike has told
                // already if it did not come back after that.
                let way = if self.came_not_back { Way::NotStruck } else { Way::NeverHealthy };
                if !self.is_measured_wrongly() {
                    self.stop = true;
                }
                self.judge(now, way, Back::NotWanted, out);
            }
            Purpose::Back => {
                self.came_not_back = true;
                self.judge(now, Way::Ended, Back::Failed, out);
            }
            Purpose::Late => self.judge(now, way, Back::Failed, out),
        }
    }

    /// The group that was struck is over.
    fn ended(&mut self, now: Moment, out: &mut Vec<Action>) {
        let strike = self.rules.strikes.get(self.at);
        if self.stop || strike.is_some_and(|strike| strike.kind == Kind::Platform) {
            self.judge(now, Way::Ended, Back::NotWanted, out);
            return;
        }
        // As the next strike needs it, if that begins with a healthy group.
        let next = self.rules.strikes.get(self.at + 1).filter(|next| next.kind != Kind::Late);
        self.start(now, next.map_or(Setup::default(), |next| setup(*next)), Purpose::Back, out);
    }

    fn finished(&mut self, now: Moment, member: MemberId, out: &mut Vec<Action>) {
        self.finished.push(member);
        let struck = self.rules.strikes.get(self.at).and_then(|strike| strike.member);
        if matches!(self.state, State::Struck { .. }) && struck == Some(member) {
            self.judge(now, Way::EndedAlone, Back::NotWanted, out);
        }
    }

    /// The strike is over; it is made again if what was measured is wrong.
    fn judge(&mut self, now: Moment, way: Way, back: Back, out: &mut Vec<Action>) {
        if self.is_measured_wrongly() {
            self.repeats += 1;
            self.held_up = false;
        } else {
            (self.repeats, self.held_up) = (0, false);
            out.push(Action::Judge(self.at, Ending { way, back }));
            self.at += 1;
        }
        // What is left of a group that was struck is no fresh one.
        match self.state {
            State::Open if way == Way::Ended || way == Way::NothingToStrike => self.begin(now, out),
            State::Empty => self.begin(now, out),
            _ => self.close(now, out),
        }
    }

    fn is_measured_wrongly(&self) -> bool {
        self.held_up && self.repeats < MOST_REPEATS && !self.stop
    }

    fn interrupted(&mut self, now: Moment, out: &mut Vec<Action>) {
        match self.state {
            State::Over => {}
            State::Closing { .. } if self.stop => {
                out.push(Action::Kill);
                self.state = State::Closing { by: now.plus(SLACK) };
            }
            State::Closing { .. } => self.stop = true,
            State::Empty => {
                self.stop = true;
                self.begin(now, out);
            }
            _ => {
                self.stop = true;
                self.close(now, out);
            }
        }
    }
}

fn setup(strike: Strike) -> Setup {
    Setup {
        late: strike.member.filter(|_| strike.kind == Kind::Late),
        quick: strike.kind == Kind::Freeze,
    }
}
