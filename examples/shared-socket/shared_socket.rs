//! Two members in one program: `count` counts on a Unix socket and in a file, `ask` asks it and looks at
//! the file.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let folder = env::var_os("SHARED").map_or_else(env::temp_dir, PathBuf::from);
    let (socket, file) = (folder.join("counter.sock"), folder.join("counter.log"));
    let done = match env::args().nth(1).as_deref() {
        Some("count") => count(&socket, &file),
        Some("ask") => ask(&socket, &file),
        _ => Err(io::Error::other("say `count` or `ask`")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shared-socket: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One more for whoever connects.
fn count(socket: &Path, file: &Path) -> io::Result<()> {
    // What the last instance left.
    let _ = fs::remove_file(socket);
    fs::write(file, "")?;
    let listener = UnixListener::bind(socket)?;
    println!("counting on {}", socket.display());
    for (number, stream) in (1..).zip(listener.incoming()) {
        writeln!(OpenOptions::new().append(true).open(file)?, "{number}")?;
        // Who asked may be gone.
        let _ = writeln!(stream?, "{number}");
    }
    Ok(())
}

/// Asks again and again.
fn ask(socket: &Path, file: &Path) -> io::Result<()> {
    loop {
        // The counter may not be there yet: nobody waits for anybody at the start.
        if let Ok(mut stream) = UnixStream::connect(socket) {
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            let lines = fs::read_to_string(file)?.lines().count();
            println!("the counter says {}, the file has {lines} lines", answer.trim());
        }
        thread::sleep(PAUSE);
    }
}
