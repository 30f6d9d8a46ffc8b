//! The two scenes of every cell, judged from outside: by exit code, log, Docker's events and the
//! host's processes.

use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant};

use crate::container::Container;
use crate::docker::wait_until;
use crate::host::{self, Process};
use crate::{Column, Row, Scene, Stage, images, pool};

/// `docker stop` takes less than a second; the rest is for slow machines. That Docker did not lose its patience is
/// seen by its events.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Main's own exit code.
const WEB_EXITS: i32 = 7;

/// A group that runs in a container, and who is in there.
pub(crate) struct Cell<'a, 'e> {
    stage: &'a Stage<'e>,
    row: &'a Row,
    column: &'a Column,
    container: &'a mut Container<'e>,
    inside: Inside,
}

impl<'e> Cell<'_, 'e> {
    /// Starts the containers of a cell, and plays a scene.
    pub(crate) fn play(stage: &Stage<'e>, row: &Row, column: &Column, scene: &Scene, id: &str) {
        let Row(_, stop, options, proof) = row;
        let image = images::name(column.image, stop);
        let neighbour = options.contains("NEIGHBOUR").then(|| Neighbour::start(stage, &image, id));
        let beside = neighbour.as_ref().map_or("", |neighbour| &neighbour.container.name);
        let options = stage.fill_in(options, beside);
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let spec = format!("/specs/{}.yml", column.name);
        let mut container = Container::run(stage.engine, (&image, id), &options, &[&spec]);
        showing_log(&mut container, |container| {
            container.wait_for_log(&["web: started ", "config-server: started ", "left: started "]);
            let inside = Inside::of(container);
            let mut cell = Cell { stage, row, column, container, inside };
            cell.assert_proof(&stage.fill_in(proof, ""));
            (scene.play)(&mut cell);
            cell.inside.wait_for_end();
            if let Some(neighbour) = &neighbour {
                neighbour.assert_untouched();
            }
        });
    }

    /// It is what the table says: who runs there, and how Docker restricts it.
    fn assert_proof(&self, proof: &[String]) {
        let mut expected = vec!["/fateshare", "config-server", "left", "web"];
        expected.extend(self.column.shell.map(|shell| shell[0]));
        expected.extend(self.under_init().then_some("/sbin/docker-init"));
        expected.sort_unstable();
        assert_eq!(self.inside.names(), expected);

        let fateshare = self.inside.process("/fateshare");
        for proof in proof {
            let (key, value) = proof.split_once('=').expect("KEY=VALUE or KEY!=VALUE");
            let (key, equal) = key.strip_suffix('!').map_or((key, true), |key| (key, false));
            let found = fateshare.status(key);
            assert!((found == value) == equal, "{proof}, but {key} is {found:?}");
        }
    }

    fn under_init(&self) -> bool {
        self.row.2.contains("--init")
    }

    /// It ended with this code; fateshare said why in one line, and nothing that it need not say.
    fn assert_end(&mut self, code: i32, verdict: &str) {
        assert_eq!(self.container.wait_for_exit(), Some(code));
        let log = self.container.log();
        // A machine that is very slow is taken for one that was frozen.
        let needed = |line: &&str| !line.starts_with("was frozen or suspended");
        let said: Vec<&str> =
            log.iter().filter_map(|line| line.strip_prefix("fateshare: ")).filter(needed).collect();
        let [opening, decided, ended] = said[..] else { panic!("not three lines of fateshare") };
        let spec = format!("/specs/{}.yml", self.column.name);
        assert_eq!(opening, format!("{spec}: web + config-server, grace 5s"));
        assert_eq!(decided, verdict);
        let nobody = format!(", nobody had to be killed; exit {code}");
        assert!(ended.starts_with("ended in ") && ended.ends_with(&nobody), "{ended}");
    }

    /// A process was told to stop once, and ended by itself.
    fn assert_told(&self, name: &str, signal: &str, code: i32) {
        let log = self.container.log();
        let start = format!("{name}: ");
        let said: Vec<&str> = log.iter().filter_map(|line| line.strip_prefix(&start)).collect();
        let pid = &self.inside.process(name).inner;
        let expected =
            [format!("started {pid}"), format!("got SIG{signal}"), format!("ends {code}")];
        assert_eq!(said, expected, "{name}");
    }
}

