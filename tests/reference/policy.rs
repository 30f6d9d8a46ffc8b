//! 7: the restart policy.

use super::{Proof, Row};

const PURE: &str = "src/local/platform_tests.rs";
const REAL: &str = "tests/run/local/recreate.rs";

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "7 crashes 1 and 2: at once, with a real clock",
        proof: Proof::Tests(REAL, &["the_first_two_come_back_at_once_and_the_third_waits"]),
    },
    Row {
        name: "7 crashes 3 to 7: 30 to 480 s",
        proof: Proof::Tests("src/core/restart.rs", &["the_waits_are_the_platforms"]),
    },
    Row { name: "7 crashes 8 to 199: 960 s", proof: Proof::Tests(PURE, &["two_hundred_crashes"]) },
    Row {
        name: "7 crash 200: never",
        proof: Proof::Tests(REAL, &["two_hundred_crashes_are_the_end"]),
    },
    Row {
        name: "7 more than five minutes of running make it the first again",
        proof: Proof::Tests(PURE, &["more_than_five_minutes_of_running_make_it_the_first_again"]),
    },
    Row {
        name: "7 running begins with the first success",
        proof: Proof::Tests(
            "tests/core_platform_log.rs",
            &["from_the_first_success_on_it_is_running", "who_was_never_healthy_was_never_running"],
        ),
    },
    Row {
        name: "7 the end of a wait is noticed up to 30 s late",
        proof: Proof::NotHere("that is how the platform looks, not what it promises"),
    },
    Row {
        name: "7 the whole container is recreated, never a member",
        proof: Proof::Tests(REAL, &["a_crash_is_recreated_until_it_is_enough"]),
    },
];
