//! Users that a member cannot become: nothing is started, and it is said why.

use crate::support::host::{can_make_calls_fail, can_mount, set_mode};
use crate::support::{Argv, Ended, Group, Mode, fixture, in_both_modes};

use super::group;

in_both_modes![
    without_the_capabilities_nothing_is_started,
    an_unknown_user_or_group_starts_nothing,
    all_members_problems_are_said_at_once,
    a_change_that_fails_is_named,
    a_directory_that_the_user_may_not_enter_is_125,
    a_program_that_the_user_may_not_execute_is_126,
];

/// A group whose main process becomes this user, beside a sidecar that stays what it is.
fn with_user(group: Group, user: &str) -> Ended {
    let group = group.main("web", "exit-on=TERM:0 wait").key(&format!("user: {user:?}"));
    group.sidecar("it", "exit-on=TERM:0 wait").start().end()
}

#[track_caller]
fn nothing_started(ended: &Ended) {
    ended.code(125);
    assert_eq!(ended.log, "", "{ended}");
}

fn without_the_capabilities_nothing_is_started(mode: Mode) {
    if !can_mount() {
        return;
    }
    let all = "CAP_KILL, CAP_SETGID, CAP_SETUID";
    for (group, user, lacking) in [
        (group(mode).run_by_nobody(""), "app", all),
        (group(mode).run_by_nobody(""), "root", all),
        (group(mode).run_by_nobody(""), "4711", all),
        (group(mode).run_by_nobody(""), "65534:app", "CAP_SETGID"),
        // Root, but for one.
        (group(mode).run_by("--bounding-set -kill"), "app", "CAP_KILL"),
        (group(mode).run_by("--bounding-set -setgid"), "app", "CAP_SETGID"),
        (group(mode).run_by("--bounding-set -setuid"), "app", "CAP_SETUID"),
    ] {
        let ended = with_user(group, user);
        nothing_started(&ended);
        ended.verdict(&[
            &format!("web could not be started: user {user}: fateshare lacks {lacking}. Start "),
            "; it was not started",
        ]);
    }
}

fn an_unknown_user_or_group_starts_nothing(mode: Mode) {
    if !can_mount() {
        return;
    }
    for (user, reason) in [
        ("ap", "no such name in /etc/passwd. Use a number, or add it to the image"),
        ("ap:www", "no such name in /etc/passwd."),
        ("app:ww", "no such group in /etc/group."),
        ("4711:ww", "no such group in /etc/group."),
    ] {
        let ended = with_user(group(mode), user);
        nothing_started(&ended);
        ended.verdict(&[&format!("web could not be started: user {user}: {reason}")]);
    }
}

fn all_members_problems_are_said_at_once(mode: Mode) {
    if !can_mount() {
        return;
    }
    let ended = group(mode)
        .main("web", "exit-on=TERM:0 wait")
        .key("user: nosuch")
        .sidecar("good", "exit-on=TERM:0 wait")
        .key("user: app")
        .sidecar("two", "exit-on=TERM:0 wait")
        .key("user: app:nosuch")
        .sidecar("three", "exit-on=TERM:0 wait")
        .key("working_dir: nosuch")
        .start()
        .end();
    nothing_started(&ended);
    ended
        .says(&["fateshare: web could not be started: user nosuch: "])
        .says(&["fateshare: two could not be started: user app:nosuch: "])
        .says(&["fateshare: three could not be started: working_dir "])
        .says(&["fateshare: web, two, three could not be started", "good was not started"]);
}

fn a_change_that_fails_is_named(mode: Mode) {
    if !can_mount() || !can_make_calls_fail() {
        return;
    }
    for call in ["setgroups", "setresgid", "setresuid"] {
        for rule in [format!("{call}:1"), format!("{call}:11,clone:1")] {
            let ended = with_user(group(mode).failing(&rule), "app");
            nothing_started(&ended);
            ended.verdict(&["web could not be started: user app: ", " (os error 1"]);
            assert!(ended.failed.ends_with(&format!("{call}\n")), "{rule}\n{ended}");
        }
    }
}

fn a_directory_that_the_user_may_not_enter_is_125(mode: Mode) {
    if !can_mount() {
        return;
    }
    let group = group(mode);
    let closed = group.dir().join("closed");
    std::fs::create_dir(&closed).expect("a directory");
    set_mode(&closed, 0o700);
    let ended = group
        .main("web", "exit-on=TERM:0 wait")
        .key("user: app")
        .key("working_dir: closed")
        .start()
        .end();
    nothing_started(&ended);
    ended.verdict(&[
        "web could not be started: working_dir ",
        "/closed as user app: Permission denied",
    ]);
}

fn a_program_that_the_user_may_not_execute_is_126(mode: Mode) {
    if !can_mount() {
        return;
    }
    let group = group(mode);
    let closed = group.install(fixture(), "closed", "700");
    let closed = closed.to_str().expect("a path in UTF-8");
    let ended = group.main("web", Argv(&[closed, "-", "web"])).key("user: app").start().end();
    ended.code(126);
    ended
        .verdict(&["web could not be started: program ", "/closed as user app: Permission denied"]);
}
