//! Whether a page, or a file for a CI server, is well formed: then no text in it has become a part of it.

/// HTML's elements without an end.
const VOID: [&str; 5] = ["meta", "link", "br", "hr", "img"];

/// Every element is closed, every attribute quoted, every `&` the beginning of an entity.
#[track_caller]
pub(super) fn is_well_formed(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['<', '&']) {
        plain(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('&') {
            rest = entity(rest);
            continue;
        }
        if let Some(after) = rest.strip_prefix("<!DOCTYPE html>") {
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>") {
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix("</") {
            let end = after.find('>').expect("the end of a tag");
            assert_eq!(open.pop(), Some(&after[..end]), "what is closed was opened last");
            rest = &after[end + 1..];
            continue;
        }
        let (name, closed, after) = tag(&rest[1..]);
        rest = after;
        if name == "style" {
            let end = rest.find("</style>").expect("the end of the style");
            rest = &rest[end..];
        }
        if !closed && !VOID.contains(&name) {
            open.push(name);
        }
    }
    plain(rest);
    assert!(open.is_empty(), "{open:?} are not closed");
}

#[track_caller]
fn plain(text: &str) {
    let bad = text.chars().find(|letter| letter.is_control() && !matches!(letter, '\n' | '\t'));
    assert!(bad.is_none(), "{bad:?} in {text:?}");
}

/// Behind the entity that this begins with.
#[track_caller]
fn entity(text: &str) -> &str {
    let end = text.find(';').expect("the end of an entity");
    let name = &text[1..end];
    let number = name.strip_prefix('#').unwrap_or("x");
    let is_number = number.bytes().all(|it| it.is_ascii_digit());
    let is_known = ["amp", "lt", "gt", "quot", "nbsp", "#39"].contains(&name) || is_number;
    assert!(is_known, "{name:?} is no entity");
    &text[end + 1..]
}

/// Name, whether it is closed at once, and what is behind.
#[track_caller]
fn tag(text: &str) -> (&str, bool, &str) {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let end = text.find(|letter| !is_letter(letter)).expect("the end of a name");
    let (name, mut rest) = text.split_at(end);
    assert!(!name.is_empty(), "a tag without a name: {text:.40}");
    assert!(name != "script", "no page runs anything");
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('>') {
            return (name, false, after);
        }
        if let Some(after) = rest.strip_prefix("/>") {
            return (name, true, after);
        }
        let is_part = |letter: char| is_letter(letter) || letter == ':';
        let end = rest.find(|letter| !is_part(letter)).expect("the end of an attribute");
        let attribute = &rest[..end];
        assert!(!attribute.is_empty(), "no attribute: {rest:.40}");
        assert!(!attribute.starts_with("on"), "no page runs anything: {attribute}");
        rest = &rest[end..];
        // One without a value.
        let Some(value) = rest.strip_prefix("=\"") else {
            assert!(!rest.starts_with('='), "without quotes: {rest:.40}");
            continue;
        };
        let end = value.find('"').expect("the end of a value");
        assert!(!value[..end].contains('<'), "a tag within a tag: {value:.40}");
        let mut inside = &value[..end];
        while let Some(at) = inside.find('&') {
            inside = entity(&inside[at..]);
        }
        rest = &value[end + 1..];
    }
}
