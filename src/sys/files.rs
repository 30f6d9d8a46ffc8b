//! Files that are written once for others: the report and the termination message.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;

use super::{process, seam};

/// A new report is its owner's: commands may hold what is nobody else's business.
const PRIVATE: u32 = 0o600;

/// Puts this into a file, whole or not at all: by a rename in its directory, in place where that is
/// refused (a mount point, a directory that may not be written) or the file is none that could be
/// replaced (a pipe, a device). Just before it becomes visible it is asked whether it still should:
/// meanwhile somebody may have had more to say.
pub fn replace(path: &Path, bytes: &[u8], wanted: &dyn Fn() -> bool) -> io::Result<()> {
    // A link is written through, not replaced: whether that may be is the kernel's to say, which knows
    // whose it is.
    let found = fs::symlink_metadata(path).ok();
    if found.as_ref().is_none_or(fs::Metadata::is_file) {
        match rename_into(path, found.as_ref(), bytes, wanted) {
            Err(error) if is_refused(&error) => {}
            renamed => return renamed,
        }
    }
    if !wanted() {
        return Ok(());
    }
    seam::call("write_in_place", || {
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            // A pipe that nobody has open is no reason to wait; a slow reader is one.
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .mode(PRIVATE)
            .open(path)?;
        fcntl(&file, FcntlArg::F_SETFL(OFlag::empty()))?;
        file.write_all(bytes)
    })
}

/// Whether a file cannot be replaced here, but may be written to: a mount point, a directory that is
/// read-only or somebody else's. A full disk is none of these: then the old report stays.
fn is_refused(error: &io::Error) -> bool {
    let codes = [libc::EACCES, libc::EPERM, libc::EROFS, libc::EBUSY, libc::EXDEV];
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

fn rename_into(
    path: &Path,
    old: Option<&fs::Metadata>,
    bytes: &[u8],
    wanted: &dyn Fn() -> bool,
) -> io::Result<()> {
    let (beside, mut file) = create_beside(path)?;
    if let Some(old) = old {
        // Who could read the old one can read the new one, and nobody else.
        let _ = fchown(&file, Some(old.uid()), Some(old.gid()));
        let _ = file.set_permissions(old.permissions());
    }
    let written = seam::call("write_beside", || file.write_all(bytes));
    let renamed = match written {
        Ok(()) if wanted() => seam::call("rename", || fs::rename(&beside, path)),
        written => written,
    };
    if renamed.is_err() || !wanted() {
        // It may have its name by now.
        let _ = fs::remove_file(&beside);
    }
    renamed
}

/// A new file in the same directory. What one of the same name has left that was killed is removed: in a
/// container our number is always the same.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.{}", process::own_pid(), COUNT.fetch_add(1, Ordering::Relaxed)));
    let beside = path.with_file_name(hidden);
    let create = || File::options().write(true).create_new(true).mode(PRIVATE).open(&beside);
    let file = seam::call("create_beside", create).or_else(|error| {
        if error.kind() != io::ErrorKind::AlreadyExists {
            return Err(error);
        }
        fs::remove_file(&beside)?;
        create()
    })?;
    Ok((beside, file))
}

/// Whether there may be a regular file: what cannot be looked at is tried, and what fails is said then.
pub fn may_be_file(path: &Path) -> bool {
    seam::call("stat_file", || fs::metadata(path))
        .map_or_else(|error| error.kind() != io::ErrorKind::NotFound, |found| found.is_file())
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
        replace(&path, b"one", &|| true).expect("a new file");
        replace(&path, b"2", &|| true).expect("an old one");
        assert_eq!(fs::read(&path).expect("it is there"), b"2");
        let mode = |path: &Path| path.metadata().expect("it is there").mode() & 0o777;
        assert_eq!(mode(&path), PRIVATE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("its mode");
        let link = folder.path().join("link");
        symlink(&path, &link).expect("a link");
        replace(&link, b"three", &|| true).expect("through a link");
        assert_eq!(fs::read(&path).expect("it is there"), b"three");
        assert!(link.is_symlink());
        assert_eq!(mode(&path), 0o640, "as it was");
        replace(&path, b"too late", &|| false).expect("nothing to do");
        assert_eq!(fs::read(&path).expect("it is there"), b"three");
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 2);
    }

    #[test]
    fn what_cannot_be_replaced_is_written_in_place() {
        replace(Path::new("/dev/null"), b"gone", &|| true).expect("a device");
        assert!(!fs::metadata("/dev/null").expect("it is there").is_file());
        let failed =
            replace(Path::new("/no/such/folder/report"), b"x", &|| true).expect_err("no folder");
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
