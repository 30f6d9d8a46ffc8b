//! One line of a file with a caret beneath: tabs, wide letters and long lines included.

use std::fmt;

use super::problem::harmless;

/// A line as it may be shown, and what of it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    line: String,
    /// Cells before the caret.
    before: usize,
    /// Cells beneath which there is a caret; at least one.
    carets: usize,
}

/// Cells of source that are shown; with the gutter it fits a usual terminal.
const WIDEST: usize = 100;
/// Cells that are kept before the caret when a long line is cut.
const LEAD: usize = 40;
/// Characters on either side of the caret that are looked at; hidden ones need no cells.
const NEAR: usize = 400;
/// What stands for a run of hidden characters, whatever its length.
const HIDDEN: &str = "***";

impl Excerpt {
    /// The line with a caret from `column` (from 1, in characters) over `length` characters.
    /// `hidden` says of each byte offset whether the character there must not be shown.
    pub(super) fn new(
        line: &str,
        column: usize,
        length: usize,
        hidden: impl Fn(usize) -> bool,
    ) -> Self {
        let start = column.saturating_sub(1);
        // A file can be one line of a megabyte: only what may be shown is looked at.
        let skipped = start.saturating_sub(NEAR);
        let from = offset_of(line, skipped);
        let near = &line[from..];
        let near = &near[..offset_of(near, 2 * NEAR)];
        let length = length.clamp(1, NEAR);
        let cells = cells(near, start - skipped, length, |offset| hidden(from + offset));
        Self::cut(&cells, skipped > 0)
    }

    /// Keeps what is near the caret of a long line.
    fn cut(cells: &[Cell], begins_within: bool) -> Self {
        let total: usize = cells.iter().map(|cell| cell.width).sum();
        let before: usize =
            cells.iter().take_while(|cell| cell.mark == Mark::Before).map(|cell| cell.width).sum();
        let skipped = match total {
            0..=WIDEST => 0,
            _ => before.saturating_sub(LEAD).min(total - WIDEST),
        };
        let mut excerpt = Self { line: String::new(), before: 0, carets: 0 };
        if skipped > 0 || begins_within {
            excerpt.line.push('…');
            excerpt.before = 1;
        }
        let mut at = 0;
        for cell in cells {
            at += cell.width;
            if at <= skipped {
                continue;
            }
            if at > skipped + WIDEST {
                excerpt.line.push('…');
                break;
            }
            excerpt.line.push_str(&cell.text);
            match cell.mark {
                Mark::Before => excerpt.before += cell.width,
                Mark::Meant => excerpt.carets += cell.width,
                Mark::After => {}
            }
        }
        excerpt.carets = excerpt.carets.max(1);
        let kept = excerpt.line.trim_end().len();
        excerpt.line.truncate(kept);
        excerpt
    }

    /// `LINE | text` and `     | ^^^ hint`.
    pub(super) fn write(
        &self,
        f: &mut fmt::Formatter<'_>,
        number: usize,
        hint: Option<&str>,
    ) -> fmt::Result {
        let number = number.to_string();
        let line = format!("{number} | {}", self.line);
        writeln!(f, "{}", line.trim_end())?;
        write!(
            f,
            "{:gutter$} | {:before$}{:^<carets$}",
            "",
            "",
            "",
            gutter = number.len(),
            before = self.before,
            carets = self.carets,
        )?;
        match hint {
            Some(hint) => write!(f, " {hint}"),
            None => Ok(()),
        }
    }
}

/// The byte offset of a character, or the end.
fn offset_of(line: &str, character: usize) -> usize {
    line.char_indices().nth(character).map_or(line.len(), |(offset, _)| offset)
}

/// One character, or one run of hidden ones, as it is drawn.
struct Cell {
    text: String,
    width: usize,
    mark: Mark,
}

/// Where a cell is, seen from the caret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Before,
    Meant,
    After,
}

