//! The resolved group as a launch spec: YAML with a comment on where each member is from.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::process::{Check, CheckType, Process};

/// A group whose every part is settled.
#[derive(Debug)]
pub(super) struct Resolved<'a> {
    /// What it was resolved from, for the first line.
    pub(super) title: String,
    pub(super) application: Option<&'a str>,
    /// The app's directory; absolute.
    pub(super) folder: &'a Path,
    pub(super) deps_dir: Option<&'a PathBuf>,
    pub(super) env: &'a [(String, String)],
    pub(super) process: &'a Process,
    /// Main first.
    pub(super) members: Vec<Member>,
}

/// One of its members.
#[derive(Debug)]
pub(super) struct Member {
    /// Where it is from.
    pub(super) origin: String,
    pub(super) name: String,
    /// `None` where the command line gives it.
    pub(super) command: Option<Command>,
    /// What was written for it, where a variable stands in it.
    pub(super) written: Option<String>,
    /// Megabytes.
    pub(super) memory: Option<u64>,
}

/// What it executes.
#[derive(Debug)]
pub(super) enum Command {
    /// Through the shell.
    Text(String),
    /// As it is.
    List(Vec<String>),
}

impl Resolved<'_> {
    /// As text; the same for the same input.
    pub(super) fn render(&self) -> String {
        let mut text = format!("# {}\n", self.title);
        let mut line = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        line("platform: cloudfoundry".to_owned());
        if let Some(name) = self.application {
            line(format!("application: {}", quoted(name)));
        }
        line(format!("profile: {}", path(self.folder)));
        line("shell: [bash, -c]".to_owned());
        line("exit_codes: {main_success: 69}".to_owned());
        let deps_dir = self.deps_dir.map(|dir| ("DEPS_DIR".to_owned(), dir.display().to_string()));
        let env: Vec<_> = self.env.iter().chain(&deps_dir).collect();
        if !env.is_empty() {
            line("env:".to_owned());
        }
        for (name, value) in env {
            line(format!("  {}: {}", quoted(name), quoted(value)));
        }
        for (index, member) in self.members.iter().enumerate() {
            let (first, indent) = match index {
                0 => ("  ", "  "),
                _ => ("  - ", "    "),
            };
            match index {
                0 => line("main:".to_owned()),
                1 => line("sidecars:".to_owned()),
                _ => {}
            }
            line(format!("  # {}", member.origin));
            line(format!("{first}name: {}", quoted(&member.name)));
            if let Some(command) = &member.command {
                line(format!("{indent}command: {}", command.render()));
            }
            line(format!("{indent}working_dir: {}", path(self.folder)));
            if let Some(memory) = member.memory {
                line(format!("{indent}memory: {memory}M"));
            }
            if index == 0 {
                if let Some(user) = &self.process.user {
                    line(format!("{indent}user: {}", quoted(user)));
                }
                let start = format!(", start_timeout: {}s", self.process.start_timeout);
                if let Some(check) = render_check(&self.process.health, &start) {
                    line(format!("{indent}health_check: {check}"));
                }
                if let Some(check) = render_check(&self.process.readiness, "") {
                    line(format!("{indent}readiness_check: {check}"));
                }
            }
        }
        text
    }
}

impl Command {
    fn render(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::List(words) => {
                let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
                format!("[{}]", words.join(", "))
            }
        }
    }
}

/// The check as a map; `None` if it asks nothing.
fn render_check(check: &Check, more: &str) -> Option<String> {
    let kind = match check.kind {
        CheckType::Process => return None,
        CheckType::Port => "port",
        CheckType::Http => "http",
    };
    let mut text = format!("{{type: {kind}");
    if let Some(endpoint) = &check.endpoint {
        let _ = write!(text, ", endpoint: {}", quoted(endpoint));
    }
    let _ = write!(text, "{more}, interval: {}s, timeout: {}s}}", check.interval, check.timeout);
    Some(text)
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// A scalar that means this text, whatever it holds: in quotes, what a reader might trip over
/// escaped; without them where it can only be text.
pub(super) fn quoted(text: &str) -> String {
    let begins = text.starts_with(|it: char| it.is_ascii_alphabetic() || "/_".contains(it));
    let plain = text.bytes().all(|it| it.is_ascii_alphanumeric() || b"/_.-".contains(&it));
    let lower = text.to_ascii_lowercase();
    let means_more = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if begins && plain && !means_more.contains(&lower.as_str()) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(letter));
            }
            _ if letter.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(letter));
            }
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Document, Node};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_quoted_is_read_back(text in "[^\\x00]{0,30}", nasty in "[\"\\\\\n\t\r\u{85}\u{2028}\u{feff}: #'é😀]{0,20}") {
            for text in [text, nasty] {
                let document = format!("a: {}", quoted(&text));
                let read = Document::parse(document.as_bytes(), "x").expect("YAML");
                let Node::Map(entries) = read.root() else { panic!("a map") };
                prop_assert_eq!(&entries[0].value, &Node::Text(text));
            }
        }
    }
}
