//! Text as JSON: escaping, and telling what is a JSON object already.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::out::Out;

/// A message that is a longer object is only text: it would be written twice.
const LONGEST_OBJECT: usize = 32 * 1024;

/// Objects and lists within each other beyond this are only text: readers of logs have limits too.
const DEEPEST: u8 = 32;

/// What eight bytes may take, with a backslash before each and the last one's word behind it.
const SPREAD: usize = 24;

/// So much text is looked at together.
const BLOCK: usize = 256;

/// Appends what stands between the quotes of a JSON string with this text. What is no UTF-8 becomes
/// U+FFFD, as `String::from_utf8_lossy` does it; everything else can be read back.
pub(super) fn escape(out: &mut Out, mut text: &[u8]) {
    while !text.is_empty() {
        text = escape_easy(out, text);
        let Some((&byte, rest)) = text.split_first() else { return };
        if byte.is_ascii() {
            escape_one(out, byte);
            text = rest;
            continue;
        }
        let length = text.iter().take_while(|byte| !byte.is_ascii()).count();
        let (run, rest) = text.split_at(length);
        for chunk in run.utf8_chunks() {
            out.extend(chunk.valid().as_bytes());
            if !chunk.invalid().is_empty() {
                out.extend("\u{fffd}".as_bytes());
            }
        }
        text = rest;
    }
}

/// The same for a beginning of the text that is ASCII without control characters; gives the rest.
///
/// This is where the time goes: eight bytes at once, and a decision only about what needs a backslash.
fn escape_easy<'a>(out: &mut Out, text: &'a [u8]) -> &'a [u8] {
    let block = &text[..text.len().min(BLOCK)];
    // For every byte with a backslash, and for whole words.
    let room = out.room(2 * block.len() + SPREAD);
    let (mut read, mut written) = (0, 0);
    while let Some(&word) = block[read..].first_chunk::<8>()
        && let Some(to) = room[written..].first_chunk_mut::<SPREAD>()
    {
        let word = u64::from_le_bytes(word);
        if is_hard(word) {
            break;
        }
        written += with_backslashes(word, to);
        read += 8;
    }
    // What is left of the block, or of the word that is not so easy.
    while let Some(&byte) = block.get(read)
        && (0x20..0x80).contains(&byte)
        && let Some(to) = room[written..].first_chunk_mut::<2>()
    {
        let escaped = matches!(byte, b'"' | b'\\');
        *to = if escaped { [b'\\', byte] } else { [byte, 0] };
        written += 1 + usize::from(escaped);
        read += 1;
    }
    out.wrote(written);
    &text[read..]
}

/// Writes eight bytes, the lowest first, each quote and backslash with a backslash before it; says
/// how many these are. What stands behind them is scratch.
fn with_backslashes(word: u64, to: &mut [u8; SPREAD]) -> usize {
    let mut marks = quotes_and_backslashes(word);
    to[..8].copy_from_slice(&word.to_le_bytes());
    let mut written = 8;
    while marks != 0 {
        // The rest of the word moves on by one, as a whole: cheaper than its bytes one by one.
        let at = marks.trailing_zeros() as usize / 8;
        let behind = at + written - 8;
        to[behind] = b'\\';
        to[behind + 1..behind + 9].copy_from_slice(&(word >> (8 * at)).to_le_bytes());
        marks &= marks - 1;
        written += 1;
    }
    written
}

/// An ASCII character for which there may be no easy way.
fn escape_one(out: &mut Out, byte: u8) {
    match byte {
        b'"' | b'\\' => out.extend(&[b'\\', byte]),
        b'\t' => out.extend(b"\\t"),
        b'\n' => out.extend(b"\\n"),
        b'\r' => out.extend(b"\\r"),
        ..0x20 => {
            let digits = b"0123456789abcdef";
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 0xf));
            out.extend(&[b'\\', b'u', b'0', b'0', digits[high], digits[low]]);
        }
        _ => out.push(byte),
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHEST: u64 = 0x8080_8080_8080_8080;

/// Whether one of these eight bytes is a control character or beyond ASCII. All eight at once: a
/// byte's highest bit is its answer, right up to the first that is "yes".
fn is_hard(word: u64) -> bool {
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (word | control) & HIGHEST != 0
}

/// The highest bit of each of these eight bytes that is a quote or a backslash, exactly. None of
/// them is beyond ASCII.
fn quotes_and_backslashes(word: u64) -> u64 {
    let is_zero = |word: u64| !(word + (HIGHEST - ONES)) & HIGHEST;
    is_zero(word ^ (ONES * u64::from(b'"'))) | is_zero(word ^ (ONES * u64::from(b'\\')))
}

