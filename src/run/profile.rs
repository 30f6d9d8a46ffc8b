//! The profile scripts: one child before the members, whose environment becomes theirs.
//!
//! On Cloud Foundry the launcher of every member runs them, all at once and in the same directory;
//! here they run once. bash sources them, as there; what they have exported comes back through a file
//! in memory, because a pipe could fill up and a file on a disk may have no place.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsRawFd;
use std::path::Path;

use super::inherited::{Changes, Heir};
use super::perform::{Shell, hears_again};
use super::prepare;
use crate::core::{Event, MemberId, Pid, Preparation, Status};
use crate::spec::{CommandForm, Launch, Member};
use crate::sys::memory;
use crate::sys::spawn::{Program, Stdin};

/// Sources what there is, in the platform's order, then writes every exported variable. Standard input
/// is the file in memory until the script has it under another number.
const SCRIPT: &str = r#"
exec {_fateshare}>&0 </dev/null
for _fateshare_file in ../profile.d/* .profile.d/*; do
  if [ -f "$_fateshare_file" ]; then . "$_fateshare_file"; fi
done
if [ -f .profile ]; then . ./.profile; fi
IFS=$' \t\n'
set +eu
for _fateshare_file in $(builtin compgen -e); do
  builtin printf '%s=%s\0' "$_fateshare_file" "${!_fateshare_file}"
done >&"$_fateshare"
builtin printf '\0' >&"$_fateshare"
"#;

/// What bash changes itself.
const BASHS: [&str; 4] = ["_", "SHLVL", "PWD", "OLDPWD"];

/// So much of an environment is read back: no program could be started with more.
const LARGEST: u64 = 16 << 20;

/// Whether there is any script for this app's directory.
pub(super) fn has_scripts(app: &Path) -> bool {
    let has_files = |dir: &Path| {
        dir.read_dir()
            .is_ok_and(|mut entries| entries.any(|it| it.is_ok_and(|it| it.path().is_file())))
    };
    let beside = app.join("../profile.d");
    has_files(&beside) || has_files(&app.join(".profile.d")) || app.join(".profile").is_file()
}

/// The child that runs them.
#[derive(Debug)]
pub(super) struct Scripts {
    /// Until it is reaped.
    pid: Option<Pid>,
    /// What it writes.
    exported: File,
    /// What it was started with.
    before: BTreeMap<String, String>,
    /// How it ended, until that is told.
    status: Option<Status>,
}

impl Scripts {
    /// Its process, if this is it, is reaped.
    pub(super) fn ended(&mut self, pid: Pid, status: Status) {
        if self.pid == Some(pid) {
            self.pid = None;
            self.status = Some(status);
        }
    }
}

/// A member that is bash with the script, and else like main.
fn child(launch: &Launch, app: &Path) -> Member {
    let words = ["bash", "-c", SCRIPT, "profile"];
    Member {
        argv: words.into_iter().map(OsString::from).collect(),
        form: CommandForm::List,
        working_dir: Some(app.to_owned()),
        ..launch.members[0].clone()
    }
}

impl Shell<'_> {
    /// Starts the child; the event says why that failed.
    pub(super) fn run_profile_scripts(&mut self) -> Option<Event> {
        let Some(app) = self.launch.profile.clone() else {
            return Some(self.scripts_are_over(Preparation::Done));
        };
        match self.start_scripts(&app) {
            Ok((scripts, deaf)) => {
                self.scripts = Some(scripts);
                deaf.as_ref().map(hears_again)
            }
            Err(why) => {
                let failed = Preparation::Failed(format!("could not be run: {why}"));
                Some(self.scripts_are_over(failed))
            }
        }
    }

    fn start_scripts(&mut self, app: &Path) -> Result<(Scripts, Option<io::Error>), String> {
        let member = child(&self.launch, app);
        let prepared =
            prepare::prepare_one(&member, &self.inherited).map_err(|failure| failure.reason)?;
        let exported = memory::file().map_err(|error| format!("a file in memory: {error}"))?;
        let env: Vec<Vec<u8>> = self.inherited.with(Heir::Sidecar, &prepared.env).collect();
        let before = variables(env.iter().map(Vec::as_slice));
        let program = Program::new(&prepared.file, &member.argv, env.into_iter(), Some(app));
        let mut program = program.ok_or("its environment holds a NUL byte")?;
        program.stdin = Stdin::Descriptor(exported.as_raw_fd());
        program.limit = self.around.limit;
        program.outputs = self
            .outputs
            .make(MemberId::MAIN, prepared.change.as_ref())
            .map_err(|failure| failure.reason)?;
        program.no_new_privs = member.no_new_privs;
        program.change = prepared.change;
        let started = self.spawner.spawn(&mut program).map_err(|(step, error)| {
            prepare::explain(&member, MemberId::MAIN, &prepared.file, step, &error).reason
        })?;
        let scripts = Scripts { pid: Some(started.pid), exported, before, status: None };
        Ok((scripts, started.deaf))
    }

    /// The child, while it is not reaped.
    pub(super) fn scripts_leader(&self) -> Option<Pid> {
        self.scripts.as_ref().and_then(|scripts| scripts.pid)
    }

    /// What to tell, once the child has ended.
    pub(super) fn scripts_ended(&mut self) -> Option<Event> {
        let mut scripts = self.scripts.take_if(|scripts| scripts.status.is_some())?;
        let end = match (exported(&mut scripts.exported), scripts.status?) {
            (Some(after), _) => {
                let changes = changes(&scripts.before, after);
                for member in &mut self.launch.to_mut().members {
                    member.env.extend(changes.iter().cloned());
                }
                Preparation::Done
            }
            (None, Status::Exited(code)) => Preparation::Exited(code),
            (None, Status::Killed(signal)) => {
                Preparation::Failed(format!("were ended by {signal}: what they have set is lost"))
            }
        };
        Some(self.scripts_are_over(end))
    }

    /// The members' programs are found with what the scripts have set.
    fn scripts_are_over(&mut self, end: Preparation) -> Event {
        if let Preparation::Exited(_) = end {
            return Event::Prepared(end);
        }
        match prepare::prepare(&self.launch, &self.inherited) {
            Ok(prepared) => {
                self.take_over(prepared);
                Event::Prepared(end)
            }
            Err(failures) => Event::SpawnFailed(failures),
        }
    }
}

/// What the child has exported; `None` if it did not come to its end.
fn exported(file: &mut File) -> Option<BTreeMap<String, String>> {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.take(LARGEST).read_to_end(&mut bytes)).ok()?;
    let bytes = bytes.strip_suffix(b"\0")?;
    if !bytes.is_empty() && !bytes.ends_with(b"\0") {
        return None;
    }
    Some(variables(bytes.split(|byte| *byte == 0)))
}

/// Those variables that a shell can see: others go through it untouched.
fn variables<'a>(pairs: impl Iterator<Item = &'a [u8]>) -> BTreeMap<String, String> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    pairs
        .filter_map(|pair| std::str::from_utf8(pair).ok()?.split_once('='))
        .filter(|(name, _)| {
            !name.starts_with(|first: char| first.is_ascii_digit()) && name.chars().all(is_letter)
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What the scripts have changed.
fn changes(before: &BTreeMap<String, String>, after: BTreeMap<String, String>) -> Changes {
    let ours = |name: &String| !BASHS.contains(&name.as_str());
    let gone = before.keys().filter(|name| ours(name) && !after.contains_key(*name));
    let gone: Vec<String> = gone.cloned().collect();
    let set =
        after.into_iter().filter(|(name, value)| ours(name) && before.get(name) != Some(value));
    let set = set.map(|(name, value)| (name, Some(value)));
    set.chain(gone.into_iter().map(|name| (name, None))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_changed_is_a_change() {
        let map = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        let before = map(&[("A", "1"), ("B", "2"), ("GONE", "x"), ("PWD", "/")]);
        let after = map(&[("A", "1"), ("B", "3"), ("NEW", "a\nb"), ("PWD", "/app"), ("_", "x")]);
        let text = |value: &str| Some(value.to_owned());
        assert_eq!(
            changes(&before, after),
            [
                ("B".to_owned(), text("3")),
                ("NEW".to_owned(), text("a\nb")),
                ("GONE".to_owned(), None)
            ]
        );
    }

    #[test]
    fn what_no_shell_can_see_is_left_alone() {
        let pairs = [&b"A=1"[..], b"a.b=2", b"1C=3", b"D", b"E=\xff", b"F=x=y"];
        let names: Vec<String> = variables(pairs.into_iter()).into_keys().collect();
        assert_eq!(names, ["A", "F"]);
    }

    #[test]
    fn an_environment_that_was_not_finished_is_none() {
        for (bytes, whole) in [
            (&b"A=1\0\0"[..], true),
            (b"\0", true),
            (b"", false),
            (b"A=1\0", false),
            (b"A=1", false),
        ] {
            let mut file = memory::file().expect("a file in memory");
            std::io::Write::write_all(&mut file, bytes).expect("written");
            let found = exported(&mut file).is_some();
            assert_eq!(found, whole, "{bytes:?}");
        }
    }
}
