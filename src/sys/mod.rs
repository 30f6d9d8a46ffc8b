//! The only room with system calls: every `unsafe`, `nix` and `libc` of the program is here.
//!
//! One file a subject. The functions are thin: what to do is decided by the callers, what a call
//! needs to be right (order, races, what the kernel really returns) is written here. None of them
//! waits for another process, but for [`watch`], which only the voice thread uses, and [`spawn`],
//! until the child has executed its program; looking at files is as slow as they are.

pub mod apart;
pub mod cgroup;
mod child;
pub mod clock;
pub mod descendants;
pub mod descriptors;
pub mod executable;
pub mod family;
pub mod files;
pub mod interfaces;
pub mod kill;
pub mod ledger;
pub mod memory;
pub mod outlet;
pub mod output;
mod passwd;
pub mod ports;
pub mod privileges;
pub mod process;
pub mod procfs;
#[doc(hidden)]
pub mod readers;
pub mod reap;
mod seam;
pub mod signals;
pub mod spawn;
pub mod status_socket;
pub mod terminal;
pub mod users;
pub mod wait_signal;
pub mod watch;
