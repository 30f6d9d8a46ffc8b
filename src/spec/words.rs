//! Near misses: `process-types` for `process_types`.

/// The known word that was most likely meant, if one is near enough.
pub fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    // A key far longer than ours is no slip, and the distance costs length times length.
    if written.chars().count() > 40 {
        return None;
    }
    let written = plain(written);
    known
        .iter()
        .map(|word| (distance(&written, &plain(word)), *word))
        .filter(|(distance, word)| *distance <= allowed(word))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
        .or_else(|| extended(&written, known))
}

/// What to write instead of an unknown word: the one that was meant, else those that there are.
pub fn hint(written: &str, meant: &[&str], known: &[&str]) -> String {
    match nearest(written, meant) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// `working_directory` for `working_dir`, `no_new_privileges` for `no_new_privs`: too many letters
/// for a slip of the finger, still meant.
fn extended<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    /// A beginning that two words do not have in common by chance.
    const LONG: usize = 8;
    known.iter().copied().find(|word| {
        let word = plain(word);
        let same =
            written.chars().zip(word.chars()).take_while(|(one, other)| one == other).count();
        let shorter = written.chars().count().min(word.chars().count());
        same >= LONG || (same >= 4 && same == shorter)
    })
}

/// How many slips are still a slip: short words resemble everything.
fn allowed(word: &str) -> usize {
    match word.len() {
        0..=3 => 1,
        4..=7 => 2,
        _ => 3,
    }
}

/// Without what people get wrong most: case, `-` for `_`, or a space.
fn plain(word: &str) -> String {
    word.chars()
        .filter(|letter| !matches!(letter, '-' | '_' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Levenshtein: how many letters are to be added, removed or replaced.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    for (row, letter) in left.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in right.iter().enumerate() {
            let replaced = previous[column] + usize::from(letter != *other);
            let least = replaced.min(previous[column + 1] + 1).min(current[column] + 1);
            current.push(least);
        }
        previous = current;
    }
    previous[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 7] =
        ["command", "working_dir", "env", "stop", "stop_to", "may_finish", "no_new_privs"];

    #[test]
    fn a_slip_finds_the_key_that_was_meant() {
        for (written, meant) in [
            ("comand", "command"),
            ("working-dir", "working_dir"),
            ("workingDir", "working_dir"),
            ("workdir", "working_dir"),
            ("working_directory", "working_dir"),
            ("ENV", "env"),
            ("stop-to", "stop_to"),
            ("may finish", "may_finish"),
            ("noNewPrivileges", "no_new_privs"),
        ] {
            assert_eq!(nearest(written, &KEYS), Some(meant), "{written}");
        }
    }

    #[test]
    fn another_word_finds_nothing() {
        for written in ["", "image", "volumes", "x", "no_news", &"command".repeat(20)] {
            assert_eq!(nearest(written, &KEYS), None, "{written}");
        }
    }
}
