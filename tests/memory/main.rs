//! Real containers whose memory is used up, under a real Docker Engine: whom the kernel has killed for it
//! is said to have died of it, and nobody else.
//!
//! The control groups are those of this machine's kind, version 1 or 2; `tests/run/out_of_memory.rs` has
//! the others. One test, because all scenes share an image; every scene that fails is named.

#[path = "../docker/mod.rs"]
mod docker;

use std::fs;
use std::path::Path;
use std::process;
use std::thread;
use std::time::Duration;

use docker::{Engine, Said, cannot_run, wait_until};
use fateshare::core::RECENTLY;

const TEST: &str = "out_of_memory_in_a_container";

/// What each scene runs.
#[rustfmt::skip]
const SPECS: [(&str, &str); 6] = [
    ("main", r"
main: {name: web, command: [/fixture, /dev/stdout, web, sleep=3000, eat]}
sidecars: [{name: config-server, command: [/fixture, /dev/stdout, config-server, exit-on=TERM:0, wait]}]
"),
    ("sidecar", r"
main: {name: web, command: [/fixture, /dev/stdout, web, exit-on=TERM:0, wait]}
sidecars: [{name: config-server, command: [/fixture, /dev/stdout, config-server, sleep=3000, eat]}]
"),
    ("child", r"
main: {name: web, command: '/fixture /dev/stdout web sleep=3000 eat; exit $?'}
sidecars: [{name: config-server, command: [/fixture, /dev/stdout, config-server, exit-on=TERM:0, wait]}]
"),
    ("stranger", r"
main: {name: web, command: [/fixture, /dev/stdout, web, until=/go, send=KILL]}
sidecars: [{name: config-server, command: [/fixture, /dev/stdout, config-server, exit-on=TERM:0, wait]}]
"),
    ("survivor", r"
main: {name: web, command: [/fixture, /dev/stdout, web, run, '[', glutton, eat, ']', say=alive, until=/go, send=KILL]}
sidecars: [{name: config-server, command: [/fixture, /dev/stdout, config-server, exit-on=TERM:0, wait]}]
"),
    ("teardown", r"
main: {name: web, command: [/fixture, /dev/stdout, web, until=/go, exit=3]}
sidecars: [{name: config-server, command: [/fixture, /dev/stdout, config-server, take=TERM, counts=1, eat]}]
"),
];

/// One story of a container.
struct Scene(&'static str, fn(&Stage<'_>));

const SCENES: [Scene; 6] = [
    Scene("the leader of main", main_is_killed),
    Scene("the leader of a sidecar", sidecar_is_killed),
    Scene("a child, and its shell reports it", child_is_killed),
    Scene("docker exec, and much later a plain SIGKILL", stranger_is_killed),
    Scene("a child whose parent lives on, and much later a plain SIGKILL", survivor_is_killed),
    Scene("a member that has been told to stop", killed_in_the_teardown),
];

#[test]
fn out_of_memory_in_a_container() {
    let engine = match Engine::find() {
        Ok(engine) => engine,
        Err(why) => return cannot_run(TEST, &format!("no Docker Engine: {why}")),
    };
    let stage = Stage::build(&engine);
    let failed: Vec<&str> = thread::scope(|scope| {
        let played = SCENES.map(|Scene(name, play)| {
            let stage = &stage;
            (name, scope.spawn(move || play(stage)))
        });
        let failed = played.into_iter().filter_map(|(name, it)| it.join().is_err().then_some(name));
        failed.collect()
    });
    assert!(failed.is_empty(), "failed: {failed:?}");
}

fn main_is_killed(stage: &Stage<'_>) {
    let container = stage.run("main", &["--env=FATESHARE_LOG=debug"]);
    container.ends_with(137);
    container
        .says(&["web (pid ", ") was killed by SIGKILL: out of memory; stopping config-server"]);
    container.says(&["config-server (pid ", ") exited with 0"]);
    container.says(&["kills for lack of memory are counted in /sys/fs/cgroup/"]);
}

fn sidecar_is_killed(stage: &Stage<'_>) {
    let container = stage.run("sidecar", &[]);
    container.ends_with(137);
    container
        .says(&["config-server (pid ", ") was killed by SIGKILL: out of memory; stopping web"]);
}

fn child_is_killed(stage: &Stage<'_>) {
    let container = stage.run("child", &[]);
    container.ends_with(137);
    let why = ") exited with 137 (probably out of memory in a child); stopping config-server";
    container.says(&["web (pid ", why]);
}

fn stranger_is_killed(stage: &Stage<'_>) {
    let container = stage.run("stranger", &[]);
    container.wait_for_log("web: started ");
    let said = container.exec(&["/fixture", "-", "glutton", "eat"]);
    assert!(!said.ok, "it was killed: {said:?}");
    container.is_not_blamed();
}

fn survivor_is_killed(stage: &Stage<'_>) {
    let container = stage.run("survivor", &[]);
    container.wait_for_log("web: alive");
    container.is_not_blamed();
}

fn killed_in_the_teardown(stage: &Stage<'_>) {
    let container = stage.run("teardown", &["--env=FATESHARE_LOG=info"]);
    container.wait_for_log("config-server: started ");
    container.go();
    container.ends_with(3);
    container.says(&["web (pid ", ") exited with 3; stopping config-server"]);
    container.says(&["config-server (pid ", ") was killed by SIGKILL: out of memory"]);
}

/// What all scenes share.
struct Stage<'e> {
    engine: &'e Engine,
    image: String,
    /// Whether the kernel tells us by itself.
    told: bool,
    /// What the host lends: the programs as they are built here, and what they and a shell need.
    lent: Vec<String>,
}

impl<'e> Stage<'e> {
    fn build(engine: &'e Engine) -> Self {
        let context = tempfile::tempdir().expect("a folder for the image");
        for (name, spec) in SPECS {
            let path = context.path().join(format!("{name}.yml"));
            fs::write(path, spec).expect("a spec");
        }
        let file = "FROM scratch\nCOPY *.yml /\nENTRYPOINT [\"/fateshare\", \"run\"]\n";
        fs::write(context.path().join("Dockerfile"), file).expect("a Dockerfile");
        let image = format!("fateshare-memory-{}", process::id());
        let path = context.path().to_str().expect("a UTF-8 path");
        engine.docker(&["build", "--no-cache", "--quiet", "--tag", &image, path]);

        let fateshare = Path::new(env!("CARGO_BIN_EXE_fateshare"));
        let fixture = fateshare.with_file_name("examples").join("fixture");
        assert!(fixture.exists(), "run `cargo build --example fixture`");
        let mut lent = vec![
            format!("--volume={}:/fateshare:ro", fateshare.display()),
            format!("--volume={}:/fixture:ro", fixture.display()),
        ];
        let folders = ["/usr", "/bin", "/lib", "/lib64"].into_iter();
        let folders = folders.filter(|folder| Path::new(folder).exists());
        lent.extend(folders.map(|folder| format!("--volume={folder}:{folder}:ro")));
        let version = engine.docker(&["info", "--format={{.CgroupVersion}}"]);
        Self { engine, image, told: version.trim() == "2", lent }
    }

    /// Starts this scene's group in a container with 64 MiB of memory.
    fn run(&self, scene: &str, options: &[&str]) -> Container<'_> {
        let name = format!("{}-{scene}", self.image);
        let spec = format!("/{scene}.yml");
        let container = Container { stage: self, name };
        let mut args = vec!["run", "--detach", "--network=none", "--name", &container.name];
        args.extend(["--memory=64m", "--memory-swap=64m"]);
        args.extend(self.lent.iter().map(String::as_str));
        args.extend(options);
        args.extend([self.image.as_str(), &spec]);
        self.engine.docker(&args);
        container
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        self.engine.docker_said(&["rmi", "--force", &self.image]);
    }
}

/// A container, removed when dropped.
struct Container<'s> {
    stage: &'s Stage<'s>,
    name: String,
}

impl Container<'_> {
    /// `docker exec`, whatever comes of it.
    fn exec(&self, command: &[&str]) -> Said {
        self.stage.engine.docker_said(&[&["exec", &self.name], command].concat())
    }

    /// Lets who waits for it go on. The container may end so soon that this is killed with it.
    fn go(&self) {
        self.exec(&["/fixture", "/go", "trigger"]);
    }

    /// Somebody was killed for lack of memory, and much later web is, without any.
    fn is_not_blamed(&self) {
        let files = "cat /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control";
        let counted = self.exec(&["/bin/sh", "-c", files]).stdout;
        assert!(counted.contains("oom_kill 1\n"), "the kernel has counted it: {counted}");
        if !self.stage.told {
            // Version 1 tells nobody: it is seen when something else wakes us.
            self.stage.engine.docker(&["kill", "--signal=WINCH", &self.name]);
        }
        thread::sleep(RECENTLY + Duration::from_secs(4));
        self.go();
        self.ends_with(137);
        self.says(&[
            "web (pid ",
            ") was killed by SIGKILL, not by fateshare; stopping config-server",
        ]);
    }

    #[track_caller]
    fn wait_for_log(&self, beginning: &str) {
        wait_until(&format!("{beginning:?} of {}", self.name), || {
            self.log().lines().any(|line| line.starts_with(beginning))
        });
    }

    #[track_caller]
    fn ends_with(&self, code: i32) {
        let state = || {
            let format = "--format={{.State.Status}} {{.State.ExitCode}}";
            self.stage.engine.docker(&["inspect", format, &self.name])
        };
        wait_until(&format!("the end of {}", self.name), || state().starts_with("exited "));
        assert_eq!(state().trim(), format!("exited {code}"), "{}", self.log());
    }

    /// One line of ours has these parts, in this order.
    #[track_caller]
    fn says(&self, parts: &[&str]) {
        let log = self.log();
        let has = |line: &str| {
            let rest = parts.iter().try_fold(line, |rest, part| Some(rest.split_once(part)?.1));
            rest.is_some()
        };
        let ours = log.lines().filter_map(|line| line.strip_prefix("fateshare: "));
        assert_eq!(ours.filter(|line| has(line)).count(), 1, "{parts:?} in\n{log}");
    }

    fn log(&self) -> String {
        let said = self.stage.engine.docker_said(&["logs", &self.name]);
        said.stdout + &said.stderr
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        self.stage.engine.docker_said(&["rm", "--force", "--volumes", &self.name]);
    }
}
