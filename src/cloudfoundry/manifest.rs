//! A manifest: `applications`, each with its processes, sidecars and environment.

use super::process::{self, Process, WEB};
use super::report::Report;
use super::sidecar::{self, Sidecar};
use crate::spec::{Cursor, Document, Entry, Fields, Node, Place, nearest, shown};

/// Keys of an app besides those of its process `web`.
const APP_KEYS: [&str; 19] = [
    "name",
    "buildpack",
    "buildpacks",
    "stack",
    "path",
    "env",
    "services",
    "routes",
    "random_route",
    "no_route",
    "default_route",
    "docker",
    "metadata",
    "sidecars",
    "processes",
    "lifecycle",
    "features",
    "cnb_credentials",
    "app_lifecycle",
];

/// What the launcher sets itself, whatever the manifest says.
const LAUNCHERS: [&str; 3] = ["HOME", "TMPDIR", "DEPS_DIR"];

/// An app of a manifest.
#[derive(Clone, Debug)]
pub(super) struct App {
    pub(super) name: String,
    pub(super) place: Place,
    /// `path`, as it is written.
    pub(super) path: Option<(String, Place)>,
    pub(super) env: Vec<(String, String)>,
    /// `web` first, if anything is said of it.
    pub(super) processes: Vec<Process>,
    pub(super) sidecars: Vec<Sidecar>,
}

/// Reads all apps of a manifest, those that can be read. `root` is the document's with its variables
/// filled in.
pub(super) fn read(document: &Document, root: &Node, report: &mut Report) -> Vec<App> {
    let Node::Map(entries) = root else {
        // By its kind alone: a variable may be filled in.
        let kind = root.kind();
        let message = format!("a manifest must be a map with the key `applications`, not {kind}");
        report.problem(&Place::default(), message);
        return Vec::new();
    };
    let fields = Fields { entries, place: Place::default() };
    for entry in entries {
        let known = ["applications", "version"];
        // A map at the top may be there for its anchor alone.
        let is_template =
            matches!(entry.value, Node::Map(_) | Node::List(_)) && document.has_anchors();
        if !known.contains(&entry.key.as_str()) && !is_template {
            // Of a file that is something else the other keys say nothing.
            if fields.get("applications").is_none() && nearest(&entry.key, &known).is_none() {
                continue;
            }
            let of_apps: Vec<&str> = APP_KEYS.iter().chain(&process::KEYS).copied().collect();
            let elsewhere: [(&[&str], &str); 2] =
                [(&["process_types"], "a sidecar"), (&of_apps, "an app")];
            report.misplaced_key(&fields.place.key(entry), &entry.key, &known, &elsewhere);
        }
    }
    if let Some(version) = fields.get("version")
        && !matches!(version.node, Node::Number(Some(1), _))
    {
        let message = "Unsupported manifest schema version. Currently supported versions: [1].";
        report.advise(&version.place, message, "write `version: 1`, or leave it out");
    }
    let Some(applications) = fields.get("applications") else {
        let message = "Cannot parse manifest with no 'applications' field.";
        let hint = if fields.get("services").is_some() {
            "this looks like a Compose file; a manifest begins with `applications:`"
        } else {
            "write `applications:`, and below it `- name: NAME`"
        };
        report.advise(&fields.place, message, hint);
        return Vec::new();
    };
    let Node::List(list) = applications.node else {
        let message = format!("`applications` must be a list, not {}", applications.node.kind());
        report.advise(&applications.place, message, "write `- name: NAME` for each app");
        return Vec::new();
    };
    if list.is_empty() {
        report.problem(&applications.place, "Manifest must have at least one application.");
    }
    let read = |(index, node)| read_app(&applications.place.item(index), index, node, report);
    let apps = list.iter().enumerate().filter_map(read).collect();
    report.about(String::new());
    apps
}

