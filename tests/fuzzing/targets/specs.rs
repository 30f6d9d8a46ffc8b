//! Launch specs: what is accepted can be written down and read again, what is refused has its place, and
//! no value of `env` is ever shown.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use fateshare::check::{self, Found};
use fateshare::spec::{
    self, CheckKind, CommandForm, HealthCheck, LARGEST, Launch, MayFinish, Member, Overlay,
    Platform, Problems, Reading, SpecFile, StopOrder, StopTo, bytes_as_size,
};

use super::judge;

const SHOWN: &str = "./spec.yml";

pub(super) fn spec(data: &[u8]) -> bool {
    let is_good = match read(data) {
        Ok(reading) => {
            for warning in &reading.warnings {
                judge::is_harmless("a warning", &warning.to_string());
            }
            let found = Found { lacks: &[], scripts: None };
            judge::is_harmless("check", &check::show(&reading, &found));
            is_written_and_read(&reading.launch);
            true
        }
        Err(problems) => {
            judge::problems(&[(SHOWN, data)], &problems);
            false
        }
    };
    if let Ok(text) = std::str::from_utf8(data) {
        keeps_secrets(text);
    }
    is_good
}

pub(super) fn read(text: &[u8]) -> Result<Reading, Problems> {
    let file = SpecFile { shown: SHOWN.to_owned(), folder: PathBuf::from("/app") };
    spec::read(text, &file, &Overlay::default())
}

/// The same text with a secret in an `env` at its beginning or end, in one of the ways to write that.
fn keeps_secrets(text: &str) {
    let secret = judge::SECRET;
    let document = match text.len() % 6 {
        0 => format!("{text}\nenv:\n  KEY: {secret}\n"),
        1 => format!("env:\n  KEY: {secret}\n{text}"),
        2 => format!("env: {{A: \"{secret}\", B: '{secret}'}}\n{text}"),
        3 => format!("main:\n  env:\n    KEY: {secret}\n  {text}"),
        4 => format!("env:\n- KEY={secret}\n{text}"),
        _ => format!("{text}\nsidecars:\n- name: x\n  env: {{KEY: |\n    {secret}}}\n"),
    };
    match read(document.as_bytes()) {
        Err(problems) => judge::problems(&[(SHOWN, document.as_bytes())], &problems),
        Ok(reading) => {
            for warning in &reading.warnings {
                judge::keeps_secrets("a warning", &warning.to_string());
            }
            let found = Found { lacks: &[], scripts: None };
            judge::keeps_secrets("check", &check::show(&reading, &found));
        }
    }
}

/// Everything that a group knows can be said in a spec, and means the same there.
pub(super) fn is_written_and_read(launch: &Launch) {
    is_sound(launch);
    let text = written(launch);
    if text.len() > LARGEST {
        return;
    }
    let mut expected = launch.clone();
    for member in &mut expected.members {
        member.form = CommandForm::List;
    }
    let again = read(text.as_bytes()).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    expected.source.clone_from(&again.launch.source);
    assert_eq!(again.launch, expected, "{text}");
}

/// What the types promise.
fn is_sound(launch: &Launch) {
    assert!(!launch.members.is_empty() && !launch.shell.is_empty(), "{launch:?}");
    assert!(launch.grace_period > Duration::ZERO, "{launch:?}");
    assert!(launch.grace_period <= spec::LONGEST_GRACE, "{launch:?}");
    assert!(!launch.stop_on.is_empty(), "{launch:?}");
    assert!(launch.profile.as_deref().is_none_or(std::path::Path::is_absolute), "{launch:?}");
    for (at, member) in launch.members.iter().enumerate() {
        assert_eq!(spec::name_flaw(&member.name), None);
        assert!(launch.members[..at].iter().all(|it| it.name != member.name), "{launch:?}");
        assert!(member.argv.first().is_some_and(|it| !it.is_empty()), "{member:?}");
        assert!(member.working_dir.as_deref().is_none_or(std::path::Path::is_absolute));
        assert!(at == 0 || member.health_check.is_none() && member.readiness_check.is_none());
        judge::is_one_line("a command", &member.shown_command());
        for (name, value) in &member.env {
            assert!(!name.is_empty() && !name.contains(['=', '\0']), "{name:?}");
            assert!(value.as_ref().is_none_or(|value| !value.contains('\0')), "{name:?}");
        }
    }
}

