//! Where the spec's text comes from: the look-up of the file, and its reading.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf, absolute};

use super::document::LARGEST;
use super::problem::{Problem, Problems};

/// The spec's file, as far as the reader needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecFile {
    /// As it is shown: `./fateshare.yml`, `standard input`.
    pub shown: String,
    /// Absolute; a relative `working_dir` counts from here.
    pub folder: PathBuf,
}

/// A spec's text, and where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file.
    pub file: SpecFile,
    /// What it holds.
    pub text: Vec<u8>,
}

/// Where a spec is looked for when none is named, in this order.
const LOOKED_FOR: [&str; 4] =
    ["./fateshare.yml", "./fateshare.yaml", "./manifest.yml", "/etc/fateshare.yml"];

/// The next move where a file is empty.
pub(super) const EMPTY: &str =
    "is this the right file? The shortest spec is `main: {command: ./my-app}`";

/// The spec that was named on the command line (`-` is standard input), else by
/// `$FATESHARE_SPEC`, else the first that exists where it is looked for.
pub fn find(named: Option<&Path>, variable: Option<&Path>) -> Result<Source, Problems> {
    // An empty variable is how people unset one in a container's settings.
    let variable = variable.filter(|path| !path.as_os_str().is_empty());
    let source = match (named, variable) {
        (Some(path), _) => load(path, on_the_command_line(path)),
        (None, Some(path)) => load(path, "it was named by $FATESHARE_SPEC: correct it or unset it"),
        (None, None) => look_in(Path::new("."), &LOOKED_FOR),
    };
    source.map_err(Problems::from)
}

/// What to do about a path on the command line that cannot be read. A bare word is no file, most likely, but what
/// somebody wanted to run: `docker run IMAGE check`, where the image's entrypoint ends in `run`.
fn on_the_command_line(path: &Path) -> &'static str {
    if path.as_os_str().as_bytes().iter().any(|byte| b"./".contains(byte)) {
        "it was named on the command line: check the path"
    } else {
        "it was named on the command line, as a spec: a program comes behind `--`, and another command of fateshare \
         in the place of `run` (in a container: `--entrypoint`)"
    }
}

/// The first of the candidates that exists; relative ones count from `folder`.
fn look_in(folder: &Path, candidates: &[&str]) -> Result<Source, Problem> {
    for candidate in candidates {
        let path = folder.join(candidate);
        // A dangling link or a folder that may not be searched is an error to be shown, not a
        // reason to take another file silently.
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            _ => {
                return load_as(
                    &path,
                    (*candidate).to_owned(),
                    "it was found by its name: repair it, or name another file",
                );
            }
        }
    }
    let hint = "write one, name one (`fateshare run FILE`), or do without: \
                `fateshare run --sidecar 'NAME=COMMAND' -- COMMAND`";
    let looked = candidates.join(", ");
    Err(Problem::new("no spec found", format!("looked for {looked}")).with_hint(hint))
}

/// The manifest in our own directory, if there is one.
pub fn find_manifest() -> Result<Option<Source>, Problems> {
    let path = "./manifest.yml";
    match Path::new(path).symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => Ok(Some(look_in(Path::new("."), &[path])?)),
    }
}

/// The files of this name in the folders `0`, `1` and so on of a directory, as far as they are there,
/// in the order of these numbers.
pub fn read_numbered(dir: &Path, name: &str) -> Result<Vec<Source>, Problems> {
    let shown = dir.to_string_lossy().into_owned();
    let entries = dir.read_dir().map_err(|error| {
        Problem::new(shown, format!("cannot be read: {error}"))
            .with_hint("the directory has a folder for each buildpack: 0, 1, ...")
    })?;
    let number = |name: &str| name.parse::<u32>().ok().map(|number| (number, name.to_owned()));
    let mut folders: Vec<(u32, String)> =
        entries.flatten().filter_map(|entry| number(entry.file_name().to_str()?)).collect();
    folders.sort();
    let files = folders.into_iter().map(|(_, folder)| dir.join(folder).join(name));
    // One that may not be looked at, or leads nowhere, is an error and not an absence.
    let is_absent = |file: &PathBuf| {
        file.symlink_metadata().is_err_and(|error| {
            matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        })
    };
    let files = files.filter(|file| !is_absent(file));
    Ok(files.map(|file| load(&file, "it was found there: repair it")).collect::<Result<_, _>>()?)
}

/// Reads a file that an option names; the error gives `why` as its next move.
pub fn read_file(path: &Path, why: &str) -> Result<Source, Problems> {
    Ok(load(path, why)?)
}

/// Reads a file that somebody named.
fn load(path: &Path, why: &str) -> Result<Source, Problem> {
    if path == Path::new("-") {
        let shown = "standard input".to_owned();
        let text = read_bounded(io::stdin().lock(), &shown)?;
        let folder = own_directory(&shown)?;
        return Ok(Source { file: SpecFile { shown, folder }, text });
    }
    load_as(path, path.to_string_lossy().into_owned(), why)
}

