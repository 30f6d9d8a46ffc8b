//! JSON that is no YAML: characters beyond the basic plane, which JSON writes as a pair of escapes.
//! Most generators write an emoji so.

use serde::de::IgnoredAny;

/// The text with each such pair as the character that it is; `None` if it is no JSON or may have none.
pub(super) fn with_whole_characters(text: &str) -> Option<String> {
    let may_have_pairs = ["\\ud", "\\uD"].iter().any(|start| text.contains(start));
    if !may_have_pairs || serde_json::from_str::<IgnoredAny>(text).is_err() {
        return None;
    }
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        whole.push_str(before);
        if let Some(letter) = pair(escape) {
            whole.push(letter);
            rest = &escape[12..];
        } else {
            // The backslash and what it escapes: in JSON there always is something.
            let length = 1 + escape[1..].chars().next().map_or(0, char::len_utf8);
            whole.push_str(&escape[..length]);
            rest = &escape[length..];
        }
    }
    whole.push_str(rest);
    Some(whole)
}

/// The character that these two escapes are, `\ud83d\ude00`.
fn pair(text: &str) -> Option<char> {
    let half = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        let hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        hex.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
    };
    char::decode_utf16([half(0)?, half(6)?]).next()?.ok().filter(|letter| letter.len_utf16() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt::Write as _;

    #[test]
    fn pairs_become_characters_in_json_alone() {
        for (text, whole) in [
            (r#"{"a":"\ud83d\ude00!"}"#, "{\"a\":\"😀!\"}"),
            (r#"{"a":"\\ud83d\\ude00"}"#, r#"{"a":"\\ud83d\\ude00"}"#),
            (r#"{"a":"\\\ud83d\ude00"}"#, "{\"a\":\"\\\\😀\"}"),
            (r#"{"a":"\u00e9\ud83d"}"#, r#"{"a":"\u00e9\ud83d"}"#),
            (r"{a: '\ud83d\ude00'}", r"{a: '\ud83d\ude00'}"),
        ] {
            assert_eq!(with_whole_characters(text).as_deref().unwrap_or(text), whole);
        }
    }

    proptest! {
        #[test]
        fn it_means_the_same(text in "\\PC{0,20}", noise in "[\\\\ud8e0\"a]{0,30}") {
            let mut escaped = String::new();
            for unit in text.encode_utf16() {
                write!(escaped, "\\u{unit:04x}").expect("written");
            }
            let json = format!("{{\"a\":\"{escaped}\"}}");
            let whole = |json: &str| with_whole_characters(json).unwrap_or(json.to_owned());
            let read: serde_json::Value = serde_json::from_str(&whole(&json)).expect("JSON");
            prop_assert_eq!(read["a"].as_str(), Some(text.as_str()));
            let _ = whole(&noise);
            let noise = format!("{{\"a\":\"{noise}\"}}");
            let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
            prop_assert_eq!(read(&whole(&noise)), read(&noise));
        }
    }
}
