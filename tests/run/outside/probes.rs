//! `--listen`: probes that a platform makes, and metrics for Prometheus.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use super::{answer, asked, get, wait_running, wait_status};
use crate::real_programs::free_address;
use crate::support::ports::free_port;
use crate::support::{Group, LIMIT, Mode, cannot_run, find_program, in_both_modes, poll};

in_both_modes![
    readyz_follows_a_readiness_that_flaps,
    livez_fails_while_the_group_stops,
    a_real_prometheus_accepts_the_metrics,
    nothing_else_is_served_there,
    the_port_alone_is_enough,
];

fn probe(address: SocketAddr, path: &str) -> (String, String) {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    answer(stream, path)
}

fn code(address: SocketAddr, path: &str) -> u16 {
    let (head, _) = probe(address, path);
    head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status")
}

fn readyz_follows_a_readiness_that_flaps(mode: Mode) {
    let (address, port) = (free_address(), free_port());
    let server = format!("child [ server until=up listen={port} until=down exit=0 ]");
    let again = format!("child [ again until=up-again listen={port} wait ]");
    let check = format!("{{type: port, port: {port}, interval: 50ms}}");
    let mut group = asked(Group::new(mode))
        .main("web", &*format!("{server} {again} exit-on=TERM:0 wait"))
        .key(&format!("readiness_check: {check}"))
        .arguments(&["--listen", &address.to_string()])
        .start();
    wait_running(&mut group);
    assert_eq!(code(address, "/livez"), 200);
    assert_eq!(code(address, "/readyz"), 503);
    for (file, expected) in [("up", 200), ("down", 503), ("up-again", 200)] {
        std::fs::write(group.dir().join(file), "").expect("a file");
        let seen = poll(LIMIT, || (code(address, "/readyz") == expected).then_some(()));
        assert!(seen.is_some(), "{file}: never {expected}");
        assert_eq!(code(address, "/livez"), 200, "readiness ends nothing");
    }
    let (_, metrics) = probe(address, "/metrics");
    assert!(metrics.contains("\nfateshare_group_ready 1\n"), "{metrics}");
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}

fn livez_fails_while_the_group_stops(mode: Mode) {
    let address = free_address();
    let mut group = asked(Group::new(mode))
        .main("web", "take=TERM until=go exit=0")
        .sidecar("config-server", "wait")
        .arguments(&["--listen", &address.to_string()])
        .start();
    wait_running(&mut group);
    group.signal_member("config-server", Signal::SIGKILL);
    wait_status(&mut group, "it stops", |status| status["state"] == "stopping");
    for (path, expected) in
        [("/livez", "the group is stopping\n"), ("/readyz", "the group is stopping\n")]
    {
        let (head, body) = probe(address, path);
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert_eq!(body, expected);
    }
    std::fs::write(group.dir().join("go"), "").expect("a file");
    group.end().code(137);
}

fn a_real_prometheus_accepts_the_metrics(mode: Mode) {
    let Some(promtool) = find_program("promtool") else {
        return cannot_run("promtool, of Prometheus, is missing");
    };
    let mut group = asked(Group::new(mode))
        .main("web", "print=hello exit-on=TERM:0 wait")
        .key("memory: 64M")
        .sidecar("performance \"monitor\" \\", "exit-on=TERM:0 wait")
        .env("FATESHARE_LOG_FORMAT", "json")
        .start();
    wait_running(&mut group);
    let metrics = group.until("the line was counted", |group| {
        let (head, body) = get(group, "/metrics");
        assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
        body.contains("fateshare_log_lines_total{member=\"web\",stream=\"stdout\"} 1\n")
            .then_some(body)
    });
    for name in [
        "fateshare_build_info{",
        "fateshare_group_start_time_seconds 1",
        "fateshare_member_up{member=\"web\",role=\"main\"} 1",
        "fateshare_member_start_time_seconds{",
        "fateshare_member_resident_memory_bytes{",
        "fateshare_member_memory_limit_bytes{member=\"web\",role=\"main\"} 67108864",
        "fateshare_member_cpu_seconds_total{",
        "fateshare_group_healthy 1",
        "fateshare_group_ready 1",
        "fateshare_orphans_reaped_total 0",
        "fateshare_log_bytes_total{member=\"web\",stream=\"stdout\"} 6",
    ] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
    let begun = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains("start_time_seconds"));
        lines.map(str::to_owned).collect()
    };
    for _ in 0..20 {
        assert_eq!(begun(&get(&group, "/metrics").1), begun(&metrics), "nothing was started again");
    }
    let mut tool = Command::new(promtool);
    let tool = tool.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut tool = tool.stdout(Stdio::piped()).spawn().expect("promtool");
    let mut input = tool.stdin.take().expect("its input");
    input.write_all(metrics.as_bytes()).expect("it reads");
    drop(input);
    let output = tool.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}\n{metrics}");
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}

fn nothing_else_is_served_there(mode: Mode) {
    let address = free_address();
    let group = asked(Group::new(mode)).main("web", "exit-on=TERM:0 wait");
    let mut group = group.arguments(&["--listen", &address.to_string()]).start();
    wait_running(&mut group);
    for path in ["/", "/v1/status", "/v1/events", "/livez/"] {
        assert_eq!(code(address, path), 404, "{path}");
    }
    let (head, _) = get(&group, "/readyz");
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}

fn the_port_alone_is_enough(mode: Mode) {
    let address = free_address();
    let group = asked(Group::new(mode)).main("web", "exit-on=TERM:0 wait");
    let mut group = group.env("FATESHARE_LISTEN", &format!(":{}", address.port())).start();
    wait_running(&mut group);
    assert_eq!(code(address, "/readyz"), 200);
    // Nobody else can have it.
    let second =
        Group::new(mode).main("web", "wait").arguments(&["--listen", &address.to_string()]);
    second.start().end().code(125).says(&["--listen", "Address already in use"]);
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}
