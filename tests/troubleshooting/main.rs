//! `docs/troubleshooting.md`: each message that is a heading there is made for real by a small group, and the fix
//! that stands below it makes it go away.
//!
//! Real programs where they are the trouble: npm, uWSGI, `PostgreSQL`, Redis, strace, tini, dash and bash. What the
//! kernel does to whoever uses up memory is played here, as in `tests/run/out_of_memory.rs`; `tests/memory/` has
//! the real thing.

#[path = "../support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each test uses its part of the support"
)]
mod support;

#[path = "../moving_over/page.rs"]
#[allow(dead_code, reason = "here are no quotes and no cells")]
mod page;

mod document;
mod ends;
mod servers;
mod silent;
mod starts;
mod stops;

use std::path::PathBuf;

use nix::sys::signal::Signal;

use page::{Page, plain};
use support::{Ended, Group, Mode, Running, cannot_run, find_program};

const PAGE: &str = "docs/troubleshooting.md";

/// A message of the page, and what stands below it.
struct Section {
    message: &'static str,
    text: String,
}

impl Section {
    /// The section whose heading is this message.
    #[track_caller]
    fn new(message: &'static str) -> Self {
        let fence = if message.contains('`') { "`` " } else { "`" };
        let end: String = fence.chars().rev().collect();
        Self { message, text: Page::read(PAGE).below(&format!("### {fence}{message}{end}")) }
    }

    /// The same message, for one of its reasons, which has a heading of its own.
    #[track_caller]
    fn because(message: &'static str, reason: &str) -> Self {
        Self { text: Page::read(PAGE).below(&format!("#### {reason}")), ..Self::new(message) }
    }

    /// What to write, which stands there too.
    #[track_caller]
    fn fix<'a>(&self, text: &'a str) -> &'a str {
        assert!(self.text.contains(text), "below `{}` there is no `{text}`", self.message);
        text
    }

    fn is_in(&self, stderr: &str) -> bool {
        let message = plain(self.message);
        stderr.lines().any(|line| plain(line).contains(&message))
    }

    /// Fateshare said it, and ended with this code, which stands there too.
    #[track_caller]
    fn said(&self, ended: &Ended, code: i32) {
        assert!(self.is_in(&ended.stderr), "nobody said `{}`\n{ended}", self.message);
        ended.code(code);
    }

    /// It is not said any more, and the code is another one.
    #[track_caller]
    fn gone(&self, ended: &Ended, code: i32) {
        assert!(!self.is_in(&ended.stderr), "still says `{}`\n{ended}", self.message);
        ended.code(code);
    }
}

/// A group that will be started as PID 1, in a directory of its own; `None` where that is impossible.
fn group() -> Option<Group> {
    let group = || Group::new(Mode::Pid1).env("FATESHARE_LOG", "info");
    Mode::Pid1.can_run().then(group)
}

/// Where a program is; `None`, and said, where it is missing.
fn program(name: &str, package: &str) -> Option<PathBuf> {
    let found = find_program(name);
    if found.is_none() {
        cannot_run(&format!("{name} is missing (the Debian package {package})"));
    }
    found
}

/// Waits until a member has written this.
#[track_caller]
fn wait_for(running: &mut Running, text: &str) {
    running.until(&format!("`{text}` is written"), |running| {
        (running.stdout().contains(text) || running.stderr().contains(text)).then_some(())
    });
}

/// A stop request once this has been written, and the end.
#[track_caller]
fn stopped_after(group: Group, text: &str) -> Ended {
    stopped(group.start(), text)
}

/// The same for one whose main process is the fixture, which is ready for signals by then.
fn fixture_stopped_after(group: Group, text: &str) -> Ended {
    let mut running = group.start();
    running.wait_started(&["web"]);
    stopped(running, text)
}

fn stopped(mut running: Running, text: &str) -> Ended {
    wait_for(&mut running, text);
    running.signal(Signal::SIGTERM);
    running.end()
}
