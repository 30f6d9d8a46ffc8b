//! `fateshare check`: what would run, as text. Pure: what this machine lacks is found by `run`.

use std::fmt::Write as _;
use std::path::Path;

use crate::core::{SpawnFailure, profile_scripts, span};
use crate::spec::{
    CommandForm, DEFAULT_STOP_ON, ExitCodes, Launch, MayFinish, Member, Reading, Signal, StopOrder,
    StopTo, bytes_as_size, on_one_line,
};

/// A column is no wider than this: one very long command must not push all others away.
const WIDEST: usize = 60;

/// What is known besides the spec.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// What this machine lacks.
    pub lacks: &'a [SpawnFailure],
    /// The directory of an app that has profile scripts.
    pub scripts: Option<&'a Path>,
}

/// What would run: a line for each member, what happens when one ends, what is odd about the spec,
/// and what this machine lacks. Ends with a newline.
pub fn show(reading: &Reading, found: &Found<'_>) -> String {
    let Found { lacks, scripts } = *found;
    let Reading { launch, warnings } = reading;
    let mut text = format!("{}: ok", launch.source);
    match warnings.len() + lacks.len() {
        0 => {}
        1 => text.push_str(", 1 warning"),
        more => {
            let _ = write!(text, ", {more} warnings");
        }
    }
    text.push('\n');
    if let Some(app) = scripts {
        text.push_str(&profile_scripts(app));
        text.push('\n');
    }
    let shared = shared_directory(launch);
    if let Some(dir) = shared {
        let _ = writeln!(text, "in {}", on_one_line(&dir.to_string_lossy()));
    }
    let main = &launch.members[0];
    let common = Common { main, whole: whole_memory(launch), dir: shared };
    let rows: Vec<[String; 5]> = launch.members.iter().map(|member| common.row(member)).collect();
    text.push_str(&table(&rows));
    text.push_str(&fate(launch));
    for warning in warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    for lack in lacks {
        let name = launch.members.get(lack.member.index()).map_or("?", |it| it.name.as_str());
        let _ = writeln!(text, "warning: {name}: on this machine: {}", on_one_line(&lack.reason));
        if let Some(hint) = &lack.hint {
            let _ = writeln!(text, "  {}", on_one_line(hint));
        }
    }
    text
}

/// What every member's row depends on.
struct Common<'a> {
    main: &'a Member,
    /// Behind main's memory.
    whole: String,
    /// Where all run, which is said already.
    dir: Option<&'a Path>,
}

impl Common<'_> {
    /// Name, command, health check, memory, and what else is special.
    fn row(&self, member: &Member) -> [String; 5] {
        let mut notes = Vec::new();
        if member.form == CommandForm::Shell {
            notes.push("runs under a shell".to_owned());
        }
        match (member.form, member.stop_to) {
            (CommandForm::Shell, StopTo::Process) => {
                notes.push("only the shell is told to stop".to_owned());
            }
            (CommandForm::List | CommandForm::Exec, StopTo::Group) => {
                notes.push("its process group is told to stop".to_owned());
            }
            (CommandForm::Shell, StopTo::Group)
            | (CommandForm::List | CommandForm::Exec, StopTo::Process) => {}
        }
        if member.stop == StopOrder::AfterMain {
            notes.push(format!("stops after {}", self.main.name));
        }
        if member.may_finish == MayFinish::WithZero {
            notes.push("may finish with 0".to_owned());
        }
        if let Some(user) = &member.user {
            notes.push(format!("as {user}"));
        }
        if let Some(dir) = member.working_dir.as_deref().filter(|dir| Some(*dir) != self.dir) {
            notes.push(format!("in {}", on_one_line(&dir.to_string_lossy())));
        }
        let memory = member.memory.map(bytes_as_size).unwrap_or_default();
        let memory = if std::ptr::eq(member, self.main) { memory + &self.whole } else { memory };
        [member.name.clone(), command(member), checks(member), memory, notes.join(", ")]
    }
}

/// Where a platform's members run, all of them: said once.
fn shared_directory(launch: &Launch) -> Option<&Path> {
    launch.platform.as_ref()?;
    let dir = launch.members[0].working_dir.as_deref()?;
    let same = |member: &Member| member.working_dir.as_deref() == Some(dir);
    launch.members.iter().all(same).then_some(dir)
}

