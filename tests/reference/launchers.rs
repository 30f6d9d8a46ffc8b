//! 3: launchers.

use super::Gives::Spec;
use super::{Proof, Row, with};

const LAUNCHER: &str = "tests/run/launcher.rs";
const PROFILE: &str = "tests/run/profile.rs";
/// The chain is run by the launcher of the platform.
const NOT_OURS: Proof = Proof::NotHere(
    "it is what a launcher is called with and fails with; fateshare is what it executes",
);

pub(crate) const ROWS: &[Row] = &[
    Row { name: "3.1 the launcher's arguments", proof: NOT_OURS },
    Row { name: "3.1 the launcher's failures", proof: NOT_OURS },
    Row {
        name: "3.1 HOME, TMPDIR, DEPS_DIR and VCAP_APPLICATION",
        proof: Proof::Tests(
            LAUNCHER,
            &[
                "members_are_told_what_the_launcher_tells",
                "a_directory_for_temporary_files_is_told_where_it_is",
                "where_a_launcher_has_run_nothing_is_touched",
            ],
        ),
    },
    Row { name: "3.1 DATABASE_URL", proof: Proof::Tests(LAUNCHER, &["a_database_is_told"]) },
    Row {
        name: "3.1 VCAP_PLATFORM_OPTIONS is never seen",
        proof: Proof::Tests(LAUNCHER, &["what_is_set_stays"]),
    },
    Row {
        name: "3.1 profile scripts, and bash -c",
        proof: Proof::Tests(
            PROFILE,
            &[
                "the_order_is_the_launchers",
                "a_script_that_fails_stops_nothing",
                "exit_in_a_script_is_the_runs_end",
            ],
        ),
    },
    Row {
        name: "3.1 once per member on the platform, once per group here",
        proof: Proof::Tests(PROFILE, &["scripts_run_once_and_what_they_export_is_every_members"]),
    },
    Row {
        name: "3.1 the platform's variables",
        proof: Proof::Tests(
            LAUNCHER,
            &["members_are_told_what_the_launcher_tells", "what_is_set_stays"],
        ),
    },
    Row {
        name: "3.1 the same PORT, memory by share",
        proof: Proof::Tests(LAUNCHER, &["memory_is_told_by_share"]),
    },
    Row {
        name: "3.1 a sidecar's memory is advisory",
        proof: Proof::NotHere("nothing is enforced: there is nothing to see"),
    },
    Row {
        name: "3.2 launch.toml, choice of the process, arguments, order of the environment",
        proof: Proof::NotHere(
            "the launcher of Cloud Native Buildpacks does it before it executes fateshare",
        ),
    },
    Row {
        name: "3.2 Cloud Foundry's own flavour: no sidecars in its staging result",
        proof: Proof::Cases(&[with(
            "applications: [{name: a, sidecars: [{name: s, command: y, process_types: [web]}]}]",
            &[("staging", r#"{"lifecycle_type": "cnb", "process_types": {"web": "x"}}"#)],
            Spec(&["command: x", "- name: s"]),
        )]),
    },
];
