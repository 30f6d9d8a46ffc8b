//! `fateshare drill`: its options, and where its looks go.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use fateshare::cli;
use fateshare::drill::annotations::annotations;
use fateshare::drill::document::Drill;
use fateshare::drill::junit::junit;
use fateshare::drill::{
    self, Choice, Kind, Secrets, Wanted, compare, page, replay, table, variables,
};
use fateshare::load::{self, Loaded};
use fateshare::report::timeline::Letters;
use fateshare::run::{Outside, Settings, SocketChoice, TerminationLog};
use fateshare::spec::{Member, Reading, parse_duration};
use fateshare::sys::output::Which;
use fateshare::sys::{clock, files, process, signals};
use fateshare::voice::Level;
use fateshare::voice::format::{Colours, Format};

use super::{is_dull, print, write};

/// Variables whose values are no secrets, and stand in many a command line.
const HARMLESS: [&str; 16] = [
    "PATH",
    "HOME",
    "PWD",
    "OLDPWD",
    "SHELL",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TERM",
    "TMPDIR",
    "HOSTNAME",
    "SHLVL",
    "PORT",
    "FATESHARE_SPEC",
    "_",
];

/// Makes a drill, and shows what it has found.
pub(super) fn drill(args: &cli::Drill) -> Result<u8> {
    let outputs = Outputs::check(args)?;
    let before = args.baseline.as_deref().map(former).transpose()?;
    let loaded = load::launch(&args.target, &load::overlay(&args.target)?)?;
    let settings = settings(args, &loaded);
    let given: Vec<String> =
        env::args_os().skip(2).map(|word| word.to_string_lossy().into_owned()).collect();
    let (command, tail) = replay(&given);
    let look = table::Look {
        colours: Which::Stdout.is_terminal() && !is_dull(),
        letters: fateshare::run::letters(Letters::Ascii),
    };
    let wanted = Wanted {
        choice: choice(args)?,
        within: duration("--within", &args.within)?,
        settle: parse_duration(&args.settle).map_err(|reason| anyhow!("--settle {reason}"))?,
        command,
        tail,
        rows: !outputs.stdout_is_taken,
        progress: Which::Stderr.is_terminal() && !is_dull(),
        look,
        secrets: secrets(&loaded),
    };
    let Reading { launch, warnings } = loaded.reading;
    let warnings: Vec<String> = warnings.iter().map(|it| format!("warning: {it}")).collect();
    let found = drill::run(&launch, &warnings, settings, &wanted)?;
    if wanted.rows {
        print(&table::summary(&found, look))?;
        if let Some(before) = &before {
            print(&compare::text(&compare::changes(&found, before), before))?;
        }
        if env::var_os("GITHUB_ACTIONS").is_some_and(|it| it == "true") {
            let file = Path::new(&launch.source).is_file().then_some(launch.source.as_str());
            print(&annotations(&found, file))?;
        }
    }
    outputs.write(&found, before.as_ref())?;
    match &found.cut_short {
        Some(why) => Err(anyhow!("the drill was not brought to its end: {why}")),
        None => Ok(u8::from(found.failed > 0)),
    }
}

/// What is written besides the table: the option, and where to.
struct Outputs<'a> {
    files: Vec<(&'static str, &'a Path)>,
    /// Whether one of them is standard output.
    stdout_is_taken: bool,
}

