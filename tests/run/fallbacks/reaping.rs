//! Where ends cannot be seen any more, `fateshare` says so and takes the group down.

use std::time::{Duration, Instant};

use super::ended_by;
use crate::support::host::can_make_calls_fail;
use crate::support::{Group, Mode, in_both_modes};

in_both_modes![a_group_whose_ends_cannot_be_seen_is_taken_down];

fn a_group_whose_ends_cannot_be_seen_is_taken_down(mode: Mode) {
    if !can_make_calls_fail() {
        return;
    }
    for main in ["exit-on=TERM:0 wait", "take=TERM wait"] {
        let began = Instant::now();
        let group = Group::new(mode)
            .failing("waitid:14")
            .main("web", main)
            .sidecar("it", "child [ helper take=TERM wait ] exit-on=TERM:0 wait")
            .top("grace_period: 500ms")
            .start();
        let ended = group.end_killed();
        ended
            .code(125)
            .verdict(&["fateshare cannot go on: cannot reap children: Bad address (os error 14)"]);
        ended_by(&ended, began, Duration::from_millis(500));
    }
}
