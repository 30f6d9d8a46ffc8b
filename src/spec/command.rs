//! String commands: which of them the shell can be told to `exec`.
//!
//! Some shells stay as the parent of the one program that they start (dash), some do not (bash).
//! Signals, exit codes and `pgrep NAME` must meet the program, so a simple command gets an `exec`
//! before it. Whenever there is doubt a command runs as written: that is never wrong, and costs
//! one idle shell.

use std::ffi::OsString;
use std::path::Path;

use super::CommandForm;

/// Shells that understand `exec` and the quoting that is read here.
const SHELLS: [&str; 9] = ["sh", "bash", "dash", "ash", "ksh", "ksh93", "mksh", "yash", "zsh"];

/// Reserved words and builtins of POSIX shells and of bash, sorted. `exec` finds programs only;
/// for the few that are both (`echo`, `test`) the builtin is what was meant.
const NO_PROGRAMS: [&str; 89] = [
    "!",
    ".",
    ":",
    "[",
    "[[",
    "]]",
    "alias",
    "bg",
    "bind",
    "break",
    "builtin",
    "caller",
    "case",
    "cd",
    "chdir",
    "command",
    "compgen",
    "complete",
    "compopt",
    "continue",
    "coproc",
    "declare",
    "dirs",
    "disown",
    "do",
    "done",
    "echo",
    "elif",
    "else",
    "enable",
    "end",
    "esac",
    "eval",
    "exec",
    "exit",
    "export",
    "false",
    "fc",
    "fg",
    "fi",
    "for",
    "foreach",
    "function",
    "getopts",
    "hash",
    "help",
    "history",
    "if",
    "in",
    "jobs",
    "kill",
    "let",
    "local",
    "logout",
    "mapfile",
    "newgrp",
    "nocorrect",
    "noglob",
    "popd",
    "printf",
    "pushd",
    "pwd",
    "read",
    "readarray",
    "readonly",
    "repeat",
    "return",
    "select",
    "set",
    "shift",
    "shopt",
    "source",
    "suspend",
    "test",
    "then",
    "time",
    "times",
    "trap",
    "true",
    "type",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
    "unset",
    "until",
    "wait",
    "while",
    "{",
];

/// What is executed for a string command, and who stands between.
pub(super) fn through_shell(shell: &[String], command: &str) -> (Vec<OsString>, CommandForm) {
    let (script, form) = match simple(command).filter(|_| understands_exec(shell)) {
        Some(simple) => (format!("exec {simple}"), CommandForm::Exec),
        None => (command.to_owned(), CommandForm::Shell),
    };
    let argv = shell.iter().cloned().chain([script]).map(OsString::from);
    (argv.collect(), form)
}

/// Whether the list begins like `[sh, -c, ...]`: then its words are a shell's, not a program's.
pub(super) fn calls_a_shell(words: &[String]) -> bool {
    matches!(words, [program, option, ..] if is_shell(program) && takes_script(option))
}

/// Whether this is a POSIX shell that is given a script: `shell: [python3, -c]` is none.
fn understands_exec(shell: &[String]) -> bool {
    let option = shell.last().is_some_and(|last| takes_script(last));
    option && shell.iter().any(|word| is_shell(word))
}

/// `-c`, or options that end in it: `-lc`.
fn takes_script(option: &str) -> bool {
    option.starts_with('-') && !option.starts_with("--") && option.ends_with('c')
}

/// Whether the program is a shell by its name.
fn is_shell(program: &str) -> bool {
    let name = Path::new(program).file_name();
    name.is_some_and(|name| SHELLS.iter().any(|shell| name == *shell))
}

/// The command without its leading `exec`, if it is one simple command.
fn simple(command: &str) -> Option<&str> {
    let trimmed = command.trim_matches([' ', '\t', '\n']);
    // A backslash before the trimmed end would have escaped what was cut off.
    if trimmed.ends_with('\\') {
        return None;
    }
    let without = trimmed
        .strip_prefix("exec")
        .filter(|rest| rest.starts_with([' ', '\t']))
        .map(|rest| rest.trim_start_matches([' ', '\t']));
    let simple = without.unwrap_or(trimmed);
    let first_word_end = scan(simple)?;
    let first = &simple[..first_word_end];
    if first.is_empty() {
        return None;
    }
    // Whoever wrote `exec` has said that the word is a program; it may have options, as in bash.
    let is_program = without.is_some() || is_program(first);
    is_program.then_some(simple)
}

/// Whether the first word, as written, surely names a program.
fn is_program(word: &str) -> bool {
    let plain: String =
        word.chars().filter(|letter| !matches!(letter, '"' | '\'' | '\\')).collect();
    if plain.starts_with('-') || plain.contains(['<', '>']) || is_assignment(&plain) {
        return false;
    }
    // `$CMD` may turn into a builtin, or into words of which the first is `exec`; what has a slash
    // (`$JAVA_HOME/bin/java`) does not. `~` and wildcards expand to paths.
    if plain.contains('$') && !plain.contains('/') {
        return false;
    }
    NO_PROGRAMS.binary_search(&plain.as_str()).is_err()
}

/// `NAME=...`, `NAME+=...`, `NAME[...]=...`.
fn is_assignment(word: &str) -> bool {
    let Some((name, _)) = word.split_once('=') else {
        return false;
    };
    let name = name.strip_suffix('+').unwrap_or(name);
    let name = name.split('[').next().unwrap_or(name);
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    !name.is_empty()
        && !name.starts_with(|letter: char| letter.is_ascii_digit())
        && name.chars().all(is_letter)
}

