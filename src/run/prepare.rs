//! From a member of the spec to a program that can be started, and what to say when it cannot.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::core::{MemberId, SpawnFailure, SpawnFailureKind};
use crate::spec::{CommandForm, Launch, Member};
use crate::sys::executable::{self, Unusable};
use crate::sys::spawn::{Program, Stdin, Step};

/// Variables that are for fateshare alone: members inherit none of them.
const OWN_VARIABLES: [&str; 7] = [
    "FATESHARE_SPEC",
    "FATESHARE_LOG",
    "FATESHARE_LOG_FORMAT",
    "FATESHARE_GRACE_PERIOD",
    "FATESHARE_LISTEN",
    "FATESHARE_REPORT",
    "FATESHARE_TERMINATION_LOG",
];

/// The environment that members inherit, as `NAME=value`, each with the length of its name.
#[derive(Debug)]
pub(super) struct Inherited(Vec<(usize, Vec<u8>)>);

impl Inherited {
    /// Ours, without what is for ourselves alone.
    pub(super) fn read() -> Self {
        let ours = std::env::vars_os()
            .filter(|(name, _)| !OWN_VARIABLES.iter().any(|own| name.as_bytes() == own.as_bytes()));
        Self(ours.map(|(name, value)| (name.len(), pair(&name, &value))).collect())
    }

    fn get(&self, name: &str) -> Option<&OsStr> {
        let found = self.0.iter().find(|(length, pair)| &pair[..*length] == name.as_bytes());
        found.map(|(length, pair)| OsStr::from_bytes(&pair[length + 1..]))
    }

    /// The environment of a member: its changes win, the last of equal names.
    fn with<'a>(
        &'a self,
        changes: &'a [(String, Option<String>)],
    ) -> impl Iterator<Item = Vec<u8>> {
        let overridden = |name: &[u8]| changes.iter().any(|(other, _)| other.as_bytes() == name);
        let kept = self.0.iter().filter(move |(length, pair)| !overridden(&pair[..*length]));
        let last =
            move |at: usize| !changes[at + 1..].iter().any(|(other, _)| *other == changes[at].0);
        let own = changes.iter().enumerate().filter(move |(at, _)| last(*at));
        let own = own.filter_map(|(_, (name, value))| {
            value.as_ref().map(|value| pair(OsStr::new(name), OsStr::new(value)))
        });
        kept.map(|(_, pair)| pair.clone()).chain(own)
    }
}

fn pair(name: &OsStr, value: &OsStr) -> Vec<u8> {
    let mut pair = OsString::with_capacity(name.len() + 1 + value.len());
    pair.push(name);
    pair.push("=");
    pair.push(value);
    pair.into_vec()
}

/// Finds every member's program before anything is started; all failures at once.
pub(super) fn find_programs(
    launch: &Launch,
    inherited: &Inherited,
) -> Result<Vec<PathBuf>, Vec<SpawnFailure>> {
    let mut found = Vec::with_capacity(launch.members.len());
    let mut failures = Vec::new();
    for (id, member) in MemberId::all(launch.members.len()).zip(&launch.members) {
        match find(member, inherited) {
            Ok(program) => found.push(program),
            Err(failure) => failures.push(SpawnFailure { member: id, ..failure }),
        }
    }
    if failures.is_empty() { Ok(found) } else { Err(failures) }
}

fn find(member: &Member, inherited: &Inherited) -> Result<PathBuf, SpawnFailure> {
    let dir = member.working_dir.as_deref();
    if let Some(dir) = dir
        && let Err(error) = std::fs::metadata(dir).and_then(|meta| {
            if meta.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
        })
    {
        return Err(failure(
            SpawnFailureKind::Other,
            format!("working_dir {}: {error}", dir.display()),
        ));
    }
    let changed = member.env.iter().rev().find(|(name, _)| name == "PATH");
    let path = match changed {
        Some((_, value)) => value.as_deref().map(OsStr::new),
        None => inherited.get("PATH"),
    };
    let program = member.argv.first().map_or(OsStr::new(""), OsString::as_os_str);
    executable::find(program, path, dir.unwrap_or(Path::new("."))).map_err(|unusable| {
        let named = program.to_string_lossy();
        match unusable {
            Unusable::Missing { looked } => SpawnFailure {
                hint: missing_hint(member, &named),
                ..failure(
                    SpawnFailureKind::NotFound,
                    if looked == named {
                        format!("program {named}: not found")
                    } else {
                        format!("program {named}: not found ({})", shorten(&looked))
                    },
                )
            },
            Unusable::NotExecutable { path, why } => failure(
                SpawnFailureKind::NotExecutable,
                format!("program {} {why}", path.display()),
            ),
        }
    })
}

