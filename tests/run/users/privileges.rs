//! `no_new_privs` and `oom_score_adj`.

use crate::support::host::can_mount;
use crate::support::{Argv, Group, Mode, Shell, in_both_modes};

use super::group;

in_both_modes![
    no_new_privs_is_for_ever_and_for_children,
    the_oom_score_is_raised_for_one_member,
    the_oom_score_of_another_user_is_raised_too,
    the_oom_score_is_never_lowered,
    what_proc_shows_of_us_stays_ours,
    no_capability_survives_the_change_of_user,
    a_small_limit_on_descriptors_is_the_members_alone,
];

/// A child that shares our memory and becomes another user would close it to everybody but root
/// with `CAP_SYS_PTRACE`, which containers lack: a cron job could not write to the container's log.
fn what_proc_shows_of_us_stays_ours(mode: Mode) {
    if !can_mount() {
        return;
    }
    let ended = group(mode)
        .after_script("exec setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace \"$@\"")
        .main("web", Argv(&["/bin/sleep", "60"]))
        .key("user: app")
        .sidecar("it", Shell("echo to the log > /proc/$PPID/fd/1 && exit 3; exit 4"))
        .start()
        .end();
    ended.code(3);
    assert_eq!(ended.stdout, "to the log\n", "{ended}");
}

fn no_capability_survives_the_change_of_user(mode: Mode) {
    if !can_mount() {
        return;
    }
    let ambient = "exec setpriv --reuid 65534 --regid 65534 --clear-groups \
                   --inh-caps +kill,+setgid,+setuid --ambient-caps +kill,+setgid,+setuid \"$@\"";
    let show = Argv(&["/bin/grep", "-E", "^Cap(Eff|Amb):", "/proc/self/status"]);
    let ended = group(mode).after_script(ambient).main("web", show).key("user: app").start().end();
    ended.code(0);
    assert_eq!(ended.stdout.matches("0000000000000000").count(), 2, "{ended}");
}

fn a_small_limit_on_descriptors_is_the_members_alone(mode: Mode) {
    let ended = group(mode)
        .after_script("ulimit -Sn 4; exec \"$@\"")
        .main("web", Argv(&["/bin/cat", "/proc/self/oom_score_adj"]))
        .key("oom_score_adj: 1000")
        .start()
        .end();
    ended.code(0);
    assert_eq!(ended.stdout, "1000\n", "{ended}");
}

fn no_new_privs_is_for_ever_and_for_children(mode: Mode) {
    // The shell's child, and so what it inherits.
    let child = Argv(&["/bin/sh", "-c", "grep NoNewPrivs: /proc/self/status; :"]);
    for (key, expected) in [("no_new_privs: true", "1"), ("no_new_privs: false", "0")] {
        let ended = Group::new(mode).main("web", child).key(key).start().end();
        ended.code(0);
        assert_eq!(ended.stdout, format!("NoNewPrivs:\t{expected}\n"), "{ended}");
    }
    let ended = Group::new(mode).main("web", child).start().end();
    assert_eq!(ended.stdout, "NoNewPrivs:\t0\n", "{ended}");
}

/// Prints its own score, for main and for a sidecar.
const MAIN: &[&str] = &[
    "/bin/sh",
    "-c",
    "until [ -e done ]; do sleep 0.01; done; echo web $(cat /proc/self/oom_score_adj)",
];
const SIDECAR: &[&str] = &["/bin/sh", "-c", "echo it $(cat /proc/self/oom_score_adj); : > done"];

/// Gives `fateshare` this score.
fn scored(group: Group, score: i32) -> Group {
    group.after_script(&format!("echo {score} > /proc/self/oom_score_adj; exec \"$@\""))
}

fn the_oom_score_is_raised_for_one_member(mode: Mode) {
    for (own, wanted) in [(910, 950), (910, 1000), (910, 910)] {
        let ended = scored(Group::new(mode), own)
            .main("web", Argv(MAIN))
            .key(&format!("oom_score_adj: {wanted}"))
            .sidecar("it", Argv(SIDECAR))
            .key("may_finish: true")
            .start()
            .end();
        ended.code(0);
        assert_eq!(ended.stdout, format!("it {own}\nweb {wanted}\n"), "{ended}");
    }
}

fn the_oom_score_of_another_user_is_raised_too(mode: Mode) {
    if !can_mount() {
        return;
    }
    let print = Argv(&["/bin/sh", "-c", "echo $(id -u) $(cat /proc/self/oom_score_adj)"]);
    let group = scored(group(mode), 910).main("web", print);
    let ended = group.key("user: app").key("oom_score_adj: 950").start().end();
    ended.code(0);
    assert_eq!(ended.stdout, "7001 950\n", "{ended}");
}

fn the_oom_score_is_never_lowered(mode: Mode) {
    for wanted in [909, 0, -1000] {
        let ended = scored(Group::new(mode), 910)
            .main("web", "exit-on=TERM:0 wait")
            .key(&format!("oom_score_adj: {wanted}"))
            .sidecar("it", "exit-on=TERM:0 wait")
            .start()
            .end();
        ended.code(125);
        ended.verdict(&[
            &format!(
                "web could not be started: oom_score_adj {wanted} is below fateshare's own 910"
            ),
            ". It can only be raised: 910 or more; it was not started",
        ]);
        assert_eq!(ended.log, "", "nothing is started\n{ended}");
    }
}
