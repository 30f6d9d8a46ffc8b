//! What members write, relayed: labels and JSON, readers of all sorts, terminals of their own.

mod cloud_foundry;
mod drops;
mod faults;
mod lines;
mod own_terminals;
mod readers;

use crate::support::{Ended, Group, Mode};

/// A group whose output is relayed in this format.
pub(crate) fn relayed(mode: Mode, format: &str) -> Group {
    Group::new(mode).env("FATESHARE_LOG_FORMAT", format)
}

/// The lines of stdout that are this member's, without the label.
pub(crate) fn of_member<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let labelled = |line: &'a str| {
        let (label, rest) = line.split_once(" | ")?;
        (label.trim_end() == name).then_some(rest)
    };
    text.lines().filter_map(labelled).collect()
}

/// The objects that stdout or stderr consists of.
#[track_caller]
pub(crate) fn objects(text: &str) -> Vec<serde_json::Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(parse).collect()
}

/// What was counted at the end, said at the level `debug`.
pub(crate) fn counted(ended: &Ended, member: &str, stream: &str) -> Option<String> {
    let head = format!("relayed {stream} of {member}: ");
    ended.ours().iter().find_map(|line| line.strip_prefix(&head)).map(str::to_owned)
}