/// A search path can be very long; its beginning tells which one it is.
fn shorten(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

fn missing_hint(member: &Member, program: &str) -> Option<String> {
    if member.form != CommandForm::List {
        return Some(
            "A string command needs that shell: write the command as a list, or set `shell`"
                .to_owned(),
        );
    }
    program.contains(char::is_whitespace).then(|| {
        "The first entry of a list is the program alone: give each argument its own entry"
            .to_owned()
    })
}

fn failure(kind: SpawnFailureKind, reason: String) -> SpawnFailure {
    SpawnFailure { member: MemberId::MAIN, kind, reason, hint: None }
}

/// What is handed to the kernel for this member.
pub(super) fn program(
    member: &Member,
    id: MemberId,
    file: &Path,
    inherited: &Inherited,
) -> Result<Program, SpawnFailure> {
    let stdin = if id == MemberId::MAIN { Stdin::Inherit } else { Stdin::Null };
    let env = inherited.with(&member.env);
    Program::new(file, &member.argv, env, member.working_dir.as_ref(), stdin).ok_or_else(|| {
        SpawnFailure {
            member: id,
            ..failure(
                SpawnFailureKind::Other,
                "its command, environment or directory holds a NUL byte".to_owned(),
            )
        }
    })
}

/// Puts a step that failed into words.
pub(super) fn explain(
    member: &Member,
    id: MemberId,
    file: &Path,
    step: Step,
    error: &io::Error,
) -> SpawnFailure {
    let other = |what: &str| failure(SpawnFailureKind::Other, format!("{what}: {error}"));
    let told = match step {
        Step::Fork => SpawnFailure {
            hint: Some("Is a limit on processes or memory reached?".to_owned()),
            ..other("a new process")
        },
        Step::Group => other("its process group"),
        Step::Tie => other("tying it to fateshare (PR_SET_PDEATHSIG)"),
        Step::Directory => {
            let dir = member.working_dir.as_deref().unwrap_or(Path::new("."));
            other(&format!("working_dir {}", dir.display()))
        }
        Step::Stdin => other("its standard input (/dev/null)"),
        Step::Signals => other("its signal mask"),
        Step::Execute => explain_execute(member, file, error),
    };
    SpawnFailure { member: id, ..told }
}

fn explain_execute(member: &Member, file: &Path, error: &io::Error) -> SpawnFailure {
    use io::ErrorKind as K;
    let shown = file.display();
    let seen = member.working_dir.as_deref().unwrap_or(Path::new(".")).join(file);
    let not_executable = |reason: String| failure(SpawnFailureKind::NotExecutable, reason);
    match error.kind() {
        K::NotFound => match executable::missing_interpreter(&seen) {
            Some(interpreter) => not_executable(format!(
                "program {shown}: its interpreter is missing: {interpreter}"
            )),
            None => failure(SpawnFailureKind::NotFound, format!("program {shown}: {error}")),
        },
        K::ArgumentListTooLong => failure(
            SpawnFailureKind::Other,
            format!("program {shown}: its command and environment are too long: {error}"),
        ),
        K::PermissionDenied | K::ExecutableFileBusy | K::IsADirectory | K::InvalidInput => {
            not_executable(format!("program {shown}: {error}"))
        }
        // ENOEXEC has no kind of its own.
        _ if error.to_string().starts_with("Exec format error") => SpawnFailure {
            hint: Some(
                "A script needs a first line such as #!/bin/sh; a binary must be built for this \
                 machine's architecture"
                    .to_owned(),
            ),
            ..not_executable(format!("program {shown}: {error}"))
        },
        _ => failure(SpawnFailureKind::Other, format!("program {shown}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_members_own_variables_win_and_null_unsets() {
        let inherited = Inherited(vec![
            (4, b"PATH=/bin".to_vec()),
            (4, b"HOME=/root".to_vec()),
            (2, b"PA=x".to_vec()),
        ]);
        let change = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        let changes = [
            change("PATH", Some("/first")),
            change("HOME", None),
            change("PATH", Some("/last")),
            change("NEW", Some("a=b")),
        ];
        let env: Vec<String> = inherited
            .with(&changes)
            .map(|pair| String::from_utf8(pair).expect("plain text"))
            .collect();
        assert_eq!(env, ["PA=x", "PATH=/last", "NEW=a=b"]);
    }
}
