//! The command line: argument types only.

mod help;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use help::{
    AFTER_CHECK, AFTER_DRILL, AFTER_HEALTH, AFTER_PS, AFTER_RESOLVE, AFTER_RUN, AFTER_TIMELINE,
};

/// PID 1 for a container that holds an app and its sidecars: when one ends, all end, and it says
/// why.
#[derive(Debug, Parser)]
#[command(version, about, disable_help_subcommand = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the main process and its sidecars as one group: when one ends, all end.
    Run(Run),
    /// Validate a launch spec, and show what would run; nothing is started.
    Check(Check),
    /// Show the groups that run here: their members, health, and what they use.
    Ps(Ps),
    /// Exit with 0 if the group that runs here is healthy, else with 1: for a container's HEALTHCHECK.
    Health(Health),
    /// Crash every member in turn, each in a group of its own, and judge what happens.
    Drill(Drill),
    /// Draw a finished group's life from its report.
    Timeline(Timeline),
    /// Print the launch spec that a Cloud Foundry manifest, and what staging has left, make.
    Resolve(Resolve),
}

/// What is to be run: a spec, and what the command line changes in it.
#[derive(Debug, Args)]
pub struct Target {
    /// The launch spec.
    #[arg(
        value_name = "SPEC",
        conflicts_with = "file",
        help = "The launch spec or a Cloud Foundry manifest, - for standard input [default: \
                $FATESHARE_SPEC, ./fateshare.yml, ./fateshare.yaml, ./manifest.yml, /etc/fateshare.yml]"
    )]
    pub spec: Option<PathBuf>,

    /// The same as SPEC.
    #[arg(short, long, value_name = "SPEC")]
    pub file: Option<PathBuf>,

    /// Add a sidecar; can be repeated.
    #[arg(long, value_name = "NAME=COMMAND")]
    pub sidecar: Vec<String>,

    /// How long a teardown may take before SIGKILL.
    #[arg(
        long,
        value_name = "DURATION",
        help = "From the first end to SIGKILL, such as 9s, 500ms or 1m30s [default: the spec's, else 9s]"
    )]
    pub grace_period: Option<String>,

    /// The main process's command, executed as it is; takes the place of the spec's.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,

    /// Cloud Foundry's files; last, because its heading is for all that follows.
    #[command(flatten)]
    pub cloud_foundry: CloudFoundry,
}

/// What a Cloud Foundry manifest leaves open, and what staging has left.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cloud Foundry")]
pub struct CloudFoundry {
    /// Which app of the manifest.
    #[arg(long, value_name = "NAME", help = "The manifest's app; needed where it has several")]
    pub app: Option<String>,

    /// Which process type of the app.
    #[arg(long, value_name = "TYPE", help = "The app's process to run [default: web]")]
    pub process: Option<String>,

    /// A variable of the manifest.
    #[arg(long, value_name = "NAME=VALUE", help = "A variable for ((NAME)); can be repeated")]
    pub var: Vec<OsString>,

    /// A file of variables.
    #[arg(
        long,
        value_name = "FILE",
        help = "A file of variables; can be repeated, later ones win"
    )]
    pub vars_file: Vec<PathBuf>,

    /// A buildpack's `launch.yml`.
    #[arg(
        long,
        value_name = "FILE",
        help = "A buildpack's launch.yml; can be repeated, in the buildpacks' order"
    )]
    pub launch_yml: Vec<PathBuf>,

    /// Where the buildpacks' dependencies are.
    #[arg(
        long,
        value_name = "DIR",
        help = "Where buildpacks have left DIR/0/launch.yml, DIR/1/launch.yml, ...; told as DEPS_DIR"
    )]
    pub deps_dir: Option<PathBuf>,

    /// The app's `Procfile`.
    #[arg(
        long,
        value_name = "FILE",
        help = "The app's Procfile, which wins over every launch.yml"
    )]
    pub procfile: Option<PathBuf>,

    /// A staging result.
    #[arg(
        long,
        value_name = "FILE",
        help = "A staging result (JSON) or a droplet's staging_info.yml; can be repeated"
    )]
    pub staging: Vec<PathBuf>,

    /// Whether what the platform drops silently is an error.
    #[arg(long, help = "What Cloud Foundry ignores silently is an error, not a warning")]
    pub strict: bool,
}

