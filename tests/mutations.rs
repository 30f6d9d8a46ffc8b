//! Documents with slips in them, 500 of each kind: a positioned error or a valid result, and no panic.
//! Nothing here can start anything: the readers are called by themselves.
//!
//! The slips are the same in every run. `FATESHARE_FUZZ=N` makes it N of each kind.

use std::path::PathBuf;

use fateshare::cloudfoundry::{Inputs, Strictness, resolve};
use fateshare::spec::{self, Overlay, Problems, Source, SpecFile};

const SPEC: &str = include_str!("spec/good/everything.yml");

const MANIFEST: &str = "\
common: &common {memory: 256M, env: &env {A: x}}
applications:
- <<: *common
  name: shop
  command: bundle exec rackup -p $PORT
  disk_quota: 1G
  instances: 2
  timeout: 60
  health-check-type: http
  health-check-http-endpoint: /health
  env: {<<: *env, B: \"2\", C: ((c))}
  sidecars:
  - name: config-server
    process_types: [web, worker]
    command: './config-server'
    memory: 64MB
  - {name: performance monitor, process_types: [web], command: run-monitor}
  processes:
  - type: worker
    command: work
    instances: 1
- name: stock
  command: y
";

const LAUNCH_YML: &str = "\
processes:
- type: web
  command: start-web
- type: agent
  command: \"agent --port 1\"
  limits: {memory: 16}
  platforms:
    cloudfoundry:
      sidecar_for: [web]
";

const VARS: &str = "c: 5\nd: {e: [f, 'g']}\n\"h\": |\n  i: j\n";

const PROCFILE: &str = "web: start-web -p $PORT\nworker: work\n";

const STAGING: &str = r#"{"process_types": {"web": "x"}, "start_command": "y",
  "sidecars": [{"name": "s", "process_types": ["web"], "command": "z", "memory": 5}],
  "config": {"entrypoint_prefix": "wrap"}}"#;

/// xorshift: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).expect("it is below")
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

const INSERTED: [&str; 38] = [
    " ",
    "\t",
    "\n",
    ":",
    ": ",
    "- ",
    "#",
    "'",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a ",
    "*a",
    "*env",
    "<<: ",
    "!t ",
    "|",
    ">",
    "%",
    "@",
    "---\n",
    "...\n",
    "null",
    "~",
    "0777",
    "1e3",
    "yes",
    "-1",
    "é",
    "\u{1f600}",
    "\u{feff}",
    "\0",
    "((x))",
    "((d.e))",
    "$PORT",
];

/// One to three slips.
fn slip(text: &str, random: &mut Random) -> Vec<u8> {
    let mut text = text.to_owned();
    for _ in 0..=random.below(3) {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let line = random.below(lines.len());
        let boundary = |text: &str, at: usize| (0..=at).rev().find(|at| text.is_char_boundary(*at));
        let at = random.below(text.len() + 1);
        let at = boundary(&text, at).unwrap_or(0);
        match random.below(10) {
            0 if !lines.is_empty() => {
                lines.remove(line);
                text = lines.join("\n");
            }
            1 if !lines.is_empty() => {
                lines.insert(line, lines[line].clone());
                text = lines.join("\n");
            }
            2 if !lines.is_empty() => {
                lines[line].insert_str(0, random.of(&[" ", "  ", "\t", "- "]));
                text = lines.join("\n");
            }
            3 if !lines.is_empty() => {
                let trimmed = lines[line].trim_start().to_owned();
                lines[line] = trimmed;
                text = lines.join("\n");
            }
            4 => text.truncate(at),
            5 if at < text.len() => {
                text.remove(at);
            }
            6 if !lines.is_empty() => {
                lines[line] = lines[line].replacen('_', "-", 1);
                text = lines.join("\n");
            }
            7 if !lines.is_empty() => {
                let key = lines[line].split(':').next().unwrap_or_default().to_owned();
                lines[line] = format!("{key}: {}", random.of(&INSERTED));
                text = lines.join("\n");
            }
            _ => text.insert_str(at, random.of(&INSERTED)),
        }
    }
    let mut bytes = text.into_bytes();
    if random.below(20) == 0 && !bytes.is_empty() {
        let at = random.below(bytes.len());
        bytes[at] = 0xff;
    }
    bytes
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
        app: Some("shop".to_owned()),
        process: None,
        strictness: Strictness::Usual,
        deps_dir: None,
        command_given: false,
        folder: PathBuf::from("/app"),
    }
}

