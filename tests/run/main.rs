//! What `fateshare run` promises, kept by real processes: as PID 1 of a fresh PID namespace, and
//! as an ordinary process.
//!
//! One file per promise. One test: `cargo test --test run killed::`, or any other part of a name.

#[path = "../support/mod.rs"]
mod support;

mod command_line;
mod descriptors;
mod exit_codes;
mod fallbacks;
mod fate;
mod faults;
mod forwarding;
mod health;
mod health_outside;
mod idle;
mod inheritance;
mod killed;
mod launcher;
mod load;
mod local;
mod out_of_memory;
mod output;
mod outside;
mod profile;
mod real_programs;
mod relay;
mod start;
mod stop;
mod strays;
mod teardown;
mod terminal;
mod traps;
mod users;
