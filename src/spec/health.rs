//! `health_check` and `readiness_check`: how the main process is asked, and when.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::cursor::{Cursor, Fields, Findings};
use super::keys::Level;
use super::node::Node;
use super::overlay::time_flaw;
use super::problem::shown;
use super::words::hint;

/// A check of the main process that asks it something; without one, not having ended is healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked.
    pub kind: CheckKind,
    /// The TCP port; `None` is `$PORT` of the main process, else 8080.
    pub port: Option<u16>,
    /// The address; `None` is `127.0.0.1`, then `::1`.
    pub host: Option<IpAddr>,
    /// So long the first success may take.
    pub start_timeout: Duration,
    /// From an answer to the next question, once it has passed.
    pub interval: Duration,
    /// So long one answer may take.
    pub timeout: Duration,
}

/// What a check asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// Whether the port accepts a connection.
    Port,
    /// Whether a GET of this path is answered with 200.
    Http(String),
}

/// As `check` and the log show it: `port 8080`, `http 8080/health`.
impl fmt::Display for HealthCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            CheckKind::Port => "port ",
            CheckKind::Http(_) => "http ",
        })?;
        match self.host {
            Some(IpAddr::V4(host)) => write!(f, "{host}:")?,
            Some(IpAddr::V6(host)) => write!(f, "[{host}]:")?,
            None => {}
        }
        match self.port {
            Some(port) => write!(f, "{port}")?,
            None => f.write_str("$PORT")?,
        }
        match &self.kind {
            CheckKind::Port => Ok(()),
            CheckKind::Http(path) => f.write_str(path),
        }
    }
}

/// The times unless the spec says otherwise: Cloud Foundry's.
const START_TIMEOUT: Duration = Duration::from_mins(1);
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(1);

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Health,
    Readiness,
}

const TYPES: [&str; 3] = ["process", "port", "http"];
pub(super) const KEYS: [&str; 7] =
    ["type", "port", "endpoint", "host", "start_timeout", "interval", "timeout"];

/// Reads a check. `None` when it asks nothing, or when something about it is wrong.
pub(super) fn read(
    cursor: &Cursor<'_>,
    which: Which,
    level: Level,
    findings: &mut Findings,
) -> Option<HealthCheck> {
    let fields = cursor.fields(findings)?;
    let kind = read_type(&fields, cursor, level, findings)?;
    for entry in fields.entries {
        let place = fields.place.key(entry);
        let key = entry.key.as_str();
        let name = shown(key);
        if !KEYS.contains(&key) {
            findings.advise(&place, format!("unknown key `{name}`"), hint(key, &KEYS, &KEYS));
        } else if kind == "process" && key != "type" {
            let message = format!("`{name}` is not for health checks of type `process`");
            findings.advise(&place, message, "write `type: port` or `type: http`");
        } else if kind == "port" && key == "endpoint" {
            let message = "`endpoint` is for health checks of type `http`";
            findings.advise(&place, message, "write `type: http`");
        } else if which == Which::Readiness && key == "start_timeout" {
            let message = "`start_timeout` is not for `readiness_check`";
            findings.advise(&place, message, "readiness has no limit: it never ends the group");
        }
    }
    if kind == "process" {
        return None;
    }
    let path = fields.get("endpoint").and_then(|cursor| read_endpoint(&cursor, findings));
    let mut time = |key, usual| match fields.get(key) {
        Some(cursor) => read_time(&cursor, findings).unwrap_or(usual),
        None => usual,
    };
    let (start_timeout, interval, timeout) = (
        time("start_timeout", START_TIMEOUT),
        time("interval", INTERVAL),
        time("timeout", TIMEOUT),
    );
    Some(HealthCheck {
        kind: match kind {
            "http" => CheckKind::Http(path.unwrap_or_else(|| "/".to_owned())),
            _ => CheckKind::Port,
        },
        port: fields.get("port").and_then(|cursor| read_port(&cursor, findings)),
        host: fields.get("host").and_then(|cursor| read_host(&cursor, findings)),
        start_timeout,
        interval,
        timeout,
    })
}

