//! The containers of one service: who they are, how they are, and what became of them.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::docker::{Engine, rest, wait_until};
use crate::listener::Listener;

/// A platform may start many containers, on a slow machine.
const LIMIT: Duration = Duration::from_mins(2);

/// A container that runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) started: String,
    pub(crate) restarts: u64,
    pub(crate) health: String,
}

/// What the engine did to a container, or what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// `die`, `kill`, `health_status: unhealthy`.
    pub(crate) action: String,
    pub(crate) id: String,
    /// The exit code of `die`, the signal of `kill`.
    pub(crate) number: String,
}

/// All containers with a label.
pub(crate) struct Fleet<'e> {
    pub(crate) engine: &'e Engine,
    label: String,
    events: Listener,
}

impl<'e> Fleet<'e> {
    /// Those with this label, and their events from now on.
    pub(crate) fn new(engine: &'e Engine, label: &str) -> Self {
        let label = format!("label={label}");
        let filters = ["--filter=event=die", "--filter=event=kill", "--filter=event=health_status"];
        let wanted = [&["--format={{json .}}", "--filter", &label], &filters[..]].concat();
        let events = Listener::new(engine, &wanted);
        Self { engine, label, events }
    }

    /// Forgets the events up to now.
    pub(crate) fn look_from_here(&mut self) {
        self.events.heard().clear();
    }

    /// Those that run, by name.
    pub(crate) fn running(&self) -> Vec<Replica> {
        let ids = self.engine.docker(&["ps", "--quiet", "--no-trunc", "--filter", &self.label]);
        let ids: Vec<&str> = ids.lines().collect();
        if ids.is_empty() {
            return Vec::new();
        }
        // Who is gone meanwhile is left out, and said on standard error.
        let said = self.engine.docker_said(&[&["inspect"], &ids[..]].concat());
        let all: Vec<Value> = serde_json::from_str(&said.stdout).expect("JSON");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut replicas: Vec<Replica> = all
            .iter()
            .filter(|it| it["State"]["Running"] == true && it["State"]["Restarting"] == false)
            .map(|it| Replica {
                name: text(&it["Name"]),
                id: text(&it["Id"]),
                started: text(&it["State"]["StartedAt"]),
                restarts: it["RestartCount"].as_u64().unwrap_or_default(),
                health: text(&it["State"]["Health"]["Status"]),
            })
            .collect();
        replicas.sort();
        replicas
    }

    /// Waits until so many run, no more, and all of them are healthy.
    #[track_caller]
    pub(crate) fn wait_healthy(&self, count: usize) -> Vec<Replica> {
        let end = Instant::now() + LIMIT;
        loop {
            let look = Instant::now();
            let replicas = self.running();
            if replicas.len() == count && replicas.iter().all(|it| it.health == "healthy") {
                return replicas;
            }
            assert!(Instant::now() < end, "{count} healthy ones after {LIMIT:?}: {replicas:#?}");
            thread::sleep(rest(look.elapsed()));
        }
    }

    /// Sends a signal to the member with this command, from outside, as an operator would.
    pub(crate) fn signal(&self, replica: &Replica, command: &str, signal: Signal) -> bool {
        let top = self.engine.docker_said(&["top", &replica.id, "-eo", "pid,args"]);
        let pid = top
            .stdout
            .lines()
            .skip(1)
            .filter_map(|line| line.trim().split_once(' '))
            .find(|(_, it)| it.trim() == command)
            .and_then(|(pid, _)| pid.parse().ok());
        pid.is_some_and(|pid| kill(Pid::from_raw(pid), signal).is_ok())
    }

    /// What has been heard of so far.
    pub(crate) fn events(&self, action: &str) -> Vec<Event> {
        self.events
            .heard()
            .iter()
            .map(|line| event(line))
            .filter(|it| it.action == action)
            .collect()
    }

    /// Soon exactly these have ended, each with its exit code, and nobody was killed.
    #[track_caller]
    pub(crate) fn assert_ended(&self, expected: &[(&Replica, &str)]) {
        let mut expected: Vec<(String, String)> =
            expected.iter().map(|(it, code)| (it.id.clone(), (*code).to_owned())).collect();
        expected.sort();
        let ended = || {
            let mut ended: Vec<(String, String)> =
                self.events("die").into_iter().map(|it| (it.id, it.number)).collect();
            ended.sort();
            ended
        };
        wait_until("as many ends as expected", || ended().len() >= expected.len());
        assert_eq!(ended(), expected);
        self.assert_nobody_was_killed();
    }

    /// The engine has sent SIGTERM, and nothing else.
    #[track_caller]
    pub(crate) fn assert_nobody_was_killed(&self) {
        let signals = self.events("kill");
        assert!(signals.iter().all(|it| it.number == "15"), "SIGTERM only: {signals:?}");
    }

    pub(crate) fn logs(&self, replica: &Replica) -> String {
        let said = self.engine.docker_said(&["logs", &replica.id]);
        said.stdout + &said.stderr
    }
}

fn event(line: &str) -> Event {
    let event: Value = serde_json::from_str(line).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let attributes = &event["Actor"]["Attributes"];
    Event {
        action: text(&event["Action"]),
        id: text(&event["Actor"]["ID"]),
        number: text(&attributes["exitCode"]) + &text(&attributes["signal"]),
    }
}
