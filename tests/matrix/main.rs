//! The image matrix, under a real Docker Engine: whatever the image and however Docker restricts
//! the container, a group has the same fate, ends with the same code, stops cleanly and leaves
//! nothing behind.
//!
//! A row is a way to run a container, a column is an image with its shell, a scene is what happens
//! there; [`scenes`] has what is looked at. One test, because all cells share the programs and the
//! images; every cell that fails is named, not only the first.

#[path = "../docker/mod.rs"]
mod docker;
#[path = "../docker/listener.rs"]
mod listener;

mod container;
mod host;
mod images;
mod pool;
mod scenes;
mod special;
mod terminal;

use std::fmt;
use std::process;
use std::time::SystemTime;

use container::Events;
use docker::{Engine, cannot_run};
use images::{Images, Profiles};
use pool::Job;
use scenes::Cell;

const TEST: &str = "the_image_matrix";

/// Scenes at once.
const THREADS: usize = 4;

/// A way to run a container. `Proof` is what /proc/PID/status must say of fateshare then; `STOP` is
/// the image's STOPSIGNAL. `UID` is a random high number, `NEIGHBOUR` a container that runs already;
/// `EPERM` and `ENOSYS` are what an old seccomp profile answers to `pidfd_open`, `pidfd_send_signal`
/// and `close_range`, ENOSYS to `clone3` too; `CLONE3` is EPERM for that one, which old engines answer
/// and which keeps glibc from starting threads.
#[rustfmt::skip]
const ROWS: [Row; 22] = [
    //  name                            STOP    docker run                                  proof
    Row("PID 1",                        "TERM", "",                                         "NSpid=1 Seccomp=2"),
    Row("an init",                      "TERM", "--init",                                   "NSpid!=1 Seccomp=2"),
    Row("a shared PID namespace",       "TERM", "--pid=container:NEIGHBOUR",                "NSpid!=1 Seccomp=2"),
    Row("nobody",                       "TERM", "--user=65534",                             "NSpid=1 Uid=65534"),
    Row("a random user",                "TERM", "--user=UID:UID",                           "NSpid=1 Uid=UID Gid=UID"),
    Row("read-only",                    "TERM", "--read-only",                              "NSpid=1"),
    Row("no new privileges",            "TERM", "--security-opt=no-new-privileges",         "NoNewPrivs=1"),
    Row("no capabilities",              "TERM", "--cap-drop=ALL",                           "Uid=0 CapEff=0000000000000000"),
    Row("no seccomp",                   "TERM", "--security-opt=seccomp=unconfined",        "Seccomp=0"),
    Row("old seccomp: EPERM",           "TERM", "--security-opt=seccomp=EPERM",             "Seccomp=2"),
    Row("old seccomp: no clone3",       "TERM", "--security-opt=seccomp=CLONE3",            "Seccomp=2"),
    Row("old seccomp: ENOSYS",          "TERM", "--security-opt=seccomp=ENOSYS",            "Seccomp=2"),
    Row("little memory",                "TERM", "--memory=64m",                             "NSpid=1"),
    Row("few processes",                "TERM", "--pids-limit=32",                          "NSpid=1"),
    Row("STOPSIGNAL",                   "QUIT", "",                                         "NSpid=1"),
    Row("STOPSIGNAL, an init",          "QUIT", "--init",                                   "NSpid!=1"),
    Row("locked",                       "TERM", "LOCKED",                                   "NSpid=1 Uid=65534 NoNewPrivs=1 CapEff=0000000000000000"),
    Row("locked, limits, old seccomp",  "TERM", "LOCKED --memory=64m --pids-limit=32 --security-opt=seccomp=ENOSYS", "Uid=65534 NoNewPrivs=1"),
    Row("locked, an init",              "TERM", "LOCKED --init",                            "NSpid!=1 Uid=65534 NoNewPrivs=1"),
    Row("locked, a shared namespace",   "TERM", "LOCKED --pid=container:NEIGHBOUR",         "NSpid!=1 Uid=65534 NoNewPrivs=1"),
    Row("relayed",                      "TERM", "--env=FATESHARE_LOG_FORMAT=text",          "NSpid=1"),
    Row("locked, relayed",              "TERM", "LOCKED --env=FATESHARE_LOG_FORMAT=text --security-opt=seccomp=ENOSYS", "NSpid=1 Uid=65534 NoNewPrivs=1"),
];

