//! Stress and soak: thousands of groups killed at random moments, and one that runs for long.
//!
//! Both are short here. `.ci/soak` makes them long; it says how long with these variables:
//!
//! | variable | |
//! | --- | --- |
//! | `FATESHARE_STRESS_GROUPS` | so many groups are started and killed |
//! | `FATESHARE_STRESS_SEED` | the random numbers that all of them are made of; else from the clock |
//! | `FATESHARE_STRESS_GROUP` | only this group, by the number that a failure names beside the seed |
//! | `FATESHARE_SOAK_SECONDS` | so long the groups of the soak run |
//!
//! At its end each prints its figures; `cargo test --test soak -- --nocapture` shows them.

#[path = "../support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each test uses its part of the support"
)]
mod support;

mod chance;
mod exercise;
mod figures;
mod judge;
mod lasting;
mod looks;
mod plan;
mod play;
mod reading;
mod stress;
mod strike;
mod unwritten;

/// A number from the environment.
fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable}={value}: a number")))
}
