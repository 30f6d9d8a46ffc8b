//! Parses, dispatches, prints one error, returns the status.

use std::env;
use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use fateshare::check;
use fateshare::cli::{self, Cli, Command};
use fateshare::cloudfoundry::Output;
use fateshare::core::OWN_FAILURE;
use fateshare::load::{self, setting};
use fateshare::local::{self, Recreation, Wanted};
use fateshare::run::Settings;
use fateshare::spec::{Problems, Reading, parse_duration};
use fateshare::sys::{process, signals};
use fateshare::voice::Level;
use fateshare::voice::format::{Colours, Format};

/// What `check` ends with when there is no valid spec.
const INVALID: u8 = 1;

fn main() {
    // First of all: a stop request that comes before we can answer it must wait, not be lost.
    let blocked = signals::block_all().context("cannot block signals");
    let code = match Cli::try_parse() {
        Ok(Cli { command: Command::Run(args) }) => {
            blocked.and_then(|()| run(&args)).unwrap_or_else(|error| {
                complain(&error);
                OWN_FAILURE
            })
        }
        Ok(Cli { command: Command::Check(args) }) => check(&args).unwrap_or_else(|error| {
            complain(&error);
            INVALID
        }),
        Ok(Cli { command: Command::Resolve(args) }) => resolve(&args).unwrap_or_else(|error| {
            complain(&error);
            OWN_FAILURE
        }),
        Err(error) => usage(&error),
    };
    process::leave(code);
}

/// Help and version go to standard output and are no failure; usage errors are one of our own.
fn usage(error: &clap::Error) -> u8 {
    let code = if error.use_stderr() { OWN_FAILURE } else { 0 };
    let say = || {
        let _ = error.print();
        let _ = io::stdout().flush();
    };
    if signals::interruptible(say).is_err() {
        // Nobody is left to tell if this fails.
        say();
    }
    code
}

/// The one place that reports a failure before a group's life.
fn complain(error: &anyhow::Error) {
    let text = match error.downcast_ref::<Problems>() {
        Some(problems) => format!("{problems}\n"),
        None => format!("fateshare: {error:#}\n"),
    };
    let say = || io::stderr().write_all(text.as_bytes());
    if signals::interruptible(say).is_err() {
        // Nobody is left to tell if this fails.
        let _ = say();
    }
}

fn run(args: &cli::Run) -> Result<u8> {
    let settings = Settings {
        level: level()?,
        format: log_format(args)?,
        colours: colours(args)?,
        terminals: !args.no_pty,
        port: args.port,
        instance: fateshare::run::instance(None, 0),
        terminal_for_main: true,
    };
    let recreation = recreation(args)?;
    let loaded = load::launch(&args.target, &load::overlay(&args.target)?)?;
    let Reading { launch, warnings } = loaded.reading;
    let warnings: Vec<String> = warnings.iter().map(|it| format!("warning: {it}")).collect();
    if recreation.is_none() && !args.pid1 {
        return Ok(fateshare::run::run(&launch, &warnings, &settings)?.code);
    }
    local::run(&launch, &warnings, settings, Wanted { recreation, apart: args.pid1 })
}

/// How groups are recreated, if they are.
fn recreation(args: &cli::Run) -> Result<Option<Recreation>> {
    let Some(most) = args.recreate else { return Ok(None) };
    let longest_wait = args.recreate_delay.as_deref().map(parse_duration).transpose();
    let longest_wait = longest_wait.map_err(|reason| anyhow!("--recreate-delay {reason}"))?;
    Ok(Some(Recreation { most, longest_wait }))
}

/// Shows what would run; problems of the spec are errors, those of this machine warnings.
fn check(args: &cli::Check) -> Result<u8> {
    // Usage errors are ours, not the spec's.
    let overlay = match load::overlay(&args.target) {
        Ok(overlay) => overlay,
        Err(error) => {
            complain(&error);
            return Ok(OWN_FAILURE);
        }
    };
    let mut loaded = load::launch(&args.target, &overlay)?;
    let look = fateshare::run::look(&mut loaded.reading.launch);
    let found = check::Found { lacks: &look.lacks, scripts: look.scripts.as_deref() };
    let reading = Reading { launch: loaded.shown(), warnings: loaded.reading.warnings };
    match print(&check::show(&reading, &found)) {
        Ok(()) => Ok(0),
        Err(error) => {
            complain(&error);
            Ok(OWN_FAILURE)
        }
    }
}

/// Prints the launch spec that Cloud Foundry's files make.
fn resolve(args: &cli::Resolve) -> Result<u8> {
    let Output { spec, warnings, .. } = load::resolve(args)?;
    for warning in warnings {
        complain(&anyhow!("warning: {warning}"));
    }
    print(&spec)?;
    Ok(0)
}

/// The one place that writes what was asked for.
fn print(text: &str) -> Result<()> {
    let say = || {
        let mut stdout = io::stdout();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
    };
    signals::interruptible(say).context("cannot catch signals")?.context("standard output")
}

/// How the members' output is passed on; `None` for what suits.
fn log_format(args: &cli::Run) -> Result<Option<Format>> {
    let Some((format, from)) = setting(args.log_format.as_deref(), "FATESHARE_LOG_FORMAT")? else {
        return Ok(None);
    };
    Ok(Some(match format.as_str() {
        "auto" => return Ok(None),
        "raw" => Format::Raw,
        "text" => Format::Text,
        "json" => Format::Json,
        "cf" => Format::CloudFoundry,
        _ => {
            return Err(anyhow!(
                "{from}: no such format: {format:?}; use auto, text, raw, json or cf"
            ));
        }
    }))
}

/// Whether labels have colours: `--color`, else not where `$NO_COLOR` is set to anything, or the
/// terminal knows none; `None` for where somebody sees them.
fn colours(args: &cli::Run) -> Result<Option<Colours>> {
    let is = |name: &str, dull: fn(&OsStr) -> bool| env::var_os(name).is_some_and(|it| dull(&it));
    match args.color.as_deref() {
        Some("always") => Ok(Some(Colours::Some)),
        Some("never") => Ok(Some(Colours::None)),
        Some("auto") | None => {
            let dull = is("NO_COLOR", |it| !it.is_empty()) || is("TERM", |it| it == "dumb");
            Ok(dull.then_some(Colours::None))
        }
        Some(other) => Err(anyhow!("--color: {other:?} is none of auto, always and never")),
    }
}

/// How much we say ourselves: `$FATESHARE_LOG`, else less where nobody watches.
fn level() -> Result<Level> {
    match setting(None, "FATESHARE_LOG")? {
        None if io::stderr().is_terminal() => Ok(Level::Info),
        None => Ok(Level::Warn),
        Some((name, from)) => Level::from_name(&name).ok_or_else(|| {
            anyhow!("{from}: no such level: {name:?}; use off, error, warn, info or debug")
        }),
    }
}
