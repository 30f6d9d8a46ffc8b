//! Values that nobody is to read, in the command lines that a drill shows.

/// A command line is cut behind so many bytes.
const LONGEST: usize = 300;
/// Shorter values are no secrets, and would be found everywhere.
const SHORTEST: usize = 4;

/// Values, and what is shown instead.
#[derive(Clone, Default)]
pub struct Secrets(Vec<(String, String)>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Secrets").field(&self.0.len()).finish()
    }
}

impl Secrets {
    /// What is shown, and the value that it stands for: `$TOKEN`, `((password))`.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut pairs: Vec<(String, String)> =
            pairs.into_iter().filter(|(_, value)| value.len() >= SHORTEST).collect();
        // One may be a part of another.
        pairs.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        Self(pairs)
    }

    /// A command line as it is shown: none of the values, and not too long.
    pub(super) fn masked(&self, command: &str) -> String {
        let mut shown = command.to_owned();
        for (name, value) in &self.0 {
            if shown.contains(value.as_str()) {
                shown = shown.replace(value.as_str(), name);
            }
        }
        let mut cut = shown[..shown.floor_char_boundary(LONGEST)].to_owned();
        if cut.len() < shown.len() {
            cut.push('…');
        }
        cut
    }
}

/// What variables stood for, by the text with `((name))` in it and what became of that.
pub fn variables(written: &str, filled: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let (mut written, mut filled) = (written, filled);
    while let Some((before, rest)) = written.split_once("((") {
        let Some((name, after)) = rest.split_once("))") else { break };
        let Some(behind) = filled.strip_prefix(before) else { break };
        let next = after.split("((").next().unwrap_or_default();
        let end = if next.is_empty() { None } else { behind.find(next) };
        let (value, left) = behind.split_at(end.unwrap_or(behind.len()));
        pairs.push((format!("(({name}))"), value.to_owned()));
        (written, filled) = (after, left);
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_shown() {
        let pairs = [("$TOKEN", "hunter2-secret"), ("$PART", "hunter2"), ("$SHORT", "abc")];
        let secrets = Secrets::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(
            secrets.masked("./web --t=hunter2-secret hunter2 abc"),
            "./web --t=$TOKEN $PART abc"
        );
        assert!(secrets.masked(&"x".repeat(400)).len() < 310);
        assert!(!format!("{secrets:?}").contains("hunter2"));
    }

    #[test]
    fn variables_are_found_by_what_stands_around_them() {
        let pairs = |written, filled| {
            let found = variables(written, filled);
            found
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(pairs("./web ((pw)) -x ((other))", "./web a b -x c"), "((pw))=a b ((other))=c");
        assert_eq!(pairs("./web ((pw))", "something else"), "");
        assert_eq!(pairs("((a))", "whole"), "((a))=whole");
        assert_eq!(pairs("none", "none"), "");
    }
}
