//! The drill, with real groups: what it finds, how it looks, and that it leaves nothing behind.

#[path = "../support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each test uses its part of the support"
)]
mod support;

mod endings;
mod evidence;
mod faults;
mod findings;
mod harness;
mod looks;
mod real_programs;
mod ways;
