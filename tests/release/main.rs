//! What `.ci/release` makes of this tree, `docs/releases.md`, and the workflow that publishes it.
//!
//! musl and other architectures are the workflow's: here it is the machine's own target, which is linked as statically.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

#[path = "../docker/mod.rs"]
mod docker;
#[path = "../support/python.rs"]
mod python;

mod archive;
mod crates;
mod image;
mod refused;
mod workflow;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A folder of ours below the target folder.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("release").join(name)
}

/// Two of them would meet in the folder where they build.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// `.ci/release ARGUMENTS`, with nothing of ours in its environment that changes what it makes.
fn release(arguments: &[&str]) -> Command {
    let mut command = Command::new(root().join(".ci/release"));
    for variable in ["SOURCE_DATE_EPOCH", "RUSTFLAGS", "CARGO_TARGET_DIR"] {
        command.env_remove(variable);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Builds where `tests/container.rs` does, so that most crates are compiled once; says `--image` or `--no-image`.
fn make(out: &Path, image: &[&str]) -> Command {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("static");
    // A tree that is being worked on is tested too.
    let mut command = release(&["--allow-dirty", "--out"]);
    command.arg(out).arg("--target-dir").arg(target).args(image);
    command
}

#[track_caller]
fn run(mut command: Command) -> String {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn tool(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A release of this tree, made once for all tests.
struct Made {
    folder: PathBuf,
    target: String,
    /// What the script printed.
    printed: String,
}

static MADE: LazyLock<Made> = LazyLock::new(|| {
    let folder = folder("one");
    let printed = run(make(&folder, &["--no-image"]));
    let archives = names(&folder).into_iter().filter(|name| name.ends_with(".tar.gz"));
    let [archive] = &archives.collect::<Vec<_>>()[..] else { panic!("one archive: {printed}") };
    let target = archive.strip_prefix(&format!("fateshare-{VERSION}-"));
    let target = target.and_then(|rest| rest.strip_suffix(".tar.gz")).expect("a target").to_owned();
    Made { folder, target, printed }
});

impl Made {
    /// The path of the file that the page calls `fateshare-VERSION-TARGET` and this.
    fn path(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("fateshare-{VERSION}-{}{ending}", self.target))
    }
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.expect("an entry").file_name().into_string().expect("UTF-8")
    };
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort_unstable();
    names
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
