//! Walking a document: each step knows its place, and what is wrong is collected, never thrown.

use std::time::Duration;

use super::document::{Finding, Secrecy};
use super::node::{Entry, Node, Place};
use super::{Signal, parse_duration, parse_size};

/// What a reader has found so far.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is wrong.
    pub problems: Vec<Finding>,
    /// What is odd and stops nothing.
    pub warnings: Vec<Finding>,
}

impl Findings {
    /// Notes a problem.
    pub fn problem(&mut self, place: &Place, message: impl Into<String>) {
        self.problems.push(finding(place, message, None));
    }

    /// Notes a problem with its next move.
    pub fn advise(&mut self, place: &Place, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(finding(place, message, Some(hint.into())));
    }

    /// Notes a problem of a value that must not be shown.
    pub fn secret(&mut self, place: &Place, message: impl Into<String>, hint: Option<&str>) {
        let open = finding(place, message, hint.map(str::to_owned));
        self.problems.push(Finding { secrecy: Secrecy::Secret, ..open });
    }

    /// Notes something odd that stops nothing.
    pub fn warn(&mut self, place: &Place, message: impl Into<String>, hint: impl Into<String>) {
        self.warnings.push(finding(place, message, Some(hint.into())));
    }
}

/// A finding whose line may be shown.
fn finding(place: &Place, message: impl Into<String>, hint: Option<String>) -> Finding {
    Finding { place: place.clone(), message: message.into(), hint, secrecy: Secrecy::Open }
}

/// A value, where it is, and what it is called in messages.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    /// The value.
    pub node: &'a Node,
    /// Where it is.
    pub place: Place,
    /// What it is called in messages: a key in backquotes.
    pub name: String,
}

impl<'a> Cursor<'a> {
    /// The top of a document.
    pub fn top(node: &'a Node, name: &str) -> Self {
        Self { node, place: Place::default(), name: name.to_owned() }
    }

    /// Notes that the value is not what it has to be.
    pub fn must_be(&self, wanted: &str, findings: &mut Findings) {
        let message = format!("{} must be {wanted}, not {}", self.name, self.node.describe());
        findings.problem(&self.place, message);
    }

    /// Text without NUL, which no argument, variable or path can hold.
    pub fn text(&self, findings: &mut Findings) -> Option<&'a str> {
        match self.node {
            Node::Text(text) if text.contains('\0') => {
                let message = format!("{} must not contain the character NUL", self.name);
                findings.problem(&self.place, message);
                None
            }
            Node::Text(text) => Some(text),
            Node::Bool(_, written) | Node::Number(_, written) => {
                let message = format!("{} must be text, not {}", self.name, self.node.describe());
                let hint = format!("quote it: \"{}\"", super::problem::shown(written));
                findings.advise(&self.place, message, hint);
                None
            }
            Node::Null | Node::List(_) | Node::Map(_) => {
                self.must_be("text", findings);
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self, findings: &mut Findings) -> Option<bool> {
        if let Node::Bool(value, _) = self.node {
            return Some(*value);
        }
        self.must_be("`true` or `false`", findings);
        None
    }

    /// An exit code.
    pub fn exit_code(&self, findings: &mut Findings) -> Option<u8> {
        if let Node::Number(Some(number), _) = self.node
            && let Ok(code) = u8::try_from(*number)
        {
            return Some(code);
        }
        self.must_be("a whole number from 0 to 255", findings);
        None
    }

    /// How much more, or less, than its size the kernel's out-of-memory killer holds against a
    /// process.
    pub fn oom_score_adj(&self, findings: &mut Findings) -> Option<i16> {
        if let Node::Number(Some(number), _) = self.node
            && let Ok(score @ -1000..=1000) = i16::try_from(*number)
        {
            return Some(score);
        }
        self.must_be("a whole number from -1000 to 1000", findings);
        None
    }

    /// A duration; a bare whole number is seconds.
    pub fn duration(&self, findings: &mut Findings) -> Option<Duration> {
        self.quantity(parse_duration, "a duration such as `9s`", findings)
    }

    /// A size in bytes.
    pub fn size(&self, findings: &mut Findings) -> Option<u64> {
        self.quantity(parse_size, "a size such as `64M`", findings)
    }

    /// A scalar that has a reader of its own, which takes it as it is written.
    fn quantity<T>(
        &self,
        parse: fn(&str) -> Result<T, String>,
        wanted: &str,
        findings: &mut Findings,
    ) -> Option<T> {
        let (Node::Text(text) | Node::Number(_, text)) = self.node else {
            self.must_be(wanted, findings);
            return None;
        };
        match parse(text) {
            Ok(value) => Some(value),
            Err(flaw) => {
                findings.problem(&self.place, format!("{} {flaw}", self.name));
                None
            }
        }
    }

    /// A signal, by name or number.
    pub fn signal(&self, findings: &mut Findings) -> Option<Signal> {
        let (Node::Text(text) | Node::Number(_, text)) = self.node else {
            self.must_be("a signal such as `SIGTERM`", findings);
            return None;
        };
        let signal = Signal::from_name(text);
        if signal.is_none() {
            let message =
                format!("{}: there is no signal `{}`", self.name, super::problem::shown(text));
            findings.advise(&self.place, message, "`kill -l` lists them");
        }
        signal
    }

    /// A list, as its items.
    pub fn list(&self, findings: &mut Findings) -> Option<Vec<Cursor<'a>>> {
        let Node::List(list) = self.node else {
            self.must_be("a list", findings);
            return None;
        };
        let item = |(index, node)| Cursor {
            node,
            place: self.place.item(index),
            name: format!("item {} of {}", index + 1, self.name),
        };
        Some(list.iter().enumerate().map(item).collect())
    }

    /// A non-empty list of text.
    pub fn words(&self, findings: &mut Findings) -> Option<Vec<String>> {
        let items = self.list(findings)?;
        if items.is_empty() {
            findings.problem(&self.place, format!("{} must not be empty", self.name));
            return None;
        }
        // Every item is looked at before giving up, so that each problem is reported.
        let words: Vec<_> = items.iter().map(|item| item.text(findings)).collect();
        let words: Option<Vec<&str>> = words.into_iter().collect();
        words.map(|words| words.into_iter().map(str::to_owned).collect())
    }

    /// A map, as its fields.
    pub fn fields(&self, findings: &mut Findings) -> Option<Fields<'a>> {
        let Node::Map(entries) = self.node else {
            self.must_be("a map", findings);
            return None;
        };
        Some(Fields { entries, place: self.place.clone() })
    }
}

/// A map whose keys are looked up by name.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    /// All entries, in order.
    pub entries: &'a [Entry],
    /// Where the map is.
    pub place: Place,
}

impl<'a> Fields<'a> {
    /// The value of a key. `null` is the same as not there: generators of JSON write it so.
    pub fn get(&self, key: &str) -> Option<Cursor<'a>> {
        self.get_even_null(key).filter(|found| *found.node != Node::Null)
    }

    /// The value of a key, `null` too.
    pub fn get_even_null(&self, key: &str) -> Option<Cursor<'a>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        let place = self.place.value(entry);
        Some(Cursor { node: &entry.value, place, name: format!("`{key}`") })
    }
}
