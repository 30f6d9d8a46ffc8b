//! `sidecars` of an app.

use super::report::{Report, length_flaw};
use super::size;
use crate::spec::{Cursor, Fields, Node, Place, name_flaw, shown};

/// The keys of an entry. Hyphens are no underscores here.
const KEYS: [&str; 4] = ["name", "command", "process_types", "memory"];

/// How a message begins about one that has no name.
const NAMELESS: &str = "Sidecar ";

/// A sidecar of an app's processes.
#[derive(Clone, Debug)]
pub(super) struct Sidecar {
    pub(super) name: String,
    pub(super) command: String,
    pub(super) types: Vec<String>,
    pub(super) types_at: Place,
    /// Megabytes.
    pub(super) memory: Option<u64>,
    /// Where its name is, and its memory or itself.
    pub(super) name_at: Place,
    pub(super) memory_at: Place,
    pub(super) command_at: Place,
}

/// Reads `sidecars`.
pub(super) fn read(cursor: &Cursor<'_>, report: &mut Report) -> Vec<Sidecar> {
    let Node::List(list) = cursor.node else {
        if *cursor.node != Node::Null {
            let message = "Sidecars must be an array of sidecar configurations";
            match cursor.node {
                Node::Map(_) => {
                    report.advise(&cursor.place, message, "write `- name: NAME` for each");
                }
                _ => report.problem(&cursor.place, message),
            }
        }
        return Vec::new();
    };
    let mut sidecars: Vec<Sidecar> = Vec::new();
    for (index, node) in list.iter().enumerate() {
        let place = cursor.place.item(index);
        let Node::Map(entries) = node else {
            report.problem(&place, "Sidecars must be an array of sidecar configurations");
            continue;
        };
        let Some(sidecar) = read_one(&Fields { entries, place }, report) else { continue };
        if sidecars.iter().any(|other| other.name == sidecar.name) {
            let name = shown(&sidecar.name);
            let message = format!("Sidecar with name '{name}' already exists for given app");
            report.problem(&sidecar.name_at, message);
            continue;
        }
        sidecars.push(sidecar);
    }
    sidecars
}

fn read_one(fields: &Fields<'_>, report: &mut Report) -> Option<Sidecar> {
    for entry in fields.entries {
        if !KEYS.contains(&entry.key.as_str()) {
            report.unknown_key(&fields.place.key(entry), &entry.key, &KEYS);
        }
    }
    let name = read_name(fields, report);
    let of = match name {
        Some((name, _)) => format!("Sidecar \"{}\": ", shown(name)),
        None => NAMELESS.to_owned(),
    };
    let command = required(fields, "command", &of, "Command", report);
    let command = command.and_then(|(command, place)| {
        if let Some(flaw) = length_flaw(command, "Command", 4_096) {
            report.problem(&place, flaw);
            return None;
        }
        Some((command, place))
    });
    let types = read_types(fields, &of, report);
    let memory =
        fields.get("memory").map(|cursor| (read_memory(&cursor, &of, report), cursor.place));
    let (memory, memory_at) = memory.unwrap_or((None, fields.place.clone()));
    let (name, name_at) = name?;
    let (command, command_at) = command?;
    Some(Sidecar {
        name: name.to_owned(),
        command: command.to_owned(),
        types,
        types_at: fields.get("process_types").map(|it| it.place).unwrap_or_default(),
        memory,
        name_at,
        memory_at,
        command_at,
    })
}

fn read_name<'a>(fields: &Fields<'a>, report: &mut Report) -> Option<(&'a str, Place)> {
    if let Some(cursor) = fields.get_even_null("name")
        && *cursor.node == Node::Null
    {
        report.problem(&cursor.place, "Sidecar name can't be blank; Sidecar name must be a string");
        return None;
    }
    let (name, place) = required(fields, "name", NAMELESS, "name", report)?;
    if let Some(flaw) = length_flaw(name, "Name", 255) {
        report.problem(&place, flaw);
        return None;
    }
    // Cloud Foundry takes these; log lines and our own names do not.
    if let Some(flaw) = name_flaw(name) {
        report.problem(&place, format!("Sidecar \"{}\": {flaw}", shown(name)));
        return None;
    }
    Some((name, place))
}

