//! `env`: changes to the inherited environment. No message here ever shows a value.

use std::collections::HashMap;

use super::cursor::{Cursor, Findings};
use super::node::Node;
use super::problem::shown;

/// Names with what they are set to; `None` unsets. Names are unique.
pub(super) type Environment = Vec<(String, Option<String>)>;

/// Reads a map of names to text, numbers, booleans or `null`.
pub(super) fn read(cursor: &Cursor<'_>, findings: &mut Findings) -> Environment {
    let Node::Map(entries) = cursor.node else {
        let message = format!("`env` must be a map, not {}", cursor.node.kind());
        findings.secret(&cursor.place, message, Some("write `NAME: value`"));
        return Environment::new();
    };
    let mut environment = Environment::new();
    for entry in entries {
        let name = shown(&entry.key);
        let flaw = match entry.key.as_str() {
            "" => Some("a variable must have a name".to_owned()),
            key if key.contains('=') => {
                Some(format!("the variable `{name}` must not have `=` in its name"))
            }
            key if key.contains('\0') => {
                Some(format!("the variable `{name}` must not have NUL in its name"))
            }
            _ => None,
        };
        if let Some(flaw) = flaw {
            findings.secret(&cursor.place.key(entry), flaw, None);
        }
        let place = cursor.place.value(entry);
        let value = match &entry.value {
            Node::Null => None,
            // As it is written: `3.10` is a version, and `0x1F` means something to its reader.
            Node::Bool(_, text) | Node::Number(_, text) | Node::Text(text) => {
                if text.contains('\0') {
                    let message = format!("the value of `{name}` must not contain NUL");
                    findings.secret(&place, message, None);
                }
                Some(text.clone())
            }
            Node::List(_) | Node::Map(_) => {
                let kind = entry.value.kind();
                let message = format!(
                    "the value of `{name}` must be text, a number or a boolean, not {kind}"
                );
                findings.secret(&place, message, Some("quote it if it is JSON"));
                continue;
            }
        };
        environment.push((entry.key.clone(), value));
    }
    environment
}

/// The group's environment with a member's own changes over it.
pub(super) fn layered(group: &Environment, own: Environment) -> Environment {
    let mut all = group.clone();
    let known: HashMap<&str, usize> =
        group.iter().enumerate().map(|(index, (name, _))| (name.as_str(), index)).collect();
    for (name, value) in own {
        match known.get(name.as_str()) {
            Some(index) => all[*index].1 = value,
            None => all.push((name, value)),
        }
    }
    all
}

/// Tells a member its memory as Cloud Foundry does, unless the spec says something itself.
pub(super) fn tell_memory(environment: &mut Environment, bytes: u64) {
    const NAME: &str = "MEMORY_LIMIT";
    if environment.iter().all(|(name, _)| name != NAME) {
        let mebibytes = (bytes >> 20).max(1);
        environment.push((NAME.to_owned(), Some(format!("{mebibytes}m"))));
    }
}
