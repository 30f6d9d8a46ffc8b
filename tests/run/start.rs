//! What cannot be started: the code, the member, the step that failed, and nobody left.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Argv, Group, Mode, Shell, in_both_modes};

in_both_modes![
    a_command_not_found_is_127,
    a_command_not_found_in_path_is_127,
    a_command_not_executable_is_126,
    a_missing_interpreter_is_named,
    a_start_that_fails_in_the_middle_stops_the_others,
    a_missing_directory_is_named,
    a_directory_is_not_executable,
    a_command_that_the_shell_does_not_find_is_mains_own_127,
    nothing_starts_when_the_spec_is_wrong,
    a_lack_of_descriptors_starts_nothing,
];

const MISSING: &[&str] = &["/no/such/program", "--port", "8082"];

fn a_command_not_found_is_127(mode: Mode) {
    for main_is_missing in [true, false] {
        let group = Group::new(mode);
        let group = if main_is_missing {
            group.main("bad", Argv(MISSING)).sidecar("good", "exit-on=TERM:0 wait")
        } else {
            group.main("good", "exit-on=TERM:0 wait").sidecar("bad", Argv(MISSING))
        };
        let ended = group.start().end();
        ended.code(127).says(&["fateshare: ", "bad", "/no/such/program"]).says(&["exit 127"]);
        // Whoever had started was stopped, not killed.
        ended.silent_about("did not stop");
    }
}

fn a_command_not_found_in_path_is_127(mode: Mode) {
    let ended = Group::new(mode).main("web", Argv(&["no-such-program-here"])).start().end();
    ended.code(127).says(&["fateshare: ", "web", "no-such-program-here"]);
}

fn a_command_not_executable_is_126(mode: Mode) {
    for main_is_bad in [true, false] {
        let group = Group::new(mode).file("plain-file", "#!/bin/sh\nexit 0\n");
        let program = group.dir().join("plain-file").display().to_string();
        let bad = [program.as_str()];
        let group = if main_is_bad {
            group.main("bad", Argv(&bad)).sidecar("good", "exit-on=TERM:0 wait")
        } else {
            group.main("good", "exit-on=TERM:0 wait").sidecar("bad", Argv(&bad))
        };
        let ended = group.start().end();
        ended.code(126).says(&["fateshare: ", "bad", "plain-file"]).says(&["exit 126"]);
    }
}

fn a_missing_interpreter_is_named(mode: Mode) {
    let group = Group::new(mode).file("script", "#!/no/such/interpreter\n");
    let script = group.dir().join("script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("its mode");
    let script = script.display().to_string();
    let ended = group.main("web", Argv(&[script.as_str()])).start().end();
    // It is there and cannot be executed, as bash sees it too.
    ended.says(&["fateshare: ", "web", "/no/such/interpreter"]).code(126);
}

fn a_start_that_fails_in_the_middle_stops_the_others(mode: Mode) {
    // The file is there, so only `execve` can tell: main runs by then, the last one never does.
    let group = Group::new(mode).file("script", "#!/no/such/interpreter\n");
    let script = group.dir().join("script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("its mode");
    let script = script.display().to_string();
    let ended = group
        .main("web", Argv(&["/bin/sleep", "1000"]))
        .sidecar("config-server", Argv(&[script.as_str()]))
        .sidecar("log-shipper", "exit-on=TERM:0 wait")
        .env("FATESHARE_LOG", "info")
        .start()
        .end();
    ended.code(126).logged("log-shipper: started", 0).verdict(&[
        "config-server could not be started: ",
        "/no/such/interpreter",
        "; stopping web; log-shipper was not started",
    ]);
    ended.says(&["web (pid ", ") was killed by SIGTERM"]);
}

fn a_missing_directory_is_named(mode: Mode) {
    let ended = Group::new(mode)
        .main("web", "exit-on=TERM:0 wait")
        .sidecar("config-server", Argv(&["/bin/true"]))
        .key("working_dir: /no/such/directory")
        .start()
        .end();
    ended.code(125).says(&["fateshare: ", "config-server", "/no/such/directory"]);
}

fn a_directory_is_not_executable(mode: Mode) {
    let ended = Group::new(mode).main("web", Argv(&["/usr/bin/"])).start().end();
    ended.code(126).says(&["fateshare: ", "web", "/usr/bin"]);
}

fn a_command_that_the_shell_does_not_find_is_mains_own_127(mode: Mode) {
    let ended = Group::new(mode)
        .main("web", Shell("no-such-program-here --port 8080"))
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .start()
        .end();
    ended.code(127).verdict(&["web (pid ", ") exited with 127"]);
}

fn nothing_starts_when_the_spec_is_wrong(mode: Mode) {
    let ended = Group::new(mode)
        .main("web", "exit=0")
        .sidecar("config-server", "exit=0")
        .key("comand: typo")
        .start()
        .end();
    ended.code(125).says(&["fateshare: ", "group.yml:", "comand"]);
    assert_eq!(ended.log, "", "{ended}");
}

fn a_lack_of_descriptors_starts_nothing(mode: Mode) {
    // How many it needs is its own affair; from some number on it runs.
    let mut refused = 0;
    for limit in 4..14 {
        let group = Group::new(mode)
            .main("web", "exit=3")
            .after_script(&format!("ulimit -n {limit}; exec \"$@\""))
            .start();
        let ended = group.end();
        if ended.code == Some(125) {
            refused += 1;
            ended.logged("web: started", 0);
        } else {
            ended.code(3).verdict(&["web (pid ", "exited with 3"]);
        }
    }
    assert!(refused > 0, "some limit must have been too low");
}
