//! One member: the main process or a sidecar.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::command::{calls_a_shell, through_shell};
use super::cursor::{Cursor, Fields, Findings};
use super::env::{self, Environment};
use super::keys::{self, Level};
use super::node::Node;
use super::problem::{harmless, shown};
use super::{CommandForm, MayFinish, Member, Signal, StopOrder, StopTo, health, user};

/// What a member takes from its group.
pub(super) struct Group<'a> {
    pub(super) shell: &'a [String],
    pub(super) env: &'a Environment,
    /// Absolute: relative working directories count from here.
    pub(super) folder: &'a Path,
    /// Who tells members their memory.
    pub(super) memory: Teller,
}

/// Who tells a member its `MEMORY_LIMIT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Teller {
    /// The spec does.
    Spec,
    /// The launcher of a platform does, when the group is started.
    Launcher,
}

/// What is executed, and how it was written.
pub(super) type Command = (Vec<OsString>, CommandForm);

/// A name as long as a file's: it becomes part of log lines and of the status.
const LONGEST_NAME: usize = 255;

/// Who says our own lines, in every format.
const OURS: &str = "fateshare";

/// Signals that no member can be asked to stop with: they cannot be handled, or do not end it.
const NO_STOP_SIGNALS: [Signal; 7] = [
    Signal::KILL,
    Signal::STOP,
    Signal::TSTP,
    Signal::TTIN,
    Signal::TTOU,
    Signal::CONT,
    Signal::CHLD,
];

impl Group<'_> {
    /// A member about which nothing but its name and command is said.
    pub(super) fn plain(&self, name: String, (argv, form): Command) -> Member {
        Member {
            name,
            argv,
            form,
            working_dir: None,
            env: self.env.clone(),
            user: None,
            stop_signal: None,
            stop_to: default_stop_to(form),
            stop: StopOrder::AtOnce,
            may_finish: MayFinish::Never,
            memory: None,
            oom_score_adj: None,
            no_new_privs: false,
            health_check: None,
            readiness_check: None,
        }
    }

    /// Reads a member. `replacement` is a command from elsewhere that takes the place of the
    /// spec's. `None` when what is there is not enough for a member; the findings say why.
    pub(super) fn read(
        &self,
        fields: &Fields<'_>,
        level: Level,
        replacement: Option<&Command>,
        findings: &mut Findings,
    ) -> Option<Member> {
        keys::check(fields, level, findings);
        let name = match fields.get("name") {
            Some(cursor) => read_name(&cursor, findings),
            None if level == Level::Main => Some("main".to_owned()),
            None => {
                findings.problem(&fields.place, "this sidecar has no `name`");
                None
            }
        };
        let written = fields.get("command");
        if written.is_none() && replacement.is_none() {
            let who = name
                .as_deref()
                .map_or("this sidecar".to_owned(), |name| format!("`{}`", shown(name)));
            findings.problem(&fields.place, format!("{who} has no `command`"));
        }
        let written = written.and_then(|cursor| self.read_command(&cursor, findings));
        let mut member = self.plain(
            name.unwrap_or_default(),
            replacement.cloned().or(written).unwrap_or_else(|| (Vec::new(), CommandForm::List)),
        );
        self.read_settings(fields, &mut member, findings);
        if level == Level::Sidecar {
            read_sidecar_settings(fields, &mut member, findings);
        }
        let mut check = |key, which| {
            fields.get(key).and_then(|cursor| health::read(&cursor, which, level, findings))
        };
        member.health_check = check("health_check", health::Which::Health);
        member.readiness_check = check("readiness_check", health::Which::Readiness);
        (!member.argv.is_empty() && !member.name.is_empty()).then_some(member)
    }

    /// A string for the shell, or a list that is executed as it is.
    fn read_command(&self, cursor: &Cursor<'_>, findings: &mut Findings) -> Option<Command> {
        match cursor.node {
            Node::Text(_) => {
                let text = cursor.text(findings)?;
                if text.trim().is_empty() {
                    findings.problem(&cursor.place, "`command` must not be empty");
                    return None;
                }
                Some(through_shell(self.shell, text))
            }
            Node::List(_) => {
                let words = cursor.words(findings)?;
                if words.first().is_some_and(String::is_empty) {
                    findings.problem(
                        &cursor.place.item(0),
                        "the program of `command` must not be empty",
                    );
                    return None;
                }
                warn_of_variables(cursor, &words, findings);
                Some((words.into_iter().map(OsString::from).collect(), CommandForm::List))
            }
            Node::Bool(..) | Node::Number(..) => {
                cursor.text(findings);
                None
            }
            Node::Null | Node::Map(_) => {
                cursor.must_be("text or a list of text", findings);
                None
            }
        }
    }

    /// What every member may set.
    fn read_settings(&self, fields: &Fields<'_>, member: &mut Member, findings: &mut Findings) {
        if let Some(cursor) = fields.get("working_dir") {
            member.working_dir = self.read_directory(&cursor, findings);
        }
        if let Some(cursor) = fields.get("env") {
            member.env = env::layered(self.env, env::read(&cursor, findings));
        }
        // `null` too: a template whose variable is empty must not run as root in silence.
        if let Some(cursor) = fields.get_even_null("user") {
            member.user = user::read(&cursor, findings);
        }
        if let Some(cursor) = fields.get("stop_signal") {
            member.stop_signal = read_stop_signal(&cursor, findings);
        }
        if let Some(cursor) = fields.get("stop_to")
            && let Some(choice) = choose(&cursor, ["process", "group"], findings)
        {
            member.stop_to = [StopTo::Process, StopTo::Group][choice];
        }
        if let Some(cursor) = fields.get("memory") {
            member.memory = cursor.size(findings);
        }
        if let Some(bytes) = member.memory.filter(|_| self.memory == Teller::Spec) {
            env::tell_memory(&mut member.env, bytes);
        }
        if let Some(cursor) = fields.get("oom_score_adj") {
            member.oom_score_adj = cursor.oom_score_adj(findings);
        }
        if let Some(cursor) = fields.get("no_new_privs")
            && let Some(no_new_privs) = cursor.boolean(findings)
        {
            member.no_new_privs = no_new_privs;
        }
    }

    /// An absolute directory. `..` is left to the kernel: with symbolic links it is not what the
    /// text says.
    pub(super) fn read_directory(
        &self,
        cursor: &Cursor<'_>,
        findings: &mut Findings,
    ) -> Option<PathBuf> {
        let text = cursor.text(findings)?;
        if text.is_empty() {
            findings.problem(&cursor.place, format!("{} must not be empty", cursor.name));
            return None;
        }
        let joined = self.folder.join(text);
        Some(joined.components().filter(|part| *part != Component::CurDir).collect())
    }
}