/// The sidecar is killed from outside: main and what the sidecar had started are told to stop, and
/// the code is the sidecar's.
pub(crate) fn sidecar_killed(cell: &mut Cell<'_, '_>) {
    let sidecar = cell.inside.process("config-server").clone();
    sidecar.kill();

    let how = "was killed by SIGKILL, not by fateshare; stopping web";
    cell.assert_end(137, &format!("config-server (pid {}) {how}", sidecar.inner));
    cell.assert_told("web", "TERM", WEB_EXITS);
    cell.assert_told("left", "TERM", 0);
    cell.stage.events.assert(cell.container, &["die 137"]);
}

/// `docker stop`: in time, with the image's signal and no other, and with main's own exit code.
pub(crate) fn docker_stop(cell: &mut Cell<'_, '_>) {
    let begin = Instant::now();
    cell.container.docker(&["stop"]);
    let took = begin.elapsed();
    assert!(took < STOP_LIMIT, "docker stop took {took:?}");

    let signal = cell.row.1;
    let sender =
        if cell.under_init() { "from pid 1 (docker-init)" } else { "from outside this container" };
    cell.assert_end(WEB_EXITS, &format!("SIG{signal} {sender}; stopping web, config-server"));
    cell.assert_told("web", signal, WEB_EXITS);
    cell.assert_told("config-server", signal, 0);
    cell.assert_told("left", signal, 0);
    let kill = if signal == "QUIT" { "kill 3" } else { "kill 15" };
    cell.stage.events.assert(cell.container, &[kill, &format!("die {WEB_EXITS}")]);
}

/// A container whose PID namespace fateshare's container shares. It runs one process, which logs
/// every signal, that of an orphan's end too.
struct Neighbour<'e> {
    container: Container<'e>,
    process: Process,
}

impl<'e> Neighbour<'e> {
    fn start(stage: &Stage<'e>, image: &str, id: &str) -> Self {
        let id = format!("{id}-neighbour");
        let words = ["/dev/stdout", "neighbour", "take=TERM,INT,QUIT,HUP,CHLD", "wait"];
        let entry = ["--entrypoint=/fixture"];
        let mut container = Container::run(stage.engine, (image, &id), &entry, &words);
        container.wait_for_log(&["neighbour: started "]);
        let process = Inside::of(&container).process("neighbour").clone();
        Self { container, process }
    }

    fn assert_untouched(&self) {
        assert!(self.process.lives(), "the neighbour is gone");
        let left = host::children(&self.process);
        assert!(left.is_empty(), "left to the neighbour: {left:?}");
        assert_eq!(self.container.log(), ["neighbour: started 1"]);
    }
}

/// The processes of a container that runs.
pub(crate) struct Inside {
    container: String,
    pub(crate) processes: Vec<Process>,
}

impl Inside {
    pub(crate) fn of(container: &Container<'_>) -> Self {
        let container = container.id();
        let processes = host::of_container(&container);
        Self { container, processes }
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.processes.iter().map(name_of).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn process(&self, name: &str) -> &Process {
        let found = self.processes.iter().find(|process| name_of(process) == name);
        found.unwrap_or_else(|| panic!("no {name} in {:?}", self.processes))
    }

    /// Until the host has none of these processes, nor a later one of that container.
    pub(crate) fn wait_for_end(&self) {
        wait_until("the container's processes to be gone", || {
            !self.processes.iter().any(Process::is_there)
                && host::of_container(&self.container).is_empty()
        });
    }
}

/// The name that a fixture has on its command line, else the program.
fn name_of(process: &Process) -> &str {
    match &process.command[..] {
        [program, _, name, ..] if program == "/fixture" => name,
        [program, ..] => program,
        [] => "",
    }
}

/// Runs this; a panic gets the container's log.
pub(crate) fn showing_log<'e>(
    container: &mut Container<'e>,
    scene: impl FnOnce(&mut Container<'e>),
) {
    if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(|| scene(container))) {
        let why = pool::message(panic.as_ref());
        let log = container.log().join("\n");
        panic!("{why}\n--- log of {}:\n{log}", container.name);
    }
}
