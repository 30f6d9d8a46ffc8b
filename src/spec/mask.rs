//! Which parts of a text are values of environment variables, and so are never shown.
//!
//! This looks at the text, not at the parsed value: it has to work for a file that does not
//! parse, and for a line that is shown because of something else. It may hide too much, such as
//! the rest of a command that says `env: `; never too little.

use std::ops::Range;

use super::document::lines;

/// The byte ranges that must not be shown, in order and apart.
#[derive(Debug)]
pub(super) struct Mask(Vec<Range<usize>>);

impl Mask {
    /// Finds the values in a text.
    pub(super) fn of(text: &str) -> Self {
        let mut ranges = hidden(text);
        ranges.sort_by_key(|range| range.start);
        let mut apart: Vec<Range<usize>> = Vec::new();
        for range in ranges {
            match apart.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => apart.push(range),
            }
        }
        Self(apart)
    }

    /// Hides all that is not plainly a key of the outermost map.
    pub(super) fn of_values(text: &str) -> Self {
        let ranges = lines(text).map(|(start, line)| {
            let content = line.trim_start();
            let indent = line.len() - content.len();
            // What is indented may be a line of a long text.
            let key = if indent == 0 { after_key(content) } else { None };
            start + indent + key.unwrap_or(0)..start + line.len()
        });
        Self(ranges.filter(|range| !range.is_empty()).collect())
    }

    /// Whether the character at a byte offset of the text must not be shown.
    pub(super) fn hides(&self, offset: usize) -> bool {
        let next = self.0.partition_point(|range| range.end <= offset);
        self.0.get(next).is_some_and(|range| range.contains(&offset))
    }
}

/// The byte ranges, in any order.
fn hidden(text: &str) -> Vec<Range<usize>> {
    let lines: Vec<(usize, &str)> = lines(text).collect();
    let mut ranges = Vec::new();
    // What belongs to one `env` is looked at once, whatever it holds.
    let mut settled = 0;
    for (number, (start, line)) in lines.iter().enumerate() {
        let content = line.trim_start();
        if is_long_key(content) {
            let column = line.len() - content.len();
            let end = hide_long(&lines[number + 1..], column, &mut ranges);
            settled = settled.max(end);
        }
        for (column, after) in env_keys(line) {
            if start + column < settled {
                continue;
            }
            let value = skip_properties(line, after);
            let following = &lines[number + 1..];
            settled = match line.as_bytes().get(value) {
                Some(b'{' | b'[') => hide_flow(text, start + value, &mut ranges),
                None | Some(b'#') => hide_block(following, column, &mut ranges),
                Some(_) => {
                    ranges.push(start + value..start + line.len());
                    hide_block(following, column, &mut ranges).max(start + line.len())
                }
            };
        }
    }
    ranges
}

/// What a key's name holds when its values are likely to be meant as `env`, or to be secret: a
/// misspelt `env` is exactly what makes a spec be shown.
const TELLING: [&str; 6] = ["env", "evn", "nev", "vars", "secret", "password"];

/// Where such a name stands as a key in the line: its column, and the offset behind its colon.
fn env_keys(line: &str) -> impl Iterator<Item = (usize, usize)> {
    let lower = line.to_ascii_lowercase();
    let in_a_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-' || c == '.';
    let mut found: Vec<(usize, usize)> = TELLING
        .iter()
        .flat_map(|part| lower.match_indices(part).map(|(at, part)| (at, at + part.len())))
        .filter_map(|(at, end)| {
            let name = line[..at].trim_end_matches(in_a_name);
            let before = name.trim_end_matches(['"', '\'']);
            let starts = before.is_empty() || before.ends_with([' ', '\t', '{', ',', '-', '?']);
            let after = line[end..].trim_start_matches(in_a_name);
            let rest = after.trim_start_matches(['"', '\'', ' ', '\t']);
            let colon = line.len() - rest.len();
            (starts && rest.starts_with(':')).then_some((before.len(), colon + 1))
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter()
}

/// Whether the line is `? env`, the long form of a key, whose value is in the lines below.
fn is_long_key(content: &str) -> bool {
    let name = content.strip_prefix('?').map(str::to_ascii_lowercase);
    name.is_some_and(|name| TELLING.iter().any(|part| name.contains(part)))
}

/// The offset of the value itself: blanks, anchors and tags skipped.
fn skip_properties(line: &str, from: usize) -> usize {
    let mut rest = line[from..].trim_start();
    while rest.starts_with(['&', '!']) {
        let end = rest.find([' ', '\t']).unwrap_or(rest.len());
        rest = rest[end..].trim_start();
    }
    line.len() - rest.len()
}

/// Hides what belongs to a key in its long form: the line with the colon, and what is indented.
fn hide_long(lines: &[(usize, &str)], column: usize, ranges: &mut Vec<Range<usize>>) -> usize {
    let mut end = 0;
    for (start, line) in lines {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        if !content.is_empty() && indent <= column && !content.starts_with(':') {
            break;
        }
        end = start + line.len();
        ranges.push(*start..end);
    }
    end
}

/// Hides the values in the lines that belong to a key at `column`: those that are indented more.
/// Returns where they end, 0 if there are none.
fn hide_block(lines: &[(usize, &str)], column: usize, ranges: &mut Vec<Range<usize>>) -> usize {
    let mut keys_at = None;
    let mut end = 0;
    for (start, line) in lines {
        let content = line.trim_start_matches([' ', '\t']);
        if content.is_empty() {
            continue;
        }
        let indent = line.len() - content.len();
        let same_level_list = indent == column && content.starts_with('-');
        if indent <= column && !same_level_list {
            return end;
        }
        // Deeper than the first line is a value that goes on, whatever it looks like.
        let is_key = *keys_at.get_or_insert(indent) == indent;
        let value = if is_key { after_key(content) } else { None };
        end = start + line.len();
        ranges.push(start + indent + value.unwrap_or(0)..end);
    }
    end
}

/// The offset behind `KEY: `, if the text begins with a key.
fn after_key(content: &str) -> Option<usize> {
    if content.starts_with(['#', '?', '-', '{', '[', '&', '!', '|', '>']) {
        return None;
    }
    let colon = match content.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let end = content[1..].find(quote)? + 2;
            let blanks = content[end..].len() - content[end..].trim_start().len();
            content[end + blanks..].starts_with(':').then_some(end + blanks)?
        }
        _ => content
            .match_indices(':')
            .map(|(at, _)| at)
            .find(|at| matches!(content.as_bytes().get(at + 1), None | Some(b' ' | b'\t')))?,
    };
    let value = &content[colon + 1..];
    Some(content.len() - value.trim_start().len())
}