/// The object that this message is, if it is one and nothing else, not too long and not too deep.
/// It can stand in JSON as it is.
pub(super) fn object(message: &[u8]) -> Option<&[u8]> {
    let text = message.trim_ascii();
    if text.len() > LONGEST_OBJECT || text.first() != Some(&b'{') || text.last() != Some(&b'}') {
        return None;
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let read = Value { deepest: DEEPEST }.deserialize(&mut reader);
    read.and_then(|()| reader.end()).is_ok().then_some(text)
}

/// Any JSON value that every reader can read: strings are characters, numbers have a size. (serde's
/// own `IgnoredAny` looks at neither.)
#[derive(Clone, Copy)]
struct Value {
    deepest: u8,
}

impl Value {
    fn inside<E: Error>(self) -> Result<Self, E> {
        let deepest = self.deepest.checked_sub(1).ok_or_else(|| E::custom("too deep"))?;
        Ok(Self { deepest })
    }
}

impl<'de> DeserializeSeed<'de> for Value {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        while list.next_element_seed(inside)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        while map.next_key_seed(inside)?.is_some() {
            map.next_value_seed(inside)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(text: &[u8]) -> String {
        let mut out = Out::default();
        escape(&mut out, text);
        String::from_utf8(out.bytes().to_vec()).expect("JSON is UTF-8")
    }

    /// What a JSON parser makes of it.
    fn read_back(text: &[u8]) -> String {
        serde_json::from_str(&format!("\"{}\"", escaped(text))).expect("a JSON string")
    }

    #[test]
    fn every_byte_comes_back_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for at in 0..20 {
                let mut text = vec![b'a'; 20];
                text[at] = byte;
                assert_eq!(read_back(&text), String::from_utf8_lossy(&text), "{byte:x} at {at}");
            }
        }
    }

    #[test]
    fn what_needs_escaping_is_escaped_shortly() {
        assert_eq!(
            escaped(b"say \"hi\"\\\t\r\0\x1f\x7f"),
            "say \\\"hi\\\"\\\\\\t\\r\\u0000\\u001f\x7f"
        );
        assert_eq!(escaped("é€😀".as_bytes()), "é€😀");
        assert_eq!(escaped(b"a\xffb\xe2\x82"), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn eight_bytes_are_judged_as_one_by_one() {
        for byte in 0..=u8::MAX {
            let hard = !(0x20..0x80).contains(&byte);
            let escaped = matches!(byte, b'"' | b'\\');
            for at in 0..8 {
                for other in [b'a', b' ', b'!', b'#', b'[', b']', 0x7f] {
                    let mut word = [other; 8];
                    word[at] = byte;
                    let bits = u64::from_le_bytes(word);
                    assert_eq!(is_hard(bits), hard, "{word:x?}");
                    let mark = if escaped { 0x80 << (8 * at) } else { 0 };
                    assert!(hard || quotes_and_backslashes(bits) == mark, "{word:x?}");
                }
            }
        }
    }

    #[test]
    fn long_texts_are_escaped_as_short_ones() {
        for piece in ["a", "\"", "\\", "a\"b", "é", "a\n", "\"\\\"\\"] {
            for times in [1, 7, 8, 100, 255, 256, 257, 1000] {
                let text = piece.repeat(times);
                assert_eq!(read_back(text.as_bytes()), text);
            }
        }
    }

    #[test]
    fn objects_are_told_from_text() {
        let is_object = |text: &str| object(text.as_bytes()).is_some();
        for text in [
            "{}",
            "{\"level\":\"info\",\"msg\":\"it \\\"works\\\" \\ud83d\\ude00\"}",
            " {\"a\": [1, -2.5e3, true, null, {\"b\": \"é\"}]}\t\r",
            "{\"a\":1,\"a\":2}",
        ] {
            assert!(is_object(text), "{text}");
        }
        for text in [
            "",
            "{",
            "text {}",
            "{} {}",
            "[1]",
            "\"{}\"",
            "{a: 1}",
            "{'a': 1}",
            "{\"a\":1,}",
            "{\"a\":01}",
            "{\"a\":NaN}",
            "{\"a\":1e400}",
            "{\"a\":\"\\ud800\"}",
            "{\"\\ud800\":1}",
            "{\"a\":\"\t\"}",
            "{\"a\":\"\\x\"}",
        ] {
            assert!(!is_object(text), "{text}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}"), None, "no UTF-8");
        assert_eq!(object(b" {} \r"), Some(&b"{}"[..]), "without what is around it");
    }

    #[test]
    fn depth_and_length_have_a_bound() {
        let nested = |levels: usize| {
            let mut text = "{\"a\":".repeat(levels);
            text.push('0');
            text.push_str(&"}".repeat(levels));
            text
        };
        assert!(object(nested(usize::from(DEEPEST)).as_bytes()).is_some());
        assert!(object(nested(usize::from(DEEPEST) + 1).as_bytes()).is_none());
        assert!(object(nested(5_000).as_bytes()).is_none(), "nor a stack that runs over");
        let long = |length: usize| format!("{{\"a\":\"{}\"}}", "b".repeat(length - 8));
        assert!(object(long(LONGEST_OBJECT).as_bytes()).is_some());
        assert!(object(long(LONGEST_OBJECT + 1).as_bytes()).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(text in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(read_back(&text), String::from_utf8_lossy(&text));
        }

        #[test]
        fn any_text_comes_back(text in "(\\PC|[\\x00-\\x1f\"\\\\]){0,60}") {
            prop_assert_eq!(read_back(text.as_bytes()), text);
        }

        #[test]
        fn what_is_an_object_can_be_read_by_others(text in "\\{(\"[a-c\\\\\"u0-9]{0,6}\":[0-9.eE+-]{1,5},?){0,3}\\}") {
            if object(text.as_bytes()).is_some() {
                let read: Result<serde_json::Value, _> = serde_json::from_str(&text);
                prop_assert!(read.is_ok_and(|value| value.is_object()));
            }
        }
    }
}
