//! What is wrong with a spec, or odd about it, and how that is shown.

use std::error::Error;
use std::fmt;

use super::excerpt::Excerpt;

/// A place in a text: line and column, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// One thing that is wrong: where, what, and the next move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as it is shown, or the command line option.
    origin: String,
    message: String,
    hint: Option<String>,
    /// Boxed: most results never have one, and every one of them would be this large.
    found: Option<Box<(Position, Excerpt)>>,
}

impl Problem {
    /// A problem of a whole file or of a command line option.
    pub fn new(origin: impl Into<String>, message: impl Into<String>) -> Self {
        Self { origin: origin.into(), message: message.into(), hint: None, found: None }
    }

    /// The same with the next move, in words.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with the place in the file.
    #[must_use]
    pub(super) fn at(mut self, position: Position, excerpt: Excerpt) -> Self {
        self.found = Some(Box::new((position, excerpt)));
        self
    }

    /// Where it is, when it is at one place of a file.
    pub fn position(&self) -> Option<Position> {
        self.found.as_ref().map(|found| found.0)
    }

    /// What is wrong, without place and hint.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// `FILE:LINE:COLUMN: message`, the line, the caret and the hint; without the program's name and
/// without a newline at the end.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = shown(&self.origin);
        if let Some(found) = &self.found {
            let (Position { line, column }, excerpt) = found.as_ref();
            writeln!(f, "{origin}:{line}:{column}: {}", self.message)?;
            return excerpt.write(f, *line, self.hint.as_deref());
        }
        write!(f, "{origin}: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

/// Every problem of a spec at once, in file order. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    /// How many more there were than are worth showing.
    unshown: usize,
}

impl Problems {
    /// Sorts what was found into file order; what has no place in the file comes last.
    pub(crate) fn new(mut list: Vec<Problem>, unshown: usize) -> Self {
        // The sort is stable: problems of one place stay in the order in which they were found.
        list.sort_by_key(|problem| {
            let position = problem.position();
            (position.is_none(), position)
        });
        // One mistake behind an alias is met once for every use of it.
        list.dedup();
        Self { list, unshown }
    }

    /// Those of several files, each in its order; `None` if there is none at all.
    pub fn all(lists: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut all = Self { list: Vec::new(), unshown: 0 };
        for mut problems in lists {
            all.list.append(&mut problems.list);
            all.unshown += problems.unshown;
        }
        (!all.list.is_empty() || all.unshown > 0).then_some(all)
    }

    /// The problems, in file order.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self::new(vec![problem], 0)
    }
}

/// Each problem as `fateshare: FILE:LINE:COLUMN: message` and what belongs to it; no newline at
/// the end.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "fateshare: {problem}")?;
        }
        match self.unshown {
            0 => Ok(()),
            more => write!(f, "\nfateshare: and {more} more problems"),
        }
    }
}

impl Error for Problems {}

/// Something odd that stops nothing, shown like a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(Problem);

impl Warning {
    /// The same content, as something that stops nothing.
    pub fn new(content: Problem) -> Self {
        Self(content)
    }

    /// Where it is, when it is at one place of a file.
    pub fn position(&self) -> Option<Position> {
        self.0.position()
    }

    /// What is odd, without place and hint.
    pub fn message(&self) -> &str {
        self.0.message()
    }
}

/// `FILE:LINE:COLUMN: message` and what belongs to it; the caller says `warning: ` before it.
impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Text from outside, fit for a message: short, on one line, and unable to command a terminal.
pub fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut short: String = text.chars().take(LONGEST).map(harmless).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

/// The character, or the replacement character where it would move the cursor or turn the text.
pub fn harmless(letter: char) -> char {
    let turns_text = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if letter.is_control() || turns_text { char::REPLACEMENT_CHARACTER } else { letter }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_without_a_place_names_its_origin_and_the_next_move() {
        let problem = Problem::new("./fateshare.yml", "is empty").with_hint("write one");
        assert_eq!(
            Problems::from(problem).to_string(),
            "fateshare: ./fateshare.yml: is empty\n  write one"
        );
    }

    #[test]
    fn text_from_outside_cannot_command_the_terminal() {
        assert_eq!(shown("a\u{1b}[31m\nb\u{202e}"), "a�[31m�b�");
        assert_eq!(shown(&"x".repeat(61)), format!("{}…", "x".repeat(60)));
    }
}
