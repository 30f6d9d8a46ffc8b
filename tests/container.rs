//! The example pair as a container, under a real Docker Engine: when the sidecar is killed, the engine recreates
//! the container, and `docker stop` ends it cleanly.
//!
//! One test with several scenes, because they share the programs, the engine and the image.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{self, Command};
use std::time::{Duration, Instant};

use docker::{Engine, Said, cannot_run, wait_until};
use fateshare::drill::document::Drill;
use listener::Listener;

mod docker;
#[path = "docker/example.rs"]
mod example;
#[path = "docker/listener.rs"]
mod listener;

/// `docker stop` is promised to take less than a second; the rest is for slow machines. That Docker did not lose its
/// patience is seen by its events.
const STOP_LIMIT: Duration = Duration::from_secs(30);

const TEST: &str = "the_example_in_a_container";

const VERDICT: [&str; 2] =
    ["fateshare: config-server (pid ", ") was killed by SIGKILL, not by fateshare; stopping web"];

#[test]
fn the_example_in_a_container() {
    let engine = match Engine::find() {
        Ok(engine) => engine,
        Err(why) => return cannot_run(TEST, &format!("no Docker Engine: {why}")),
    };
    let image = Image::build(&engine);
    the_engine_recreates_it_when_the_sidecar_is_killed(&image);
    its_exit_code_is_that_of_the_killed_sidecar(&image);
    it_runs_locked_down(&image);
    it_can_be_asked_inside(&image);
    it_can_be_drilled_inside(&image);
}

fn the_engine_recreates_it_when_the_sidecar_is_killed(image: &Image<'_>) {
    let container = image.run("recreated", &["--restart=always"]);
    container.wait_for_config();
    let processes = container.processes();
    assert_eq!(
        commands(&processes),
        ["/config-server", "/fateshare run", "/sidecar-dependent-app"]
    );
    let started = container.inspect("{{.State.StartedAt}}");

    container.kill_sidecar();
    wait_until("the engine to recreate the container", || {
        let running = "{{.State.Running}} {{.State.Restarting}} {{.State.StartedAt}}";
        let now = container.inspect(running);
        now.starts_with("true false ") && !now.ends_with(&started)
    });
    assert_eq!(container.inspect("{{.RestartCount}}"), "1");
    container.wait_for_config();
    container.assert_events("die", &["137"]);
    container.assert_verdict();
    assert_gone(&processes);

    // It was recreated once, and stays.
    let processes = container.processes();
    assert_eq!(processes.len(), 3, "{processes:?}");
    container.stop();
    assert_eq!(container.inspect("{{.RestartCount}}"), "1");
    container.assert_events("die", &["137", "0"]);
    assert_gone(&processes);
}

fn its_exit_code_is_that_of_the_killed_sidecar(image: &Image<'_>) {
    let container = image.run("once", &["--restart=no"]);
    container.wait_for_config();
    container.kill_sidecar();
    wait_until("the container to end", || container.inspect("{{.State.Running}}") == "false");
    let state = container.inspect("{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}");
    assert_eq!(state, "exited 137 false", "{}", container.logs());
    container.assert_verdict();
}

fn it_runs_locked_down(image: &Image<'_>) {
    let container = image.run(
        "locked",
        &["--user=65534", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"],
    );
    container.wait_for_config();
    let processes = container.processes();
    container.stop();
    assert_gone(&processes);
}

/// What the health of the image below is asked: the app is ready as long as its config server answers.
const ASKED: &str = r#"{
"main": {"name": "web", "command": ["/sidecar-dependent-app"], "env": {"PORT": "8080"},
  "readiness_check": {"type": "http", "port": 8082, "endpoint": "/config/", "interval": "200ms", "timeout": "5s"}},
"sidecars": [{"name": "config-server", "command": ["/config-server"], "memory": "64M"}],
"env": {"CONFIG_SERVER_PORT": "8082"}
}"#;

/// No shell, no writable directory, no /etc/passwd: `docker exec` and HEALTHCHECK work all the same.
/// As PID 1, without a shell, a writable file, a capability or a namespace.
fn it_can_be_drilled_inside(image: &Image<'_>) {
    let container = Container::new(image, format!("{}-drill", image.name));
    let said = container.docker_said(&[
        "run",
        "--rm",
        "--name",
        &container.name,
        "--user=65534",
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--entrypoint=/fateshare",
        &image.name,
        "drill",
        "--settle=300ms",
        "--json",
    ]);
    assert!(said.ok, "{said:?}");
    let drill: Drill = serde_json::from_str(&said.stdout).expect("a drill");
    assert_eq!((drill.failed, drill.skipped, drill.strikes.len()), (0, 0, 9), "{said:?}");
    assert!(
        !drill.pid_namespaces && said.stderr.contains("a seccomp filter forbids new namespaces"),
        "{said:?}"
    );
}