/// Draws the line character by character.
fn cells(line: &str, start: usize, length: usize, hidden: impl Fn(usize) -> bool) -> Vec<Cell> {
    let mut cells: Vec<Cell> = Vec::new();
    let mut in_hidden_run = false;
    for (index, (offset, letter)) in line.char_indices().enumerate() {
        let mark = if index < start {
            Mark::Before
        } else if index < start.saturating_add(length) {
            Mark::Meant
        } else {
            Mark::After
        };
        if hidden(offset) {
            // A run that the caret begins inside of is drawn again: the caret needs a cell.
            let caret_begins =
                cells.last().is_some_and(|last| last.mark != mark) && mark == Mark::Meant;
            if !in_hidden_run || caret_begins {
                cells.push(Cell { text: HIDDEN.to_owned(), width: HIDDEN.len(), mark });
            }
            in_hidden_run = true;
            continue;
        }
        in_hidden_run = false;
        let (text, width) = match letter {
            // The width of a tab depends on the terminal; two spaces do not.
            '\t' => ("  ".to_owned(), 2),
            _ => (harmless(letter).to_string(), width(letter)),
        };
        cells.push(Cell { text, width, mark });
    }
    // The caret may point behind the end: a value is missing there.
    let missing = start.saturating_sub(line.chars().count());
    if !cells.iter().any(|cell| cell.mark == Mark::Meant) {
        let blank = |mark| Cell { text: " ".to_owned(), width: 1, mark };
        cells.extend((0..missing.min(1)).map(|_| blank(Mark::Before)));
        cells.push(blank(Mark::Meant));
    }
    cells
}

/// Cells that a terminal gives the character: a table of the blocks that people write in, not all
/// of Unicode; a miss costs a caret that is off by a cell.
fn width(letter: char) -> usize {
    match u32::from(letter) {
        // combining marks, zero width characters, variation selectors
        0x0300..=0x036f | 0x200b..=0x200d | 0x20d0..=0x20ff | 0xfe00..=0xfe0f | 0xfeff => 0,
        // Hangul, CJK, full width forms, emoji
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f680..=0x1f6ff
        | 0x1f900..=0x1f9ff
        | 0x1fa70..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is drawn for line 7 of a file.
    fn drawn(excerpt: &Excerpt) -> String {
        struct Shown<'a>(&'a Excerpt);
        impl fmt::Display for Shown<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.write(f, 7, Some("why"))
            }
        }
        Shown(excerpt).to_string()
    }

    #[test]
    fn the_caret_is_beneath_what_is_meant() {
        let excerpt = Excerpt::new("  name: web", 3, 4, |_| false);
        assert_eq!(drawn(&excerpt), "7 |   name: web\n  |   ^^^^ why");
    }

    #[test]
    fn tabs_and_wide_letters_keep_the_caret_in_place() {
        let excerpt = Excerpt::new("\t名前: x", 6, 1, |_| false);
        assert_eq!(drawn(&excerpt), "7 |   名前: x\n  |         ^ why");
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let line = format!("{}HERE{}", "a".repeat(500), "b".repeat(500));
        let text = drawn(&Excerpt::new(&line, 501, 4, |_| false));
        let (source, caret) = text.split_once('\n').expect("two lines");
        assert!(source.chars().count() < 110, "{source}");
        let here = source.find("HERE").expect("shown").saturating_sub("…".len() - 1);
        assert_eq!(caret.find("^^^^"), Some(here));
    }

    #[test]
    fn what_is_hidden_shows_neither_text_nor_length() {
        let excerpt = Excerpt::new("  KEY: secret # x", 3, 3, |offset| offset >= 7);
        assert_eq!(drawn(&excerpt), "7 |   KEY: ***\n  |   ^^^ why");
        let excerpt = Excerpt::new("  KEY: secret", 8, 6, |offset| offset >= 7);
        assert_eq!(drawn(&excerpt), "7 |   KEY: ***\n  |        ^^^ why");
    }

    #[test]
    fn a_caret_behind_the_end_still_shows() {
        assert_eq!(drawn(&Excerpt::new("a:", 4, 1, |_| false)), "7 | a:\n  |    ^ why");
        assert_eq!(drawn(&Excerpt::new("", 1, 1, |_| false)), "7 |\n  | ^ why");
    }
}
