//! The small readers: durations, sizes, signals, users, names, string commands, and the command line.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use clap::Parser;
use fateshare::cli::{Cli, Command};
use fateshare::core::{span, timestamp};
use fateshare::drill::quoted;
use fateshare::load::overlay;
use fateshare::spec::{
    self, CommandForm, Overlay, Signal, UserName, bytes_as_size, from_command_line, is_endpoint,
    name_flaw, nearest, on_one_line, parse_duration, parse_id, parse_size, shown, split_sidecar,
};

use super::judge;

pub(super) fn words(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let is_quantity = quantities(&text);
    let is_name = names(&text);
    command(&text);
    for short in [shown(&text), on_one_line(&text)] {
        judge::is_one_line("a text", &short);
    }
    assert!(shown(&text).chars().count() <= 61);
    is_quantity || is_name
}

fn quantities(text: &str) -> bool {
    let duration = parse_duration(text);
    match &duration {
        Ok(duration) => {
            // Whole seconds may be more than any number of nanoseconds.
            if u64::try_from(duration.as_nanos()).is_ok() {
                let exact = format!("{}.{:09}s", duration.as_secs(), duration.subsec_nanos());
                assert_eq!(parse_duration(&exact), Ok(*duration), "{text:?}");
            }
            judge::is_one_line("a span", &span(*duration));
            let _ = timestamp(*duration);
        }
        Err(why) => fits_behind_a_name(why),
    }
    let size = parse_size(text);
    match &size {
        Ok(bytes) => assert_eq!(parse_size(&bytes_as_size(*bytes)), Ok(*bytes), "{text:?}"),
        Err(why) => fits_behind_a_name(why),
    }
    let id = parse_id(text);
    if let Some(id) = id {
        assert_eq!(text.trim_start_matches('0').parse().ok().or(Some(0)), Some(id), "{text:?}");
        assert!(id <= spec::LARGEST_ID);
    }
    let signal = Signal::from_name(text);
    if let Some(signal) = signal {
        assert_eq!(Signal::from_number(signal.number()), Some(signal));
        assert_eq!(Signal::from_name(&signal.number().to_string()), Some(signal), "{text:?}");
    }
    duration.is_ok() || size.is_ok() || id.is_some() || signal.is_some()
}

fn fits_behind_a_name(why: &str) {
    judge::is_one_line("a flaw", why);
    assert!(!why.is_empty() && why.len() <= 500, "{why}");
}

fn names(text: &str) -> bool {
    let user = UserName::parse(text);
    match &user {
        Ok(user) => {
            assert_eq!(user.to_string(), text);
            assert_eq!(UserName::parse(text).as_ref(), Ok(user));
        }
        Err(flaw) => {
            fits_behind_a_name(&flaw.message);
            fits_behind_a_name(&flaw.hint);
        }
    }
    match split_sidecar(text) {
        Ok((name, command)) => {
            assert_eq!(format!("{name}={command}"), text);
            assert_eq!(name_flaw(&name), None);
        }
        Err(why) => fits_behind_a_name(&why),
    }
    match name_flaw(text) {
        None => assert_eq!(on_one_line(text).contains('\u{fffd}'), has_turns(text)),
        Some(why) => fits_behind_a_name(&why),
    }
    if is_endpoint(text) {
        assert!(text.starts_with('/') && text.is_ascii() && !text.contains([' ', '#', '"']));
    }
    let (_, keys) = spec::KEYS[text.len() % spec::KEYS.len()];
    assert!(nearest(text, keys).is_none_or(|near| keys.contains(&near)));
    user.is_ok()
}

/// Whether a letter of it would turn the text, or stands for one that was none.
fn has_turns(text: &str) -> bool {
    let turns =
        |it: char| matches!(u32::from(it), 0x200e | 0x200f | 0x2028..=0x202e | 0x2066..=0x2069);
    text.trim_end().chars().any(|it| turns(it) || it == '\u{fffd}')
}

/// A string command is run as it is written, or is one simple command behind `exec`.
fn command(text: &str) {
    if text.trim().is_empty() || text.contains('\0') {
        return;
    }
    let overlay = Overlay {
        command: Some(vec!["main-command".into()]),
        sidecars: vec![("s".to_owned(), text.to_owned())],
        grace_period: Some(Duration::from_secs(1)),
    };
    let launch = from_command_line(&overlay).unwrap_or_else(|problems| panic!("{problems}"));
    let sidecar = &launch.members[1];
    let script = sidecar.argv[2].to_str().expect("it was UTF-8");
    match sidecar.form {
        CommandForm::Shell => assert_eq!(script, text),
        CommandForm::Exec => {
            let simple = script.strip_prefix("exec ").expect("an exec");
            assert!(text.contains(simple), "{script:?} of {text:?}");
            assert!(is_one_command(simple), "{simple:?} of {text:?}");
        }
        CommandForm::List => panic!("a string is no list: {text:?}"),
    }
    judge::is_one_line("a command", &sidecar.shown_command());
    judge::is_harmless("a quoted word", &on_one_line(&quoted(text)));
}

/// Whether a shell would find the end of one command only at the end: a reader of its quotes by another hand.
fn is_one_command(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'\'' => match text[at + 1..].find('\'') {
                Some(end) => at += end + 1,
                None => return false,
            },
            b'"' => loop {
                at += 1;
                match bytes.get(at) {
                    None => return false,
                    Some(b'"') => break,
                    Some(b'\\') => at += 1,
                    Some(_) => {}
                }
            },
            b'#' if at > 0 && matches!(bytes[at - 1], b' ' | b'\t') => {
                return !text[at..].contains('\n');
            }
            b'&' if at > 0 && matches!(bytes[at - 1], b'<' | b'>') => {}
            b';' | b'&' | b'|' | b'(' | b')' | b'\n' | b'`' => return false,
            _ => {}
        }
        at += 1;
    }
    true
}

/// The words of a command line, with a newline between two.
pub(super) fn arguments(data: &[u8]) -> bool {
    let words = data.split(|byte| *byte == b'\n').map(OsStr::from_bytes);
    let parsed = Cli::try_parse_from([OsStr::new("fateshare")].into_iter().chain(words));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    let target = match &cli.command {
        Command::Run(args) => &args.target,
        Command::Check(args) => &args.target,
        Command::Drill(args) => &args.target,
        _ => return true,
    };
    match overlay(target) {
        Ok(overlay) => {
            if let Err(problems) = from_command_line(&overlay) {
                judge::problems(&[], &problems);
            }
            true
        }
        Err(why) => {
            judge::is_one_line("a usage error", &format!("{why:#}"));
            false
        }
    }
}