/// What only sidecars may set.
fn read_sidecar_settings(fields: &Fields<'_>, member: &mut Member, findings: &mut Findings) {
    if let Some(cursor) = fields.get("stop")
        && let Some(choice) = choose(&cursor, ["at_once", "after_main"], findings)
    {
        member.stop = [StopOrder::AtOnce, StopOrder::AfterMain][choice];
    }
    if let Some(cursor) = fields.get("may_finish")
        && let Some(may_finish) = cursor.boolean(findings)
    {
        member.may_finish = [MayFinish::Never, MayFinish::WithZero][usize::from(may_finish)];
    }
}

/// Whom the stop signal meets unless the spec says so: under a shell that stays, the shell alone
/// would swallow it.
fn default_stop_to(form: CommandForm) -> StopTo {
    match form {
        CommandForm::List | CommandForm::Exec => StopTo::Process,
        CommandForm::Shell => StopTo::Group,
    }
}

/// A name that can stand in a log line.
fn read_name(cursor: &Cursor<'_>, findings: &mut Findings) -> Option<String> {
    let name = cursor.text(findings)?;
    if let Some(flaw) = name_flaw(name) {
        findings.problem(&cursor.place, flaw);
        return None;
    }
    Some(name.to_owned())
}

/// Why the text cannot be a member's name.
pub fn name_flaw(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        Some("a name must not be empty".to_owned())
    } else if name.chars().any(char::is_control) {
        Some("a name must not contain newlines or other control characters".to_owned())
    } else if name.chars().any(|letter| harmless(letter) != letter) {
        // It stands before each of its lines.
        Some(
            "a name must not contain characters that end a line or turn the text around".to_owned(),
        )
    } else if name == OURS {
        Some(format!("a member must not be called `{OURS}`: what we say ourselves has that name"))
    } else if name.len() > LONGEST_NAME {
        Some(format!("a name must not be longer than {LONGEST_NAME} bytes"))
    } else {
        None
    }
}

/// A signal that asks a process to stop.
fn read_stop_signal(cursor: &Cursor<'_>, findings: &mut Findings) -> Option<Signal> {
    let signal = cursor.signal(findings)?;
    if NO_STOP_SIGNALS.contains(&signal) {
        let message = format!("`stop_signal` must not be {signal}");
        let hint = match signal {
            Signal::KILL => "SIGKILL follows by itself when the grace period is over",
            _ => "it does not ask a program to end",
        };
        findings.advise(&cursor.place, message, hint);
        return None;
    }
    Some(signal)
}

/// Which of two words it is, by index.
fn choose(cursor: &Cursor<'_>, words: [&str; 2], findings: &mut Findings) -> Option<usize> {
    let found = match cursor.node {
        Node::Text(text) => words.iter().position(|word| word == text),
        _ => None,
    };
    if found.is_none() {
        cursor.must_be(&format!("`{}` or `{}`", words[0], words[1]), findings);
    }
    found
}

/// The classic slip: `[server, --port, $PORT]`.
fn warn_of_variables(cursor: &Cursor<'_>, words: &[String], findings: &mut Findings) {
    if calls_a_shell(words) {
        return;
    }
    for (index, word) in words.iter().enumerate() {
        let Some(variable) = variable(word) else {
            continue;
        };
        findings.warn(
            &cursor.place.item(index),
            format!(
                "`{}` stays as it is: nothing expands variables in a list command",
                shown(variable)
            ),
            "write the command as one string",
        );
    }
}

/// The first `$NAME` or `${NAME...}` in the text.
fn variable(text: &str) -> Option<&str> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.match_indices('$').find_map(|(at, _)| {
        let rest = &text[at + 1..];
        let (name, skipped) = match rest.strip_prefix('{') {
            Some(name) => (name, 2),
            None => (rest, 1),
        };
        if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
            return None;
        }
        let length = name.find(|letter| !is_letter(letter)).unwrap_or(name.len());
        let closing = usize::from(skipped == 2 && name[length..].starts_with('}'));
        text.get(at..at + skipped + length + closing)
    })
}
