//! Finding a program, and finding out why it cannot be executed.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::privileges::Change;
use super::seam;

/// Where programs are looked for when there is no PATH at all, as the C library does.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Why a program cannot be executed.
#[derive(Debug)]
pub enum Unusable {
    /// Not there.
    Missing {
        /// Where it was looked for: one path, or the PATH that was searched.
        looked: String,
    },
    /// In a directory that we may not enter.
    OutOfReach {
        /// The file as it would be executed.
        file: PathBuf,
        /// The file as we see it.
        path: PathBuf,
    },
    /// There, and not executable.
    NotExecutable {
        /// The file.
        path: PathBuf,
        /// In which way.
        why: String,
    },
}

/// A file as a message names it: without a directory that says nothing.
fn shown(dir: &Path, file: &Path) -> PathBuf {
    if dir == Path::new(".") {
        return file.to_owned();
    }
    dir.join(file.strip_prefix(".").unwrap_or(file))
}

/// The file that stands for this program, seen from `dir`; a relative one stays relative, because
/// it is executed after the change of directory. Only what cannot change by who asks is judged:
/// permissions are the kernel's to check. But where somebody else will execute it, what is not for
/// them is passed over for what is, as it would be if they looked.
pub fn find(
    program: &OsStr,
    path: Option<&OsStr>,
    dir: &Path,
    user: Option<&Change>,
) -> Result<PathBuf, Unusable> {
    if program.as_bytes().contains(&b'/') {
        let file = PathBuf::from(program);
        return match look(&dir.join(&file)) {
            Seen::Executable => Ok(file),
            Seen::Missing => {
                Err(Unusable::Missing { looked: shown(dir, &file).display().to_string() })
            }
            Seen::OutOfReach => Err(Unusable::OutOfReach { path: shown(dir, &file), file }),
            Seen::Other(why) => Err(Unusable::NotExecutable { path: shown(dir, &file), why }),
        };
    }
    let path = path.map_or_else(|| OsString::from(DEFAULT_PATH), OsString::from);
    let mut refused = None;
    let mut not_theirs = None;
    for folder in std::env::split_paths(&path) {
        // An empty entry means the current directory, which `execve` takes a bare name for.
        let file = folder.join(program);
        match look(&dir.join(&file)) {
            Seen::Executable => {
                if user.is_none_or(|user| may_execute(user, &dir.join(&file))) {
                    return Ok(file);
                }
                not_theirs.get_or_insert(file);
            }
            Seen::Missing => {}
            Seen::OutOfReach => {
                refused.get_or_insert(Unusable::OutOfReach { path: file.clone(), file });
            }
            Seen::Other(why) => {
                refused.get_or_insert(Unusable::NotExecutable { path: file, why });
            }
        }
    }
    if let Some(file) = not_theirs {
        return Ok(file);
    }
    Err(refused.unwrap_or_else(|| Unusable::Missing {
        looked: format!("PATH={}", path.to_string_lossy()),
    }))
}

/// Whether somebody else may execute this file, as far as modes tell: it and its directories.
fn may_execute(user: &Change, file: &Path) -> bool {
    let Ok(file) = std::path::absolute(file) else { return true };
    let real = seam::call("realpath", || fs::canonicalize(&file));
    let real = real.as_deref().unwrap_or(&file);
    file.ancestors().skip(1).chain(real.ancestors()).all(|part| {
        // What cannot be looked at, the kernel will judge.
        seam::call("stat_program", || fs::metadata(part)).map_or(true, |meta| {
            let shift = if meta.uid() == user.uid {
                6
            } else if meta.gid() == user.gid || user.groups.contains(&meta.gid()) {
                3
            } else {
                0
            };
            user.uid == 0 || meta.mode() >> shift & 1 == 1
        })
    })
}

enum Seen {
    Executable,
    OutOfReach,
    Missing,
    Other(String),
}

fn look(file: &Path) -> Seen {
    let other = |why: &str| Seen::Other(why.to_owned());
    match seam::call("stat_program", || fs::metadata(file)) {
        Ok(meta) if meta.is_dir() => other("is a directory"),
        Ok(meta) if !meta.is_file() => other("is not a regular file"),
        Ok(meta) if meta.permissions().mode() & 0o111 == 0 => {
            other("has no execute permission (chmod +x)")
        }
        Ok(_) => Seen::Executable,
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Seen::Missing,
            io::ErrorKind::PermissionDenied => Seen::OutOfReach,
            _ => Seen::Other(format!("cannot be looked at: {error}")),
        },
    }
}