impl<'a> Outputs<'a> {
    /// A drill takes long: whether its looks can be written is seen before.
    fn check(args: &'a cli::Drill) -> Result<Self> {
        let json = args.json.as_deref().map(|file| ("--json", file));
        let junit = args.junit.as_deref().map(|file| ("--junit", file));
        let html = args.html.as_deref().map(|file| ("--html", file));
        let files: Vec<(&str, &Path)> = [json, junit, html].into_iter().flatten().collect();
        let is_stdout = |file: &Path| file == Path::new("-");
        let on_stdout: Vec<&str> =
            files.iter().filter(|(_, file)| is_stdout(file)).map(|(option, _)| *option).collect();
        if on_stdout.len() > 1 {
            return Err(anyhow!(
                "{} would be mixed on standard output: name files",
                on_stdout.join(" and ")
            ));
        }
        for (option, file) in files.iter().filter(|(_, file)| !is_stdout(file)) {
            let shown = file.display();
            let folder = file.parent().filter(|it| !it.as_os_str().is_empty());
            if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
                return Err(anyhow!("{option}: {} is no directory", folder.display()));
            }
            if file.is_dir() {
                return Err(anyhow!("{option}: {shown} is a directory: name a file"));
            }
        }
        Ok(Self { files, stdout_is_taken: !on_stdout.is_empty() })
    }

    /// Writes all of them; the first that cannot be written keeps no other from it.
    fn write(&self, found: &Drill, before: Option<&Drill>) -> Result<()> {
        let written = self.files.iter().map(|(option, file)| {
            let text = match *option {
                "--json" => found.text(),
                "--junit" => junit(found),
                _ => page::page(found, before),
            };
            write(file, option, &text)
        });
        written.fold(Ok(()), Result::and)
    }
}

fn choice(args: &cli::Drill) -> Result<Choice> {
    let kind = |name: &String| {
        let names = Kind::ALL.map(Kind::name).join(", ");
        Kind::parse(name).ok_or_else(|| anyhow!("--strike: {name:?} is none of {names}"))
    };
    Ok(Choice {
        members: args.member.clone(),
        kinds: args.strike.iter().map(kind).collect::<Result<_>>()?,
    })
}

fn duration(option: &str, text: &str) -> Result<std::time::Duration> {
    let parsed = parse_duration(text).map_err(|reason| anyhow!("{option} {reason}"))?;
    if parsed.is_zero() {
        return Err(anyhow!("{option}: nothing ends in no time"));
    }
    Ok(parsed)
}

/// As `run` has them, but for what is for one group alone.
fn settings(args: &cli::Drill, loaded: &Loaded) -> Settings {
    // Drills of several containers may share a network, and the numbers of processes.
    let socket =
        format!("@fateshare-drill-{}-{}", process::own_pid(), clock::since_1970().as_nanos());
    Settings {
        level: Level::Info,
        format: Some(Format::Text),
        colours: Some(Colours::None),
        terminals: false,
        port: args.port,
        instance: fateshare::run::instance(None, 0),
        terminal_for_main: false,
        outside: Outside {
            socket: SocketChoice::Named(PathBuf::from(socket)),
            listen: None,
            report: None,
            termination_log: TerminationLog::None,
            commands: loaded.shown().members.iter().map(Member::shown_command).collect(),
            ledger: None,
        },
        held_back: None,
    }
}

/// Values that no command line is to show: of the environment, and of a manifest's variables.
fn secrets(loaded: &Loaded) -> Secrets {
    let members = &loaded.reading.launch.members;
    let own = members.iter().flat_map(|member| &member.env);
    let own = own.filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
    let inherited = env::vars_os().map(|(name, value)| {
        (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
    });
    let named = own.chain(inherited).filter(|(name, _)| !HARMLESS.contains(&name.as_str()));
    let named = named.map(|(name, value)| (format!("${name}"), value));
    let filled = members.iter().zip(&loaded.written.commands).flat_map(|(member, written)| {
        let filled = member.argv.last().map(|last| last.to_string_lossy().into_owned());
        let pair = written.as_deref().zip(filled);
        pair.map_or(Vec::new(), |(written, filled)| {
            let bare = filled.strip_prefix("exec ").unwrap_or(&filled);
            variables(written.strip_prefix("exec ").unwrap_or(written), bare)
        })
    });
    Secrets::new(filled.chain(named))
}

/// What a former drill has found.
fn former(file: &Path) -> Result<Drill> {
    let shown = file.display();
    let read = || files::read(file);
    let text = signals::interruptible(read).context("cannot catch signals")?;
    let text = text.with_context(|| format!("--baseline: {shown}"))?;
    Drill::read(&text).map_err(|why| anyhow!("--baseline: {shown}: {why}"))
}
