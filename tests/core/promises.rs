//! The promises of a teardown, checked after every step: what the core says is compared with what
//! the model knows, and with the rules told anew.

use fateshare::core::{
    Action, Cause, EndMeaning, Event, Found, GIVE_UP_AFTER, Happening, MemberEnd, MemberId, Moment,
    Over, Preparation, ProcessKey, SignalFailure, State, Status, Target,
};
use fateshare::spec::{DEFAULT_STOP_ON, MayFinish, Signal, StopOrder, StopTo};

use super::{
    Child, FIRST_SECOND, Fate, GRACE, HELD_BACK, KEY_OF_SCRIPTS, MOST_PROBES, Process, World,
    key_of_child, pid,
};

impl World {
    /// Lets the core step, performs its actions in the model, and checks the promises.
    pub(super) fn tell(&mut self, event: Event) {
        let told = event.clone();
        let state_before = self.group.state();
        let actions = self.group.step(self.now, event);
        if self.disagreement.is_none() {
            let agreed = self.reference.passed(self.now, &told, &actions, &self.group);
            self.disagreement = agreed.err();
        }
        self.check_verdict(&told);
        for action in &actions {
            self.obey(action);
        }
        assert!(self.group.state() >= state_before, "states only go forward");
        let timer = self.group.next_timer();
        match self.group.state() {
            State::Running if self.offered.checks => {
                let asked = self.health.asked;
                assert!(timer.is_some() || asked, "a check goes on until the verdict");
            }
            State::Starting if self.offered.held_back.is_some() => {
                let waits_for_answer = !self.answers.is_empty();
                assert!(
                    timer.is_some() || waits_for_answer,
                    "whoever is held back will be started"
                );
            }
            State::Preparing | State::Starting | State::Running | State::Ended => {
                assert_eq!(timer, None, "no timer is armed before the verdict or after the end");
            }
            State::Stopping | State::Killing => {
                let waits_for_answer = !self.answers.is_empty();
                assert!(timer.is_some() || waits_for_answer, "a teardown can never hang");
            }
        }
    }

    /// Who is held back is started when all others were, and not before its time.
    fn check_held_back(&self, spawned: MemberId) {
        if self.offered.held_back == Some(spawned) {
            let started = |it: &MemberId| self.leaders[it.index()].fate != Fate::Unborn;
            assert!(self.all().filter(|it| *it != spawned).all(|it| started(&it)));
            assert!(self.now >= Moment::at(FIRST_SECOND + HELD_BACK), "{:?}", self.now);
        }
    }

    /// The verdict is the first cause, and stays.
    fn check_verdict(&mut self, event: &Event) {
        let verdict = self.group.verdict();
        if let Some(before) = &self.verdict {
            assert_eq!(verdict, Some(before), "the verdict is latched");
            return;
        }
        let expected = self.expected_cause(event);
        match (verdict, expected) {
            (None, None) => {}
            (Some(verdict), Some(expected)) => {
                assert_eq!(verdict.at, self.now);
                assert!(expected(&verdict.cause), "{event:?} gave {:?}", verdict.cause);
            }
            (verdict, expected) => {
                panic!("{event:?} gave {verdict:?}, expected one: {}", expected.is_some())
            }
        }
        if let Some(verdict) = verdict {
            self.verdict = Some(verdict.clone());
            self.kill_from = Some(self.now.plus(GRACE));
        }
    }

