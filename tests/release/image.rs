//! The image: one file, which another image takes with `COPY --from`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use super::docker::{Engine, Said, cannot_run, wait_until};
use super::{VERSION, folder, make, run, text, tool, utf8};

/// The host's programs are lent to it: it has none of its own.
const SPEC: &str = "main: {name: web, command: [/bin/sleep, '1000']}\n\
                    sidecars: [{name: config-server, command: [/bin/sleep, '1001']}]\n";

#[test]
fn the_image_is_the_program_and_others_copy_it() {
    let engine = match Engine::find() {
        Ok(engine) => engine,
        Err(why) => return cannot_run("the_image_is_the_program_and_others_copy_it", &why),
    };
    let image = Thing { engine: &engine, kind: "rmi", name: format!("fs-rel-{}", process::id()) };
    let mut script = make(&folder("with-image"), &["--image", &image.name]);
    // An engine that the test has started is nobody's default.
    if let Some(host) = engine.command().get_args().nth(1) {
        script.env("DOCKER_HOST", host);
    }
    run(script);
    it_has_one_file_and_says_what_it_is(&image);
    it_runs_anywhere(&image);
    a_group_runs_on_it(&image);
}

fn it_has_one_file_and_says_what_it_is(image: &Thing<'_>) {
    let label = |name: &str| {
        let format = format!("{{{{index .Config.Labels \"org.opencontainers.image.{name}\"}}}}");
        image.docker(&["inspect", "--format", &format, &image.name]).trim().to_owned()
    };
    assert_eq!(
        (label("version"), label("licenses")),
        (VERSION.to_owned(), "Apache-2.0".to_owned())
    );
    assert_eq!(label("source"), env!("CARGO_PKG_REPOSITORY"));
    assert_eq!(label("revision"), tool("git", &["rev-parse", "HEAD"]).trim());

    let saved = tempfile::tempdir().expect("a folder");
    let archive = saved.path().join("image.tar");
    image.docker(&["save", "--output", utf8(&archive), &image.name]);
    tool("tar", &["-xf", utf8(&archive), "-C", utf8(saved.path())]);
    let manifest = fs::read_to_string(saved.path().join("manifest.json")).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    let layers = manifest[0]["Layers"].as_array().expect("layers");
    let [layer] = &layers[..] else { panic!("one layer: {layers:?}") };
    let layer = saved.path().join(layer.as_str().expect("a path"));
    let listed = tool("tar", &["--numeric-owner", "-tvf", utf8(&layer)]);
    let words: Vec<&str> = listed.split_ascii_whitespace().collect();
    assert_eq!(
        (words[0], words[1], words[5..].join(" ").as_str()),
        ("-rwxr-xr-x", "0/0", "fateshare"),
        "{listed}"
    );
}

/// Also as nobody, with nothing to write to, and no rights.
fn it_runs_anywhere(image: &Thing<'_>) {
    let locked =
        ["--user=65534", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"];
    let arguments =
        [&["run", "--rm", "--network=none"], &locked[..], &[&image.name, "--version"]].concat();
    assert_eq!(image.docker(&arguments), format!("fateshare {VERSION}\n"));
}

/// With the page's Dockerfile, word for word but for the image's name.
fn a_group_runs_on_it(image: &Thing<'_>) {
    let context = tempfile::tempdir().expect("a folder");
    let page = text("docs/releases.md");
    let (_, dockerfile) = page.split_once("```dockerfile\n").expect("a Dockerfile");
    let (dockerfile, _) = dockerfile.split_once("```").expect("its end");
    let published = format!("ghcr.io/fateshare/fateshare:{VERSION}");
    assert!(dockerfile.contains(&published), "{dockerfile}");
    fs::write(context.path().join("Dockerfile"), dockerfile.replace(&published, &image.name))
        .expect("a file");
    fs::write(context.path().join("fateshare.yml"), SPEC).expect("a file");
    let engine = image.engine;
    let group = Thing { engine, kind: "rmi", name: format!("{}-group", image.name) };
    engine.docker(&["build", "--quiet", "--tag", &group.name, utf8(context.path())]);

    let container = Thing { engine, kind: "rm", name: format!("{}-container", image.name) };
    let lent: Vec<String> = ["/bin", "/lib", "/lib64"]
        .into_iter()
        .filter(|folder| Path::new(folder).exists())
        // Where these are links, the engine wants to know what to.
        .map(|folder| (fs::canonicalize(folder).unwrap_or_else(|_| PathBuf::from(folder)), folder))
        .map(|(real, folder)| format!("--volume={}:{folder}:ro", real.display()))
        .collect();
    let mut arguments = vec!["run", "--detach", "--network=none", "--name", &container.name];
    arguments.extend(lent.iter().map(String::as_str));
    arguments.push(&group.name);
    engine.docker(&arguments);
    let exec =
        |arguments: &[&str]| engine.docker_said(&[&["exec", &container.name], arguments].concat());

    let mut sidecar = String::new();
    wait_until("the sidecar to run", || {
        let shown: Said = exec(&["/usr/bin/fateshare", "ps"]);
        let row = shown.stdout.lines().find_map(|line| line.strip_prefix("config-server "));
        let pid = row.and_then(|row| row.split_ascii_whitespace().next());
        pid.unwrap_or_default().clone_into(&mut sidecar);
        !sidecar.is_empty() && sidecar != "–"
    });
    let killed = exec(&["/bin/sh", "-c", &format!("kill -9 {sidecar}")]);
    wait_until("the container to end", || {
        container.docker(&["inspect", "--format", "{{.State.Running}}", &container.name]).trim()
            == "false"
    });
    let logs = engine.docker_said(&["logs", &container.name]);
    let code = container.docker(&["inspect", "--format", "{{.State.ExitCode}}", &container.name]);
    assert_eq!(code.trim(), "137", "{killed:?} {logs:?}");
    let verdict = format!(
        "config-server (pid {sidecar}) was killed by SIGKILL, not by fateshare; stopping web"
    );
    assert!(logs.stderr.contains(&verdict), "{killed:?} {logs:?}");
}

/// An image or a container, removed when dropped.
struct Thing<'e> {
    engine: &'e Engine,
    kind: &'static str,
    name: String,
}

impl Thing<'_> {
    #[track_caller]
    fn docker(&self, arguments: &[&str]) -> String {
        self.engine.docker(arguments)
    }
}

impl Drop for Thing<'_> {
    fn drop(&mut self) {
        self.engine.docker_said(&[self.kind, "--force", &self.name]);
    }
}
