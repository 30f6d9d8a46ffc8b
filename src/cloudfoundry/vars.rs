//! `((name))` in a manifest: the variables of `--var` and `--vars-file`, filled in as `cf push` does.

use crate::spec::{Findings, Node, Place, shown};

/// So many bytes of values are filled in at most: a short text can name a long one very often.
const MOST: usize = 16 << 20;

/// The values, and who has filled in what.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// Maps; a later one wins.
    maps: Vec<Node>,
    /// Whether a map is missing that could not be read, which is told by itself.
    incomplete: bool,
    size: usize,
    /// Where a value was filled in, and what was written there: nothing of the value is repeated in a
    /// message.
    pub(super) filled: Vec<(Place, String)>,
    /// Where one is missing: whatever else is wrong there follows from that.
    pub(super) unfilled: Vec<Place>,
}

impl Variables {
    /// Adds a map of values, which win over those that are there.
    pub(super) fn add(&mut self, map: Node) {
        self.maps.push(map);
    }

    /// What was written at this place, if a variable has had a hand in it: the variable's name where the
    /// place is within its value.
    pub(super) fn written(&self, place: &Place) -> Option<&str> {
        let found = self.filled.iter().find(|(filled, _)| place.is_within(filled));
        found.map(|(_, written)| written.as_str())
    }

    /// Whether all of them could be read.
    pub(super) fn are_complete(&self) -> bool {
        !self.incomplete
    }

    /// Some of them could not be read.
    pub(super) fn is_incomplete(&mut self) {
        self.incomplete = true;
    }

    /// Fills in every variable below `node`, keys included.
    pub(super) fn fill(&mut self, node: &mut Node, place: &Place, findings: &mut Findings) {
        match node {
            Node::Text(text) => {
                if let Some(filled) = self.text(text, place, findings) {
                    *node = filled;
                }
            }
            Node::List(list) => {
                for (index, item) in list.iter_mut().enumerate() {
                    self.fill(item, &place.item(index), findings);
                }
            }
            Node::Map(map) => {
                for entry in &mut *map {
                    let key = place.key(entry);
                    match self.text(&entry.key, &key, findings) {
                        Some(Node::Text(text) | Node::Number(_, text) | Node::Bool(_, text)) => {
                            entry.key = text;
                        }
                        Some(other) => {
                            let message = format!("a key must be text, not {}", other.kind());
                            findings.problem(&key, message);
                        }
                        None => {}
                    }
                    let value = place.value(entry);
                    self.fill(&mut entry.value, &value, findings);
                }
                for (index, entry) in map.iter().enumerate() {
                    if map[..index].iter().any(|other| other.key == entry.key) {
                        let message = "with its variables filled in, this key is there twice";
                        findings.problem(&place.key(entry), message);
                    }
                }
            }
            Node::Null | Node::Bool(..) | Node::Number(..) => {}
        }
    }

    /// The text with its variables filled in; `None` if it has none, or one of them is wrong.
    fn text(&mut self, text: &str, place: &Place, findings: &mut Findings) -> Option<Node> {
        let mut filled = String::new();
        let (mut rest, mut any, mut wrong) = (text, false, false);
        while let Some((before, name, after)) = next(rest) {
            any = true;
            let Some(value) = look_up(&self.maps, name) else {
                self.missing(name, place, findings);
                wrong = true;
                rest = after;
                continue;
            };
            self.size += size(value);
            if self.size > MOST {
                if self.size - size(value) <= MOST {
                    findings.problem(place, "its variables add up to more than 16 MiB");
                }
                return None;
            }
            if before.is_empty() && after.is_empty() && rest.len() == text.len() {
                self.filled.push((place.clone(), text.to_owned()));
                return Some(value.clone());
            }
            filled.push_str(before);
            match value {
                Node::Text(value) | Node::Number(Some(_), value) => filled.push_str(value),
                other => {
                    let message = format!(
                        "the variable `{}` is {}: within a longer text only text and whole numbers can \
                         stand",
                        shown(name),
                        other.kind()
                    );
                    findings.problem(place, message);
                    wrong = true;
                }
            }
            rest = after;
        }
        filled.push_str(rest);
        if wrong {
            self.unfilled.push(place.clone());
        } else if any {
            self.filled.push((place.clone(), text.to_owned()));
        }
        (any && !wrong).then_some(Node::Text(filled))
    }

    fn missing(&self, name: &str, place: &Place, findings: &mut Findings) {
        if self.incomplete {
            return;
        }
        let names = self.maps.iter().flat_map(|map| match map {
            Node::Map(entries) => entries.as_slice(),
            _ => &[],
        });
        let names: Vec<&str> = names.map(|entry| entry.key.as_str()).collect();
        let name = shown(name);
        let hint = match crate::spec::nearest(&name, &names) {
            Some(near) if near != name => format!("did you mean `{}`?", shown(near)),
            _ => format!("add `--var {name}=VALUE`, or `--vars-file FILE` with it"),
        };
        findings.advise(place, format!("the variable `{name}` has no value"), hint);
    }
}

