//! Cloud Foundry's inputs as a launch spec: a manifest with its variables, and what staging has left.
//! Text in, text out: the launch spec that `resolve` prints is the one that `run` and `check` read.
//!
//! [`resolve`] reads each file by itself ([`manifest`], [`droplet`]), chooses app and process, puts
//! them together by the platform's precedence, and renders the result. Errors have the platform's
//! words, with the place in the file.

mod droplet;
mod manifest;
mod process;
mod render;
mod report;
mod sidecar;
mod size;
mod together;
mod vars;

use std::cell::Cell;
use std::path::{Path, PathBuf};

pub use report::Strictness;

use crate::spec::{
    Document, Findings, LARGEST, Node, Place, Problem, Problems, Source, SpecFile, Warning,
    nearest, shown,
};
use droplet::{Droplet, Found};
use manifest::App;
use report::Report;
use together::Together;
use vars::Variables;

/// The files, and what is chosen among what they hold.
#[derive(Debug)]
pub struct Inputs {
    /// The manifest, if there is one.
    pub manifest: Option<Source>,
    /// `launch.yml` files in the order of their buildpacks.
    pub launch_ymls: Vec<Source>,
    /// The app's `Procfile`.
    pub procfile: Option<Source>,
    /// A staging result, a `staging_info.yml`, or both.
    pub staging: Vec<Source>,
    /// Files of variables; a later one wins.
    pub vars_files: Vec<Source>,
    /// Variables by name, the value as YAML; they win over those of files.
    pub vars: Vec<(String, String)>,
    /// Which app of the manifest.
    pub app: Option<String>,
    /// Which process type; `web` unless it is said.
    pub process: Option<String>,
    /// What to do about what the platform drops silently.
    pub strictness: Strictness,
    /// Where the buildpacks' dependencies are, if that was said; absolute.
    pub deps_dir: Option<PathBuf>,
    /// Whether the command line has a command in the place of the main process's.
    pub command_given: bool,
    /// Where the app is when there is no manifest; absolute.
    pub folder: PathBuf,
}

/// A launch spec that was made of them.
#[derive(Debug)]
pub struct Output {
    /// The launch spec.
    pub spec: String,
    /// What it is called, and where it counts from.
    pub file: SpecFile,
    /// What is odd about the inputs.
    pub warnings: Vec<Warning>,
    /// For people, who need not see the values of variables.
    pub written: Written,
}

/// Of so many places the lines are told in the resolved spec.
const MOST_ORIGINS: u32 = 100;

/// What was written where variables stand in the spec.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// For each member its command, if there is a variable in it.
    pub commands: Vec<Option<String>>,
    /// The endpoints of the health check and of the readiness check.
    pub endpoints: [Option<String>; 2],
}

/// What kind of file this is, by the keys at its top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A launch spec, or nothing that is known.
    Spec,
    /// `applications`.
    Manifest,
    /// `processes` alone.
    LaunchYml,
    /// `process_types` or `start_command`.
    Staging,
    /// By its name alone: any map of text could be one.
    Procfile,
}

/// Looks at the top of a file. What cannot be parsed, or has no key that tells, is what is `wanted`:
/// its reader says what is wrong with it.
pub fn kind(source: &Source, wanted: Kind) -> Kind {
    const TELLING: [&str; 4] = ["applications", "processes", "process_types", "start_command"];
    let named = |name: &str| Path::new(&source.file.shown).file_name().is_some_and(|it| it == name);
    if named("Procfile") {
        return Kind::Procfile;
    }
    let by_name = named("manifest.yml") || named("manifest.yaml");
    let wanted = if by_name { Kind::Manifest } else { wanted };
    let text = String::from_utf8_lossy(&source.text);
    // Most files are launch specs, and need not be parsed twice.
    if wanted == Kind::Spec && !TELLING.iter().any(|key| text.contains(key)) {
        return Kind::Spec;
    }
    let Ok(document) = Document::parse(&source.text, &source.file.shown) else { return wanted };
    let Node::Map(entries) = document.root() else { return wanted };
    let has = |key: &str| entries.iter().any(|entry| entry.key == key);
    if has("main") {
        Kind::Spec
    } else if has("applications") {
        Kind::Manifest
    } else if has("process_types") || has("start_command") {
        Kind::Staging
    } else if has("processes") {
        Kind::LaunchYml
    } else {
        wanted
    }
}

/// Makes a launch spec of the inputs, or tells all that is wrong with them at once.
pub fn resolve(inputs: &Inputs) -> Result<Output, Problems> {
    let mut found = Found::default();
    let droplet = droplet::read(
        &inputs.launch_ymls,
        inputs.procfile.as_ref(),
        &inputs.staging,
        inputs.strictness,
        &mut found,
    );
    let both = !inputs.staging.is_empty() && !droplet.processes.is_empty();
    if both && (inputs.procfile.is_some() || !inputs.launch_ymls.is_empty()) {
        let problem = Problem::new(
            "--staging",
            "it holds what --launch-yml, --deps-dir and --procfile would give",
        );
        found.problems.push(problem.with_hint("name the one or the others").into());
    }
    let mut variables = read_variables(inputs, &mut found);
    let chosen = match &inputs.manifest {
        Some(source) => from_manifest(inputs, source, &droplet, &mut variables, &mut found),
        None => without_manifest(inputs, &droplet, &mut found),
    };
    match (Problems::all(found.problems), chosen) {
        (None, Some((spec, file, _))) if spec.len() > LARGEST => {
            let message = "is larger than 1 MiB as a launch spec, with its variables filled in";
            Err(Problem::new(file.shown, message).into())
        }
        (None, Some((spec, file, written))) => {
            Ok(Output { spec, file, warnings: found.warnings, written })
        }
        (Some(problems), _) => Err(problems),
        (None, None) => Err(Problem::new("resolve", "there is nothing to run").into()),
    }
}