impl CloudFoundry {
    /// Whether anything of it is there.
    pub fn is_used(&self) -> bool {
        let chosen = self.app.is_some() || self.process.is_some();
        let variables = !self.var.is_empty() || !self.vars_file.is_empty();
        chosen || variables || self.strict || self.names_files()
    }

    /// Whether it names a file of staging, which can be enough without a manifest.
    pub fn names_files(&self) -> bool {
        let lists = [&self.launch_yml, &self.staging];
        let one = self.deps_dir.is_some() || self.procfile.is_some();
        one || lists.iter().any(|list| !list.is_empty())
    }
}

/// Arguments of `fateshare resolve`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_RESOLVE)]
pub struct Resolve {
    /// The manifest.
    #[arg(
        value_name = "MANIFEST",
        conflicts_with = "file",
        help = "The manifest, or what staging has left; - for standard input [default: \
                $FATESHARE_SPEC, ./manifest.yml]"
    )]
    pub manifest: Option<PathBuf>,

    /// The same as MANIFEST.
    #[arg(short, long, value_name = "MANIFEST")]
    pub file: Option<PathBuf>,

    /// Cloud Foundry's files.
    #[command(flatten)]
    pub cloud_foundry: CloudFoundry,
}

/// Which group is meant.
#[derive(Debug, Args)]
pub struct Running {
    /// Where it is asked.
    #[arg(
        long,
        value_name = "PATH",
        help = "The group's socket, @NAME for an abstract one [default: $FATESHARE_SOCKET, else all that \
                are found where groups listen by themselves]"
    )]
    pub socket: Option<PathBuf>,
}

/// Arguments of `fateshare ps`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_PS)]
pub struct Ps {
    /// As an object.
    #[arg(long, help = "Print an array with an object for each group, as /v1/status has it")]
    pub json: bool,

    /// Which group.
    #[command(flatten)]
    pub running: Running,
}

/// Arguments of `fateshare health`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HEALTH)]
pub struct Health {
    /// Ready, not only healthy.
    #[arg(long, help = "Ask whether it is ready, not only healthy")]
    pub ready: bool,

    /// Which group.
    #[command(flatten)]
    pub running: Running,
}

/// Arguments of `fateshare timeline`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_TIMELINE)]
pub struct Timeline {
    /// The report.
    #[arg(
        value_name = "REPORT",
        help = "What fateshare run --report has written, - for standard input"
    )]
    pub report: PathBuf,

    /// A page.
    #[arg(
        long,
        value_name = "FILE",
        help = "Write a page for browsers instead, - for standard output"
    )]
    pub html: Option<PathBuf>,
}

/// Arguments of `fateshare check`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_CHECK)]
pub struct Check {
    /// What to look at.
    #[command(flatten)]
    pub target: Target,
}

/// Arguments of `fateshare drill`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_DRILL)]
pub struct Drill {
    /// Who is struck.
    #[arg(
        long,
        value_name = "NAME",
        help = "Strike this member only; can be repeated [default: every member, and the group]"
    )]
    pub member: Vec<String>,

    /// How.
    #[arg(
        long,
        value_name = "STRIKE",
        help = "kill, term, late, freeze, platform or supervisor; can be repeated [default: all]"
    )]
    pub strike: Vec<String>,

    /// The limit.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "10s",
        help = "So long everything may take to be gone after a strike"
    )]
    pub within: String,

    /// When a group counts as healthy.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "1s",
        help = "So long all members must run for a group to count as healthy; a quarter of it where the main \
                process has a health_check, which has to pass"
    )]
    pub settle: String,

    /// The port that the app is told.
    #[arg(
        long,
        value_name = "PORT",
        help = "With a Cloud Foundry manifest: the app's PORT, 0 for a free one [default: $PORT, else 8080]"
    )]
    pub port: Option<u16>,

    /// As an object.
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "-",
        help = "Write an object with everything that was found to this file, without one print it instead of \
                the table"
    )]
    pub json: Option<PathBuf>,

    /// For a CI server.
    #[arg(long, value_name = "FILE", help = "Write the strikes as JUnit's XML, a test case each")]
    pub junit: Option<PathBuf>,

    /// A page.
    #[arg(
        long,
        value_name = "FILE",
        help = "Write a page for browsers, with a timeline for each strike"
    )]
    pub html: Option<PathBuf>,

    /// A former drill.
    #[arg(
        long,
        value_name = "FILE",
        help = "Say what has changed since this drill, which --json has printed"
    )]
    pub baseline: Option<PathBuf>,

    /// What to run.
    #[command(flatten)]
    pub target: Target,
}