fn read_app(place: &Place, index: usize, node: &Node, report: &mut Report) -> Option<App> {
    report.about(format!("For application at index {index}: "));
    let Node::Map(entries) = node else {
        report.problem(place, format!("it must be a map, not {}", node.kind()));
        return None;
    };
    let fields = Fields { entries, place: place.clone() };
    let name = match fields.get("name").map(|cursor| (report.text(&cursor, "Name"), cursor)) {
        Some((Some(name), _)) if !name.trim().is_empty() => Some(name.to_owned()),
        // Said already that it is no string.
        Some((None, _)) => None,
        Some((Some(_), cursor)) => {
            report.problem(&cursor.place, "Name must not be empty");
            None
        }
        None => {
            report.advise(place, "Name must not be empty", "add `name: NAME`");
            None
        }
    };
    if let Some(name) = &name {
        report.about(format!("For application '{}': ", shown(name)));
    }
    // Anything but letters and digits differs: `disk-quota`, `disk_quota`.
    let spelling = Spelling::of(&fields, report);
    let known: Vec<&str> = APP_KEYS.iter().chain(&process::KEYS).copied().collect();
    spelling.report_unknown(&known, &[(&["process_types"], "a sidecar")], report);
    let get = |key: &str| spelling.get(key);
    let processes = read_processes(&spelling, report);
    let sidecars = get("sidecars").map(|cursor| sidecar::read(&cursor, report)).unwrap_or_default();
    check_memory(&processes, &sidecars, report);
    let env = get("env").map(|cursor| read_env(&cursor, report)).unwrap_or_default();
    let path = get("path").and_then(|it| Some((report.text(&it, "Path")?.to_owned(), it.place)));
    if let Some(services) = get("services")
        && matches!(services.node, Node::List(list) if !list.is_empty())
    {
        let message = "`services` are not bound here";
        report.warn(&services.place, message, "set VCAP_SERVICES, as `cf env` shows it");
    }
    Some(App { name: name?, place: place.clone(), path, env, processes, sidecars })
}

/// A map whose keys may have hyphens for underscores.
struct Spelling<'a> {
    fields: &'a Fields<'a>,
    /// Which entry has this key, underscores for hyphens; the last one.
    keys: Vec<(String, &'a Entry)>,
}

impl<'a> Spelling<'a> {
    fn of(fields: &'a Fields<'a>, report: &mut Report) -> Self {
        let mut keys: Vec<(String, &Entry)> = Vec::new();
        for entry in fields.entries {
            let key = entry.key.replace('-', "_");
            let Some((_, other)) = keys.iter_mut().find(|(known, _)| *known == key) else {
                keys.push((key, entry));
                continue;
            };
            let place = fields.place.key(entry);
            let first = report.key(&fields.place.key(other), &other.key);
            let second = report.key(&place, &entry.key);
            if key == "disk_quota" {
                report.problem(&place, format!("`{first}` and `{second}` must not both be there"));
            } else {
                let message = format!("`{first}` and `{second}` are the same key");
                report.dropped(&place, message, "Cloud Foundry takes the last one silently");
            }
            *other = entry;
        }
        Self { fields, keys }
    }

    fn get(&self, key: &str) -> Option<Cursor<'a>> {
        let (_, entry) = self.keys.iter().find(|(known, _)| known == key)?;
        let place = self.fields.place.value(entry);
        let found = Cursor { node: &entry.value, place, name: format!("`{key}`") };
        (*found.node != Node::Null).then_some(found)
    }

    fn report_unknown(&self, known: &[&str], elsewhere: &[(&[&str], &str)], report: &mut Report) {
        for (key, entry) in &self.keys {
            if !known.contains(&key.as_str()) {
                report.misplaced_key(&self.fields.place.key(entry), &entry.key, known, elsewhere);
            }
        }
    }
}

/// `processes`, and the app's own keys for `web`: an entry for `web` replaces all of these.
fn read_processes(app: &Spelling<'_>, report: &mut Report) -> Vec<Process> {
    let own: Vec<&(String, &Entry)> =
        app.keys.iter().filter(|(key, _)| process::KEYS.contains(&key.as_str())).collect();
    let mut processes: Vec<Process> = Vec::new();
    let list = match app.get("processes").map(|cursor| (cursor.node, cursor.place)) {
        Some((Node::List(list), place)) => Some((list, place)),
        Some((_, place)) => {
            report.problem(&place, "Processes must be an array of process configurations");
            None
        }
        None => None,
    };
    let mut without_type = false;
    for (index, node) in list.iter().flat_map(|(list, _)| list.iter().enumerate()) {
        let place = list.as_ref().map(|(_, place)| place.item(index)).unwrap_or_default();
        let Node::Map(entries) = node else {
            report.problem(&place, "Processes must be an array of process configurations");
            continue;
        };
        let fields = Fields { entries, place };
        let Some(process) = read_process(&fields, report) else {
            if !without_type {
                report.problem(&fields.place, "All Processes must specify a type");
            }
            without_type = true;
            continue;
        };
        if processes.iter().any(|other| other.kind == process.kind) {
            let kind = shown(&process.kind);
            let message = format!("Process \"{kind}\" may only be present once");
            report.problem(&fields.place, message);
            continue;
        }
        processes.push(process);
    }
    if processes.iter().all(|process| process.kind != WEB) {
        if !own.is_empty() {
            processes.insert(0, Process::read(WEB, &|key| app.get(key), report));
        }
    } else {
        // What is wrong with them is told all the same, as the platform does.
        Process::read(WEB, &|key| app.get(key), report);
        for (_, entry) in own {
            let key = shown(&entry.key);
            let message = format!("`{key}` has no effect: `processes` has an entry for `web`");
            let place = app.fields.place.key(entry);
            report.dropped(&place, message, "Cloud Foundry ignores it silently; move it there");
        }
    }
    processes
}

