//! What is executed, and what it finds: descriptors, directories, and why it could not be executed.

use std::fs;

use super::nowhere;
use crate::support::{Argv, Group, Mode, in_both_modes};

in_both_modes![
    exec_failure_is_told_apart_from_program_exit,
    descriptor_leaks,
    working_directory_is_kept,
];

/// Some C libraries hide why `posix_spawn` failed, and inits have 127, 2 or 1 for it. A program
/// that ends with such a code by itself has run, and is spoken of as one that has.
fn exec_failure_is_told_apart_from_program_exit(mode: Mode) {
    for code in [125, 126, 127] {
        let script = format!("exit {code}");
        for main_ends in [true, false] {
            let group = Group::new(mode);
            let (sleep, ends) = (Argv(&["/bin/sleep", "60"]), ["/bin/sh", "-c", &*script]);
            let group = if main_ends {
                group.main("it", Argv(&ends)).sidecar("other", sleep)
            } else {
                group.main("other", sleep).sidecar("it", Argv(&ends))
            };
            let ended = group.start().end();
            let words = format!(") exited with {code}");
            ended.code(code).verdict(&["it (pid ", &words]).silent_about("could not be started");
        }
    }
    // The last one only the kernel can refuse, when all is prepared.
    let long = "x".repeat(200_000);
    for (command, code, why) in [
        (&["/no/such/program"][..], 127, "not found"),
        (&["/etc/passwd"], 126, "permission"),
        (&["/etc"], 126, "directory"),
        (&["/bin/echo", &long], 125, "too long"),
    ] {
        let ended = Group::new(mode)
            .main("it", Argv(command))
            .sidecar("other", Argv(&["/bin/sleep", "60"]))
            .start()
            .end();
        ended.code(code).silent_about(" exited with ").silent_about("it (pid");
        let said = ended.stderr.to_lowercase();
        let line = said.lines().find(|line| line.contains("it could not be started: "));
        assert!(
            line.is_some_and(|line| line.contains(command[0]) && line.contains(why)),
            "{ended}"
        );
    }
}

/// catatonit handed its own descriptors and others' to the program until 0.1.6. A member has three,
/// whatever is open in fateshare by the time it is started.
fn descriptor_leaks(mode: Mode) {
    let mut group = Group::new(mode)
        .after_script("exec 3</etc/passwd 4>&1 9>/dev/null; exec \"$@\"")
        .main("web", "until=go exit=0");
    for number in 0..6 {
        group = group
            .sidecar(&format!("sidecar-{number}"), Argv(&["/bin/ls", "/proc/self/fd"]))
            .key("may_finish: true");
    }
    let mut group = group.start();
    group.until("all are shown", |group| (group.stdout().lines().count() >= 24).then_some(()));
    group.wait_no_zombies();
    fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = group.end();
    let mut lines: Vec<&str> = ended.stdout.lines().collect();
    lines.sort_unstable();
    // 3 is the directory that `ls` reads.
    let expected: Vec<&str> = ["0", "1", "2", "3"].iter().flat_map(|fd| [*fd; 6]).collect();
    assert_eq!(lines, expected, "{ended}");
}

/// Inits that move to `/`, so that a file system can be unmounted, must not take the program along,
/// and a child that shares its parent's memory must not share its directory.
fn working_directory_is_kept(mode: Mode) {
    let mut group = Group::new(mode)
        .main("web", "until=go exit=0")
        .sidecar("elsewhere", Argv(&["/bin/pwd", "-P"]))
        .key("may_finish: true")
        .key("working_dir: /")
        .sidecar("here", Argv(&["/bin/pwd", "-P"]))
        .key("may_finish: true")
        .start();
    let fateshare = group.fateshare();
    group.until("both are shown", |group| (group.stdout().lines().count() >= 2).then_some(()));
    let here = group.dir().canonicalize().expect("a path");
    let own = fs::read_link(format!("/proc/{fateshare}/cwd")).expect("its directory");
    assert_eq!(own, here);
    fs::write(group.dir().join("go"), "").expect("the trigger");
    let ended = group.end();
    let mut lines: Vec<&str> = ended.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["/", here.to_str().expect("a path in UTF-8")], "{ended}");
}

/// The C library's look-ups of users and hosts load its plug-ins at run time, which a static binary
/// in an image without them cannot.
#[test]
fn name_services_in_a_static_binary() {
    let words = [
        "getpw",
        "getgrnam",
        "getgrgid",
        "getaddrinfo",
        "User::from_",
        "ToSocketAddrs",
        "lookup_host",
    ];
    nowhere(&words, &[]);
}

/// A closure between fork and `execve` may take a lock that another thread held, or allocate, and
/// hang there. Our child runs a few lines of its own, which do neither. The copies that `local` makes of
/// the whole process execute nothing, and are made where no other thread can be.
#[test]
fn closures_before_exec() {
    nowhere(&["pre_exec", "before_exec", "CommandExt"], &[]);
    let makers = ["src/sys/spawn.rs", "src/sys/apart.rs"];
    nowhere(&["libc::clone", "libc::fork", "libc::vfork"], &makers);
    nowhere(&["apart::start"], &["src/local/mod.rs", "src/drill/stage.rs"]);
    nowhere(&["Voice::start", "local::run"], &["src/run/mod.rs", "src/main.rs"]);
    nowhere(&["execv"], &["src/sys/child.rs"]);
}

/// A script that was just written cannot be executed while another thread's child still has it open
/// for writing ("text file busy"): a false alarm of tests. A program that cannot be executed for
/// this reason is named with it.
#[test]
fn text_file_busy() {
    let group = Group::new(Mode::Ordinary).file("script", "#!/bin/sh\nexit 0\n");
    let script = group.dir().join("script");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&script, mode).expect("its mode");
    let writer = fs::File::options().append(true).open(&script).expect("it is open for writing");
    let script = script.display().to_string();
    let ended = group.main("web", Argv(&[&script])).start().end();
    drop(writer);
    // Linux 6.11 and some after it let it be executed.
    if ended.code != Some(0) {
        ended.code(126).says(&["web could not be started: ", &script, "usy"]);
    }
}
