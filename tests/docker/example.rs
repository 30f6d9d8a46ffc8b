//! The example pair as an image, built by the example's own script.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Builds the static programs, below the target folder so that the next time is quick, and returns the folder
/// from which `docker build` makes the image. Once: another test may be reading it.
pub(crate) fn context() -> &'static str {
    static CONTEXT: OnceLock<String> = OnceLock::new();
    CONTEXT.get_or_init(build)
}

fn build() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/sidecar-dependent-app/container/build.sh");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("static");
    let context = target.join("container");
    let built = Command::new(&script)
        .arg(&context)
        .env("CARGO_TARGET_DIR", &target)
        .stdin(Stdio::null())
        .output()
        .expect("build.sh can be run");
    assert!(built.status.success(), "build.sh failed:\n{}", String::from_utf8_lossy(&built.stderr));
    context.to_str().expect("a UTF-8 path").to_owned()
}
