//! One process of an app: an entry of `processes`, or the app's own keys, which are for `web`.

use super::report::Report;
use super::size;
use crate::spec::{Cursor, Fields, Place, is_endpoint, nearest, shown};

/// The type that the app's own keys are for.
pub(super) const WEB: &str = "web";

/// Megabytes of a process of which the manifest says nothing.
const USUAL_MEMORY: u64 = 1_024;

/// Seconds that the operators of the platform allow for a start, unless they say otherwise.
const LONGEST_START: i64 = 180;

/// What says something of a process, below the app or in an entry of `processes`.
pub(super) const KEYS: [&str; 14] = [
    "command",
    "instances",
    "memory",
    "disk_quota",
    "log_rate_limit_per_second",
    "timeout",
    "health_check_type",
    "health_check_http_endpoint",
    "health_check_invocation_timeout",
    "health_check_interval",
    "readiness_health_check_type",
    "readiness_health_check_http_endpoint",
    "readiness_health_check_invocation_timeout",
    "readiness_health_check_interval",
];

/// A process.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) kind: String,
    pub(super) command: Option<(String, Place)>,
    /// Megabytes.
    pub(super) memory: u64,
    /// Where the manifest says that.
    pub(super) memory_at: Option<Place>,
    pub(super) health: Check,
    pub(super) readiness: Check,
    /// Seconds until the first success.
    pub(super) start_timeout: i64,
    pub(super) user: Option<String>,
}

/// A check of a process.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) kind: CheckType,
    pub(super) endpoint: Option<String>,
    pub(super) endpoint_at: Option<Place>,
    /// Seconds.
    pub(super) timeout: i64,
    /// Seconds.
    pub(super) interval: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CheckType {
    Process,
    Port,
    Http,
}

impl Process {
    /// What the platform makes of a process of which nothing is said.
    pub(super) fn usual(kind: &str) -> Self {
        let check =
            |kind| Check { kind, endpoint: None, endpoint_at: None, timeout: 1, interval: 30 };
        let health = if kind == WEB { CheckType::Port } else { CheckType::Process };
        Self {
            kind: kind.to_owned(),
            command: None,
            memory: USUAL_MEMORY,
            memory_at: None,
            health: check(health),
            readiness: check(CheckType::Process),
            start_timeout: 60,
            user: None,
        }
    }

    /// What is said where its sidecars take all of its memory, and the next move.
    pub(super) fn too_small(&self, taken: u64) -> (String, String) {
        let kind = shown(&self.kind);
        let message = format!(
            "The memory allocation defined is too large to run with the dependent \"{kind}\" process"
        );
        let usual = if self.memory_at.is_none() { ", the platform's default" } else { "" };
        (message, format!("its sidecars take {taken}M of {}M{usual}", self.memory))
    }

    /// Reads its keys. `get` finds them, however they are spelt.
    pub(super) fn read<'a>(
        kind: &str,
        get: &dyn Fn(&str) -> Option<Cursor<'a>>,
        report: &mut Report,
    ) -> Self {
        let mut process = Self::usual(kind);
        let mut report = Of { kind: shown(kind), report };
        process.command = get("command").and_then(|it| report.command(&it));
        report.scale(get, &mut process);
        if let Some(timeout) = get("timeout").and_then(|it| report.whole(&it, "Timeout", 1)) {
            process.start_timeout = timeout;
            if timeout > LONGEST_START {
                let place = get("timeout").map(|it| it.place).unwrap_or_default();
                report.problem(&place, &format!("Maximum exceeded: max {LONGEST_START}s"));
            }
        }
        let (health, readiness) = ("health_check", "readiness_health_check");
        report.check(get, health, "Health check", &mut process.health);
        report.check(get, readiness, "Readiness health check", &mut process.readiness);
        process
    }
}

/// Problems of one process.
struct Of<'a> {
    kind: String,
    report: &'a mut Report,
}