/// Arguments of `fateshare run`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_RUN)]
pub struct Run {
    /// How the members' output is passed on.
    #[arg(
        long,
        value_name = "FORMAT",
        help = "How the members' output is passed on: text (name | line), json (an object a line), \
                cf (as cf logs shows it), raw (as it is, untouched), auto [default: auto: text on a terminal when there are \
                sidecars, else raw]"
    )]
    pub log_format: Option<String>,

    /// The port that the app is told.
    #[arg(
        long,
        value_name = "PORT",
        help = "With a Cloud Foundry manifest: the app's PORT, 0 for a free one [default: $PORT, else 8080]"
    )]
    pub port: Option<u16>,

    /// Whether labels have colours.
    #[arg(
        long,
        value_name = "WHEN",
        help = "Whether text has coloured names: auto, always or never [default: auto: on a terminal, \
                unless $NO_COLOR is set or $TERM is dumb]"
    )]
    pub color: Option<String>,

    /// Members get pipes for their output, also on a terminal.
    #[arg(
        long,
        help = "With text on a terminal, give members pipes for their output, not terminals of their \
                own; most programs then show no colours and keep lines back"
    )]
    pub no_pty: bool,

    /// How often the group is recreated.
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        help = "Recreate the whole group when it crashes, N times at most, as Cloud Foundry does: twice at \
                once, then after 30s, 60s, 120s and so on [default N: as often as it does]"
    )]
    pub recreate: Option<Option<u32>>,

    /// The longest wait before that.
    #[arg(
        long,
        value_name = "DURATION",
        requires = "recreate",
        help = "Wait no longer than this before the group is recreated"
    )]
    pub recreate_delay: Option<String>,

    /// Where the group can be asked.
    #[arg(
        long,
        value_name = "PATH",
        help = "The socket for ps and health, @NAME for an abstract one, none for none [default: \
                $FATESHARE_SOCKET, else the first that can be made: /run/fateshare.sock, \
                $XDG_RUNTIME_DIR/fateshare.sock, /tmp/fateshare-UID/fateshare.sock, an abstract one]"
    )]
    pub socket: Option<PathBuf>,

    /// Where probes come.
    #[arg(
        long,
        value_name = "ADDR:PORT",
        help = "Serve /livez, /readyz and /metrics over HTTP there, such as 0.0.0.0:9090; :9090 is every \
                address"
    )]
    pub listen: Option<String>,

    /// The report's file.
    #[arg(
        long,
        value_name = "FILE",
        help = "Write a report of the group's life there when it ends, for fateshare timeline"
    )]
    pub report: Option<PathBuf>,

    /// The termination message's file.
    #[arg(
        long,
        value_name = "FILE",
        help = "Write the verdict there when it ends, if that is a regular file which is there; none for \
                nowhere [default: /dev/termination-log]"
    )]
    pub termination_log: Option<PathBuf>,

    /// A PID namespace for the group.
    #[arg(
        long,
        help = "Run the group in a PID namespace of its own (and a user namespace, where that takes \
                one), with fateshare as its PID 1: whatever becomes of that, nothing is left"
    )]
    pub pid1: bool,

    /// What to run.
    #[command(flatten)]
    pub target: Target,
}
