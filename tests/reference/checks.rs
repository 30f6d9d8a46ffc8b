//! 5: the `healthcheck` program.

use super::{Proof, Row};

const HEALTH: &str = "tests/run/health.rs";
const CF: &str = "tests/run/health_outside.rs";
const NOT_A_PROGRAM: Proof =
    Proof::NotHere("fateshare asks within itself: there is no program with flags or exit codes");

pub(crate) const ROWS: &[Row] = &[
    Row { name: "5 flags: network, uri, port, timeout", proof: NOT_A_PROGRAM },
    Row {
        name: "5 the startup loop, and its limit",
        proof: Proof::Tests(
            HEALTH,
            &["a_port_that_nobody_has_is_never_healthy", "a_slow_server_is_never_healthy"],
        ),
    },
    Row {
        name: "5 the liveness loop ends with the first failure, readiness goes on",
        proof: Proof::Tests(
            HEALTH,
            &["a_server_that_becomes_unhealthy_ends_the_group", "readiness_ends_nothing"],
        ),
    },
    Row {
        name: "5 the until-ready loop",
        proof: Proof::Tests(HEALTH, &["readiness_ends_nothing"]),
    },
    Row { name: "5 exit codes 0 and 127", proof: NOT_A_PROGRAM },
    Row {
        name: "5 exit 1: interfaces that cannot be listed",
        proof: Proof::Tests(CF, &["interfaces_that_cannot_be_listed_are_none"]),
    },
    Row {
        name: "5 exit 3: no interface",
        proof: Proof::Tests(CF, &["without_an_interface_it_is_healthy_with_a_warning"]),
    },
    Row {
        name: "5 exit 4 and 64: TCP refused, timed out",
        proof: Proof::Tests(
            CF,
            &["who_answers_nowhere_is_never_healthy", "a_port_that_answers_nothing_times_out"],
        ),
    },
    Row {
        name: "5 exit 5: HTTP transport errors",
        proof: Proof::Tests(HEALTH, &["what_is_no_http_is_named"]),
    },
    Row {
        name: "5 exit 6: any status but 200",
        proof: Proof::Tests(HEALTH, &["status_200_is_healthy_and_another_is_not"]),
    },
    Row {
        name: "5 exit 65: HTTP timed out",
        proof: Proof::Tests(HEALTH, &["a_slow_server_is_never_healthy"]),
    },
    Row {
        name: "5 the first address that is not loopback's, and the headers",
        proof: Proof::Tests(
            CF,
            &[
                "who_answers_on_loopback_alone_is_healthy_with_a_warning",
                "who_answers_outside_is_healthy_without_a_warning",
                "the_request_is_the_platforms",
            ],
        ),
    },
    Row {
        name: "5 redirects",
        proof: Proof::Tests(HEALTH, &["redirects_are_followed_on_the_same_server_only"]),
    },
    Row {
        name: "5 the loops' prefixes",
        proof: Proof::NotHere(
            "the verdict says it in its own words: `was never healthy within`, `became unhealthy`",
        ),
    },
];
