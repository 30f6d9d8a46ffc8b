//! Programs of Python that judge our files: each in a virtual environment of its own below the target folder,
//! made when it is first asked for.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The path of a program that a package brings, as in `python_tool("yamllint==1.37.1", "yamllint")`; or why there
/// is none.
pub(crate) fn python_tool(package_and_version: &str, program: &str) -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let environment = folder.join(package_and_version.replace("==", "-"));
    let broken = |error: std::io::Error| format!("{}: {error}", environment.display());
    fs::create_dir_all(&folder).map_err(broken)?;
    // It cannot be made elsewhere and renamed, because its programs have its path in their first line. So one makes
    // it, and whoever else asks, in this process or another, waits. The lock ends with the file, or with us.
    let lock = File::create(environment.with_added_extension("lock")).map_err(broken)?;
    lock.lock().map_err(broken)?;
    let path = environment.join("bin").join(program);
    let python = environment.join("bin/python");
    let complete = environment.join("complete");
    // A Python that was upgraded or removed leaves one that does not run any more.
    if !complete.exists() || run(Command::new(&python).args(["-c", ""])).is_err() {
        let _ = fs::remove_dir_all(&environment);
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        let install =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
        run(Command::new(&python).args(install).arg(package_and_version))?;
        File::create(&complete).map_err(broken)?;
    }
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("{package_and_version} has no program {program}"))
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let why = match output {
        Ok(output) if output.status.success() => return Ok(()),
        // `venv` says on standard output what it lacks.
        Ok(output) => [output.stderr, output.stdout].concat(),
        Err(error) => error.to_string().into_bytes(),
    };
    let program = command.get_program().to_string_lossy();
    Err(format!("{program}: {}", String::from_utf8_lossy(&why).trim()))
}