impl Of<'_> {
    fn prefixed(&self, message: &str) -> String {
        format!("Process \"{}\": {message}", self.kind)
    }

    fn problem(&mut self, place: &Place, message: &str) {
        let message = self.prefixed(message);
        self.report.problem(place, message);
    }

    fn whole(&mut self, cursor: &Cursor<'_>, field: &str, least: i64) -> Option<i64> {
        let field = self.prefixed(field);
        self.report.whole(cursor, &field, least)
    }

    fn text<'a>(&mut self, cursor: &Cursor<'a>, field: &str) -> Option<&'a str> {
        let field = self.prefixed(field);
        self.report.text(cursor, &field)
    }

    fn command(&mut self, cursor: &Cursor<'_>) -> Option<(String, Place)> {
        let text = self.text(cursor, "Command")?;
        if text.trim().is_empty() || text.chars().count() > 4_096 {
            self.problem(&cursor.place, "Command must be between 1 and 4096 characters");
            return None;
        }
        Some((text.to_owned(), cursor.place.clone()))
    }

    /// How large it is, and how many there are.
    fn scale<'a>(&mut self, get: &dyn Fn(&str) -> Option<Cursor<'a>>, process: &mut Process) {
        if let Some(cursor) = get("instances")
            && let Some(instances) = self.whole(&cursor, "Instances", 0)
            && instances > 2_000_000
        {
            self.problem(&cursor.place, "Instances must be less than or equal to 2000000");
        }
        if let Some(cursor) = get("memory")
            && let Some(memory) = self.size(&cursor, "Memory")
        {
            process.memory = memory;
            process.memory_at = Some(cursor.place);
        }
        if let Some(cursor) = get("disk_quota") {
            self.size(&cursor, "Disk quota");
        }
        if let Some(cursor) = get("log_rate_limit_per_second") {
            self.log_rate(&cursor);
        }
    }

    /// Megabytes, more than none.
    fn size(&mut self, cursor: &Cursor<'_>, field: &str) -> Option<u64> {
        let written = written(cursor)?;
        match size::megabytes(&written) {
            Ok(0) => self.problem(&cursor.place, &format!("{field} must be greater than 0MB")),
            Ok(megabytes) if megabytes > size::MOST => {
                self.problem(&cursor.place, &format!("{field} is too large"));
            }
            Ok(megabytes) => return Some(megabytes),
            Err(flaw) => self.size_flaw(cursor, &written, field, flaw),
        }
        None
    }

    fn size_flaw(&mut self, cursor: &Cursor<'_>, written: &str, field: &str, flaw: &str) {
        let message = self.prefixed(&format!("{field} {flaw}"));
        let digits = !written.is_empty() && written.bytes().all(|it| it.is_ascii_digit());
        if digits && self.report.may_show(&cursor.place) {
            let number = shown(written);
            self.report.advise(&cursor.place, message, format!("megabytes? `{number}M`"));
        } else if written.contains("((") || written.contains("))") {
            self.report.advise(&cursor.place, message, "a variable is `((name))`");
        } else {
            self.report.problem(&cursor.place, message);
        }
    }

    /// A size, or -1 for no limit, or 0 for nothing at all.
    fn log_rate(&mut self, cursor: &Cursor<'_>) {
        let Some(written) = written(cursor) else { return };
        if matches!(written.trim(), "-1" | "0") {
            return;
        }
        if let Err(flaw) = size::bytes(&written) {
            self.size_flaw(cursor, &written, "Log rate limit per second", flaw);
        }
    }

    /// The keys of one check.
    fn check<'a>(
        &mut self,
        get: &dyn Fn(&str) -> Option<Cursor<'a>>,
        key: &str,
        field: &str,
        check: &mut Check,
    ) {
        let get = |end: &str| get(&format!("{key}_{end}"));
        let kind = get("type").and_then(|it| Some((self.check_type(&it, field)?, it.place)));
        if let Some((kind, _)) = &kind {
            check.kind = *kind;
        }
        if let Some(cursor) = get("http_endpoint")
            && let Some(text) = self.text(&cursor, &format!("{field} http endpoint"))
        {
            if !is_endpoint(text) {
                let flaw = format!("{field} http endpoint must be a valid URI path");
                self.problem(&cursor.place, &flaw);
            } else if check.kind == CheckType::Http {
                check.endpoint = Some(text.to_owned());
                check.endpoint_at = Some(cursor.place.clone());
            } else if let Some((_, place)) = &kind {
                let flaw =
                    format!("{field} type must be \"http\" to set a health check HTTP endpoint");
                self.problem(place, &flaw);
            } else {
                let message =
                    format!("{field} HTTP endpoint without effect: its type is not \"http\"");
                let message = self.prefixed(&message);
                let key = key.replace('_', "-");
                self.report.dropped(&cursor.place, message, format!("add `{key}-type: http`"));
            }
        }
        let mut seconds = |end: &str, name: &str| {
            let field = self.prefixed(&format!("{field} {name}"));
            get(end).and_then(|it| self.report.seconds(&it, &field))
        };
        check.timeout =
            seconds("invocation_timeout", "invocation timeout").unwrap_or(check.timeout);
        check.interval = seconds("interval", "interval").unwrap_or(check.interval);
    }

    fn check_type(&mut self, cursor: &Cursor<'_>, field: &str) -> Option<CheckType> {
        let text = self.text(cursor, &format!("{field} type"))?;
        let kind = match text {
            "port" => CheckType::Port,
            "http" => CheckType::Http,
            // The old name of the same.
            "process" | "none" => CheckType::Process,
            other => {
                let message = self
                    .prefixed(&format!("{field} type must be \"port\", \"process\", or \"http\""));
                match nearest(other, &["port", "process", "http"]) {
                    Some(near) => {
                        self.report.advise(
                            &cursor.place,
                            message,
                            format!("did you mean `{near}`?"),
                        );
                    }
                    None => self.report.problem(&cursor.place, message),
                }
                return None;
            }
        };
        Some(kind)
    }
}

/// The value as it is written; a map or a list is no size whatever it holds.
fn written(cursor: &Cursor<'_>) -> Option<String> {
    use crate::spec::Node as N;
    match cursor.node {
        N::Null => None,
        N::Text(text) | N::Number(_, text) | N::Bool(_, text) => Some(text.clone()),
        N::List(_) | N::Map(_) => Some(String::new()),
    }
}

/// Whom an entry of `processes` runs as.
pub(super) fn read_user(fields: &Fields<'_>, kind: &str, report: &mut Report) -> Option<String> {
    let cursor = fields.get("user")?;
    let field = format!("Process \"{}\": User", shown(kind));
    let user = report.text(&cursor, &field)?;
    if user.is_empty() || user.chars().count() > 255 {
        report.problem(&cursor.place, format!("{field} must be between 1 and 255 characters"));
        return None;
    }
    // Later it is read as a launch spec's.
    if let Err(flaw) = crate::spec::UserName::parse(user) {
        if report.may_show(&cursor.place) {
            report.advise(&cursor.place, format!("{field} {}", flaw.message), flaw.hint);
        } else {
            report.problem(&cursor.place, format!("{field} is none that there can be"));
        }
        return None;
    }
    Some(user.to_owned())
}
