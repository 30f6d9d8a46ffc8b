//! What the command line adds to a spec, or says without one.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use super::command::through_shell;
use super::member::{Command, Group, Teller, name_flaw};
use super::problem::{Problem, Problems, shown};
use super::reader::default_shell;
use super::units::LONGEST_GRACE;
use super::{CommandForm, DEFAULT_GRACE, DEFAULT_STOP_ON, ExitCodes, Launch, Member};

/// What the command line says. The default says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    /// `-- COMMAND [ARG...]`: takes the place of the main process's command. Empty is the same as
    /// `None`: a trailing `--` keeps the spec's.
    pub command: Option<Vec<OsString>>,
    /// `--sidecar NAME=COMMAND`: names and string commands, added after the spec's sidecars.
    pub sidecars: Vec<(String, String)>,
    /// `--grace-period DURATION`.
    pub grace_period: Option<Duration>,
}

impl Overlay {
    /// The main process's command, if one was given.
    pub(super) fn replacement(&self, problems: &mut Vec<Problem>) -> Option<Command> {
        let words = self.command.as_ref().filter(|words| !words.is_empty())?;
        let problem = |message| Problem::new("the command after `--`", message);
        if words[0].is_empty() {
            problems.push(problem("the program must not be empty"));
        }
        if words.iter().any(|word| word.as_bytes().contains(&0)) {
            problems.push(problem("must not contain the character NUL"));
        }
        Some((words.clone(), CommandForm::List))
    }

    /// The grace period, if one was given.
    pub(super) fn grace(&self, problems: &mut Vec<Problem>) -> Option<Duration> {
        let grace = self.grace_period?;
        if let Some(flaw) = time_flaw(grace) {
            problems.push(Problem::new("--grace-period", flaw));
        }
        Some(grace)
    }

    /// Adds the sidecars to the members that are there.
    pub(super) fn add_sidecars(
        &self,
        group: &Group<'_>,
        members: &mut Vec<Member>,
        problems: &mut Vec<Problem>,
    ) {
        for (name, command) in &self.sidecars {
            let flaw = name_flaw(name).or_else(|| command_flaw(command)).or_else(|| {
                let taken = members.iter().any(|member| member.name == *name);
                taken.then(|| "another member has this name".to_owned())
            });
            if let Some(flaw) = flaw {
                problems.push(Problem::new(format!("--sidecar {}", shown(name)), flaw));
                continue;
            }
            members.push(group.plain(name.clone(), through_shell(group.shell, command)));
        }
    }
}

/// What is run when there is no spec at all.
pub fn from_command_line(overlay: &Overlay) -> Result<Launch, Problems> {
    let mut problems = Vec::new();
    let shell = default_shell();
    let (env, folder) = (Vec::new(), Path::new("/"));
    let group = Group { shell: &shell, env: &env, folder, memory: Teller::Spec };
    let mut members = Vec::new();
    match overlay.replacement(&mut problems) {
        Some(command) => members.push(group.plain("main".to_owned(), command)),
        None => problems.push(Problem::new("command line", "there is no main process").with_hint(
            "add its command behind the sidecars: `-- COMMAND [ARG...]`, or name a SPEC",
        )),
    }
    overlay.add_sidecars(&group, &mut members, &mut problems);
    let grace_period = overlay.grace(&mut problems).unwrap_or(DEFAULT_GRACE);
    if !problems.is_empty() {
        return Err(Problems::new(problems, 0));
    }
    Ok(Launch {
        source: "command line".to_owned(),
        members,
        grace_period,
        stop_on: DEFAULT_STOP_ON.to_vec(),
        exit_codes: ExitCodes::default(),
        shell,
        platform: None,
        profile: None,
    })
}

/// Splits `NAME=COMMAND`, the value of `--sidecar`. A name cannot hold `=`, a command can.
pub fn split_sidecar(text: &str) -> Result<(String, String), String> {
    let Some((name, command)) = text.split_once('=') else {
        return Err(format!(
            "`{}` has no `=`: write NAME=COMMAND, such as 'cache=redis-server --port 6379'",
            shown(text)
        ));
    };
    if let Some(flaw) = name_flaw(name).or_else(|| command_flaw(command)) {
        return Err(format!("{flaw}: write NAME=COMMAND"));
    }
    Ok((name.to_owned(), command.to_owned()))
}

/// Why the text cannot be a string command.
fn command_flaw(command: &str) -> Option<String> {
    if command.trim().is_empty() {
        Some("its command must not be empty".to_owned())
    } else if command.contains('\0') {
        Some("its command must not contain the character NUL".to_owned())
    } else {
        None
    }
}

/// Why the duration cannot be a grace period, or a time of a check.
pub(super) fn time_flaw(grace: Duration) -> Option<&'static str> {
    if grace.is_zero() {
        Some("must be more than 0")
    } else if grace > LONGEST_GRACE {
        Some("must not be more than 24h")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An overlay with these sidecars.
    fn overlay(command: &[&str], sidecars: &[(&str, &str)]) -> Overlay {
        let own = |(name, command): &(&str, &str)| ((*name).to_owned(), (*command).to_owned());
        Overlay {
            command: Some(command.iter().map(OsString::from).collect()),
            sidecars: sidecars.iter().map(own).collect(),
            grace_period: None,
        }
    }

    #[test]
    fn a_command_line_is_enough_for_a_group() {
        let launch = from_command_line(&overlay(&["server", "-x"], &[("cache", "redis-server")]))
            .expect("valid");
        let names: Vec<_> = launch.members.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, ["main", "cache"]);
        assert_eq!(launch.members[0].argv, ["server", "-x"]);
        assert_eq!(launch.members[1].argv, ["/bin/sh", "-c", "exec redis-server"]);
        assert_eq!(launch.source, "command line");
    }

    #[test]
    fn every_problem_of_a_command_line_is_told_at_once() {
        let mut wrong = overlay(&[], &[("cache", "a"), ("cache", "b"), ("", "c"), ("d", " ")]);
        wrong.grace_period = Some(Duration::ZERO);
        let error = from_command_line(&wrong).expect_err("invalid").to_string();
        assert_eq!(
            error,
            "fateshare: command line: there is no main process\n  \
             add its command behind the sidecars: `-- COMMAND [ARG...]`, or name a SPEC\n\
             fateshare: --sidecar cache: another member has this name\n\
             fateshare: --sidecar : a name must not be empty\n\
             fateshare: --sidecar d: its command must not be empty\n\
             fateshare: --grace-period: must be more than 0"
        );
    }

    #[test]
    fn sidecars_are_split_at_the_first_equals_sign() {
        assert_eq!(
            split_sidecar("my cache=env A=1 x"),
            Ok(("my cache".to_owned(), "env A=1 x".to_owned()))
        );
        for (text, part) in [
            ("cache", "has no `=`"),
            ("=x", "name must not be empty"),
            ("a=", "command must not be empty"),
        ] {
            let error = split_sidecar(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
