//! Runs `fateshare` with real processes and looks at what it does from outside.
//!
//! A [`Group`] is built, started as PID 1 of a fresh PID namespace or as an ordinary process, and
//! watched as a [`Running`] one until it has [`Ended`]. Whatever happens, nothing of it outlives
//! the test: every process of the group carries a unique mark in its environment, and whoever has
//! it at the end is killed and named.

pub(crate) mod cgroups;
pub(crate) mod group;
pub(crate) mod host;
pub(crate) mod ports;
pub(crate) mod proc;
pub(crate) mod running;
pub(crate) mod terminal;

use std::env;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use group::{Argv, Group, Shell};
pub(crate) use running::{Ended, Running};
pub(crate) use terminal::Terminal;

/// How `fateshare` is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// PID 1 of a fresh PID namespace with its own `/proc`.
    Pid1,
    /// A child like any other.
    Ordinary,
}

/// Makes two tests, `NAME::as_pid_1` and `NAME::as_ordinary_process`, of each function that takes
/// a [`Mode`].
macro_rules! in_both_modes {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn as_pid_1() {
                if $crate::support::Mode::Pid1.can_run() {
                    super::$name($crate::support::Mode::Pid1);
                }
            }

            #[test]
            fn as_ordinary_process() {
                super::$name($crate::support::Mode::Ordinary);
            }
        }
    )+};
}
pub(crate) use in_both_modes;

impl Mode {
    /// Whether this machine allows it; says why not.
    pub(crate) fn can_run(self) -> bool {
        match self {
            Self::Ordinary => true,
            Self::Pid1 => match unshare() {
                Ok(_) => true,
                Err(why) => {
                    cannot_run(why);
                    false
                }
            },
        }
    }
}

/// How long anything may take before a test gives up. Only a broken program ever waits so long.
pub(crate) const LIMIT: Duration = Duration::from_secs(40);

/// The program under test.
pub(crate) fn fateshare() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        Path::new(env!("CARGO_BIN_EXE_fateshare")).canonicalize().expect("the program is built")
    })
}

/// The program that the tests run as a member.
pub(crate) fn fixture() -> &'static Path {
    static FIXTURE: OnceLock<PathBuf> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let path = fateshare().with_file_name("examples").join("fixture");
        assert!(
            path.exists(),
            "{} is missing: `cargo test` builds it, `cargo test --test NAME` does not; \
             run `cargo build --example fixture`",
            path.display(),
        );
        path
    })
}

/// Says that a test cannot run on this machine, and fails it where every test has to run.
pub(crate) fn cannot_run(why: &str) {
    let required = env::var("FATESHARE_TEST_REQUIRE_ALL").is_ok_and(|value| value == "1");
    assert!(!required, "cannot run here: {why}");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Not `eprintln!`: what that writes is shown for failed tests only.
    let _ = writeln!(std::io::stderr(), "{test}: cannot run here: {why}");
}

/// Held by tests that make thousands of processes: two at once would test the machine's limits.
pub(crate) fn heavy() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits by polling until there is an answer; `None` when the limit is over.
pub(crate) fn poll<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    let mut pause = Duration::from_micros(500);
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if began.elapsed() > limit {
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(8));
    }
}

/// Where a program is, by the PATH of the tests.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(name))
        .find(|program| program.is_file())
}

/// The command, up to the program, that makes a fresh PID namespace; or why there is none.
pub(crate) fn unshare() -> Result<&'static [String], &'static str> {
    static FOUND: OnceLock<Result<Vec<String>, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let program = find_program("unshare").ok_or("the program `unshare` is missing")?;
        let mut last = String::new();
        let plain: &[&str] = &["--pid", "--fork", "--mount-proc"];
        let user: &[&str] = &["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"];
        for options in [plain, user] {
            let tried = Command::new(&program)
                .args(options)
                .arg("true")
                .stdin(Stdio::null())
                .output()
                .map_err(|error| error.to_string())?;
            if tried.status.success() {
                let words = [program.as_os_str()].into_iter().chain(options.iter().map(OsStr::new));
                return Ok(words.map(|word| word.to_string_lossy().into_owned()).collect());
            }
            String::from_utf8_lossy(&tried.stderr).trim().clone_into(&mut last);
        }
        Err(format!("no fresh PID namespace: {last}"))
    });
    found.as_deref().map_err(String::as_str)
}
