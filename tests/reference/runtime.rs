//! 4: what happens to a running app.

use super::{Proof, Row};

const FATE: &str = "tests/run/fate.rs";
const STOP: &str = "tests/run/stop.rs";
const TEARDOWN: &str = "tests/run/teardown.rs";
const HEALTH: &str = "tests/run/health.rs";
const LOG: &str = "tests/core_platform_log.rs";
const FORMAT: &str = "tests/run/relay/cloud_foundry.rs";
const SENTENCES: &str = "tests/core_sentences.rs";

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "4 start: all at once, in no order, without waiting",
        proof: Proof::Tests("tests/core_table.rs", &["all_pairs_of_state_and_event"]),
    },
    Row {
        name: "4 a member exits non-zero: all others are stopped",
        proof: Proof::Tests(
            FATE,
            &["a_sidecar_that_fails_takes_all_with_it", "main_that_exits_3_takes_all_with_it"],
        ),
    },
    Row {
        name: "4 a member exits non-zero: the description",
        proof: Proof::Tests(SENTENCES, &["the_platforms_description_of_an_end"]),
    },
    Row {
        name: "4 a member exits 0: a crash, here with a name",
        proof: Proof::Tests(
            FATE,
            &["a_sidecar_that_exits_0_takes_all_with_it", "main_that_exits_0_takes_all_with_it"],
        ),
    },
    Row {
        name: "4 several failures are joined",
        proof: Proof::Tests(SENTENCES, &["the_platforms_description_of_an_end"]),
    },
    Row {
        name: "4 members that were stopped are kept out of the description",
        proof: Proof::Tests(
            LOG,
            &["a_crash_is_recorded_as_the_platform_does", "a_stop_request_is_no_crash"],
        ),
    },
    Row {
        name: "4 cancel: SIGTERM to the process alone, then SIGKILL",
        proof: Proof::Tests(
            TEARDOWN,
            &[
                "a_server_behind_a_shell_that_is_signalled_alone_gets_its_time",
                "who_ignores_sigterm_is_killed_at_the_deadline",
            ],
        ),
    },
    Row {
        name: "4 cancel: a timer for each member",
        proof: Proof::NotHere(
            "one deadline for all is the design's: the slowest member decides either way, and the \
             platform kills the container then",
        ),
    },
    Row {
        name: "4 grandchildren that are left over",
        proof: Proof::Tests(
            "tests/run/strays.rs",
            &["what_a_member_leaves_in_its_group_is_stopped"],
        ),
    },
    Row {
        name: "4 death by a signal is 128 + its number",
        proof: Proof::Tests("tests/run/exit_codes.rs", &["every_signal_that_ends_main"]),
    },
    Row {
        name: "4 out of memory is said of every later failure",
        proof: Proof::Tests(
            LOG,
            &["once_out_of_memory_every_later_failure_says_so", "an_exit_with_0_needs_no_memory"],
        ),
    },
    Row {
        name: "4 a member's last log line",
        proof: Proof::Tests(
            FORMAT,
            &[
                "the_exit_status_is_a_members_last_line",
                "it_is_glued_to_an_unfinished_line",
                "who_had_to_be_killed_is_said",
            ],
        ),
    },
    Row {
        name: "4 sshd is a member",
        proof: Proof::NotHere(
            "nobody logs into a container here: there is `docker exec`, or a shell",
        ),
    },
    Row {
        name: "4 the TLS proxy outlives the app",
        proof: Proof::NotHere("the platform adds it; a proxy of one's own is `stop: after_main`"),
    },
    Row {
        name: "4 PID 1 does nothing",
        proof: Proof::NotHere("here PID 1 is fateshare, and does everything"),
    },
    Row {
        name: "4 a member that cannot be started",
        proof: Proof::Tests(FORMAT, &["who_cannot_be_started_is_said"]),
    },
    Row {
        name: "4 PID-based checks are none",
        proof: Proof::Tests(HEALTH, &["a_main_that_dies_is_not_called_unhealthy"]),
    },
    Row {
        name: "4 probes are for the app's port",
        proof: Proof::Tests(HEALTH, &["the_port_is_mains_variable"]),
    },
    Row {
        name: "4 startup until the first success, then one failure is a crash",
        proof: Proof::Tests(
            HEALTH,
            &["a_slow_server_is_never_healthy", "a_server_that_becomes_unhealthy_ends_the_group"],
        ),
    },
    Row {
        name: "4 the cell's lines about health",
        proof: Proof::Tests(
            FORMAT,
            &[
                "health_is_told_as_the_platform_tells_it",
                "a_failed_check_is_told_as_the_platform_tells_it",
            ],
        ),
    },
    Row {
        name: "4 readiness never kills, and its lines",
        proof: Proof::Tests(FORMAT, &["health_is_told_as_the_platform_tells_it"]),
    },
    Row { name: "4 the lines about a stop", proof: Proof::Tests(FORMAT, &["a_stop_is_no_crash"]) },
    Row {
        name: "4 a stop request is answered with the app's own code",
        proof: Proof::Tests(STOP, &["main_that_dies_by_the_stop_signal_is_128_plus_it"]),
    },
    Row { name: "4 the record of a crash", proof: Proof::Tests(FORMAT, &["a_crash_is_recorded"]) },
    Row {
        name: "4 a reason is cut at 1024 bytes",
        proof: Proof::Tests(
            "src/core/platform_log.rs",
            &["a_reason_is_cut_where_the_platform_cuts_it"],
        ),
    },
    Row {
        name: "4 exit 0 of native sidecars, since April 2026",
        proof: Proof::NotHere("the API that makes apps of manifests does not use them"),
    },
];
