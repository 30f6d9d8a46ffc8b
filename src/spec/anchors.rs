//! Anchors that are defined twice.
//!
//! YAML allows it, but the parser numbers anchors by how many names there are, so that after
//! `&x`, `&x`, `&y` the alias `*x` gives what `&y` stands for. Silently wrong values are worse
//! than a refusal. The parser does not show anchors, so this looks at the text.

use std::collections::HashSet;

/// An anchor that is defined again: its name and the offset of its `&`. `None` also when there is
/// no alias that could be mixed up.
pub(super) fn redefined(text: &str) -> Option<(usize, &str)> {
    marked(text, '*').next()?;
    let mut seen = HashSet::new();
    marked(text, '&').find(|(_, name)| !seen.insert(*name))
}

/// Whether there is an anchor that an alias uses.
pub(super) fn any(text: &str) -> bool {
    marked(text, '*').next().is_some() && marked(text, '&').next().is_some()
}

/// Every name behind the mark where a value can begin. Text in quotes and block scalars is looked
/// at too; there, a mark that follows `: ` or the like is rare.
fn marked(text: &str, mark: char) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices(mark).filter_map(move |(at, _)| {
        let rest = &text[at + 1..];
        let is_letter =
            |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
        let length = rest.find(|letter| !is_letter(letter)).unwrap_or(rest.len());
        let ends = rest[length..].is_empty()
            || rest[length..].starts_with([' ', '\t', '\r', '\n', ',', ']', '}']);
        let before = text[..at].trim_end_matches([' ', '\t']);
        let begins = before.is_empty() || before.ends_with(['\n', ':', '-', '[', '{', ',', '?']);
        (begins && ends && length > 0).then_some((at, &rest[..length]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_that_is_defined_again_is_found() {
        for text in ["a: &x 1\nb: &x 2\nc: *x", "[&x 1, &x 2, *x]", "- &x\n  a: 1\n- &x\n- *x"] {
            assert_eq!(redefined(text).map(|(_, name)| name), Some("x"), "{text}");
        }
    }

    #[test]
    fn other_marks_are_none() {
        for text in [
            "a: &x 1\nb: &x 2",
            "a: &x 1\nb: &y 2\nc: *x",
            "a: x &b\nb: x &b\nc: *b",
            "a: x && y\nb: x && y\nc: *b",
        ] {
            assert_eq!(redefined(text), None, "{text}");
        }
    }
}
