//! The end of what a lane writes: a member's last words, and at last everything that is left.

use super::{Lane, LastWords};
use crate::voice::format::Frame;
use crate::voice::lines::{End, Line};
use crate::voice::take::{Take, Written};

/// At the end a reader that takes so much goes on, though there is no room for another page yet.
const LEAST_TAKEN: usize = 1024;

/// At the end so much is read from one output at most. No pipe holds more, unless the kernel was
/// told so: what comes afterwards is from somebody who is no member.
const LAST_READ: usize = 1024 * 1024;

impl<S: Take> Lane<S> {
    /// Takes what comes behind all that a member has written.
    pub(in crate::voice) fn take_last_words(&mut self, frame: Frame, words: LastWords) {
        self.last_words.push_back((frame, words));
    }

    /// Says what was taken of these members, unless the reader takes nothing, or something that was
    /// read is not out yet. What a member has left without an end goes on with it, as on Cloud Foundry,
    /// which puts both into the same buffer.
    pub(in crate::voice) fn say_last_words(&mut self, of: impl Fn(usize) -> bool) -> Written {
        loop {
            if self.piece.is_some() || self.push_all() == Written::Stalled {
                return Written::Stalled;
            }
            let next = self.last_words.iter().position(|(_, words)| of(words.member));
            let Some((frame, words)) = next.and_then(|at| self.last_words.remove(at)) else {
                return Written::All;
            };
            self.say_words(&frame, words);
        }
    }

    fn say_words(&mut self, frame: &Frame, words: LastWords) {
        let LastWords { member, at, mut text } = words;
        // Not the lane's own: see `say`.
        let mut prefix = Vec::new();
        frame.prefix(&mut prefix, at);
        let Some(Some(relayed)) = self.streams.get_mut(member) else {
            self.of = None;
            frame.append(&mut self.out, &prefix, Line { bytes: &text, end: End::Newline });
            return;
        };
        self.of = Some((member, relayed.counters.clone()));
        text.push(b'\n');
        let (mut from, mut lines) = (0, 0);
        while let Some(line) = relayed.splitter.next(&text, &mut from) {
            lines += 1;
            frame.append(&mut self.out, &prefix, line);
        }
        if let Some(counters) = relayed.counters.get() {
            counters.relayed(lines, 0);
        }
    }

    /// Nothing will be written any more: takes what members have left in their outputs, whoever
    /// still holds one open. Says whether everything is out.
    pub(in crate::voice) fn drain(&mut self) -> Written {
        loop {
            if self.work_off() == Written::Stalled {
                return Written::Stalled;
            }
            let (number, so_far) = self.last;
            if number >= self.streams.len() {
                self.is_drained = true;
                return self.say_last_words(|_| true);
            }
            if self.turn_to(number) == Written::Stalled {
                return Written::Stalled;
            }
            let read = self.read(number, LAST_READ.saturating_sub(so_far));
            if read > 0 {
                self.last = (number, so_far + read);
            } else {
                if self.say_last_words(|member| member == number) == Written::Stalled {
                    return Written::Stalled;
                }
                self.finish_line(number);
                self.last = (number + 1, 0);
            }
        }
    }

    /// Notes as progress what the reader has taken, be it too little to write anything more: but no
    /// trickle, with which it would never have everything in time.
    pub(in crate::voice) fn look_at_reader(&mut self) {
        let now = self.stalled_since.and_then(|_| self.sink.unread());
        match (self.unread, now) {
            (Some(before), Some(now)) if before.saturating_sub(now) >= LEAST_TAKEN => {
                self.inbox.progress();
                self.unread = Some(now);
            }
            // Less: more may follow.
            (Some(before), Some(now)) if now <= before => {}
            (_, now) => self.unread = now,
        }
    }
}
