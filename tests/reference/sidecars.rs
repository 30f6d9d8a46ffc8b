//! 1.2: sidecars.

use super::Gives::{Dropped, Problems, Spec};
use super::{Proof, Row, case, with};

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "1.2 name",
        proof: Proof::Cases(&[
            case(
                "applications: [{name: a, command: x, sidecars: [{name: performance monitor, command: y, process_types: [web]}]}]",
                Spec(&["- name: \"performance monitor\"", "command: \"y\""]),
            ),
            case(
                "applications: [{name: a, command: x, sidecars: [{command: y, process_types: [web]}]}]",
                Problems(&["For application 'a': Sidecar name can't be blank"]),
            ),
            case(
                "applications: [{name: a, command: x, sidecars: [{name: '', command: y, process_types: [web]}]}]",
                Problems(&["For application 'a': Sidecar name can't be blank"]),
            ),
            case(
                "applications: [{name: a, command: x, sidecars: [{name: null, command: y, process_types: [web]}]}]",
                Problems(&[
                    "For application 'a': Sidecar name can't be blank; Sidecar name must be a string",
                ]),
            ),
        ]),
    },
    Row {
        name: "1.2 command",
        proof: Proof::Cases(&[
            case(
                "applications: [{name: a, command: x, sidecars: [{name: s, process_types: [web]}]}]",
                Problems(&["For application 'a': Sidecar \"s\": Command can't be blank"]),
            ),
            case(
                "applications: [{name: a, command: x, sidecars: [{name: s, command: 5, process_types: [web]}]}]",
                Problems(&["For application 'a': Sidecar \"s\": Command must be a string"]),
            ),
        ]),
    },
    Row {
        name: "1.2 process_types",
        proof: Proof::Cases(&[
            with(
                "applications: [{name: a, processes: [{type: worker, command: w}], sidecars: [{name: s, command: y, process_types: [web, nobody]}, {name: t, command: z, process_types: [worker]}]}]",
                &[("process", "worker")],
                Spec(&["name: worker", "- name: t"]),
            ),
            case(
                "applications: [{name: a, command: x, sidecars: [{name: s, command: y, process_types: []}]}]",
                Problems(&[
                    "For application 'a': Sidecar \"s\": Process types must have at least 1 process_type",
                ]),
            ),
            case(
                "applications: [{name: a, command: x, sidecars: [{name: s, command: y, process_types: web}]}]",
                Problems(&["For application 'a': Sidecar \"s\": Process types must be an array"]),
            ),
            case(
                "applications: [{name: a, command: x, sidecars: [{name: s, command: y, process_types: [web, web, '']}]}]",
                Problems(&[
                    "For application 'a': Sidecar \"s\": Process type \"web\" is there twice",
                    "For application 'a': Sidecar \"s\": Process type can't be blank",
                ]),
            ),
        ]),
    },
    Row {
        name: "1.2 memory",
        proof: Proof::Cases(&[
            case(
                "applications: [{name: a, command: x, memory: 256M, sidecars: [{name: s, command: y, process_types: [web], memory: 64MB}, {name: t, command: z, process_types: [web], memory: 32}]}]",
                Spec(&["memory: 160M", "memory: 64M", "memory: 32M"]),
            ),
            case(
                "applications: [{name: a, command: x, sidecars: [{name: s, command: y, process_types: [web], memory: lots}, {name: t, command: y, process_types: [web], memory: 0}]}]",
                Problems(&[
                    "For application 'a': Sidecar \"s\": Memory in mb is not a number",
                    "For application 'a': Sidecar \"t\": Memory in mb must be greater than 0",
                ]),
            ),
        ]),
    },
    Row {
        name: "1.2 other keys are dropped",
        proof: Proof::Cases(&[case(
            "applications: [{name: a, command: x, sidecars: [{name: s, command: y, process_types: [web], env: {A: 1}}]}]",
            Dropped(&["unknown key `env`; Cloud Foundry ignores it silently"]),
        )]),
    },
    Row {
        name: "1.2 error: not a list",
        proof: Proof::Cases(&[
            case(
                "applications: [{name: a, command: x, sidecars: {s: y}}]",
                Problems(&[
                    "For application 'a': Sidecars must be an array of sidecar configurations",
                ]),
            ),
            case(
                "applications: [{name: a, command: x, sidecars: [s]}]",
                Problems(&[
                    "For application 'a': Sidecars must be an array of sidecar configurations",
                ]),
            ),
        ]),
    },
    Row {
        name: "1.2 error: lengths",
        proof: Proof::Tests("tests/manifests.rs", &["what_is_too_long_is_said"]),
    },
    Row {
        name: "1.2 error: duplicate name",
        proof: Proof::Cases(&[case(
            "applications: [{name: a, command: x, sidecars: [{name: s, command: y, process_types: [web]}, {name: s, command: z, process_types: [worker]}]}]",
            Problems(&["For application 'a': Sidecar with name 's' already exists for given app"]),
        )]),
    },
    Row {
        name: "1.2 error: sidecars take all of the process's memory",
        proof: Proof::Cases(&[
            case(
                "applications: [{name: a, command: x, memory: 128M, sidecars: [{name: s, command: y, process_types: [web], memory: 64M}, {name: t, command: z, process_types: [web], memory: 64M}]}]",
                Problems(&[
                    "For application 'a': The memory allocation defined is too large to run with the dependent \"web\" process",
                ]),
            ),
            case(
                "applications: [{name: a, command: x, sidecars: [{name: s, command: y, process_types: [web], memory: 1G}]}]",
                Problems(&[
                    "For application 'a': The memory allocation defined is too large to run with the dependent \"web\" process",
                ]),
            ),
            case(
                "applications: [{name: a, command: x, processes: [{type: worker, memory: 64M}], sidecars: [{name: s, command: y, process_types: [worker], memory: 64M}]}]",
                Problems(&[
                    "For application 'a': The memory allocation defined is too large to run with the dependent \"worker\" process",
                ]),
            ),
            case(
                "applications: [{name: a, command: x, memory: 128M, sidecars: [{name: s, command: y, process_types: [web], memory: 127M}]}]",
                Spec(&["memory: 1M", "memory: 127M"]),
            ),
        ]),
    },
    Row {
        name: "1.2 errors of scaling and of processes that come later",
        proof: Proof::NotHere(
            "the API raises them on changes of an app that exists; a file has none",
        ),
    },
    Row {
        name: "1.2 sidecars are not deleted by a later manifest",
        proof: Proof::NotHere("it is about an app that exists; each run here is a new one"),
    },
    Row {
        name: "1.2 the exported manifest is sorted",
        proof: Proof::NotHere("fateshare exports no manifest"),
    },
    Row {
        name: "1.2 a buildpack's sidecar with a user's name",
        proof: Proof::Cases(&[with(
            "applications: [{name: a, command: x, sidecars: [{name: s, command: y, process_types: [worker]}]}]",
            &[(
                "launch-yml",
                "processes: [{type: s, command: z, platforms: {cloudfoundry: {sidecar_for: [web]}}}]",
            )],
            Problems(&[
                "For application 'a': Buildpack defined sidecar 's' conflicts with an existing user-defined sidecar. Consider renaming 's'.",
            ]),
        )]),
    },
    Row {
        name: "1.2 the API's resource fields",
        proof: Proof::NotHere("fateshare has no API of apps"),
    },
    Row {
        name: "1.2 names that only fateshare refuses",
        proof: Proof::Cases(&[
            case(
                "applications: [{name: a, command: x, sidecars: [{name: web, command: y, process_types: [web]}]}]",
                Problems(&["For application 'a': Sidecar \"web\": the process has this name too"]),
            ),
            case(
                "applications: [{name: a, command: x, sidecars: [{name: fateshare, command: y, process_types: [web]}]}]",
                Problems(&[
                    "For application 'a': Sidecar \"fateshare\": a member must not be called `fateshare`: what we say ourselves has that name",
                ]),
            ),
        ]),
    },
];
