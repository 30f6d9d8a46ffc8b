//! Cloud Foundry's files: what is accepted is a launch spec that can be read, what is refused has its place,
//! and neither values of `env` nor of variables are ever shown.

use std::path::PathBuf;

use fateshare::cloudfoundry::{Inputs, Kind, Strictness, kind, resolve};
use fateshare::spec::{LARGEST, Problems, Source, SpecFile};

use super::{judge, specs};

const SMALL: &str = "applications: [{name: shop}]";

const VARS: &str =
    "c: 5\nd: {e: [f, 'g'], pa55w0rd: x}\nh: i j\nsecret: pa55w0rd\nenv: {K: pa55w0rd}\n";

/// What a manifest's variables can be put into.
const WITH_VARIABLES: &str = "\
applications:
- name: ((name))
  command: run ((c)) ((d.e))
  memory: ((m))
  env: {A: ((secret)), B: \"x((h))\", ((key)): y}
  health-check-type: ((t))
  sidecars: ((sidecars))
";

pub(super) fn manifest(data: &[u8]) -> bool {
    let mut inputs = inputs(data);
    // The one of several that there is in most seeds.
    let names_shop = data.windows(4).any(|part| part == b"shop");
    let several = data.windows(5).filter(|part| *part == b"name:").count() > 1;
    inputs.app = (names_shop && several).then(|| "shop".to_owned());
    if let Some(source) = &inputs.manifest {
        let _ = kind(source, Kind::Spec);
    }
    judged(&mut inputs)
}

pub(super) fn launch_yml(data: &[u8]) -> bool {
    let mut inputs = inputs(SMALL.as_bytes());
    inputs.launch_ymls.push(source("deps/0/launch.yml", data));
    judged(&mut inputs)
}

pub(super) fn procfile(data: &[u8]) -> bool {
    let mut inputs = inputs(SMALL.as_bytes());
    inputs.procfile = Some(source("Procfile", data));
    judged(&mut inputs)
}

pub(super) fn staging(data: &[u8]) -> bool {
    let mut inputs = inputs(SMALL.as_bytes());
    inputs.staging.push(source("staging", data));
    judged(&mut inputs)
}

/// Where any value may be a password.
pub(super) fn vars(data: &[u8]) -> bool {
    let mut inputs = inputs(WITH_VARIABLES.as_bytes());
    inputs.vars_files = vec![source("vars.yml", data)];
    let is_good = judged(&mut inputs);
    if let Ok(text) = std::str::from_utf8(data) {
        let secret = judge::SECRET;
        let name = ["c", "m", "t", "secret"][text.len() % 4];
        let document = format!("{text}\n{name}: {secret}\n");
        inputs.vars_files = vec![source("vars.yml", document.as_bytes())];
        judged(&mut inputs);
        inputs.vars_files = vec![source("vars.yml", data)];
        inputs.vars = vec![(name.to_owned(), secret.to_owned())];
        judged(&mut inputs);
    }
    is_good
}

fn source(name: &str, text: &[u8]) -> Source {
    let file = SpecFile { shown: name.to_owned(), folder: PathBuf::from("/app") };
    Source { file, text: text.to_vec() }
}

fn inputs(manifest: &[u8]) -> Inputs {
    Inputs {
        manifest: Some(source("manifest.yml", manifest)),
        launch_ymls: Vec::new(),
        procfile: None,
        staging: Vec::new(),
        vars_files: vec![source("vars.yml", VARS.as_bytes())],
        vars: Vec::new(),
        app: None,
        process: None,
        strictness: Strictness::Usual,
        deps_dir: None,
        command_given: false,
        folder: PathBuf::from("/app"),
    }
}

/// Resolves the inputs, in both ways. Says whether a launch spec came out.
fn judged(inputs: &mut Inputs) -> bool {
    inputs.strictness = Strictness::Strict;
    let strict = resolve(inputs);
    inputs.strictness = Strictness::Usual;
    let usual = resolve(inputs);
    if let Err(problems) = &strict {
        places(inputs, problems);
    }
    match (usual, strict) {
        (Err(problems), strict) => {
            places(inputs, &problems);
            assert!(strict.is_err(), "what is no mistake is none when it is strict either");
            false
        }
        (Ok(output), strict) => {
            for warning in &output.warnings {
                judge::is_harmless("a warning", &warning.to_string());
                judge::keeps_secrets("a warning", &warning.to_string());
            }
            match strict {
                Ok(strict) => assert_eq!(strict.spec, output.spec),
                Err(_) => assert!(!output.warnings.is_empty(), "nothing to be strict about"),
            }
            assert!(output.spec.len() <= LARGEST);
            match specs::read(output.spec.as_bytes()) {
                Ok(reading) => specs::is_written_and_read(&reading.launch),
                Err(problems) => panic!("{problems}\n{}", output.spec),
            }
            true
        }
    }
}

/// Problems are of one of the files.
fn places(inputs: &Inputs, problems: &Problems) {
    let Inputs { manifest, launch_ymls, procfile, staging, vars_files, .. } = inputs;
    let all = manifest.iter().chain(launch_ymls).chain(procfile).chain(staging).chain(vars_files);
    let files: Vec<(&str, &[u8])> =
        all.map(|source| (source.file.shown.as_str(), source.text.as_slice())).collect();
    judge::problems(&files, problems);
}