    /// What the rules make of an event before the verdict, told anew.
    #[allow(clippy::type_complexity, reason = "a predicate that is used in one place")]
    fn expected_cause(&self, event: &Event) -> Option<Box<dyn Fn(&Cause) -> bool>> {
        match event {
            Event::Signal(received) if DEFAULT_STOP_ON.contains(&received.signal) => {
                let signal = received.signal;
                Some(Box::new(
                    move |cause| matches!(cause, Cause::StopRequest(it) if it.signal == signal),
                ))
            }
            Event::SpawnFailed(_) => Some(Box::new(|it| matches!(it, Cause::CannotStart(_)))),
            Event::Probed { .. } if self.is_unhealthy => {
                Some(Box::new(|it| matches!(it, Cause::Unhealthy(_))))
            }
            Event::OwnFailure(_) => Some(Box::new(|it| matches!(it, Cause::OwnFailure(_)))),
            Event::Prepared(Preparation::Exited(code)) => {
                let code = *code;
                Some(Box::new(move |it| *it == Cause::ProfileExited(code)))
            }
            Event::Ends(ends) => {
                let fatal = |(member, status): &&(MemberId, Status)| {
                    let plan = self.models[member.index()].plan;
                    !(*status == Status::SUCCESS && plan.may_finish == MayFinish::WithZero)
                };
                let rank = |status: Status| match status {
                    Status::Killed(_) => 0,
                    Status::Exited(0) => 2,
                    Status::Exited(_) => 1,
                };
                let fatal: Vec<_> = ends.members.iter().filter(fatal).copied().collect();
                let first =
                    fatal.iter().min_by_key(|(member, it)| (rank(*it), *member)).copied()?;
                Some(Box::new(move |cause| {
                    let Cause::MemberEnded(MemberEnd { member, status, together, .. }) = cause
                    else {
                        return false;
                    };
                    (*member, *status) == first && together.len() == fatal.len() - 1
                }))
            }
            _ => None,
        }
    }

    fn obey(&mut self, action: &Action) {
        assert!(self.code.is_none(), "nothing is done after the end: {action:?}");
        match action {
            Action::Prepare => self.start_scripts(),
            Action::StopPreparing(_) => self.stop_scripts(),
            Action::Resize(_) => panic!("no member has a terminal of its own"),
            Action::Spawn(member) => {
                assert!(self.verdict.is_none(), "nothing is spawned after the verdict");
                assert_eq!(self.leaders[member.index()].fate, Fate::Unborn, "spawned once");
                assert_ne!(self.scripts.fate, Fate::Alive, "the scripts come first");
                self.check_held_back(*member);
                self.answers.push_back(Event::Spawned { member: *member, pid: pid(*member) });
            }
            Action::ComeBack => self.answers.push_back(Event::Proceed),
            Action::Forward(signal) => {
                assert!([Signal::HUP, Signal::CONT].contains(signal));
                assert!(self.verdict.is_none(), "nothing is forwarded after the verdict");
                assert_eq!(self.leaders[0].fate, Fate::Alive, "only a living main gets it");
            }
            Action::Stop { member, signal, target } => {
                assert_eq!(
                    *signal,
                    self.stop_signal(*member),
                    "its own, the request's, or SIGTERM"
                );
                self.stop(*member, *target);
                self.refuse(*member, *signal);
            }
            Action::StopStraggler { key, signal } => self.stop_straggler(*key, *signal),
            Action::Probe(_) => {
                assert!(self.verdict.is_none(), "nobody is asked after the verdict");
                assert!(!self.health.asked, "one question at a time");
                self.health.asked = true;
                self.health.probes = MOST_PROBES.min(self.health.probes + 1);
            }
            Action::CancelProbes => {
                assert!(self.health.asked, "there is something to cancel");
                self.health.asked = false;
            }
            Action::Walk => self.answers.push_back(Event::Found(Found::default())),
            Action::KillWave { .. } => {
                let from = self.kill_from.expect("there is a verdict");
                // After the first wave it goes on, whoever ends meanwhile.
                let in_time = self.now >= from || self.waves > 0 || self.only_denied_left();
                assert!(in_time, "no SIGKILL before the deadline");
                self.kill_from = Some(from.min(self.now));
                for leader in self.leaders.iter().filter(|it| it.fate == Fate::Alive) {
                    assert_eq!(leader.stops, 1, "each leader is told to stop before SIGKILL");
                }
                self.waves = self.waves.saturating_add(1);
                for member in self.all() {
                    self.refuse(member, Signal::KILL);
                }
            }
            Action::Pause(member) => {
                assert_eq!(self.leaders[member.index()].fate, Fate::Alive);
                self.paused.insert(*member);
            }
            Action::Suspend(_) => {
                let living = self.all().filter(|it| self.leaders[it.index()].fate == Fate::Alive);
                assert!(living.eq(self.paused.iter().copied()), "all members are stopped first");
                assert!(!self.suspended, "once");
                self.suspended = true;
                self.suspended_at = self.now;
            }
            Action::GiveTerminal => {}
            Action::TakeTerminal => {
                assert_ne!(self.leaders[0].fate, Fate::Alive, "main has it while it lives");
            }
            Action::Continue(member) => {
                // One that was started meanwhile was never stopped.
                self.paused.remove(member);
                self.suspended = false;
            }
            Action::Record(Happening::Resumed) => {
                assert!(self.paused.is_empty(), "everybody runs again");
                self.suspended = false;
                if self.group.state() == State::Running {
                    self.health.in_vain |= self.health.asked;
                    let away = self.now.since(self.suspended_at.max(self.health.begun));
                    self.health.begun = self.health.begun.plus(away);
                }
            }
            Action::Record(Happening::Over(over)) => self.check_over(over),
            Action::Record(Happening::Ended(end)) => {
                let forced = end.meaning == EndMeaning::Forced;
                assert_eq!(forced, self.waves > 0, "forced is who ended after SIGKILL");
            }
            Action::Record(_) => {}
            Action::End(code) => {
                assert_eq!(*code, self.expected_code(), "{:?}", self.verdict);
                self.code = Some(*code);
            }
        }
    }

