//! Parses, dispatches, prints one error, returns the status.

use std::env;
use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use fateshare::check;
use fateshare::cli::{self, Cli, Command};
use fateshare::core::OWN_FAILURE;
use fateshare::run::Settings;
use fateshare::spec::{self, Overlay, Reading};
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
    let text = match error.downcast_ref::<spec::Problems>() {
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
    };
    let Reading { launch, warnings } = load(&args.target, &overlay(&args.target)?)?;
    let warnings: Vec<String> = warnings.iter().map(|it| format!("warning: {it}")).collect();
    fateshare::run::run(&launch, &warnings, settings)
}

/// Shows what would run; problems of the spec are errors, those of this machine warnings.
fn check(args: &cli::Check) -> Result<u8> {
    // Usage errors are ours, not the spec's.
    let overlay = match overlay(&args.target) {
        Ok(overlay) => overlay,
        Err(error) => {
            complain(&error);
            return Ok(OWN_FAILURE);
        }
    };
    let mut reading = load(&args.target, &overlay)?;
    let lacks = fateshare::run::look(&mut reading.launch);
    let text = check::show(&reading, &lacks);
    let say = || {
        let mut stdout = io::stdout();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
    };
    let said = signals::interruptible(say).context("cannot catch signals");
    match said.and_then(|said| said.context("standard output")) {
        Ok(()) => Ok(0),
        Err(error) => {
            complain(&error);
            Ok(OWN_FAILURE)
        }
    }
}

/// What is to be run: a spec with what the command line changes in it, or the command line alone.
fn load(args: &cli::Target, overlay: &Overlay) -> Result<Reading> {
    let named = args.spec.as_deref().or(args.file.as_deref());
    let variable = env::var_os("FATESHARE_SPEC").filter(|path| !path.is_empty());
    let complete = overlay.command.is_some() || !overlay.sidecars.is_empty();
    if complete && named.is_none() && variable.is_none() {
        let launch = spec::from_command_line(overlay)?;
        return Ok(Reading { launch, warnings: Vec::new() });
    }
    let find = || spec::find(named, variable.as_deref().map(Path::new));
    let source = if may_block(named.or(variable.as_deref().map(Path::new))) {
        signals::interruptible(find).context("cannot catch signals")??
    } else {
        find()?
    };
    Ok(spec::read(&source.text, &source.file, overlay)?)
}

/// Whether to read this spec may take as long as somebody likes: a pipe, a terminal; and what is
/// found by look-up may be anything.
fn may_block(named: Option<&Path>) -> bool {
    named.is_none_or(|path| path == Path::new("-") || !path.is_file())
}

fn overlay(args: &cli::Target) -> Result<Overlay> {
    let sidecars = args.sidecar.iter().map(|text| spec::split_sidecar(text));
    Ok(Overlay {
        command: (!args.command.is_empty()).then(|| args.command.clone()),
        sidecars: sidecars
            .collect::<Result<_, _>>()
            .map_err(|reason| anyhow!("--sidecar: {reason}"))?,
        grace_period: match setting(args.grace_period.as_deref(), "FATESHARE_GRACE_PERIOD")? {
            Some((text, from)) => {
                Some(spec::parse_duration(&text).map_err(|reason| anyhow!("{from} {reason}"))?)
            }
            None => None,
        },
    })
}

/// A setting and where it is from: the flag, else the variable.
fn setting(flag: Option<&str>, variable: &'static str) -> Result<Option<(String, String)>> {
    if let Some(text) = flag {
        let option = variable.trim_start_matches("FATESHARE_").to_ascii_lowercase();
        return Ok(Some((text.to_owned(), format!("--{}", option.replace('_', "-")))));
    }
    match env::var(variable) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some((text, format!("${variable}")))),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(anyhow!("${variable} is not valid UTF-8")),
    }
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
        "cf" => {
            return Err(anyhow!("{from}: cf is not supported yet; use auto, text, raw or json"));
        }
        _ => {
            return Err(anyhow!("{from}: no such format: {format:?}; use auto, text, raw or json"));
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
