//! What is found in one file: problems in the platform's words, and what the platform drops without
//! a word.

use crate::spec::{Cursor, Findings, Node, Place, nearest, shown};

/// Whether what the platform drops silently stops us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// It is a warning.
    Usual,
    /// It is a problem.
    Strict,
}

/// Collects what is found.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) findings: Findings,
    /// Before every message: whose problem it is.
    prefix: String,
    strictness: Strictness,
    /// Where variables were filled in, which may be secret.
    pub(super) filled: Vec<Place>,
}

impl Report {
    pub(super) fn new(strictness: Strictness) -> Self {
        let (findings, prefix) = (Findings::default(), String::new());
        Self { findings, prefix, strictness, filled: Vec::new() }
    }

    /// Whether what stands there may be repeated.
    pub(super) fn may_show(&self, place: &Place) -> bool {
        !self.filled.iter().any(|filled| place.is_within(filled))
    }

    /// The key that stands there, for a message.
    pub(super) fn key(&self, place: &Place, key: &str) -> String {
        if self.may_show(place) { shown(key) } else { "((...))".to_owned() }
    }

    /// From now on every message begins with this.
    pub(super) fn about(&mut self, prefix: String) {
        self.prefix = prefix;
    }

    /// A problem in the platform's words.
    pub(super) fn problem(&mut self, place: &Place, message: impl AsRef<str>) {
        self.findings.problem(place, format!("{}{}", self.prefix, message.as_ref()));
    }

    /// The same with its next move.
    pub(super) fn advise(
        &mut self,
        place: &Place,
        message: impl AsRef<str>,
        hint: impl Into<String>,
    ) {
        self.findings.advise(place, format!("{}{}", self.prefix, message.as_ref()), hint);
    }

    /// A problem whose value must not be shown.
    pub(super) fn secret(&mut self, place: &Place, message: impl AsRef<str>, hint: Option<&str>) {
        self.findings.secret(place, format!("{}{}", self.prefix, message.as_ref()), hint);
    }

    /// Something that is worth a look; the platform says nothing, so these are our own words.
    pub(super) fn warn(
        &mut self,
        place: &Place,
        message: impl AsRef<str>,
        hint: impl Into<String>,
    ) {
        self.findings.warn(place, message.as_ref(), hint);
    }

    /// Something that the platform drops without a word.
    pub(super) fn dropped(
        &mut self,
        place: &Place,
        message: impl AsRef<str>,
        hint: impl Into<String>,
    ) {
        match self.strictness {
            Strictness::Usual => self.warn(place, message, hint),
            Strictness::Strict => self.findings.advise(place, message.as_ref(), hint),
        }
    }

    /// A key that is unknown here, and may be known elsewhere.
    pub(super) fn misplaced_key(
        &mut self,
        place: &Place,
        key: &str,
        known: &[&str],
        elsewhere: &[(&[&str], &str)],
    ) {
        let plain = key.replace('-', "_");
        let other = elsewhere.iter().find(|(keys, _)| keys.contains(&plain.as_str()));
        match other.filter(|_| self.may_show(place)) {
            Some((_, whose)) => {
                let message =
                    format!("`{plain}` belongs to {whose}; here Cloud Foundry ignores it silently");
                self.dropped(place, message, format!("indent it as the keys of {whose} are"));
            }
            None => self.unknown_key(place, key, known),
        }
    }

    /// An unknown key.
    pub(super) fn unknown_key(&mut self, place: &Place, key: &str, known: &[&str]) {
        let hint = match nearest(key, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "leave it out".to_owned(),
        };
        let named = if self.may_show(place) { format!(" `{}`", shown(key)) } else { String::new() };
        let message = format!("unknown key{named}; Cloud Foundry ignores it silently");
        self.dropped(place, message, hint);
    }

    /// Text. `field` is what the platform calls it; `None` also for `null`, which says nothing.
    pub(super) fn text<'a>(&mut self, cursor: &Cursor<'a>, field: &str) -> Option<&'a str> {
        match cursor.node {
            Node::Text(text) if text.contains('\0') => {
                self.problem(&cursor.place, format!("{field} must not contain the character NUL"));
                None
            }
            Node::Text(text) => Some(text),
            Node::Null => None,
            Node::Bool(_, written) | Node::Number(_, written) => {
                let hint = if self.may_show(&cursor.place) {
                    format!("quote it: \"{}\"", shown(written))
                } else {
                    "quote the variable's value where it is set".to_owned()
                };
                self.advise(&cursor.place, format!("{field} must be a string"), hint);
                None
            }
            Node::List(_) | Node::Map(_) => {
                self.problem(&cursor.place, format!("{field} must be a string"));
                None
            }
        }
    }

    /// Seconds, of which a day has 86,400: more cannot be waited for.
    pub(super) fn seconds(&mut self, cursor: &Cursor<'_>, field: &str) -> Option<i64> {
        const DAY: i64 = 86_400;
        let seconds = self.whole(cursor, field, 1)?;
        if seconds > DAY {
            self.problem(&cursor.place, format!("{field} must be less than or equal to {DAY}"));
            return None;
        }
        Some(seconds)
    }

    /// A whole number of at least `least`; digits in quotes are one too.
    pub(super) fn whole(&mut self, cursor: &Cursor<'_>, field: &str, least: i64) -> Option<i64> {
        let number = match cursor.node {
            Node::Null => return None,
            Node::Number(number, _) => number.ok_or("must be an integer"),
            Node::Text(text) => text.trim().parse().map_err(|_| "is not a number"),
            Node::Bool(..) | Node::List(_) | Node::Map(_) => Err("is not a number"),
        };
        match number {
            Ok(number) if number >= least => Some(number),
            Ok(_) => {
                let message = format!("{field} must be greater than or equal to {least}");
                self.problem(&cursor.place, message);
                None
            }
            Err(flaw) => {
                let unit = matches!(cursor.node, Node::Text(text) if text.starts_with(|it: char| it.is_ascii_digit()));
                if unit && self.may_show(&cursor.place) {
                    self.advise(
                        &cursor.place,
                        format!("{field} {flaw}"),
                        "a whole number, without a unit",
                    );
                } else {
                    self.problem(&cursor.place, format!("{field} {flaw}"));
                }
                None
            }
        }
    }
}

/// What is too long, in the platform's words.
pub(super) fn length_flaw(text: &str, field: &str, most: usize) -> Option<String> {
    (text.chars().count() > most)
        .then(|| format!("{field} is too long (maximum is {most} characters)"))
}