/// One of [`TYPES`]; `process` when there is none.
fn read_type(
    fields: &Fields<'_>,
    all: &Cursor<'_>,
    level: Level,
    findings: &mut Findings,
) -> Option<&'static str> {
    let Some(cursor) = fields.get("type") else {
        if fields.entries.is_empty() {
            return Some("process");
        }
        findings.advise(
            &all.place,
            format!("{} has no `type`", all.name),
            "write `type: http`, `type: port` or `type: process`",
        );
        return None;
    };
    let Node::Text(text) = cursor.node else {
        cursor.must_be("`process`, `port` or `http`", findings);
        return None;
    };
    let Some(kind) = TYPES.into_iter().find(|kind| kind == text) else {
        let hint = match text.as_str() {
            "none" => "did you mean `process`?".to_owned(),
            "tcp" => "did you mean `port`?".to_owned(),
            "https" => "only `http` without encryption can be asked".to_owned(),
            other => hint(other, &TYPES, &TYPES),
        };
        let message = format!("unknown health check type `{}`", shown(text));
        findings.advise(&cursor.place, message, hint);
        return None;
    };
    if level == Level::Sidecar && kind != "process" {
        findings.advise(
            &cursor.place,
            "sidecars have PID health checks only",
            format!("leave {} out, or write `{{type: process}}`", all.name),
        );
        return None;
    }
    Some(kind)
}

/// 1 to 65535.
fn read_port(cursor: &Cursor<'_>, findings: &mut Findings) -> Option<u16> {
    if let Node::Number(Some(number), _) = cursor.node
        && let Ok(port @ 1..) = u16::try_from(*number)
    {
        return Some(port);
    }
    match cursor.node {
        Node::Text(text) if text.starts_with('$') => {
            let message = format!("`port` must be a number, not `{}`", shown(text));
            findings.advise(&cursor.place, message, "leave it out: $PORT is the default");
        }
        Node::Text(text) if text.parse::<u16>().is_ok_and(|port| port > 0) => {
            let message = "`port` must be a whole number from 1 to 65535, not text";
            findings.advise(&cursor.place, message, format!("without quotes: {text}"));
        }
        _ => cursor.must_be("a whole number from 1 to 65535", findings),
    }
    None
}

/// An address: a name would have to be looked up, which takes as long as it likes.
fn read_host(cursor: &Cursor<'_>, findings: &mut Findings) -> Option<IpAddr> {
    let text = cursor.text(findings)?;
    if text == "localhost" {
        return None;
    }
    let address = text.trim_start_matches('[').trim_end_matches(']').parse();
    if address.is_err() {
        let message = format!("`host` must be an IP address, not `{}`", shown(text));
        let hint = "leave it out for 127.0.0.1 and ::1; names are not looked up";
        findings.advise(&cursor.place, message, hint);
    }
    address.ok()
}

/// What a path and a query may hold (RFC 3986).
fn fits_into_a_path(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/?%".contains(letter)
}

/// Whether the text is a path that can stand in a request as it is.
pub fn is_endpoint(text: &str) -> bool {
    text.starts_with('/') && text.chars().all(fits_into_a_path)
}

/// A path that can stand in a request as it is.
fn read_endpoint(cursor: &Cursor<'_>, findings: &mut Findings) -> Option<String> {
    let text = cursor.text(findings)?;
    if let Some(bad) = text.chars().find(|letter| !fits_into_a_path(*letter)) {
        let message = format!("`endpoint` must not contain `{}`", shown(&bad.to_string()));
        findings.advise(&cursor.place, message, "escape it as in an URL: a space is %20");
        return None;
    }
    if !text.starts_with('/') {
        let message = format!("`endpoint` must begin with `/`, not `{}`", shown(text));
        findings.advise(
            &cursor.place,
            message,
            "it is a path such as `/health`; `host` and `port` are keys of their own",
        );
        return None;
    }
    Some(text.to_owned())
}

/// More than nothing, and no more than a day.
fn read_time(cursor: &Cursor<'_>, findings: &mut Findings) -> Option<Duration> {
    let time = cursor.duration(findings)?;
    if let Some(flaw) = time_flaw(time) {
        findings.problem(&cursor.place, format!("{} {flaw}", cursor.name));
        return None;
    }
    Some(time)
}