    fn stop_straggler(&mut self, key: ProcessKey, signal: Signal) {
        let member = self.all().find(|it| key_of_child(*it) == key);
        let member = member.expect("only what was found is signalled");
        // Its member's, if that is known; a stranger's is SIGTERM.
        assert!([Signal::TERM, self.stop_signal(member)].contains(&signal));
        let child = &mut self.children[member.index()];
        child.stops += 1;
        assert_eq!(child.stops, 1, "no process gets more than one stop signal");
        let leader = self.leaders[member.index()].fate;
        assert_eq!(leader, Fate::Gone, "children of a living leader are no stragglers");
    }

    fn start_scripts(&mut self) {
        assert!(self.verdict.is_none(), "nothing is started after the verdict");
        assert_eq!(self.scripts.fate, Fate::Unborn, "once");
        assert!(self.leaders.iter().all(|it| it.fate == Fate::Unborn), "before all members");
        self.scripts.fate = Fate::Alive;
    }

    fn stop_scripts(&mut self) {
        assert!(self.verdict.is_some(), "told after the verdict");
        self.scripts.stops += 1;
        assert_eq!(self.scripts.stops, 1, "no process gets more than one stop signal");
    }

    /// Nobody may signal a member that became another user.
    fn refuse(&mut self, member: MemberId, signal: Signal) {
        let alive = self.leaders[member.index()].fate == Fate::Alive;
        if alive && self.models[member.index()].denied {
            self.answers.push_back(Event::SignalFailed(SignalFailure {
                pid: pid(member),
                member: Some(member),
                signal,
                reason: "not permitted".to_owned(),
                denied: true,
            }));
        }
    }

    /// Whether whoever is left may not be signalled, and so is not waited for.
    fn only_denied_left(&self) -> bool {
        self.all().all(|member| {
            let at = member.index();
            let alive = |it: &Process| it.fate == Fate::Alive;
            let led_by_denied = alive(&self.leaders[at]) && self.models[at].denied;
            led_by_denied || (!alive(&self.leaders[at]) && !alive(&self.children[at]))
        })
    }

