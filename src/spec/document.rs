//! A text as a value with positions: YAML or JSON, one document.

use super::excerpt::Excerpt;
use super::locate::{self, locate};
use super::mask::Mask;
use super::node::{Build, Flaw, Node, Place, Step, Walk, Written};
use super::problem::{Position, Problem, Problems, Warning, shown};
use super::source::EMPTY;
use super::{anchors, json, merge};
use serde::de::DeserializeSeed;

/// The largest text that is read.
pub const LARGEST: usize = 1 << 20;

/// Brackets in brackets, counted without looking at quotes: the parser below takes quadratic time
/// for them before it refuses what is deeper than 128.
const DEEPEST: usize = 1_000;

/// A parsed document, and the text that it is from.
#[derive(Debug)]
pub struct Document {
    origin: String,
    text: String,
    root: Node,
    flaws: Vec<Flaw>,
    /// Whether any value may be shown.
    values: Secrecy,
}

/// Something to be said about a place in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub message: String,
    /// The next move.
    pub hint: Option<String>,
    /// Whether the value there may be shown.
    pub secrecy: Secrecy,
}

/// Whether a value may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrecy {
    /// It may.
    Open,
    /// It may be a password.
    Secret,
}

impl Document {
    /// Parses the one document of a text. `origin` is the file as it is shown.
    pub fn parse(bytes: &[u8], origin: &str) -> Result<Self, Problem> {
        Self::parse_as(bytes, origin, Secrecy::Open)
    }

    /// The same for a file all of whose values may be passwords.
    pub fn parse_secret(bytes: &[u8], origin: &str) -> Result<Self, Problem> {
        Self::parse_as(bytes, origin, Secrecy::Secret)
    }

    fn parse_as(bytes: &[u8], origin: &str, values: Secrecy) -> Result<Self, Problem> {
        let text = decode(bytes, origin, values)?;
        let text = json::with_whole_characters(&text).unwrap_or(text);
        let mut walk = Walk::default();
        let parser = serde_yaml::Deserializer::from_str(&text);
        let mut root = match Build(&mut walk).deserialize(parser) {
            Ok(root) => root,
            Err(error) => return Err(syntax(&error, &text, origin, values)),
        };
        if walk.has_written {
            // The first walk went through, so this one does; and if not, the value stands as it is.
            let _ = Written(&mut root).deserialize(serde_yaml::Deserializer::from_str(&text));
        }
        merge::settle(&mut root, &Place::default(), &mut walk.flaws);
        Ok(Self { origin: origin.to_owned(), text, root, flaws: walk.flaws, values })
    }

    /// The value of the whole document, merge keys settled.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// Line and column of a place in this document.
    pub fn position(&self, place: &Place) -> Option<Position> {
        locate(&self.text, place)
    }

    /// Whether parts of it are used again: a map may then be there for that alone.
    pub fn has_anchors(&self) -> bool {
        anchors::any(&self.text)
    }

    /// What is wrong with the document, whatever it is for: duplicate keys and the like.
    pub fn flaws(&self) -> impl Iterator<Item = Finding> {
        self.flaws.iter().map(|flaw| Finding {
            place: flaw.place.clone(),
            message: flaw.message.clone(),
            hint: None,
            secrecy: Secrecy::Open,
        })
    }

    /// What was found, with line, column and source line, in file order; then what is wrong
    /// elsewhere.
    pub fn problems(&self, findings: &[Finding], elsewhere: Vec<Problem>) -> Problems {
        let unshown = findings.len().saturating_sub(self.most_problems());
        let mut problems = self.locate_all(findings);
        problems.extend(elsewhere);
        Problems::new(problems, unshown)
    }

    /// The same for what stops nothing.
    pub fn warnings(&self, findings: &[Finding]) -> Vec<Warning> {
        let sorted = Problems::new(self.locate_all(findings), 0);
        sorted.iter().cloned().map(Warning::new).collect()
    }

    /// How many problems are shown. More are noise, and each costs a walk through the text.
    fn most_problems(&self) -> usize {
        const USUAL: usize = 64 << 10;
        if self.text.len() > USUAL { 10 } else { 100 }
    }

    /// Looks the places up, up to the number that is shown.
    fn locate_all(&self, findings: &[Finding]) -> Vec<Problem> {
        let listed = &findings[..findings.len().min(self.most_problems())];
        if listed.is_empty() {
            return Vec::new();
        }
        let mask = mask(&self.text, self.values);
        listed.iter().map(|finding| self.locate_one(finding, &mask)).collect()
    }

