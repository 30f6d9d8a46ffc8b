//! From a member of the spec to a program that can be started, and what to say when it cannot.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use super::inherited::{Changes, Heir, Inherited, with_account};
use super::perform::Surroundings;
use crate::core::{MemberId, SpawnFailure, SpawnFailureKind};
use crate::spec::{CommandForm, Launch, Member, UserName};
use crate::sys::executable::{self, Unusable};
use crate::sys::privileges::{Change, Own};
use crate::sys::spawn::{Program, Step};
use crate::sys::{process, users};

/// What was found out about a member before anything is started.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Its program.
    pub(super) file: PathBuf,
    /// The changes to its environment.
    pub(super) env: Changes,
    /// Whom it becomes, if not ourselves.
    pub(super) change: Option<Change>,
}

/// What it depends on, besides the spec.
struct Host<'a> {
    inherited: &'a Inherited,
    own: io::Result<Own>,
}

/// Finds every member's program and user before anything is started; all failures at once.
pub(super) fn prepare(
    launch: &Launch,
    inherited: &Inherited,
) -> Result<Vec<Prepared>, Vec<SpawnFailure>> {
    let mut found = Vec::with_capacity(launch.members.len());
    let mut failures = Vec::new();
    let host = Host { inherited, own: Own::read() };
    for (id, member) in MemberId::all(launch.members.len()).zip(&launch.members) {
        match host.prepare(member) {
            Ok(prepared) => found.push(prepared),
            Err(failure) => failures.push(SpawnFailure { member: id, ..failure }),
        }
    }
    if failures.is_empty() { Ok(found) } else { Err(failures) }
}

/// The same for a single one.
pub(super) fn prepare_one(
    member: &Member,
    inherited: &Inherited,
) -> Result<Prepared, SpawnFailure> {
    Host { inherited, own: Own::read() }.prepare(member)
}

impl Host<'_> {
    fn prepare(&self, member: &Member) -> Result<Prepared, SpawnFailure> {
        let (account, change) = match &member.user {
            Some(user) => {
                let (account, change) = self.become_user(user)?;
                (Some(account), change)
            }
            None => (None, None),
        };
        check_oom_score(member)?;
        let file = find(member, self.inherited, change.as_ref())?;
        Ok(Prepared { file, env: with_account(account.as_ref(), &member.env), change })
    }

    fn become_user(
        &self,
        user: &UserName,
    ) -> Result<(users::Account, Option<Change>), SpawnFailure> {
        let other = |reason| failure(SpawnFailureKind::Other, reason);
        let own = self.own.as_ref().map_err(|error| {
            other(format!("user {user}: cannot find out who fateshare is: {error}"))
        })?;
        let account = users::look_up(user, own.gid())
            .map_err(|unknown| SpawnFailure { hint: unknown.hint, ..other(unknown.reason) })?;
        let change = own.change_to(&account).map_err(|why| SpawnFailure {
            hint: Some(
                "Start fateshare as root with CAP_SETUID, CAP_SETGID and CAP_KILL and where that user \
                 exists, or start the whole container as that user and leave `user` out"
                    .to_owned(),
            ),
            ..other(format!("user {user}: {why}"))
        })?;
        Ok((account, change))
    }
}

/// It can only be raised: lowering it takes a privilege that a container has not.
fn check_oom_score(member: &Member) -> Result<(), SpawnFailure> {
    let Some(wanted) = member.oom_score_adj else { return Ok(()) };
    let other = |reason| failure(SpawnFailureKind::Other, reason);
    match process::oom_score_adj() {
        Ok(own) if wanted < own => Err(SpawnFailure {
            hint: Some(format!("It can only be raised: {own} or more")),
            ..other(format!("oom_score_adj {wanted} is below fateshare's own {own}"))
        }),
        Ok(_) => Ok(()),
        Err(error) => Err(other(format!("oom_score_adj: cannot read fateshare's own: {error}"))),
    }
}

