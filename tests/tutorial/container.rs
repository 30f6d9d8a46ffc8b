//! In containers: one whose image has nothing but the programs, with this machine's own tools beside them.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use crate::docker::{Engine, cannot_run};
use crate::{Format, Stage, manifest, perform};

/// `ps`, `pgrep` and a shell, as an image of this machine's distribution would have them.
const TOOLS: [&str; 5] = ["/usr", "/bin", "/lib", "/lib64", "/etc/alternatives"];

const DOCKERFILE: &str = "\
FROM scratch
COPY fateshare sidecar-dependent-app config-server manifest.yml /app/
WORKDIR /app
EXPOSE 8080
ENTRYPOINT [\"/app/fateshare\", \"run\"]
";

#[test]
fn the_tutorial_in_a_container() {
    let engine = match Engine::find() {
        Ok(engine) => engine,
        Err(why) => return cannot_run("the tutorial in a container", &why),
    };
    let image = Image::build(&engine);
    thread::scope(|scope| {
        for format in Format::ALL {
            let image = &image;
            scope.spawn(move || {
                for user in ["0", "65534"] {
                    let arguments = ["--recreate", "--log-format", format.name()];
                    let mut container = image.run(format.name(), user, &arguments);
                    perform(&mut container, format);
                }
            });
        }
    });
    for user in ["0", "65534"] {
        a_namespace_in_a_container_is_refused_by_its_cause(&image, user);
    }
}

/// There it is PID 1 already.
fn a_namespace_in_a_container_is_refused_by_its_cause(image: &Image<'_>, user: &str) {
    let mut container = image.run("apart", user, &["--pid1"]);
    assert_eq!(container.code(), 125, "{}", container.log());
    let log = container.log();
    let said = "fateshare: --pid1: cannot make a process: Operation not permitted (os error 1) \
                (a seccomp filter forbids new namespaces, as a container's default one does: in a \
                container fateshare is PID 1 without --pid1)";
    assert!(log.lines().any(|line| line == said), "{log}");
    assert!(!log.contains("app: "), "nothing was started\n{log}");
}

/// The image, removed when dropped.
struct Image<'e> {
    engine: &'e Engine,
    name: String,
}

impl<'e> Image<'e> {
    fn build(engine: &'e Engine) -> Self {
        // The folder that `tests/container.rs` builds in too.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("static");
        let context = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("examples/sidecar-dependent-app/container/build.sh");
        let built = Command::new(script)
            .arg(context.path())
            .env("CARGO_TARGET_DIR", &target)
            .stdin(Stdio::null())
            .output()
            .expect("build.sh can be run");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let write = |name: &str, text: &str| {
            std::fs::write(context.path().join(name), text).expect("written");
        };
        write("Dockerfile", DOCKERFILE);
        write("manifest.yml", &manifest(".", 8082));
        let name = format!("fateshare-tutorial-{}", process::id());
        let path = context.path().to_str().expect("a UTF-8 path");
        engine.docker(&["build", "--quiet", "--tag", &name, path]);
        Self { engine, name }
    }

    fn run(&self, scene: &str, user: &str, arguments: &[&str]) -> Container<'_> {
        let name = format!("{}-{scene}-{user}", self.name);
        let container = Container { engine: self.engine, name };
        let tools: Vec<String> = TOOLS
            .into_iter()
            .filter(|folder| Path::new(folder).exists())
            .map(|folder| format!("--volume={folder}:{folder}:ro"))
            .collect();
        let mut args = vec!["run", "--detach", "--publish=127.0.0.1::8080", "--user", user];
        args.extend(tools.iter().map(String::as_str));
        args.extend(["--name", &container.name, &self.name]);
        args.extend(arguments);
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
struct Container<'e> {
    engine: &'e Engine,
    name: String,
}

impl Container<'_> {
    fn inside(&self, script: &str) -> String {
        self.engine.docker(&["exec", &self.name, "sh", "-c", script])
    }
}

impl Stage for Container<'_> {
    fn address(&self) -> io::Result<SocketAddr> {
        let said = self.engine.docker_said(&["port", &self.name, "8080/tcp"]);
        let first = said.stdout.lines().next().unwrap_or_default();
        first.parse().map_err(io::Error::other)
    }

    fn log(&self) -> String {
        let said = self.engine.docker_said(&["logs", &self.name]);
        said.stdout + &said.stderr
    }

    fn ps(&self) -> String {
        self.inside("ps aux")
    }

    fn kill_the_sidecar(&self) {
        self.inside("kill -9 $(pgrep config-server)");
    }

    fn stop(&self) {
        self.engine.docker(&["stop", &self.name]);
    }

    fn code(&mut self) -> i32 {
        let code = self.engine.docker(&["wait", &self.name]);
        code.trim().parse().expect("a number")
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        self.engine.docker_said(&["rm", "--force", "--volumes", &self.name]);
    }
}