/// The value of a name; behind each point of it a key of a map within.
fn look_up<'a>(maps: &'a [Node], name: &str) -> Option<&'a Node> {
    let mut steps = name.split('.');
    let first = steps.next()?;
    let found = maps.iter().rev().find_map(|map| get(map, first));
    steps.try_fold(found?, get)
}

fn get<'a>(map: &'a Node, key: &str) -> Option<&'a Node> {
    let Node::Map(entries) = map else { return None };
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
}

/// Roughly the bytes of a value.
fn size(node: &Node) -> usize {
    match node {
        Node::Null => 1,
        Node::Bool(_, text) | Node::Number(_, text) | Node::Text(text) => text.len() + 1,
        Node::List(list) => list.iter().map(size).sum::<usize>() + 1,
        Node::Map(map) => map.iter().map(|it| it.key.len() + size(&it.value)).sum::<usize>() + 1,
    }
}

/// The first variable of the text: what is before it, its name, and what is behind it.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices("((").find_map(|(at, _)| {
        let inner = &text[at + 2..];
        let inner = inner.strip_prefix(' ').unwrap_or(inner);
        let inner = inner.strip_prefix('!').unwrap_or(inner);
        let is_letter = |letter: char| letter.is_alphanumeric() || "-/._".contains(letter);
        let end = inner.find(|letter| !is_letter(letter))?;
        let (name, after) = inner.split_at(end);
        let after = after.strip_prefix(' ').unwrap_or(after).strip_prefix("))")?;
        (!name.is_empty()).then_some((&text[..at], name, after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Document;
    use proptest::prelude::*;

    fn node(text: &str) -> Node {
        Document::parse(text.as_bytes(), "x").expect("YAML").root().clone()
    }

    /// The text as a document with these values filled in, and what is wrong with that.
    fn filled(text: &str, values: &[&str]) -> (Node, Vec<String>) {
        let mut variables = Variables::default();
        for map in values {
            variables.add(node(map));
        }
        let (mut node, mut findings) = (node(text), Findings::default());
        variables.fill(&mut node, &Place::default(), &mut findings);
        let said = |it: &crate::spec::Finding| {
            format!("{}; {}", it.message, it.hint.clone().unwrap_or_default())
        };
        (node, findings.problems.iter().map(said).collect())
    }

    #[test]
    fn a_whole_value_keeps_its_type_and_a_part_becomes_text() {
        let values = ["{n: 5, t: x, l: [1], m: {a: {b: deep}}, e: true}", "{t: later}"];
        for (text, expected) in [
            ("a: ((n))", "a: 5"),
            ("a: ((!n))", "a: 5"),
            ("a: (( n ))", "a: 5"),
            ("a: ((l))", "a: [1]"),
            ("a: ((e))", "a: true"),
            ("a: ((m.a.b))", "a: deep"),
            ("a: x((n))y((t))", "a: x5ylater"),
            ("((t)): 1", "later: 1"),
            ("a: [((t))]", "a: [later]"),
            ("a: ((  n))", "a: ((  n))"),
            ("a: (n)", "a: (n)"),
            ("a: (()) (((", "a: (()) ((("),
            ("a: ((n)) ((n))", "a: 5 5"),
        ] {
            let (filled, problems) = filled(text, &values);
            assert_eq!(problems, Vec::<String>::new(), "{text}");
            assert_eq!(format!("{filled:?}"), format!("{:?}", node(expected)), "{text}");
        }
    }

    #[test]
    fn what_is_missing_or_does_not_fit_is_said_without_its_value() {
        let values = ["{list: [s3cret], password: s3cret}"];
        for (text, said) in [
            ("a: ((pasword))", "the variable `pasword` has no value; did you mean `password`?"),
            (
                "a: x((other))",
                "the variable `other` has no value; add `--var other=VALUE`, or `--vars-file FILE` with it",
            ),
            (
                "a: x((list))",
                "the variable `list` is a list: within a longer text only text and whole numbers can stand; ",
            ),
            ("((list)): x", "a key must be text, not a list; "),
            ("a: ((list.x))", "the variable `list.x` has no value; did you mean `list`?"),
        ] {
            assert_eq!(filled(text, &values).1, [said], "{text}");
        }
        assert_eq!(filled("a: ((b)) ((c))", &[]).1.len(), 2);
    }

    #[test]
    fn values_do_not_grow_without_end() {
        let long = format!("v: {}", "x".repeat(100_000));
        let text = format!("[{}]", ["((v))"; 1_000].join(", "));
        let (_, problems) = filled(&text, &[&long]);
        assert_eq!(problems, ["its variables add up to more than 16 MiB; "]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([(]{1,3}|[)]{1,3}|!| |a|é|\\.|/|-|x){0,20}") {
            let mut node = Node::Text(text);
            let mut variables = Variables::default();
            variables.add(super::tests::node("{a: 1, x: {a: [1]}}"));
            variables.fill(&mut node, &Place::default(), &mut Findings::default());
        }
    }
}
