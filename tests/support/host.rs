//! What some tests need of the machine: root, other users, mounts, system calls that fail.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Group, cannot_run, fateshare, fixture};

/// Whether we can make processes of other users; says why not.
pub(crate) fn can_change_users() -> bool {
    can("setpriv", &["--reuid", "65534", "--regid", "65534", "--clear-groups", "true"])
}

/// Whether we can make a mount namespace of our own, and processes of other users; says why not.
pub(crate) fn can_mount() -> bool {
    can_change_users() && can("unshare", &["--mount", "true"])
}

/// Whether the program under test has the seam where system calls can be made to fail.
pub(crate) fn can_make_calls_fail() -> bool {
    if !cfg!(debug_assertions) {
        cannot_run("only a build with debug assertions can make system calls fail");
    }
    cfg!(debug_assertions)
}

fn can(program: &str, arguments: &[&str]) -> bool {
    let tried = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let why = match tried {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => format!("{program}: {error}"),
    };
    cannot_run(&why);
    false
}

/// Sets who may do what with a file.
pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("its mode is set");
}

impl Group {
    /// Lets every user reach the programs and write the log.
    pub(crate) fn for_all_users(mut self) -> Self {
        set_mode(self.dir(), 0o755);
        for name in ["log", "failed"] {
            let path = self.dir().join(name);
            File::create(&path).expect("a file that all may write");
            set_mode(&path, 0o666);
        }
        self.fixture = self.install(fixture(), "fixture", "755");
        self
    }

    /// Puts these in the place of `/etc/passwd` and `/etc/group`. Needs [`can_mount`].
    pub(crate) fn users(self, passwd: &str, group: &str) -> Self {
        self.file("passwd", passwd)
            .file("group", group)
            .own_mounts("mount --bind passwd /etc/passwd && mount --bind group /etc/group")
    }

    /// Starts `fateshare` in a mount namespace of its own, after these commands in it.
    pub(crate) fn own_mounts(self, commands: &str) -> Self {
        let inner = format!("{commands} && exec \"$@\"");
        self.env("MOUNTS", &inner)
            .after_script("exec unshare --mount /bin/sh -c \"$MOUNTS\" sh \"$@\"")
    }

    /// Starts `fateshare` as nobody in particular, with these further options of `setpriv`.
    pub(crate) fn run_by_nobody(self, options: &str) -> Self {
        self.run_by(&format!("--reuid 65534 --regid 65534 --clear-groups {options}"))
    }

    /// Starts `fateshare` under `setpriv` with these options.
    pub(crate) fn run_by(mut self, options: &str) -> Self {
        self.fateshare = self.install(fateshare(), "fateshare", "755");
        self.after_script(&format!("exec setpriv {options} \"$@\""))
    }

    /// A copy of a program in the directory of the test. Another process makes it: where we have
    /// it open for writing, whatever another test starts just then keeps it from being executed.
    pub(crate) fn install(&self, program: &Path, name: &str, mode: &str) -> PathBuf {
        let copy = self.dir().join(name);
        let status = Command::new("install").args(["-m", mode]).args([program, &copy]).status();
        assert!(status.expect("the program `install`").success());
        copy
    }

    /// Makes system calls of `fateshare` fail, by the rules of `src/sys/seam.rs`.
    pub(crate) fn failing(self, rules: &str) -> Self {
        let log = self.dir().join("failed");
        self.env("FATESHARE_FAIL", rules)
            .env("FATESHARE_FAIL_LOG", log.to_str().expect("a path in UTF-8"))
    }
}