    fn stop(&mut self, member: MemberId, target: Target) {
        let model = self.models[member.index()];
        let verdict_at = self.verdict.as_ref().expect("told after the verdict").at;
        let leader = &mut self.leaders[member.index()];
        assert_eq!(leader.fate, Fate::Alive, "a number is used only before the reap");
        leader.stops += 1;
        assert_eq!(leader.stops, 1, "no process gets more than one stop signal");
        let group = model.plan.stop_to == StopTo::Group;
        assert_eq!(target == Target::Group, group);
        if group && model.child == Child::InGroup {
            let child = &mut self.children[member.index()];
            child.stops += 1;
            assert_eq!(child.stops, 1, "no process gets more than one stop signal");
        }
        if model.plan.stop == StopOrder::AfterMain && self.group.state() == State::Stopping {
            let main_gone =
                self.leaders[0].fate != Fate::Alive && self.children[0].fate != Fate::Alive;
            let late = self.now.since(verdict_at) >= GRACE / 3 * 2;
            assert!(main_gone || late, "after_main waits for main and what it left");
        }
    }

    /// It ends when nothing is left, or names what is.
    fn check_over(&self, over: &Over) {
        let alive = |processes: &[Process]| -> Vec<MemberId> {
            self.all().filter(|member| processes[member.index()].fate == Fate::Alive).collect()
        };
        let (leaders, children) = (alive(&self.leaders), alive(&self.children));
        assert_eq!(over.left, leaders, "it names the members that are left");
        let named: Vec<ProcessKey> = over.left_stragglers.iter().map(|it| it.key).collect();
        let scripts = (self.scripts.fate == Fate::Alive).then_some(KEY_OF_SCRIPTS);
        let children_keys = children.iter().map(|it| key_of_child(*it));
        let keys: Vec<ProcessKey> = children_keys.chain(scripts).collect();
        assert_eq!(named, keys, "it names the stragglers that are left");
        if !leaders.is_empty() || !keys.is_empty() {
            let from = self.kill_from.expect("there is a verdict");
            let in_time = self.now >= from.plus(GIVE_UP_AFTER) || self.only_denied_left();
            assert!(in_time, "it waits for what it killed");
        }
    }

    /// A function of the verdict, the spec and, for a stop request only, main's end.
    fn expected_code(&self) -> u8 {
        let codes = &self.codes;
        match &self.verdict.as_ref().expect("there is a verdict").cause {
            Cause::MemberEnded(end) => match (end.member.0, end.status) {
                (0, Status::SUCCESS) => codes.main_success,
                (_, Status::SUCCESS) => codes.sidecar_success,
                (_, status) => flat(status),
            },
            Cause::StopRequest(request) => match (self.main_end, self.leaders[0].fate) {
                (Some(status), _) => match codes.stopped {
                    Some(stopped) if self.stopped_as_told(status) => stopped,
                    _ => flat(status),
                },
                (None, Fate::Alive) => 137,
                (None, _) => flat(Status::Killed(request.signal)),
            },
            Cause::CannotStart(_) => 127,
            Cause::Unhealthy(_) => codes.unhealthy,
            Cause::ProfileExited(0) => codes.main_success,
            Cause::ProfileExited(code) => *code,
            Cause::OwnFailure(_) => 125,
        }
    }

    fn stopped_as_told(&self, status: Status) -> bool {
        let told = Status::Killed(self.stop_signal(MemberId::MAIN));
        [Status::SUCCESS, told].contains(&status)
    }

    /// After a walk's answer no straggler is left that was not told.
    pub(super) fn check_stragglers_are_told(&self) {
        for member in self.all() {
            let child = self.children[member.index()];
            if child.fate == Fate::Alive && self.leaders[member.index()].fate == Fate::Gone {
                assert_eq!(child.stops, 1, "every straggler that was found is told");
            }
        }
    }

    /// Its own, or the request's, or SIGTERM.
    fn stop_signal(&self, member: MemberId) -> Signal {
        let asked = match self.verdict.as_ref().map(|verdict| &verdict.cause) {
            Some(Cause::StopRequest(request)) => request.signal,
            _ => Signal::TERM,
        };
        self.models[member.index()].plan.stop_signal.unwrap_or(asked)
    }
}

fn flat(status: Status) -> u8 {
    match status {
        Status::Exited(code) => code,
        Status::Killed(signal) => 128 + u8::try_from(signal.number()).expect("small"),
    }
}
