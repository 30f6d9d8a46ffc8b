//! A drill's failures and findings as the commands that GitHub Actions makes annotations of.

use std::fmt::Write as _;

use super::document::{Drill, Outcome};
use super::table::problems;

/// A line for each cause; `file` is where they are shown, if it is one of the checkout's.
pub fn annotations(drill: &Drill, file: Option<&str>) -> String {
    let mut text = String::new();
    for (command, outcome) in [("error", Outcome::Fail), ("warning", Outcome::Finding)] {
        for (problem, rows) in problems(drill, outcome) {
            let place =
                file.map_or(String::new(), |file| format!("file={},line=1,", property(file)));
            let strikes: Vec<String> =
                rows.iter().map(|row| format!("{} {}", row.target, row.strike)).collect();
            let title = property(&format!("fateshare drill: {}", strikes.join(", ")));
            let replay = rows.first().map_or("", |row| row.replay.as_str());
            let message = data(&format!("{} {}\nreplay: {replay}", problem.cause, problem.fix));
            let _ = writeln!(text, "::{command} {place}title={title}::{message}");
        }
    }
    text
}

/// Escaped as workflow commands want it: a line end would begin a new command.
fn data(from: &str) -> String {
    from.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The same for what stands before the second `::`.
fn property(from: &str) -> String {
    data(from).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_ends_a_command() {
        assert_eq!(data("100%\r\n::error::x"), "100%25%0D%0A::error::x");
        assert_eq!(property("a:b,c%\n"), "a%3Ab%2Cc%25%0A");
    }
}
