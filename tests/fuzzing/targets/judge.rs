//! What is promised of every text that people see, and of every problem.

use fateshare::spec::{Problem, Problems, harmless};

/// A word that no message may ever repeat: it stands where secrets do.
pub(super) const SECRET: &str = "pa55w0rd";

/// So long one problem is at most, as it is shown.
const LONGEST_PROBLEM: usize = 4_096;

/// Nothing that moves the cursor, turns the text or clears the screen; new lines may be.
#[track_caller]
pub(super) fn is_harmless(what: &str, text: &str) {
    let bad = text.chars().find(|letter| *letter != '\n' && harmless(*letter) != *letter);
    assert!(bad.is_none(), "{what}: has {bad:?}: {text:?}");
}

/// The same on one line.
#[track_caller]
pub(super) fn is_one_line(what: &str, text: &str) {
    is_harmless(what, text);
    assert!(!text.contains('\n'), "{what}: more than one line: {text:?}");
}

/// Each problem has a place in one of these files, or none; and can be shown.
#[track_caller]
pub(super) fn problems(files: &[(&str, &[u8])], problems: &Problems) {
    assert!(problems.iter().next().is_some(), "it is refused, and nothing said");
    for it in problems.iter() {
        problem(files, it);
    }
    keeps_secrets("a problem", &problems.to_string());
}

#[track_caller]
fn problem(files: &[(&str, &[u8])], problem: &Problem) {
    let shown = problem.to_string();
    is_harmless("a problem", &shown);
    is_one_line("a message", problem.message());
    assert!(shown.len() <= LONGEST_PROBLEM, "{} bytes: {shown}", shown.len());
    assert!(!problem.message().trim().is_empty(), "{shown:?}");
    let Some(position) = problem.position() else {
        // A file, or an option, as a whole.
        assert!(shown.contains(": "), "neither a place nor an origin: {shown}");
        let is_whole = files.is_empty() || is_about_the_whole(files, problem.message(), &shown);
        assert!(is_whole, "it has a place, which is not said: {shown}");
        return;
    };
    let of = |name: &str| shown.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'));
    let text = files.iter().find(|(name, _)| of(name)).map(|(_, text)| text);
    let text = text.unwrap_or_else(|| panic!("of no file that was read: {shown}"));
    let text = String::from_utf8_lossy(text);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let line = lines(text).nth(position.line.wrapping_sub(1));
    let columns = line.map(|line| line.chars().count());
    // Behind the end something may be missing.
    let is_inside = columns.is_some_and(|columns| (1..=columns + 2).contains(&position.column));
    assert!(is_inside, "there is no such place: {position:?} {shown}");
}

/// What has no place in a file: it is about all of it, or about what was asked for; or its message begins with a
/// file and a line.
fn is_about_the_whole(files: &[(&str, &[u8])], message: &str, shown: &str) -> bool {
    let begins_with_line = |(name, _): &(&str, &[u8])| {
        let rest = shown.strip_prefix(name).and_then(|rest| rest.strip_prefix(':'));
        rest.is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
    };
    let wholes = [
        "is not UTF-8 text",
        "is larger than",
        "has more than one document",
        "its aliases repeat",
        "there is no app",
        " apps: ",
    ];
    let is_whole = message == "is empty" || wholes.iter().any(|whole| message.contains(whole));
    is_whole || files.iter().any(begins_with_line)
}

/// The lines of a text, where YAML ends them.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let breaks = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
        let Some(end) = text.find(breaks) else {
            rest = None;
            return Some(text);
        };
        let behind = &text[end..];
        let after = behind.strip_prefix("\r\n");
        let one = behind.chars().next().map_or(0, char::len_utf8);
        rest = Some(after.unwrap_or(&behind[one..]));
        Some(&text[..end])
    })
}

/// No message repeats a secret. Names are none: each line of a member begins with its name.
#[track_caller]
pub(super) fn keeps_secrets(what: &str, text: &str) {
    let is_shown = text.lines().any(|line| without_names(line).contains(SECRET));
    assert!(!is_shown, "{what}: a secret is shown: {text}");
}

/// The line without the names of apps, processes and sidecars in it, which may have been variables.
fn without_names(line: &str) -> String {
    // How a name begins, and how it ends: the last such end, because a name may have that too.
    let names = [
        ("application '", "'"),
        ("Sidecar \"", "\""),
        ("Sidecar with name '", "'"),
        ("sidecar '", "'"),
        ("Process \"", "\""),
        ("Process type \"", "\""),
        ("dependent \"", "\""),
        ("process of type `", "`"),
        ("did you mean `", "`"),
        (" apps: ", ""),
        ("there are: ", ""),
        ("--app ", ""),
    ];
    let mut line = line.to_owned();
    for (begins, ends) in names {
        let Some(begin) = line.find(begins).map(|at| at + begins.len()) else { continue };
        let end = if ends.is_empty() { None } else { line[begin..].rfind(ends) };
        line.replace_range(begin..end.map_or(line.len(), |end| begin + end), "");
    }
    line
}