/// Whether this is a directory that we may look at.
pub fn check_directory(dir: &Path) -> io::Result<()> {
    let meta = seam::call("stat_directory", || fs::metadata(dir))?;
    if meta.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

/// What a file that exists lacks when `execve` says that it does not exist: its interpreter.
pub fn missing_interpreter(file: &Path) -> Option<String> {
    let mut head = Vec::new();
    let opened = seam::call("open_program", || fs::File::open(file));
    opened.ok()?.take(256).read_to_end(&mut head).ok()?;
    interpreter(&head)
}

/// What a program that begins so needs.
pub(super) fn interpreter(head: &[u8]) -> Option<String> {
    if head.starts_with(b"\x7fELF") {
        return Some("its dynamic loader, which this image lacks".to_owned());
    }
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    // The kernel takes the carriage return for a part of the name.
    if line.ends_with('\r') {
        return Some(format!("{:?}: the file has DOS line ends", line.trim_start()));
    }
    let interpreter = line.split_whitespace().next()?;
    Some(interpreter.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dir: &Path, name: &str, mode: u32, text: &str) {
        let path = dir.join(name);
        fs::write(&path, text).expect("the file is written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode is set");
    }

    #[test]
    fn a_missing_program_is_named_without_what_says_nothing() {
        let looked =
            |program: &str, dir: &str| match find(program.as_ref(), None, dir.as_ref(), None) {
                Err(Unusable::Missing { looked }) => looked,
                other => panic!("{other:?}"),
            };
        assert_eq!(looked("./no-such-program", "."), "./no-such-program");
        assert_eq!(looked("bin/no-such-program", "."), "bin/no-such-program");
        assert_eq!(looked("./no-such-program", "/srv"), "/srv/no-such-program");
        assert_eq!(looked("../no-such-program", "/srv"), "/srv/../no-such-program");
        assert_eq!(looked("/no-such-program", "/srv"), "/no-such-program");
    }

    #[test]
    fn the_first_executable_file_of_path_is_taken() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(dir.path().join("a/tool")).expect("a folder of that name");
        fs::create_dir_all(dir.path().join("b")).expect("a folder");
        file(&dir.path().join("b"), "tool", 0o755, "");
        let found = find("tool".as_ref(), Some("a:b".as_ref()), dir.path(), None);
        assert_eq!(found.expect("it is there"), Path::new("b/tool"));
        file(&dir.path().join("b"), "plain", 0o644, "");
        let refused = find("plain".as_ref(), Some("a:b".as_ref()), dir.path(), None);
        assert!(matches!(refused, Err(Unusable::NotExecutable { .. })), "{refused:?}");
        let missing = find("nothing".as_ref(), Some("a:b".as_ref()), dir.path(), None);
        assert!(matches!(missing, Err(Unusable::Missing { .. })), "{missing:?}");
    }

    #[test]
    fn what_is_not_for_a_user_is_passed_over_for_what_is() {
        let dir = tempfile::tempdir().expect("a folder");
        let all = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode is set");
        };
        all(dir.path(), 0o755);
        for (folder, mode) in [("private", 0o700), ("public", 0o755)] {
            fs::create_dir(dir.path().join(folder)).expect("a folder");
            all(&dir.path().join(folder), mode);
            file(&dir.path().join(folder), "tool", 0o755, "");
        }
        file(&dir.path().join("private"), "secret", 0o755, "");
        let own = fs::metadata(dir.path()).expect("it is there");
        let user = |uid| Change { uid, gid: 54_321, groups: Vec::new() };
        let find = |program: &str, user: Option<Change>| {
            find(program.as_ref(), Some("private:public".as_ref()), dir.path(), user.as_ref())
                .expect("it is there")
        };
        assert_eq!(find("tool", None), Path::new("private/tool"));
        assert_eq!(find("tool", Some(user(own.uid()))), Path::new("private/tool"));
        assert_eq!(find("tool", Some(user(54_321))), Path::new("public/tool"));
        // The kernel has the last word, and its reason is told.
        assert_eq!(find("secret", Some(user(54_321))), Path::new("private/secret"));
    }

    #[test]
    fn a_program_with_a_slash_is_seen_from_the_members_directory() {
        let dir = tempfile::tempdir().expect("a folder");
        file(dir.path(), "run", 0o755, "");
        let found = find("./run".as_ref(), None, dir.path(), None).expect("it is there");
        assert_eq!(found, Path::new("./run"), "it stays relative");
        assert!(find("./run".as_ref(), None, Path::new("/"), None).is_err());
    }

    #[test]
    fn the_missing_interpreter_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        for (text, expected) in [
            ("#!/no/such/sh -e\n", Some("/no/such/sh")),
            ("#! /usr/bin/env  python\n", Some("/usr/bin/env")),
            ("\x7fELF", Some("its dynamic loader, which this image lacks")),
            ("echo", None),
        ] {
            file(dir.path(), "script", 0o755, text);
            let named = missing_interpreter(&dir.path().join("script"));
            assert_eq!(named.as_deref(), expected, "{text:?}");
        }
        file(dir.path(), "script", 0o755, "#!/bin/sh\r\n");
        let named = missing_interpreter(&dir.path().join("script")).expect("it is named");
        assert!(named.contains("DOS line ends"), "{named}");
    }
}
