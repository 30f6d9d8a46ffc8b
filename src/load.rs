//! From the command line to what is to be run: which files are read, and by whom.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf, absolute};

use anyhow::{Context, Result, anyhow};
use clap::Parser;

use crate::cli::{self, Cli, Command};
use crate::cloudfoundry::{self, Inputs, Kind, Output, Strictness, Written};
use crate::spec::{
    self, CheckKind, CommandForm, Launch, Overlay, Problem, Problems, Reading, Source, Warning,
    shown,
};
use crate::sys::signals;

/// What the command line changes in a spec. The error is one of usage.
pub fn overlay(args: &cli::Target) -> Result<Overlay> {
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
pub fn setting(flag: Option<&str>, variable: &'static str) -> Result<Option<(String, String)>> {
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

/// What is to be run.
#[derive(Debug)]
pub struct Loaded {
    /// The group, and what is odd about it.
    pub reading: Reading,
    /// What was written where variables stand, for `check`, which shows no values.
    pub written: Written,
}

/// What is to be run: a spec or Cloud Foundry's files with what the command line changes, or the
/// command line alone.
pub fn launch(args: &cli::Target, overlay: &Overlay) -> Result<Loaded> {
    let variables = variables(&args.cloud_foundry)?;
    let named = named(args.spec.as_deref(), args.file.as_deref());
    let complete = overlay.command.is_some() || !overlay.sidecars.is_empty();
    if complete && named.is_none() && !args.cloud_foundry.is_used() {
        let launch = spec::from_command_line(overlay)?;
        return Ok(Loaded {
            reading: Reading { launch, warnings: Vec::new() },
            written: Written::default(),
        });
    }
    let is_argument = args.spec.is_some() || args.file.is_some();
    let manifest_only = args.cloud_foundry.is_used();
    let way = Way { named: named.as_deref(), is_argument, manifest_only };
    let files = find(way, &args.cloud_foundry)?;
    let (mut reading, written) = match files {
        Files::Spec(source) => {
            (spec::read(&source.text, &source.file, overlay)?, Written::default())
        }
        Files::CloudFoundry(mut inputs) => {
            inputs.vars = variables;
            inputs.command_given = overlay.command.is_some();
            let Output { spec, file, warnings, written } = cloudfoundry::resolve(&inputs)?;
            let read = spec::read(spec.as_bytes(), &file, overlay);
            let Reading { launch, .. } = read.map_err(in_the_middle)?;
            (Reading { launch, warnings }, written)
        }
    };
    if let Some(problem) = itself(&reading.launch).filter(|_| named.is_none()) {
        return Err(Problems::from(problem).into());
    }
    reading.warnings.extend(twice(&reading.launch));
    Ok(Loaded { reading, written })
}

impl Loaded {
    /// The group as people are shown it: variables by their names.
    pub fn shown(&self) -> Launch {
        let mut launch = self.reading.launch.clone();
        for (member, written) in launch.members.iter_mut().zip(&self.written.commands) {
            if let (Some(written), Some(last)) = (written, member.argv.last_mut()) {
                let written = written.strip_prefix("exec ").unwrap_or(written);
                *last = match member.form {
                    CommandForm::Exec => format!("exec {written}").into(),
                    CommandForm::List | CommandForm::Shell => written.into(),
                };
            }
        }
        let [health, readiness] = &self.written.endpoints;
        if let Some(main) = launch.members.first_mut() {
            for (check, written) in
                [(&mut main.health_check, health), (&mut main.readiness_check, readiness)]
            {
                if let (Some(check), Some(written)) = (check, written) {
                    check.kind = CheckKind::Http(written.clone());
                }
            }
        }
        launch
    }
}

/// The launch spec that Cloud Foundry's files make.
pub fn resolve(args: &cli::Resolve) -> Result<Output> {
    let variables = variables(&args.cloud_foundry)?;
    let named = named(args.manifest.as_deref(), args.file.as_deref());
    let is_argument = args.manifest.is_some() || args.file.is_some();
    let way = Way { named: named.as_deref(), is_argument, manifest_only: true };
    match find(way, &args.cloud_foundry)? {
        Files::Spec(source) => {
            let problem =
                Problem::new(source.file.shown, "is a launch spec: there is nothing to resolve");
            Err(Problems::from(problem.with_hint("`fateshare run` takes it as it is")).into())
        }
        Files::CloudFoundry(mut inputs) => {
            inputs.vars = variables;
            Ok(cloudfoundry::resolve(&inputs)?)
        }
    }
}

/// What was resolved cannot be read. What has a place in it is our own fault, the rest the command line's.
fn in_the_middle(problems: Problems) -> anyhow::Error {
    if problems.iter().any(|problem| problem.position().is_some()) {
        return anyhow!(
            "the resolved spec cannot be read, a fault of fateshare's: please report it\n{problems}"
        );
    }
    problems.into()
}

/// A manifest that the platform has started us by, found again: we would start ourselves without end.
fn itself(launch: &Launch) -> Option<Problem> {
    let command = launch.members.first()?.argv.last()?.to_str()?;
    let again = command.split([';', '&', '|', '(', ')', '\n']).any(runs_us);
    (again && on_platform(launch)).then(|| {
        let message = "its command is the `fateshare run` that runs already, and would read this manifest again";
        let problem = Problem::new(&*launch.source, message);
        problem.with_hint("put a fateshare.yml beside it, with the app's own command")
    })
}

/// Whether a simple command is a `fateshare run` that would look for a file by itself.
fn runs_us(command: &str) -> bool {
    let words = command.split(|it: char| it.is_whitespace() || "'\"\\".contains(it));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let is_us = |pair: &[&str]| {
        Path::new(pair[0]).file_name().is_some_and(|it| it == "fateshare") && pair[1] == "run"
    };
    let at = words.windows(2).position(is_us);
    let parsed = at.map(|at| Cli::try_parse_from(&words[at..]));
    let Some(Ok(Cli { command: Command::Run(args) })) = parsed else { return false };
    let target = &args.target;
    let is_complete = !target.command.is_empty() || !target.sidecar.is_empty();
    let is_named = target.spec.is_some() || target.file.is_some();
    !is_named && (target.cloud_foundry.is_used() || !is_complete)
}

/// Whether this is Cloud Foundry, or somebody who plays it.
fn on_platform(launch: &Launch) -> bool {
    launch.platform.is_some()
        && env::var_os("CF_INSTANCE_GUID").is_some_and(|guid| !guid.is_empty())
}

/// Platform and fateshare would both start the sidecars.
fn twice(launch: &Launch) -> Option<Warning> {
    (on_platform(launch) && launch.members.len() > 1).then(|| {
        let message = "this is Cloud Foundry already (CF_INSTANCE_GUID is set), which starts the sidecars \
                       of its manifest itself";
        let problem = Problem::new(&*launch.source, message);
        Warning::new(problem.with_hint("use the platform's sidecars or fateshare's, never both"))
    })
}

/// The spec that somebody names.
fn named(argument: Option<&Path>, file: Option<&Path>) -> Option<PathBuf> {
    let variable = || env::var_os("FATESHARE_SPEC").filter(|path| !path.is_empty());
    let named = argument.or(file).map(Path::to_owned);
    named.or_else(|| variable().map(PathBuf::from))
}

/// How the one file is found that is a spec or a manifest.
#[derive(Clone, Copy)]
struct Way<'a> {
    /// The file that was named.
    named: Option<&'a Path>,
    /// Whether that was an argument, not the variable.
    is_argument: bool,
    /// Whether only a manifest is looked for when none was named.
    manifest_only: bool,
}

/// What was found.
enum Files {
    Spec(Source),
    CloudFoundry(Box<Inputs>),
}

/// Reads all files that are named, or else found.
fn find(way: Way<'_>, args: &cli::CloudFoundry) -> Result<Files> {
    let others = [&args.launch_yml, &args.staging, &args.vars_file];
    let others = others.into_iter().flatten().chain(&args.procfile).map(PathBuf::as_path);
    // To read a pipe or a terminal may take as long as somebody likes, and what is found by
    // look-up may be anything.
    let may_block = |path: &Path| path == Path::new("-") || !path.is_file();
    let blocks =
        way.named.is_none_or(may_block) || others.chain(args.deps_dir.as_deref()).any(may_block);
    let read = || read_all(way, args);
    if blocks { signals::interruptible(read).context("cannot catch signals")? } else { read() }
}

fn read_all(way: Way<'_>, args: &cli::CloudFoundry) -> Result<Files> {
    let source = match way.named {
        Some(path) if way.is_argument => Some(spec::find(Some(path), None)?),
        Some(path) => Some(spec::find(None, Some(path))?),
        None if way.manifest_only => {
            let found = spec::find_manifest()?;
            if found.is_none() && !args.names_files() {
                let problem = Problem::new("no manifest found", "looked for ./manifest.yml");
                return Err(Problems::from(problem.with_hint("name one")).into());
            }
            found
        }
        None => Some(spec::find(None, None)?),
    };
    let wanted = if way.manifest_only { Kind::Manifest } else { Kind::Spec };
    let kind = source.as_ref().map_or(wanted, |source| cloudfoundry::kind(source, wanted));
    if let Some(source) = &source
        && kind == Kind::Spec
        && args.is_used()
    {
        let message =
            "is a launch spec: --app, --process, --var and the like are for Cloud Foundry's files";
        return Err(Problems::from(Problem::new(&*source.file.shown, message)).into());
    }
    let read = |paths: &[PathBuf], option: &str| -> Result<Vec<Source>, Problems> {
        let why = format!("it was named by {option}: check the path");
        paths.iter().map(|path| spec::read_file(path, &why)).collect()
    };
    let folder = env::current_dir().context("the current directory is unknown")?;
    let mut launch_ymls = match &args.deps_dir {
        Some(dir) => spec::read_numbered(dir, "launch.yml")?,
        None => Vec::new(),
    };
    launch_ymls.extend(read(&args.launch_yml, "--launch-yml")?);
    let mut inputs = Inputs {
        manifest: None,
        launch_ymls,
        procfile: read(args.procfile.as_slice(), "--procfile")?.pop(),
        staging: read(&args.staging, "--staging")?,
        vars_files: read(&args.vars_file, "--vars-file")?,
        vars: Vec::new(),
        app: args.app.clone(),
        process: args.process.clone(),
        strictness: if args.strict { Strictness::Strict } else { Strictness::Usual },
        deps_dir: args.deps_dir.as_deref().map(absolute).transpose().context("--deps-dir")?,
        folder,
        command_given: false,
    };
    match (source, kind) {
        (Some(source), Kind::Spec) => return Ok(Files::Spec(source)),
        (Some(source), Kind::Manifest) => inputs.manifest = Some(source),
        (Some(source), Kind::LaunchYml) => inputs.launch_ymls.insert(0, source),
        (Some(source), Kind::Staging) => inputs.staging.insert(0, source),
        (Some(source), Kind::Procfile) => inputs.procfile = inputs.procfile.or(Some(source)),
        (None, _) => {}
    }
    Ok(Files::CloudFoundry(Box::new(inputs)))
}

/// `--var NAME=VALUE`, split.
fn variables(args: &cli::CloudFoundry) -> Result<Vec<(String, String)>> {
    let split = |text: &OsString| {
        let text = text.to_str().ok_or_else(|| anyhow!("--var: is not valid UTF-8"))?;
        // What stands there may be a password: it is not repeated.
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            Some(_) => Err(anyhow!("--var: a name is missing before the `=`: write NAME=VALUE")),
            None => Err(anyhow!("--var: there is no `=`: write NAME=VALUE")),
        }
    };
    if let Some(process) = &args.process
        && process.trim().is_empty()
    {
        return Err(anyhow!("--process: {:?} is no process type", shown(process)));
    }
    args.var.iter().map(split).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_runs_us_again_is_known() {
        for (command, again) in [
            ("fateshare run", true),
            ("exec  fateshare   run", true),
            ("\"fateshare\" run --recreate=3", true),
            ("A=1 ../deps/0/bin/fateshare run --vars-file vars.yml --port 8080", true),
            ("fateshare run --port 8080 --", true),
            ("fateshare run -- ./web", false),
            ("fateshare run --sidecar a=b", false),
            ("fateshare run --process worker --sidecar a=b", true),
            ("fateshare run my.yml", false),
            ("fateshare run --log-format text -", false),
            ("fateshare run -f group", false),
            ("fateshare run --file=group", false),
            ("fateshare check", false),
            ("./web run", false),
        ] {
            assert_eq!(runs_us(command), again, "{command}");
        }
    }
}