    /// Looks one place up.
    fn locate_one(&self, finding: &Finding, mask: &Mask) -> Problem {
        let mut problem = Problem::new(self.origin.clone(), finding.message.clone());
        if let Some(hint) = &finding.hint {
            problem = problem.with_hint(hint.clone());
        }
        let Some(position) = locate(&self.text, &finding.place) else {
            return problem;
        };
        let part = match finding.place.0.last() {
            Some(Step::Key(_)) => Part::Key,
            _ => Part::Value,
        };
        point_at(problem, &self.text, position, part, finding.secrecy, mask)
    }
}

/// What of the text is never shown.
fn mask(text: &str, values: Secrecy) -> Mask {
    match values {
        Secrecy::Open => Mask::of(text),
        Secrecy::Secret => Mask::of_values(text),
    }
}

/// Which half of a map's entry is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Key,
    Value,
}

/// Adds position and source line to a problem.
fn point_at(
    problem: Problem,
    text: &str,
    position: Position,
    part: Part,
    secrecy: Secrecy,
    mask: &Mask,
) -> Problem {
    // For the parser the end of a text is on a line of its own, be there a newline before it or not.
    let is_there = lines(text).nth(position.line.saturating_sub(1)).is_some();
    let position = if is_there { position } else { position_of(text, text.len()) };
    let (start, line) =
        lines(text).nth(position.line.saturating_sub(1)).unwrap_or((text.len(), ""));
    let caret = line
        .char_indices()
        .nth(position.column.saturating_sub(1))
        .map_or(line.len(), |(offset, _)| offset);
    let length = extent(&line[..caret], &line[caret..], part);
    // The text alone may not show that this is a value of `env`; the finding knows.
    let secret_from = match (secrecy, part) {
        (Secrecy::Open, _) => line.len(),
        (Secrecy::Secret, Part::Value) => caret,
        (Secrecy::Secret, Part::Key) => {
            line[caret..].char_indices().nth(length + 1).map_or(line.len(), |(offset, _)| {
                caret + offset + usize::from(line[caret + offset..].starts_with(' '))
            })
        }
    };
    let is_hidden = |offset: usize| offset >= secret_from || mask.hides(start + offset);
    problem.at(position, Excerpt::new(line, position.column, length, is_hidden))
}

/// How many characters the caret covers: the scalar that begins at `rest`, as far as it is on
/// this line.
fn extent(before: &str, rest: &str, part: Part) -> usize {
    let count = |end: usize| rest[..end].trim_end().chars().count().max(1);
    match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let end = rest[1..].find(quote).map_or(rest.len(), |at| at + 2);
            return count(end);
        }
        None | Some('{' | '[' | '|' | '>' | '&' | '!' | '*' | '#') => return 1,
        Some(_) => {}
    }
    let colon = rest
        .match_indices(':')
        .map(|(at, _)| at)
        .find(|at| matches!(rest.as_bytes().get(at + 1), None | Some(b' ' | b'\t')));
    match (part, colon) {
        (Part::Key, Some(colon)) => return count(colon),
        // A value that begins with a key is a map: it has no end on this line.
        (Part::Value, Some(_)) if !in_brackets(before) => return 1,
        _ => {}
    }
    if rest.starts_with("- ") {
        return 1;
    }
    let comment = rest.find(" #").unwrap_or(rest.len());
    let end = if in_brackets(before) {
        rest.find([',', ']', '}']).unwrap_or(rest.len()).min(comment)
    } else {
        comment
    };
    count(end)
}

/// Whether a bracket is still open at the end of the text.
fn in_brackets(text: &str) -> bool {
    let count = |letters: [char; 2]| text.matches(letters).count();
    count(['{', '[']) > count(['}', ']'])
}

/// The lines of a text with their offsets, split where YAML splits.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = Some(0);
    std::iter::from_fn(move || {
        let start = rest?;
        let breaks = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
        let Some(length) = text[start..].find(breaks) else {
            rest = None;
            return Some((start, &text[start..]));
        };
        let end = start + length;
        let broken = text[end..].chars().next().map_or(1, char::len_utf8);
        let width = if text[end..].starts_with("\r\n") { 2 } else { broken };
        rest = Some(end + width);
        Some((start, &text[start..end]))
    })
}

