//! The command line: argument types only.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
}

/// What is to be run: a spec, and what the command line changes in it.
#[derive(Debug, Args)]
pub struct Target {
    /// The launch spec.
    #[arg(
        value_name = "SPEC",
        conflicts_with = "file",
        help = "The launch spec, - for standard input [default: $FATESHARE_SPEC, ./fateshare.yml, \
                ./fateshare.yaml, /etc/fateshare.yml]"
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
}

/// Arguments of `fateshare check`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_CHECK)]
pub struct Check {
    /// What to look at.
    #[command(flatten)]
    pub target: Target,
}

/// Arguments of `fateshare run`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_RUN)]
pub struct Run {
    /// What to run.
    #[command(flatten)]
    pub target: Target,

    /// How the members' output is passed on.
    #[arg(
        long,
        value_name = "FORMAT",
        help = "How the members' output is passed on: text (name | line), json (an object a line), \
                raw (as it is, untouched), auto [default: auto: text on a terminal when there are \
                sidecars, else raw]"
    )]
    pub log_format: Option<String>,

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
}

const AFTER_RUN: &str = "\
Environment:
  FATESHARE_SPEC          the launch spec, when none is named
  FATESHARE_LOG           off, error, warn, info or debug: what fateshare itself says on stderr
  FATESHARE_LOG_FORMAT    like --log-format
  NO_COLOR                set to anything: no colours
  FATESHARE_GRACE_PERIOD  like --grace-period

Exit code:
  the first to end decides: its own code, 128+n for signal n, 69 if a sidecar ended with 0; 69
  too when the main process's health check fails;
  after a stop request it is the main process's; 127 command not found, 126 not executable,
  125 any other failure of fateshare itself

Examples:
  fateshare run
  fateshare run --sidecar 'config-server=./config-server --port 8082' -- ./web --port 8080";

const AFTER_CHECK: &str = "\
Each member is shown with its command, its health check, its memory and what else is special about it.
`sh:` before a command says that the shell executes it and is gone; what runs under a shell that stays
is said. What only this machine lacks (a program, a user, a directory) is a warning: the image may have
it.

Environment:
  FATESHARE_SPEC          the launch spec, when none is named
  FATESHARE_GRACE_PERIOD  like --grace-period

Exit code:
  0 it is valid, 1 it is not, or cannot be read, or is missing; 125 usage error, or standard output is gone

Examples:
  fateshare check
  fateshare check fateshare.yml && docker build .";
