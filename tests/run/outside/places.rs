//! Where a group listens, who may ask it, and how it is found.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::Command;

use nix::sys::signal::Signal;

use super::{about, asked, run, said, socket, wait_running};
use crate::support::host::can_change_users;
use crate::support::{Argv, Group, Mode, Shell, fateshare, in_both_modes};

in_both_modes![
    a_socket_that_is_named_and_lives_is_an_error,
    a_socket_that_is_left_over_is_replaced,
    an_inherited_socket_that_lives_is_left_alone,
    other_users_are_refused_and_members_are_not,
    members_are_told_where_it_is,
    none_is_none,
    what_cannot_be_had_is_an_error_before_anything_starts,
    it_recreates_groups_at_the_same_place,
];

fn one(mode: Mode) -> Group {
    asked(Group::new(mode)).main("web", "exit-on=TERM:0 wait")
}

fn a_socket_that_is_named_and_lives_is_an_error(mode: Mode) {
    let mut group = one(mode).start();
    wait_running(&mut group);
    let path = socket(group.dir());
    let path = path.to_str().expect("a UTF-8 path");
    let second = Group::new(mode).main("web", "wait").arguments(&["--socket", path]).start().end();
    second.code(125).says(&["--socket: somebody listens at", "name another socket"]);
    assert_eq!(about(&group, &["health"]).code, Some(0), "the first one is as it was");
    assert!(group.dir().join("group.sock.lock").exists(), "and so is its lock");
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}

fn a_socket_that_is_left_over_is_replaced(mode: Mode) {
    let group = one(mode);
    drop(UnixListener::bind(socket(group.dir())).expect("a socket"));
    fs::write(group.dir().join("group.sock.lock"), "").expect("a lock");
    let mut group = group.start();
    group.wait_started(&["web"]);
    wait_running(&mut group);
    group.signal(Signal::SIGTERM);
    let path = socket(group.dir());
    group.until("its files are gone", |_| {
        let lock = path.with_extension("sock.lock");
        (!path.exists() && !lock.exists()).then_some(())
    });
    group.end().code(0);
}

fn an_inherited_socket_that_lives_is_left_alone(mode: Mode) {
    let mut group = one(mode).start();
    wait_running(&mut group);
    let path = socket(group.dir());
    let path = path.to_str().expect("a UTF-8 path");
    // As a member of the first one would find it.
    let mut inner = Group::new(mode)
        .main("web", Shell("echo $FATESHARE_SOCKET; exec sleep 60"))
        .env("FATESHARE_SOCKET", path)
        .start();
    let beside = inner.until("it has a socket", |inner| {
        let text = inner.stdout();
        text.ends_with('\n').then(|| text.trim_end().to_owned())
    });
    assert_ne!(beside, path);
    assert!(beside.contains("/fateshare-"), "{beside}");
    assert_eq!(run(&["health", "--socket", &beside]).code, Some(0));
    inner.signal(Signal::SIGTERM);
    inner.end().code(143);
    assert_eq!(about(&group, &["health"]).code, Some(0));
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}

fn other_users_are_refused_and_members_are_not(mode: Mode) {
    if !can_change_users() {
        return;
    }
    let group = one(mode).sidecar("config-server", Argv(&["/bin/sleep", "60"])).key("user: '4711'");
    fs::set_permissions(group.dir(), fs::Permissions::from_mode(0o755)).expect("its mode");
    let program = group.install(fateshare(), "client", "755");
    let mut group = group.start();
    wait_running(&mut group);
    let path = socket(group.dir());
    let by = |uid: &str, command: &str| {
        let ids = ["--reuid", uid, "--regid", uid, "--clear-groups"];
        let mut client = Command::new("setpriv");
        said(client.args(ids).arg(&program).arg(command).arg("--socket").arg(&path))
    };
    let refused = by("4712", "ps");
    assert_eq!(refused.code, Some(125), "{}", refused.stdout);
    let why = "user 4712 may not ask: root may, fateshare's own user, and those of its members";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);
    let refused = by("4712", "health");
    assert_eq!(refused.code, Some(1));
    assert!(refused.stdout.contains(why), "{}", refused.stdout);
    assert_eq!(by("4711", "health").code, Some(0), "a member's user may");
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}

