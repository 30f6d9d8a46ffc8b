//! The images: the static programs alone, and the same on Debian with its three shells.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use crate::docker::{Engine, cannot_run};
use crate::host::as_root;
use crate::{COLUMNS, Column, TEST, special};

/// What is built here is found here by the next run.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

/// Installs Debian and packs it; $1 suite, $2 mirror, $3 folder, $4 archive, $5 proxy or nothing.
/// In a mount namespace of its own, because debootstrap mounts /proc in the folder.
const INSTALL: &str = r#"
set -eu
umask 022
export PATH="$PATH:/usr/sbin:/sbin"
if [ -n "$5" ]; then export http_proxy="$5"; fi
trap 'rm -rf --one-file-system "$3" "$4.part"' EXIT
debootstrap --variant=minbase --include=busybox-static "$1" "$3" "$2"
cd "$3"
rm -rf usr/share/doc usr/share/info usr/share/locale usr/share/man usr/share/zoneinfo
rm -rf var/cache/apt/* var/lib/apt/lists/*
tar --create --one-file-system --file="$4.part" .
mv "$4.part" "$4"
"#;

/// What comes after the root file system.
const DOCKERFILE: &str = r#"
COPY fateshare fixture /
COPY specs /specs
ENTRYPOINT ["/fateshare", "run"]
FROM plain AS quit
STOPSIGNAL SIGQUIT
"#;

/// The images, each with and without a STOPSIGNAL; removed when dropped.
pub(crate) struct Images<'e> {
    engine: &'e Engine,
    bases: Vec<&'static str>,
}

impl<'e> Images<'e> {
    /// Builds them. Where there can be no Debian, its columns cannot run.
    pub(crate) fn build(engine: &'e Engine) -> Self {
        let (programs, debian) = thread::scope(|scope| {
            let programs = scope.spawn(static_programs);
            let debian = debian();
            (programs.join().expect("the programs are built"), debian)
        });
        let mut images = Self { engine, bases: vec!["scratch"] };
        let archive = match debian {
            Ok(archive) => {
                images.bases.push("debian");
                Some(archive)
            }
            Err(why) => {
                cannot_run(TEST, &format!("no Debian image: {why}"));
                None
            }
        };
        for base in &images.bases {
            let context = TempDir::new_in(FOLDER).expect("a folder for the image");
            fill(context.path(), &programs, archive.as_deref().filter(|_| *base == "debian"));
            for (target, stop) in [("plain", "TERM"), ("quit", "QUIT")] {
                let path = context.path().to_str().expect("a UTF-8 path");
                let tag = name(base, stop);
                engine.docker(&["build", "--quiet", "--target", target, "--tag", &tag, path]);
            }
        }
        images
    }

    pub(crate) fn has(&self, base: &str) -> bool {
        self.bases.contains(&base)
    }
}

impl Drop for Images<'_> {
    fn drop(&mut self) {
        for base in &self.bases {
            self.engine.docker_said(&["rmi", "--force", &name(base, "QUIT"), &name(base, "TERM")]);
        }
    }
}

/// The image with this base and this stop signal.
pub(crate) fn name(base: &str, stop: &str) -> String {
    let end = if stop == "TERM" { "" } else { "-quit" };
    format!("fateshare-matrix-{}-{base}{end}", process::id())
}

/// Gathers what an image needs.
fn fill(context: &Path, programs: &Programs, archive: Option<&Path>) {
    let at = |name: &str| context.join(name);
    fs::copy(&programs.fateshare, at("fateshare")).expect("a copy");
    fs::copy(&programs.fixture, at("fixture")).expect("a copy");
    if let Some(archive) = archive {
        fs::copy(archive, at("rootfs.tar")).expect("a copy");
    }
    fs::create_dir(at("specs")).expect("a folder");
    for column in &COLUMNS {
        fs::write(at(&format!("specs/{}.yml", column.name)), spec(column)).expect("a spec");
    }
    for (name, spec) in special::SPECS {
        fs::write(at(&format!("specs/{name}.yml")), spec).expect("a spec");
    }
    let root = if archive.is_some() { "ADD rootfs.tar /\n" } else { "" };
    let dockerfile = format!("FROM scratch AS plain\n{root}{DOCKERFILE}");
    fs::write(at("Dockerfile"), dockerfile).expect("a Dockerfile");
}

/// What runs in every cell: web, and config-server, which has started a process that hides in a
/// session of its own. In the columns with a shell web stays under it, config-server takes its place.
fn spec(column: &Column) -> String {
    let exit_on = |code, delay| format!("exit-on=TERM:{code}:{delay} exit-on=QUIT:{code}:{delay}");
    let web = format!("/fixture /dev/stdout web {} wait", exit_on(7, 30));
    let left = format!("child [ left session {} wait ]", exit_on(0, 10));
    // It lives on until it is seen whose `left` is: then that gets the same signal.
    let sidecar = format!("/fixture /dev/stdout config-server {} {left} wait", exit_on(0, 1000));
    let (shell, web, sidecar) = match column.shell {
        None => (String::new(), list(web.split(' ')), list(sidecar.split(' '))),
        Some(shell) => (
            format!("shell: {}\n", list(shell.iter().copied())),
            format!("'trap : TERM QUIT; cd / && {web}; exit $?'"),
            format!("'{sidecar}'"),
        ),
    };
    format!(
        "main:\n  name: web\n  command: {web}\n\
         sidecars:\n- name: config-server\n  command: {sidecar}\n\
         {shell}grace_period: 5s\n"
    )
}

/// A list in YAML.
fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.map(|word| format!("{word:?}")).collect();
    format!("[{}]", quoted.join(", "))
}

/// Files for `--security-opt seccomp=`: they allow all but some system calls, as an engine that is
/// older than these does.
pub(crate) struct Profiles {
    _folder: TempDir,
    pub(crate) eperm: PathBuf,
    pub(crate) clone3: PathBuf,
    pub(crate) enosys: PathBuf,
}

impl Profiles {
    pub(crate) fn write() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, calls: &[&str], errno: i32| {
            let path = folder.path().join(name);
            let action = format!(r#""action": "SCMP_ACT_ERRNO", "errnoRet": {errno}"#);
            let rule = format!(r#"{{"names": {calls:?}, {action}}}"#);
            let profile = format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{rule}]}}"#);
            fs::write(&path, profile).expect("a profile");
            path
        };
        let calls = ["pidfd_open", "pidfd_send_signal", "close_range"];
        let eperm = write("eperm.json", &calls, nix::libc::EPERM);
        let clone3 = write("clone3.json", &["clone3"], nix::libc::EPERM);
        let enosys = write("enosys.json", &[&calls[..], &["clone3"]].concat(), nix::libc::ENOSYS);
        Self { _folder: folder, eperm, clone3, enosys }
    }
}

struct Programs {
    fateshare: PathBuf,
    fixture: PathBuf,
}

/// Builds them where the example's build.sh does, with its options, so that nothing is built twice.
fn static_programs() -> Programs {
    let target = Path::new(FOLDER).join("static");
    let flags = env::var("RUSTFLAGS").unwrap_or_default();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--release", "--target", "host-tuple", "--target-dir"])
        .arg(&target)
        .args(["--bin", "fateshare", "--example", "fixture"])
        .env("RUSTFLAGS", format!("{flags} -C target-feature=+crt-static"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .expect("cargo can be run");
    assert!(built.status.success(), "cargo: {}", String::from_utf8_lossy(&built.stderr));
    let host = Command::new("rustc").args(["--print", "host-tuple"]).output().expect("rustc runs");
    let host = String::from_utf8(host.stdout).expect("UTF-8");
    let release = target.join(host.trim()).join("release");
    Programs {
        fateshare: release.join("fateshare"),
        fixture: release.join("examples").join("fixture"),
    }
}

/// The archive of a Debian (or Ubuntu) of this machine's release and from its mirror.
fn debian() -> Result<PathBuf, String> {
    let (suite, mirror) = mirror()?;
    let archive = Path::new(FOLDER).join(format!("{suite}.tar"));
    if archive.exists() {
        return Ok(archive);
    }
    let folder = Path::new(FOLDER).join(format!("{suite}-{}", process::id()));
    let installed = as_root("unshare")
        .args(["--mount", "sh", "-c", INSTALL, "sh", &suite, &mirror])
        .args([&folder, &archive])
        .arg(proxy())
        .output()
        .map_err(|error| format!("unshare: {error}"))?;
    if installed.status.success() {
        return Ok(archive);
    }
    let said = [installed.stdout, installed.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    Err(format!("debootstrap {suite} {mirror}: {}", last.join("; ")))
}

/// The suite and the mirror that apt uses, of those that debootstrap knows.
fn mirror() -> Result<(String, String), String> {
    let format = "--format=$(RELEASE) $(COMPONENT) $(REPO_URI)";
    let targets = apt("apt-get", &["indextargets", format, "Created-By: Packages"])?;
    let known = |suite: &str| Path::new("/usr/share/debootstrap/scripts").join(suite).exists();
    for target in targets.lines() {
        if let [suite, "main", uri] = target.split(' ').collect::<Vec<_>>()[..]
            && known(suite)
        {
            // A list of mirrors, the best first, is apt's own invention.
            let listed = uri.strip_prefix("mirror+file:").map(|list| {
                let list = fs::read_to_string(list.trim_end_matches('/')).unwrap_or_default();
                list.split_whitespace().next().unwrap_or_default().to_owned()
            });
            return Ok((suite.to_owned(), listed.unwrap_or_else(|| uri.to_owned())));
        }
    }
    Err("debootstrap is missing, or knows none of apt's suites".to_owned())
}

/// The proxy that apt uses; empty without one.
fn proxy() -> String {
    let values = apt("apt-config", &["dump", "--format=%v%n", "Acquire::http::Proxy"]);
    let values = values.unwrap_or_default();
    values.lines().find(|value| value.contains("://")).unwrap_or_default().to_owned()
}

fn apt(program: &str, args: &[&str]) -> Result<String, String> {
    let said = Command::new(program).args(args).stdin(Stdio::null()).output();
    let said = said.map_err(|error| format!("{program}: {error}"))?;
    Ok(String::from_utf8_lossy(&said.stdout).into_owned())
}
