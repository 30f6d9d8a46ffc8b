//! The termination message: the few lines that Kubernetes keeps of a container
//! (`terminationMessagePath`), verdict first.

use std::fmt::Write as _;

use super::Entry;
use crate::core::{Happening, Importance, exit_description, render};
use crate::spec::Launch;

/// Kubernetes keeps so many bytes.
pub const LONGEST: usize = 4096;

/// So much is kept free for the end of it.
const FOR_THE_END: usize = 512;

/// Behind all that is known while SIGKILL is on its way.
const NOT_OVER: &str = "not over yet: sending SIGKILL";

/// The message, of no more than [`LONGEST`] bytes: the verdict, what was said from then on, and the
/// end. Empty while there is no verdict.
pub fn message(launch: &Launch, entries: &[Entry]) -> String {
    let is_verdict = |entry: &Entry| matches!(entry.happening, Happening::Verdict(_));
    let Some(from) = entries.iter().position(is_verdict) else { return String::new() };
    let mut lines = Vec::new();
    // Where several cannot be started, they were a line each before.
    let failed =
        entries[..from].iter().filter(|it| matches!(it.happening, Happening::SpawnFailed(_)));
    let entries = entries[from..].iter();
    for entry in entries.clone().take(1).chain(failed).chain(entries.clone().skip(1)) {
        let line = render(launch, &entry.happening);
        lines.extend(line.filter(|it| it.importance >= Importance::Info).map(|it| it.text));
        if let Happening::Verdict(decided) = &entry.happening {
            let description = exit_description(launch, &decided.verdict.cause);
            lines.extend(description.map(|it| format!("Cloud Foundry would say: {it}")));
        }
    }
    if !entries.clone().any(|entry| matches!(entry.happening, Happening::Over(_))) {
        lines.push(NOT_OVER.to_owned());
    }
    fit(&lines)
}

/// The first lines and the last one; those that do not fit between them are counted.
fn fit(lines: &[String]) -> String {
    let whole = lines.iter().map(|line| line.len() + 1).sum::<usize>();
    if whole <= LONGEST {
        return lines.join("\n") + "\n";
    }
    let (last, first) = lines.split_last().map_or(("", lines), |(last, it)| (last.as_str(), it));
    let last = &last[..last.floor_char_boundary(FOR_THE_END - 64)];
    let mut text = String::new();
    let mut left_out = 0;
    for line in first {
        let room = (LONGEST - FOR_THE_END).saturating_sub(text.len() + 1);
        if left_out > 0 || room < line.len().min(64) {
            left_out += 1;
            continue;
        }
        text.push_str(&line[..line.floor_char_boundary(room)]);
        text.push('\n');
    }
    if left_out > 0 {
        let _ = writeln!(text, "... and {left_out} more lines");
    }
    text.push_str(last);
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_keeps_its_beginning_and_its_end() {
        let mut lines = vec![format!("verdict {}", "é".repeat(3_000))];
        lines.extend((0..500).map(|number| format!("line {number}")));
        lines.push("ended".to_owned());
        let text = fit(&lines);
        assert!(text.len() <= LONGEST && text.starts_with("verdict é"), "{}", text.len());
        assert!(text.ends_with("... and 500 more lines\nended\n"), "{text}");

        let lines: Vec<String> = (0..1_000).map(|number| format!("line {number}")).collect();
        let text = fit(&lines);
        assert!(text.len() <= LONGEST && text.len() > LONGEST - 600, "{}", text.len());
        assert!(text.starts_with("line 0\nline 1\n") && text.ends_with(" more lines\nline 999\n"));
    }

    #[test]
    fn what_fits_is_whole() {
        assert_eq!(fit(&["a".to_owned(), "b".to_owned()]), "a\nb\n");
    }
}