/// Reads the command as a shell would read its quotes. The length of its first word, or `None`
/// when it is, or may be, more than one simple command.
fn scan(command: &str) -> Option<usize> {
    let mut letters = command.char_indices().peekable();
    let mut first_word_end = None;
    let mut previous = ' ';
    while let Some((at, letter)) = letters.next() {
        match letter {
            // `2>&1` is a redirection; any other `&` ends a command.
            '&' if matches!(previous, '<' | '>') => {}
            ';' | '&' | '|' | '(' | ')' | '{' | '}' | '`' | '\n' => return None,
            // A comment goes on to the end; a line behind it would be another command.
            '#' if matches!(previous, ' ' | '\t') => {
                first_word_end.get_or_insert(at);
                return if command[at..].contains('\n') { None } else { first_word_end };
            }
            ' ' | '\t' => {
                first_word_end.get_or_insert(at);
            }
            '\\' => {
                letters.next()?;
            }
            // bash's `$'it\'s'` ends elsewhere than dash's.
            '$' if matches!(letters.peek(), Some((_, '\''))) => return None,
            '\'' => {
                letters.find(|(_, letter)| *letter == '\'')?;
            }
            '"' => double_quoted(&mut letters)?,
            _ => {}
        }
        previous = letter;
    }
    Some(first_word_end.unwrap_or(command.len()))
}

/// Reads up to the closing double quote. A substitution in it is harmless, the shell makes it
/// before the `exec`; but quotes in a substitution nest, and that is not read here.
fn double_quoted(letters: &mut impl Iterator<Item = (usize, char)>) -> Option<()> {
    let mut open = 0_usize;
    let mut in_backquotes = false;
    let mut previous = '"';
    while let Some((_, letter)) = letters.next() {
        let substituting = open > 0 || in_backquotes;
        match letter {
            '"' | '\'' | '\\' if substituting => return None,
            '"' => return Some(()),
            '\\' => {
                letters.next()?;
            }
            '`' => in_backquotes = !in_backquotes,
            '(' | '{' if previous == '$' || open > 0 => open += 1,
            ')' | '}' => open = open.saturating_sub(1),
            _ => {}
        }
        previous = letter;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The default shell.
    fn sh() -> Vec<String> {
        vec!["/bin/sh".to_owned(), "-c".to_owned()]
    }

    #[test]
    fn the_words_are_sorted() {
        assert!(NO_PROGRAMS.is_sorted());
    }

    #[test]
    fn one_simple_command_is_execed() {
        for (command, simple_command) in [
            ("./server", "./server"),
            ("exec ./server --port 1", "./server --port 1"),
            ("exec bundle exec rackup -p $PORT", "bundle exec rackup -p $PORT"),
            ("nginx -g 'daemon off;'", "nginx -g 'daemon off;'"),
            ("  server\n", "server"),
            ("env A=1 server", "env A=1 server"),
            (r"echo-server a\;b", r"echo-server a\;b"),
            ("server \"$(hostname)\"", "server \"$(hostname)\""),
            ("server \"`hostname`\" \"${A:-x}\"", "server \"`hostname`\" \"${A:-x}\""),
            ("server >log 2>&1 <in", "server >log 2>&1 <in"),
            ("server # it's; here", "server # it's; here"),
            ("server a#b", "server a#b"),
            ("$JAVA_HOME/bin/java -jar a.jar", "$JAVA_HOME/bin/java -jar a.jar"),
            ("exec $CMD x", "$CMD x"),
            ("exec -a name server", "-a name server"),
            ("'my server' x", "'my server' x"),
            ("executor x", "executor x"),
            ("server \\\n  --flag", "server \\\n  --flag"),
        ] {
            assert_eq!(simple(command), Some(simple_command), "{command}");
        }
    }

    #[test]
    fn what_is_more_than_one_command_or_no_program_runs_as_written() {
        for command in [
            "",
            "exec",
            "exec ",
            "a; b",
            "a && b",
            "a & b",
            "a | b",
            "(a)",
            "{ a; }",
            "a `b`",
            "a $(b)",
            "a ${b}",
            "a\nb",
            "a # b\nc",
            "# a",
            "A=1 server",
            "A+=1 server",
            "a[0]=1 server",
            "cd app",
            "'cd' app",
            r"\cd app",
            "! server",
            "time server",
            "if",
            "source env.sh",
            "$CMD x",
            "\"$CMD\" x",
            "-x",
            ">log server",
            "2>log server",
            "it's",
            "say \"hello",
            "a \\",
            "a $'b'",
            "a &>log",
            "a \"$(echo \"b\")\" \"; c\"",
            "a \"$(echo '\"')\" ; y",
        ] {
            assert_eq!(simple(command), None, "{command}");
        }
    }

    #[test]
    fn other_interpreters_get_their_text_as_written() {
        let python = vec!["python3".to_owned(), "-c".to_owned()];
        let (argv, form) = through_shell(&python, "print 1");
        assert_eq!((argv[2].to_str(), form), (Some("print 1"), CommandForm::Shell));
        for shell in
            [vec!["bash", "-lc"], vec!["/usr/bin/env", "bash", "-ec"], vec!["busybox", "sh", "-c"]]
        {
            let shell: Vec<String> = shell.into_iter().map(str::to_owned).collect();
            let (argv, form) = through_shell(&shell, "server");
            assert_eq!(form, CommandForm::Exec);
            assert_eq!(argv.last().and_then(|last| last.to_str()), Some("exec server"));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_scan_panic(
            any in "\\PC*",
            nasty in "(exec |[ \t\n\"'`\\\\$#;&|(){}<>=]|\\$\\(|a|é){0,30}",
        ) {
            for command in [any, nasty] {
                let (argv, form) = through_shell(&sh(), &command);
                prop_assert_eq!(argv.len(), 3);
                prop_assert!(form != CommandForm::List);
            }
        }
    }
}
