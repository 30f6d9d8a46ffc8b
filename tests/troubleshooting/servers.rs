//! npm, uWSGI and `PostgreSQL`, which have their own ideas of a stop.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;

use crate::stops::TOO_SLOW;
use crate::support::host::{can_change_users, set_mode};
use crate::support::{Argv, Ended, Group, cannot_run, proc};
use crate::{Section, group, program, stopped_after, wait_for};

/// A server that is asked to stop, says so, and ends with 0.
const SERVER: &str = "process.on('SIGTERM', () => { console.log('asked to stop'); process.exit(0); });\n\
                      setInterval(() => {}, 1000);\nconsole.log('ready');\n";

/// npm passes the signal on to the shell of its script. That and npm die of it, and nobody sees the program's code.
#[test]
fn npm_has_a_code_of_its_own() {
    let section = Section::because("ended in 0.5ms, nobody had to be killed; exit 143", "npm");
    let (Some(npm), Some(node)) = (program("npm", "npm"), program("node", "nodejs")) else {
        return;
    };
    let served = |command: &[&str], start: &str, key: &str, top: &str| -> Option<Ended> {
        let package = format!("{{\"scripts\": {{{start}}}}}\n");
        let group = group()?.file("package.json", &package).file("server.js", SERVER);
        let home = group.dir().to_str()?.to_owned();
        let path = std::env::var("PATH").unwrap_or_default();
        let group = group.env("HOME", &home).env("PATH", &path).env("NO_UPDATE_NOTIFIER", "1");
        let group = group.main("web", Argv(command));
        let group = if key.is_empty() { group } else { group.key(key) };
        let ended = stopped_after(group.top(top), "ready");
        assert!(ended.stdout.contains("asked to stop"), "{ended}");
        Some(ended)
    };
    let npm = [npm.to_str().expect("UTF-8"), "start"];
    let node = [node.to_str().expect("UTF-8"), "server.js"];
    let start = "\"start\": \"node server.js\"";
    let Some(ended) = served(&npm, start, "", "") else { return };
    section.said(&ended, 143);
    ended.says(&["sent SIGTERM to ", ", left by web"]);
    let again = |command: &[&str], start: &str, key: &str, top: &str| {
        served(command, start, key, top).expect("it ran before")
    };
    section.gone(&again(&npm, section.fix("\"start\": \"exec node server.js\""), "", ""), 0);
    section.gone(&again(&node, start, "", ""), 0);
    section.gone(&again(&npm, start, "", section.fix("exit_codes: {stopped: 0}")), 0);
    // Who gets it twice may say so twice, and the code stays npm's.
    again(&npm, start, section.fix("stop_to: group"), "").code(143);
    section.fix("command: [node, server.js]");
}

/// For who does not stop, and for who does, however busy the machine is.
const SHORT: &str = "grace_period: 2s";
const LONG: &str = "grace_period: 20s";

/// Its master takes SIGTERM for a request to start anew.
#[test]
fn uwsgi_reloads() {
    let section = Section::because(TOO_SLOW, "uWSGI starts anew on SIGTERM");
    let Some(uwsgi) = program("uwsgi-core", "uwsgi-core") else { return };
    let uwsgi = uwsgi.to_str().expect("UTF-8");
    let stopped = |options: &[&str], key: &str, grace: &str| -> Option<Ended> {
        let words = [&[uwsgi, "--socket", "web.sock"], options].concat();
        let group = group()?.main("web", Argv(&words)).top(grace);
        let group = if key.is_empty() { group } else { group.key(key) };
        let mut running = group.start();
        wait_for(&mut running, "spawned uWSGI worker 1");
        let fateshare = running.fateshare();
        let settled = |_: &mut _| {
            let (leader, _) = *proc::children(fateshare).first()?;
            let everyone = [vec![(leader, proc::stat(leader)?)], proc::children(leader)].concat();
            everyone.iter().all(|(pid, _)| proc::sleeps(*pid)).then_some(())
        };
        running.until("it waits for work", settled);
        running.signal(Signal::SIGTERM);
        Some(running.end())
    };
    let Some(ended) = stopped(&["--master"], "", SHORT) else { return };
    section.said(&ended, 137);
    assert!(ended.stderr.contains("gracefully (RE)spawned uWSGI master"), "{ended}");
    let dies = section.fix("--die-on-term");
    section.gone(&stopped(&["--master", dies], "", LONG).expect("it ran before"), 0);
    let signal = section.fix("stop_signal: SIGINT");
    section.gone(&stopped(&["--master"], signal, LONG).expect("it ran before"), 0);
    // Without a master it ends, with a code of its own.
    section.fix("exits with 30");
    section.gone(&stopped(&[], "", LONG).expect("it ran before"), 30);
}

