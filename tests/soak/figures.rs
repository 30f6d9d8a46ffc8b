//! The small tables that are printed at the end.

use std::fmt::Write;

/// Rows with a name and as many cells as there are.
pub(crate) struct Table {
    title: String,
    rows: Vec<(String, Vec<String>)>,
    notes: Vec<String>,
}

impl Table {
    pub(crate) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), rows: Vec::new(), notes: Vec::new() }
    }

    pub(crate) fn row(&mut self, name: &str, cells: impl IntoIterator<Item = String>) {
        self.rows.push((name.to_owned(), cells.into_iter().collect()));
    }

    pub(crate) fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }

    /// All at once, so that nothing else comes between.
    pub(crate) fn print(&self) {
        let name = self.rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let cell = self.rows.iter().flat_map(|(_, cells)| cells).map(String::len).max();
        let cell = cell.unwrap_or(0);
        let mut text = format!("\n{}\n", self.title);
        for (row, cells) in &self.rows {
            let _ = write!(text, "  {row:<name$}");
            for value in cells {
                let _ = write!(text, "  {value:>cell$}");
            }
            text.push('\n');
        }
        for note in &self.notes {
            let _ = writeln!(text, "  ({note})");
        }
        println!("{text}");
    }
}

/// `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
