//! Files that are written once for others: the report and the termination message.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::libc;

use super::{process, seam};

/// Puts this into a file, whole or not at all: by a rename in its directory, in place where that is
/// refused (a mount point, a directory that may not be written) or the file is none that could be
/// replaced (a pipe, a device).
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Not the link itself, but what it leads to.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let replaceable = fs::metadata(&path).map_or(true, |found| found.is_file());
    if replaceable && rename_into(&path, bytes).is_ok() {
        return Ok(());
    }
    seam::call("write_in_place", || {
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            // A pipe that nobody reads is no reason to wait.
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(&path)?;
        file.write_all(bytes)
    })
}

fn rename_into(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = beside(path)?;
    let written = seam::call("write_beside", || {
        let mut file = File::options().write(true).create_new(true).open(&beside)?;
        file.write_all(bytes)
    });
    let renamed = written.and_then(|()| seam::call("rename", || fs::rename(&beside, path)));
    if renamed.is_err() {
        // It may never have been there.
        let _ = fs::remove_file(&beside);
    }
    renamed
}

/// A name that nobody else has.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", process::own_pid()));
    Ok(path.with_file_name(hidden))
}

/// Puts this into a regular file that is there, in one write, over what was in it: a file that is mounted
/// cannot be replaced. Says whether there was one.
pub fn overwrite(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    seam::call("overwrite", || {
        let mut file = File::options()
            .write(true)
            .truncate(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)?;
        file.write_all(bytes)
    })?;
    Ok(true)
}

/// A report is no larger.
const LARGEST: u64 = 256 * 1024 * 1024;

/// All of a file, `-` for standard input.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let is_stdin = path == Path::new("-");
    let from: Box<dyn Read> =
        if is_stdin { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    from.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other("is too large for a report"));
    }
    Ok(bytes)
}

/// A line that the kernel tells of itself, such as its release.
pub fn told_by_kernel(name: &str) -> Option<String> {
    let text =
        seam::call("read_kernel", || fs::read_to_string(Path::new("/proc/sys/kernel").join(name)));
    text.ok().map(|text| text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report.json");
        replace(&path, b"one").expect("a new file");
        replace(&path, b"2").expect("an old one");
        assert_eq!(fs::read(&path).expect("it is there"), b"2");
        let link = folder.path().join("link");
        symlink(&path, &link).expect("a link");
        replace(&link, b"three").expect("through a link");
        assert_eq!(fs::read(&path).expect("it is there"), b"three");
        assert!(link.is_symlink());
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 2);
    }

    #[test]
    fn what_cannot_be_replaced_is_written_in_place() {
        replace(Path::new("/dev/null"), b"gone").expect("a device");
        assert!(!fs::metadata("/dev/null").expect("it is there").is_file());
        let failed = replace(Path::new("/no/such/folder/report"), b"x").expect_err("no folder");
        assert_eq!(failed.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn only_what_is_there_is_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("termination-log");
        assert!(!overwrite(&path, b"x").expect("nothing to do") && !path.exists());
        fs::write(&path, "something longer").expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
        assert!(overwrite(&path, b"short").expect("a file"));
        assert_eq!(fs::read(&path).expect("it is there"), b"short");
        assert!(!overwrite(Path::new("/dev/null"), b"x").expect("a device"));
        assert!(!overwrite(folder.path(), b"x").expect("a folder"));
    }
}
