//! What is said of fates: the entries of the event list from which every line and report is made.
//! Entries that only repeat an event or a deed are left out.

use std::fmt;
use std::time::Duration;

use fateshare::core::{
    Action, Cause, Decided, EndMeaning, Ends, Event, GraceOver, Happening, Killing, MemberEnded,
    MemberId, Over, Verdict, Why as Reason,
};

use super::Reference;
use super::facts::{What, Why};

impl Reference {
    /// What was said when this was told is true, and nothing is missing.
    pub(super) fn check_words(&mut self, event: &Event, actions: &[Action]) -> Result<(), String> {
        let mut said = Words::default();
        let mut kills = 0;
        for action in actions {
            kills += u32::from(matches!(action, Action::KillWave { .. }));
            let Action::Record(happening) = action else { continue };
            let Some(word) = self.word(event, happening)? else { continue };
            if said.has(word) {
                return Err(format!("it says {word:?} twice"));
            }
            said.add(word);
        }
        // In whatever order: all of them are in the same moment.
        let due = self.due_words(event, kills);
        if said != due {
            return Err(format!("it says {said:?}, not {due:?}"));
        }
        self.facts.teardown.said |= due.has(Word::Verdict);
        Ok(())
    }

    /// All that has to be said.
    fn due_words(&self, event: &Event, kills: u32) -> Words {
        let (facts, wish) = (&self.facts, self.facts.wish);
        let mut due = Words::default();
        let mut say = |is_due: bool, word: Word| {
            if is_due {
                due.add(word);
            }
        };
        // Rule 8: whatever comes of it.
        say(matches!(event, Event::Signal(_)), Word::Got);
        say(wish.healthy, Word::Healthy);
        say(wish.hurried, Word::Hurried);
        say(wish.moved, Word::Moved);
        // The verdict is one line. Assumed: of a culprit that may have left something it is said when
        // that was looked for, or when it is over.
        let waits = facts.end.is_some_and(|it| it.hasty)
            && facts.teardown.walked.is_none()
            && facts.code.is_none()
            && !facts.is_killing();
        say(facts.end.is_some() && !facts.teardown.said && !waits, Word::Verdict);
        say(kills > 0 && facts.teardown.waves == kills, Word::GraceOver);
        say(kills > 0, Word::KillWave);
        say(facts.code.is_some(), Word::Over);
        if let Event::Ends(ends) = event {
            ends.members.iter().for_each(|(member, _)| due.add(Word::Ended(*member)));
        }
        due
    }

    /// Which word this is, if all in it is true; none for what repeats an event or a deed.
    fn word(&self, event: &Event, happening: &Happening) -> Result<Option<Word>, String> {
        let (word, is_true) = match happening {
            Happening::Got(got) => {
                (Word::Got, matches!(event, Event::Signal(received) if received == got))
            }
            Happening::Healthy { after } => {
                (Word::Healthy, *after == self.facts.now.since(self.facts.health.since))
            }
            Happening::Hurried => (Word::Hurried, true),
            Happening::DeadlineMoved { to } => {
                let deadline = self.facts.end.map(|why| (self.rules.deadline)(self.case(), why));
                (Word::Moved, deadline == Some(*to))
            }
            Happening::Verdict(decided) => (Word::Verdict, self.is_decided(decided)),
            Happening::GraceOver(over) => (Word::GraceOver, self.is_grace_over(over)),
            Happening::KillWave { number, freeze } => {
                let is_last = *number == self.facts.teardown.waves;
                (Word::KillWave, is_last && *freeze == (self.rules.freezes)(*number))
            }
            Happening::Over(over) => (Word::Over, self.is_over(over)),
            Happening::Ended(end) => {
                let Event::Ends(ends) = event else {
                    return Err(format!("nobody has ended: {end:?}"));
                };
                (Word::Ended(end.member), self.has_ended(ends, end))
            }
            _ => return Ok(None),
        };
        if is_true { Ok(Some(word)) } else { Err(format!("it says {happening:?}")) }
    }

    /// Rule 4: who was the first, who came together with it, and who came later.
    fn has_ended(&self, ends: &Ends, end: &MemberEnded) -> bool {
        let fatal = (self.rules.is_fatal)(&self.plan, end.member, end.status);
        let what = self.facts.end.map(|why| why.what);
        let meaning = if self.facts.is_killing() {
            EndMeaning::Forced
        } else if self.facts.end.is_some() && !self.facts.wish.decided {
            EndMeaning::Stopped
        } else if !fatal {
            EndMeaning::Finished
        } else if what == Some(What::Ended(end.member, end.status)) {
            EndMeaning::Culprit
        } else {
            EndMeaning::Together
        };
        ends.members.contains(&(end.member, end.status)) && end.meaning == meaning
    }

