//! 1.3 and 1.4: processes, the app's own keys for `web`, `env`, sizes.

use super::Gives::{Dropped, Problems, Spec, Warning};
use super::{Proof, Row, case, with};

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "1.3 type",
        proof: Proof::Cases(&[
            case(
                "applications: [{name: a, command: x, processes: [{command: y}, {memory: 1G}]}]",
                Problems(&["For application 'a': All Processes must specify a type"]),
            ),
            case(
                "applications: [{name: a, processes: [{type: web, command: y}, {type: web, command: z}]}]",
                Problems(&["For application 'a': Process \"web\" may only be present once"]),
            ),
            case(
                "applications: [{name: a, command: x, processes: {web: y}}]",
                Problems(&[
                    "For application 'a': Processes must be an array of process configurations",
                ]),
            ),
            with(
                "applications: [{name: a, command: x, processes: [{type: worker, command: y}]}]",
                &[("process", "worker")],
                Spec(&["name: worker", "command: \"y\"", "memory: 1024M"]),
            ),
        ]),
    },
    Row {
        name: "1.3 command",
        proof: Proof::Cases(&[
            case(
                "applications: [{name: a, command: ''}]",
                Problems(&[
                    "For application 'a': Process \"web\": no start command specified or detected in droplet",
                    "For application 'a': Process \"web\": Command must be between 1 and 4096 characters",
                ]),
            ),
            with(
                "applications: [{name: a, command: null}]",
                &[("procfile", "web: from the Procfile")],
                Spec(&["command: \"from the Procfile\""]),
            ),
            case(
                "applications: [{name: a, command: [x, y]}]",
                Problems(&[
                    "For application 'a': Process \"web\": no start command specified or detected in droplet",
                    "For application 'a': Process \"web\": Command must be a string",
                ]),
            ),
        ]),
    },
    Row {
        name: "1.3 instances",
        proof: Proof::Cases(&[
            case("applications: [{name: a, command: x, instances: 0}]", Spec(&["command: x"])),
            case("applications: [{name: a, command: x, instances: '3'}]", Spec(&["command: x"])),
            case(
                "applications: [{name: a, command: x, instances: -1}]",
                Problems(&[
                    "For application 'a': Process \"web\": Instances must be greater than or equal to 0",
                ]),
            ),
            case(
                "applications: [{name: a, command: x, instances: 2000001}]",
                Problems(&[
                    "For application 'a': Process \"web\": Instances must be less than or equal to 2000000",
                ]),
            ),
            case(
                "applications: [{name: a, command: x, instances: 1.5}]",
                Problems(&["For application 'a': Process \"web\": Instances must be an integer"]),
            ),
        ]),
    },
    Row {
        name: "1.3 memory and disk_quota",
        proof: Proof::Cases(&[
            case(
                "applications: [{name: a, command: x, memory: 1.5G, disk_quota: 512M}]",
                Spec(&["memory: 1536M"]),
            ),
            case(
                "applications: [{name: a, command: x, memory: 512, disk_quota: 0M}]",
                Problems(&[
                    "For application 'a': Process \"web\": Memory must use a supported unit: B, K, KB, M, MB, G, GB, T, or TB",
                    "For application 'a': Process \"web\": Disk quota must be greater than 0MB",
                ]),
            ),
            case(
                "applications: [{name: a, command: x, memory: -5M, disk_quota: '5X'}]",
                Problems(&[
                    "For application 'a': Process \"web\": Memory is not a number",
                    "For application 'a': Process \"web\": Disk quota must use a supported unit: B, K, KB, M, MB, G, GB, T, or TB",
                ]),
            ),
            case("applications: [{name: a, command: x}]", Spec(&["memory: 1024M"])),
        ]),
    },
    Row {
        name: "1.3 log-rate-limit-per-second",
        proof: Proof::Cases(&[
            case(
                "applications: [{name: a, command: x, log-rate-limit-per-second: -1}]",
                Spec(&["command: x"]),
            ),
            case(
                "applications: [{name: a, command: x, log-rate-limit-per-second: 0}]",
                Spec(&["command: x"]),
            ),
            case(
                "applications: [{name: a, command: x, log-rate-limit-per-second: 16K}]",
                Spec(&["command: x"]),
            ),
            case(
                "applications: [{name: a, command: x, log-rate-limit-per-second: 16}]",
                Problems(&[
                    "For application 'a': Process \"web\": Log rate limit per second must use a supported unit: B, K, KB, M, MB, G, GB, T, or TB",
                ]),
            ),
        ]),
    },
    Row {
        name: "1.3 timeout",
        proof: Proof::Cases(&[
            case(
                "applications: [{name: a, command: x, timeout: 180}]",
                Spec(&[
                    "health_check: {type: port, start_timeout: 180s, interval: 30s, timeout: 1s}",
                ]),
            ),
            case(
                "applications: [{name: a, command: x, timeout: 181}]",
                Problems(&["For application 'a': Process \"web\": Maximum exceeded: max 180s"]),
            ),
            case(
                "applications: [{name: a, command: x, timeout: soon}]",
                Problems(&["For application 'a': Process \"web\": Timeout is not a number"]),
            ),
        ]),
    },
    Row {
        name: "1.3 health-check-type",
        proof: Proof::Cases(&[
            case(
                "applications: [{name: a, command: x}]",
                Spec(&[
                    "health_check: {type: port, start_timeout: 60s, interval: 30s, timeout: 1s}",
                ]),
            ),
            case(
                "applications: [{name: a, command: x, health-check-type: tcp}]",
                Problems(&[
                    "For application 'a': Process \"web\": Health check type must be \"port\", \"process\", or \"http\"",
                ]),
            ),
            with(
                "applications: [{name: a, processes: [{type: worker, command: x}]}]",
                &[("process", "worker")],
                Spec(&["command: x", "working_dir: /app", "memory: 1024M"]),
            ),
            case(
                "applications: [{name: a, command: x, health-check-type: none}]",
                Spec(&["memory: 1024M"]),
            ),
        ]),
    },
    Row {
        name: "1.3 health-check-http-endpoint",
        proof: Proof::Cases(&[
            case(
                "applications: [{name: a, command: x, health-check-type: http}]",
                Spec(&[
                    "health_check: {type: http, start_timeout: 60s, interval: 30s, timeout: 1s}",
                ]),
            ),
            case(
                "applications: [{name: a, command: x, health-check-type: port, health-check-http-endpoint: /h}]",
                Problems(&[
                    "For application 'a': Process \"web\": Health check type must be \"http\" to set a health check HTTP endpoint",
                ]),
            ),
            case(
                "applications: [{name: a, command: x, health-check-type: http, health-check-http-endpoint: 'a b'}]",
                Problems(&[
                    "For application 'a': Process \"web\": Health check http endpoint must be a valid URI path",
                ]),
            ),
            case(
                "applications: [{name: a, command: x, health-check-http-endpoint: /h}]",
                Dropped(&["Health check HTTP endpoint without effect", "health-check-type: http"]),
            ),
        ]),
    },
    Row {
        name: "1.3 health-check-invocation-timeout and health-check-interval",
        proof: Proof::Cases(&[
            case(
                "applications: [{name: a, command: x, health-check-invocation-timeout: 5, health-check-interval: 7}]",
                Spec(&[
                    "health_check: {type: port, start_timeout: 60s, interval: 7s, timeout: 5s}",
                ]),
            ),
            case(
                "applications: [{name: a, command: x, health-check-invocation-timeout: 0, health-check-interval: 0}]",
                Problems(&[
                    "For application 'a': Process \"web\": Health check invocation timeout must be greater than or equal to 1",
                    "For application 'a': Process \"web\": Health check interval must be greater than or equal to 1",
                ]),
            ),
        ]),
    },
    Row {
        name: "1.3 readiness-health-check-type and its keys",
        proof: Proof::Cases(&[
            case(
                "applications: [{name: a, command: x, readiness-health-check-type: http, readiness-health-check-http-endpoint: /r, readiness-health-check-interval: 3, readiness-health-check-invocation-timeout: 2}]",
                Spec(&["readiness_check: {type: http, endpoint: /r, interval: 3s, timeout: 2s}"]),
            ),
            case(
                "applications: [{name: a, command: x, readiness-health-check-type: https}]",
                Problems(&[
                    "For application 'a': Process \"web\": Readiness health check type must be \"port\", \"process\", or \"http\"",
                ]),
            ),
        ]),
    },
    Row {
        name: "1.3 user",
        proof: Proof::Cases(&[
            case(
                "applications: [{name: a, processes: [{type: web, command: x, user: vcap}]}]",
                Spec(&["user: vcap"]),
            ),
            case(
                "applications: [{name: a, processes: [{type: web, command: x, user: ''}]}]",
                Problems(&[
                    "For application 'a': Process \"web\": User must be between 1 and 255 characters",
                ]),
            ),
        ]),
    },
    Row {
        name: "1.3 the app's own keys are web's, and an entry for web replaces them",
        proof: Proof::Cases(&[
            case(
                "applications: [{name: a, command: x, memory: 64M, processes: [{type: web, command: y}]}]",
                Dropped(&["`command` has no effect: `processes` has an entry for `web`"]),
            ),
            with(
                "applications: [{name: a, command: x, memory: 64M, processes: [{type: worker, command: y}]}]",
                &[("process", "worker")],
                Spec(&["command: \"y\"", "memory: 1024M"]),
            ),
            case(
                "applications: [{name: a, processes: [{type: worker, command: y}]}]",
                Problems(&[
                    "For application 'a': Process \"web\": no start command specified or detected in droplet",
                ]),
            ),
        ]),
    },
    Row {
        name: "1.3 env",
        proof: Proof::Cases(&[
            case(
                "applications: [{name: a, command: x, env: {A: 1, B: true, C: null, D: 3.10}}]",
                Spec(&["A: \"1\"", "B: \"true\"", "C: \"\"", "D: \"3.10\""]),
            ),
            case(
                "applications: [{name: a, command: x, env: {VCAP_A: 1, vcap_b: 1, VMC: 1, Port: 1, '': 1}}]",
                Problems(&[
                    "For application 'a': Env cannot start with VCAP_",
                    "For application 'a': Env cannot start with VCAP_",
                    "For application 'a': Env cannot start with VMC_",
                    "For application 'a': Env cannot set PORT",
                    "For application 'a': Env key must be a minimum length of 1",
                ]),
            ),
            case(
                "applications: [{name: a, command: x, env: [A=1]}]",
                Problems(&["For application 'a': Env must be an object of keys and values"]),
            ),
            case(
                "applications: [{name: a, command: x, env: {HOME: /x}}]",
                Dropped(&["`HOME` has no effect: Cloud Foundry's launcher sets it"]),
            ),
            case(
                "applications: [{name: a, command: x, env: {A: {b: c}}}]",
                Problems(&[
                    "For application 'a': the value of `A` is a map: Cloud Foundry would write it as Ruby does",
                ]),
            ),
        ]),
    },
    Row {
        name: "1.3 whose command counts",
        proof: Proof::Cases(&[
            with(
                "applications: [{name: a, command: from the manifest}]",
                &[(
                    "staging",
                    r#"{"process_types": {"web": "from the droplet"}, "start_command": "last"}"#,
                )],
                Spec(&["command: \"from the manifest\""]),
            ),
            with(
                "applications: [{name: a}]",
                &[(
                    "staging",
                    r#"{"process_types": {"web": "from the droplet"}, "start_command": "last"}"#,
                )],
                Spec(&["command: \"from the droplet\""]),
            ),
            with(
                "applications: [{name: a}]",
                &[("staging", r#"{"start_command": "last"}"#)],
                Spec(&["command: last"]),
            ),
        ]),
    },
    Row {
        name: "1.3 what is not run here is said",
        proof: Proof::Cases(&[
            case(
                "applications: [{name: a, command: x, services: [db]}]",
                Warning(&["`services` are not bound here", "VCAP_SERVICES"]),
            ),
            case(
                "applications: [{name: a, command: x, path: target/app.jar}]",
                Warning(&[
                    "`path` is an archive, which is not unpacked here",
                    "members run in /app",
                ]),
            ),
            case(
                "applications: [{name: a, command: x, path: ./sub}]",
                Spec(&["profile: /app/sub", "working_dir: /app/sub"]),
            ),
        ]),
    },
    Row {
        name: "1.4 sizes",
        proof: Proof::Tests(
            "src/cloudfoundry/size.rs",
            &["every_unit_is_base_1024_in_any_case", "what_is_none_is_said_in_the_platforms_words"],
        ),
    },
];
