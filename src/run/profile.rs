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

use super::arrivals::hears_again;
use super::inherited::{Changes, Heir};
use super::perform::Shell;
use super::prepare;
use crate::core::{Event, MemberId, Pid, Preparation, Status};
use crate::spec::{CommandForm, Launch, Member, Signal};
use crate::sys::spawn::{Program, Stdin};
use crate::sys::{descriptors, memory};

/// Sources what there is, in the platform's order, then writes every exported variable. Standard input
/// is the file in memory until the script has it under a number that no script is likely to use.
///
/// For the names it needs neither IFS, which a script may have changed, nor a pipe or a file. Nothing that
/// a script has switched on for its shell may show or disturb what is written: it is all there is, also
/// what is secret. Where it cannot be written the shell ends itself by [`UNWRITTEN`].
const SCRIPT: &str = r#"
exec NUMBER>&0 </dev/null
for _fateshare_file in ../profile.d/*; do
  if [ -f "$_fateshare_file" ]; then . "$_fateshare_file"; fi
done
for _fateshare_file in .profile.d/*; do
  if [ -f "$_fateshare_file" ]; then . "$_fateshare_file"; fi
done
if [ -f .profile ]; then . ./.profile; fi
{ set +xv; } 2>/dev/null
builtin trap - DEBUG RETURN ERR EXIT USR1
set +aeu +o posix
_fateshare_names=$(builtin compgen -e)$'\n'
{
  while [[ $_fateshare_names == ?*$'\n'* ]]; do
    _fateshare_file=${_fateshare_names%%$'\n'*}
    builtin printf '%s=%s\0' "$_fateshare_file" "${!_fateshare_file}"
    _fateshare_names=${_fateshare_names#*$'\n'}
  done
  builtin printf '\0'
} 2>/dev/null >&NUMBER || builtin kill -USR1 $$
"#;

/// That number, where the limit on descriptors allows it.
const NUMBER: u64 = 213;

/// See [`SCRIPT`].
const UNWRITTEN: Signal = Signal::USR1;

/// What bash changes itself.
const BASHS: [&str; 4] = ["_", "SHLVL", "PWD", "OLDPWD"];

/// How the script's own variables begin, which `set -a` exports.
const OURS: &str = "_fateshare";

/// So much of an environment is read back: no program could be started with more.
const LARGEST: u64 = 16 << 20;

/// Variables by name, with their values' bytes.
type Variables = BTreeMap<String, Vec<u8>>;

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
    /// Under which number it has the file that it writes.
    number: u64,
    /// What it writes.
    exported: File,
    /// What it was started with.
    before: Variables,
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
fn child(launch: &Launch, app: &Path, number: u64) -> Member {
    let script = SCRIPT.replace("NUMBER", &number.to_string());
    let words = ["bash", "-c", &script, "profile"];
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
        let soft = self.around.limit.map(|(soft, _)| soft);
        let soft = soft.or_else(|| descriptors::limit().ok().map(|(soft, _)| soft));
        let number = soft.map_or(NUMBER, |soft| NUMBER.min(soft.saturating_sub(2)));
        let member = child(&self.launch, app, number);
        let prepared =
            prepare::prepare_one(&member, &self.inherited).map_err(|failure| failure.reason)?;
        let exported = memory::file().map_err(|error| format!("a file in memory: {error}"))?;
        let env: Vec<Vec<u8>> = self.inherited.with(Heir::Sidecar, &prepared.env).collect();
        let before = env.iter().filter_map(|pair| variable(pair)).collect();
        let program = Program::new(&prepared.file, &member.argv, env.into_iter(), Some(app));
        let mut program = program.ok_or("its environment holds a NUL byte")?;
        program.stdin = Stdin::Descriptor(exported.as_raw_fd());
        program.no_terminal = self.around.no_terminal;
        program.limit = self.around.limit;
        program.outputs = self
            .outputs
            .make_one_more(self.launch.members.len(), MemberId::MAIN, prepared.change.as_ref())
            .map_err(|failure| failure.reason)?;
        program.no_new_privs = member.no_new_privs;
        program.change = prepared.change;
        let started = self.spawner.spawn(&mut program).map_err(|(step, error)| {
            prepare::explain(&member, MemberId::MAIN, &prepared.file, step, &error).reason
        })?;
        let scripts = Scripts { pid: Some(started.pid), number, exported, before, status: None };
        Ok((scripts, started.deaf))
    }

    /// The child, while it is not reaped.
    pub(super) fn scripts_leader(&self) -> Option<Pid> {
        self.scripts.as_ref().and_then(|scripts| scripts.pid)
    }

    /// What to tell, once the child has ended.
    pub(super) fn scripts_ended(&mut self) -> Option<Event> {
        let mut scripts = self.scripts.take_if(|scripts| scripts.status.is_some())?;
        let lost =
            |why: &str| Preparation::Failed(format!("ran, but what they have set is lost: {why}"));
        let end = match (exported(&mut scripts.exported), scripts.status?) {
            // bash itself exports some: nothing at all means that it could not list them.
            (Exported::All(after), _) if after.is_empty() => lost("this bash has no `compgen`"),
            (Exported::All(after), _) => {
                self.set(&scripts.before, after);
                Preparation::Done
            }
            (Exported::Torn, _) => lost(&format!(
                "one has written to file descriptor {}, which is ours",
                scripts.number
            )),
            (Exported::Unfinished, Status::Exited(code)) => Preparation::Exited(code),
            (Exported::Unfinished, Status::Killed(UNWRITTEN)) => {
                lost(&format!("one has closed file descriptor {}, which is ours", scripts.number))
            }
            (Exported::Unfinished, Status::Killed(signal)) => {
                Preparation::Failed(format!("were ended by {signal}: what they have set is lost"))
            }
        };
        Some(self.scripts_are_over(end))
    }

    /// What the scripts have changed is every member's.
    fn set(&mut self, before: &Variables, after: Variables) {
        let (changes, no_text) = changes(before, after);
        for name in no_text {
            tracing::warn!(
                "a profile script has set {name} to what is not UTF-8: it stays as it was"
            );
        }
        self.warn_of_shares(before, &changes);
        for member in &mut self.launch.to_mut().members {
            member.env.extend(changes.iter().cloned());
        }
    }

    /// The scripts run once, with main's share of the memory; on the platform each member's own.
    fn warn_of_shares(&self, before: &Variables, changes: &Changes) {
        const LIMIT: &str = "MEMORY_LIMIT";
        let share = before.get(LIMIT).and_then(|share| str::from_utf8(share).ok());
        let Some(share) = share.filter(|share| !share.is_empty()) else { return };
        let others = self.launch.members.iter().skip(1);
        let differs =
            |member: &Member| self.inherited.seen_by(member, LIMIT).is_some_and(|it| it != share);
        if !others.into_iter().any(differs) {
            return;
        }
        let derived = changes
            .iter()
            .filter(|(_, value)| value.as_ref().is_some_and(|value| value.contains(share)));
        for (name, _) in derived {
            tracing::warn!(
                "a profile script has made {name} of MEMORY_LIMIT: sidecars get it too, though their \
                 share is another"
            );
        }
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

/// What the child has written.
#[derive(Debug, PartialEq)]
enum Exported {
    /// It did not come to its end.
    Unfinished,
    /// Somebody else has written into it.
    Torn,
    /// Every variable that a shell can see; none where it could not list them.
    All(Variables),
}

fn exported(file: &mut File) -> Exported {
    let mut bytes = Vec::new();
    let read = file.rewind().and_then(|()| file.take(LARGEST).read_to_end(&mut bytes));
    read.map_or(Exported::Unfinished, |_| exported_in(&bytes))
}

fn exported_in(bytes: &[u8]) -> Exported {
    let Some(bytes) = bytes.strip_suffix(b"\0") else { return Exported::Unfinished };
    let Some(bytes) = bytes.strip_suffix(b"\0") else {
        return if bytes.is_empty() {
            Exported::All(Variables::new())
        } else {
            Exported::Unfinished
        };
    };
    let variables: Option<Variables> = bytes.split(|byte| *byte == 0).map(variable).collect();
    variables.map_or(Exported::Torn, Exported::All)
}

/// What scripts whose child has written this have changed, and the names of what is no text; `None` if they
/// did not come to their end. Here for fuzzing.
#[doc(hidden)]
pub fn changed(before: &[u8], written: &[u8]) -> Option<(Changes, Vec<String>)> {
    let before = before.split(|byte| *byte == 0).filter_map(variable).collect();
    match exported_in(written) {
        Exported::All(after) => Some(changes(&before, after)),
        Exported::Unfinished | Exported::Torn => None,
    }
}

/// `NAME=value`, if a shell can see it: others go through it untouched.
fn variable(pair: &[u8]) -> Option<(String, Vec<u8>)> {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let end = pair.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (&pair[..end], &pair[end + 1..]);
    let seen = name.iter().all(is_letter) && name.first().is_some_and(|it| !it.is_ascii_digit());
    Some((String::from_utf8(name.to_vec()).ok().filter(|_| seen)?, value.to_vec()))
}

/// What the scripts have changed; and the names of what is no text, which stays as it was.
fn changes(before: &Variables, after: Variables) -> (Changes, Vec<String>) {
    let ours = |name: &str| !BASHS.contains(&name) && !name.starts_with(OURS);
    let gone = before.keys().filter(|name| ours(name) && !after.contains_key(*name));
    let mut changes: Changes = gone.map(|name| (name.clone(), None)).collect();
    let mut no_text = Vec::new();
    for (name, value) in after {
        if !ours(&name) || before.get(&name) == Some(&value) {
            continue;
        }
        match String::from_utf8(value) {
            Ok(value) => changes.push((name, Some(value))),
            Err(_) => no_text.push(name),
        }
    }
    (changes, no_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &[u8])]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect()
    }

    #[test]
    fn only_what_was_changed_is_a_change() {
        let before =
            map(&[("A", b"1"), ("B", b"2"), ("GONE", b"x"), ("PWD", b"/"), ("C", b"\xff")]);
        let after = map(&[
            ("A", b"1"),
            ("B", b"3"),
            ("NEW", b"a\nb"),
            ("PWD", b"/app"),
            ("_", b"x"),
            ("_fateshare", b"x"),
            ("C", b"\xff"),
            ("D", b"\xfe"),
        ]);
        let (changes, no_text) = changes(&before, after);
        let text = |value: &str| Some(value.to_owned());
        assert_eq!(
            changes,
            [
                ("GONE".to_owned(), None),
                ("B".to_owned(), text("3")),
                ("NEW".to_owned(), text("a\nb"))
            ]
        );
        assert_eq!(no_text, ["D"]);
    }

    #[test]
    fn what_no_shell_can_see_is_left_alone() {
        for pair in [&b"a.b=2"[..], b"1C=3", b"D", b"=x", b"DBG\nA=1", b""] {
            assert_eq!(variable(pair), None, "{pair:?}");
        }
        assert_eq!(variable(b"F=x=y"), Some(("F".to_owned(), b"x=y".to_vec())));
    }

    #[test]
    fn what_is_not_whole_is_not_taken() {
        let all = |pairs: &[(&str, &[u8])]| Exported::All(map(pairs));
        for (bytes, expected) in [
            (&b"A=1\0B=\xff\0\0"[..], all(&[("A", b"1"), ("B", b"\xff")])),
            (b"\0", all(&[])),
            (b"", Exported::Unfinished),
            (b"A=1\0", Exported::Unfinished),
            (b"A=1", Exported::Unfinished),
            (b"log\nA=1\0\0", Exported::Torn),
        ] {
            let mut file = memory::file().expect("a file in memory");
            std::io::Write::write_all(&mut file, bytes).expect("written");
            assert_eq!(exported(&mut file), expected, "{bytes:?}");
        }
    }
}
