//! Cloud Foundry's files on the command line: what is said about them, and what comes of them.
//!
//! Each file of `tests/manifests` is checked to the text beside it.
//! `SNAPSHOTS=overwrite cargo test --test manifests` writes the texts; read the difference.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests")
}

fn fateshare(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fateshare"));
    command.args(arguments).current_dir(folder).env_clear().env("PATH", "/usr/bin:/bin");
    command.stdin(Stdio::null());
    command
}

fn output(folder: &Path, arguments: &[&str]) -> Output {
    fateshare(folder, arguments).output().expect("it runs")
}

/// The same with this on standard input.
fn output_of(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = fateshare(folder, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("written");
    child.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// What it prints, and its exit code.
fn shown(output: &Output) -> String {
    let code = output.status.code().map_or("a signal".to_owned(), |code| code.to_string());
    format!("{}{}exit {code}\n", text(&output.stdout), text(&output.stderr))
}

/// A folder with these files.
fn with(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }
    dir
}

const MANIFEST: &str = "\
applications:
- name: shop
  command: bundle exec rackup -p $PORT
  memory: 256M
  env: {GREETING: \"a: 'b' \\\"c\\\"\"}
  sidecars:
  - name: config-server
    process_types: [web]
    command: cd bin && ./config-server
    memory: 64M
";

#[test]
fn each_manifest_gives_the_text_beside_it() {
    let overwrite = std::env::var_os("SNAPSHOTS").is_some_and(|mode| mode == "overwrite");
    let mut seen = 0;
    for entry in fs::read_dir(folder()).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "yml") {
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        // As if it were called what it is: the name makes it one, whatever is in it.
        let manifest = fs::read_to_string(&path).expect("readable");
        let dir = with(&[("manifest.yml", &manifest)]);
        let shown = shown(&output(dir.path(), &["check", "manifest.yml"]));
        assert!(!shown.contains("s3cret"), "{name}: {shown}");
        let beside = path.with_extension("out");
        if overwrite {
            fs::write(&beside, &shown).expect("written");
        }
        let expected = fs::read_to_string(&beside).expect("the text beside it");
        assert_eq!(shown, expected, "{name}");
        seen += 1;
    }
    assert!(seen >= 16, "only {seen} manifests");
}

#[test]
fn what_resolve_prints_is_what_run_takes() {
    let dir = with(&[("manifest.yml", MANIFEST)]);
    let resolved = output(dir.path(), &["resolve"]);
    assert_eq!(resolved.status.code(), Some(0), "{}", shown(&resolved));
    assert_eq!(
        resolved.stdout,
        output(dir.path(), &["resolve", "manifest.yml"]).stdout.replace_name()
    );
    let spec = text(&resolved.stdout);
    assert!(spec.starts_with("# resolved from ./manifest.yml: app shop, process web\n"), "{spec}");
    let of_spec = output_of(dir.path(), &["check", "-"], spec);
    let of_manifest = output(dir.path(), &["check"]);
    let of_manifest = shown(&of_manifest).replace("./manifest.yml: ok", "standard input: ok");
    assert_eq!(shown(&of_spec), of_manifest);
    // The whole as it is run, not only as it is shown.
    let read = |text: &str| {
        let file = fateshare::spec::SpecFile { shown: "x".to_owned(), folder: "/".into() };
        let overlay = fateshare::spec::Overlay::default();
        fateshare::spec::read(text.as_bytes(), &file, &overlay).expect("a spec").launch
    };
    let launch = read(spec);
    assert_eq!(launch.exit_codes.main_success, 69);
    assert_eq!(launch.members[0].env, [("GREETING".to_owned(), Some("a: 'b' \"c\"".to_owned()))]);
    assert_eq!(launch.members[0].memory, Some(192 << 20));
    assert_eq!(launch.members[0].argv[2], "exec bundle exec rackup -p $PORT");
    assert_eq!(launch.members[1].argv, ["bash", "-c", "cd bin && ./config-server"]);
    assert_eq!(launch.profile.as_deref(), Some(dir.path().canonicalize().expect("it").as_path()));
}

/// The same with another name of the same file.
trait ReplaceName {
    fn replace_name(self) -> Vec<u8>;
}

impl ReplaceName for Vec<u8> {
    fn replace_name(self) -> Vec<u8> {
        let text = String::from_utf8(self).expect("UTF-8");
        text.replace(" manifest.yml", " ./manifest.yml").into_bytes()
    }
}

#[test]
fn a_manifest_is_found_named_or_read_from_standard_input() {
    let dir = with(&[("manifest.yml", MANIFEST), ("sub/other.yml", MANIFEST)]);
    for (arguments, input, first) in [
        (&["check"][..], "", "./manifest.yml: ok"),
        (&["check", "sub/other.yml"], "", "sub/other.yml: ok"),
        (&["check", "-f", "sub/other.yml"], "", "sub/other.yml: ok"),
        (&["check", "-"], MANIFEST, "standard input: ok"),
        (&["check", "--app", "shop"], "", "./manifest.yml: ok"),
    ] {
        let output = output_of(dir.path(), arguments, input);
        assert!(text(&output.stdout).starts_with(first), "{arguments:?}\n{}", shown(&output));
    }
    // A launch spec comes first, unless something that only a manifest can have is asked for.
    fs::write(dir.path().join("fateshare.yml"), "main: {command: 'true'}\n").expect("written");
    assert!(text(&output(dir.path(), &["check"]).stdout).starts_with("./fateshare.yml: ok"));
    let asked = output(dir.path(), &["check", "--process", "web"]);
    assert!(text(&asked.stdout).starts_with("./manifest.yml: ok"), "{}", shown(&asked));
}

#[test]
fn the_command_line_changes_a_manifest_too() {
    let dir = with(&[("manifest.yml", "applications: [{name: a}]")]);
    let arguments = ["check", "manifest.yml", "--sidecar", "cache=sleep 9", "--", "sleep", "a b"];
    let output = output(dir.path(), &arguments);
    let said = text(&output.stdout);
    assert!(said.contains("web    sleep 'a b'") && said.contains("cache  bash: sleep 9"), "{said}");
}

#[test]
fn what_staging_has_left_is_enough() {
    let launch_yml = "processes: [{type: web, command: sleep 1}]";
    let staging = r#"{"process_types": {"web": "sleep 2"}}"#;
    let dir = with(&[
        ("launch.yml", launch_yml),
        ("result.json", staging),
        ("staging_info.yml", r#"{"start_command": "sleep 3"}"#),
        ("Procfile", "web: sleep 4\n"),
    ]);
    for (arguments, command) in [
        (&["check", "launch.yml"][..], "bash: sleep 1"),
        (&["check", "--launch-yml", "launch.yml"], "bash: sleep 1"),
        (&["check", "result.json"], "bash: sleep 2"),
        (&["check", "--staging", "staging_info.yml"], "bash: sleep 3"),
        (&["check", "--procfile", "Procfile"], "bash: sleep 4"),
        (&["check", "Procfile"], "bash: sleep 4"),
        (&["check", "launch.yml", "--procfile", "Procfile"], "bash: sleep 4"),
    ] {
        let output = output(dir.path(), arguments);
        assert!(text(&output.stdout).contains(command), "{arguments:?}\n{}", shown(&output));
    }
}

/// Their values stand in what is run, not in what is shown.
#[test]
fn check_shows_variables_by_name() {
    let manifest = "applications:\n- name: a\n  command: exec ./x --token ((token)) prod\n  memory: 1G\n  \
                    health-check-type: http\n  health-check-http-endpoint: /((token))\n  sidecars: ((cars))\n";
    let vars = "token: \"s3cret 's\"\ncars: [{name: s, command: y s3cret, process_types: [web]}]\n";
    let dir =
        with(&[("manifest.yml", &manifest.replace("/((token))", "/((path))")), ("vars.yml", vars)]);
    let variables = ["--vars-file", "vars.yml", "--var", "path=s3cret"];
    let checked = output(dir.path(), &[&["check"][..], &variables].concat());
    let said = shown(&checked);
    assert!(!said.contains("s3cret"), "{said}");
    for part in ["bash: ./x --token ((token)) prod", "http 8080/((path))", "bash: ((cars))"] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    // What takes the place of a command has no variables.
    let replaced =
        output(dir.path(), &[&["check"][..], &variables, &["--", "sleep", "5"]].concat());
    assert!(text(&replaced.stdout).contains("sleep 5 "), "{}", shown(&replaced));
    let resolved = output(dir.path(), &[&["resolve"][..], &variables].concat());
    assert!(text(&resolved.stdout).contains("--token s3cret 's prod"), "{}", shown(&resolved));
}

/// What is wrong with it is told, not that it is something else.
#[test]
fn a_broken_manifest_is_a_manifest() {
    for (name, text_of, part) in [
        ("m.yml", "applications: [\"x", "unexpected end of stream"),
        ("m.yml", "applications: []\napplications: []", "is there twice"),
        ("m.yml", "aplications: []", "Cannot parse manifest"),
        ("m.yml", "- x", "must be a map"),
    ] {
        let dir = with(&[(name, text_of)]);
        for arguments in [&["resolve", name][..], &["check", name, "--app", "a"]] {
            let output = output(dir.path(), arguments);
            assert!(text(&output.stderr).contains(part), "{arguments:?}\n{}", shown(&output));
        }
    }
    let dir = with(&[("m.yml", "applications: [{name: a, command: x}]"), ("v.yml", "a: [")]);
    let output = output(dir.path(), &["check", "m.yml", "--vars-file", "v.yml"]);
    assert_eq!(text(&output.stderr).matches("fateshare: ").count(), 1, "{}", shown(&output));
}

#[test]
fn the_help_has_each_option_where_it_belongs() {
    let help = output(Path::new("/"), &["run", "--help"]);
    let (own, cloud_foundry) = text(&help.stdout).split_once("\nCloud Foundry:\n").expect("both");
    for option in ["--log-format", "--port", "--no-pty", "--grace-period"] {
        assert!(
            own.contains(option)
                && !cloud_foundry.split("\nEnvironment:").next().expect("it").contains(option),
            "{option}"
        );
    }
    assert!(cloud_foundry.contains("--vars-file"));
}

#[test]
fn profile_scripts_are_shown() {
    let dir = with(&[("manifest.yml", MANIFEST), (".profile", "")]);
    let checked = output(dir.path(), &["check"]);
    let said = text(&checked.stdout);
    assert!(said.contains("first, once for all members: the profile scripts of "), "{said}");
}

#[test]
fn what_cannot_be_read_of_a_folder_is_no_absence() {
    let dir = with(&[("manifest.yml", MANIFEST), ("deps/0/x", "")]);
    std::os::unix::fs::symlink("nowhere", dir.path().join("deps/0/launch.yml")).expect("a link");
    let checked = output(dir.path(), &["check", "--deps-dir", "deps"]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(
        text(&checked.stderr).contains("deps/0/launch.yml: there is no such file"),
        "{}",
        shown(&checked)
    );
}

#[test]
fn a_folder_of_dependencies_is_read_by_number() {
    let of = |command: &str| format!("processes: [{{type: web, command: {command}}}]");
    let dir = with(&[
        ("manifest.yml", "applications: [{name: a}]"),
        ("deps/2/launch.yml", &of("sleep 2")),
        ("deps/10/launch.yml", &of("sleep 10")),
        ("deps/9/something", ""),
        ("deps/x/launch.yml", "nonsense"),
    ]);
    let output = output(dir.path(), &["resolve", "--deps-dir", "deps"]);
    let spec = text(&output.stdout);
    assert!(spec.contains("command: \"sleep 10\""), "{}", shown(&output));
    assert!(spec.contains("# command from deps/10/launch.yml:1"), "{spec}");
    assert!(spec.contains(&format!("DEPS_DIR: {}", dir.path().join("deps").display())), "{spec}");
    let missing = self::output(dir.path(), &["check", "--deps-dir", "nowhere"]);
    assert!(text(&missing.stderr).contains("nowhere: cannot be read"), "{}", shown(&missing));
}

#[test]
fn what_is_too_long_is_said() {
    let (name, command) = ("n".repeat(256), "c".repeat(4_097));
    let manifest = format!(
        "applications:\n- name: a\n  command: {command}\n  sidecars:\n  - {{name: {name}, command: x, \
         process_types: [web]}}\n  - {{name: s, command: {command}, process_types: [{name}]}}\n"
    );
    let dir = with(&[("manifest.yml", &manifest)]);
    let output = output(dir.path(), &["check"]);
    let said = text(&output.stderr);
    for part in [
        "Process \"web\": Command must be between 1 and 4096 characters",
        "'a': Name is too long (maximum is 255 characters)",
        "'a': Command is too long (maximum is 4096 characters)",
        "'a': Process type is too long (maximum is 255 characters)",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
}

#[test]
fn values_of_variables_are_in_no_message() {
    let manifest = "applications:\n- name: a\n  command: x\n  memory: ((m))\n  timeout: ((m))\n  instances: \
                    ((l))\n  env: ((m))\n  sidecars: ((m))\n";
    for vars in
        ["m: s3cret\nl: [s3cret]\n", "m: s3cret: x\n", "- s3cret\n", "m: \"s3cret\nl: s3cret"]
    {
        let dir = with(&[("manifest.yml", manifest), ("vars.yml", vars)]);
        let output = output(dir.path(), &["check", "--vars-file", "vars.yml", "--var", "n=s3cret"]);
        assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
        assert!(!shown(&output).contains("s3cret"), "{}", shown(&output));
    }
    // A number may be a password too, and what stands beside a variable is a part of it.
    let manifest = "applications:\n- name: a\n  command: ((pin))\n  memory: ((pin))\n  ((word)): 1\n  env: \
                    {((word)): [1]}\n  sidecars: [{name: s, command: ((pin)), process_types: ((word)), ((word)): 1}]\n";
    let dir = with(&[("manifest.yml", manifest)]);
    let output = output(dir.path(), &["check", "--var", "pin=8675309", "--var", "word=s3cret"]);
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    assert!(!shown(&output).contains("8675309"), "{}", shown(&output));
    let manifest =
        "applications: [{name: a, processes: [{type: web, command: x, user: ((word))}]}]";
    let user = with(&[("manifest.yml", manifest)]);
    let output_of_user = self::output(user.path(), &["check", "--var", "word=s3 cr:et:"]);
    assert!(!shown(&output_of_user).contains("s3 cr"), "{}", shown(&output_of_user));
    assert!(!shown(&output).contains("s3cret"), "{}", shown(&output));
    // Two keys that are one.
    let twice = "applications: [{name: a, command: x, ((word)): 1, s3-cret: 1, disk_quota: 1G, ((quota)): 2G}]";
    let twice = with(&[("manifest.yml", twice)]);
    let vars = ["check", "--var", "word=s3_cret", "--var", "quota=disk-quota"];
    let output_of_twice = self::output(twice.path(), &vars);
    let seen = shown(&output_of_twice);
    assert!(seen.contains("`((...))` and `s3-cret` are the same key"), "{seen}");
    assert!(seen.contains("`disk_quota` and `((...))` must not both be there"), "{seen}");
    assert!(!seen.contains("s3_cret") && !seen.contains("disk-quota"), "{seen}");
    let dir = with(&[("manifest.yml", MANIFEST)]);
    let output = self::output(dir.path(), &["check", "--var", "s3cret"]);
    assert!(text(&output.stderr).contains("--var: there is no `=`"), "{}", shown(&output));
    assert!(!shown(&output).contains("s3cret"), "{}", shown(&output));
}

/// What the platform has no limit for, and a launch spec has.
#[test]
fn what_resolve_prints_is_always_a_spec() {
    let staging = r#"{"process_types": {"web": "x"}, "sidecars": [
        {"name": "s", "command": "y", "process_types": ["web"]},
        {"name": "s", "command": "z", "process_types": ["web"]}]}"#;
    let vars = format!("x: {}", "a".repeat(400_000));
    let dir = with(&[("staging.json", staging), ("vars.yml", &vars)]);
    let of = |rest: &str| format!("applications: [{{name: a, command: x, {rest}}}]");
    for (manifest, options, part) in [
        (of("memory: 99999999999T"), &[][..], "Memory is too large"),
        (
            of("health-check-interval: 100000000"),
            &[],
            "Health check interval must be less than or equal to 86400",
        ),
        (of("env: {((k)): 1, X: 2}"), &["--var", "k=X"], "this key is there twice"),
        (of("env: {}"), &["--staging", "staging.json"], "the sidecar `s` is there twice"),
        (
            of("env: {A: ((x)), B: ((x)), C: ((x))}"),
            &["--vars-file", "vars.yml"],
            "larger than 1 MiB",
        ),
    ] {
        fs::write(dir.path().join("manifest.yml"), &manifest).expect("written");
        let output = output(dir.path(), &[&["resolve"], options].concat());
        assert_eq!(output.status.code(), Some(125), "{manifest}");
        let said: String = text(&output.stderr).chars().take(999).collect();
        assert!(said.contains(part), "{manifest}: {said}");
    }
}

#[test]
fn options_that_do_not_fit_are_errors() {
    let dir = with(&[("fateshare.yml", "main: {command: sleep}"), ("manifest.yml", MANIFEST)]);
    for (arguments, code, part) in [
        (&["check", "fateshare.yml", "--app", "a"][..], 1, "is a launch spec: --app"),
        (&["resolve", "fateshare.yml"], 125, "is a launch spec: there is nothing to resolve"),
        (&["check", "--app", "shp"], 1, "there is no app `shp`\n  did you mean `shop`?"),
        (&["check", "--process", "worker"], 1, "no start command"),
        (&["check", "--procfile", "nowhere"], 1, "nowhere: there is no such file"),
        (&["resolve", "nowhere"], 125, "nowhere: there is no such file"),
        (&["resolve", "--process", ""], 125, "--process"),
        (&["resolve", "a", "-f", "b"], 125, "cannot be used with"),
        (&["run", "--port", "70000"], 125, "--port"),
    ] {
        let output = output(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{}", shown(&output));
        assert!(text(&output.stderr).contains(part), "{arguments:?}\n{}", shown(&output));
    }
    let empty = with(&[]);
    let output = output(empty.path(), &["resolve"]);
    assert!(text(&output.stderr).contains("no manifest found"), "{}", shown(&output));
}

#[test]
fn a_warning_goes_to_standard_error_and_is_an_error_if_it_shall_be() {
    let manifest = MANIFEST.replace("  memory: 256M\n", "  memory: 256M\n  foo: 1\n");
    let dir = with(&[("manifest.yml", &manifest)]);
    let usual = output(dir.path(), &["resolve"]);
    assert_eq!(usual.status.code(), Some(0));
    assert!(
        text(&usual.stderr)
            .starts_with("fateshare: warning: ./manifest.yml:5:3: unknown key `foo`")
    );
    let strict = output(dir.path(), &["resolve", "--strict"]);
    assert_eq!((strict.status.code(), text(&strict.stdout)), (Some(125), ""));
}
