//! Profile scripts: once per group, before all members, whose environment is theirs.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::{Argv, Group, LIMIT, Mode, Shell, in_both_modes, poll};

in_both_modes![
    scripts_run_once_and_what_they_export_is_every_members,
    the_order_is_the_launchers,
    a_script_that_fails_stops_nothing,
    exit_in_a_script_is_the_runs_end,
    a_stop_request_wins,
    a_script_that_ignores_the_stop_is_killed,
    a_script_that_is_killed_loses_its_changes,
    without_bash_members_start_all_the_same,
    whatever_a_script_does_to_its_shell_its_exports_count,
    a_bash_that_cannot_list_its_exports_loses_them,
    what_is_traced_shows_no_secret,
    scripts_are_told_to_stop_once,
    a_script_may_make_another_one,
    a_script_that_takes_our_descriptor_loses_its_changes,
    what_is_no_text_stays_as_it_was,
    what_is_made_of_mains_memory_is_warned_of,
    without_a_file_in_memory_members_start_all_the_same,
    what_a_script_leaves_behind_is_swept,
    a_path_that_a_script_sets_finds_programs,
    output_of_scripts_is_mains,
];

fn group(mode: Mode) -> Group {
    Group::new(mode)
        .main("web", Shell("echo web=$FROM; until [ -e done ]; do sleep 0.01; done; exit 3"))
        .sidecar("config-server", Shell("echo sidecar=$FROM; touch done; exec sleep 60"))
        .top("profile: .")
}

fn scripts_run_once_and_what_they_export_is_every_members(mode: Mode) {
    let ended = group(mode)
        .file(".profile", "echo x >> ran; export FROM='a b'; unset GIVEN; local=x\n")
        .env("GIVEN", "x")
        .env("KEPT", "y")
        .main("web", Shell("echo web=$FROM ${GIVEN-gone} $KEPT ${local-none} ${_fateshare-none}; until [ -e done ]; do sleep 0.01; done; cat ran; exit 3"))
        .start()
        .end();
    ended.code(3);
    for line in ["web=a b gone y none none", "sidecar=a b"] {
        assert!(ended.stdout.lines().any(|it| it == line), "{line}\n{ended}");
    }
    assert_eq!(ended.stdout.lines().filter(|line| *line == "x").count(), 1, "{ended}");
}

fn the_order_is_the_launchers(mode: Mode) {
    let group = group(mode).file(".profile", "FROM=$FROM:profile; export FROM\n");
    let app = group.dir().join("app");
    for (dir, name) in [("profile.d", "z"), ("app/.profile.d", "b"), ("app/.profile.d", "a")] {
        fs::create_dir_all(group.dir().join(dir)).expect("a directory");
        let script = format!("export FROM=$FROM:{name}\n");
        fs::write(group.dir().join(dir).join(format!("{name}.sh")), script).expect("a script");
    }
    fs::write(app.join(".profile"), "export FROM=$FROM:profile\n").expect("a script");
    let spec = "main: {command: 'echo $FROM; pwd; exit 3', working_dir: app}\nprofile: app\n";
    let ended = group.file("spec.yml", spec).bare(&["run", "spec.yml"]).start().end();
    ended.code(3);
    assert_eq!(ended.stdout.lines().next(), Some(":z:a:b:profile"), "{ended}");
    assert!(ended.stdout.trim_end().ends_with("/app"), "{ended}");
}

fn a_script_that_fails_stops_nothing(mode: Mode) {
    let ended =
        group(mode).file(".profile", "false\nno-such-program\nexport FROM=x\n").start().end();
    ended.code(3);
    assert!(ended.stdout.contains("web=x"), "{ended}");
}

fn exit_in_a_script_is_the_runs_end(mode: Mode) {
    let ended = group(mode).file(".profile", "exit 7\n").start().end();
    ended.code(7).says(&["profile"]);
    assert_eq!(ended.stdout, "", "no member was started\n{ended}");
}

fn a_stop_request_wins(mode: Mode) {
    let mut group = group(mode).file(".profile", "touch began; exec sleep 60\n").start();
    let began = group.dir().join("began");
    poll(LIMIT, || began.exists().then_some(())).expect("the script runs");
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(143);
    assert_eq!(ended.stdout, "", "no member was started\n{ended}");
}

