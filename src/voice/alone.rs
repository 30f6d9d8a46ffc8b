//! Our own lines where no thread can be started: each is written at once as far as standard error
//! takes it, and the rest later.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::format::{Colours, Format, Frame};
use super::inbox::{Inbox, Whose};
use super::lines::{End, Line};
use super::out::Out;
use crate::sys::clock;
use crate::sys::output::{Sink, WHOLE, Which};

/// So often a line is tried: a full disk may have room again.
const TRIES: u32 = 2;

/// What is written without the thread.
#[derive(Debug)]
pub(super) struct Alone {
    frame: Frame,
    rest: Mutex<Rest>,
}

/// What is left of the line that is being written.
#[derive(Debug)]
struct Rest {
    sink: Sink,
    prefix: Vec<u8>,
    line: Out,
    written: usize,
    tries: u32,
}

impl Alone {
    pub(super) fn new(format: Format, colours: Colours) -> Self {
        let sink = Sink::open(Which::Stderr);
        let rest = Rest { sink, prefix: Vec::new(), line: Out::default(), written: 0, tries: 0 };
        Self { frame: Frame::ours(format, colours), rest: Mutex::new(rest) }
    }

    /// Writes what standard error takes within this time. Says whether it took any.
    pub(super) fn write(&self, inbox: &Inbox, limit: Duration) -> bool {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = &mut *rest;
        let begin = clock::monotonic();
        let mut progress = false;
        loop {
            if rest.written == rest.line.len() || rest.tries == TRIES {
                let Some(said) = inbox.try_take() else { return progress };
                rest.line = Out::default();
                let line = Line { bytes: &said.text, end: End::Newline };
                let other = match said.whose {
                    Whose::Ours => None,
                    Whose::Platform => Some(Frame::platform()),
                    Whose::Picture => Some(Frame::picture()),
                };
                let frame = other.as_ref().unwrap_or(&self.frame);
                frame.prefix(&mut rest.prefix, said.at);
                frame.append(&mut rest.line, &rest.prefix, line);
                (rest.written, rest.tries) = (0, 0);
            }
            let left = limit.saturating_sub(clock::monotonic().saturating_sub(begin));
            let ready = rest.sink.wait(left);
            let written = match ready {
                Ok(true) => {
                    let waiting = &rest.line.bytes()[rest.written..];
                    rest.sink.write(&waiting[..waiting.len().min(WHOLE)])
                }
                Ok(false) => Ok(None),
                Err(error) => Err(error),
            };
            match written {
                Ok(Some(written)) => {
                    rest.written += written;
                    progress = true;
                }
                Ok(None) => return progress,
                Err(_) => rest.tries += 1,
            }
        }
    }

    /// Writes until everything is out, there was no progress for `patience`, or `limit` is over.
    pub(super) fn flush(&self, inbox: &Inbox, patience: Duration, limit: Duration) {
        let begin = clock::monotonic();
        let left = || limit.saturating_sub(clock::monotonic().saturating_sub(begin));
        while !left().is_zero() && self.write(inbox, patience.min(left())) {}
    }
}
