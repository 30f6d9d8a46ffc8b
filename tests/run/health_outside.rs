//! Where Cloud Foundry asks for an app's health: at the first address that is not loopback's.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

use crate::support::ports::free_port;
use crate::support::{Group, Mode, cannot_run, in_both_modes};

in_both_modes![
    who_answers_on_loopback_alone_is_healthy_with_a_warning,
    who_answers_outside_is_healthy_without_a_warning,
    without_an_interface_it_is_healthy_with_a_warning,
    the_request_is_the_platforms,
    interfaces_that_cannot_be_listed_are_none,
    an_address_that_is_given_is_asked,
    who_answers_nowhere_is_never_healthy,
    a_port_that_answers_nothing_times_out,
    another_status_is_unhealthy_there_too,
    who_stops_answering_becomes_unhealthy,
];

const WARNING: &str = "web is healthy, but Cloud Foundry would call it unhealthy";

/// Something listens here; the group ends when it was called healthy.
fn group(mode: Mode, port: u16, check: &str) -> Group {
    Group::new(mode)
        .main("web", "exit-on=TERM:0 wait")
        .key(&format!("health_check: {{port: {port}, {check}}}"))
        .top("platform: cloudfoundry")
        .env("FATESHARE_LOG", "info")
}

/// Accepts until the process of the tests ends.
fn listen(address: Ipv4Addr) -> u16 {
    let listener = TcpListener::bind((address, 0)).expect("a port");
    let port = listener.local_addr().expect("its address").port();
    thread::spawn(move || listener.incoming().for_each(drop));
    port
}

/// What it says until it is healthy and was asked to stop.
fn healthy(group: Group) -> crate::support::Ended {
    let mut group = group.start();
    group.wait_started(&["web"]);
    group.until("healthy", |group| group.stderr().contains("healthy after").then_some(()));
    group.signal(nix::sys::signal::Signal::SIGTERM);
    let ended = group.end();
    ended.code(0);
    ended
}

fn who_answers_on_loopback_alone_is_healthy_with_a_warning(mode: Mode) {
    let port = listen(Ipv4Addr::LOCALHOST);
    let ended = healthy(group(mode, port, "type: port"));
    ended.says(&[WARNING, "it answers on 127.0.0.1", "let it listen on 0.0.0.0"]);
}

fn who_answers_outside_is_healthy_without_a_warning(mode: Mode) {
    let port = listen(Ipv4Addr::UNSPECIFIED);
    healthy(group(mode, port, "type: port")).silent_about("Cloud Foundry would");
}

/// In a network namespace of its own: loopback is down there, too, until it is set up.
fn without_an_interface_it_is_healthy_with_a_warning(mode: Mode) {
    if !nix::unistd::geteuid().is_root() {
        return cannot_run("a network of its own needs root");
    }
    let port = 8080;
    let script = "exec unshare --net /bin/sh -c 'ip link set lo up; exec \"$@\"' sh \"$@\"";
    let group = Group::new(mode)
        .after_script(script)
        .main("web", format!("listen={port} exit-on=TERM:0 wait").as_str())
        .key(&format!("health_check: {{port: {port}, type: port}}"))
        .top("platform: cloudfoundry")
        .env("FATESHARE_LOG", "info");
    let mut group = group.start();
    group.wait_started(&["web"]);
    group.until("healthy", |group| group.stderr().contains("healthy after").then_some(()));
    group.signal(nix::sys::signal::Signal::SIGTERM);
    group.end().says(&[WARNING, "failure to find suitable interface"]);
}

fn the_request_is_the_platforms(mode: Mode) {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let (send, asked) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut bytes = [0; 1_024];
            let count = stream.read(&mut bytes).unwrap_or(0);
            let _ = send.send(String::from_utf8_lossy(&bytes[..count]).to_lowercase());
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    healthy(group(mode, port, "type: http, endpoint: /h")).silent_about("Cloud Foundry would");
    let request = asked.recv().expect("a request");
    for part in ["get /h http/1.1", "user-agent: diego-healthcheck", "x-forwarded-proto: https"] {
        assert!(request.contains(part), "{request}");
    }
}

fn interfaces_that_cannot_be_listed_are_none(mode: Mode) {
    let port = listen(Ipv4Addr::UNSPECIFIED);
    let ended = healthy(group(mode, port, "type: port").env("FATESHARE_FAIL", "getifaddrs:12"));
    ended.says(&[WARNING, "failure to find suitable interface"]);
}

fn who_answers_nowhere_is_never_healthy(mode: Mode) {
    let port = free_port();
    let ended = group(mode, port, "type: port, start_timeout: 300ms, timeout: 20s").start().end();
    ended
        .code(69)
        .verdict(&["web was never healthy within 300ms: failed to make TCP connection to "]);
    ended.says(&[&format!(" or 127.0.0.1:{port}: connection refused")]);
}

/// A listener whose queue is full: the kernel answers no further connection.
fn a_port_that_answers_nothing_times_out(mode: Mode) {
    let socket = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Inet,
        nix::sys::socket::SockType::Stream,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    );
    let socket = socket.expect("a socket");
    let any = nix::sys::socket::SockaddrIn::new(127, 0, 0, 1, 0);
    nix::sys::socket::bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &any).expect("a port");
    let backlog = nix::sys::socket::Backlog::new(0).expect("a backlog");
    nix::sys::socket::listen(&socket, backlog).expect("it listens");
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().expect("its address");
    let connect = || TcpStream::connect_timeout(&address, std::time::Duration::from_millis(200));
    let queued: Vec<_> = std::iter::from_fn(|| connect().ok()).take(50).collect();
    let check = "type: port, host: 127.0.0.1, start_timeout: 300ms, timeout: 200ms";
    let ended = group(mode, address.port(), check).start().end();
    drop(queued);
    ended.code(69).verdict(&["web was never healthy", ": timed out after 0.20 seconds"]);
}

/// Answers every request with this status.
fn answering(status: &'static str, times: usize) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
    let port = listener.local_addr().expect("its address").port();
    thread::spawn(move || {
        for stream in listener.incoming().take(times) {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 1_024]);
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        }
    });
    port
}

fn another_status_is_unhealthy_there_too(mode: Mode) {
    let port = answering("503 Busy", usize::MAX);
    let ended = group(mode, port, "type: http, start_timeout: 300ms, timeout: 20s").start().end();
    let reason =
        format!("failed to make HTTP request to '/' on port {port}: received status code 503 in ");
    ended.code(69).verdict(&["web was never healthy within 300ms: ", &reason]);
}

fn who_stops_answering_becomes_unhealthy(mode: Mode) {
    let port = answering("200 OK", 1);
    let ended = group(mode, port, "type: http, interval: 100ms, timeout: 20s").start().end();
    ended.code(69).verdict(&["web became unhealthy: failed to make HTTP request"]);
}

fn an_address_that_is_given_is_asked(mode: Mode) {
    let port = listen(Ipv4Addr::LOCALHOST);
    let ended = healthy(group(mode, port, "type: port, host: 127.0.0.1"));
    ended.silent_about("Cloud Foundry would");
}