/// SIGTERM waits for all clients to go; SIGINT sends them away.
#[test]
fn postgres_waits_for_its_clients() {
    let section = Section::because(TOO_SLOW, "PostgreSQL waits for its clients on SIGTERM");
    let Some(bin) = postgres() else {
        return cannot_run("PostgreSQL's server is missing (the Debian package postgresql)");
    };
    if !can_change_users() {
        return;
    }
    let stopped = |key: &str, grace: &str| -> Option<Ended> {
        let group = group()?.for_all_users();
        let data = Data::new(&bin, &group);
        let server = bin.join("postgres");
        let socket = group.dir().join("data");
        // Who is killed leaves his shared memory: in a namespace that ends with him, and in files of the group.
        let nobody =
            ["unshare", "--ipc", "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"];
        let server = [server.to_str()?, "-D", "data", "-k", socket.to_str()?, "-h", ""];
        let memory = ["-c", "dynamic_shared_memory_type=mmap"];
        let words = [&nobody[..], &server, &memory].concat();
        let group = group.main("web", Argv(&words)).top(grace);
        let mut running = if key.is_empty() { group } else { group.key(key) }.start();
        wait_for(&mut running, "ready to accept connections");
        let client = data.client("select pg_sleep(1000)");
        running.until("a client is served", |_| {
            let seen =
                "select count(*) from pg_stat_activity where query = 'select pg_sleep(1000)'";
            let output = data.client(seen).0.take()?.wait_with_output().ok()?;
            (output.stdout == b"1\n").then_some(())
        });
        running.signal(Signal::SIGTERM);
        let ended = running.end();
        drop(client);
        Some(ended)
    };
    let Some(ended) = stopped("", SHORT) else { return };
    section.said(&ended, 137);
    assert!(ended.stderr.contains("received smart shutdown request"), "{ended}");
    let ended = stopped(section.fix("stop_signal: SIGINT"), LONG).expect("it ran before");
    section.gone(&ended, 0);
    assert!(ended.stderr.contains("received fast shutdown request"), "{ended}");
}

/// The newest server, where Debian puts it.
fn postgres() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let bins = versions.map(|version| version.path().join("bin"));
    bins.filter(|bin| bin.join("postgres").exists()).max()
}

/// A database in the directory of a group.
struct Data {
    bin: PathBuf,
    dir: PathBuf,
}

impl Data {
    fn new(bin: &Path, group: &Group) -> Self {
        let dir = group.dir().join("data");
        set_mode(group.dir(), 0o777);
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]);
        command.arg(bin.join("initdb")).args(["--auth=trust", "--no-sync", "-U", "admin", "-D"]);
        let output = command.arg(&dir).env_clear().current_dir("/").output().expect("setpriv");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "initdb: {error}");
        Self { bin: bin.to_owned(), dir }
    }

    fn client(&self, query: &str) -> Client {
        let mut command = Command::new(self.bin.join("psql"));
        command.arg("-h").arg(&self.dir).args(["-U", "admin", "-XAt", "-c", query, "postgres"]);
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Client(Some(command.spawn().expect("psql")))
    }
}

/// Ends when it is dropped.
struct Client(Option<Child>);

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
