//! A running group, seen from outside: `ps`, `health`, probes and metrics.
//!
//! The event loop keeps the [`board`](Board): the event list and the little that is not in it. The [`server`]
//! answers from there, on the loop's own thread, over HTTP/1.1 (a Unix socket for those who are
//! entitled, TCP for probes); it waits for nobody and decides nothing. The [`client`] asks, and [`ps`]
//! draws the answer.

mod answer;
mod board;
pub mod client;
mod metrics;
pub mod ps;
pub mod server;
#[cfg(test)]
mod server_tests;
mod stream;
mod usage;

pub use answer::{CheckRow, MemberRow, Status, Stopping};
pub use board::{Board, Counted};