fn it_can_be_asked_inside(image: &Image<'_>) {
    let folder = tempfile::tempdir().expect("a folder for the image");
    let dockerfile = format!(
        "FROM {}\nCOPY asked.json /\n\
         HEALTHCHECK --interval=1s --timeout=5s --retries=1 CMD [\"/fateshare\", \"health\", \"--ready\"]\n",
        image.name
    );
    fs::write(folder.path().join("Dockerfile"), dockerfile).expect("a file");
    fs::write(folder.path().join("asked.json"), ASKED).expect("a file");
    let asked = Image { engine: image.engine, name: format!("{}-asked", image.name) };
    let context = folder.path().to_str().expect("a UTF-8 path");
    image.engine.docker(&["build", "--quiet", "--tag", &asked.name, context]);

    let container = Container::new(&asked, format!("{}-container", asked.name));
    let locked =
        ["--user=65534", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"];
    let mut args = vec!["run", "--detach", "--name", &container.name];
    args.extend(locked);
    args.extend([asked.name.as_str(), "/asked.json"]);
    container.docker(&args);
    let exec = |args: &[&str]| {
        container.docker_said(&[&["exec", &container.name, "/fateshare"], args].concat())
    };
    wait_until("the group to be ready", || exec(&["health", "--ready"]).ok);
    wait_until("Docker to call it healthy", || container.health() == "healthy");

    let shown = exec(&["ps"]);
    assert!(shown.ok, "{shown:?}");
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert!(lines[0].starts_with("running "), "{shown:?}");
    assert!(lines[0].ends_with(" · healthy · ready · grace 9s · /asked.json"), "{shown:?}");
    assert!(lines[2].starts_with("web ") && lines[2].contains("ready: http ok"), "{shown:?}");
    assert!(lines[3].starts_with("config-server ") && lines[3].contains("/64M "), "{shown:?}");
    let json = exec(&["ps", "--json"]).stdout;
    assert!(json.contains("\"socket\": \"@fateshare-"), "no directory can be written: {json}");

    // Root may ask too; nobody else.
    let by = |user: &str| {
        container.docker_said(&["exec", "--user", user, &container.name, "/fateshare", "health"])
    };
    assert!(by("0").ok, "{:?}", by("0"));
    let refused = by("1000");
    let why = "is user 65534's, who could tell anything: not asked";
    assert!(!refused.ok && refused.stderr.contains(why), "{refused:?}");

    // What cannot answer is not ready: Docker calls the container unhealthy, and it runs on.
    let sidecar = container.processes().into_iter().find(|(_, it)| it == "/config-server");
    let (sidecar, _) = sidecar.expect("the config server");
    let signal = |signal: &str| {
        let status = Command::new("kill").args([signal, &sidecar]).status();
        assert!(status.expect("the program `kill`").success());
    };
    signal("-STOP");
    wait_until("Docker to call it unhealthy", || container.health() == "unhealthy");
    let said = exec(&["health", "--ready"]);
    assert!(!said.ok && said.stdout.starts_with("not ready: "), "{said:?}");
    assert!(exec(&["health"]).ok, "it lives");
    signal("-CONT");
    wait_until("Docker to call it healthy again", || container.health() == "healthy");
    container.stop();
}

/// The image, removed when dropped.
struct Image<'e> {
    engine: &'e Engine,
    name: String,
}

impl<'e> Image<'e> {
    fn build(engine: &'e Engine) -> Self {
        let image = Self { engine, name: format!("fateshare-test-{}", process::id()) };
        engine.docker(&["build", "--quiet", "--tag", &image.name, example::context()]);
        image
    }

    /// Starts a container whose port is published on the loopback address.
    fn run(&self, scene: &str, options: &[&str]) -> Container<'_> {
        let container = Container::new(self, format!("{}-{scene}", self.name));
        let mut args = vec!["run", "--detach", "--publish=127.0.0.1::8080"];
        args.extend(["--name", &container.name]);
        args.extend(options);
        args.push(&self.name);
        self.engine.docker(&args);
        container
    }
}

impl Drop for Image<'_> {
    fn drop(&mut self) {
        self.engine.docker_said(&["rmi", "--force", &self.name]);
    }
}

/// A container, removed when dropped.
struct Container<'i> {
    image: &'i Image<'i>,
    name: String,
    events: Listener,
}

impl<'i> Container<'i> {
    fn new(image: &'i Image<'i>, name: String) -> Self {
        let value = "{{or .Actor.Attributes.signal .Actor.Attributes.exitCode}}";
        let format = format!("--format={{{{.Action}}}} {value}");
        let of_it = format!("--filter=container={name}");
        let filters = ["--filter=event=die", "--filter=event=kill", &of_it, &format];
        let events = Listener::new(image.engine, &filters);
        Self { image, name, events }
    }
}