fn members_are_told_where_it_is(mode: Mode) {
    let mut group = asked(Group::new(mode))
        .main("web", Shell("echo \"[$FATESHARE_SOCKET]\"; exec sleep 60"))
        .start();
    wait_running(&mut group);
    let expected = format!("[{}]\n", socket(group.dir()).display());
    group.until("it was told", |group| (group.stdout() == expected).then_some(()));
    group.signal(Signal::SIGTERM);
    group.end().code(143);
}

fn none_is_none(mode: Mode) {
    let group = Group::new(mode).main("web", Shell("echo \"[$FATESHARE_SOCKET]\"; exit 3"));
    let ended = group.arguments(&["--socket", "none"]).start().end();
    ended.code(3);
    assert_eq!(ended.stdout, "[]\n");
}

fn what_cannot_be_had_is_an_error_before_anything_starts(mode: Mode) {
    let long = format!("/tmp/{}", "x".repeat(103));
    for (arguments, expected) in [
        (["--socket", &long], "--socket: a socket's path has no more than 107 bytes"),
        (
            ["--socket", "/no/such/folder/sock"],
            "--socket: cannot listen at /no/such/folder/sock: its lock /no/such/folder/sock.lock: No such file",
        ),
        (
            ["--socket", "/etc/passwd"],
            "--socket: cannot listen at /etc/passwd: a file is there that is no socket",
        ),
        (
            ["--listen", "9090"],
            "--listen: \"9090\" is no address with a port, such as 0.0.0.0:9090",
        ),
        (
            ["--listen", "192.0.2.1:0"],
            "--listen: cannot listen at 192.0.2.1:0: Cannot assign requested address",
        ),
        (["--report", "/no/such/folder/report"], "--report: /no/such/folder is no directory"),
        (["--socket", "@"], "--socket: @ is no name: write @NAME for an abstract socket"),
        (
            ["--termination-log", "/dev/stderr"],
            "--termination-log: /dev/stderr is what members write to",
        ),
        (["--report", "/dev/stdout"], "--report: /dev/stdout is what members write to"),
        (["--report", "/tmp"], "--report: /tmp is a directory: name a file"),
    ] {
        let group = Group::new(mode).main("web", "wait").arguments(&arguments);
        let ended = group.start().end();
        ended.code(125).says(&[expected]);
        assert_eq!(ended.log, "", "{arguments:?}: nothing was started");
    }
    assert!(!fs::exists("/etc/passwd.lock").expect("a folder"), "nothing is left");
}

fn it_recreates_groups_at_the_same_place(mode: Mode) {
    let mut group = one(mode).arguments(&["--recreate=1"]).start();
    wait_running(&mut group);
    let first = super::status(&group)["members"][0]["pid"].clone();
    group.signal_member("web", Signal::SIGKILL);
    super::wait_status(&mut group, "the next one runs", |status| {
        status["state"] == "running" && status["members"][0]["pid"] != first
    });
    // That it runs is said before it has looked at its first word.
    group.until("the next one has started", |group| {
        let log = group.log();
        (log.lines().filter(|line| line.starts_with("web: started ")).count() == 2).then_some(())
    });
    group.signal(Signal::SIGTERM);
    group.end().code(0);
}

/// A member of another user cannot make anything where the outer group's socket is.
#[test]
fn a_group_within_a_group_of_another_user_has_its_own_socket() {
    if !can_change_users() {
        return;
    }
    let group = asked(Group::new(Mode::Ordinary));
    fs::set_permissions(group.dir(), fs::Permissions::from_mode(0o755)).expect("its mode");
    let program = group.install(fateshare(), "inner", "755");
    let inner = format!(
        "exec {} run -- sh -c 'echo \"[$FATESHARE_SOCKET]\"; {0} health && exec sleep 60'",
        program.display()
    );
    let mut group = group.main("web", Shell(&inner)).key("user: '4711'").start();
    group
        .until("the inner one was asked", |group| group.stdout().contains("healthy").then_some(()));
    let told = group.stdout();
    assert!(!told.contains(super::SOCKET) && !told.contains("[]"), "{told}");
    group.signal(Signal::SIGTERM);
    group.end().code(143).silent_about("cannot listen");
}