/// `None` without a type.
fn read_process(fields: &Fields<'_>, report: &mut Report) -> Option<Process> {
    let spelling = Spelling::of(fields, report);
    let cursor = spelling.get("type")?;
    let kind = report.text(&cursor, "Process type").filter(|kind| !kind.trim().is_empty())?;
    let known: Vec<&str> = ["type", "user"].iter().chain(&process::KEYS).copied().collect();
    spelling.report_unknown(&known, &[(&["process_types"], "a sidecar")], report);
    if let Some(flaw) = crate::spec::name_flaw(kind) {
        report.problem(&cursor.place, format!("Process \"{}\": {flaw}", shown(kind)));
    }
    let mut process = Process::read(kind, &|key| spelling.get(key), report);
    process.user = process::read_user(fields, kind, report);
    Some(process)
}

/// The sidecars of a process must leave it some of its memory.
fn check_memory(processes: &[Process], sidecars: &[Sidecar], report: &mut Report) {
    let usual = Process::usual(WEB);
    let has_web = processes.iter().any(|process| process.kind == WEB);
    for process in processes.iter().chain((!has_web).then_some(&usual)) {
        let of_it = sidecars.iter().filter(|it| it.types.contains(&process.kind));
        let mut total = 0_u64;
        for sidecar in of_it {
            let Some(memory) = sidecar.memory else { continue };
            total = total.saturating_add(memory);
            if total >= process.memory {
                let (message, hint) = process.too_small(total);
                report.advise(&sidecar.memory_at, message, hint);
                break;
            }
        }
    }
}

/// `env`: every value becomes text.
fn read_env(cursor: &Cursor<'_>, report: &mut Report) -> Vec<(String, String)> {
    let Node::Map(entries) = cursor.node else {
        let message = "Env must be an object of keys and values";
        report.secret(&cursor.place, message, Some("write `NAME: value`"));
        return Vec::new();
    };
    let mut env = Vec::new();
    for entry in entries {
        let key = cursor.place.key(entry);
        let name = report.key(&key, &entry.key);
        let upper = entry.key.to_ascii_uppercase();
        let flaw = if entry.key.is_empty() {
            Some("Env key must be a minimum length of 1")
        } else if upper.starts_with("VCAP_") {
            Some("Env cannot start with VCAP_")
        } else if upper.starts_with("VMC") {
            Some("Env cannot start with VMC_")
        } else if upper == "PORT" {
            Some("Env cannot set PORT")
        } else if entry.key.contains(['=', '\0']) {
            Some("Env key must not contain `=` or NUL")
        } else {
            None
        };
        if let Some(flaw) = flaw {
            let hint = match flaw {
                "Env cannot set PORT" => Some("the platform does; here it is --port"),
                "Env cannot start with VCAP_" => Some("the platform sets these"),
                _ => None,
            };
            report.secret(&key, flaw, hint);
            continue;
        }
        if LAUNCHERS.contains(&entry.key.as_str()) {
            let message =
                format!("`{}` has no effect: Cloud Foundry's launcher sets it", entry.key);
            report.dropped(&key, message, "leave it out");
            continue;
        }
        let value = match &entry.value {
            Node::Null => String::new(),
            Node::Bool(_, text) | Node::Number(_, text) | Node::Text(text) => text.clone(),
            Node::List(_) | Node::Map(_) => {
                let message = format!(
                    "the value of `{}` is {}: Cloud Foundry would write it as Ruby does",
                    name,
                    entry.value.kind()
                );
                report.secret(&cursor.place.value(entry), message, Some("quote it as JSON"));
                continue;
            }
        };
        if value.contains('\0') {
            let message = format!("the value of `{name}` must not contain NUL");
            report.secret(&cursor.place.value(entry), message, None);
            continue;
        }
        env.push((entry.key.clone(), value));
    }
    env
}