impl Container<'_> {
    fn wait_for_config(&self) {
        wait_until(&format!("/config from {}", self.name), || {
            self.ask_config().is_ok_and(|body| body.contains("\"Password\""))
        });
    }

    fn ask_config(&self) -> io::Result<String> {
        // Asked anew each time: a recreated container gets another port.
        let Said { stdout, .. } = self.docker_said(&["port", &self.name, "8080/tcp"]);
        let first = stdout.lines().next().unwrap_or_default();
        let address: SocketAddr = first.parse().map_err(io::Error::other)?;
        let mut app = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        app.set_read_timeout(Some(Duration::from_secs(3)))?;
        app.write_all(b"GET /config HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        app.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// `kill -9 $(pgrep config-server)`, inside. The image has no tools, so the host's are lent to a second
    /// container in the same PID namespace; it ends when that namespace does, so its own fate says nothing.
    fn kill_sidecar(&self) {
        let pid = format!("container:{}", self.name);
        let mut args = vec!["run", "--rm", "--network=none", "--pid", &pid];
        let mounts = ["/usr", "/bin", "/lib", "/lib64"]
            .into_iter()
            .filter(|folder| Path::new(folder).exists())
            .map(|folder| format!("--volume={folder}:{folder}:ro"))
            .collect::<Vec<_>>();
        args.extend(mounts.iter().map(String::as_str));
        args.extend(["--entrypoint=/bin/sh", &self.image.name, "-c"]);
        args.push("kill -9 $(pgrep -x config-server) || echo no such process");
        let said = self.docker_said(&args);
        assert!(!said.stdout.contains("no such process"), "{said:?}");
    }

    /// `docker stop`: in time, without SIGKILL, and with main's own exit code.
    fn stop(&self) {
        let begin = Instant::now();
        self.docker(&["stop", &self.name]);
        let took = begin.elapsed();
        assert!(took < STOP_LIMIT, "took {took:?}:\n{}", self.logs());
        let state = self.inspect("{{.State.Status}} {{.State.ExitCode}}");
        assert_eq!(state, "exited 0", "{}", self.logs());
        self.assert_events("kill", &["15"]);
        let verdict = "fateshare: SIGTERM from outside this container; stopping web, config-server";
        let logs = self.logs();
        assert!(logs.lines().any(|line| line == verdict), "{logs}");
    }

    /// The processes inside: PID as the host knows it, and command.
    fn processes(&self) -> Vec<(String, String)> {
        self.docker(&["top", &self.name, "-eo", "pid,args"])
            .lines()
            .skip(1)
            .filter_map(|line| line.trim().split_once(' '))
            .map(|(pid, command)| (pid.to_owned(), command.trim().to_owned()))
            .collect()
    }

    /// Soon there are these events and no others: `die` with the exit codes, `kill` with the signals.
    #[track_caller]
    fn assert_events(&self, action: &str, expected: &[&str]) {
        let start = format!("{action} ");
        let mut found = Vec::new();
        wait_until(&format!("the events {action} {expected:?}"), || {
            let heard = self.events.heard();
            let of = heard.iter().filter_map(|line| line.strip_prefix(&start));
            found = of.map(str::to_owned).collect();
            found.len() >= expected.len()
        });
        assert_eq!(found, expected, "{}", self.logs());
    }

    fn assert_verdict(&self) {
        let logs = self.logs();
        let [before, after] = VERDICT;
        let verdict = |line: &&str| line.starts_with(before) && line.ends_with(after);
        assert_eq!(logs.lines().filter(verdict).count(), 1, "{logs}");
    }

    fn health(&self) -> String {
        self.inspect("{{.State.Health.Status}}")
    }

    fn inspect(&self, format: &str) -> String {
        let value = self.docker(&["inspect", "--format", format, &self.name]);
        value.trim().to_owned()
    }

    fn logs(&self) -> String {
        let said = self.docker_said(&["logs", &self.name]);
        said.stdout + &said.stderr
    }

    #[track_caller]
    fn docker(&self, args: &[&str]) -> String {
        self.image.engine.docker(args)
    }

    fn docker_said(&self, args: &[&str]) -> Said {
        self.image.engine.docker_said(args)
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        self.docker_said(&["rm", "--force", "--volumes", &self.name]);
    }
}

fn commands(processes: &[(String, String)]) -> Vec<&str> {
    let mut commands: Vec<_> = processes.iter().map(|(_, command)| command.as_str()).collect();
    commands.sort_unstable();
    commands
}

/// None of these processes is there any more (but their numbers may be in use again).
#[track_caller]
fn assert_gone(processes: &[(String, String)]) {
    for (pid, command) in processes {
        let now = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let now = now.trim_end_matches('\0').replace('\0', " ");
        assert_ne!(&now, command, "pid {pid} is still there");
    }
}
