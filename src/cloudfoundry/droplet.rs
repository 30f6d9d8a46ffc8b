//! What staging has left: `launch.yml` files, a `Procfile`, the staging result, `staging_info.yml`.

use super::report::{Report, Strictness};
use super::size;
use crate::spec::{
    Cursor, Document, Fields, Findings, Node, Place, Problems, Source, Warning, shown,
};

/// The keys of a staging result and of a `staging_info.yml`.
const STAGING: [&str; 9] = [
    "lifecycle_metadata",
    "process_types",
    "processes",
    "sidecars",
    "execution_metadata",
    "lifecycle_type",
    "detected_buildpack",
    "start_command",
    "config",
];

/// All that is known of it.
#[derive(Debug, Default)]
pub(super) struct Droplet {
    pub(super) processes: Vec<Staged>,
    pub(super) sidecars: Vec<StagedSidecar>,
    /// The last resort for `web`.
    pub(super) start_command: Option<(String, String)>,
    /// What the launcher puts before every command.
    pub(super) prefix: Vec<String>,
}

/// A process type with its command.
#[derive(Clone, Debug)]
pub(super) struct Staged {
    pub(super) kind: String,
    pub(super) command: String,
    /// File and line.
    pub(super) origin: String,
}

/// A sidecar of a buildpack.
#[derive(Clone, Debug)]
pub(super) struct StagedSidecar {
    pub(super) name: String,
    pub(super) command: String,
    pub(super) types: Vec<String>,
    /// Megabytes.
    pub(super) memory: Option<u64>,
    /// File and line.
    pub(super) origin: String,
}

/// What was found in some files.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) problems: Vec<Problems>,
    pub(super) warnings: Vec<Warning>,
}

impl Found {
    /// Takes over what a report has of this file.
    pub(super) fn take(&mut self, document: &Document, report: Report) {
        let Findings { mut problems, mut warnings } = report.findings;
        problems.extend(document.flaws());
        if !problems.is_empty() {
            // A key that is ignored is often the reason why another one is missing.
            for warning in &mut warnings {
                warning.message.insert_str(0, "warning: ");
            }
            problems.append(&mut warnings);
            self.problems.push(document.problems(&problems, Vec::new()));
        }
        self.warnings.extend(document.warnings(&warnings));
    }
}

/// An entry of a `launch.yml`, or a line of a `Procfile`.
struct Entry {
    kind: String,
    command: String,
    memory: Option<u64>,
    sidecar_for: Vec<String>,
    origin: String,
}

/// Reads a file, document by document.
struct Reading<'a> {
    file: &'a Source,
    document: Document,
    report: Report,
}

impl<'a> Reading<'a> {
    fn begin(file: &'a Source, strictness: Strictness, found: &mut Found) -> Option<Self> {
        match Document::parse(&file.text, &file.file.shown) {
            Ok(document) => Some(Self { file, document, report: Report::new(strictness) }),
            Err(problem) => {
                found.problems.push(problem.into());
                None
            }
        }
    }

    /// The map at the top; empty if it is none.
    fn top(&mut self, what: &str) -> Vec<crate::spec::Entry> {
        match self.document.root() {
            Node::Map(entries) => entries.clone(),
            Node::Null => Vec::new(),
            other => {
                let message = format!("{what} must be a map, not {}", other.kind());
                self.report.problem(&Place::default(), message);
                Vec::new()
            }
        }
    }

    fn origin(&self, place: &Place) -> String {
        let file = shown(&self.file.file.shown);
        match self.document.position(place) {
            Some(position) => format!("{file}:{}", position.line),
            None => file,
        }
    }

    fn text(&mut self, fields: &Fields<'_>, key: &str) -> Option<String> {
        let cursor = fields.get(key)?;
        self.report.text(&cursor, &cursor.name).map(str::to_owned)
    }

    fn memory(&mut self, cursor: &Cursor<'_>) -> Option<u64> {
        match cursor.node {
            Node::Number(Some(0), _) => None,
            Node::Number(Some(number), _) if *number > 0 => {
                u64::try_from(*number).ok().filter(|megabytes| *megabytes <= size::MOST)
            }
            Node::Null => None,
            _ => {
                let hint = "a whole number of megabytes, without a unit";
                self.report.advise(&cursor.place, "`memory` must be a whole number", hint);
                None
            }
        }
    }