/// What main's memory is a share of, where a platform's sidecars take theirs out of it.
fn whole_memory(launch: &Launch) -> String {
    let sidecars = launch.members.iter().skip(1).filter_map(|member| member.memory);
    let sidecars = sidecars.fold(0, u64::saturating_add);
    match launch.members[0].memory {
        Some(own) if launch.platform.is_some() && sidecars > 0 => {
            format!(" of {}", bytes_as_size(own.saturating_add(sidecars)))
        }
        _ => String::new(),
    }
}

/// How it is found out whether it is healthy, and ready.
fn checks(member: &Member) -> String {
    let mut text = match &member.health_check {
        None => "pid".to_owned(),
        Some(check) => format!(
            "{check}, {} to start, then every {}",
            span(check.start_timeout),
            span(check.interval)
        ),
    };
    if let Some(check) = &member.readiness_check {
        let _ = write!(text, "; ready: {check}, every {}", span(check.interval));
    }
    text
}

/// The command as it was written, and who executes it.
fn command(member: &Member) -> String {
    let command = member.shown_command();
    member.shell_name().map_or(command.clone(), |shell| format!("{shell}: {command}"))
}

/// Columns side by side; those in which nothing stands are left out.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.filter(|width| *width <= WIDEST).max().unwrap_or(0)
    };
    let used: Vec<usize> =
        (0..N).filter(|it| rows.iter().any(|row| !row[*it].is_empty())).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for column in &used {
            let _ = write!(line, "{:<width$}  ", row[*column], width = width(*column));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// What happens when a member ends.
fn fate(launch: &Launch) -> String {
    let who = match launch.members.as_slice() {
        [one] => format!("if {} ends: what it leaves stops", one.name),
        members => {
            let finishing = members.iter().filter(|it| it.may_finish == MayFinish::WithZero);
            let but: Vec<String> = finishing.map(|it| format!("{} with 0", it.name)).collect();
            let but =
                if but.is_empty() { String::new() } else { format!(" but {}", but.join(", ")) };
            format!("if any member ends{but}: all stop")
        }
    };
    let grace = span(launch.grace_period);
    let mut text = format!(
        "{who} ({}), SIGKILL after {grace}, exit = {}\n",
        stop_signals(launch),
        exit(launch)
    );
    if launch.stop_on != DEFAULT_STOP_ON {
        let names: Vec<String> = launch.stop_on.iter().map(Signal::to_string).collect();
        let _ = writeln!(text, "stop requests: {}", names.join(", "));
    }
    text
}

/// `SIGTERM`, or who gets another one.
fn stop_signals(launch: &Launch) -> String {
    let own = launch.members.iter().filter_map(|member| Some((member, member.stop_signal?)));
    let own = own.filter(|(_, signal)| *signal != Signal::TERM);
    let own: Vec<String> =
        own.map(|(member, signal)| format!("{} {signal}", member.name)).collect();
    if own.is_empty() { Signal::TERM.to_string() } else { format!("SIGTERM; {}", own.join(", ")) }
}

/// Whose code it is, and what becomes of zeros.
fn exit(launch: &Launch) -> String {
    let ExitCodes { main_success, sidecar_success, stopped, .. } = launch.exit_codes;
    let alone = launch.members.len() == 1;
    let first = if alone { "its own" } else { "the first to end" };
    let mut zeros = Vec::new();
    if !alone && main_success == sidecar_success && main_success != 0 {
        zeros.push(format!("0 → {main_success}"));
    } else {
        if main_success != 0 {
            zeros.push(format!("{}'s 0 → {main_success}", launch.members[0].name));
        }
        let finishes = |member: &&Member| member.may_finish == MayFinish::WithZero;
        let finishing = launch.members.iter().filter(finishes).count();
        if finishing + 1 < launch.members.len() && sidecar_success != 0 {
            let whose = if finishing > 0 { "another sidecar's" } else { "a sidecar's" };
            zeros.push(format!("{whose} 0 → {sidecar_success}"));
        }
    }
    if let Some(code) = stopped {
        zeros.push(format!("a clean stop → {code}"));
    }
    if zeros.is_empty() { first.to_owned() } else { format!("{first} ({})", zeros.join(", ")) }
}
