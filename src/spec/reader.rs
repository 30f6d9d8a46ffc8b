//! The launch spec: from a text to a [`Launch`], or to all that is wrong with it.

use super::cursor::{Cursor, Fields, Findings};
use super::document::Document;
use super::keys::{self, Level};
use super::member::{Group, Teller};
use super::node::Node;
use super::overlay::time_flaw;
use super::problem::{Problem, Problems, Warning, shown};
use super::{
    DEFAULT_GRACE, DEFAULT_STOP_ON, ExitCodes, Launch, Member, Overlay, Platform, Signal, SpecFile,
    env,
};

/// Signals that cannot be a stop request: they cannot be caught, tell of a fault of our own, or
/// stop and continue the group.
const NO_STOP_REQUESTS: [Signal; 7] = [
    Signal::KILL,
    Signal::STOP,
    Signal::CHLD,
    Signal::TSTP,
    Signal::TTIN,
    Signal::TTOU,
    Signal::CONT,
];

/// Faults, by name: nothing else here speaks of them.
const FAULTS: [&str; 4] = ["SIGSEGV", "SIGILL", "SIGFPE", "SIGBUS"];

/// A spec that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What to run.
    pub launch: Launch,
    /// What is odd about it, in file order.
    pub warnings: Vec<Warning>,
}

/// Reads a launch spec, YAML or JSON, with what the command line adds to it.
///
/// Either everything is right, or every problem is told at once.
pub fn read(text: &[u8], file: &SpecFile, overlay: &Overlay) -> Result<Reading, Problems> {
    let document = Document::parse(text, &file.shown)?;
    let mut findings = Findings::default();
    findings.problems.extend(document.flaws());
    let mut elsewhere = Vec::new();
    let launch = read_top(&document, file, overlay, &mut findings, &mut elsewhere);
    match launch {
        Some(launch) if findings.problems.is_empty() && elsewhere.is_empty() => {
            Ok(Reading { launch, warnings: document.warnings(&findings.warnings) })
        }
        _ => Err(document.problems(&findings.problems, elsewhere)),
    }
}

/// The shell that runs string commands unless the spec names one.
pub(super) fn default_shell() -> Vec<String> {
    vec!["/bin/sh".to_owned(), "-c".to_owned()]
}

/// The top of the spec. `None` when something in it is missing or wrong.
fn read_top(
    document: &Document,
    file: &SpecFile,
    overlay: &Overlay,
    findings: &mut Findings,
    elsewhere: &mut Vec<Problem>,
) -> Option<Launch> {
    let top = Cursor::top(document.root(), "a launch spec");
    let Node::Map(_) = top.node else {
        top.must_be("a map with the key `main`", findings);
        return None;
    };
    let fields = top.fields(findings)?;
    keys::check(&fields, Level::Top, findings);
    let shell = match fields.get("shell") {
        Some(cursor) => read_shell(&cursor, findings),
        None => default_shell(),
    };
    let shared = fields.get("env").map(|cursor| env::read(&cursor, findings)).unwrap_or_default();
    let platform = read_platform(&fields, findings);
    let memory = if platform.is_some() { Teller::Launcher } else { Teller::Spec };
    let group = Group { shell: &shell, env: &shared, folder: &file.folder, memory };
    let mut members = read_members(&fields, &group, overlay, findings, elsewhere);
    overlay.add_sidecars(&group, &mut members, elsewhere);
    let grace_period = read_grace(&fields, findings);
    let launch = Launch {
        source: file.shown.clone(),
        members,
        grace_period: overlay.grace(elsewhere).unwrap_or(grace_period),
        stop_on: read_stop_on(&fields, findings),
        exit_codes: read_exit_codes(&fields, findings),
        profile: fields.get("profile").and_then(|cursor| group.read_directory(&cursor, findings)),
        platform,
        shell,
    };
    Some(launch)
}

/// The main process and the sidecars, those that could be read.
fn read_members(
    fields: &Fields<'_>,
    group: &Group<'_>,
    overlay: &Overlay,
    findings: &mut Findings,
    elsewhere: &mut Vec<Problem>,
) -> Vec<Member> {
    let replacement = overlay.replacement(elsewhere);
    let mut members = Vec::new();
    // The main process's name comes first, also when it is the default or main cannot be read.
    let mut names = Vec::new();
    match (fields.get("main"), &replacement) {
        (Some(cursor), _) => {
            if let Some(main) = cursor.fields(findings) {
                note_name(&main, &mut names, findings);
                members.extend(group.read(&main, Level::Main, replacement.as_ref(), findings));
            }
        }
        (None, Some(command)) => members.push(group.plain("main".to_owned(), command.clone())),
        // For a file that is something else this would be noise.
        (None, None) if keys::is_foreign(fields) => {}
        (None, None) => findings.advise(
            &fields.place,
            "there is no `main`, the process that the group is for",
            "add `main: {command: ...}`",
        ),
    }
    let Some(cursor) = fields.get("sidecars") else {
        return members;
    };
    if let Node::Map(_) = cursor.node {
        let message = "`sidecars` must be a list, not a map";
        findings.advise(&cursor.place, message, "write `- name: NAME` for each");
        return members;
    }
    if names.is_empty() {
        names.push("main".to_owned());
    }
    for mut item in cursor.list(findings).unwrap_or_default() {
        "a sidecar".clone_into(&mut item.name);
        if let Some(sidecar) = item.fields(findings) {
            note_name(&sidecar, &mut names, findings);
            members.extend(group.read(&sidecar, Level::Sidecar, None, findings));
        }
    }
    members
}