    /// A list of process types.
    fn types(&mut self, cursor: &Cursor<'_>) -> Vec<String> {
        let Node::List(list) = cursor.node else {
            self.report.problem(&cursor.place, format!("{} must be a list of types", cursor.name));
            return Vec::new();
        };
        let item = |(index, node)| {
            let name = cursor.name.clone();
            let item = Cursor { node, place: cursor.place.item(index), name };
            self.report.text(&item, &item.name).map(str::to_owned)
        };
        list.iter().enumerate().filter_map(item).collect()
    }

    fn unknown(&mut self, fields: &Fields<'_>, known: &[&str]) {
        for entry in fields.entries {
            if !known.contains(&entry.key.as_str()) {
                self.report.unknown_key(&fields.place.key(entry), &entry.key, known);
            }
        }
    }

    /// `processes` of a `launch.yml`.
    fn launch(&mut self) -> Vec<Entry> {
        let top = self.top("a launch.yml");
        let top = Fields { entries: &top, place: Place::default() };
        if top.get("applications").is_some() {
            let message = "this is a manifest, not a launch.yml";
            self.report.advise(&top.place, message, "name it as the SPEC");
            return Vec::new();
        }
        self.unknown(&top, &["processes"]);
        let Some(processes) = top.get("processes") else { return Vec::new() };
        let Node::List(list) = processes.node else {
            let message = format!("`processes` must be a list, not {}", processes.node.kind());
            self.report.advise(&processes.place, message, "write `- type: TYPE` for each");
            return Vec::new();
        };
        let mut entries = Vec::new();
        for (index, node) in list.iter().enumerate() {
            let place = processes.place.item(index);
            let Node::Map(fields) = node else {
                self.report.problem(&place, format!("it must be a map, not {}", node.kind()));
                continue;
            };
            entries.extend(self.launch_entry(&Fields { entries: fields, place }));
        }
        entries
    }

    /// `None` without a type: nobody can mean it.
    fn launch_entry(&mut self, fields: &Fields<'_>) -> Option<Entry> {
        self.unknown(fields, &["type", "command", "limits", "platforms"]);
        let kind = self.text(fields, "type");
        if kind.is_none() {
            self.report.dropped(
                &fields.place,
                "this entry has no `type`",
                "add one, or leave it out",
            );
        }
        let command = self.text(fields, "command").unwrap_or_default();
        let limits = self.map(fields, "limits", &["memory"]);
        let memory = limits.as_ref().and_then(|limits| limits.get("memory"));
        let platforms = self.map(fields, "platforms", &["cloudfoundry"]);
        let ours = platforms.and_then(|it| self.map(&it, "cloudfoundry", &["sidecar_for"]));
        let sidecar_for = ours.as_ref().and_then(|it| it.get("sidecar_for"));
        let sidecar_for = sidecar_for.map(|cursor| self.types(&cursor)).unwrap_or_default();
        if let Some(cursor) = &memory
            && sidecar_for.is_empty()
        {
            let message = "`memory` is for sidecars alone; Cloud Foundry ignores it silently";
            self.report.dropped(&cursor.place, message, "the process's is in the manifest");
        }
        let memory = memory.and_then(|cursor| self.memory(&cursor));
        let origin = self.origin(&fields.place);
        Some(Entry { kind: kind?, command, memory, sidecar_for, origin })
    }

