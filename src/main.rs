//! Parses, dispatches, prints one error, returns the status.

#[path = "main/drilling.rs"]
mod drilling;

use std::env;
use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use fateshare::check;
use fateshare::cli::{self, Cli, Command};
use fateshare::cloudfoundry::Output;
use fateshare::core::OWN_FAILURE;
use fateshare::load::{self, setting};
use fateshare::local::{self, Recreation, Wanted};
use fateshare::report::document::Report;
use fateshare::report::page;
use fateshare::report::timeline::{self, Letters};
use fateshare::run::{Outside, Settings, SocketChoice, TerminationLog};
use fateshare::spec::{Member, Problems, Reading, parse_duration};
use fateshare::status::client;
use fateshare::status::ps::{self, PsLook};
use fateshare::sys::outlet::Size;
use fateshare::sys::output::Which;
use fateshare::sys::{files, process, signals};
use fateshare::voice::Level;
use fateshare::voice::format::{Colours, Format};

/// What `check` ends with when there is no valid spec.
const INVALID: u8 = 1;

/// What `health` ends with unless all is well: Docker knows no other codes than this and 0.
const UNHEALTHY: u8 = 1;

fn main() {
    // First of all: a stop request that comes before we can answer it must wait, not be lost.
    let blocked = signals::block_all();
    process::want_no_backtraces();
    let blocked = blocked.context("cannot block signals");
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
        Ok(Cli { command: Command::Resolve(args) }) => or_own_failure(resolve(&args)),
        Ok(Cli { command: Command::Ps(args) }) => or_own_failure(ps(&args)),
        Ok(Cli { command: Command::Health(args) }) => health(&args).unwrap_or_else(|error| {
            complain(&error);
            UNHEALTHY
        }),
        Ok(Cli { command: Command::Drill(args) }) => or_own_failure(drilling::drill(&args)),
        Ok(Cli { command: Command::Timeline(args) }) => or_own_failure(timeline(&args)),
        Err(error) => usage(&error),
    };
    process::leave(code);
}

fn or_own_failure(done: Result<u8>) -> u8 {
    done.unwrap_or_else(|error| {
        complain(&error);
        OWN_FAILURE
    })
}

/// Help and version go to standard output and are no failure; usage errors are one of our own.
fn usage(error: &clap::Error) -> u8 {
    let is_health = env::args_os().nth(1).is_some_and(|command| command == "health");
    let code = match (error.use_stderr(), is_health) {
        (false, _) => 0,
        (true, false) => OWN_FAILURE,
        (true, true) => UNHEALTHY,
    };
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
    let recreation = recreation(args)?;
    let outside = outside(args)?;
    let loaded = load::launch(&args.target, &load::overlay(&args.target)?)?;
    let commands = loaded.shown().members.iter().map(Member::shown_command).collect();
    let settings = Settings {
        level: level()?,
        format: log_format(args)?,
        colours: colours(args)?,
        terminals: !args.no_pty,
        port: args.port,
        instance: fateshare::run::instance(None, 0),
        terminal_for_main: true,
        outside: Outside { commands, ..outside },
        held_back: None,
    };
    let Reading { launch, warnings } = loaded.reading;
    let warnings: Vec<String> = warnings.iter().map(|it| format!("warning: {it}")).collect();
    if recreation.is_none() && !args.pid1 {
        return Ok(fateshare::run::run(&launch, &warnings, &settings)?.code);
    }
    local::run(&launch, &warnings, settings, Wanted { recreation, apart: args.pid1 })
}

