//! The one value that a document is parsed to, and the walk that builds it.
//!
//! Unlike the value types of the YAML and JSON crates it keeps every entry of a map, so that
//! duplicate keys can be reported, and scalars as they were written, so that `3.10` stays `3.10`.

use std::fmt;

use serde::de::DeserializeSeed;
use serde::de::{
    Deserializer, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// A value of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// `null`, `~` or nothing at all.
    Null,
    /// `true` or `false`, and how it was written.
    Bool(bool, String),
    /// A number: its value if it is a whole one, and how it was written.
    Number(Option<i64>, String),
    /// Text, quoted or not.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map.
    Map(Vec<Entry>),
}

/// One key of a map with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key, as text.
    pub key: String,
    /// Its value.
    pub value: Node,
    /// The way from the map to the value: one step, more when the entry came by a merge key.
    pub(super) route: Vec<Step>,
}

/// One step into a document. Counted, not named: a name would be ambiguous where keys repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The value at an index of a list.
    Item(usize),
    /// The key at an index of a map.
    Key(usize),
    /// The value at an index of a map.
    Value(usize),
}

/// The way from the top of a document to a value or to a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place(pub(super) Vec<Step>);

impl Place {
    /// The place of an item of the list that is here.
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        self.then(&[Step::Item(index)])
    }

    /// The place of an entry's value in the map that is here.
    #[must_use]
    pub fn value(&self, entry: &Entry) -> Self {
        self.then(&entry.route)
    }

    /// The place of an entry's key in the map that is here.
    #[must_use]
    pub fn key(&self, entry: &Entry) -> Self {
        let mut place = self.value(entry);
        if let Some(last @ &mut Step::Value(index)) = place.0.last_mut() {
            *last = Step::Key(index);
        }
        place
    }

    /// Whether this is the other place, or within the value there; its key counts too.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let same = |one: &Step, other: &Step| match (one, other) {
            (Step::Key(one) | Step::Value(one), Step::Key(other) | Step::Value(other)) => {
                one == other
            }
            (one, other) => one == other,
        };
        self.0.len() >= other.0.len()
            && self.0.iter().zip(&other.0).all(|(one, other)| same(one, other))
    }

    /// The place some steps further on.
    pub(super) fn then(&self, steps: &[Step]) -> Self {
        Self([self.0.as_slice(), steps].concat())
    }
}

impl Node {
    /// A map with this one key.
    pub fn single(key: &str, value: Self) -> Self {
        Self::Map(vec![Entry { key: key.to_owned(), value, route: vec![Step::Value(0)] }])
    }

    /// What this is, for `must be a list, not ...`. Long text is cut.
    pub fn describe(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(_, text) => format!("the boolean `{text}`"),
            Self::Number(_, text) => format!("the number `{}`", super::problem::shown(text)),
            Self::Text(text) if text.is_empty() => "empty text".to_owned(),
            Self::Text(text) => format!("the text `{}`", super::problem::shown(text)),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a map".to_owned(),
        }
    }

    /// The same without the value itself, which may be a secret.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(..) => "a boolean",
            Self::Number(..) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Values in one document, aliases written out. The parser limits how often aliases are followed,
/// not what that adds up to.
const MOST_NODES: usize = 200_000;

/// What is wrong with the document itself and yet lets the walk go on.
#[derive(Debug, PartialEq)]
pub(super) struct Flaw {
    pub(super) place: Place,
    pub(super) message: String,
}

/// State of the walk that builds the value.
#[derive(Debug, Default)]
pub(super) struct Walk {
    place: Place,
    nodes: usize,
    /// Whether a scalar was met whose writing is still to be fetched.
    pub(super) has_written: bool,
    pub(super) flaws: Vec<Flaw>,
}

impl Walk {
    /// Notes a flaw at the place where the walk is.
    fn flaw(&mut self, message: impl Into<String>) {
        self.flaws.push(Flaw { place: self.place.clone(), message: message.into() });
    }
}

/// Builds a [`Node`] from whatever comes next.
pub(super) struct Build<'walk>(pub(super) &'walk mut Walk);

impl<'de> DeserializeSeed<'de> for Build<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        self.0.nodes += 1;
        if self.0.nodes > MOST_NODES {
            return Err(D::Error::custom(format_args!(
                "more than {MOST_NODES} values, anchors written out"
            )));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Build<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        self.0.has_written = true;
        Ok(Node::Bool(value, value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        self.0.has_written = true;
        Ok(Node::Number(Some(value), value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        self.0.has_written = true;
        Ok(Node::Number(i64::try_from(value).ok(), value.to_string()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Node, E> {
        self.0.has_written = true;
        Ok(Node::Number(None, value.to_string()))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Node, E> {
        self.0.has_written = true;
        Ok(Node::Number(None, value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        self.0.has_written = true;
        Ok(Node::Number(None, value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let walk = self.0;
        let mut list = Vec::new();
        loop {
            walk.place.0.push(Step::Item(list.len()));
            let item = items.next_element_seed(Build(walk))?;
            walk.place.0.pop();
            match item {
                Some(item) => list.push(item),
                None => return Ok(Node::List(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let walk = self.0;
        let mut map = Vec::new();
        for index in 0.. {
            walk.place.0.push(Step::Key(index));
            let Some(key) = entries.next_key_seed(Build(walk))? else {
                walk.place.0.pop();
                break;
            };
            let key = match key {
                Node::Text(text) | Node::Bool(_, text) | Node::Number(_, text) => Some(text),
                Node::Null | Node::List(_) | Node::Map(_) => {
                    walk.flaw(format!("a key must be text, not {}", key.kind()));
                    None
                }
            };
            walk.place.0.pop();
            walk.place.0.push(Step::Value(index));
            let value = entries.next_value_seed(Build(walk))?;
            walk.place.0.pop();
            let route = vec![Step::Value(index)];
            map.extend(key.map(|key| Entry { key, value, route }));
        }
        Ok(Node::Map(map))
    }

    /// A value with a tag of its own, such as `!Ref`.
    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Node, A::Error> {
        let walk = self.0;
        let (_, value) = tagged.variant::<IgnoredAny>()?;
        walk.flaw("tags are not supported");
        value.newtype_variant_seed(Build(walk))
    }
}

/// Fetches how numbers and booleans, keys too, were written, in a second walk along a finished value: the
/// parser says either what a scalar means or how it is written, never both.
pub(super) struct Written<'node>(pub(super) &'node mut Node);

impl<'de> DeserializeSeed<'de> for Written<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.0 {
            Node::Map(_) => deserializer.deserialize_map(self),
            Node::List(_) => deserializer.deserialize_seq(self),
            Node::Bool(..) | Node::Number(..) => deserializer.deserialize_str(self),
            Node::Null | Node::Text(_) => deserializer.deserialize_ignored_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Written<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the same value as before")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        if let Node::Bool(_, written) | Node::Number(_, written) = self.0 {
            value.clone_into(written);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if let Node::List(list) = self.0 {
            for node in list {
                items.next_element_seed(Written(node))?;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Node::Map(map) = self.0 else {
            return Ok(());
        };
        let mut known = map.iter_mut().peekable();
        for index in 0.. {
            // An entry whose key was no text is missing from the value.
            let Some(entry) = known.next_if(|entry| entry.route == [Step::Value(index)]) else {
                if entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_none() {
                    break;
                }
                continue;
            };
            if let Some(key) = entries.next_key::<String>()? {
                entry.key = key;
            }
            entries.next_value_seed(Written(&mut entry.value))?;
        }
        Ok(())
    }
}
