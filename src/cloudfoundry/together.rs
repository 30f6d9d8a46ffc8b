//! An app's process, its sidecars and what staging has left, put together by the platform's precedence.

use std::path::{Component, PathBuf};

use super::droplet::{Droplet, Found, Staged};
use super::manifest::App;
use super::process::{Process, WEB};
use super::render::{Command, Member, Resolved};
use super::report::Report;
use super::{Inputs, Written};
use crate::spec::{Place, Problem, SpecFile, name_flaw, nearest, shown};

/// What is put together.
pub(super) struct Together<'a> {
    pub(super) inputs: &'a Inputs,
    pub(super) droplet: &'a Droplet,
    pub(super) app: Option<&'a App>,
    /// File and line of a place in the manifest.
    pub(super) origin: &'a dyn Fn(&Place) -> String,
    /// What was written at a place where a variable had a hand in it.
    pub(super) written: &'a dyn Fn(&Place) -> Option<String>,
}

impl Together<'_> {
    /// The launch spec; `None` if something is wrong, which is told.
    pub(super) fn assemble(
        &self,
        file: &SpecFile,
        report: &mut Report,
        found: &mut Found,
    ) -> Option<(String, Written)> {
        let kind = self.inputs.process.as_deref().unwrap_or(WEB);
        if let Some(app) = self.app {
            report.about(format!("For application '{}': ", shown(&app.name)));
        }
        let processes = self.app.map(|app| app.processes.as_slice()).unwrap_or_default();
        let process = processes.iter().find(|process| process.kind == kind);
        let process = process.cloned().unwrap_or_else(|| Process::usual(kind));
        let (command, command_from) = match self.command(&process) {
            Some((command, from)) => (Some(self.with_prefix(command)), from),
            None if self.inputs.command_given => (None, "the command line".to_owned()),
            None => {
                self.no_command(kind, processes, file, report, found);
                return None;
            }
        };
        let place = process.command.as_ref().map(|(_, place)| place);
        let place = place.filter(|_| !self.inputs.command_given);
        let mut members = vec![Member {
            origin: format!("command from {command_from}"),
            name: kind.to_owned(),
            command,
            written: place.and_then(|place| (self.written)(place)),
            memory: None,
        }];
        let is_known = processes.iter().any(|it| it.kind == kind);
        if let Some(flaw) = name_flaw(kind).filter(|_| !is_known) {
            found.problems.push(Problem::new("--process", flaw).into());
        }
        self.look_at_types(processes, report);
        self.add_sidecars(kind, &mut members, report, found);
        let used = members.iter().filter_map(|member| member.memory).fold(0, u64::saturating_add);
        let Some(left) = process.memory.checked_sub(used).filter(|left| *left > 0) else {
            // Those of the manifest alone were looked at before.
            let takes = |types: &[String], memory: Option<u64>| {
                memory.is_some() && types.iter().any(|it| it == kind)
            };
            let own = self.app.map(|app| app.sidecars.as_slice()).unwrap_or_default();
            let staged = self.droplet.sidecars.iter().find(|it| takes(&it.types, it.memory));
            let own = own.iter().rfind(|it| takes(&it.types, it.memory));
            if let Some(sidecar) = own.filter(|_| processes.iter().all(|it| it.kind != kind)) {
                let (message, hint) = process.too_small(used);
                report.advise(&sidecar.memory_at, message, hint);
            } else if let Some(sidecar) = staged {
                let (message, hint) = process.too_small(used);
                found.problems.push(Problem::new(&*sidecar.origin, message).with_hint(hint).into());
            }
            return None;
        };
        members[0].memory = Some(left);
        let of = match &process.memory_at {
            Some(place) => format!("{}M in {}", process.memory, (self.origin)(place)),
            None => format!("{}M by default", process.memory),
        };
        let less = if used > 0 { ", less its sidecars'" } else { "" };
        members[0].origin = format!("{}; memory: {of}{less}", members[0].origin);
        let folder = self.folder(file, report);
        if folder.to_str().is_none() {
            let message =
                "the app's directory has a name that is not UTF-8, which no launch spec can hold";
            found.problems.push(Problem::new(&*file.shown, message).into());
        }
        let endpoint = |place: Option<&Place>| place.and_then(|place| (self.written)(place));
        let written = Written {
            commands: members.iter().map(|member| member.written.clone()).collect(),
            endpoints: [&process.health, &process.readiness]
                .map(|check| endpoint(check.endpoint_at.as_ref())),
        };
        let application = self.app.map(|app| app.name.as_str());
        let resolved = Resolved {
            title: format!(
                "resolved from {}: {}process {}",
                shown(&file.shown),
                application.map(|app| format!("app {}, ", shown(app))).unwrap_or_default(),
                shown(kind)
            ),
            application,
            folder: &folder,
            deps_dir: self.inputs.deps_dir.as_ref(),
            env: self.app.map(|app| app.env.as_slice()).unwrap_or_default(),
            process: &process,
            members,
        };
        Some((resolved.render(), written))
    }

    /// The command of the main process, and where it is from: the manifest's, else what staging has
    /// for this type, else the start command that it has for `web`.
    fn command(&self, process: &Process) -> Option<(String, String)> {
        if let Some((command, place)) = &process.command {
            return Some((command.clone(), (self.origin)(place)));
        }
        let runnable = |it: &&Staged| it.kind == process.kind && !it.command.trim().is_empty();
        if let Some(staged) = self.droplet.processes.iter().find(runnable) {
            return Some((staged.command.clone(), staged.origin.clone()));
        }
        self.droplet.start_command.clone().filter(|_| process.kind == WEB)
    }

    fn no_command(
        &self,
        kind: &str,
        processes: &[Process],
        file: &SpecFile,
        report: &mut Report,
        found: &mut Found,
    ) {
        // What could not be read may have had it.
        if !found.problems.is_empty() {
            return;
        }
        let message = format!(
            "Process \"{}\": no start command specified or detected in droplet",
            shown(kind)
        );
        let with_command = processes.iter().filter(|it| it.command.is_some()).map(|it| &it.kind);
        let staged = self.droplet.processes.iter().filter(|it| !it.command.trim().is_empty());
        let staged = staged.map(|it| &it.kind);
        let mut known: Vec<&str> = with_command.chain(staged).map(String::as_str).collect();
        known.dedup();
        let hint = if known.is_empty() {
            "give it a `command`, or what staging has left: --procfile, --launch-yml, --deps-dir or \
             --staging"
                .to_owned()
        } else {
            let known: Vec<String> = known.iter().map(|kind| shown(kind)).collect();
            format!("choose another one with --process: {}", known.join(", "))
        };
        match self.app {
            Some(app) => report.advise(&app.place, message, hint),
            None => found.problems.push(Problem::new(&*file.shown, message).with_hint(hint).into()),
        }
    }

    /// The launcher puts the droplet's prefix before every command.
    fn with_prefix(&self, command: String) -> Command {
        if self.droplet.prefix.is_empty() {
            return Command::Text(command);
        }
        let mut words = self.droplet.prefix.clone();
        words.push(command);
        Command::List(words)
    }

    /// The user's sidecars of this type, then the buildpacks'.
    fn add_sidecars(
        &self,
        kind: &str,
        members: &mut Vec<Member>,
        report: &mut Report,
        found: &mut Found,
    ) {
        let own = self.app.map(|app| app.sidecars.as_slice()).unwrap_or_default();
        for sidecar in own {
            let clashes = self.droplet.sidecars.iter().any(|it| it.name == sidecar.name);
            if clashes {
                let name = shown(&sidecar.name);
                let message = format!(
                    "Buildpack defined sidecar '{name}' conflicts with an existing user-defined sidecar. \
                     Consider renaming '{name}'."
                );
                report.problem(&sidecar.name_at, message);
            }
            if !sidecar.types.iter().any(|it| it == kind) {
                continue;
            }
            if sidecar.name == kind {
                let message = format!("Sidecar \"{}\": the process has this name too", shown(kind));
                report.advise(&sidecar.name_at, message, "rename it: a group's names are unique");
            }
            members.push(Member {
                origin: format!("sidecar from {}", (self.origin)(&sidecar.command_at)),
                name: sidecar.name.clone(),
                command: Some(self.with_prefix(sidecar.command.clone())),
                written: (self.written)(&sidecar.command_at),
                memory: sidecar.memory,
            });
        }
        for sidecar in &self.droplet.sidecars {
            if !sidecar.types.iter().any(|it| it == kind) {
                continue;
            }
            let name = shown(&sidecar.name);
            let flaw = if sidecar.name == kind {
                Some(format!("the process is called `{name}` too"))
            } else if sidecar.command.trim().is_empty() {
                Some(format!("the sidecar `{name}` has no command"))
            } else {
                name_flaw(&sidecar.name).map(|flaw| format!("the sidecar `{name}`: {flaw}"))
            };
            if let Some(flaw) = flaw {
                found.problems.push(Problem::new(&*sidecar.origin, flaw).into());
            }
            members.push(Member {
                origin: format!("sidecar from {}", sidecar.origin),
                name: sidecar.name.clone(),
                command: Some(self.with_prefix(sidecar.command.clone())),
                written: None,
                memory: sidecar.memory,
            });
        }
    }

    /// Types need not exist; one that is nearly another's name is a slip.
    fn look_at_types(&self, processes: &[Process], report: &mut Report) {
        let staged = self.droplet.processes.iter().map(|it| it.kind.as_str());
        let known = processes.iter().map(|it| it.kind.as_str()).chain(staged).chain([WEB]);
        let known: Vec<&str> = known.collect();
        for sidecar in self.app.map(|app| app.sidecars.as_slice()).unwrap_or_default() {
            for kind in sidecar.types.iter().filter(|kind| !known.contains(&kind.as_str())) {
                if let Some(near) = nearest(kind, &known) {
                    let message = format!("there is no process of type `{}`", shown(kind));
                    let hint = format!("did you mean `{near}`?");
                    report.dropped(&sidecar.types_at, message, hint);
                }
            }
        }
    }

    /// The app's directory: the manifest's `path`, else where the manifest is.
    fn folder(&self, file: &SpecFile, report: &mut Report) -> PathBuf {
        let Some((path, place)) = self.app.and_then(|app| app.path.as_ref()) else {
            return file.folder.clone();
        };
        let is_archive =
            [".jar", ".war", ".zip"].iter().any(|end| path.to_ascii_lowercase().ends_with(end));
        if is_archive {
            let message = "`path` is an archive, which is not unpacked here";
            let hint = format!("members run in {}", file.folder.display());
            report.warn(place, message, hint);
            return file.folder.clone();
        }
        let joined = file.folder.join(path);
        joined.components().filter(|part| *part != Component::CurDir).collect()
    }
}