/// What others are to see of the group.
fn outside(args: &cli::Run) -> Result<Outside> {
    let path = |flag: Option<&Path>, variable: &str| {
        let value = flag.map(Path::to_owned).or_else(|| env::var_os(variable).map(PathBuf::from));
        value.filter(|path| !path.as_os_str().is_empty())
    };
    let none = Path::new("none");
    let socket = match (&args.socket, path(None, "FATESHARE_SOCKET")) {
        (Some(named), _) if named == none => SocketChoice::None,
        (Some(named), _) => SocketChoice::Named(named.clone()),
        (None, Some(inherited)) if inherited == none => SocketChoice::None,
        (None, Some(inherited)) => SocketChoice::Inherited(inherited),
        (None, None) => SocketChoice::Anywhere,
    };
    let listen = match setting(args.listen.as_deref(), "FATESHARE_LISTEN")? {
        Some((text, from)) => {
            let whole = if text.starts_with(':') { format!("[::]{text}") } else { text.clone() };
            let address = whole.parse::<SocketAddr>().map_err(|_| {
                anyhow!(
                    "{from}: {text:?} is no address with a port, such as 0.0.0.0:9090 or [::1]:9090"
                )
            })?;
            Some(address)
        }
        None => None,
    };
    if let SocketChoice::Named(path) | SocketChoice::Inherited(path) = &socket
        && path == Path::new("@")
    {
        return Err(anyhow!("--socket: @ is no name: write @NAME for an abstract socket"));
    }
    let named = path(args.termination_log.as_deref(), "FATESHARE_TERMINATION_LOG");
    let termination_log = match named {
        Some(path) if path == none => TerminationLog::None,
        Some(path) => TerminationLog::Named(path),
        None => TerminationLog::Usual,
    };
    Ok(Outside {
        socket,
        listen,
        report: path(args.report.as_deref(), "FATESHARE_REPORT").filter(|path| path != none),
        termination_log,
        commands: Vec::new(),
        ledger: None,
    })
}

/// Asks the groups that run here.
fn ask(running: &cli::Running) -> Result<Vec<client::Found>> {
    let variable = |name: &str| env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let inherited = variable("FATESHARE_SOCKET").filter(|path| path != Path::new("none"));
    let socket = running.socket.clone().or(inherited);
    let work = || client::ask(socket.as_deref(), variable("XDG_RUNTIME_DIR").as_deref());
    let found = signals::interruptible(work).context("cannot catch signals")?;
    found.map_err(|reason| anyhow!(reason))
}

/// Shows the groups that run here.
fn ps(args: &cli::Ps) -> Result<u8> {
    let found = ask(&args.running)?;
    let width = Size::of(Which::Stdout.as_fd()).map(Size::columns).ok().filter(|it| *it > 0);
    let look = PsLook { width, letters: fateshare::run::letters(Letters::Unicode) };
    let (text, failures) = ps::show(&found, args.json, look);
    print(&text)?;
    for failure in &failures {
        complain(&anyhow!("{failure}"));
    }
    Ok(if failures.is_empty() { 0 } else { OWN_FAILURE })
}

/// Whether the one group that runs here is healthy, or ready.
fn health(args: &cli::Health) -> Result<u8> {
    let found = ask(&args.running)?;
    let verdict = ps::judge(&found, args.ready);
    let (Ok(text) | Err(text)) = &verdict;
    // The code is what was asked for, whoever reads the line.
    let _ = print(&format!("{text}\n"));
    Ok(if verdict.is_ok() { 0 } else { UNHEALTHY })
}

/// Writes a whole file, or standard output.
fn write(file: &Path, option: &str, text: &str) -> Result<()> {
    if file == Path::new("-") {
        return print(text);
    }
    let work = || files::replace(file, text.as_bytes(), &|| true);
    let written = signals::interruptible(work).context("cannot catch signals")?;
    written.with_context(|| format!("{option}: {}", file.display()))
}

/// Draws a report.
fn timeline(args: &cli::Timeline) -> Result<u8> {
    let shown = args.report.display();
    let read = || files::read(&args.report);
    let text = signals::interruptible(read).context("cannot catch signals")?;
    let text = text.with_context(|| format!("{shown}"))?;
    let report = Report::read(&text).map_err(|why| anyhow!("{shown}: {why}"))?;
    if let Some(file) = &args.html {
        write(file, "--html", &page::page(&report))?;
        return Ok(0);
    }
    let look = fateshare::run::timeline_look(Which::Stdout, usize::MAX);
    print(&timeline::story(&report, look))?;
    Ok(0)
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
    match args.color.as_deref() {
        Some("always") => Ok(Some(Colours::Some)),
        Some("never") => Ok(Some(Colours::None)),
        Some("auto") | None => Ok(is_dull().then_some(Colours::None)),
        Some(other) => Err(anyhow!("--color: {other:?} is none of auto, always and never")),
    }
}

/// Whether nobody wants to see colours.
fn is_dull() -> bool {
    let is = |name: &str, dull: fn(&OsStr) -> bool| env::var_os(name).is_some_and(|it| dull(&it));
    is("NO_COLOR", |it| !it.is_empty()) || is("TERM", |it| it == "dumb")
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