/// What has no place in a file: it is about the whole of it, or about what was asked for.
fn is_about_the_whole(message: &str) -> bool {
    [
        "is empty",
        "is not UTF-8",
        "has more than one document",
        "there is no app",
        "its aliases repeat",
    ]
    .iter()
    .any(|part| message.contains(part))
}

fn judge(what: &str, text: &[u8], problems: &Problems) {
    assert!(problems.iter().next().is_some(), "{what}: no problem is told");
    for problem in problems.iter() {
        let placed = problem.position().is_some()
            || is_about_the_whole(problem.message())
            // These name file and line by themselves.
            || ["deps/0/launch.yml:", "staging:"].iter().any(|it| problem.to_string().starts_with(it));
        assert!(placed, "{what}: {problem}\n{}", String::from_utf8_lossy(text));
    }
}

/// Makes a spec of the inputs; what comes out must be one.
fn resolved(what: &str, text: &[u8], inputs: &Inputs) -> bool {
    match resolve(inputs) {
        Ok(output) => {
            for warning in &output.warnings {
                let _ = warning.to_string();
            }
            let read = spec::read(output.spec.as_bytes(), &output.file, &Overlay::default());
            assert!(read.is_ok(), "{what}: {}\n{}", read.expect_err("it"), output.spec);
            true
        }
        Err(problems) => {
            judge(what, text, &problems);
            false
        }
    }
}

fn each(what: &str, seed: &str, accepts: impl Fn(&[u8]) -> bool) {
    let count = std::env::var("FATESHARE_FUZZ").ok().and_then(|it| it.parse().ok()).unwrap_or(500);
    assert!(accepts(seed.as_bytes()), "{what}: the document without a slip is good");
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut good = 0_u32;
    for _ in 0..count {
        good += u32::from(accepts(&slip(seed, &mut random)));
    }
    println!("{what}: {count} documents, {good} of them valid");
    assert!(good > 0 && good < count, "{what}: {good} of {count} are valid");
}

#[test]
fn launch_specs() {
    each("spec", SPEC, |text| {
        match spec::read(text, &source("x", b"").file, &Overlay::default()) {
            Ok(_) => true,
            Err(problems) => {
                judge("spec", text, &problems);
                false
            }
        }
    });
}

#[test]
fn manifests() {
    each("manifest", MANIFEST, |text| resolved("manifest", text, &inputs(text)));
}

#[test]
fn launch_ymls() {
    each("launch.yml", LAUNCH_YML, |text| {
        let mut inputs = inputs(b"applications: [{name: shop}]");
        inputs.launch_ymls.push(source("deps/0/launch.yml", text));
        resolved("launch.yml", text, &inputs)
    });
}

#[test]
fn procfiles() {
    each("Procfile", PROCFILE, |text| {
        let mut inputs = inputs(b"applications: [{name: shop}]");
        inputs.procfile = Some(source("Procfile", text));
        resolved("Procfile", text, &inputs)
    });
}

#[test]
fn staging_results() {
    each("staging", STAGING, |text| {
        let mut inputs = inputs(b"applications: [{name: shop}]");
        inputs.staging.push(source("staging", text));
        resolved("staging", text, &inputs)
    });
}

#[test]
fn variables() {
    each("vars", VARS, |text| {
        let mut inputs = inputs(MANIFEST.as_bytes());
        inputs.vars_files = vec![source("vars.yml", text)];
        resolved("vars", text, &inputs)
    });
}
