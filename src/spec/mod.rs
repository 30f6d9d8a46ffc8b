//! What to run: a launch spec, read from text into types that are valid once built.
//!
//! The way of a text: [`find`] gets it, [`Document`] parses it to one value whose every part knows
//! its place, [`read`] walks that value and collects all that is wrong. Only then are places turned
//! into lines and columns, and [`Problems`] shows them; values of `env` are never shown.
//!
//! This room never starts anything and makes no system call but reading the spec's file.

mod anchors;
mod command;
mod cursor;
mod document;
mod env;
mod excerpt;
mod health;
mod json;
mod keys;
mod launch;
mod locate;
mod mask;
mod member;
mod merge;
mod node;
mod overlay;
mod problem;
mod reader;
mod shown;
mod signal;
mod source;
mod units;
mod user;
mod words;

pub use cursor::{Cursor, Fields, Findings};
pub use document::{Document, Finding, LARGEST, Secrecy};
pub use health::{CheckKind, HealthCheck, is_endpoint};
pub use keys::KEYS;
pub use launch::{
    CommandForm, DEFAULT_GRACE, DEFAULT_STOP_ON, ExitCodes, Launch, MayFinish, Member, Platform,
    StopOrder, StopTo, UserName,
};
pub use member::name_flaw;
pub use node::{Entry, Node, Place};
pub use overlay::{Overlay, from_command_line, split_sidecar};
pub use problem::{Position, Problem, Problems, Warning, harmless, shown};
pub use reader::{Reading, read};
pub use shown::on_one_line;
pub use signal::Signal;
pub use source::{Source, SpecFile, find, find_manifest, read_file, read_numbered};
pub use units::{LONGEST_GRACE, bytes_as_size, parse_duration, parse_size};
pub use user::{LARGEST_ID, UserFlaw, parse_id};
pub use words::{hint, nearest};
