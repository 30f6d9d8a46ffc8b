//! What has come since the last look: signals, and the ends of children. Reaping is here alone.

use super::perform::Shell;
use crate::core::{Ends, Event, Leader, MemberId, Received, Sender};
use crate::spec::{CommandForm, Signal};
use crate::sys::cgroup::Memory;
use crate::sys::reap::{Reaped, reap};
use crate::sys::{procfs, signals};

/// So many children are reaped in one wake-up, so that a storm of orphans cannot keep us from
/// signals and deadlines: some milliseconds.
const REAPS_AT_ONCE: usize = 500;

impl Shell<'_> {
    /// Takes what has come: signals as events, and whether SIGCHLD was among them.
    pub(super) fn take_signals(&mut self) -> (Vec<Event>, bool) {
        let pending = self.signals.take();
        let received = pending.others.into_iter().map(|(signal, sender)| {
            let main_leader = self.main_leader();
            // A shell passes its own hang-up on to its jobs.
            let hung_up = signal == Signal::HUP && self.jobs.has_lost_terminal();
            let sender = if hung_up { Sender::Terminal } else { sender };
            Event::Signal(Received { signal, sender, main_leader })
        });
        (received.collect(), pending.child)
    }

    /// Whether main is still led by the shell that we started for it.
    pub(super) fn main_leader(&self) -> Leader {
        let main = &self.launch.members[MemberId::MAIN.index()];
        let Some(pid) = self.main() else { return Leader::Program };
        if main.form != CommandForm::Shell {
            return Leader::Program;
        }
        let shell = self.prepared.first();
        match shell.and_then(|shell| procfs::leads(pid, &shell.file)) {
            Some(false) => Leader::Program,
            // Where we cannot look, the shell that we started is the better guess.
            Some(true) | None => Leader::Shell,
        }
    }

    /// What there is to tell of ends, and of memory that was used up; also says what went wrong.
    pub(super) fn take_ends(&mut self, may_be_some: bool) -> (Ends, Option<String>) {
        let (mut ends, failure) = if may_be_some { self.reap() } else { (Ends::default(), None) };
        // Behind the reaping: the kernel counts first and kills then. And in every wake-up: in control
        // groups of version 1 nothing else tells of those who are not ours to reap, and with a count
        // from long ago the next SIGKILL would be mistaken for one of those.
        ends.out_of_memory = self.memory.as_mut().is_some_and(Memory::has_killed);
        (ends, failure)
    }

    /// Reaps what has ended, in parts if it is very much; also says what went wrong.
    fn reap(&mut self) -> (Ends, Option<String>) {
        let mut ends = Ends::default();
        let (mut count, mut failure) = (0, None);
        while count < REAPS_AT_ONCE {
            match reap() {
                Ok(Reaped::Child(pid, status, usage)) => {
                    if let Some(member) = self.leaders.remove(&pid) {
                        self.board.used(member, usage);
                        self.pids[member.index()] = None;
                        self.ended.push(pid);
                        ends.members.push((member, status));
                        count += 1;
                        continue;
                    }
                    ends.orphans += 1;
                    if let Some(scripts) = &mut self.scripts {
                        scripts.ended(pid, status);
                    }
                }
                Ok(Reaped::NoneEnded) => break,
                Ok(Reaped::NoChildren) => {
                    ends.none_left = true;
                    break;
                }
                Err(error) => {
                    failure = Some(format!("cannot reap children: {error}"));
                    break;
                }
            }
            count += 1;
        }
        self.unreaped = count == REAPS_AT_ONCE;
        if ends.orphans > 0 {
            self.board.reaped(ends.orphans);
        }
        (ends, failure)
    }
}

/// Signals could not be unblocked after a start: the next try may well work, and then at least the
/// teardown hears what comes.
pub(super) fn hears_again(error: &std::io::Error) -> Event {
    let _ = signals::unblock_all();
    Event::OwnFailure(format!("cannot unblock signals: {error}"))
}