fn read_variables(inputs: &Inputs, found: &mut Found) -> Variables {
    let mut variables = Variables::default();
    for file in &inputs.vars_files {
        let document = match Document::parse_secret(&file.text, &file.file.shown) {
            Ok(document) => document,
            Err(problem) => {
                found.problems.push(problem.into());
                variables.is_incomplete();
                continue;
            }
        };
        let mut report = Report::new(inputs.strictness);
        match document.root() {
            map @ Node::Map(_) => variables.add(map.clone()),
            Node::Null => {}
            other => {
                let message = format!("a file of variables must be a map, not {}", other.kind());
                report.secret(&Place::default(), message, Some("write `name: value`"));
                variables.is_incomplete();
            }
        }
        found.take(&document, report);
    }
    for (name, value) in &inputs.vars {
        // As `cf push` does: `5` is a number, `[a]` a list; what is no YAML is text.
        let value = match Document::parse_secret(value.as_bytes(), "--var") {
            Ok(document) => document.root().clone(),
            Err(_) => Node::Text(value.clone()),
        };
        variables.add(Node::single(name, value));
    }
    variables
}

/// The spec of the chosen app's process.
fn from_manifest(
    inputs: &Inputs,
    source: &Source,
    droplet: &Droplet,
    variables: &mut Variables,
    found: &mut Found,
) -> Option<(String, SpecFile, Written)> {
    let document = match Document::parse(&source.text, &source.file.shown) {
        Ok(document) => document,
        Err(problem) => {
            found.problems.push(problem.into());
            return None;
        }
    };
    let mut report = Report::new(inputs.strictness);
    let mut root = document.root().clone();
    let mut findings = Findings::default();
    variables.fill(&mut root, &Place::default(), &mut findings);
    let complete = variables.are_complete() && variables.unfilled.is_empty();
    let settled = findings.problems.is_empty() && complete;
    report.filled = variables.filled.iter().map(|(place, _)| place.clone()).collect();
    let apps = manifest::read(&document, &root, &mut report);
    let follows = |place: &Place| {
        variables
            .unfilled
            .iter()
            .any(|missing| missing.is_within(place) || place.is_within(missing))
    };
    report.findings.problems.retain(|problem| !follows(&problem.place));
    report.findings.problems.extend(findings.problems);
    // What is missing may be the very name that was asked for.
    let is_clean = report.findings.problems.is_empty();
    let chosen = match apps.as_slice() {
        _ if !settled => None,
        [app] if inputs.app.is_none() => Some(app),
        apps if is_clean => choose(apps, inputs, source, found),
        _ => None,
    };
    let looked_up = Cell::new(0);
    let spec = chosen.and_then(|app| {
        let origin = |place: &Place| {
            // Each look-up reads the file up to there: only for as many as somebody reads.
            let looked = looked_up.replace(looked_up.get() + 1);
            let line = (looked < MOST_ORIGINS).then(|| document.position(place)).flatten();
            let line = line.map(|it| format!(":{}", it.line));
            format!("{}{}", shown(&source.file.shown), line.unwrap_or_default())
        };
        let written = |place: &Place| variables.written(place).map(str::to_owned);
        let together =
            Together { inputs, droplet, app: Some(app), origin: &origin, written: &written };
        together.assemble(&source.file, &mut report, found)
    });
    found.take(&document, report);
    spec.map(|(spec, written)| (spec, source.file.clone(), written))
}

/// The app that is named, or the only one.
fn choose<'a>(
    apps: &'a [App],
    inputs: &Inputs,
    source: &Source,
    found: &mut Found,
) -> Option<&'a App> {
    let names: Vec<&str> = apps.iter().map(|app| app.name.as_str()).collect();
    let list = names.iter().map(|name| shown(name)).collect::<Vec<_>>().join(", ");
    let problem = match (&inputs.app, apps) {
        // Whatever keeps its apps from being read is said already.
        (_, []) => return None,
        (None, apps) => {
            let message = format!("has {} apps: {list}", apps.len());
            let first = shown(&apps[0].name);
            Problem::new(&*source.file.shown, message)
                .with_hint(format!("name one: `--app {first}`"))
        }
        (Some(name), apps) => {
            if let Some(app) = apps.iter().find(|app| app.name == *name) {
                return Some(app);
            }
            let hint = match nearest(name, &names) {
                Some(near) => format!("did you mean `{}`?", shown(near)),
                None => format!("there are: {list}"),
            };
            Problem::new("--app", format!("there is no app `{}`", shown(name))).with_hint(hint)
        }
    };
    found.problems.push(problem.into());
    None
}

/// The spec of what staging has left, without a manifest.
fn without_manifest(
    inputs: &Inputs,
    droplet: &Droplet,
    found: &mut Found,
) -> Option<(String, SpecFile, Written)> {
    let files = inputs.staging.iter().chain(&inputs.procfile).chain(&inputs.launch_ymls);
    let first = files.map(|source| source.file.shown.clone()).next()?;
    if let Some(app) = &inputs.app {
        let message = format!("there is no manifest in which `{}` could be", shown(app));
        found.problems.push(Problem::new("--app", message).into());
    }
    let file = SpecFile { shown: first, folder: inputs.folder.clone() };
    let mut report = Report::new(inputs.strictness);
    let together =
        Together { inputs, droplet, app: None, origin: &|_| String::new(), written: &|_| None };
    let spec = together.assemble(&file, &mut report, found);
    spec.map(|(spec, written)| (spec, file, written))
}
