//! The sidecar: hands out the configuration that `sidecar-dependent-app` asks for.
//!
//! It listens on the loopback addresses only, because all members of a group share one network and what it
//! hands out is secret.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::process::ExitCode;

use http::{Answer, say};

mod http;

/// Made up. A real config server would fetch these for the app.
const CONFIG: &str = r#"{"Scope":"some-service.admin","Password":"not-a-real-password"}"#;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("config-server: {message}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let port = http::port("CONFIG_SERVER_PORT", 8082)?;
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map_err(|error| format!("cannot listen on 127.0.0.1:{port}: {error}"))?;
    // For clients to whom localhost is ::1. Many containers have no IPv6, and then nobody asks there.
    let second = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).ok();
    let greeting = format!("config-server: listening on localhost:{port}");
    http::serve(std::iter::once(first).chain(second).collect(), &greeting, answer)
        .map_err(|error| error.to_string())?;
    say("config-server: stopped");
    Ok(())
}

fn answer(path: &str) -> Answer {
    say(&format!("config-server: request for {path:?}"));
    if path.starts_with("/config/") {
        Answer::new("200 OK", format!("{CONFIG}\n"))
    } else {
        Answer::new("404 Not Found", "the configuration is at /config/\n")
    }
}
