//! From a place in a document to its line and column, walked only when there is one to report.
//!
//! The parser tells positions in errors alone. So the document is read once more along the way to
//! the place, and there the walk fails on purpose. Behind an alias the position is the anchor's,
//! where the value is written.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::node::{Place, Step};
use super::problem::Position;

/// Line and column of a place. `None` only if the text is not the one that the place is from.
pub(super) fn locate(text: &str, place: &Place) -> Option<Position> {
    let document = serde_yaml::Deserializer::from_str(text);
    let stop = Follow(&place.0).deserialize(document).err()?;
    position(&stop)
}

/// Where the second document of the text begins, if there is one.
pub(super) fn second_document(text: &str) -> Option<Position> {
    let second = serde_yaml::Deserializer::from_str(text).nth(1)?;
    let stop = Follow(&[]).deserialize(second).err()?;
    position(&stop)
}

/// The position that an error of the parser carries.
pub(super) fn position(error: &serde_yaml::Error) -> Option<Position> {
    error.location().map(|location| Position { line: location.line(), column: location.column() })
}

/// Follows the steps and fails at their end.
struct Follow<'steps>(&'steps [Step]);

impl<'de> DeserializeSeed<'de> for Follow<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.0.first() {
            None => deserializer.deserialize_any(Stop),
            // Not `deserialize_any`: a tag would turn the value into something else.
            Some(Step::Item(_)) => deserializer.deserialize_seq(self),
            Some(Step::Key(_) | Step::Value(_)) => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Follow<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the way to a place")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((Step::Item(index), rest)) = self.0.split_first() else {
            return Ok(());
        };
        for _ in 0..*index {
            items.next_element::<IgnoredAny>()?;
        }
        items.next_element_seed(Follow(rest))?;
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Some((Step::Key(index) | Step::Value(index), rest)) = self.0.split_first() else {
            return Ok(());
        };
        for _ in 0..*index {
            entries.next_entry::<IgnoredAny, IgnoredAny>()?;
        }
        if let Some(Step::Key(_)) = self.0.first() {
            entries.next_key_seed(Follow(rest))?;
            return Ok(());
        }
        if entries.next_key::<IgnoredAny>()?.is_some() {
            entries.next_value_seed(Follow(rest))?;
        }
        Ok(())
    }
}

/// Wants nothing that there is, so whatever comes is the error that carries the position.
struct Stop;

impl Visitor<'_> for Stop {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the end of the way")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Step::{Item, Key, Value};

    /// Line and column that the steps lead to.
    fn at(text: &str, steps: &[Step]) -> (usize, usize) {
        let position = locate(text, &Place(steps.to_vec())).expect("a position");
        (position.line, position.column)
    }

    #[test]
    fn keys_and_values_of_block_maps() {
        let text =
            "# first\nmain:\n  name: web\n  command: 'x'\nsidecars:\n  - name: a\n  - name: b\n";
        assert_eq!(at(text, &[]), (2, 1));
        assert_eq!(at(text, &[Key(0)]), (2, 1));
        assert_eq!(at(text, &[Value(0)]), (3, 3));
        assert_eq!(at(text, &[Value(0), Key(1)]), (4, 3));
        assert_eq!(at(text, &[Value(0), Value(1)]), (4, 12));
        assert_eq!(at(text, &[Value(1)]), (6, 3));
        assert_eq!(at(text, &[Value(1), Item(1)]), (7, 5));
        assert_eq!(at(text, &[Value(1), Item(1), Value(0)]), (7, 11));
    }

    #[test]
    fn flow_style_and_json() {
        let text = "{\"main\": {\"command\": [\"x\", 1, null]},\n \"env\": {A: ü, B: 2}}";
        assert_eq!(at(text, &[]), (1, 1));
        assert_eq!(at(text, &[Value(0), Value(0), Item(1)]), (1, 28));
        assert_eq!(at(text, &[Value(0), Value(0), Item(2)]), (1, 31));
        assert_eq!(at(text, &[Value(1), Key(1)]), (2, 16));
        assert_eq!(at(text, &[Value(1), Value(1)]), (2, 19));
    }

    #[test]
    fn missing_values_tags_and_block_scalars() {
        let text = "a:\nb: !x 5\nc: |\n  text\nd: !y {e: 1}\n";
        assert_eq!(at(text, &[Value(0)]), (1, 3));
        assert_eq!(at(text, &[Value(1)]), (2, 4));
        assert_eq!(at(text, &[Value(2)]), (3, 4));
        assert_eq!(at(text, &[Value(3), Value(0)]), (5, 11));
    }

    #[test]
    fn behind_an_alias_it_is_where_the_value_is_written() {
        let text = "a: &x\n  k: 1\nb: *x\nc:\n  <<: [*x]\n  l: 2\n";
        assert_eq!(at(text, &[Value(1), Value(0)]), (2, 6));
        assert_eq!(at(text, &[Value(1)]), (1, 4));
        assert_eq!(at(text, &[Value(2), Value(0), Item(0), Key(0)]), (2, 3));
        assert_eq!(at(text, &[Value(2), Key(0)]), (5, 3));
        assert_eq!(at(text, &[Value(2), Value(1)]), (6, 6));
    }

    #[test]
    fn the_second_document_is_found() {
        let text = "a: 1\n---\nb: 2\n";
        assert_eq!(second_document(text).map(|at| at.line), Some(3));
        assert_eq!(second_document("a: 1\n"), None);
    }
}
