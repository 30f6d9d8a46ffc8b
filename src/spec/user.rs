//! `user`: whom a member runs as, in the words of the spec.

use super::UserName;
use super::cursor::{Cursor, Findings};
use super::node::Node;
use super::problem::{harmless, shown};

/// The largest number of a user or group: the one after it is the kernel's "leave it as it is".
pub const LARGEST_ID: u32 = u32::MAX - 1;

/// A name as long as any system's login names.
const LONGEST: usize = 255;

/// What could be meant, for those who wrote something else.
const FORMS: &str = "write `USER` or `USER:GROUP`, names or numbers";

/// Why a text names no user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserFlaw {
    /// A fragment that fits after the name of what was read: `has two colons: ...`.
    pub message: String,
    /// The next move.
    pub hint: String,
}

/// The number of a user or group: decimal digits alone, up to [`LARGEST_ID`].
pub fn parse_id(text: &str) -> Option<u32> {
    // The standard library's parser takes a sign too.
    let number = is_digits(text).then(|| text.parse().ok()).flatten();
    number.filter(|number| *number <= LARGEST_ID)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl UserName {
    /// Reads `app`, `1000`, `app:www` or `1000:1000`.
    ///
    /// Digits are a number or an error, never a name: an image could else make any number mean
    /// root by an entry of that name.
    pub fn parse(text: &str) -> Result<Self, UserFlaw> {
        let flaw = |message: String, hint: &str| Err(UserFlaw { message, hint: hint.to_owned() });
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let written = shown(text);
        if text.is_empty() {
            let hint = "leave it out to run as fateshare's own user";
            return flaw("must not be empty".to_owned(), hint);
        }
        if text.chars().any(|letter| letter.is_whitespace() || harmless(letter) != letter) {
            let message = format!("must not contain blanks or control characters: `{written}`");
            return flaw(message, FORMS);
        }
        if group.is_some_and(|group| group.contains(':')) {
            return flaw(format!("has more than one colon: `{written}`"), FORMS);
        }
        if user.is_empty() {
            return flaw(format!("has no user before its colon: `{written}`"), FORMS);
        }
        if group.is_some_and(str::is_empty) {
            return flaw(format!("has no group after its colon: `{written}`"), FORMS);
        }
        for part in [Some(user), group].into_iter().flatten() {
            if part.len() > LONGEST {
                return flaw(format!("has a name of more than {LONGEST} bytes"), FORMS);
            }
            if part.strip_prefix('-').is_some_and(is_digits) {
                return flaw(format!("must not have a negative number: `{written}`"), FORMS);
            }
            if is_digits(part) && part.len() > 1 && part.starts_with('0') {
                let message = format!("has a number that begins with 0: `{written}`");
                return flaw(message, "numbers are decimal: leave the leading zeros out");
            }
            if is_digits(part) && parse_id(part).is_none() {
                let message = format!("has a number above {LARGEST_ID}: `{written}`");
                return flaw(message, "Linux has no larger user or group");
            }
        }
        Ok(Self { user: user.to_owned(), group: group.map(str::to_owned) })
    }
}

/// A user, with its group if there is one.
pub(super) fn read(cursor: &Cursor<'_>, findings: &mut Findings) -> Option<UserName> {
    let text = match cursor.node {
        Node::Bool(..) => cursor.text(findings)?,
        Node::Text(text) => text,
        // A whole number as it is written, also one that is too large for the parser's types.
        Node::Number(_, text) if is_digits(text.strip_prefix('-').unwrap_or(text)) => text,
        Node::Number(_, text) => {
            let kind = cursor.node.describe();
            let message = format!("{} must be a name or a decimal number, not {kind}", cursor.name);
            let hint = format!("if it is a name, quote it: \"{}\"", shown(text));
            findings.advise(&cursor.place, message, hint);
            return None;
        }
        Node::Null | Node::List(_) | Node::Map(_) => {
            let kind = cursor.node.describe();
            let message = format!("{} must be a name or a number, not {kind}", cursor.name);
            let hint = match cursor.node {
                Node::Null => "leave it out to run as fateshare's own user",
                _ => FORMS,
            };
            findings.advise(&cursor.place, message, hint);
            return None;
        }
    };
    match UserName::parse(text) {
        Ok(user) => Some(user),
        Err(flaw) => {
            let message = format!("{} {}", cursor.name, flaw.message);
            findings.advise(&cursor.place, message, flaw.hint);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_and_numbers_are_taken_with_and_without_a_group() {
        for (text, user, group) in [
            ("app", "app", None),
            ("1000", "1000", None),
            ("app:www", "app", Some("www")),
            ("1000:1000", "1000", Some("1000")),
            ("0:0", "0", Some("0")),
            ("app:0", "app", Some("0")),
            ("www-data", "www-data", None),
            ("_apt", "_apt", None),
            ("CORP\\jo.doe$", "CORP\\jo.doe$", None),
            ("4294967294:4294967294", "4294967294", Some("4294967294")),
        ] {
            let read = UserName::parse(text).expect(text);
            assert_eq!((read.user.as_str(), read.group.as_deref()), (user, group), "{text}");
            assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn what_names_no_user_says_why() {
        let long = "a".repeat(256);
        for (text, part) in [
            ("", "must not be empty"),
            (" ", "blanks"),
            ("my app", "blanks"),
            ("app: www", "blanks"),
            ("app\n", "blanks"),
            ("a\u{202e}b", "control characters"),
            (":", "no user before its colon"),
            (":www", "no user before its colon"),
            ("app:", "no group after its colon"),
            ("a:b:c", "more than one colon"),
            ("::", "more than one colon"),
            ("-1", "negative"),
            ("app:-1", "negative"),
            ("0777", "begins with 0"),
            ("1000:010", "begins with 0"),
            ("4294967295", "above 4294967294"),
            ("1:4294967295", "above 4294967294"),
            ("18446744073709551617", "above 4294967294"),
            (&long, "more than 255 bytes"),
        ] {
            let flaw = UserName::parse(text).expect_err(text);
            assert!(flaw.message.contains(part), "{text}: {flaw:?}");
        }
    }

    #[test]
    fn a_number_is_digits_alone() {
        assert_eq!(parse_id("4294967294"), Some(LARGEST_ID));
        for text in ["", "+5", "-5", " 5", "5 ", "0x5", "5.0", "٥", "4294967295", "x"] {
            assert_eq!(parse_id(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn digits_are_never_a_name(text in "[0-9]{1,12}(:[0-9]{0,12})?") {
            if let Ok(read) = UserName::parse(&text) {
                prop_assert!(parse_id(&read.user).is_some());
                prop_assert!(read.group.is_none_or(|group| parse_id(&group).is_some()));
            }
        }

        #[test]
        fn what_is_read_is_shown_as_it_was_written(text in "[a-z0-9:\\-+ \\t\u{202e}é]{0,8}") {
            if let Ok(read) = UserName::parse(&text) {
                prop_assert_eq!(read.to_string(), text);
            }
        }
    }
}
