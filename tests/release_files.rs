//! What `examples/release-files` makes of the command line's types: completions that shells take,
//! and a man page for each command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use clap::CommandFactory;
use fateshare::cli::Cli;
use tempfile::TempDir;

fn program() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_fateshare")).with_file_name("examples");
    let path = path.join("release-files");
    assert!(path.exists(), "run `cargo build --example release-files`, or all tests");
    path
}

fn run(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).output().expect("it runs")
}

/// What it makes, in a folder that is not there before.
fn made() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let output = run(&[folder.path().join("a/b").to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    folder
}

fn read(folder: &TempDir, file: &str) -> String {
    let path = folder.path().join("a/b").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn subcommands() -> Vec<clap::Command> {
    let mut command = Cli::command();
    command.build();
    let subcommands: Vec<_> = command.get_subcommands().cloned().collect();
    assert!(subcommands.len() >= 3);
    subcommands
}

#[test]
fn every_command_has_a_man_page_with_all_its_options() {
    let folder = made();
    let pages = fs::read_dir(folder.path().join("a/b/man")).expect("man pages").count();
    assert_eq!(pages, subcommands().len() + 1);
    let all = read(&folder, "man/fateshare.1");
    for subcommand in subcommands() {
        let name = subcommand.get_name();
        assert!(all.contains(&format!("fateshare\\-{name}(1)")), "{name} in {all}");
        let page = read(&folder, &format!("man/fateshare-{name}.1"));
        let (_, title) = page.split_once(".TH ").expect("a title");
        let version = env!("CARGO_PKG_VERSION");
        assert!(title.starts_with(&format!("fateshare-{name} 1 ")), "{page}");
        assert!(title.lines().next().is_some_and(|it| it.contains(version)), "{page}");
        for option in subcommand.get_arguments().filter_map(clap::Arg::get_long) {
            let option = format!("\\fB\\-\\-{}\\fR", option.replace('-', "\\-"));
            assert!(page.contains(&option), "{option} in {page}");
        }
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"] {
            assert_eq!(page.matches(&format!(".SH {section}\n")).count(), 1, "{name}: {section}");
        }
        // What the help says below its options has its own headings here.
        let help = subcommand.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(!page.contains(".SH EXTRA"), "{page}");
        assert_eq!(help.contains("Exit code:\n"), page.contains(".SH \"EXIT CODE\"\n"), "{page}");
        for line in page.lines().filter(|line| line.starts_with('.')) {
            let known = [".TH ", ".SH ", ".TP", ".RS", ".RE", ".br", ".ie ", ".el ", ".nf", ".fi"];
            assert!(known.iter().any(|it| line.starts_with(it)), "{line}");
        }
        assert_eq!(page.matches("\n.nf\n").count(), page.matches("\n.fi\n").count(), "{page}");
    }
}

/// Completes this line as an interactive bash would, and returns what there is to choose from.
fn completed(script: &Path, words: &[&str]) -> Vec<String> {
    // `complete -p` says which function is called; it is given the word and the one before it.
    let ask = r#"
        source "$0"
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        spec=($(complete -p fateshare))
        for at in "${!spec[@]}"; do [ "${spec[at]}" = -F ] && name=${spec[at + 1]}; done
        "$name" fateshare "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "--noprofile", "-c", ask]).arg(script).args(words);
    let output = bash.output().expect("bash runs");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_options() {
    let folder = made();
    let script = folder.path().join("a/b/completions/fateshare.bash");
    let checked = Command::new("bash").arg("-n").arg(&script).output().expect("bash runs");
    assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
    assert_eq!(completed(&script, &["fateshare", "ru"]), ["run"]);
    let all = completed(&script, &["fateshare", ""]);
    for subcommand in subcommands() {
        assert!(all.iter().any(|it| it == subcommand.get_name()), "{all:?}");
    }
    assert_eq!(completed(&script, &["fateshare", "run", "--grace"]), ["--grace-period"]);
}

#[test]
fn zsh_and_fish_know_every_command_and_option() {
    let folder = made();
    for file in ["completions/_fateshare", "completions/fateshare.fish"] {
        let text = read(&folder, file);
        for subcommand in subcommands() {
            assert!(text.contains(subcommand.get_name()), "{file}: {}", subcommand.get_name());
            for option in subcommand.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(text.contains(option), "{file}: {option}");
            }
        }
    }
    assert!(read(&folder, "completions/_fateshare").starts_with("#compdef fateshare\n"));
}

#[test]
fn the_same_command_line_makes_the_same_files() {
    let (one, other) = (made(), made());
    for file in ["completions/fateshare.bash", "completions/_fateshare", "man/fateshare-run.1"] {
        assert_eq!(read(&one, file), read(&other, file), "{file}");
    }
}

#[test]
fn without_a_folder_it_says_how_it_is_called() {
    for arguments in [&[][..], &["one", "two"], &["--what"], &[""]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.starts_with("usage: cargo run --example release-files -- DIR\n"), "{said}");
        assert!(output.stdout.is_empty());
    }
    let output = run(&["--help"]);
    assert!(output.status.success() && output.stdout.starts_with(b"usage: "), "{output:?}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    let output = run(&[file.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    let expected = format!("release-files: cannot make {}/completions: ", file.display());
    assert!(said.starts_with(&expected) && said.contains("Not a directory"), "{said}");

    // Also for root, who may write everywhere: a folder is in the file's place.
    let taken = folder.path().join("taken");
    fs::create_dir_all(taken.join("man/fateshare-run.1")).expect("a folder");
    let output = run(&[taken.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot write to ") && said.contains("/taken/man: "), "{said}");
}
