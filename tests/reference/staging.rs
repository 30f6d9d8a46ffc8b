//! 2: `launch.yml`, `Procfile`, the staging result.

use super::Gives::{Dropped, Problems, Spec};
use super::{Proof, Row, with};

const APP: &str = "applications: [{name: a}]";

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "2 processes[].type and command",
        proof: Proof::Cases(&[
            with(
                APP,
                &[("launch-yml", "processes: [{type: web, command: x}]")],
                Spec(&["name: web", "command: x"]),
            ),
            with(
                "",
                &[("launch-yml", "processes: [{type: web, command: x}]")],
                Spec(&["name: web", "command: x"]),
            ),
            with(
                APP,
                &[("launch-yml", "processes: [{type: web}]")],
                Problems(&[
                    "For application 'a': Process \"web\": no start command specified or detected in droplet",
                ]),
            ),
        ]),
    },
    Row {
        name: "2 processes[].limits.memory",
        proof: Proof::Cases(&[
            with(
                "applications: [{name: a, memory: 256M}]",
                &[(
                    "launch-yml",
                    "processes:\n- {type: web, command: x}\n- {type: s, command: y, limits: {memory: 64}, platforms: {cloudfoundry: {sidecar_for: [web]}}}\n- {type: t, command: z, limits: {memory: 0}, platforms: {cloudfoundry: {sidecar_for: [web]}}}",
                )],
                Spec(&["memory: 192M", "- name: s", "memory: 64M", "- name: t"]),
            ),
            with(
                "applications: [{name: a, memory: 64M}]",
                &[(
                    "launch-yml",
                    "processes:\n- {type: web, command: x}\n- {type: s, command: y, limits: {memory: 64}, platforms: {cloudfoundry: {sidecar_for: [web]}}}",
                )],
                Problems(&[
                    "The memory allocation defined is too large to run with the dependent \"web\" process",
                ]),
            ),
        ]),
    },
    Row {
        name: "2 limits are for sidecars alone",
        proof: Proof::Cases(&[with(
            APP,
            &[("launch-yml", "processes: [{type: web, command: x, limits: {memory: 5}}]")],
            Dropped(&["`memory` is for sidecars alone"]),
        )]),
    },
    Row {
        name: "2 processes[].platforms.cloudfoundry.sidecar_for",
        proof: Proof::Cases(&[
            with(
                "applications: [{name: a, command: x}]",
                &[(
                    "launch-yml",
                    "processes:\n- {type: s, command: y, platforms: {cloudfoundry: {sidecar_for: [worker]}}}\n- {type: t, command: z, platforms: {cloudfoundry: {sidecar_for: [web, worker]}}}",
                )],
                Spec(&[
                    "command: x",
                    "sidecars:",
                    "# sidecar from deps/0/launch.yml:3",
                    "- name: t",
                ]),
            ),
            with(
                "applications: [{name: a}]",
                &[(
                    "launch-yml",
                    "processes: [{type: web, command: y, platforms: {cloudfoundry: {sidecar_for: []}}}]",
                )],
                Spec(&["command: \"y\""]),
            ),
        ]),
    },
    Row {
        name: "2 unknown keys are tolerated, and what does not run is not looked at",
        proof: Proof::Cases(&[
            with(
                APP,
                &[(
                    "launch-yml",
                    "processes: [{type: web, command: x}, {type: s, command: y, platforms: {cloudfoundry: {sidecar-for: [web]}}}]",
                )],
                Dropped(&["unknown key `sidecar-for`", "did you mean `sidecar_for`?"]),
            ),
            with(
                APP,
                &[("staging", r#"{"process_types": {"web": "x"}, "start_comand": "y"}"#)],
                Dropped(&["unknown key `start_comand`", "did you mean `start_command`?"]),
            ),
            with(
                APP,
                &[(
                    "launch-yml",
                    "processes: [{type: web, command: x}, {type: cron, command: ''}, {type: fateshare, command: y}]",
                )],
                Spec(&["command: x"]),
            ),
            with(
                APP,
                &[("launch-yml", "processes: [{type: web, command: x, direct: true}]")],
                Dropped(&["unknown key `direct`; Cloud Foundry ignores it silently"]),
            ),
        ]),
    },
    Row {
        name: "2 read from deps/N/launch.yml in the order of N",
        proof: Proof::Tests("tests/manifests.rs", &["a_folder_of_dependencies_is_read_by_number"]),
    },
    Row {
        name: "2 later ones win, whole entries are replaced, the Procfile is last",
        proof: Proof::Cases(&[
            with(
                APP,
                &[
                    (
                        "launch-yml",
                        "processes: [{type: web, command: first}, {type: s, command: y, limits: {memory: 64}, platforms: {cloudfoundry: {sidecar_for: [web]}}}]",
                    ),
                    (
                        "launch-yml",
                        "processes: [{type: web, command: second}, {type: s, command: z, platforms: {cloudfoundry: {sidecar_for: [web]}}}]",
                    ),
                ],
                Spec(&["command: second", "memory: 1024M", "- name: s", "command: z"]),
            ),
            with(
                APP,
                &[
                    (
                        "launch-yml",
                        "processes: [{type: web, command: first}, {type: s, command: y, platforms: {cloudfoundry: {sidecar_for: [web]}}}]",
                    ),
                    ("procfile", "web: last\ns: a plain process"),
                ],
                Spec(&["command: last", "working_dir: /app", "memory: 1024M"]),
            ),
            with(
                APP,
                &[
                    (
                        "launch-yml",
                        "processes: [{type: s, command: y, platforms: {cloudfoundry: {sidecar_for: [web]}}}]",
                    ),
                    ("procfile", "s: a plain process"),
                    ("process", "s"),
                ],
                Spec(&["name: s", "command: \"a plain process\""]),
            ),
        ]),
    },
    Row {
        name: "2 bin/release when the final buildpack has no launch.yml",
        proof: Proof::NotHere(
            "a program of the buildpack, run while staging; its result is in the staging result",
        ),
    },
    Row {
        name: "2 a bad Procfile",
        proof: Proof::Cases(&[
            with(
                APP,
                &[("procfile", "[web]")],
                Problems(&[
                    "Failed to read command from Procfile: invalid YAML: it must be a map, not a list",
                ]),
            ),
            with(APP, &[("procfile", "web: [x]")], Problems(&["`web` must be a string"])),
        ]),
    },
    Row {
        name: "2 no web command",
        proof: Proof::Cases(&[with(
            APP,
            &[("procfile", "worker: x")],
            Problems(&[
                "For application 'a': Process \"web\": no start command specified or detected in droplet",
            ]),
        )]),
    },
    Row {
        name: "2 the staging result",
        proof: Proof::Cases(&[
            with(
                "applications: [{name: a, memory: 256M}]",
                &[(
                    "staging",
                    r#"{"lifecycle_metadata": {"buildpacks": []}, "process_types": {"web": "x", "worker": "w"}, "sidecars": [{"name": "s", "process_types": ["web"], "command": "y", "memory": 64}, {"name": "t", "process_types": ["worker"], "command": "z"}], "execution_metadata": "", "lifecycle_type": "buildpack"}"#,
                )],
                Spec(&["command: x", "memory: 192M", "- name: s", "memory: 64M"]),
            ),
            with(
                "",
                &[(
                    "staging",
                    r#"{"process_types": {"web": "x"}, "processes": [{"type": "web", "command": "better"}]}"#,
                )],
                Spec(&["command: better"]),
            ),
            with(
                APP,
                &[("staging", r#"{"process_types": {"web": "x"}}"#), ("procfile", "web: y")],
                Problems(&["it holds what --launch-yml, --deps-dir and --procfile would give"]),
            ),
        ]),
    },
    Row {
        name: "2 staging_info.yml",
        proof: Proof::Cases(&[
            with(
                APP,
                &[("staging", r#"{"detected_buildpack": "ruby", "start_command": "x"}"#)],
                Spec(&["command: x"]),
            ),
            with(
                "applications: [{name: a, command: my app}]",
                &[(
                    "staging",
                    r#"{"start_command": "x", "config": {"entrypoint_prefix": "/usr/bin/wrap -v"}}"#,
                )],
                Spec(&["command: [/usr/bin/wrap, \"-v\", \"my app\"]"]),
            ),
            with(
                "applications: [{name: a, processes: [{type: worker}]}]",
                &[("staging", r#"{"start_command": "x"}"#), ("process", "worker")],
                Problems(&[
                    "For application 'a': Process \"worker\": no start command specified or detected in droplet",
                ]),
            ),
        ]),
    },
    Row { name: "2 staging exit codes", proof: Proof::NotHere("fateshare stages nothing") },
    Row {
        name: "2 a sidecar does not wait for its process's health check",
        proof: Proof::Tests("tests/run/launcher.rs", &["members_are_told_what_the_launcher_tells"]),
    },
];