fn a_script_that_ignores_the_stop_is_killed(mode: Mode) {
    let script = "trap '' TERM; touch began; while :; do sleep 1; done\n";
    let mut group = group(mode).file(".profile", script).top("grace_period: 300ms").start();
    let began = group.dir().join("began");
    poll(LIMIT, || began.exists().then_some(())).expect("the script runs");
    group.signal(Signal::SIGTERM);
    group.end().code(143).says(&["did not stop within 300ms", "SIGKILL"]);
}

/// The launcher's order, also of what is made meanwhile; and fewer descriptors than usual.
fn a_script_may_make_another_one(mode: Mode) {
    let group = Group::new(mode).after_script("ulimit -n 64; exec \"$@\"");
    for dir in ["profile.d", "app/.profile.d"] {
        fs::create_dir_all(group.dir().join(dir)).expect("a directory");
    }
    let script = "echo 'export FROM=made' > .profile.d/made.sh\n";
    let spec = "main: {command: 'echo $FROM; exit 3', working_dir: app}\nprofile: app\n";
    let group = group.file("profile.d/first.sh", script).file("spec.yml", spec);
    let ended = group.bare(&["run", "spec.yml"]).start().end();
    ended.code(3);
    assert_eq!(ended.stdout, "made\n", "{ended}");
}

fn a_script_that_is_killed_loses_its_changes(mode: Mode) {
    let ended = group(mode).file(".profile", "export FROM=x; kill -KILL $$\n").start().end();
    ended.code(3).says(&["the profile scripts were ended by SIGKILL"]);
    assert!(ended.stdout.lines().any(|line| line == "web="), "{ended}");
}

fn without_bash_members_start_all_the_same(mode: Mode) {
    let group = group(mode).file(".profile", "export FROM=x\n");
    let empty = group.dir().join("empty");
    fs::create_dir(&empty).expect("a directory");
    let alone = Group::new(mode).main("web", Argv(&["/bin/sh", "-c", "exit 3"])).top("profile: .");
    let ended = alone
        .file(".profile", "export FROM=x\n")
        .env("PATH", empty.to_str().expect("UTF-8"))
        .start()
        .end();
    ended.code(3).says(&["the profile scripts could not be run: program bash: not found"]);
}

/// What scripts may change of the shell that sources them.
fn whatever_a_script_does_to_its_shell_its_exports_count(mode: Mode) {
    for script in [
        "set -a; FROM=x; BAZ=1\n",
        "IFS=x; readonly IFS; export FROM=x\n",
        "set -o posix; readonly IFS; export FROM=x\n",
        "set -euo pipefail; export FROM=x\n",
        "cd /; exec 1>&2 2>&1; export FROM=x\n",
        "exec 10>log; echo log >&10; exec 10>&-; export FROM=x\n",
        "trap 'echo DBG' DEBUG; trap 'echo bye' EXIT; export FROM=x\n",
        "printf() { :; }; read() { :; }; export FROM=x\n",
        "export FROM=x; export NEWLINES=$'a\\nb=c\\n'; export BYTES=$'\\xff'\n",
    ] {
        let group = group(mode).file(".profile", script);
        let main = Shell("echo web=$FROM; env | grep -c '^IFS=\\|^_fateshare'; exit 3");
        let ended = group.main("web", main).start().end();
        for line in ["web=x", "0"] {
            assert!(ended.stdout.lines().any(|it| it == line), "{script}{ended}");
        }
    }
}

/// The shell and what it has started are one process group, and no walk tells them again.
fn scripts_are_told_to_stop_once(mode: Mode) {
    let script = "trap 'echo TERM >> terms; left=10' TERM; left=-1; touch began\n\
                  while [ $left != 0 ]; do sleep 0.05; left=$((left - 1)); done\n";
    let debug = group(mode).env("FATESHARE_LOG", "debug");
    let mut group = debug.file(".profile", script).start();
    let began = group.dir().join("began");
    poll(LIMIT, || began.exists().then_some(())).expect("the script runs");
    group.signal(Signal::SIGTERM);
    let terms = group.dir().join("terms");
    let mut told = String::new();
    group.until("the scripts are over", |group| {
        told = fs::read_to_string(&terms).unwrap_or_default();
        group.processes().is_empty().then_some(())
    });
    // Strays that are told have a line each.
    group.end().code(143).silent_about("sent SIGTERM to bash");
    assert_eq!(told, "TERM\n");
}

