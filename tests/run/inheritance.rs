//! What a member gets from `fateshare`, and what it does not get.

use std::fs::File;

use nix::sys::signal::Signal;

use crate::support::{Argv, Ended, Group, Mode, Shell, in_both_modes, proc};

in_both_modes![
    members_have_an_empty_mask_and_default_dispositions,
    inherited_dispositions_lose_no_end_and_no_stop,
    descriptors_from_3_up_are_not_inherited,
    each_member_leads_a_process_group,
    main_inherits_stdin_and_sidecars_have_none,
    the_variables_of_fateshare_stay_with_it,
    the_environment_is_the_containers_then_the_groups_then_the_members,
    memory_is_told,
    a_relative_directory_counts_from_the_spec,
    a_relative_program_is_found_after_the_change_of_directory,
    without_path_the_usual_directories_are_searched,
    arguments_are_passed_as_they_are,
    a_name_may_hold_spaces,
    limits_and_umask_are_left_alone,
];

/// The value of one line of `/proc/PID/status`.
fn status_line<'a>(ended: &'a Ended, key: &str) -> &'a str {
    let line = ended.stdout.lines().find_map(|line| line.strip_prefix(key));
    line.unwrap_or_else(|| panic!("no {key}\n{ended}")).trim()
}

fn members_have_an_empty_mask_and_default_dispositions(mode: Mode) {
    let groups = [
        Group::new(mode),
        Group::new(mode).after_script("trap '' HUP INT QUIT PIPE TERM USR1 CHLD TTOU; exec \"$@\""),
        Group::new(mode).after_words("block=HUP,INT,QUIT,PIPE,TERM,USR2,CHLD,CONT,WINCH"),
        Group::new(mode)
            .after_script("trap '' HUP PIPE TERM CHLD; exec \"$@\"")
            .after_words("block=HUP,TERM,CHLD"),
    ];
    for group in groups {
        // `cat` changes nothing about signals, unlike a program in Rust.
        let ended = group.main("web", Argv(&["/bin/cat", "/proc/self/status"])).start().end();
        ended.code(0);
        for key in ["SigBlk:", "SigIgn:", "SigCgt:", "SigPnd:", "ShdPnd:"] {
            let mask = u64::from_str_radix(status_line(&ended, key), 16).expect("a mask");
            // 32 and 33 are the C library's own: its `posix_spawn` ignores them in a child, and
            // its `sigaction` does not let them be reset.
            assert_eq!(mask & !(0b11 << 31), 0, "{key}\n{ended}");
        }
    }
}

fn inherited_dispositions_lose_no_end_and_no_stop(mode: Mode) {
    let hostile = || {
        Group::new(mode)
            .after_script("trap '' HUP INT PIPE TERM CHLD; exec \"$@\"")
            .after_words("block=HUP,INT,PIPE,TERM,CHLD")
    };
    let ended = hostile().main("web", "exit-on=TERM:0 wait").sidecar("it", "exit=7").start().end();
    ended.code(7).verdict(&["it (pid ", ") exited with 7"]);
    let mut group = hostile().main("web", "exit-on=TERM:0 wait").start();
    group.wait_started(&["web"]);
    group.signal(Signal::SIGTERM);
    group.end().code(0).logged("web: got SIGTERM", 1);
}

fn descriptors_from_3_up_are_not_inherited(mode: Mode) {
    let ended = Group::new(mode)
        .after_script("exec 3</etc/passwd 5>&1 7</dev/null 9>/dev/null; exec \"$@\"")
        .main("web", Argv(&["/bin/ls", "/proc/self/fd"]))
        .start()
        .end();
    // 3 is the directory that `ls` reads.
    ended.code(0);
    assert_eq!(ended.stdout, "0\n1\n2\n3\n", "{ended}");
}

fn each_member_leads_a_process_group(mode: Mode) {
    let mut group = Group::new(mode).main("web", "wait").sidecar("config-server", "wait").start();
    group.wait_started(&["web", "config-server"]);
    let fateshare = group.fateshare();
    for name in ["web", "config-server"] {
        let pid = group.pid(name);
        let stat = proc::stat(pid).expect("it runs");
        assert_eq!(stat.group, pid, "{name} leads its group");
        assert_eq!(stat.parent, fateshare, "{name} is a child of fateshare");
        assert_ne!(stat.session, pid, "{name} stays in the session");
    }
    group.signal(Signal::SIGTERM);
    group.end().code(143);
}

fn main_inherits_stdin_and_sidecars_have_none(mode: Mode) {
    let group = Group::new(mode).file("input", "for main\n");
    let input = File::open(group.dir().join("input")).expect("the input");
    let ended = group
        .stdin(input)
        .main("web", Shell("cat > from-main; until [ -s from-sidecar ]; do sleep 0.01; done"))
        .sidecar("it", Shell("readlink /proc/self/fd/0; cat > got; echo done > from-sidecar; wait"))
        .key("may_finish: true")
        .sidecar(
            "last",
            Shell(
                "until [ -s from-sidecar ] && [ -s from-main ]; do sleep 0.01; done; cat from-main",
            ),
        )
        .key("may_finish: true")
        .start()
        .end();
    ended.code(0);
    assert!(ended.stdout.contains("/dev/null\n"), "{ended}");
}

