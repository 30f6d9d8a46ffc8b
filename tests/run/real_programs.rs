//! nginx and Redis as Debian packages them, as main process and sidecar.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::ports::free_port;
use crate::support::running::send;
use crate::support::{Argv, Group, Mode, Running, cannot_run, find_program, in_both_modes, proc};

in_both_modes![
    nginx_and_redis_stop_gracefully,
    redis_takes_nginx_with_it,
    nginx_takes_redis_with_it,
    nginx_in_the_background_is_told_what_to_do,
    redis_in_the_background_is_told_what_to_do,
];

struct Pair {
    group: Group,
    nginx: Vec<String>,
    redis: Vec<String>,
    web: SocketAddr,
    store: SocketAddr,
}

/// An address at a free port.
pub(crate) fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}

/// Both programs with all their files in the group's directory; `None` where they are missing.
fn pair(mode: Mode) -> Option<Pair> {
    let (Some(nginx), Some(redis)) = (find_program("nginx"), find_program("redis-server")) else {
        cannot_run("the Debian packages nginx and redis-server are not installed");
        return None;
    };
    let (web, store) = (free_address(), free_address());
    let group = Group::new(mode);
    let dir = group.dir().display().to_string();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("  {kind}_temp_path {dir}/{kind};\n"))
        .concat();
    // The directive is for root alone, and warned of elsewhere.
    let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
    let configuration = format!(
        "{user}\nworker_processes 2;\npid {dir}/nginx.pid;\nerror_log {dir}/error.log;\n\
         events {{}}\nhttp {{\n  access_log off;\n{temporary}  server {{\n    listen {web};\n    \
         location / {{ return 200 'hello from nginx'; }}\n  }}\n}}\n"
    );
    let group = group.file("nginx.conf", &configuration);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let port = store.port().to_string();
    Some(Pair {
        nginx: words(&[
            nginx.to_str()?,
            "-p",
            &dir,
            "-c",
            &format!("{dir}/nginx.conf"),
            "-e",
            &format!("{dir}/error.log"),
        ]),
        redis: words(&[
            redis.to_str()?,
            "--bind",
            "127.0.0.1",
            "--port",
            &port,
            "--dir",
            &dir,
            "--save",
            "",
        ]),
        group,
        web,
        store,
    })
}

impl Pair {
    /// nginx as main and Redis as sidecar, both answering.
    fn start(mut self) -> Running {
        self.nginx.extend(["-g", "daemon off;"].map(str::to_owned));
        let nginx: Vec<&str> = self.nginx.iter().map(String::as_str).collect();
        let redis: Vec<&str> = self.redis.iter().map(String::as_str).collect();
        let mut group = self.group.main("web", Argv(&nginx)).sidecar("redis", Argv(&redis)).start();
        answers(&mut group, self.web, "GET / HTTP/1.0\r\n\r\n", "hello from nginx");
        answers(&mut group, self.store, "PING\r\n", "PONG");
        group
    }
}

/// Waits until the server answers with this text.
fn answers(group: &mut Running, server: SocketAddr, question: &str, answer: &str) {
    group.until(&format!("{server} answers"), |_| {
        let mut stream = TcpStream::connect(server).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(question.as_bytes()).ok()?;
        let mut text = String::new();
        let mut bytes = [0; 512];
        while !text.contains(answer) {
            let count = stream.read(&mut bytes).ok().filter(|count| *count > 0)?;
            text += &String::from_utf8_lossy(&bytes[..count]);
        }
        Some(())
    });
}

/// The child of `fateshare` that runs this program.
fn leader(group: &mut Running, program: &str) -> i32 {
    let fateshare = group.fateshare();
    group.until(program, |_| {
        proc::children(fateshare).into_iter().map(|(pid, _)| pid).find(|pid| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            name.trim() == program
        })
    })
}

fn nginx_and_redis_stop_gracefully(mode: Mode) {
    let Some(pair) = pair(mode) else { return };
    let mut group = pair.start();
    group.signal(Signal::SIGTERM);
    let ended = group.end();
    ended.code(0).verdict(&["SIGTERM from ", "stopping web, redis"]);
    ended.says(&["nobody had to be killed", "exit 0"]);
    assert!(ended.stdout.contains("Redis is now ready to exit"), "{ended}");
}

fn redis_takes_nginx_with_it(mode: Mode) {
    let Some(pair) = pair(mode) else { return };
    let mut group = pair.start();
    let redis = leader(&mut group, "redis-server");
    send(redis, Signal::SIGKILL as i32);
    let ended = group.end();
    ended.code(137).verdict(&["redis (pid ", ") was killed by SIGKILL", "stopping web"]);
    ended.says(&["nobody had to be killed", "exit 137"]);
}

fn nginx_takes_redis_with_it(mode: Mode) {
    let Some(pair) = pair(mode) else { return };
    let mut group = pair.start();
    let nginx = leader(&mut group, "nginx");
    // Its workers are left, as they are after a crash.
    send(nginx, Signal::SIGKILL as i32);
    let ended = group.end();
    ended.code(137).verdict(&["web (pid ", ") was killed by SIGKILL", "stopping redis"]);
    assert!(ended.stdout.contains("Redis is now ready to exit"), "{ended}");
}

fn nginx_in_the_background_is_told_what_to_do(mode: Mode) {
    let Some(pair) = pair(mode) else { return };
    let nginx: Vec<&str> = pair.nginx.iter().map(String::as_str).collect();
    let redis: Vec<&str> = pair.redis.iter().map(String::as_str).collect();
    let ended = pair.group.main("web", Argv(&nginx)).sidecar("redis", Argv(&redis)).start().end();
    // It can be faster than we start Redis.
    ended.code(0).verdict(&["web (pid ", ") exited with 0", "redis"]);
    ended.says(&["put itself into the background", "run it in the foreground", "daemon off;"]);
    ended.silent_about("did not stop");
}

fn redis_in_the_background_is_told_what_to_do(mode: Mode) {
    let Some(mut pair) = pair(mode) else { return };
    pair.redis.extend(["--daemonize", "yes"].map(str::to_owned));
    let redis: Vec<&str> = pair.redis.iter().map(String::as_str).collect();
    let ended = pair.group.main("store", Argv(&redis)).start().end();
    ended.code(0).verdict(&["store (pid ", ") exited with 0"]);
    ended.says(&["put itself into the background", "--daemonize no"]);
}
