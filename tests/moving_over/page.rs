//! What a page says: its fenced blocks and its table, and what is the same in what was seen.

use std::fs;
use std::path::Path;

/// A page of `docs/`, with its name for messages.
pub(crate) struct Page {
    name: &'static str,
    text: String,
}

/// A fenced block: what stands behind the fence, and its lines.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) kind: String,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn read(name: &'static str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        Self { name, text: fs::read_to_string(path).expect("the page") }
    }

    /// What stands below a heading, up to the next one of whatever level.
    #[track_caller]
    pub(crate) fn below(&self, heading: &str) -> String {
        let mut found = None::<String>;
        let mut fenced = false;
        for line in self.text.lines() {
            fenced ^= line.starts_with("```");
            if line.starts_with('#') && !fenced {
                if found.is_some() {
                    break;
                }
                found = (line == heading).then(String::new);
            } else if let Some(text) = &mut found {
                text.extend([line, "\n"]);
            }
        }
        found.unwrap_or_else(|| panic!("{}: there is no `{heading}`", self.name))
    }

    /// The fenced blocks below a heading.
    #[track_caller]
    pub(crate) fn blocks(&self, heading: &str) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open = None::<Block>;
        for line in self.below(heading).lines() {
            match (line.strip_prefix("```"), &mut open) {
                (Some(kind), None) => {
                    open = Some(Block { kind: kind.to_owned(), text: String::new() });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (None, Some(block)) => block.text.extend([line, "\n"]),
                (None, None) => {}
            }
        }
        blocks
    }

    /// The one block of this kind below a heading.
    #[track_caller]
    pub(crate) fn block(&self, heading: &str, kind: &str) -> String {
        let mut blocks = self.blocks(heading);
        blocks.retain(|block| block.kind == kind);
        let count = blocks.len();
        assert_eq!(count, 1, "{}: blocks of kind `{kind}` below `{heading}`", self.name);
        blocks.remove(0).text
    }

    /// A cell of the table below a heading, by the names of its row and its column.
    #[track_caller]
    pub(crate) fn cell(&self, heading: &str, row: &str, column: &str) -> String {
        let below = self.below(heading);
        let mut rows = below.lines().filter(|line| line.starts_with('|')).map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_owned()).collect::<Vec<String>>()
        });
        let head = rows.next().expect("a table");
        let at = head.iter().position(|name| name == column);
        let at = at.unwrap_or_else(|| panic!("{}: no column `{column}` in {head:?}", self.name));
        let found = rows.find(|cells| cells[0] == row);
        found.unwrap_or_else(|| panic!("{}: no row `{row}`", self.name))[at].clone()
    }

    /// Each line that the page quotes was seen, so often at least; times and process numbers are any.
    #[track_caller]
    pub(crate) fn quotes(&self, quoted: &str, seen: &str) {
        let mut left: Vec<String> = seen.lines().map(plain).collect();
        for line in quoted.lines() {
            let wanted = plain(line);
            let at = left.iter().position(|it| *it == wanted);
            let at = at.unwrap_or_else(|| {
                panic!("{} quotes a line that nobody said: {line}\n--- seen:\n{seen}", self.name)
            });
            left.remove(at);
        }
    }
}

/// A line, whatever its times, process numbers and blanks are.
pub(crate) fn plain(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut plain = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let core = word.trim_matches(['(', ')', ',', ';', ':', '.']);
        let is_number = !core.is_empty() && core.chars().all(|it| it.is_ascii_digit());
        // `pid 7`, and bash's way to say that a job was killed.
        let is_pid = is_number
            && (at > 0 && words[at - 1].ends_with("pid") || words.get(at + 1) == Some(&"Killed"));
        let clock = |it: char| it.is_ascii_digit() || "-:,.".contains(it);
        let marks = core.chars().filter(|it| "-:".contains(*it)).count();
        let is_clock = marks >= 2 && core.chars().all(clock);
        if is_pid || is_clock || is_time(core) {
            plain.push(word.replace(core, "#"));
        } else {
            plain.push((*word).to_owned());
        }
    }
    plain.join(" ")
}

/// `9s`, `0.4ms`
fn is_time(word: &str) -> bool {
    let number = word.trim_end_matches(|it: char| it.is_ascii_lowercase());
    let unit = &word[number.len()..];
    let digits = |it: char| it.is_ascii_digit() || it == '.';
    matches!(unit, "ms" | "s") && !number.is_empty() && number.chars().all(digits)
}
