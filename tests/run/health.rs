//! Health checks with real servers: healthy, never healthy, healthy and then not, ready and not.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::ports::free_port;
use crate::support::{Argv, Group, Mode, Running, fixture, in_both_modes};

in_both_modes![
    a_port_that_accepts_is_healthy,
    a_port_that_nobody_has_is_never_healthy,
    status_200_is_healthy_and_another_is_not,
    a_server_that_becomes_unhealthy_ends_the_group,
    a_slow_server_is_never_healthy,
    what_is_no_http_is_named,
    redirects_are_followed_on_the_same_server_only,
    a_server_on_ipv6_alone_is_found,
    the_port_is_mains_variable,
    readiness_ends_nothing,
    a_main_that_dies_is_not_called_unhealthy,
    a_question_under_way_delays_no_end,
    an_endless_body_is_an_answer,
];

/// A server in this process. It answers the n-th connection, from 0, with what the function gives, and
/// hangs up; behind an answer that is not complete it waits.
struct Server {
    port: u16,
    asked: Arc<AtomicUsize>,
}

impl Server {
    fn new(answer: impl Fn(usize, &str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        // It goes on as long as the process of the tests.
        thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming() {
                let mut stream: TcpStream = stream.expect("a connection");
                let number = count.fetch_add(1, Ordering::SeqCst);
                let request = request(&mut stream);
                let answer = answer(number, &request);
                // Who asked may be gone.
                let _ = stream.write_all(answer.as_bytes());
                if !is_complete(&answer) {
                    open.push(stream);
                }
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Whether there is an answer whose body has its whole length.
fn is_complete(answer: &str) -> bool {
    let length =
        answer.split_once("Content-Length: ").and_then(|(_, rest)| rest.split_once("\r\n"));
    let length = length.and_then(|(length, _)| length.parse::<usize>().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
    !answer.is_empty() && body >= length
}

/// The head of a request; nothing where none comes, as for a mere connection.
fn request(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit");
    let mut bytes = Vec::new();
    let mut some = [0; 512];
    while !bytes.ends_with(b"\r\n\r\n")
        && let Ok(count @ 1..) = stream.read(&mut some)
    {
        bytes.extend_from_slice(&some[..count]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn status(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok")
}

/// `web`, which has this check, and a sidecar; both stop when told. Nothing here is about the time
/// for an answer but what says so: a busy machine is no slow server.
fn checked(mode: Mode, check: &str) -> Group {
    let time = if check.contains(" timeout: ") { "" } else { ", timeout: 20s" };
    Group::new(mode)
        .env("FATESHARE_LOG", "info")
        .main("web", "exit-on=TERM:0 wait")
        .key(&format!("health_check: {{{check}{time}}}"))
        .sidecar("config-server", "exit-on=TERM:0 wait")
}

fn is_said(group: &mut Running, text: &str) {
    // Who answers may be we: members that are told to stop before they listen to that die of it.
    group.wait_started(&["web", "config-server"]);
    group.until(text, |group| group.stderr().contains(text).then_some(()));
}

/// Ends by itself, unhealthy, for this reason.
#[track_caller]
fn never_healthy(group: Group, reason: &[&str]) {
    let ended = group.start().end();
    let mut parts = vec!["web was never healthy within 300ms: "];
    parts.extend(reason);
    parts.push("; stopping web, config-server");
    ended.code(69).verdict(&parts);
    if ended.log.contains("web: started ") {
        // On a machine that has too much to do it may not have begun to listen to signals.
        ended.logged("web: got SIGTERM", 1);
    }
}

fn a_port_that_accepts_is_healthy(mode: Mode) {
    let server = Server::new(|_, _| String::new());
    let port = server.port;
    let mut group = checked(mode, &format!("type: port, port: {port}, interval: 50ms")).start();
    is_said(&mut group, &format!("(port {port})"));
    group.until("it is asked again and again", |_| (server.asked() > 3).then_some(()));
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(0).says(&["fateshare: healthy after ", &format!(" (port {port})")]);
    assert_eq!(ended.stderr.matches("healthy after").count(), 1, "{ended}");
}

fn a_port_that_nobody_has_is_never_healthy(mode: Mode) {
    let port = free_port();
    never_healthy(
        checked(mode, &format!("type: port, port: {port}, start_timeout: 300ms")),
        &[&format!(
            "failed to make TCP connection to 127.0.0.1:{port} or [::1]:{port}: connection refused"
        )],
    );
}

fn status_200_is_healthy_and_another_is_not(mode: Mode) {
    let server = Server::new(|number, request| {
        assert!(request.starts_with("GET /health?full=1 HTTP/1.1\r\n"), "{request}");
        let lower = request.to_ascii_lowercase();
        assert!(lower.contains("x-forwarded-proto: https\r\n"), "{request}");
        // It takes a while to start.
        status(if number < 3 { "503 Service Unavailable" } else { "200 OK" })
    });
    let port = server.port;
    let check = format!("type: http, port: {port}, endpoint: '/health?full=1'");
    let mut group = checked(mode, &check).start();
    is_said(&mut group, &format!("(http {port}/health?full=1)"));
    group.signal(Signal::SIGTERM);
    group.end().code(0);

    for other in ["204 No Content", "404 Not Found", "500 Internal Server Error"] {
        let server = Server::new(move |_, _| status(other));
        let port = server.port;
        never_healthy(
            checked(mode, &format!("type: http, port: {port}, start_timeout: 300ms")),
            &[
                &format!(
                    "failed to make HTTP request to '/' on port {port}: received status code "
                ),
                &other[..3],
                "ms",
            ],
        );
    }
}

fn a_server_that_becomes_unhealthy_ends_the_group(mode: Mode) {
    let server = Server::new(|number, _| {
        status(if number < 3 { "200 OK" } else { "503 Service Unavailable" })
    });
    let check = format!("type: http, port: {}, interval: 50ms", server.port);
    let ended = checked(mode, &check).top("exit_codes: {unhealthy: 42}").start().end();
    ended.code(42).says(&["healthy after "]).verdict(&[
        "web became unhealthy: failed to make HTTP request to '/' on port ",
        ": received status code 503 in ",
        "ms; stopping web, config-server",
    ]);
    assert_eq!(server.asked(), 4, "one failure is enough");
}

fn a_slow_server_is_never_healthy(mode: Mode) {
    let server = Server::new(|_, _| String::new());
    let check = format!("type: http, port: {}, start_timeout: 300ms, timeout: 200ms", server.port);
    never_healthy(checked(mode, &check), &["on port ", ": timed out after 0.20 seconds"]);
}

fn what_is_no_http_is_named(mode: Mode) {
    for (answer, reason) in [
        ("SSH-2.0-OpenSSH_9.2\r\n", "no HTTP answer: "),
        ("HTTP/1.1 200", "the connection was closed without an answer"),
    ] {
        let server = Server::new(|_, _| answer.to_owned());
        let check = format!("type: http, port: {}, start_timeout: 300ms", server.port);
        never_healthy(checked(mode, &check), &[reason]);
    }
}

fn redirects_are_followed_on_the_same_server_only(mode: Mode) {
    let to =
        |path: &str| format!("HTTP/1.1 302 Found\r\nLocation: {path}\r\nContent-Length: 0\r\n\r\n");
    let server = Server::new(move |_, request| match request.split(' ').nth(1) {
        Some("/") => to("/login"),
        Some("/login") => to("form?x"),
        Some("/form?x") => status("200 OK"),
        other => panic!("{other:?}"),
    });
    let mut group = checked(mode, &format!("type: http, port: {}", server.port)).start();
    is_said(&mut group, "healthy after ");
    group.signal(Signal::SIGTERM);
    group.end().code(0);

    for (place, reason) in [
        ("/", "stopped after 10 redirects"),
        ("https://127.0.0.1/", "redirects to \"https://127.0.0.1/\": another server is not asked"),
    ] {
        let server = Server::new(move |_, _| to(place));
        let check = format!("type: http, port: {}, start_timeout: 300ms", server.port);
        never_healthy(checked(mode, &check), &[reason]);
    }
}

fn a_server_on_ipv6_alone_is_found(mode: Mode) {
    let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else {
        return crate::support::cannot_run("this machine has no IPv6");
    };
    let port = listener.local_addr().expect("its address").port();
    let mut group = checked(mode, &format!("type: port, port: {port}")).start();
    is_said(&mut group, "healthy after ");
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}

fn the_port_is_mains_variable(mode: Mode) {
    let server = Server::new(|_, _| String::new());
    let port = server.port;
    let group = checked(mode, "type: port").env("PORT", "9");
    let mut group = group.top(&format!("env: {{PORT: {port}}}")).start();
    is_said(&mut group, &format!("(port {port})"));
    group.signal(Signal::SIGTERM);
    group.end().code(0);

    let ended = checked(mode, "type: port").env("PORT", "s3cret").start().end();
    ended.code(125).says(&["the port of web's health check is $PORT, which is no port number"]);
    ended.silent_about("s3cret");
    assert_eq!(ended.log, "", "{ended}");
}

fn readiness_ends_nothing(mode: Mode) {
    let server = Server::new(|number, _| {
        status(if matches!(number, 2 | 5) { "200 OK" } else { "503 Service Unavailable" })
    });
    let check = format!(
        "readiness_check: {{type: http, port: {}, interval: 50ms, timeout: 20s}}",
        server.port
    );
    let mut group = Group::new(mode)
        .env("FATESHARE_LOG", "info")
        .main("web", "exit-on=TERM:0 wait")
        .key(&check)
        .start();
    group.wait_started(&["web"]);
    group.until("it was ready twice, and not ready twice", |group| {
        let said = group.stderr();
        let count = |text: &str| said.matches(text).count();
        (count("fateshare: ready (http ") == 2 && count("fateshare: not ready: failed to ") == 2)
            .then_some(())
    });
    group.signal(Signal::SIGTERM);
    group.end().code(0).verdict(&["SIGTERM from "]);
}

/// Its connections go a moment before its end can be seen.
fn a_main_that_dies_is_not_called_unhealthy(mode: Mode) {
    let app = fixture().with_file_name("config-server");
    for _ in 0..5 {
        let port = free_port();
        let mut group = Group::new(mode)
            .env("FATESHARE_LOG", "info")
            .main("web", Argv(&[app.to_str().expect("UTF-8")]))
            .key(&format!(
                "health_check: {{type: port, port: {port}, interval: 1ms, timeout: 20s}}"
            ))
            .top(&format!("env: {{CONFIG_SERVER_PORT: {port}}}"))
            .start();
        let is_healthy =
            |group: &mut Running| group.stderr().contains("healthy after ").then_some(());
        group.until("it is healthy", is_healthy);
        let pid = group.until("it runs", |group| {
            let it = |pid: &i32| {
                std::fs::read_to_string(format!("/proc/{pid}/comm"))
                    .is_ok_and(|name| name.starts_with("config-server"))
            };
            group.processes().into_iter().find(it)
        });
        crate::support::running::send(pid, Signal::SIGKILL as i32);
        group.end().code(137).verdict(&["web (pid ", ") was killed by SIGKILL, not by fateshare"]);
    }
}

fn a_question_under_way_delays_no_end(mode: Mode) {
    let server = Server::new(|_, _| String::new());
    let check = format!("type: http, port: {}, timeout: 60s", server.port);
    let mut group = checked(mode, &check).start();
    group.wait_started(&["web", "config-server"]);
    group.until("it is asked", |_| (server.asked() == 1).then_some(()));
    let struck = Instant::now();
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    let took = ended.at - struck;
    ended.code(0).says(&["nobody had to be killed"]);
    assert!(took < Duration::from_secs(5), "took {took:?}\n{ended}");
}

fn an_endless_body_is_an_answer(mode: Mode) {
    let server = Server::new(|_, _| "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok".to_owned());
    let mut group = checked(mode, &format!("type: http, port: {}", server.port)).start();
    is_said(&mut group, "healthy after ");
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}
