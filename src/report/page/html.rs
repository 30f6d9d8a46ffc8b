//! What a page is written with: text that cannot become markup, and tables that a narrow screen
//! shows as cards.

use std::fmt::Write as _;

use crate::spec::on_one_line;

/// A report may come from anywhere, and one text in it be as long as it likes.
const LONGEST_TEXT: usize = 2_000;
/// So many rows has a table at most; the report has the others.
pub(crate) const MOST_ROWS: usize = 1_000;

/// Text from a report as a page may hold it, in an element or in an attribute's quotes.
pub(crate) fn text(from: &str) -> String {
    let end = from.char_indices().nth(LONGEST_TEXT).map(|(end, _)| end);
    let mut safe = String::new();
    for letter in on_one_line(end.map_or(from, |end| &from[..end])).chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter => safe.push(letter),
        }
    }
    if end.is_some() {
        safe.push('…');
    }
    safe
}

/// The same as code, kept apart from the direction of the text around it.
pub(crate) fn code(from: &str) -> String {
    format!("<code>{}</code>", text(from))
}

/// A second line of a cell; nothing of nothing.
pub(crate) fn aside(html: &str) -> String {
    if html.is_empty() { String::new() } else { format!("<small>{html}</small>") }
}

/// A column: its heading, and `head` where its cells name their rows, `number` where they are
/// compared by eye.
pub(crate) struct Column(pub(crate) &'static str, pub(crate) &'static str);

/// A table under a heading of its own. Cells are markup.
pub(crate) struct Table<'a> {
    pub(crate) id: &'a str,
    pub(crate) heading: &'a str,
    pub(crate) caption: &'a str,
    pub(crate) columns: &'a [Column],
}

impl Table<'_> {
    /// The whole section; `rows` are classes and cells, `notes` are sentences below.
    pub(crate) fn section(&self, rows: &[(&str, Vec<String>)], notes: &[String]) -> String {
        let Self { id, heading, caption, columns } = self;
        let mut html = format!(
            "<section class=\"{id}\" aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{heading}</h2>\n"
        );
        if !rows.is_empty() {
            // The roles are said again for browsers that forget them when rows become cards.
            let _ = write!(
                html,
                "<table role=\"table\">\n<caption>{caption}</caption>\n\
                 <thead role=\"rowgroup\"><tr role=\"row\">"
            );
            for Column(name, class) in *columns {
                let _ = write!(
                    html,
                    "<th role=\"columnheader\" scope=\"col\" class=\"{class}\">{name}</th>"
                );
            }
            html.push_str("</tr></thead>\n<tbody role=\"rowgroup\">\n");
            for (class, cells) in rows {
                let _ = write!(html, "<tr role=\"row\" class=\"{class}\">");
                self.cells(&mut html, cells);
                html.push_str("</tr>\n");
            }
            html.push_str("</tbody>\n</table>\n");
        }
        for note in notes {
            let _ = writeln!(html, "<p class=\"left-out\">{note}</p>");
        }
        html + "</section>\n"
    }

    fn cells(&self, html: &mut String, cells: &[String]) {
        if let [whole] = cells {
            let _ =
                write!(html, "<td role=\"cell\" colspan=\"{}\">{whole}</td>", self.columns.len());
            return;
        }
        for (Column(name, class), cell) in self.columns.iter().zip(cells) {
            let (tag, role) = match *class {
                "head" => ("th scope=\"row\"", "rowheader"),
                _ => ("td", "cell"),
            };
            let end = &tag[..2];
            let _ = write!(
                html,
                "<{tag} role=\"{role}\" class=\"{class}\" data-label=\"{name}\">{cell}</{end}>"
            );
        }
    }
}

/// The sentence for what a table does not show, if it does not show all.
pub(crate) fn left_out(all: usize, what: &str) -> Option<String> {
    let more = all.saturating_sub(MOST_ROWS);
    (more > 0).then(|| format!("{more} more {what} are left out here; the report has them all."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup_or_turn_what_follows() {
        assert_eq!(text("<a b=\"c\" d='e'>&"), "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;");
        assert_eq!(text("a\u{1b}[31m\u{0}\u{202e}b\nc"), "a\u{fffd}[31m\u{fffd}\u{fffd}b\\nc");
        assert_eq!(text(&"<".repeat(3_000)), format!("{}…", "&lt;".repeat(2_000)));
    }
}
