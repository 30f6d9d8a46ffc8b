//! What is left of a group for those who were not there: the report, the termination message and the
//! timeline, all rendered from its event list.
//!
//! [`event`] is one entry as an object, [`document`] the whole report, [`termination`] the few lines for
//! Kubernetes, [`timeline`] the picture for a terminal, [`page`] the report for a browser. Nothing is written here: text in, text out.

pub mod document;
pub mod event;
pub mod ledger;
pub mod page;
pub mod termination;
pub mod timeline;

use std::time::Duration;

use crate::core::{Happening, Moment};

/// One entry of the event list, with both of its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 0.
    pub seq: u64,
    /// When it happened, on the group's own clock.
    pub at: Moment,
    /// When it happened, since 1970, as the machine's clock said; that may have been set since.
    pub since_1970: Duration,
    /// What happened.
    pub happening: Happening,
}

/// Thousandths of a second, down to a millionth: how objects hold times.
pub fn millis(time: Duration) -> f64 {
    let micros = u32::try_from(time.as_micros() % 1_000).unwrap_or_default();
    let whole = u32::try_from(time.as_millis());
    // Beyond that there is no need of fractions.
    whole.map_or(time.as_secs_f64() * 1e3, |whole| f64::from(whole) + f64::from(micros) / 1e3)
}
