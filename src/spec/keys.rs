//! Which keys there are, and what is said about all others.

use super::cursor::{Fields, Findings};
use super::words::hint;

/// Which map of the spec is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Top,
    Main,
    Sidecar,
    ExitCodes,
}

/// Keys of the whole group.
const TOP: [&str; 10] = [
    "main",
    "sidecars",
    "env",
    "shell",
    "grace_period",
    "stop_on",
    "exit_codes",
    "platform",
    "application",
    "profile",
];
/// Keys of every member.
const MEMBER: [&str; 12] = [
    "name",
    "command",
    "working_dir",
    "env",
    "user",
    "stop_signal",
    "stop_to",
    "memory",
    "oom_score_adj",
    "no_new_privs",
    "health_check",
    "readiness_check",
];
/// Keys of sidecars alone.
const SIDECAR: [&str; 2] = ["stop", "may_finish"];
/// Keys of `exit_codes`.
const EXIT_CODES: [&str; 4] = ["main_success", "sidecar_success", "unhealthy", "stopped"];

/// All keys, by the map that they stand in: what the documents are held to.
pub const KEYS: [(&str, &[&str]); 5] = [
    ("The group", &TOP),
    ("Every member", &MEMBER),
    ("Sidecars alone", &SIDECAR),
    ("Checks", &super::health::KEYS),
    ("Exit codes", &EXIT_CODES),
];

/// Reports every key that does not belong into this map.
pub(super) fn check(fields: &Fields<'_>, level: Level, findings: &mut Findings) {
    let known: Vec<&str> = match level {
        Level::Top => TOP.to_vec(),
        Level::Main => MEMBER.to_vec(),
        Level::Sidecar => [&MEMBER[..], &SIDECAR].concat(),
        Level::ExitCodes => EXIT_CODES.to_vec(),
    };
    for entry in fields.entries {
        let key = entry.key.as_str();
        let place = fields.place.key(entry);
        if known.contains(&key) {
            continue;
        }
        if let Some(instead) = inherited(key) {
            let message =
                format!("`{key}` is no key: limits, umask and nice are inherited untouched");
            findings.advise(&place, message, format!("set it in the command: `{instead}`"));
        } else if let Some((message, hint)) = misplaced(key, level) {
            findings.advise(&place, message, hint);
        } else {
            let message = format!("unknown key `{}`", super::problem::shown(key));
            findings.advise(&place, message, hint(key, &known, &known));
        }
    }
}

/// Whether the file is of another format: the keys say so already.
pub(super) fn is_foreign(top: &Fields<'_>) -> bool {
    ["applications", "processes", "services", "apiVersion"].iter().any(|key| top.get(key).is_some())
}

/// What to write instead of a key for something that members inherit.
fn inherited(key: &str) -> Option<&'static str> {
    match key {
        "ulimits" | "ulimit" | "rlimits" | "rlimit" => Some("sh -c 'ulimit -n 65536; exec ...'"),
        "umask" => Some("sh -c 'umask 027; exec ...'"),
        "nice" | "niceness" => Some("nice -n 5 ..."),
        _ => None,
    }
}

/// A key of ours, or of a neighbouring format, that stands in the wrong map.
fn misplaced(key: &str, level: Level) -> Option<(String, &'static str)> {
    let of_members = MEMBER.contains(&key) || SIDECAR.contains(&key);
    let of_top = TOP.contains(&key);
    match (level, key) {
        (Level::Main, "stop" | "may_finish") => Some((
            format!("`{key}` is for sidecars only"),
            "when the main process ends, the group ends",
        )),
        (Level::Top, "applications") => Some((
            "`applications` belongs to a Cloud Foundry manifest, not to a launch spec".to_owned(),
            "a file is one or the other: a launch spec has `main` and `sidecars`",
        )),
        (Level::Top, "processes") => Some((
            "`processes` belongs to a launch.yml, not to a launch spec".to_owned(),
            "a file is one or the other: a launch spec has `main` and `sidecars`",
        )),
        (Level::Top, "services") => Some((
            "`services` is no key: this looks like a Compose file".to_owned(),
            "a launch spec has `main` and `sidecars`, a Cloud Foundry manifest `applications`",
        )),
        (Level::Top, "apiVersion" | "kind") => Some((
            format!("`{key}` is no key: this looks like a file for Kubernetes"),
            "a launch spec has `main` and `sidecars`, a Cloud Foundry manifest `applications`",
        )),
        (Level::Top, _) if of_members => {
            Some((format!("`{key}` belongs to a member"), "move it below `main` or into a sidecar"))
        }
        (Level::Main | Level::Sidecar, _) if of_top => Some((
            format!("`{key}` belongs to the whole group"),
            "move it to the top of the file, beside `main`",
        )),
        _ => None,
    }
}