/// The group as a spec, written by a hand that is not the program's.
fn written(launch: &Launch) -> String {
    let mut text = String::from("{");
    for (at, member) in launch.members.iter().enumerate() {
        text.push_str(match at {
            0 => "main: ",
            1 => ",\nsidecars: [",
            _ => ",\n  ",
        });
        text.push_str(&one(member, at == 0));
    }
    text.push_str(if launch.members.len() > 1 { "]" } else { "" });
    let _ = write!(text, ",\ngrace_period: {}", time(launch.grace_period));
    let numbers: Vec<String> = launch.stop_on.iter().map(|it| it.number().to_string()).collect();
    let _ = write!(text, ",\nstop_on: [{}]", numbers.join(", "));
    let codes = launch.exit_codes;
    let _ = write!(
        text,
        ",\nexit_codes: {{main_success: {}, sidecar_success: {}, unhealthy: {}",
        codes.main_success, codes.sidecar_success, codes.unhealthy
    );
    if let Some(stopped) = codes.stopped {
        let _ = write!(text, ", stopped: {stopped}");
    }
    let shell: Vec<String> = launch.shell.iter().map(|word| quoted(word)).collect();
    let _ = write!(text, "}},\nshell: [{}]", shell.join(", "));
    if let Some(Platform::CloudFoundry { application }) = &launch.platform {
        text.push_str(",\nplatform: cloudfoundry");
        if let Some(name) = application {
            let _ = write!(text, ",\napplication: {}", quoted(name));
        }
    }
    if let Some(profile) = &launch.profile {
        let _ = write!(text, ",\nprofile: {}", quoted(&profile.to_string_lossy()));
    }
    text.push_str("}\n");
    text
}

fn one(member: &Member, is_main: bool) -> String {
    let words: Vec<String> =
        member.argv.iter().map(|word| quoted(word.to_str().expect("it was UTF-8"))).collect();
    let mut text = format!("{{name: {}, command: [{}]", quoted(&member.name), words.join(", "));
    if let Some(dir) = &member.working_dir {
        let _ = write!(text, ", working_dir: {}", quoted(&dir.to_string_lossy()));
    }
    let env: Vec<String> = member
        .env
        .iter()
        .map(|(name, value)| {
            let value = value.as_ref().map_or("null".to_owned(), |value| quoted(value));
            format!("{}: {value}", quoted(name))
        })
        .collect();
    let _ = write!(text, ", env: {{{}}}", env.join(", "));
    if let Some(user) = &member.user {
        let _ = write!(text, ", user: {}", quoted(&user.to_string()));
    }
    if let Some(signal) = member.stop_signal {
        let _ = write!(text, ", stop_signal: {}", signal.number());
    }
    let to = if member.stop_to == StopTo::Process { "process" } else { "group" };
    let _ = write!(text, ", stop_to: {to}, no_new_privs: {}", member.no_new_privs);
    if let Some(memory) = member.memory {
        let _ = write!(text, ", memory: {}", bytes_as_size(memory));
    }
    if let Some(score) = member.oom_score_adj {
        let _ = write!(text, ", oom_score_adj: {score}");
    }
    if !is_main {
        let stop = if member.stop == StopOrder::AtOnce { "at_once" } else { "after_main" };
        let may_finish = member.may_finish == MayFinish::WithZero;
        let _ = write!(text, ", stop: {stop}, may_finish: {may_finish}");
    }
    if let Some(check) = &member.health_check {
        let start = time(check.start_timeout);
        let _ = write!(text, ", health_check: {{{}, start_timeout: {start}}}", asked(check));
    }
    if let Some(check) = &member.readiness_check {
        let _ = write!(text, ", readiness_check: {{{}}}", asked(check));
    }
    text.push('}');
    text
}

fn asked(check: &HealthCheck) -> String {
    let mut text = match &check.kind {
        CheckKind::Port => "type: port".to_owned(),
        CheckKind::Http(path) => format!("type: http, endpoint: {}", quoted(path)),
    };
    if let Some(port) = check.port {
        let _ = write!(text, ", port: {port}");
    }
    if let Some(host) = check.host {
        let _ = write!(text, ", host: {}", quoted(&host.to_string()));
    }
    let (interval, timeout) = (time(check.interval), time(check.timeout));
    let _ = write!(text, ", interval: {interval}, timeout: {timeout}");
    text
}

fn time(time: Duration) -> String {
    format!("{}.{:09}s", time.as_secs(), time.subsec_nanos())
}

/// In double quotes, with everything escaped that is not plain.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        let code = u32::from(letter);
        if letter.is_ascii_alphanumeric() || " /_.,:;=+-$(){}[]<>|&#!?*%@~^'`".contains(letter) {
            quoted.push(letter);
        } else if code > 0xffff {
            let _ = write!(quoted, "\\U{code:08x}");
        } else {
            let _ = write!(quoted, "\\u{code:04x}");
        }
    }
    quoted.push('"');
    quoted
}