/// Hides the values of a map in braces, or all of a list in brackets, that begins at `open`.
/// Returns where it ends.
fn hide_flow(text: &str, open: usize, ranges: &mut Vec<Range<usize>>) -> usize {
    let list = text[open..].starts_with('[');
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    let mut value_from = list.then_some(open + 1);
    let mut previous = ':';
    for (offset, letter) in text[open..].char_indices() {
        let at = open + offset;
        if let Some(closing) = quote {
            if escaped {
                escaped = false;
            } else if letter == '\\' && closing == '"' {
                escaped = true;
            } else if letter == closing {
                quote = None;
                previous = letter;
            }
            continue;
        }
        match letter {
            '"' | '\'' if matches!(previous, ':' | ',' | '{' | '[') => quote = Some(letter),
            '{' | '[' => depth += 1,
            '}' | ']' => {
                depth -= 1;
                if depth == 0 {
                    ranges.extend(value_from.map(|from| from..at));
                    return at;
                }
            }
            ',' if depth == 1 && !list => ranges.extend(value_from.take().map(|from| from..at)),
            ':' if depth == 1 && value_from.is_none() => {
                // A colon within a key hides a part of the key too: better than of a value.
                let blanks = text[at + 1..].len() - text[at + 1..].trim_start_matches(' ').len();
                value_from = Some(at + 1 + blanks);
            }
            _ => {}
        }
        if !letter.is_whitespace() {
            previous = letter;
        }
    }
    // Never closed: all the rest may be values.
    ranges.push(value_from.unwrap_or(open + 1)..text.len());
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The text with `*` for each hidden byte.
    fn masked(text: &str) -> String {
        let mask = Mask::of(text);
        text.char_indices()
            .map(|(at, letter)| match letter {
                '\n' | ' ' => letter,
                _ if mask.hides(at) => '*',
                _ => letter,
            })
            .collect()
    }

    #[test]
    fn block_values_are_hidden_and_names_are_not() {
        assert_eq!(
            masked("env:\n  A: s3c\n  \"B\": |\n    x: y\n  # C: s\nmain:\n  command: x\n"),
            "env:\n  A: ***\n  \"B\": *\n    ** *\n  * ** *\nmain:\n  command: x\n"
        );
        assert_eq!(
            masked("- env:\n    A: s\n  name: x\n- env: &e\n    B: t\n"),
            "- env:\n    A: *\n  name: x\n- env: &e\n    B: *\n"
        );
    }

    #[test]
    fn lists_of_assignments_are_hidden_whole() {
        assert_eq!(masked("env:\n- A=s\n- B=t\nx: 1"), "env:\n* ***\n* ***\nx: 1");
        assert_eq!(masked("env: [A=s, B]"), "env: [**** *]");
    }

    #[test]
    fn flow_values_are_hidden_over_lines() {
        assert_eq!(
            masked("{env: {A: s, \"B\": 'x, }y',\nC: {d: 1}}, name: z}"),
            "{env: {A: *, \"B\": *** ***,\nC: *** **}, name: z}"
        );
        assert_eq!(masked("env: {A: \"x\nB: y\n"), "env: {A: **\n** *\n");
    }

    #[test]
    fn in_a_file_of_secrets_only_keys_are_shown() {
        let mask = Mask::of_values("user: a\npass word\nmap:\n  key: b # c\n- d");
        let text = "user: a\npass word\nmap:\n  key: b # c\n- d";
        let shown: String =
            text.char_indices().filter(|(at, _)| !mask.hides(*at)).map(|it| it.1).collect();
        assert_eq!(shown, "user: \n\nmap:\n  \n");
    }

    #[test]
    fn values_that_speak_of_env_are_left_alone() {
        assert_eq!(masked("command: env x\nname: envoy\n"), "command: env x\nname: envoy\n");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_mask_panic(text in "(env|[\"' :{}\\[\\],\n\t#-]|é|a|\\PC){0,40}") {
            for range in hidden(&text) {
                prop_assert!(range.start <= range.end && range.end <= text.len());
            }
        }
    }
}
