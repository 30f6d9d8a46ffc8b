//! What runs around `fateshare` as an ordinary process.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{self, Command};

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, raise};

use super::flattened;

/// Runs a program, writes how it ended and what it left to the report, and ends like it. What the
/// program leaves becomes our child, so that nothing can hide: neither a process nor a zombie.
pub(super) fn guard(report: &Path, program: &[&str]) -> u8 {
    prctl::set_child_subreaper(true).expect("a subreaper");
    let (program, args) = program.split_first().expect("a program");
    let mut child = Command::new(program).args(args).spawn().expect("the guarded program");
    let status = child.wait().expect("its status");
    let mut left = String::new();
    let me = process::id().to_string();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let Some((head, tail)) = stat.rsplit_once(')') else {
            continue;
        };
        let mut fields = tail.split_whitespace();
        let state = fields.next().unwrap_or_default();
        if fields.next() == Some(&me) {
            left.extend([&*entry.file_name().to_string_lossy(), " ", state, " ", head, ")\n"]);
        }
    }
    fs::write(report, left).expect("the report is written");
    if let Some(signal) = status.signal() {
        setrlimit(Resource::RLIMIT_CORE, 0, 0).expect("no core dump");
        raise(Signal::try_from(signal).expect("a standard signal")).expect("a signal to itself");
    }
    flattened(status)
}
