//! Cloud Foundry's facts, row by row: what a manifest and what staging has left mean, and what is said
//! about them. `docs/cloud-foundry.md` tells them in prose.
//!
//! Each row has the cases that prove it here, the test with real processes that does, or the reason
//! why it cannot be tested here.

mod checks;
mod launchers;
mod log;
mod manifest;
mod policy;
mod processes;
mod runtime;
mod sidecars;
mod staging;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use fateshare::cloudfoundry::{Inputs, Strictness, resolve};
use fateshare::spec::{self, Overlay, Source, SpecFile};

/// One row of the facts.
pub(crate) struct Row {
    /// What it is about, section first.
    pub(crate) name: &'static str,
    pub(crate) proof: Proof,
}

/// What proves it.
pub(crate) enum Proof {
    Cases(&'static [Case]),
    /// Tests with real processes: file and names.
    Tests(&'static str, &'static [&'static str]),
    /// Why it is not tested here.
    NotHere(&'static str),
}

/// Inputs and what comes of them.
pub(crate) struct Case {
    /// The manifest; empty for none.
    pub(crate) manifest: &'static str,
    /// More inputs, as options of the command line with the text of the file in the place of its name.
    pub(crate) options: &'static [(&'static str, &'static str)],
    pub(crate) gives: Gives,
}

/// What must be there.
pub(crate) enum Gives {
    /// Lines of the launch spec, blanks before them left out, one after the other; no warning.
    Spec(&'static [&'static str]),
    /// Parts of a warning; the same is an error with `--strict`.
    Dropped(&'static [&'static str]),
    /// Parts of a warning.
    Warning(&'static [&'static str]),
    /// Every problem, in file order: the messages alone.
    Problems(&'static [&'static str]),
}

/// A case of a manifest alone.
pub(crate) const fn case(manifest: &'static str, gives: Gives) -> Case {
    Case { manifest, options: &[], gives }
}

/// A case with options.
pub(crate) const fn with(
    manifest: &'static str,
    options: &'static [(&'static str, &'static str)],
    gives: Gives,
) -> Case {
    Case { manifest, options, gives }
}

fn source(name: &str, text: &str) -> Source {
    let file = SpecFile { shown: name.to_owned(), folder: PathBuf::from("/app") };
    Source { file, text: text.as_bytes().to_vec() }
}

fn inputs(case: &Case) -> Inputs {
    let mut inputs = Inputs {
        manifest: (!case.manifest.is_empty()).then(|| source("manifest.yml", case.manifest)),
        launch_ymls: Vec::new(),
        procfile: None,
        staging: Vec::new(),
        vars_files: Vec::new(),
        vars: Vec::new(),
        app: None,
        process: None,
        strictness: Strictness::Usual,
        deps_dir: None,
        command_given: false,
        folder: PathBuf::from("/app"),
    };
    for (option, value) in case.options {
        match *option {
            "launch-yml" => {
                let name = format!("deps/{}/launch.yml", inputs.launch_ymls.len());
                inputs.launch_ymls.push(source(&name, value));
            }
            "procfile" => inputs.procfile = Some(source("Procfile", value)),
            "staging" => inputs.staging.push(source("staging", value)),
            "vars-file" => inputs.vars_files.push(source("vars.yml", value)),
            "var" => {
                let (name, value) = value.split_once('=').expect("NAME=VALUE");
                inputs.vars.push((name.to_owned(), value.to_owned()));
            }
            "app" => inputs.app = Some((*value).to_owned()),
            "process" => inputs.process = Some((*value).to_owned()),
            other => panic!("no such option: {other}"),
        }
    }
    inputs
}

/// Whether these lines are there in this order, blanks and comments left out.
fn has_lines(text: &str, lines: &[&str]) -> bool {
    let mut found = text.lines().map(str::trim);
    lines.iter().all(|line| found.any(|it| it == *line))
}

/// What is wrong with what comes of the case; nothing if all is right.
fn judge(case: &Case) -> Option<String> {
    let mut inputs = inputs(case);
    let output = resolve(&inputs);
    if let Ok(output) = &output {
        // What comes out is always read without a problem.
        if let Err(problems) = spec::read(output.spec.as_bytes(), &output.file, &Overlay::default())
        {
            return Some(format!("{}\n{problems}", output.spec));
        }
    }
    match (&case.gives, output) {
        (Gives::Spec(lines), Ok(output)) => {
            let right = has_lines(&output.spec, lines) && output.warnings.is_empty();
            (!right).then(|| format!("{:?}\n{}", output.warnings, output.spec))
        }
        (Gives::Warning(parts) | Gives::Dropped(parts), Ok(output)) => {
            let shown: Vec<String> = output.warnings.iter().map(ToString::to_string).collect();
            if !shown.iter().any(|it| parts.iter().all(|part| it.contains(part))) {
                return Some(format!("{shown:?}"));
            }
            if let Gives::Dropped(_) = case.gives {
                inputs.strictness = Strictness::Strict;
                let said = resolve(&inputs).err().map(|it| it.to_string()).unwrap_or_default();
                if !parts.iter().all(|part| said.contains(part)) {
                    return Some(format!("--strict: {said}"));
                }
            }
            None
        }
        (Gives::Problems(messages), Err(problems)) => {
            let found = problems.iter().map(spec::Problem::message);
            // What is ignored is told beside; the rows of its own prove it.
            let found: Vec<&str> = found.filter(|it| !it.starts_with("warning: ")).collect();
            (found != *messages).then(|| format!("{found:#?}\n{problems}"))
        }
        (_, Ok(output)) => Some(format!("it is accepted\n{}", output.spec)),
        (_, Err(problems)) => Some(problems.to_string()),
    }
}

fn rows() -> impl Iterator<Item = &'static Row> {
    let files = [manifest::ROWS, sidecars::ROWS, processes::ROWS, staging::ROWS, launchers::ROWS];
    let life = [runtime::ROWS, checks::ROWS, log::ROWS, policy::ROWS];
    files.into_iter().chain(life).flatten()
}

#[test]
fn every_row_holds() {
    let mut wrong = String::new();
    let (mut cases, mut not_here) = (0, 0);
    for row in rows() {
        match row.proof {
            Proof::Cases(list) => {
                assert!(!list.is_empty(), "{}", row.name);
                for case in list {
                    cases += 1;
                    if let Some(flaw) = judge(case) {
                        let about = format!("{}{:?}", case.manifest, case.options);
                        writeln!(wrong, "== {}\n{about}\n-- {flaw}\n", row.name).expect("written");
                    }
                }
            }
            Proof::Tests(file, names) => {
                assert!(!names.is_empty(), "{}", row.name);
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
                let text = std::fs::read_to_string(&path).expect(file);
                for name in names {
                    if !text.contains(&format!("fn {name}(")) {
                        writeln!(wrong, "== {}: {file} has no test {name}", row.name)
                            .expect("written");
                    }
                }
            }
            Proof::NotHere(reason) => {
                assert!(!reason.is_empty());
                not_here += 1;
                println!("not tested here: {}: {reason}", row.name);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    println!("{cases} cases in {} rows, {not_here} not here", rows().count());
}

#[test]
fn no_row_is_there_twice() {
    let mut names: Vec<&str> = rows().map(|row| row.name).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}