fn the_variables_of_fateshare_stay_with_it(mode: Mode) {
    let mut group = Group::new(mode).main("web", Argv(&["/usr/bin/env"]));
    let socket = group.dir().join("group.sock").to_str().expect("a path in UTF-8").to_owned();
    for (name, value) in [
        ("FATESHARE_SPEC", "/no/such/spec"),
        ("FATESHARE_LOG", "info"),
        ("FATESHARE_LOG_FORMAT", "raw"),
        ("FATESHARE_GRACE_PERIOD", "3s"),
        ("FATESHARE_LISTEN", "127.0.0.1:0"),
        ("FATESHARE_REPORT", "report.json"),
        ("FATESHARE_TERMINATION_LOG", "termination"),
        ("FATESHARE_SOCKET", socket.as_str()),
        ("OTHER", "kept"),
    ] {
        group = group.env(name, value);
    }
    let ended = group.start().end();
    ended.code(0);
    let ours: Vec<&str> =
        ended.stdout.lines().filter(|line| line.starts_with("FATESHARE_")).collect();
    assert_eq!(ours, [format!("FATESHARE_SOCKET={socket}")], "{ended}");
    assert!(ended.stdout.lines().any(|line| line == "OTHER=kept"), "{ended}");
}

fn the_environment_is_the_containers_then_the_groups_then_the_members(mode: Mode) {
    let ended = Group::new(mode)
        .env("FROM", "container")
        .env("A", "container")
        .env("B", "container")
        .env("GONE", "container")
        .main("web", Argv(&["/usr/bin/env"]))
        .key("env: {B: member, NUMBER: 8082, FLAG: true, GONE: null, EMPTY: \"\"}")
        .top("env: {A: group, B: group, GROUP: yes-it-is}")
        .start()
        .end();
    ended.code(0);
    let has = |line: &str| ended.stdout.lines().any(|found| found == line);
    for line in ["FROM=container", "A=group", "B=member", "GROUP=yes-it-is", "NUMBER=8082"] {
        assert!(has(line), "{line}\n{ended}");
    }
    assert!(has("FLAG=true") && has("EMPTY="), "{ended}");
    assert!(!ended.stdout.contains("GONE"), "{ended}");
}

fn memory_is_told(mode: Mode) {
    let ended =
        Group::new(mode).main("web", Argv(&["/usr/bin/env"])).key("memory: 512M").start().end();
    assert!(ended.stdout.lines().any(|line| line == "MEMORY_LIMIT=512m"), "{ended}");
}

fn a_relative_directory_counts_from_the_spec(mode: Mode) {
    let group = Group::new(mode);
    std::fs::create_dir_all(group.dir().join("deploy/app")).expect("a directory");
    let spec = "main: {command: [/bin/pwd, -P], working_dir: app}\n";
    let group = group.file("deploy/it.yml", spec);
    let expected = group.dir().canonicalize().expect("a path").join("deploy/app");
    let ended = group.bare(&["run", "deploy/it.yml"]).start().end();
    ended.code(0);
    assert_eq!(ended.stdout, format!("{}\n", expected.display()), "{ended}");
}

fn a_relative_program_is_found_after_the_change_of_directory(mode: Mode) {
    let group = Group::new(mode);
    std::fs::create_dir(group.dir().join("app")).expect("a directory");
    std::os::unix::fs::symlink("/bin/echo", group.dir().join("app/program")).expect("a link");
    let ended =
        group.main("web", Argv(&["./program", "found"])).key("working_dir: app").start().end();
    ended.code(0);
    assert_eq!(ended.stdout, "found\n", "{ended}");
}

fn without_path_the_usual_directories_are_searched(mode: Mode) {
    for program in [Argv(&["echo", "found"]), Shell("echo found"), Shell("/bin/echo found")] {
        let ended = Group::new(mode).without_env("PATH").main("web", program).start().end();
        ended.code(0);
        assert_eq!(ended.stdout, "found\n", "{ended}");
    }
}

fn arguments_are_passed_as_they_are(mode: Mode) {
    let list = Argv(&["/usr/bin/printf", "<%s>", "$HOME", "a b", "*", "", "; exit 3", "'\"' ' "]);
    let ended = Group::new(mode).main("web", list).start().end();
    ended.code(0);
    assert_eq!(ended.stdout, "<$HOME><a b><*><><; exit 3><'\"' ' >", "{ended}");
    let text = Shell("printf '<%s>' \"$WORD\" 'a  b' $((1 + 2))");
    let ended = Group::new(mode).env("WORD", "x y").main("web", text).start().end();
    assert_eq!(ended.stdout, "<x y><a  b><3>", "{ended}");
}

fn a_name_may_hold_spaces(mode: Mode) {
    let ended = Group::new(mode)
        .main("web", "exit-on=TERM:0 wait")
        .sidecar("performance monitor", "exit=5")
        .start()
        .end();
    ended.code(5).verdict(&["performance monitor (pid ", ") exited with 5", "stopping web"]);
}

fn limits_and_umask_are_left_alone(mode: Mode) {
    let ended = Group::new(mode)
        .after_script("ulimit -Sn 77; ulimit -c 0; umask 027; exec \"$@\"")
        .main("web", Argv(&["/bin/sh", "-c", "ulimit -Sn; ulimit -c; umask"]))
        .start()
        .end();
    assert_eq!(ended.stdout, "77\n0\n0027\n", "{ended}");
}
