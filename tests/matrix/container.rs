//! A container with its `docker run` attached: one `docker` process tells its output and its exit
//! code, where asking again and again would cost more than what is tested.

use std::fs::{self, File};
use std::io;
use std::process::{self, Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use nix::pty::{OpenptyResult, Winsize, openpty};
use tempfile::TempDir;

use crate::docker::{Engine, wait_until};
use crate::listener::Listener;

/// What a thread reads.
#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Text {
    fn get(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.get()).lines().map(str::to_owned).collect()
    }

    /// Reads to the end, which on a terminal is an error.
    fn gather(&self, mut from: impl io::Read + Send + 'static) -> JoinHandle<()> {
        let text = self.clone();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                text.get().extend(&bytes[..count]);
            }
        })
    }
}

/// The members of every group here.
const MEMBERS: [&str; 2] = ["web", "config-server"];

/// A container, removed when dropped.
pub(crate) struct Container<'e> {
    engine: &'e Engine,
    pub(crate) name: String,
    client: Child,
    log: Text,
    gatherer: Option<JoinHandle<()>>,
    folder: TempDir,
}

impl<'e> Container<'e> {
    /// `docker run OPTIONS IMAGE ARGS`, with a name that ends so.
    pub(crate) fn run(
        engine: &'e Engine,
        named: (&str, &str),
        options: &[&str],
        args: &[&str],
    ) -> Self {
        let (reader, writer) = io::pipe().expect("a pipe");
        let errors = writer.try_clone().expect("a pipe's end");
        let streams = [Stdio::null(), writer.into(), errors.into()];
        Self::attached(engine, named, options, args, streams, reader)
    }

    /// The same with a terminal, the other end of which is returned.
    pub(crate) fn run_on_terminal(
        engine: &'e Engine,
        named: (&str, &str),
        options: &[&str],
        args: &[&str],
    ) -> (Self, File) {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).expect("a pseudo-terminal");
        let end = || slave.try_clone().expect("its end").into();
        let keyboard = File::from(master.try_clone().expect("the other end"));
        let streams = [end(), end(), end()];
        let options = [&["--interactive", "--tty"], options].concat();
        (Self::attached(engine, named, &options, args, streams, File::from(master)), keyboard)
    }

    fn attached(
        engine: &'e Engine,
        (image, id): (&str, &str),
        options: &[&str],
        args: &[&str],
        [input, output, errors]: [Stdio; 3],
        reader: impl io::Read + Send + 'static,
    ) -> Self {
        let name = format!("fateshare-matrix-{}-{id}", process::id());
        let folder = tempfile::tempdir().expect("a folder");
        let log = Text::default();
        let gatherer = Some(log.gather(reader));
        let mut client = engine.command();
        // The network is not what is tested, and takes longest to make: with none of its own it takes nothing.
        client.args(["run", "--rm", "--network=host", "--name", &name, "--cidfile"]);
        client.arg(folder.path().join("id")).args(options).arg(image).args(args);
        client.stdin(input).stdout(output).stderr(errors);
        let client = client.spawn().expect("docker can be run");
        Self { engine, name, client, log, gatherer, folder }
    }

    /// Its ID. It must have started.
    pub(crate) fn id(&self) -> String {
        fs::read_to_string(self.folder.path().join("id")).expect("the container's ID")
    }

    /// `docker COMMAND OPTIONS NAME`.
    #[track_caller]
    pub(crate) fn docker(&self, command: &[&str]) -> String {
        self.engine.docker(&[command, &[&self.name]].concat())
    }

    /// All lines that it wrote, on either stream, and those of Docker; without the labels that
    /// relayed ones have.
    pub(crate) fn log(&self) -> Vec<String> {
        let bare = |line: String| match line.split_once(" | ") {
            Some((label, rest)) if MEMBERS.contains(&label.trim_end()) => rest.to_owned(),
            _ => line,
        };
        self.log.lines().into_iter().map(bare).collect()
    }

    /// What is in the last line, be it whole or not: a shell's prompt.
    pub(crate) fn last_line(&self) -> String {
        self.log().pop().unwrap_or_default()
    }

    /// Until it has written lines that begin so.
    #[track_caller]
    pub(crate) fn wait_for_log(&mut self, beginnings: &[&str]) {
        wait_until(&format!("{beginnings:?} in the log"), || {
            // In this order: what has ended writes nothing later.
            let ended = self.code().is_some();
            if ended {
                self.read_all();
            }
            let lines = self.log();
            let there = |start: &&str| lines.iter().any(|line| line.starts_with(start));
            let all = beginnings.iter().all(there);
            assert!(all || !ended, "it has ended without {beginnings:?} in the log");
            all
        });
    }

    /// Until it has ended, and all of its output is there; its exit code.
    #[track_caller]
    pub(crate) fn wait_for_exit(&mut self) -> Option<i32> {
        wait_until("docker run to end", || self.code().is_some());
        self.read_all();
        self.code()
    }

    /// Docker has ended, so its output does.
    fn read_all(&mut self) {
        if let Some(gatherer) = self.gatherer.take() {
            gatherer.join().expect("the output is gathered");
        }
    }

    fn code(&mut self) -> Option<i32> {
        self.client.try_wait().expect("docker's status")?.code()
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // With these codes docker itself may have failed; with another one it has removed the container.
        if self.code().is_none_or(|code| (125..=127).contains(&code)) {
            self.engine.docker_said(&["rm", "--force", "--volumes", &self.name]);
        }
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

/// What Docker tells of all containers from now on: signals that it was asked to send, and ends.
pub(crate) struct Events(Listener);

impl Events {
    pub(crate) fn listen(engine: &Engine) -> Self {
        let value = "{{or .Actor.Attributes.signal .Actor.Attributes.exitCode}}";
        let format = format!("--format={{{{.Actor.Attributes.name}}}} {{{{.Action}}}} {value}");
        let filters = ["--filter=event=kill", "--filter=event=die", "--filter=event=oom"];
        Self(Listener::new(engine, &[&[format.as_str()], &filters[..]].concat()))
    }

    /// Soon there are these of a container, and no others.
    #[track_caller]
    pub(crate) fn assert(&self, container: &Container<'_>, expected: &[&str]) {
        let start = format!("{} ", container.name);
        let mut found = Vec::new();
        wait_until(&format!("the events {expected:?} of {}", container.name), || {
            let heard = self.0.heard();
            found = heard
                .iter()
                .filter_map(|line| line.strip_prefix(&start))
                .map(str::to_owned)
                .collect();
            // More than these are no reason to wait.
            found.len() >= expected.len()
        });
        assert_eq!(found, expected, "the events of {}", container.name);
    }
}