const LOCKED: &str = "--user=65534 --read-only --cap-drop=ALL --security-opt=no-new-privileges";

/// An image, and the spec's `shell:` there; without one all commands are lists.
const COLUMNS: [Column; 4] = [
    Column { name: "scratch", image: "scratch", shell: None },
    Column { name: "dash", image: "debian", shell: Some(&["/bin/sh", "-c"]) },
    Column { name: "bash", image: "debian", shell: Some(&["/bin/bash", "-c"]) },
    Column { name: "busybox", image: "debian", shell: Some(&["/bin/busybox", "sh", "-c"]) },
];

const SCENES: [Scene; 2] = [
    Scene { name: "the sidecar is killed", play: scenes::sidecar_killed },
    Scene { name: "docker stop", play: scenes::docker_stop },
];

struct Row(&'static str, &'static str, &'static str, &'static str);

struct Column {
    name: &'static str,
    image: &'static str,
    shell: Option<&'static [&'static str]>,
}

struct Scene {
    name: &'static str,
    play: fn(&mut Cell<'_, '_>),
}

/// What all cells share.
struct Stage<'e> {
    engine: &'e Engine,
    images: Images<'e>,
    events: Events,
    profiles: Profiles,
    uid: String,
}

impl Stage<'_> {
    /// The words of a row, with the values that only this run knows.
    fn fill_in(&self, words: &str, neighbour: &str) -> Vec<String> {
        words
            .replace("LOCKED", LOCKED)
            .replace("NEIGHBOUR", neighbour)
            .replace("UID:UID", &format!("{0}:{0}", self.uid))
            .replace("=UID", &format!("={}", self.uid))
            .replace("=EPERM", &format!("={}", self.profiles.eperm.display()))
            .replace("=CLONE3", &format!("={}", self.profiles.clone3.display()))
            .replace("=ENOSYS", &format!("={}", self.profiles.enosys.display()))
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    }
}

#[test]
fn the_image_matrix() {
    let engine = match Engine::find() {
        Ok(engine) => engine,
        Err(why) => return cannot_run(TEST, &format!("no Docker Engine: {why}")),
    };
    if let Err(why) = host::can_be_root() {
        return cannot_run(TEST, &why);
    }
    let images = Images::build(&engine);
    let stage = Stage {
        engine: &engine,
        images,
        events: Events::listen(&engine),
        profiles: Profiles::write(),
        uid: random_uid(),
    };

    // The longest first.
    let mut jobs = special::jobs(&stage);
    jobs.extend(terminal::jobs(&stage));
    for (number, column) in COLUMNS.iter().enumerate() {
        if !stage.images.has(column.image) {
            continue;
        }
        for (line, row) in ROWS.iter().enumerate() {
            for (at, scene) in SCENES.iter().enumerate() {
                let stage = &stage;
                let id = format!("{line}-{number}-{at}");
                let title = format!("{row}, {column}: {}", scene.name);
                jobs.push(Job::new(title, move || Cell::play(stage, row, column, scene, &id)));
            }
        }
    }
    let failures = pool::run(jobs, THREADS);
    assert!(failures.is_empty(), "{} failed:\n\n{}", failures.len(), failures.join("\n\n"));
}

/// No user has it, neither here nor in the image.
fn random_uid() -> String {
    let time = SystemTime::UNIX_EPOCH.elapsed().expect("a time after 1970");
    let uid = 1_000_000_000 + (time.subsec_nanos() ^ process::id()) % 1_000_000_000;
    uid.to_string()
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row `{}`", self.0)
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column `{}`", self.name)
    }
}
