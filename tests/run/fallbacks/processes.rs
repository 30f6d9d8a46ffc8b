//! Old kernels and old seccomp profiles: no pidfds, no lists of children.

use super::{all_failed, everybody_ends_in_good_order};
use crate::support::host::can_make_calls_fail;
use crate::support::{Group, Mode, in_both_modes};

in_both_modes![
    without_pidfds_everybody_ends_in_good_order,
    without_lists_of_children_everybody_ends_in_good_order,
    without_any_of_them_everybody_ends_in_good_order,
    without_them_sigkill_reaches_everybody,
];

#[track_caller]
fn in_good_order_without(mode: Mode, rules: &str) {
    let ended = everybody_ends_in_good_order(Group::new(mode).failing(rules));
    all_failed(&ended, rules);
    ended.silent_about("cannot");
}

fn without_pidfds_everybody_ends_in_good_order(mode: Mode) {
    if can_make_calls_fail() {
        for rule in ["pidfd_open:38", "pidfd_open:1", "pidfd_open:22", "pidfd_send_signal:1"] {
            in_good_order_without(mode, rule);
        }
    }
}

fn without_lists_of_children_everybody_ends_in_good_order(mode: Mode) {
    if can_make_calls_fail() {
        in_good_order_without(mode, "children_list:2");
    }
}

fn without_any_of_them_everybody_ends_in_good_order(mode: Mode) {
    if can_make_calls_fail() {
        in_good_order_without(mode, "pidfd_open:38,children_list:2,clone:1,close_range:38");
    }
}

fn without_them_sigkill_reaches_everybody(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    for rules in ["pidfd_open:38", "children_list:2", "pidfd_open:1,children_list:2"] {
        let main = "run [ middle session child [ daemon take=TERM wait ] exit=0 ] \
                    child [ worker take=TERM wait ] take=TERM wait";
        let mut group =
            Group::new(mode).failing(rules).main("web", main).top("grace_period: 3s").start();
        group.wait_started(&["web", "daemon", "worker"]);
        group.wait_for("middle: ends 0");
        super::stop(&mut group);
        let ended = group.end();
        ended.code(137).says(&["did not stop within 3s: SIGKILL"]).silent_about("could not");
        ended.logged("web: got SIGTERM", 1).logged("daemon: got SIGTERM", 1);
        all_failed(&ended, rules);
    }
}