/// Where the program is. What only another user may look at, that user's own start will tell.
fn find(
    member: &Member,
    inherited: &Inherited,
    user: Option<&Change>,
) -> Result<PathBuf, SpawnFailure> {
    let another_user = user.is_some();
    let dir = member.working_dir.as_deref();
    if let Some(dir) = dir
        && let Err(error) = executable::check_directory(dir)
        && !(another_user && error.kind() == io::ErrorKind::PermissionDenied)
    {
        return Err(failure(
            SpawnFailureKind::Other,
            format!("working_dir {}: {error}", dir.display()),
        ));
    }
    let path = inherited.seen_by(member, "PATH");
    let program = member.argv.first().map_or(OsStr::new(""), OsString::as_os_str);
    let found = executable::find(program, path, dir.unwrap_or(Path::new(".")), user);
    if let Err(Unusable::OutOfReach { file, .. }) = &found
        && another_user
    {
        return Ok(file.clone());
    }
    found.map_err(|unusable| {
        let named = program.to_string_lossy();
        match unusable {
            Unusable::OutOfReach { path, .. } => failure(
                SpawnFailureKind::NotExecutable,
                format!("program {} cannot be reached: permission denied", path.display()),
            ),
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

/// A failure of the main process, until its caller says whose it is.
pub(super) fn failure(kind: SpawnFailureKind, reason: String) -> SpawnFailure {
    SpawnFailure { member: MemberId::MAIN, kind, reason, hint: None }
}

/// What is handed to the kernel for this member.
pub(super) fn program(
    member: &Member,
    id: MemberId,
    prepared: &Prepared,
    inherited: &Inherited,
    around: Surroundings,
) -> Result<Program, SpawnFailure> {
    let heir = if id == MemberId::MAIN { Heir::Main } else { Heir::Sidecar };
    let env = inherited.with(heir, &prepared.env);
    let dir = member.working_dir.as_deref();
    let Some(mut program) = Program::new(&prepared.file, &member.argv, env, dir) else {
        return Err(SpawnFailure {
            member: id,
            ..failure(
                SpawnFailureKind::Other,
                "its command, environment or directory holds a NUL byte".to_owned(),
            )
        });
    };
    if heir == Heir::Main {
        program.stdin = around.stdin;
        program.sockets = inherited.sockets;
    }
    for name in inherited.own_number(heir, &prepared.env) {
        program.tell_own_number(name);
    }
    program.no_terminal = around.no_terminal;
    program.limit = around.limit;
    program.oom_score_adj = member.oom_score_adj;
    program.no_new_privs = member.no_new_privs;
    program.change.clone_from(&prepared.change);
    Ok(program)
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
        Step::NoTerminal => other("giving up the terminal (TIOCNOTTY)"),
        Step::Foreground => other("the terminal's foreground"),
        Step::Limit => other("its limit on open descriptors"),
        Step::OomScore => other("its oom_score_adj (/proc/self/oom_score_adj)"),
        Step::User => match &member.user {
            Some(user) => other(&format!("user {user}")),
            None => other("its user"),
        },
        Step::NoNewPrivileges => other("giving up privileges (PR_SET_NO_NEW_PRIVS)"),
        Step::Tie => other("tying it to fateshare (PR_SET_PDEATHSIG)"),
        Step::Directory => {
            let dir = member.working_dir.as_deref().unwrap_or(Path::new("."));
            other(&format!("working_dir {}{}", dir.display(), as_user(member)))
        }
        Step::Stdin => other("its standard input (/dev/null)"),
        Step::Outputs => other("its standard output"),
        Step::Sockets => other("the descriptors that were passed for it"),
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
            not_executable(format!("program {shown}{}: {error}", as_user(member)))
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

/// Whose permissions counted, where they were not our own.
fn as_user(member: &Member) -> String {
    member.user.as_ref().map_or(String::new(), |user| format!(" as user {user}"))
}
