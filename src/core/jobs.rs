//! Signals after the verdict, and job control: Ctrl-Z stops every member and then ourselves, SIGCONT
//! undoes it.

use super::event::{Action, Foreground, JobControl, Received, Sender, Stopped, Windows};
use super::forward::is_stop_request;
use super::group::Group;
use super::happening::{Happening, NotForwarded, Why};
use super::ids::{MemberId, Moment};
use super::teardown::HURRY_AFTER;
use super::timers::Timer;
use crate::spec::Signal;

impl Group {
    /// Signals after the verdict change nothing, but for a second SIGINT (on a terminal SIGQUIT).
    pub(super) fn signalled_while_stopping(
        &mut self,
        now: Moment,
        received: Received,
        out: &mut Vec<Action>,
    ) {
        if self.is_about_jobs(&received) {
            self.job_signal(now, received, out);
            return;
        }
        let from_terminal = received.sender == Sender::Terminal;
        let hurries = is_stop_request(&self.plan.stop_on, &received)
            && (received.signal == Signal::INT
                || (received.signal == Signal::QUIT && from_terminal));
        out.push(Action::Record(Happening::Got(received)));
        let Some(teardown) = &mut self.teardown else {
            return;
        };
        if !hurries {
            return;
        }
        let before = teardown.last_hurry.replace(now).unwrap_or(teardown.verdict.at);
        let before = before.max(teardown.verdict.at);
        if now.since(before) >= HURRY_AFTER {
            // By the timer, not at once: ends of this wake-up come before it.
            teardown.deadline = now;
            teardown.why = Why::Hurried;
            self.timers.arm(Timer::Deadline, now);
            out.push(Action::Record(Happening::Hurried));
        }
    }

    /// Whether a signal stops or continues the group as a job; a stop request is none.
    pub(super) fn is_about_jobs(&self, received: &Received) -> bool {
        !is_stop_request(&self.plan.stop_on, received)
            && (received.signal == Signal::TSTP
                || (received.signal == Signal::CONT && self.suspended.is_some()))
    }

    /// Somebody asks us to stop for a while, or has continued us.
    pub(super) fn job_signal(&mut self, now: Moment, received: Received, out: &mut Vec<Action>) {
        let signal = received.signal;
        out.push(Action::Record(Happening::Got(received)));
        if signal == Signal::CONT {
            self.resume(now, out);
        } else if self.plan.job_control == JobControl::Shell {
            self.suspend(now, signal, Stopped::Alone, out);
        } else {
            let why = NotForwarded::NobodyContinues;
            out.push(Action::Record(Happening::NotForwarded(signal, why)));
        }
    }

    /// Main was stopped. By the terminal, or by itself when the terminal had asked it to, it is meant
    /// for all of us: main alone is in the foreground. Where nobody could continue us, main goes on after Ctrl-Z: but not after it was
    /// stopped for reading in the background, because it would try again at once.
    pub(super) fn main_stopped(
        &mut self,
        now: Moment,
        signal: Signal,
        foreground: Foreground,
        out: &mut Vec<Action>,
    ) {
        let in_background = [Signal::TTIN, Signal::TTOU].contains(&signal);
        if in_background && foreground == Foreground::Ours && self.lives(MemberId::MAIN) {
            // A shell has put us into the foreground, and does not say so to a job that runs.
            out.extend([Action::GiveTerminal, Action::Continue(MemberId::MAIN)]);
            return;
        }
        if self.teardown.is_some() && signal != Signal::TSTP {
            // Who reads in the background meanwhile must not stop the teardown with it.
            return;
        }
        match self.plan.job_control {
            JobControl::Shell => self.suspend(now, signal, Stopped::WholeJob, out),
            JobControl::Nobody if signal == Signal::TSTP && self.lives(MemberId::MAIN) => {
                let why = NotForwarded::NobodyContinues;
                out.push(Action::Continue(MemberId::MAIN));
                out.push(Action::Record(Happening::NotForwarded(signal, why)));
            }
            JobControl::Nobody => {}
        }
    }

    /// When main's leader has ended, the keys of the terminal are for us: a second Ctrl-C hurries.
    pub(super) fn take_terminal(member: MemberId, out: &mut Vec<Action>) {
        if member == MemberId::MAIN {
            out.push(Action::TakeTerminal);
        }
    }

    fn suspend(&mut self, now: Moment, signal: Signal, who: Stopped, out: &mut Vec<Action>) {
        if self.suspended.is_some() {
            return;
        }
        self.suspended = Some(now);
        out.extend(self.living().into_iter().map(Action::Pause));
        out.push(Action::Record(Happening::Suspended(signal)));
        out.push(Action::Suspend(who));
    }

    fn resume(&mut self, now: Moment, out: &mut Vec<Action>) {
        if let Some(since) = self.suspended.take() {
            self.late_while_running(now, since);
        }
        out.push(Action::GiveTerminal);
        if self.plan.windows == Windows::Copied {
            // Meanwhile the kernel told somebody else.
            out.push(Action::Resize(self.living()));
        }
        out.extend(self.living().into_iter().map(Action::Continue));
        out.push(Action::Record(Happening::Resumed));
    }
}
