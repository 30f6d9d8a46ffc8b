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
    group.end().code(143);
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
    // `sleep` and `touch` are found by their whole paths.
    let ended = group
        .main("web", Argv(&["/bin/sh", "-c", "exit 3"]))
        .env("PATH", empty.to_str().expect("UTF-8"))
        .start()
        .end();
    ended.says(&["the profile scripts could not be run: program bash: not found"]);
    assert!(ended.code.is_some_and(|code| code == 3 || code == 127), "{ended}");
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