/// Text that must be there and not blank.
fn required<'a>(
    fields: &Fields<'a>,
    key: &str,
    of: &str,
    field: &str,
    report: &mut Report,
) -> Option<(&'a str, Place)> {
    // Without a name the platform writes the whole sentence small.
    let field = &if of == NAMELESS { field.to_lowercase() } else { field.to_owned() };
    let Some(cursor) = fields.get(key) else {
        report.problem(&fields.place, format!("{of}{field} can't be blank"));
        return None;
    };
    let text = report.text(&cursor, &format!("{of}{field}"))?;
    if text.trim().is_empty() {
        report.problem(&cursor.place, format!("{of}{field} can't be blank"));
        return None;
    }
    Some((text, cursor.place))
}

fn read_types(fields: &Fields<'_>, of: &str, report: &mut Report) -> Vec<String> {
    let field = format!("{of}Process types");
    let Some(cursor) = fields.get("process_types") else {
        let message = format!("{field} must have at least 1 process_type");
        // The key that is nearly it, which was said to be unknown.
        match fields.entries.iter().find(|entry| entry.key.replace('-', "_") == "process_types") {
            Some(entry) => {
                let hint = "hyphens are no underscores here: `process_types`";
                report.advise(&fields.place.key(entry), message, hint);
            }
            None => report.advise(&fields.place, message, "add `process_types: [web]`"),
        }
        return Vec::new();
    };
    let Node::List(list) = cursor.node else {
        let message = format!("{field} must be an array");
        match cursor.node {
            Node::Text(text) if report.may_show(&cursor.place) => {
                report.advise(&cursor.place, message, format!("write `[{}]`", shown(text)));
            }
            _ => report.problem(&cursor.place, message),
        }
        return Vec::new();
    };
    if list.is_empty() {
        report.problem(&cursor.place, format!("{field} must have at least 1 process_type"));
    }
    let mut types: Vec<String> = Vec::new();
    for (index, node) in list.iter().enumerate() {
        let item = Cursor { node, place: cursor.place.item(index), name: String::new() };
        let field = format!("{of}Process type");
        let Some(text) = report.text(&item, &field) else {
            if *node == Node::Null {
                report.problem(&item.place, format!("{field} can't be blank"));
            }
            continue;
        };
        if text.trim().is_empty() {
            report.problem(&item.place, format!("{field} can't be blank"));
        } else if let Some(flaw) = length_flaw(text, "Process type", 255) {
            report.problem(&item.place, flaw);
        } else if types.iter().any(|known| known == text) {
            let text = shown(text);
            report.problem(&item.place, format!("{field} \"{text}\" is there twice"));
        } else {
            types.push(text.to_owned());
        }
    }
    types
}

/// Megabytes: with a unit, or a whole number alone.
fn read_memory(cursor: &Cursor<'_>, of: &str, report: &mut Report) -> Option<u64> {
    let number = match cursor.node {
        Node::Null => return None,
        Node::Number(Some(number), _) => Some(*number),
        Node::Text(text) => match text.trim().parse() {
            Ok(number) => Some(number),
            Err(_) => size::megabytes(text).ok().and_then(|it| i64::try_from(it).ok()),
        },
        Node::Number(None, _) | Node::Bool(..) | Node::List(_) | Node::Map(_) => None,
    };
    match number.map(u64::try_from) {
        Some(Ok(megabytes @ 1..=size::MOST)) => Some(megabytes),
        Some(Ok(1..)) => {
            report.problem(&cursor.place, format!("{of}Memory in mb is too large"));
            None
        }
        Some(_) => {
            report.problem(&cursor.place, format!("{of}Memory in mb must be greater than 0"));
            None
        }
        None => {
            let message = format!("{of}Memory in mb is not a number");
            report.advise(&cursor.place, message, "such as `64M`; a whole number is megabytes");
            None
        }
    }
}