/// The text of the bytes without a byte order mark, if it is one that the parser can take.
fn decode(bytes: &[u8], origin: &str, values: Secrecy) -> Result<String, Problem> {
    if bytes.len() > LARGEST {
        return Err(
            Problem::new(origin, "is larger than 1 MiB").with_hint("is this the right file?")
        );
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let line = lines(&valid).count();
            return Err(Problem::new(
                origin,
                format!("is not UTF-8 text: line {line} has other bytes"),
            )
            .with_hint("save it as UTF-8"));
        }
    };
    let problem = |offset: usize, message: String| {
        let position = position_of(text, offset);
        let problem = Problem::new(origin, message);
        point_at(problem, text, position, Part::Value, Secrecy::Open, &mask(text, values))
    };
    // The parser refuses these without saying where.
    let is_refused = |letter: char| {
        letter == '\u{feff}'
            || letter == '\u{fffe}'
            || letter == '\u{ffff}'
            || (letter.is_control() && !matches!(letter, '\t' | '\n' | '\r' | '\u{85}'))
    };
    if let Some((offset, letter)) = text.char_indices().find(|(_, letter)| is_refused(*letter)) {
        let code = u32::from(letter);
        return Err(problem(offset, format!("the character U+{code:04X} is not allowed")));
    }
    let mut depth = 0_usize;
    for (offset, byte) in text.bytes().enumerate() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth > DEEPEST {
            return Err(problem(offset, "is nested too deeply".to_owned()));
        }
    }
    if let Some((offset, name)) = anchors::redefined(text) {
        let message = format!("the anchor `{}` is defined twice", shown(name));
        return Err(problem(offset, message).with_hint("give it another name"));
    }
    if lines(text).all(|(_, line)| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Err(Problem::new(origin, "is empty").with_hint(EMPTY));
    }
    Ok(text.to_owned())
}

/// Line and column of a byte offset.
fn position_of(text: &str, offset: usize) -> Position {
    let (index, (start, line)) = lines(text)
        .enumerate()
        .take_while(|(_, (start, _))| *start <= offset)
        .last()
        .unwrap_or((0, (0, text)));
    let before = line.get(..offset - start).unwrap_or(line);
    Position { line: index + 1, column: before.chars().count() + 1 }
}

/// An error of the parser, in our form: place first, what it was doing last.
fn syntax(error: &serde_yaml::Error, text: &str, origin: &str, values: Secrecy) -> Problem {
    let mask = mask(text, values);
    let said = error.to_string();
    if said.contains("more than one document") {
        let problem = Problem::new(origin, "has more than one document (`---`)")
            .with_hint("one file is one document");
        return match locate::second_document(text) {
            Some(position) => point_at(problem, text, position, Part::Key, Secrecy::Open, &mask),
            None => problem,
        };
    }
    let (what, context) = match said.split_once(", while ") {
        Some((what, context)) => (what, Some(context)),
        None => (said.as_str(), None),
    };
    let what = what.split(" at line ").next().unwrap_or(what);
    let mut message = match what {
        "recursion limit exceeded" => "is nested too deeply".to_owned(),
        "repetition limit exceeded" => "its aliases repeat too much".to_owned(),
        _ => what.to_owned(),
    };
    // What the tag was put to may be a secret: the parser quotes it, we do not.
    if message.contains("invalid value: ") {
        "the value does not fit its tag".clone_into(&mut message);
    }
    if let Some(context) = context.filter(|context| !context.starts_with("scanning for the next")) {
        let began = context.split(" column ").next().unwrap_or(context);
        message =
            format!("{message}, while {}", began.replace(" at line ", " that began on line "));
    }
    let problem = Problem::new(origin, message);
    let Some(position) = locate::position(error) else {
        return problem;
    };
    let line = lines(text).nth(position.line - 1).map_or("", |(_, line)| line);
    let problem = match advice(what, line, position.column) {
        Some(hint) => problem.with_hint(hint),
        None => problem,
    };
    point_at(problem, text, position, Part::Value, Secrecy::Open, &mask)
}

/// Whether the colon at this column ends the first word of the line.
fn begins_with_a_key(line: &str, column: usize) -> bool {
    let before: String = line.chars().take(column.saturating_sub(1)).collect();
    let word = before.trim_start();
    let in_a_key = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
    before.starts_with(' ') && !word.is_empty() && word.chars().all(in_a_key)
}

/// The usual cause of an error at this place.
fn advice(what: &str, line: &str, column: usize) -> Option<&'static str> {
    let indent = &line[..line.len() - line.trim_start().len()];
    let letter = line.chars().nth(column.saturating_sub(1));
    match letter {
        _ if indent.contains('\t') => Some("YAML is indented with spaces, not with tabs"),
        Some('@' | '`' | '%') => Some("put it in quotes"),
        Some(':') if what.starts_with("mapping values") && begins_with_a_key(line, column) => {
            Some("is this line indented deeper than the keys above it?")
        }
        Some(':') if what.starts_with("mapping values") => {
            Some("text with `: ` in it needs quotes")
        }
        _ if what.starts_with("found unexpected end of stream") => {
            Some("a quote or a bracket that was opened is not closed")
        }
        Some('*') if what == "unknown anchor" => Some("text that begins with `*` needs quotes"),
        _ => None,
    }
}
