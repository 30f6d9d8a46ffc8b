//! The little HTTP that the app and its config server share: one thread per connection, no more than
//! [`CONNECTIONS`] at once, every wait with a limit, and nothing a client sends can end the process.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

const CONNECTIONS: usize = 64;
const LARGEST_HEAD: usize = 8 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);
const FAREWELL: Duration = Duration::from_secs(1);

static OPEN: AtomicUsize = AtomicUsize::new(0);

/// What goes back to the client.
pub(crate) struct Answer {
    pub(crate) status: &'static str,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(status: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self { status, body }
    }
}

/// Writes one line to stdout. Not `println!`: that panics when nobody reads stdout any more.
pub(crate) fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// The port that an environment variable names, or the usual one when it is not set.
pub(crate) fn port(variable: &str, usual: u16) -> Result<u16, String> {
    match std::env::var_os(variable) {
        None => Ok(usual),
        Some(value) => match value.to_str().map(str::parse) {
            Some(Ok(port)) => Ok(port),
            _ => Err(format!("{variable}={} is not a port", value.display())),
        },
    }
}

/// Greets and answers every GET until SIGTERM or SIGINT, then gives open connections a moment and returns.
pub(crate) fn serve(
    listeners: Vec<TcpListener>,
    greeting: &str,
    answer: fn(&str) -> Answer,
) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    // Not before: whoever reads it may send a signal at once.
    say(greeting);
    for listener in listeners {
        thread::Builder::new().spawn(move || accept(&listener, answer))?;
    }
    let _ = signals.forever().next();
    let end = Instant::now() + FAREWELL;
    while OPEN.load(Ordering::Relaxed) > 0 && Instant::now() < end {
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn accept(listener: &TcpListener, answer: fn(&str) -> Answer) {
    loop {
        let Ok((mut client, _)) = listener.accept() else {
            // Out of descriptors, most likely: give the open connections time to end.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        if OPEN.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
            let _ = client.set_write_timeout(Some(Duration::from_millis(100)));
            let _ = write(
                &mut client,
                &Answer::new("503 Service Unavailable", "too many connections\n"),
            );
            OPEN.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let worker = thread::Builder::new().spawn(move || {
            // The client may be gone already, and that is its own affair.
            let _ = converse(&mut client, answer);
            OPEN.fetch_sub(1, Ordering::Relaxed);
        });
        if worker.is_err() {
            OPEN.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn converse(client: &mut TcpStream, answer: fn(&str) -> Answer) -> io::Result<()> {
    client.set_write_timeout(Some(PATIENCE))?;
    let head = read_head(client)?;
    let mut words = head.lines().next().unwrap_or_default().split_ascii_whitespace();
    let answer = match (words.next(), words.next()) {
        (Some("GET"), Some(target)) => answer(target.split('?').next().unwrap_or_default()),
        (Some(_), Some(_)) => Answer::new("405 Method Not Allowed", "only GET is understood\n"),
        _ => Answer::new("400 Bad Request", "this is not HTTP\n"),
    };
    write(client, &answer)
}

/// Reads until the empty line, in at most [`PATIENCE`] and [`LARGEST_HEAD`] bytes.
fn read_head(client: &mut TcpStream) -> io::Result<String> {
    let deadline = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < LARGEST_HEAD {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        client.set_read_timeout(Some(left))?;
        match client.read(&mut buffer)? {
            0 => break,
            count => head.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn write(client: &mut TcpStream, answer: &Answer) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        answer.status,
        answer.body.len()
    );
    client.write_all(&[head.as_bytes(), &answer.body].concat())
}