/// Reads a file that is shown by this name.
fn load_as(path: &Path, shown: String, why: &str) -> Result<Source, Problem> {
    let problem = |error: &io::Error| {
        let text = match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            io::ErrorKind::PermissionDenied => "may not be read by this user".to_owned(),
            io::ErrorKind::IsADirectory => "is a directory, not a file".to_owned(),
            _ => format!("cannot be read: {error}"),
        };
        Problem::new(shown.clone(), text).with_hint(why)
    };
    let file = File::open(path).map_err(|error| problem(&error))?;
    if file.metadata().is_ok_and(|about| about.is_dir()) {
        return Err(problem(&io::ErrorKind::IsADirectory.into()));
    }
    let text = read_bounded(file, &shown)?;
    let full = absolute(path).map_err(|error| problem(&error))?;
    let folder = full.parent().unwrap_or(Path::new("/")).to_owned();
    Ok(Source { file: SpecFile { shown, folder }, text })
}

/// Reads all there is, but never more than a spec may hold: a FIFO or a device has no end.
fn read_bounded(from: impl Read, shown: &str) -> Result<Vec<u8>, Problem> {
    let mut text = Vec::new();
    let limit = LARGEST as u64 + 1;
    from.take(limit).read_to_end(&mut text).map_err(|error| match error.kind() {
        io::ErrorKind::IsADirectory => Problem::new(shown, "is a directory, not a file"),
        _ => Problem::new(shown, format!("cannot be read: {error}")),
    })?;
    if text.len() > LARGEST {
        return Err(
            Problem::new(shown, "is larger than 1 MiB").with_hint("is this the right file?")
        );
    }
    if text.is_empty() {
        return Err(Problem::new(shown, "is empty").with_hint(EMPTY));
    }
    Ok(text)
}

/// The directory that fateshare was started in.
fn own_directory(shown: &str) -> Result<PathBuf, Problem> {
    std::env::current_dir()
        .map_err(|error| Problem::new(shown, format!("the current directory is unknown: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// What the look-up says in a folder with these files.
    fn looked_up(files: &[&str]) -> Result<Source, String> {
        let folder = tempfile::tempdir().expect("a folder");
        for name in files {
            fs::write(folder.path().join(name), "main: {command: x}").expect("written");
        }
        look_in(folder.path(), &["./fateshare.yml", "./fateshare.yaml"])
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn the_first_that_exists_is_taken_and_shown_as_it_was_looked_for() {
        let source = looked_up(&["fateshare.yaml", "fateshare.yml"]).expect("found");
        assert_eq!(source.file.shown, "./fateshare.yml");
        assert!(source.file.folder.is_absolute());
        let source = looked_up(&["fateshare.yaml"]).expect("found");
        assert_eq!(source.file.shown, "./fateshare.yaml");
    }

    #[test]
    fn nothing_found_says_where_it_looked_and_a_way_out() {
        let error = looked_up(&[]).expect_err("nothing");
        assert!(
            error.starts_with("no spec found: looked for ./fateshare.yml, ./fateshare.yaml\n"),
            "{error}"
        );
        assert!(error.contains("-- COMMAND"), "{error}");
    }

    #[test]
    fn a_named_file_that_cannot_be_used_says_why() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("empty"), "").expect("written");
        fs::write(path("large"), vec![b'#'; LARGEST + 1]).expect("written");
        for (name, part) in [
            ("missing", "there is no such file\n  it was named by $FATESHARE_SPEC"),
            ("", "is a directory"),
            ("empty", "is empty"),
            ("large", "larger than 1 MiB"),
        ] {
            let error = find(None, Some(&path(name))).expect_err(name).to_string();
            assert!(error.contains(part), "{name}: {error}");
        }
    }

    #[test]
    fn a_bare_word_is_taken_for_what_somebody_wanted_to_run() {
        let error = |path: &str| find(Some(Path::new(path)), None).expect_err(path).to_string();
        assert!(error("no-such-command").contains("a program comes behind `--`"));
        assert!(error("no-such-file.yml").contains("check the path"));
    }

    #[test]
    fn the_command_line_comes_before_the_variable() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("named.yml");
        fs::write(&path, "x").expect("written");
        let source = find(Some(&path), Some(Path::new("/nowhere"))).expect("found");
        assert_eq!(source.file.folder, folder.path());
        assert_eq!(source.text, b"x");
    }

    #[test]
    fn what_has_no_end_is_read_up_to_the_limit() {
        let error = read_bounded(io::repeat(b'a'), "x").expect_err("endless");
        assert_eq!(error.message(), "is larger than 1 MiB");
    }
}
