//! What a running group is put through: signals for it and for its members, and questions.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::chance::Chance;
use crate::support::LIMIT;

/// Signals that harm nobody, because the members take them; `fateshare` passes each on to main.
pub(crate) const HARMLESS: [Signal; 6] = [
    Signal::SIGHUP,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
    Signal::SIGCONT,
    Signal::SIGURG,
];

/// So many are asked at the same time in the beginning, and never again.
const AT_ONCE: u64 = 8;

/// How often what was done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    pub(crate) to_members: u64,
    pub(crate) to_fateshare: u64,
    pub(crate) questions: u64,
}

/// Does one thing after the other to a group.
pub(crate) struct Exercise {
    chance: Chance,
    fateshare: Pid,
    members: Vec<Pid>,
    socket: PathBuf,
    pub(crate) done: Done,
}

impl Exercise {
    pub(crate) fn new(seed: u64, fateshare: i32, members: &[i32], socket: &Path) -> Self {
        Self {
            chance: Chance::new(seed),
            fateshare: Pid::from_raw(fateshare),
            members: members.iter().copied().map(Pid::from_raw).collect(),
            socket: socket.to_owned(),
            done: Done::default(),
        }
    }

    /// Brings everything to its bound that has one, so that what grows from here on has none: of the signals that
    /// came a number is kept, and memory that was used for answers is kept for the next ones.
    pub(crate) fn begin(&mut self) {
        for _ in 0..1_200 {
            self.signal();
            // Equal ones that wait together count as one.
            std::thread::sleep(Duration::from_micros(300));
        }
        for path in ["/v1/events", "/v1/status", "/metrics"] {
            let mut streams: Vec<_> = (0..AT_ONCE).map(|_| self.connect(path)).collect();
            for stream in &mut streams {
                stream.read_exact(&mut [0; 200]).expect("a beginning");
            }
            self.done.questions += AT_ONCE;
        }
    }

    /// One thing.
    pub(crate) fn step(&mut self) {
        match self.chance.below(4) {
            0 => self.signal(),
            1 => {
                let member = self.chance.pick(&self.members);
                kill(member, self.chance.pick(&HARMLESS)).expect("the member runs");
                self.done.to_members += 1;
            }
            2 => self.ask(),
            _ => {
                self.signal();
                self.ask();
            }
        }
    }

    fn signal(&mut self) {
        kill(self.fateshare, self.chance.pick(&HARMLESS)).expect("fateshare runs");
        self.done.to_fateshare += 1;
    }

    fn ask(&mut self) {
        self.done.questions += 1;
        match self.chance.below(6) {
            0 | 1 => {
                let body = self.get("/v1/status");
                let status: Value = serde_json::from_str(&body).expect("JSON");
                assert_eq!(status["state"], "running", "{body}");
            }
            2 => assert!(self.get("/metrics").contains("fateshare"), "metrics"),
            3 => {
                let mut stream = self.connect("/v1/events");
                // Some of it; then the connection is cut.
                let mut some = [0; 200];
                stream.read_exact(&mut some).expect("a beginning");
            }
            4 => drop(UnixStream::connect(&self.socket).expect("it listens")),
            _ => {
                // Half a question.
                let mut stream = UnixStream::connect(&self.socket).expect("it listens");
                stream.write_all(b"GET /v1/st").expect("it is taken");
            }
        }
    }

    fn connect(&self, path: &str) -> UnixStream {
        let mut stream = UnixStream::connect(&self.socket).expect("it listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: fateshare\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the question is taken");
        stream
    }

    fn get(&self, path: &str) -> String {
        let mut text = String::new();
        self.connect(path).read_to_string(&mut text).expect("an answer");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        text.split_once("\r\n\r\n").expect("a head").1.to_owned()
    }
}
