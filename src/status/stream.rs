//! `/v1/events`: the event list as it grows, an object a line.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame};
use tokio::sync::futures::OwnedNotified;

use super::Board;
use crate::report::event::Event;

/// So much is written at a time.
const AT_ONCE: usize = 16 * 1024;

/// The events from one place of the list on, until the group is over. Nothing is kept for a reader who
/// does not read: it is asked for when there is room for it.
pub(super) struct Events {
    board: Board,
    next: u64,
    /// Made before the list is looked at: what is added in between is not missed.
    change: Pin<Box<OwnedNotified>>,
}

impl Events {
    pub(super) fn new(board: Board, from: u64) -> Self {
        let change = Box::pin(board.change());
        Self { board, next: from, change }
    }

    /// Those that are there, as lines; and whether more may come.
    fn lines(&mut self) -> (String, bool) {
        let state = self.board.lock();
        let mut text = String::new();
        for (seq, entry) in state.entries.range(self.next..) {
            if let Ok(line) = serde_json::to_string(&Event::new(self.board.launch(), entry)) {
                text.push_str(&line);
                text.push('\n');
            }
            self.next = seq + 1;
            if text.len() >= AT_ONCE {
                break;
            }
        }
        let is_last = state.story.over.is_some() && self.next >= state.next;
        (text, !is_last)
    }
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            let (text, goes_on) = self.lines();
            if !text.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))));
            }
            if !goes_on {
                return Poll::Ready(None);
            }
            if self.change.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.change = Box::pin(self.board.change());
        }
    }
}
