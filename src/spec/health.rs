//! `health_check`: in this release every member is healthy as long as it has not ended.

use super::cursor::{Cursor, Findings};
use super::keys::Level;
use super::node::Node;
use super::problem::shown;

/// Health checks of the design that this release has not.
const LATER: [&str; 2] = ["http", "port"];

/// Keys that belong to those.
const KEYS: [&str; 7] =
    ["port", "endpoint", "host", "start_timeout", "interval", "timeout", "type"];

/// Accepts `{type: process}`, and says for everything else why not.
pub(super) fn check(cursor: &Cursor<'_>, level: Level, findings: &mut Findings) {
    let Some(fields) = cursor.fields(findings) else {
        return;
    };
    let kind = fields.get("type");
    let named = match kind.as_ref().map(|kind| (kind, kind.node)) {
        None => None,
        Some((_, Node::Text(text))) => Some(text.as_str()),
        Some((kind, _)) => {
            kind.must_be("text: process", findings);
            return;
        }
    };
    let place = kind.as_ref().map_or(&cursor.place, |kind| &kind.place);
    match named {
        None | Some("process") => {}
        Some(_) if level == Level::Sidecar => {
            let message = "sidecars have PID health checks only";
            return findings.advise(
                place,
                message,
                "leave `health_check` out, or write `{type: process}`",
            );
        }
        Some(kind) if LATER.contains(&kind) => {
            let message = format!("`health_check` of type `{kind}` is not supported yet");
            return findings.advise(
                place,
                message,
                "a later release has it; only `process` is there now",
            );
        }
        Some(kind) => {
            let message = format!("unknown health check type `{}`", shown(kind));
            return findings.advise(place, message, "only `process` is there now");
        }
    }
    for entry in fields.entries.iter().filter(|entry| entry.key != "type") {
        let place = fields.place.key(entry);
        if KEYS.contains(&entry.key.as_str()) {
            let message = format!("`{}` is not for health checks of type `process`", entry.key);
            findings.advise(&place, message, "the types `port` and `http` are not supported yet");
        } else {
            findings.advise(
                &place,
                format!("unknown key `{}`", shown(&entry.key)),
                "known here: type",
            );
        }
    }
}
