//! What is to be run, and how.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::running::Running;
use super::{Mode, fateshare, fixture, unshare};

/// What a member runs. Text is words for the fixture program (`tests/support/fixture.rs`).
#[derive(Clone, Copy)]
pub(crate) enum Program<'a> {
    /// Words for the fixture program, as a list command.
    Fixture(&'a str),
    /// A list command.
    Argv(&'a [&'a str]),
    /// A string command; `$FIXTURE` and `$LOG` are in the environment.
    Shell(&'a str),
}

pub(crate) use Program::{Argv, Shell};

impl<'a> From<&'a str> for Program<'a> {
    fn from(words: &'a str) -> Self {
        Program::Fixture(words)
    }
}

/// A group that is not started yet.
#[must_use = "a group does nothing until it is started"]
pub(crate) struct Group {
    mode: Mode,
    dir: TempDir,
    pub(super) fateshare: PathBuf,
    pub(super) fixture: PathBuf,
    mark: String,
    main: Option<String>,
    sidecars: Vec<String>,
    top: String,
    raw: Option<String>,
    before: Vec<String>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, Option<OsString>)>,
    stdin: Option<Stdio>,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
}

impl Group {
    pub(crate) fn new(mode: Mode) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir =
            tempfile::Builder::new().prefix("fateshare-test-").tempdir().expect("a directory");
        Self {
            mode,
            mark: format!("MARK_OF_A_TEST={}.{number}", dir.path().display()),
            dir,
            fateshare: fateshare().to_owned(),
            fixture: fixture().to_owned(),
            main: None,
            sidecars: Vec::new(),
            top: String::new(),
            raw: None,
            before: Vec::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            stdin: None,
            stdout: None,
            stderr: None,
        }
    }

    /// The main process.
    pub(crate) fn main<'a>(mut self, name: &str, program: impl Into<Program<'a>>) -> Self {
        self.main = Some(self.member(name, program.into()));
        self
    }

    /// One more sidecar.
    pub(crate) fn sidecar<'a>(mut self, name: &str, program: impl Into<Program<'a>>) -> Self {
        let text = self.member(name, program.into());
        self.sidecars.push(text);
        self
    }

    /// One more key of the member that was named last.
    pub(crate) fn key(mut self, line: &str) -> Self {
        let last = self.sidecars.last_mut().or(self.main.as_mut()).expect("a member");
        last.extend(["    ", line, "\n"]);
        self
    }

    /// One more key of the whole spec.
    pub(crate) fn top(mut self, line: &str) -> Self {
        self.top.extend([line, "\n"]);
        self
    }

    /// Arguments of `fateshare` instead of `run SPEC`; no spec is written.
    pub(crate) fn bare<I: AsRef<OsStr>>(mut self, arguments: &[I]) -> Self {
        self.raw = Some(String::new());
        self.arguments(arguments)
    }

    /// More arguments behind `run SPEC`.
    pub(crate) fn arguments<I: AsRef<OsStr>>(mut self, arguments: &[I]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// A file in the directory that `fateshare` is started in.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.dir.path().join(name), text).expect("a file of the test");
        self
    }

    /// A variable for `fateshare`, whose environment is otherwise almost empty.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), Some(value.into())));
        self
    }

    /// A variable that `fateshare` does not get.
    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.environment.push((name.into(), None));
        self
    }

    /// A shell script that prepares what `fateshare` inherits, and ends with `exec "$@"`.
    pub(crate) fn after_script(mut self, script: &str) -> Self {
        self.before.extend(["/bin/sh", "-c", script, "sh"].map(str::to_owned));
        self
    }

    /// Words of the fixture program that prepare what `fateshare` inherits.
    pub(crate) fn after_words(mut self, words: &str) -> Self {
        let fixture = fixture().to_str().expect("a path in UTF-8");
        self.before.extend([fixture, "-", "before"].map(str::to_owned));
        self.before.extend(words.split_whitespace().map(str::to_owned));
        self.before.push("exec".to_owned());
        self
    }

    pub(crate) fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.stdin = Some(stdin.into());
        self
    }

    pub(crate) fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = Some(stdout.into());
        self
    }

    pub(crate) fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.stderr = Some(stderr.into());
        self
    }

    /// Where `fateshare` is started.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The file that fixture programs write to.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// Starts it in every respect, and waits for nothing.
    pub(crate) fn start(mut self) -> Running {
        let stdin = self.stdin.take().unwrap_or_else(Stdio::null);
        let stdout = self.stdout.take().unwrap_or_else(|| self.output("stdout"));
        let stderr = self.stderr.take().unwrap_or_else(|| self.output("stderr"));
        let child = self
            .command()
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .expect("the program that starts fateshare");
        Running::new(self.mode, self.dir, self.fateshare, self.mark, child)
    }

    fn output(&self, name: &str) -> Stdio {
        let file = File::options().create(true).append(true).open(self.dir.path().join(name));
        file.expect("a file for the output").into()
    }

    fn command(&self) -> Command {
        let dir = self.dir.path();
        let report = dir.join("left").into_os_string();
        let around: Vec<OsString> = match self.mode {
            Mode::Pid1 => unshare().expect("a PID namespace").iter().map(OsString::from).collect(),
            Mode::Ordinary => vec![fixture().into(), "guard".into(), report],
        };
        let mut command = Command::new(&around[0]);
        command.args(&around[1..]).args(&self.before).arg(&self.fateshare);
        if self.raw.is_none() {
            fs::write(dir.join("group.yml"), self.spec()).expect("the spec is written");
            command.args(["run", "group.yml"]);
        }
        let (name, value) = self.mark.split_once('=').expect("a mark");
        command
            .args(&self.arguments)
            .current_dir(dir)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("FIXTURE", &self.fixture)
            .env("LOG", self.log())
            // Most tests ask nobody, and are killed now and then: nothing is to be left by that.
            .env("FATESHARE_SOCKET", "none")
            .env(name, value);
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// The launch spec in YAML.
    pub(crate) fn spec(&self) -> String {
        let mut text = format!("main:\n{}", self.main.as_ref().expect("a main process"));
        if !self.sidecars.is_empty() {
            text += "sidecars:\n";
        }
        for sidecar in &self.sidecars {
            text += "  -\n";
            text += sidecar;
        }
        text + &self.top
    }

    fn member(&self, name: &str, program: Program<'_>) -> String {
        let log = self.log();
        let quoted = |words: Vec<&str>| {
            let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
            format!("[{}]", words.join(", "))
        };
        let command = match program {
            Program::Fixture(words) => {
                let fixture = self.fixture.to_str().expect("a path in UTF-8");
                let log = log.to_str().expect("a path in UTF-8");
                quoted([fixture, log, name].into_iter().chain(words.split_whitespace()).collect())
            }
            Program::Argv(words) => quoted(words.to_vec()),
            Program::Shell(text) => format!("{text:?}"),
        };
        format!("    name: {name:?}\n    command: {command}\n")
    }
}
