//! Descriptors: members get none of ours, but for those that a service manager passed for main.

use std::fs;

use crate::support::host::can_make_calls_fail;
use crate::support::{Argv, Ended, Group, Mode, Shell, in_both_modes};

in_both_modes![
    descriptors_are_not_inherited_where_calls_are_missing,
    passed_descriptors_go_to_main,
    passed_descriptors_go_to_a_program_that_a_shell_becomes,
    passed_descriptors_go_to_a_shell_that_stays,
    what_is_passed_to_somebody_else_is_not_passed_on,
    what_a_service_manager_says_is_not_for_sidecars,
    a_watchdogs_number_is_mains,
    our_own_limit_is_raised_and_members_keep_theirs,
];

fn descriptors_are_not_inherited_where_calls_are_missing(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    for rules in [
        "close_range:38",
        "close_range:1",
        "close_range:22",
        "close_range:38,read_dir:2",
        "close_range:38,clone:1",
        "close_range:1,read_dir:13,clone:38",
    ] {
        let ended = Group::new(mode)
            .after_script("exec 3</etc/passwd 5>&1 7</dev/null 9>/dev/null; exec \"$@\"")
            .failing(rules)
            .main("web", Argv(&["/bin/ls", "/proc/self/fd"]))
            .start()
            .end();
        ended.code(0);
        // 3 is the directory that `ls` reads.
        assert_eq!(ended.stdout, "0\n1\n2\n3\n", "{rules}\n{ended}");
        for rule in rules.split(',') {
            let (name, _) = rule.split_once(':').expect("a name");
            assert!(ended.failed.lines().any(|line| line == name), "{rule} was of use\n{ended}");
        }
    }
}

/// A group whose `fateshare` gets descriptors 3, 4 and 5, of which two are said to be for it.
fn activated(mode: Mode) -> Group {
    Group::new(mode).file("one", "first\n").file("two", "second\n").after_script(
        "exec env LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=a:b NOTIFY_SOCKET=/run/notify \
         WATCHDOG_PID=$$ WATCHDOG_USEC=5000000 \"$@\" 3<one 4<two 5</dev/null",
    )
}

/// What main says of what it got: first the numbers, then the open descriptors with their content.
const PROBE: &str = "echo $LISTEN_PID $WATCHDOG_PID $LISTEN_FDS $LISTEN_FDNAMES $NOTIFY_SOCKET $$\n\
                     for number in 3 4 5; do\n\
                     [ -e /proc/self/fd/$number ] && echo $number $(cat <&$number)\n\
                     done; :\n";

/// The two numbers that main was told are its own.
#[track_caller]
fn was_activated(ended: &Ended) {
    ended.code(0);
    let (told, open) = ended.stdout.split_once('\n').expect("lines");
    let words: Vec<&str> = told.split(' ').collect();
    let own = words[5];
    assert_eq!(words, [own, own, "2", "a:b", "/run/notify", own], "{ended}");
    assert_eq!(open, "3 first\n4 second\n", "{ended}");
}

fn passed_descriptors_go_to_main(mode: Mode) {
    was_activated(&activated(mode).main("web", Argv(&["/bin/sh", "-c", PROBE])).start().end());
    // The child that has a copy of our memory writes its number into that.
    if can_make_calls_fail() {
        let group = activated(mode).failing("clone:1,close_range:38");
        was_activated(&group.main("web", Argv(&["/bin/sh", "-c", PROBE])).start().end());
    }
}

fn passed_descriptors_go_to_a_program_that_a_shell_becomes(mode: Mode) {
    // A script has one more descriptor open while it is read, so no probe is a file.
    let ended = activated(mode)
        .env("PROBE", PROBE)
        .main("web", Shell("/bin/sh -c \"eval \\\"\\$PROBE\\\"\""))
        .start()
        .end();
    was_activated(&ended);
    ended.verdict(&["web (pid ", ended.stdout.split(' ').next().expect("a number"), ") exited"]);
}

fn passed_descriptors_go_to_a_shell_that_stays(mode: Mode) {
    let ended =
        activated(mode).env("PROBE", PROBE).main("web", Shell("eval \"$PROBE\"; :")).start().end();
    was_activated(&ended);
}

fn what_is_passed_to_somebody_else_is_not_passed_on(mode: Mode) {
    for (pid, count) in [("4194304", "2"), ("x", "2"), ("$$", "0"), ("$$", "-1"), ("$$", "x")] {
        let script =
            format!("exec env LISTEN_PID={pid} LISTEN_FDS={count} \"$@\" 3</dev/null 4</dev/null");
        let ended = Group::new(mode)
            .after_script(&script)
            .main("web", Argv(&["/bin/sh", "-c", "echo $LISTEN_FDS; ls /proc/$$/fd"]))
            .start()
            .end();
        ended.code(0);
        assert_eq!(ended.stdout, format!("{count}\n0\n1\n2\n"), "{pid} {count}\n{ended}");
    }
}

fn what_a_service_manager_says_is_not_for_sidecars(mode: Mode) {
    let sidecar = "env | grep -E 'LISTEN|NOTIFY|WATCHDOG'; ls /proc/$$/fd; : > done";
    let ended = activated(mode)
        .main("web", "until=done exit=0")
        .sidecar("it", Argv(&["/bin/sh", "-c", sidecar]))
        .key("may_finish: true")
        .start()
        .end();
    ended.code(0);
    assert_eq!(ended.stdout, "0\n1\n2\n", "{ended}");
}

fn a_watchdogs_number_is_mains(mode: Mode) {
    // Each without the other, and somebody else's stays what it is.
    for (told, expected) in [("WATCHDOG_PID=$$", "own"), ("WATCHDOG_PID=4194304", "4194304")] {
        let ended = Group::new(mode)
            .after_script(&format!("exec env {told} \"$@\""))
            .main("web", Argv(&["/bin/sh", "-c", "echo $WATCHDOG_PID $$"]))
            .start()
            .end();
        ended.code(0);
        let (told, own) = ended.stdout.trim().split_once(' ').expect("two numbers");
        assert_eq!(told, if expected == "own" { own } else { expected }, "{ended}");
    }
}

fn our_own_limit_is_raised_and_members_keep_theirs(mode: Mode) {
    let script = "ulimit -Sn; ulimit -Hn; until [ -e go ]; do sleep 0.01; done";
    let mut group = Group::new(mode)
        .after_script("ulimit -Sn 77; ulimit -Hn 3000; exec \"$@\"")
        .main("web", Argv(&["/bin/sh", "-c", script]))
        .sidecar("it", Argv(&["/bin/sh", "-c", script]))
        .key("may_finish: true")
        .start();
    group.until("both have told", |group| (group.stdout().lines().count() == 4).then_some(()));
    let fateshare = group.fateshare();
    let limits = fs::read_to_string(format!("/proc/{fateshare}/limits")).expect("its limits");
    let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("a line");
    let files: Vec<&str> = files.split_whitespace().skip(3).take(2).collect();
    assert_eq!(files, ["3000", "3000"], "{limits}");
    fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = group.end();
    ended.code(0);
    let told: Vec<&str> = ended.stdout.lines().filter(|line| *line == "77").collect();
    assert_eq!(told.len(), 2, "{ended}");
    assert!(ended.stdout.lines().all(|line| line == "77" || line == "3000"), "{ended}");
}
