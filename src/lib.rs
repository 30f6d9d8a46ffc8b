//! fateshare: PID 1 for a container that holds an app and its sidecars.

pub mod core;
pub mod spec;