    fn is_decided(&self, decided: &Decided) -> bool {
        let Some(why) = self.facts.end else { return false };
        let all = MemberId::all(self.facts.members.len());
        let missing = |it: &MemberId| self.facts.of(*it).pid.is_none();
        let not_started = all.filter(missing).filter(|it| !self.facts.of(*it).cannot_start);
        self.is_verdict(&decided.verdict, why)
            && decided.stopping.iter().copied().eq(self.members_that(|it| it.outlived))
            && decided.not_started.iter().copied().eq(not_started)
    }

    /// The verdict of the machine is the one that was understood.
    pub(super) fn is_verdict(&self, verdict: &Verdict, why: Why) -> bool {
        let what = match &verdict.cause {
            Cause::MemberEnded(end) => What::Ended(end.member, end.status),
            Cause::StopRequest(received) => What::Asked(received.signal),
            Cause::CannotStart(failures) => {
                What::CannotStart((self.rules.spawn_code)(&failures[0]))
            }
            Cause::Unhealthy(_) => What::Unhealthy,
            Cause::ProfileExited(code) => What::ScriptsExited(*code),
            Cause::OwnFailure(_) => What::OwnFailure,
        };
        verdict.at == why.at && what == why.what
    }

    /// When the grace runs out we say so, and who had not stopped.
    fn is_grace_over(&self, over: &GraceOver) -> bool {
        let Some(why) = self.facts.end else { return false };
        let case = self.case();
        let run_out = case.has_run_out((self.rules.deadline)(case, why));
        let reason = match (run_out, self.facts.teardown.hurried) {
            (false, _) => Reason::Denied,
            (true, Some(_)) => Reason::Hurried,
            (true, None) => Reason::Deadline,
        };
        over.members.iter().copied().eq(self.facts.living())
            && over.after == self.had(why)
            && over.why == reason
    }

    /// How long it was waited for those who did not stop. Assumed: the time in which nothing ran is no
    /// part of it.
    fn had(&self, why: Why) -> Duration {
        let by = self.facts.now.min((self.rules.deadline)(self.case(), why));
        by.since(why.at).saturating_sub(self.facts.teardown.lost)
    }

    /// Rule 7: what could not be killed is named; a forced kill is said.
    fn is_over(&self, over: &Over) -> bool {
        let (facts, teardown) = (&self.facts, self.facts.teardown);
        let Some(why) = facts.end else { return false };
        let killing = if facts.is_killing() { Killing::Needed } else { Killing::NotNeeded };
        Some(over.code) == facts.code
            && over.took == facts.now.since(why.at)
            && over.forced.iter().copied().eq(self.members_that(|it| it.forced))
            && over.left.iter().copied().eq(facts.living())
            && over.killing == killing
            && over.gave_up == teardown.looking_last
    }

    fn members_that(
        &self,
        holds: impl Fn(&super::facts::Past) -> bool,
    ) -> impl Iterator<Item = MemberId> {
        MemberId::all(self.facts.members.len()).filter(move |it| holds(&self.facts.of(*it)))
    }
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Got,
    Healthy,
    Verdict,
    Hurried,
    Moved,
    GraceOver,
    KillWave,
    Over,
    Ended(MemberId),
}

impl Word {
    const WITHOUT_MEMBER: [Self; 8] = [
        Self::Got,
        Self::Healthy,
        Self::Verdict,
        Self::Hurried,
        Self::Moved,
        Self::GraceOver,
        Self::KillWave,
        Self::Over,
    ];

    fn bit(self) -> u64 {
        1 << match self {
            Self::Ended(member) => Self::WITHOUT_MEMBER.len() + member.index(),
            word => Self::WITHOUT_MEMBER.iter().position(|it| *it == word).expect("it is there"),
        }
    }
}

/// A set of them: every move makes two.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Words(u64);

impl Words {
    fn add(&mut self, word: Word) {
        self.0 |= word.bit();
    }

    fn has(self, word: Word) -> bool {
        self.0 & word.bit() != 0
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = MemberId::all(16).map(Word::Ended);
        f.debug_set()
            .entries(Word::WITHOUT_MEMBER.into_iter().chain(ends).filter(|it| self.has(*it)))
            .finish()
    }
}
