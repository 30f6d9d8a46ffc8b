//! System calls of the drill's own that fail: a clear error, or a drill that does without. Never a hang, and
//! nothing left.

use crate::harness::Setting;
use crate::support::host::can_make_calls_fail;

const SPEC: &str = "main: {name: web, command: [./fixture, '-', web, wait]}\n";

/// Each call, and what the drill says when it fails; nothing where it does without.
const CALLS: [(&str, &str); 14] = [
    ("prctl_subreaper", "cannot adopt orphans (PR_SET_CHILD_SUBREAPER)"),
    ("memfd_create", "cannot make a file in memory for what happens"),
    ("pipe", "cannot make a pipe for the members' output"),
    ("sigtimedwait", "cannot wait for signals"),
    ("read_ledger", "cannot read what the group tells"),
    ("waitid", "cannot reap children"),
    ("dup2_standard", "cannot replace standard output"),
    ("open_null", "cannot replace standard output"),
    ("read_status", ""),
    ("read_exe", ""),
    ("read_cmdline", ""),
    ("read_net", ""),
    ("read_fd_link", ""),
    ("children_list", ""),
];

#[test]
fn calls_of_the_drills_own_may_fail() {
    if !can_make_calls_fail() {
        return;
    }
    for (call, reason) in CALLS {
        let mut setting = Setting::new(SPEC);
        setting
            .fixture()
            .arguments(&["--settle", "50ms", "--within", "500ms", "--strike", "platform"]);
        setting.env("FATESHARE_FAIL", &format!("{call}:12"));
        let made = setting.start().wait_without_files();
        let shown = format!("{call}: {:?}\n{}\n{}", made.code, made.stdout, made.stderr);
        if reason.is_empty() {
            assert!(matches!(made.code, Some(0 | 1)), "{shown}");
        } else {
            assert_eq!(made.code, Some(125), "{shown}");
            assert!(made.stderr.contains(reason), "{shown}");
        }
    }
}

/// What a group tells gets lost: it is called what it is, and ended.
#[test]
fn a_group_that_tells_nothing_is_not_healthy_in_time() {
    if !can_make_calls_fail() {
        return;
    }
    let mut setting = Setting::new(
        "main: {name: web, command: [./fixture, '-', web, wait], health_check: {type: port, start_timeout: 1s}}",
    );
    setting.fixture().arguments(&["--strike", "platform"]);
    setting.env("FATESHARE_FAIL", "write_ledger:28");
    let made = setting.start().wait_without_files();
    made.code(1);
    assert!(made.stdout.contains("The group does not become healthy"), "{}", made.stdout);
}
