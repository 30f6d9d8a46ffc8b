//! Who a member is.

use super::group;
use crate::support::host::{can_make_calls_fail, can_mount, set_mode};
use crate::support::{Argv, Ended, Mode, in_both_modes};

in_both_modes![
    a_user_is_a_name_or_a_number_with_or_without_a_group,
    each_member_has_its_own_user,
    home_user_and_logname_are_the_users_unless_given,
    to_be_oneself_takes_no_call,
    groups_are_set_before_the_group_and_the_group_before_the_user,
];

/// Prints who it is.
const WHO: &[&str] = &[
    "/bin/sh",
    "-c",
    "/bin/cat /proc/self/status; echo HOME=$HOME USER=${USER-unset} LOGNAME=${LOGNAME-unset}",
];

/// A line of `/proc/PID/status`, its values with one blank between.
fn values(ended: &Ended, key: &str) -> String {
    let line = ended.stdout.lines().find_map(|line| line.strip_prefix(key));
    let line = line.unwrap_or_else(|| panic!("no {key}\n{ended}"));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn a_user_is_a_name_or_a_number_with_or_without_a_group(mode: Mode) {
    if !can_mount() {
        return;
    }
    let app = "HOME=/home/app USER=app LOGNAME=app";
    let nameless = "HOME=/ USER=unset LOGNAME=unset";
    for (user, uid, gid, groups, told) in [
        ("app", 7001, 7002, "7004 7005", app),
        ("7001", 7001, 7002, "7004 7005", app),
        ("app:media", 7001, 7005, "", app),
        ("7001:nobody-is-in-it", 7001, 7006, "", app),
        ("app:4711", 7001, 4711, "", app),
        ("other", 7003, 7003, "7005", "HOME=/home/other USER=other LOGNAME=other"),
        ("4711", 4711, 0, "", nameless),
        ("4711:4712", 4711, 4712, "", nameless),
    ] {
        let ended = group(mode)
            .env("HOME", "/root")
            .env("USER", "root")
            .env("LOGNAME", "root")
            .main("web", Argv(WHO))
            .key(&format!("user: {user:?}"))
            .start()
            .end();
        ended.code(0);
        // Real, effective, saved, of the file system.
        assert_eq!(values(&ended, "Uid:"), [uid; 4].map(|it| it.to_string()).join(" "), "{ended}");
        assert_eq!(values(&ended, "Gid:"), [gid; 4].map(|it| it.to_string()).join(" "), "{ended}");
        assert_eq!(values(&ended, "Groups:"), groups, "{user}\n{ended}");
        assert_eq!(values(&ended, "CapEff:"), "0000000000000000", "{user}\n{ended}");
        assert!(ended.stdout.ends_with(&format!("{told}\n")), "{user}\n{ended}");
    }
}

fn each_member_has_its_own_user(mode: Mode) {
    if !can_mount() {
        return;
    }
    let script = "echo web $(id -u):$(id -g); until [ -e a -a -e b ]; do sleep 0.01; done";
    let it = |name: &str| format!("echo {name} $(id -u):$(id -g) $HOME $USER");
    let group = group(mode).env("HOME", "/inherited").env("USER", "inherited");
    set_mode(group.dir(), 0o777);
    let ended = group
        .main("web", Argv(&["/bin/sh", "-c", script]))
        .key("user: app")
        .sidecar("one", Argv(&["/bin/sh", "-c", &format!("{}; : > a", it("one"))]))
        .key("user: other")
        .key("may_finish: true")
        .sidecar("two", Argv(&["/bin/sh", "-c", &format!("{}; : > b", it("two"))]))
        .key("may_finish: true")
        .start()
        .end();
    ended.code(0);
    for line in ["web 7001:7002", "one 7003:7003 /home/other other", "two 0:0 /inherited inherited"]
    {
        assert!(ended.stdout.lines().any(|found| found == line), "{line}\n{ended}");
    }
}

fn home_user_and_logname_are_the_users_unless_given(mode: Mode) {
    if !can_mount() {
        return;
    }
    for (top, own, told) in [
        ("", "env: {HOME: /data}", "HOME=/data USER=app LOGNAME=app"),
        ("", "env: {USER: me, LOGNAME: null}", "HOME=/home/app USER=me LOGNAME=unset"),
        ("env: {HOME: /group, USER: us}", "env: {USER: me}", "HOME=/group USER=me LOGNAME=app"),
    ] {
        let ended = group(mode)
            .env("HOME", "/root")
            .env("LOGNAME", "root")
            .main("web", Argv(WHO))
            .key("user: app")
            .key(own)
            .top(top)
            .start()
            .end();
        ended.code(0);
        assert!(ended.stdout.ends_with(&format!("{told}\n")), "{own}\n{ended}");
    }
}

fn to_be_oneself_takes_no_call(mode: Mode) {
    if !can_mount() {
        return;
    }
    let runs = [
        ("app", group(mode).run_by("--reuid 7001 --regid 7002 --clear-groups"), "7001"),
        ("7001:7002", group(mode).run_by("--reuid 7001 --regid 7002 --clear-groups"), "7001"),
        ("root", group(mode), "0"),
    ];
    for (user, group, uid) in runs {
        // In a release build these rules do nothing, and the capabilities alone prove it.
        let ended = group
            .failing("setgroups:1,setresgid:1,setresuid:1")
            .main("web", Argv(WHO))
            .key(&format!("user: {user:?}"))
            .start()
            .end();
        ended.code(0);
        assert_eq!(values(&ended, "Uid:"), [uid; 4].join(" "), "{user}\n{ended}");
        let told = if uid == "0" { "HOME=/root USER=root" } else { "HOME=/home/app USER=app" };
        assert!(ended.stdout.contains(told), "{user}\n{ended}");
        assert_eq!(ended.failed, "", "no such call is made\n{ended}");
    }
}

fn groups_are_set_before_the_group_and_the_group_before_the_user(mode: Mode) {
    if !can_mount() || !can_make_calls_fail() {
        return;
    }
    let ended = group(mode)
        .failing("setgroups:pretend,setresgid:pretend,setresuid:pretend")
        .main("web", Argv(WHO))
        .key("user: app")
        .start()
        .end();
    ended.code(0);
    assert_eq!(ended.failed, "setgroups\nsetresgid\nsetresuid\n", "{ended}");
}