/// What the shell is told to show must not show the environment.
fn what_is_traced_shows_no_secret(mode: Mode) {
    let ended = group(mode)
        .file(".profile", "set -xv; export FROM=x\n")
        .env("PASSWORD", "s3cret")
        .start()
        .end();
    ended.code(3).silent_about("s3cret");
    assert!(ended.stdout.contains("web=x") && !ended.stdout.contains("s3cret"), "{ended}");
}

fn a_script_that_takes_our_descriptor_loses_its_changes(mode: Mode) {
    for (script, why) in [
        ("exec 213>&-; export FROM=x\n", "one has closed file descriptor 213"),
        ("echo log >&213; export FROM=x\n", "one has written to file descriptor 213"),
    ] {
        let ended = group(mode).file(".profile", script).start().end();
        ended.code(3).says(&["what they have set is lost", why]);
        assert!(ended.stdout.lines().any(|line| line == "web="), "{ended}");
    }
}

fn what_is_no_text_stays_as_it_was(mode: Mode) {
    let script = "export FROM=$'caf\\xe9' OTHER=x\n";
    let ended = group(mode).file(".profile", script).env("FROM", "before").start().end();
    ended.code(3).says(&["a profile script has set FROM to what is not UTF-8"]);
    assert!(ended.stdout.contains("web=before"), "{ended}");
}

fn a_bash_that_cannot_list_its_exports_loses_them(mode: Mode) {
    let script = "enable -n compgen; export FROM=x\n";
    let ended = group(mode).file(".profile", script).start().end();
    ended.code(3).says(&["what they have set is lost: this bash has no `compgen`"]);
    assert!(ended.stdout.lines().any(|line| line == "web="), "{ended}");
}

fn what_is_made_of_mains_memory_is_warned_of(mode: Mode) {
    let spec = "main: {command: 'sleep 0.1; exit 3', memory: 768M}\nsidecars: [{name: s, command: \
                'sleep 60', memory: 256M}]\nplatform: cloudfoundry\nprofile: .\n";
    let group = Group::new(mode).file("spec.yml", spec);
    let group = group.file(".profile", "export OPTS=-Xmx$MEMORY_LIMIT OTHER=x\n");
    let ended = group.bare(&["run", "spec.yml"]).start().end();
    ended.code(3).says(&["has made OPTS of MEMORY_LIMIT", "their share is another"]);
    ended.silent_about("OTHER");
}

fn without_a_file_in_memory_members_start_all_the_same(mode: Mode) {
    let ended = group(mode)
        .file(".profile", "export FROM=x\n")
        .env("FATESHARE_FAIL", "memfd_create:38")
        .start()
        .end();
    ended.code(3).says(&["the profile scripts could not be run: a file in memory"]);
}

fn what_a_script_leaves_behind_is_swept(mode: Mode) {
    let script = "sleep 61 & export FROM=$!\n";
    let ended = group(mode).file(".profile", script).start().end();
    ended.code(3);
}

fn a_path_that_a_script_sets_finds_programs(mode: Mode) {
    let group = Group::new(mode).main("web", Argv(&["my-program"])).top("profile: .");
    let bin = group.dir().join("bin");
    fs::create_dir(&bin).expect("a directory");
    fs::write(bin.join("my-program"), "#!/bin/sh\nexit 4\n").expect("a program");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(bin.join("my-program"), mode).expect("its mode");
    let ended = group.file(".profile", "export PATH=$PATH:$PWD/bin\n").start().end();
    ended.code(4);
}

fn output_of_scripts_is_mains(mode: Mode) {
    let ended = group(mode)
        .file(".profile", "echo from the script; export FROM=x\n")
        .arguments(&["--log-format", "text"])
        .start()
        .end();
    ended.code(3);
    assert!(ended.stdout.contains("web           | from the script\n"), "{ended}");
}
