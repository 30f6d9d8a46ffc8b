//! Writes what a release has besides the program: completions for shells and man pages, made from
//! the types of the command line, so that they say what the program says.
//!
//! `cargo run --example release-files -- DIR` writes `DIR/completions` and `DIR/man`.

use std::env;
use std::ffi::OsString;
use std::fmt::{Display, Write as _};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use fateshare::cli::Cli;

/// Shells whose completions are made.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

const USAGE: &str = "usage: cargo run --example release-files -- DIR
writes DIR/completions and DIR/man; DIR is made if it is not there";

/// Nothing was written, because it was not said where.
const BAD_USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let folder = match &arguments[..] {
        [only] if ["-h", "--help"].iter().any(|it| only == it) => {
            return match writeln!(io::stdout(), "{USAGE}") {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&format!("cannot write to standard output: {error}")),
            };
        }
        // An option that we do not know is no name of a folder.
        [only] if !only.is_empty() && !only.as_encoded_bytes().starts_with(b"-") => only,
        _ => {
            complain(&USAGE);
            return ExitCode::from(BAD_USAGE);
        }
    };
    match write(Path::new(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(&why),
    }
}

fn fail(why: &str) -> ExitCode {
    complain(&format!("release-files: {why}"));
    ExitCode::FAILURE
}

fn complain(what: &dyn Display) {
    // Where nobody reads that, the exit code says it.
    let _ = writeln!(io::stderr(), "{what}");
}

fn write(folder: &Path) -> Result<(), String> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let completions = made(folder.join("completions"))?;
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut command, &name, &completions)
            .map_err(|error| cannot_write(&completions, &error))?;
    }
    let man = made(folder.join("man"))?;
    // Gives every subcommand its whole name.
    command.build();
    pages(&command, &man).map_err(|error| cannot_write(&man, &error))
}

/// The page of a command, and of every command below it.
fn pages(command: &Command, folder: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        pages(below, folder)?;
    }
    // What stands below the help has headings of its own; as it is, it would be one called EXTRA.
    let below = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let plain = command.clone().after_help(Resettable::Reset);
    let page = Man::new(plain).source(concat!("fateshare ", env!("CARGO_PKG_VERSION")));
    let mut bytes = Vec::new();
    page.render(&mut bytes)?;
    bytes.extend_from_slice(sections(&below).as_bytes());
    fs::write(folder.join(page.get_filename()), bytes)
}

/// `Heading:` and the lines below it, as sections; lines keep their columns.
fn sections(text: &str) -> String {
    let mut roff = String::new();
    let mut kept = false;
    let mut keep = |roff: &mut String, wanted: bool| {
        if kept != wanted {
            roff.push_str(if wanted { ".nf\n" } else { ".fi\n" });
            kept = wanted;
        }
    };
    for (number, line) in text.lines().enumerate() {
        let is_heading = |it: &&str| it.chars().all(|it| it.is_alphabetic() || it == ' ');
        if let Some(heading) = line.strip_suffix(':').filter(is_heading) {
            keep(&mut roff, false);
            let _ = writeln!(roff, ".SH \"{}\"", heading.to_uppercase());
            continue;
        }
        if number == 0 {
            roff.push_str(".SH NOTES\n");
        }
        keep(&mut roff, line.starts_with(' '));
        if !line.is_empty() {
            roff.push_str(&escaped(line.strip_prefix("  ").unwrap_or(line)));
            roff.push('\n');
        }
    }
    keep(&mut roff, false);
    roff
}

/// A line that roff takes for nothing but text.
fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if line.starts_with('.') { format!("\\&{line}") } else { line }
}

fn made(folder: PathBuf) -> Result<PathBuf, String> {
    match fs::create_dir_all(&folder) {
        Ok(()) => Ok(folder),
        Err(error) => Err(format!("cannot make {}: {error}", folder.display())),
    }
}

fn cannot_write(folder: &Path, error: &io::Error) -> String {
    format!("cannot write to {}: {error}", folder.display())
}
