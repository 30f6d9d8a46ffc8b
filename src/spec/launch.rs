//! The domain types of a launch spec: valid once built.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{HealthCheck, Signal};

/// Everything that one `fateshare run` needs to know. The main process is `members[0]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Where it came from, as it is shown: `./fateshare.yml`, `standard input`, `command line`.
    pub source: String,
    /// The main process first, then the sidecars in spec order. Never empty; names are unique.
    pub members: Vec<Member>,
    /// One deadline for the whole teardown, then SIGKILL.
    pub grace_period: Duration,
    /// Signals that are a stop request.
    pub stop_on: Vec<Signal>,
    /// What the exit codes are when they are not a member's own.
    pub exit_codes: ExitCodes,
    /// The shell that runs string commands, with its arguments before the command.
    pub shell: Vec<String>,
    /// Whose rules it runs by, besides our own.
    pub platform: Option<Platform>,
    /// The app directory whose profile scripts run once before the members; absolute.
    pub profile: Option<PathBuf>,
}

/// A platform whose launcher and health checks are played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Cloud Foundry.
    CloudFoundry {
        /// The app's name, for `VCAP_APPLICATION`.
        application: Option<String>,
    },
}

/// One process that is watched by PID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Unique in the group; may hold spaces.
    pub name: String,
    /// What is executed: program and arguments, the shell included. Never empty.
    pub argv: Vec<OsString>,
    /// How the command was written.
    pub form: CommandForm,
    /// Absolute; `None` is fateshare's own directory.
    pub working_dir: Option<PathBuf>,
    /// Changes to the inherited environment, in order: `None` unsets.
    pub env: Vec<(String, Option<String>)>,
    /// Whom it runs as; `None` is fateshare's own user.
    pub user: Option<UserName>,
    /// Unset: the signal of the stop request, SIGTERM for any other verdict.
    pub stop_signal: Option<Signal>,
    /// Who gets the stop signal.
    pub stop_to: StopTo,
    /// When it gets the stop signal.
    pub stop: StopOrder,
    /// What its exit with 0 means.
    pub may_finish: MayFinish,
    /// Bytes; told to the member as `MEMORY_LIMIT`. The container enforces.
    pub memory: Option<u64>,
    /// Its `oom_score_adj`, -1000 to 1000 (`proc_pid_oom_score_adj(5)`); `None` is fateshare's own.
    /// It can only be raised, which only the host can tell.
    pub oom_score_adj: Option<i16>,
    /// Whether it and what it starts can never gain privileges (`PR_SET_NO_NEW_PRIVS`).
    pub no_new_privs: bool,
    /// What it is asked to find out whether it is healthy; `None`: not having ended is healthy. The
    /// main process alone has one.
    pub health_check: Option<HealthCheck>,
    /// The same for readiness, whose failure ends nothing.
    pub readiness_check: Option<HealthCheck>,
}

/// A user and maybe a group, as they were written: names or numbers ([`UserName::parse`]). Who
/// they are, only the image's files can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName {
    /// A name; digits are always a number, see [`parse_id`](super::parse_id).
    pub user: String,
    /// The same for the group, when one was written.
    pub group: Option<String>,
}

/// As it was written: `app:www`.
impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.user)?;
        match &self.group {
            Some(group) => write!(f, ":{group}"),
            None => Ok(()),
        }
    }
}

/// How a command was written, and so who stands between fateshare and the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommandForm {
    /// A list: executed as it is.
    List,
    /// One simple command: the shell is told to `exec` it and is gone afterwards.
    Exec,
    /// Anything else: the shell stays and is the leader.
    Shell,
}

/// Who gets the stop signal of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopTo {
    /// The leader alone.
    Process,
    /// The leader's process group.
    Group,
}

/// When a member gets its stop signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopOrder {
    /// With the verdict.
    AtOnce,
    /// When the main process and what it left are gone, or two thirds of the grace are used.
    AfterMain,
}

/// Whether a member may end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MayFinish {
    /// Every end of it is the group's.
    Never,
    /// Its exit with 0 ends only itself.
    WithZero,
}

/// Exit codes for verdicts that have none of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExitCodes {
    /// The main process ended first, with 0.
    pub main_success: u8,
    /// A sidecar ended first, with 0.
    pub sidecar_success: u8,
    /// A health check failed.
    pub unhealthy: u8,
    /// Replaces 0 and 128 + main's stop signal after a stop request.
    pub stopped: Option<u8>,
}

impl Default for ExitCodes {
    fn default() -> Self {
        Self { main_success: 0, sidecar_success: 69, unhealthy: 69, stopped: None }
    }
}

/// The grace period unless something else is said: one second below what Docker and Cloud Foundry
/// leave between SIGTERM and SIGKILL.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(9);

/// The signals that are a stop request unless the spec says otherwise.
pub const DEFAULT_STOP_ON: [Signal; 3] = [Signal::TERM, Signal::INT, Signal::QUIT];
