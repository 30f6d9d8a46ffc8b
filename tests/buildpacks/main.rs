//! The buildpacks among the examples: their own scripts stage an app, which is then started as the platform's
//! launcher would.

#[path = "../support/ports.rs"]
mod ports;
mod staged;

use std::fs;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};

use ports::free_port;
use staged::{Buildpack, Droplet, copy, program};

/// Runs to its end, with this code; what it has said.
#[track_caller]
fn ends(command: &mut Command, code: i32) -> String {
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("UTF-8");
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

/// `fateshare`, in the app's directory, with what staging has left.
fn fateshare(droplet: &Droplet, arguments: &[&str]) -> Command {
    let mut command = Command::new(program("fateshare"));
    command.args(arguments).args(["--deps-dir", "../deps", "--procfile", "Procfile"]);
    command.current_dir(droplet.path("app")).env_clear().env("PATH", "/usr/bin:/bin");
    command
}

#[test]
fn what_the_supply_buildpack_declares_is_resolved() {
    let droplet = Droplet::staged("app");
    let spec = ends(&mut fateshare(&droplet, &["resolve", "--strict", "manifest.yml"]), 0);
    let (main, sidecars) = spec.split_once("\nsidecars:\n").expect("sidecars");
    assert!(main.contains("\n  command: \"./sidecar-dependent-app\"\n"), "{spec}");
    assert!(main.contains("\n  memory: 224M\n"), "{spec}");
    for line in [
        "  # sidecar from ../deps/0/launch.yml:2",
        "  - name: config-server",
        "    command: \"$DEPS_DIR/0/bin/config-server\"",
        "    memory: 32M",
    ] {
        assert!(sidecars.lines().any(|it| it == line), "no `{line}`\n{spec}");
    }
}

#[test]
fn what_the_supply_buildpack_brings_runs_and_shares_its_fate() {
    let droplet = Droplet::staged("app");
    let (port, sidecars) = (free_port(), free_port());
    let mut command = fateshare(&droplet, &["run", "--port", &port.to_string()]);
    command.env("CONFIG_SERVER_PORT", sidecars.to_string());
    let mut running = droplet.start(command, port);
    running.wait_for_config();
    let sidecar = running.member("config-server");
    kill(sidecar, Signal::SIGKILL).expect("it lives");
    running.assert_ends(137);
    running.assert_said(&format!(
        "fateshare: config-server (pid {sidecar}) was killed by SIGKILL, not by fateshare; stopping web"
    ));
    running.assert_said("app: stopped");
}

#[test]
fn the_profile_script_of_the_supply_buildpack_sets_what_is_not_set() {
    let droplet = Droplet::staged("app");
    for (set, seen) in [(None, "8082\n"), (Some(""), "8082\n"), (Some("5000"), "5000\n")] {
        let script = ". profile.d/0_config-server.sh && bash -c 'echo $CONFIG_SERVER_PORT'";
        let mut command = Command::new("bash");
        command.args(["-c", script]).current_dir(droplet.path(""));
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command.envs(set.map(|port| ("CONFIG_SERVER_PORT", port)));
        assert_eq!(ends(&mut command, 0), seen, "{set:?}");
    }
}

#[test]
fn in_a_droplet_fateshare_is_the_process_that_the_launcher_was() {
    let droplet = Droplet::staged("app-with-fateshare");
    assert!(!droplet.path("deps/0/launch.yml").exists(), "the platform would start it too");
    let mut running = droplet.launch();
    running.wait_for_config();
    running.assert_is(&droplet.path("deps/0/bin/fateshare"));
    for name in ["sidecar-dependent-app", "config-server"] {
        let path = format!("/proc/{}/environ", running.member(name));
        let variables = fs::read_to_string(path).expect("/proc");
        let home = format!("HOME={}", droplet.path("app").display());
        for variable in ["FROM_PROFILE=yes", "CF_INSTANCE_INDEX=0", "MEMORY_LIMIT=256m", &home] {
            let there = variables.split('\0').any(|it| it == variable);
            assert!(there, "{name} has no {variable}: {variables:?}");
        }
    }
    running.stop();
    running.assert_ends(0);
    for line in ["Invoking start command.", "app: stopped", "config-server: stopped"] {
        running.assert_said(line);
    }
    assert!(!running.output().contains("warning"), "{}", running.output());
    assert_eq!(droplet.read("ran"), "once\n", "once for the whole group");
}

#[test]
fn in_a_droplet_a_manifest_with_sidecars_is_warned_of() {
    let droplet = Droplet::staged("app-with-fateshare");
    fs::remove_file(droplet.path("app/fateshare.yml")).expect("it was there");
    let manifest = "\
applications:
- name: app
  command: ./sidecar-dependent-app
  sidecars:
  - {name: config-server, process_types: [web], command: config-server}
";
    droplet.write("app/manifest.yml", manifest);
    let mut running = droplet.launch();
    running.wait_for_config();
    running.assert_is(&droplet.path("deps/0/bin/fateshare"));
    running.stop();
    running.assert_ends(0);
    running.assert_said("  use the platform's sidecars or fateshare's, never both");
    assert_eq!(running.output().matches("warning").count(), 1, "{}", running.output());
    assert_eq!(droplet.read("ran"), "once\n", "the launcher has run them, fateshare does not");
}

#[test]
fn the_cloud_native_buildpack_makes_fateshare_the_apps_process() {
    let droplet = Droplet::new("cloud-native-buildpack", "app");
    copy(&program("examples/config-server"), &droplet.path("app"));
    let buildpack = Buildpack::of("cloud-native-buildpack", &droplet);
    buildpack.has("fateshare");
    let layers = droplet.folder("layers");
    let about = include_str!("../../examples/cloud-native-buildpack/buildpack.toml");
    assert!(about.starts_with("api = \"0.10\"\n\n[buildpack]\nid = "), "{about}");

    // As the lifecycle calls them: with variables, and the arguments of old, in the app's directory.
    for (script, arguments) in [("detect", "platform plan"), ("build", "layers platform plan")] {
        let mut command = buildpack.script(script);
        command.args(arguments.split(' ').map(|it| droplet.path(it)));
        command.env("CNB_LAYERS_DIR", &layers).env("CNB_BUILDPACK_DIR", &buildpack.0);
        command.env("CNB_PLATFORM_DIR", droplet.path("platform"));
        command.env("CNB_BP_PLAN_PATH", droplet.path("plan"));
        ends(command.current_dir(droplet.path("app")), 0);
    }
    assert_eq!(droplet.read("layers/fateshare.toml"), "[types]\nlaunch = true\n");
    let launch = droplet.read("layers/launch.toml");
    let [head, kind, list, default] = launch.lines().collect::<Vec<_>>()[..] else {
        panic!("{launch}")
    };
    assert_eq!([head, kind, default], ["[[processes]]", "type = \"web\"", "default = true"]);
    // This much of TOML is JSON.
    let list = list.strip_prefix("command = ").expect("a command");
    let list: Vec<String> = serde_json::from_str(list).expect("a list of texts");
    assert_eq!(list, ["fateshare", "run"]);

    // The lifecycle's launcher puts the layer's `bin` first in PATH, looks the program up there, and
    // executes it: no shell, and no environment but the image's.
    let bin = layers.join("fateshare/bin");
    let (port, sidecars) = (free_port(), free_port());
    let mut launcher = Command::new(bin.join(&list[0]));
    launcher.args(&list[1..]).current_dir(droplet.path("app")).env_clear();
    launcher.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    launcher.env("PORT", port.to_string()).env("CONFIG_SERVER_PORT", sidecars.to_string());
    let mut running = droplet.start(launcher, port);
    running.wait_for_config();
    running.assert_is(&bin.join("fateshare"));
    running.member("sidecar-dependent-app");
    running.member("config-server");
    running.stop();
    running.assert_ends(0);
    running.assert_said("app: stopped");
    running.assert_said("config-server: stopped");
}

#[test]
fn the_cloud_native_buildpack_is_for_apps_with_a_fateshare_yml() {
    let droplet = Droplet::new("cloud-native-buildpack", "app");
    let buildpack = Buildpack::of("cloud-native-buildpack", &droplet);
    let mut detect = buildpack.script("detect");
    let said = ends(detect.current_dir(droplet.folder("other")), 100);
    assert_eq!(
        said,
        "fateshare-buildpack: not for this app: there is no fateshare.yml in its root\n"
    );
    let said = ends(detect.current_dir(droplet.path("app")), 0);
    assert_eq!(said, "fateshare-buildpack: the app has a fateshare.yml\n");
}

#[test]
fn what_is_wrong_with_a_supply_is_said_with_the_next_move() {
    let droplet = Droplet::new("sidecar-buildpack", "app");
    let buildpack = Buildpack::of("sidecar-buildpack", &droplet);
    droplet.folder("deps");
    let supply = |arguments: &str, what: &str, next: &str| {
        let arguments = arguments.split_ascii_whitespace();
        let said = ends(buildpack.script("supply").args(arguments), 1);
        let lines = said.lines().map(|line| line.strip_prefix("sidecar-buildpack: "));
        let [Some(first), Some(second)] = lines.collect::<Vec<_>>()[..] else { panic!("{said}") };
        assert!(first.starts_with(what) && second.starts_with(next), "{said}");
        assert!(!droplet.path("deps/0/launch.yml").exists(), "{said}");
    };
    supply("", "bin/supply got 0 arguments, and takes 4", "call it as bin/supply BUILD_DIR ");
    supply("app cache deps", "bin/supply got 3 arguments, and takes 4", "call it as ");
    supply("none cache deps 0", "BUILD_DIR is no directory: none", "name the folder that has ");
    supply("app cache none 0", "DEPS_DIR is no directory: none", "make it first; ");
    supply("app cache deps 0x", "DEPS_IDX is no number: '0x'", "name this buildpack's place ");
    let next = "put it there: cargo build --examples && ";
    supply("app cache deps 0", "there is no program vendor/config-server in /", next);
    // An app that starts its sidecars itself gets fateshare too.
    buildpack.has("examples/config-server");
    droplet.write("app/fateshare.yml", "");
    let next = "put it there: cargo build --bins && ";
    supply("app cache deps 0", "there is no program vendor/fateshare in /", next);
}

#[test]
fn what_is_wrong_with_a_build_is_said_with_the_next_move() {
    let droplet = Droplet::new("cloud-native-buildpack", "app");
    let buildpack = Buildpack::of("cloud-native-buildpack", &droplet);
    droplet.folder("layers");
    droplet.folder("other");
    let build = |inside: &str, layers: &[&str], what: &str, next: &str| {
        let mut command = buildpack.script("build");
        let said = ends(command.args(layers).current_dir(droplet.path(inside)), 1);
        let ours = said.lines().filter_map(|line| line.strip_prefix("fateshare-buildpack: "));
        let [first, second] = ours.collect::<Vec<_>>()[..] else { panic!("{said}") };
        assert!(first.starts_with(what) && second.starts_with(next), "{said}");
        assert!(!droplet.path("layers/launch.toml").exists(), "{said}");
        said
    };
    let layers = &["../layers"];
    build("app", &[], "no directory for layers was named", "set CNB_LAYERS_DIR");
    let what = "the directory for layers is not there: ../none";
    build("app", &["../none"], what, "make it first; ");
    build("other", layers, "there is no fateshare.yml in /", "run it in the app's directory; ");
    let next = "put it there: cargo build --bins && ";
    build("app", layers, "there is no program vendor/fateshare in /", next);
    buildpack.has("fateshare");
    droplet.write("app/fateshare.yml", "mian: {}\n");
    let what = "fateshare check refuses fateshare.yml";
    let said = build("app", layers, what, "mend what it says above; ");
    assert!(said.contains("fateshare.yml:1:1: "), "{said}");
}

/// Who pushes `command: fateshare run` and forgets the `fateshare.yml`.
#[test]
fn a_manifest_that_starts_fateshare_is_not_read_by_it_again() {
    let droplet = Droplet::staged("app-with-fateshare");
    fs::remove_file(droplet.path("app/fateshare.yml")).expect("it was there");
    for command in [
        "fateshare run",
        "exec fateshare run --log-format text",
        "A=1 ../deps/0/bin/fateshare run",
        "sh -c 'exec fateshare run'",
        "cd .&&fateshare  run; echo",
    ] {
        let manifest = format!("applications: [{{name: app, command: {command:?}}}]\n");
        droplet.write("app/manifest.yml", &manifest);
        let mut running = droplet.launch();
        running.assert_ends(125);
        running.assert_said(
            "fateshare: ./manifest.yml: its command is the `fateshare run` that runs already, and would \
             read this manifest again",
        );
    }
}
