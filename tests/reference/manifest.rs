//! 1.1: the document.

use super::Gives::{Dropped, Problems, Spec};
use super::{Proof, Row, case, with};

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "1.1 top keys: applications and version 1",
        proof: Proof::Cases(&[
            case("version: 1\napplications: [{name: a, command: x}]", Spec(&["application: a"])),
            case(
                "version: 2\napplications: [{name: a, command: x}]",
                Problems(&[
                    "Unsupported manifest schema version. Currently supported versions: [1].",
                ]),
            ),
            case("version: 1", Problems(&["Cannot parse manifest with no 'applications' field."])),
            case(
                "applications:",
                Problems(&["Cannot parse manifest with no 'applications' field."]),
            ),
            case(
                "applications: {name: a}",
                Problems(&["`applications` must be a list, not a map"]),
            ),
        ]),
    },
    Row {
        name: "1.1 errors are prefixed, and all are collected",
        proof: Proof::Cases(&[case(
            "applications:\n- {name: a, command: x, timeout: 0}\n- {memory: 5}\n- {name: c, instances: x}\n- 5",
            Problems(&[
                "For application 'a': Process \"web\": Timeout must be greater than or equal to 1",
                "For application at index 1: Name must not be empty",
                "For application at index 1: Process \"web\": Memory must use a supported unit: B, K, KB, M, MB, G, GB, T, or TB",
                "For application 'c': Process \"web\": Instances is not a number",
                "For application at index 3: it must be a map, not a number",
            ]),
        )]),
    },
    Row {
        name: "1.1 a name is needed, unknown keys are ignored",
        proof: Proof::Cases(&[
            case(
                "applications: [{command: x}]",
                Problems(&["For application at index 0: Name must not be empty"]),
            ),
            case(
                "applications: [{name: ' ', command: x}]",
                Problems(&["For application at index 0: Name must not be empty"]),
            ),
            case(
                "applications: [{name: 5, command: x}]",
                Problems(&["For application at index 0: Name must be a string"]),
            ),
            case(
                "applications: [{name: a, command: x, instnaces: 1}]",
                Dropped(&[
                    "unknown key `instnaces`; Cloud Foundry ignores it silently",
                    "`instances`",
                ]),
            ),
            case("applications: [{name: a, command: x}]\nfoo: 1", Dropped(&["unknown key `foo`"])),
        ]),
    },
    Row {
        name: "1.1 hyphens are underscores in apps and processes, not in sidecars",
        proof: Proof::Cases(&[
            case(
                "applications: [{name: a, command: x, health-check-type: http, health_check-http-endpoint: /h}]",
                Spec(&[
                    "health_check: {type: http, endpoint: /h, start_timeout: 60s, interval: 30s, timeout: 1s}",
                ]),
            ),
            case(
                "applications: [{name: a, processes: [{type: web, command: x, health-check-type: process}]}]",
                Spec(&["name: web"]),
            ),
            case(
                "applications:\n- name: a\n  command: x\n  sidecars:\n  - name: s\n    command: y\n    process-types: [web]",
                Problems(&[
                    "For application 'a': Sidecar \"s\": Process types must have at least 1 process_type",
                ]),
            ),
            case(
                "applications: [{name: a, command: x, sidecars: [{name: s, command: y, process_types: [web], Memory: 5M}]}]",
                Dropped(&["unknown key `Memory`", "did you mean `memory`?"]),
            ),
        ]),
    },
    Row {
        name: "1.1 aliases and merges work",
        proof: Proof::Cases(&[
            case(
                "common: &common {memory: 512M, env: &env {A: x}}\napplications:\n- <<: *common\n  name: a\n  command: x\n  env: {<<: *env, B: y}",
                Spec(&["A: x", "B: \"y\"", "memory: 512M"]),
            ),
            case(
                "applications:\n- &one {name: a, command: x, memory: 64M}\n- {<<: *one, name: b}",
                Problems(&["has 2 apps: a, b"]),
            ),
            with(
                "applications:\n- &one {name: a, command: x, memory: 64M}\n- {<<: *one, name: b}",
                &[("app", "b")],
                Spec(&["application: b", "command: x", "memory: 64M"]),
            ),
        ]),
    },
    Row {
        name: "1.1 variables",
        proof: Proof::Cases(&[
            with(
                "applications: [{name: ((n)), command: 'run ((port)) (( !m ))', memory: ((m)), instances: ((!i)), env: ((e))}]",
                &[
                    ("vars-file", "n: app\nm: 64M\ne: {A: 1}\ni: 2\nport: 1"),
                    ("vars-file", "port: 2"),
                    ("var", "port=3"),
                    ("var", "i=4"),
                ],
                Spec(&["application: app", "A: \"1\"", "command: \"run 3 64M\"", "memory: 64M"]),
            ),
            with(
                "applications: [{name: a, ((key)): x, env: {A: ((deep.er)), B: 'x-((list))'}}]",
                &[("vars-file", "key: command\ndeep: {er: y}\nlist: [1]")],
                Problems(&[
                    "the variable `list` is a list: within a longer text only text and whole numbers can stand",
                ]),
            ),
            with(
                "applications: [{name: a, command: ((a)) ((b))}]",
                &[("var", "c=1")],
                Problems(&["the variable `a` has no value", "the variable `b` has no value"]),
            ),
            with(
                "applications: [{name: a, command: x}]",
                &[("vars-file", "- a")],
                Problems(&["a file of variables must be a map, not a list"]),
            ),
        ]),
    },
    Row {
        name: "1.1 disk_quota or disk-quota, at least one app",
        proof: Proof::Cases(&[
            case("applications: [{name: a, command: x, disk-quota: 1G}]", Spec(&["command: x"])),
            case(
                "applications: [{name: a, command: x, disk-quota: 1G, disk_quota: 1G}]",
                Problems(&[
                    "For application 'a': `disk-quota` and `disk_quota` must not both be there",
                ]),
            ),
            case("applications: []", Problems(&["Manifest must have at least one application."])),
        ]),
    },
];