/// Without a name the first place is taken that can be had, and the next group is beside it; both are
/// found, and `health` wants one of them named.
#[test]
fn several_groups_of_one_user_are_found() {
    if !can_change_users() {
        return;
    }
    let runtime = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::chown(runtime.path(), Some(4_713), Some(4_713)).expect("its owner");
    let runtime_dir = runtime.path().to_str().expect("a UTF-8 path");
    let start = || {
        let group = Group::new(Mode::Ordinary).main("web", Argv(&["/bin/sleep", "60"]));
        let group = group.without_env("FATESHARE_SOCKET").env("XDG_RUNTIME_DIR", runtime_dir);
        group.run_by("--reuid 4713 --regid 4713 --clear-groups").start()
    };
    let path = runtime.path().join("fateshare.sock");
    let mut groups = [start(), start()];
    for group in &mut groups {
        let sockets = || fs::read_dir(runtime.path()).expect("the folder").count();
        // Each has a socket and its lock.
        group.until("both listen", |_| (sockets() == 4).then_some(()));
    }
    let program = groups[0].dir().join("fateshare");
    let client = |args: &[&str]| {
        let ids = ["--reuid", "4713", "--regid", "4713", "--clear-groups"];
        let mut client = Command::new("setpriv");
        said(
            client
                .args(ids)
                .arg(&program)
                .args(args)
                .env_clear()
                .env("XDG_RUNTIME_DIR", runtime_dir),
        )
    };
    assert!(path.exists(), "the first place");
    let shown = client(&["ps"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert_eq!(shown.stdout.matches("\nNAME ").count(), 2, "{}", shown.stdout);
    assert!(shown.stdout.contains(&format!("{runtime_dir}/fateshare-")), "{}", shown.stdout);
    let health = client(&["health"]);
    assert_eq!(health.code, Some(1));
    let expected = "several groups run here: name one of ";
    assert!(health.stdout.starts_with(expected), "{}", health.stdout);
    assert!(health.stdout.ends_with("with --socket\n"), "{}", health.stdout);
    assert_eq!(client(&["health", "--socket", path.to_str().expect("a path")]).code, Some(0));
    for mut group in groups {
        group.signal(Signal::SIGTERM);
        group.end().code(143);
    }
    assert_eq!(fs::read_dir(runtime.path()).expect("the folder").count(), 0, "nothing is left");
}

#[test]
fn nobody_to_ask_is_said() {
    for (args, code) in [(["ps"], 125), (["health"], 1)] {
        let mut command = Command::new(fateshare());
        let said = said(command.args(args).args(["--socket", "/no/such.sock"]).env_clear());
        assert_eq!(said.code, Some(code));
        assert_eq!(said.stderr, "fateshare: /no/such.sock: no such socket\n");
    }
    // Docker reserves 2.
    assert_eq!(run(&["health", "--no-such-option"]).code, Some(1));
    assert_eq!(run(&["ps", "--no-such-option"]).code, Some(125));
}

/// What a server says is shown on one clean line, whoever it is; and one that gives no answer is no group.
#[test]
fn a_server_that_is_none_of_ours_fools_nobody() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("fateshare.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let body = "\u{1b}[31mEVIL\u{1b}]0;title\u{7}\nfateshare: healthy";
            let head = format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n", body.len());
            let mut some = [0; 512];
            let _ = stream.read(&mut some);
            let _ = stream.write_all((head + body).as_bytes());
        }
    });
    let named = path.to_str().expect("a UTF-8 path");
    let shown = run(&["ps", "--socket", named]);
    assert_eq!(shown.code, Some(125));
    assert!(!shown.stderr.contains('\u{1b}') && shown.stderr.lines().count() == 1, "{shown:?}");
    let health = run(&["health", "--socket", named]);
    assert_eq!(health.code, Some(1));
    assert!(!health.stdout.contains('\u{1b}') && health.stdout.lines().count() == 1, "{health:?}");
}
