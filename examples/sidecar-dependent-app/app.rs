//! The main process: a web app that is of no use without its config server, which runs beside it as a sidecar.
//!
//! `/` greets, `/config` shows what the config server says. As `sidecar-dependent-app --job STEPS` it serves
//! nothing: it asks the config server once a second, STEPS times, and ends.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use http::{Answer, say};

mod http;

const PATIENCE: Duration = Duration::from_secs(2);
const LARGEST_ANSWER: u64 = 1024 * 1024;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("app: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve(),
        ["--job", steps] => {
            job(steps.parse().map_err(|_| format!("--job {steps}: not a number"))?)
        }
        _ => Err("usage: sidecar-dependent-app [--job STEPS]".to_owned()),
    }
}

/// Work that has an end. Its config server may start after it: it is asked again, so many times.
fn job(steps: u32) -> Result<(), String> {
    const TRIES: u32 = 50;
    let port = http::port("CONFIG_SERVER_PORT", 8082)?;
    for step in 1..=steps {
        let mut tries = 0;
        while let Err(error) = ask(port) {
            tries += 1;
            if tries == TRIES {
                return Err(format!("http://localhost:{port}/config/: {error}"));
            }
            thread::sleep(Duration::from_millis(100));
        }
        say(&format!("app: step {step} of {steps} done"));
        thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

fn serve() -> Result<(), String> {
    let port = http::port("PORT", 8080)?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
        .map_err(|error| format!("cannot listen on port {port}: {error}"))?;
    let greeting = format!("app: listening on port {port}");
    http::serve(vec![listener], &greeting, answer).map_err(|error| error.to_string())?;
    say("app: stopped");
    Ok(())
}

fn answer(path: &str) -> Answer {
    match path {
        "/" => Answer::new("200 OK", "Hello! I am an app with a sidecar: see /config.\n"),
        "/config" => config(),
        _ => Answer::new("404 Not Found", "there are only / and /config\n"),
    }
}

fn config() -> Answer {
    let asked = http::port("CONFIG_SERVER_PORT", 8082).and_then(|port| {
        say(&format!("app: asking the config server at localhost:{port}"));
        ask(port).map_err(|error| format!("http://localhost:{port}/config/: {error}"))
    });
    match asked {
        Ok(body) => {
            say("app: the config server answered");
            Answer::new("200 OK", body)
        }
        Err(error) => {
            say(&format!("app: no answer from the config server: {error}"));
            Answer::new(
                "502 Bad Gateway",
                format!("the config server does not answer ({error}). Does it run?\n"),
            )
        }
    }
}

/// Fetches `/config/` from this host, by address and not by name: to look up "localhost" takes /etc/hosts or
/// a name service, and an image made from scratch need not have either.
fn ask(port: u16) -> io::Result<Vec<u8>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut server = TcpStream::connect_timeout(&address, PATIENCE)?;
    server.set_read_timeout(Some(PATIENCE))?;
    server.set_write_timeout(Some(PATIENCE))?;
    // HTTP/1.0, so that the end of the stream is the end of the body.
    server
        .write_all(format!("GET /config/ HTTP/1.0\r\nHost: localhost:{port}\r\n\r\n").as_bytes())?;
    let mut bytes = Vec::new();
    server.take(LARGEST_ANSWER).read_to_end(&mut bytes)?;

    let invalid = |what: &str| io::Error::new(ErrorKind::InvalidData, what.to_owned());
    let end = bytes
        .windows(4)
        .position(|end| end == b"\r\n\r\n")
        .ok_or_else(|| invalid("not an HTTP answer"))?;
    let status =
        String::from_utf8_lossy(&bytes[..end]).lines().next().unwrap_or_default().to_owned();
    if status.split_ascii_whitespace().nth(1) == Some("200") {
        Ok(bytes.split_off(end + 4))
    } else {
        Err(invalid(&format!("it said {status:?}")))
    }
}
