//! fateshare: PID 1 for a container that holds an app and its sidecars.
//!
//! It reads a resolved launch spec, starts the main process and every sidecar, watches each by its
//! process number, and when any member ends takes the whole group down, so that the platform
//! recreates the container. This crate is a program: its library has no stable interface.
//!
//! # The rooms
//!
//! Imports point one way, from the top of this list to its bottom; a test holds them to it.
//!
//! | room | what it is for | what it must never do |
//! | --- | --- | --- |
//! | `main.rs` | parse, dispatch, print one error, return the status | decide anything about a group |
//! | [`load`] | from the command line to a launch spec: which files are read, and by whom | start anything |
//! | [`drill`] | crashes members of groups that it starts, and judges what happens | run anything but [`run`]; write a file |
//! | [`local`] | the local platform: recreates groups, and gives them a PID namespace of their own | run anything but [`run`] |
//! | [`run`] | the shell: one loop on one thread; waits, tells the core, performs its actions | decide; block |
//! | [`status`] | a running group, seen from outside: the server in the event loop, the client of `ps` and `health` | change anything; hold up the supervisor |
//! | [`report`] | what is left of a group: the report, the termination message, the timeline | write a file |
//! | [`check`] | `check`: a launch spec and what this machine lacks, as text | start anything |
//! | [`voice`] | the writing thread: what fateshare says, and members' output where it is relayed | hold up the supervisor |
//! | [`health`] | one question to a port or over HTTP, one answer | know when to ask, or what follows |
//! | [`sys`] | the only room with system calls, `unsafe`, `nix` and `libc` | know policy |
//! | [`core`] | the decisions: `step(now, event) -> actions` | read a clock, do I/O |
//! | [`cloudfoundry`] | a manifest and what staging has left, as a launch spec: text in, text out | open a file |
//! | [`spec`] | what to run: text in, valid types out | start anything |
//! | [`cli`] | the types of the command line | anything else |
//!
//! # Two threads
//!
//! The *supervisor* (the main thread) decides, spawns, reaps and signals; it never waits for a
//! reader. The *voice* reads members' output where it is relayed, and writes that and our own lines;
//! it may be stuck in that for ever, and is left behind when we leave.
//!
//! # The life of one signal
//!
//! `docker stop` sends SIGTERM. It is blocked until the handlers are in place, then signal-hook's
//! handler keeps its sender and writes a byte to a socket. The loop in `run::wait` wakes up;
//! `run::perform` takes the signal off and tells the core [`core::Event::Signal`]. The core finds
//! it in `stop_on`, latches the verdict, and answers with actions: a stop signal for each leader,
//! an entry for the event list, timers as data. The shell performs them (`sys::kill`), renders the
//! entry into a line and hands it to the voice. Then it sleeps until SIGCHLD brings the ends, or
//! until the next timer. When the kernel says that no child is left, the core answers with the
//! exit code; the shell gives the voice its last chance and leaves.
//!
//! A health check goes the other way round: a timer of the core's is due, the core answers with
//! [`core::Action::Probe`], `run::probes` asks beside the loop, and what [`health`] has found comes
//! back as [`core::Event::Probed`] in the wake-up that takes it, behind signals and ends.
//!
//! What the kernel counts of our memory (`sys::cgroup`) comes with the ends, as [`core::Ends`]: it is
//! read behind them in each wake-up, and in control groups of version 2 a change of it is a wake-up.
//! Whether an end is that kill's doing the core decides.
//!
//! # Who asks
//!
//! Everything that happens goes to the [`status::Board`], which the event list is on. The server answers from
//! there as tasks of the same event loop, a step at a time: the loop looks what has come after a few of
//! them, so that a crowd delays no signal. The report and the termination message are rendered from the
//! board, and written by a thread that is waited for no longer than there is time.
//!
//! # Groups that are recreated
//!
//! With `--recreate` or `--pid1` this process runs no group itself: [`local`] makes a copy of it for
//! each, while there is one thread alone, and that copy lives as described above. The process around it
//! takes signals one by one, passes them on, and waits for the copy's end; its decisions are pure too.
//!
//! # Groups that are struck
//!
//! With `drill` it is much the same: [`drill`] makes a copy of this process for each group, reads what happens
//! there from a file in memory that the copy writes (`report::ledger`), and strikes from outside. What comes next
//! is decided by a machine of its own, from events alone; so is the judgement.
//!
//! # Who owns what
//!
//! *Reaping* has one owner, the shell (and `local` or `drill` in the process around it): `tokio::process` and `std::process::Child` are used nowhere.
//! *A process number* is used for a signal only while it cannot have come again: for leaders, and for
//! our own children and the process groups that one of them is in, because nobody but us can reap
//! them. Everything else is signalled through a pidfd (or, where there are none, at once after a
//! look), checked by start time. *Time* is read by the shell alone and handed to the core. *The event
//! list* is the single source of every line about a group's life, of the report, and of the timeline. *The
//! terminal* is main's while it lives and a shell has given it to us; `run::jobs` keeps count.
//!
//! # What may fail
//!
//! Every system call goes through the seam in `sys`, where a test build makes any of them fail. A
//! failure comes back as an event or as an error before anything is started. What we can do without
//! is done without: `close_range`, pidfds, shared clones, lists of children, `/proc`, a writing
//! thread, control groups. What we cannot, such as reaping, is [`core::Event::OwnFailure`], a verdict like others.

#[cfg(test)]
mod chance;
pub mod check;
pub mod cli;
pub mod cloudfoundry;
pub mod core;
pub mod drill;
pub mod health;
pub mod load;
pub mod local;
pub mod report;
pub mod run;
pub mod spec;
pub mod status;
#[allow(unsafe_code)]
pub mod sys;
pub mod voice;