/// Names are one namespace: reports one that is taken, also when the rest of a member is wrong.
fn note_name(fields: &Fields<'_>, names: &mut Vec<String>, findings: &mut Findings) {
    let Some(cursor) = fields.get("name") else {
        return;
    };
    let Node::Text(name) = cursor.node else {
        return;
    };
    let message = match names.iter().position(|known| known == name) {
        Some(0) => format!("the main process is called `{}` too", shown(name)),
        Some(_) => format!("another sidecar is called `{}` too", shown(name)),
        None => return names.push(name.clone()),
    };
    findings.problem(&cursor.place, message);
}

/// The shell with its arguments before the command.
fn read_shell(cursor: &Cursor<'_>, findings: &mut Findings) -> Vec<String> {
    if let Node::Text(text) = cursor.node {
        let message = "`shell` must be a list, not text";
        let mut words: Vec<&str> = text.split_whitespace().collect();
        if words.last() != Some(&"-c") {
            words.push("-c");
        }
        let hint = format!("write `[{}]`", shown(&words.join(", ")));
        findings.advise(&cursor.place, message, hint);
        return default_shell();
    }
    let Some(words) = cursor.words(findings) else {
        return default_shell();
    };
    if words.first().is_some_and(String::is_empty) {
        findings.problem(&cursor.place.item(0), "the program of `shell` must not be empty");
    }
    words
}

/// The time that the whole teardown may take.
fn read_grace(fields: &Fields<'_>, findings: &mut Findings) -> std::time::Duration {
    let Some(cursor) = fields.get("grace_period") else {
        return DEFAULT_GRACE;
    };
    let Some(grace) = cursor.duration(findings) else {
        return DEFAULT_GRACE;
    };
    if let Some(flaw) = time_flaw(grace) {
        findings.problem(&cursor.place, format!("`grace_period` {flaw}"));
    }
    grace
}

/// The platform that is played, with what is told of the app there.
fn read_platform(fields: &Fields<'_>, findings: &mut Findings) -> Option<Platform> {
    let application = fields.get("application");
    let Some(cursor) = fields.get("platform") else {
        if let Some(application) = application {
            let message = "`application` is for `platform: cloudfoundry` only";
            findings.problem(&application.place, message);
        }
        return None;
    };
    let application = application.and_then(|name| name.text(findings)).map(str::to_owned);
    match cursor.text(findings)? {
        "cloudfoundry" => Some(Platform::CloudFoundry { application }),
        other => {
            let message = format!("unknown platform `{}`", shown(other));
            findings.advise(&cursor.place, message, "only `cloudfoundry` is known");
            None
        }
    }
}

/// The signals that are a stop request.
fn read_stop_on(fields: &Fields<'_>, findings: &mut Findings) -> Vec<Signal> {
    let Some(cursor) = fields.get("stop_on") else {
        return DEFAULT_STOP_ON.to_vec();
    };
    if let Node::Text(_) = cursor.node {
        let message = "`stop_on` must be a list, not text";
        findings.advise(&cursor.place, message, "write `[SIGTERM]`");
        return Vec::new();
    }
    let items = cursor.list(findings).unwrap_or_default();
    if items.is_empty() && matches!(cursor.node, Node::List(_)) {
        let message = "`stop_on` must not be empty: nothing could ask the group to stop";
        findings.problem(&cursor.place, message);
    }
    let mut signals = Vec::new();
    for item in items {
        let Some(signal) = item.signal(findings) else {
            continue;
        };
        if let Some(flaw) = stop_request_flaw(signal) {
            findings.problem(&item.place, format!("`stop_on` must not have {signal}: {flaw}"));
        } else if signals.contains(&signal) {
            findings.problem(&item.place, format!("`stop_on` has {signal} twice"));
        } else {
            signals.push(signal);
        }
    }
    signals
}

/// Why a signal cannot be a stop request.
fn stop_request_flaw(signal: Signal) -> Option<&'static str> {
    if matches!(signal, Signal::KILL | Signal::STOP) {
        Some("it cannot be caught")
    } else if NO_STOP_REQUESTS.contains(&signal) {
        Some("it has a meaning of its own")
    } else if FAULTS.contains(&signal.to_string().as_str()) {
        Some("it tells of a fault in the program that gets it")
    } else {
        None
    }
}

/// Exit codes for verdicts that have none of their own.
fn read_exit_codes(fields: &Fields<'_>, findings: &mut Findings) -> ExitCodes {
    let mut codes = ExitCodes::default();
    let Some(fields) = fields.get("exit_codes").and_then(|cursor| cursor.fields(findings)) else {
        return codes;
    };
    keys::check(&fields, Level::ExitCodes, findings);
    let mut read = |key: &str| fields.get(key).and_then(|cursor| cursor.exit_code(findings));
    codes.main_success = read("main_success").unwrap_or(codes.main_success);
    codes.sidecar_success = read("sidecar_success").unwrap_or(codes.sidecar_success);
    codes.unhealthy = read("unhealthy").unwrap_or(codes.unhealthy);
    codes.stopped = read("stopped");
    codes
}