    /// A map within a map, whose other keys are ignored.
    fn map<'b>(&mut self, fields: &Fields<'b>, key: &str, known: &[&str]) -> Option<Fields<'b>> {
        let within = fields.get(key)?.fields(&mut self.report.findings)?;
        self.unknown(&within, known);
        Some(within)
    }

    /// The lines of a `Procfile`.
    fn procfile(&mut self) -> Vec<Entry> {
        let top = self.top("Failed to read command from Procfile: invalid YAML: it");
        let mut entries = Vec::new();
        for entry in &top {
            let place = Place::default().value(entry);
            let cursor =
                Cursor { node: &entry.value, place, name: format!("`{}`", shown(&entry.key)) };
            let Some(command) = self.report.text(&cursor, &cursor.name) else { continue };
            let (kind, command) = (entry.key.clone(), command.to_owned());
            let origin = self.origin(&cursor.place);
            entries.push(Entry { kind, command, memory: None, sidecar_for: Vec::new(), origin });
        }
        entries
    }

    /// A staging result, or a `staging_info.yml`.
    fn staging(&mut self, droplet: &mut Droplet) {
        let top = self.top("a staging result");
        let top = Fields { entries: &top, place: Place::default() };
        if top.get("applications").is_some() {
            let message = "this is a manifest, not a staging result";
            self.report.advise(&top.place, message, "name it as the SPEC");
            return;
        }
        self.unknown(&top, &STAGING);
        if let Some(command) = self.text(&top, "start_command") {
            let place = top.get("start_command").map(|it| it.place).unwrap_or_default();
            let filled = !command.trim().is_empty();
            droplet.start_command = filled.then(|| (command, self.origin(&place)));
        }
        // Its other keys are the platform's own.
        let config = top.get("config").and_then(|it| it.fields(&mut self.report.findings));
        if let Some(prefix) = config.as_ref().and_then(|config| config.get("entrypoint_prefix"))
            && let Some(text) = self.report.text(&prefix, &prefix.name)
        {
            droplet.prefix = text.split_whitespace().map(str::to_owned).collect();
        }
        let types = top.get("process_types").and_then(|it| it.fields(&mut self.report.findings));
        for entry in types.iter().flat_map(|types| types.entries) {
            let place = types.as_ref().map(|types| types.place.value(entry)).unwrap_or_default();
            let cursor =
                Cursor { node: &entry.value, place, name: format!("`{}`", shown(&entry.key)) };
            let Some(command) = self.report.text(&cursor, &cursor.name) else { continue };
            let (kind, command) = (entry.key.clone(), command.to_owned());
            let origin = self.origin(&cursor.place);
            droplet.processes.push(Staged { kind, command, origin });
        }
        for fields in self.maps(&top, "processes") {
            let kind = self.text(&fields, "type").unwrap_or_default();
            let command = self.text(&fields, "command").unwrap_or_default();
            let origin = self.origin(&fields.place);
            droplet.processes.retain(|other| other.kind != kind);
            droplet.processes.push(Staged { kind, command, origin });
        }
        for fields in self.maps(&top, "sidecars") {
            self.unknown(&fields, &["name", "process_types", "command", "memory"]);
            let name = self.text(&fields, "name").unwrap_or_default();
            let command = self.text(&fields, "command").unwrap_or_default();
            let types = fields.get("process_types").map(|cursor| self.types(&cursor));
            let memory = fields.get("memory").and_then(|cursor| self.memory(&cursor));
            let (types, origin) = (types.unwrap_or_default(), self.origin(&fields.place));
            if droplet.sidecars.iter().any(|other| other.name == name) {
                let message = format!("the sidecar `{}` is there twice", shown(&name));
                self.report.problem(&fields.place, message);
                continue;
            }
            droplet.sidecars.push(StagedSidecar { name, command, types, memory, origin });
        }
    }

    /// A list of maps.
    fn maps<'b>(&mut self, fields: &Fields<'b>, key: &str) -> Vec<Fields<'b>> {
        let items = fields.get(key).and_then(|cursor| cursor.list(&mut self.report.findings));
        let items = items.unwrap_or_default();
        items.iter().filter_map(|item| item.fields(&mut self.report.findings)).collect()
    }
}

/// Reads all of these: `launch.yml` files in the buildpacks' order, then the `Procfile`; an entry
/// replaces those of the same type as a whole.
pub(super) fn read(
    launch_ymls: &[Source],
    procfile: Option<&Source>,
    staging: &[Source],
    strictness: Strictness,
    found: &mut Found,
) -> Droplet {
    let mut entries: Vec<Entry> = Vec::new();
    let mut merge = |new: Entry| match entries.iter_mut().find(|old| old.kind == new.kind) {
        Some(old) => *old = new,
        None => entries.push(new),
    };
    for file in launch_ymls {
        let Some(mut reading) = Reading::begin(file, strictness, found) else { continue };
        reading.launch().into_iter().for_each(&mut merge);
        found.take(&reading.document, reading.report);
    }
    if let Some(mut reading) = procfile.and_then(|file| Reading::begin(file, strictness, found)) {
        reading.procfile().into_iter().for_each(&mut merge);
        found.take(&reading.document, reading.report);
    }
    let mut droplet = Droplet::default();
    for file in staging {
        let Some(mut reading) = Reading::begin(file, strictness, found) else { continue };
        reading.staging(&mut droplet);
        found.take(&reading.document, reading.report);
    }
    for Entry { kind, command, memory, sidecar_for, origin } in entries {
        if sidecar_for.is_empty() {
            droplet.processes.push(Staged { kind, command, origin });
        } else {
            let types = sidecar_for;
            droplet.sidecars.push(StagedSidecar { name: kind, command, types, memory, origin });
        }
    }
    droplet
}
