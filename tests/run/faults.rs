//! Every system call of a whole run fails once: each time a correct teardown or a clear error, and
//! never a hang or a survivor.
//!
//! In builds with debug assertions `$FATESHARE_FAIL` makes calls fail (see `src/sys/seam.rs`).
//! `FATESHARE_TEST_LONG=1` tries every number of every scene with every error. Without it each number
//! has one error in turn, and scenes that mostly repeat the calls of another have every third number
//! only, others in each mode. Whatever call these miss fails by its name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread;

use crate::support::cgroups::NAMESPACE;
use crate::support::{Argv, Ended, Group, Mode, Shell, cannot_run};

/// What a call fails with: EPERM, EIO, ENOMEM, EMFILE, ENOSYS, EINTR.
const ERRORS: [u32; 6] = [1, 5, 12, 24, 38, 4];

/// So many runs go on at a time: they wait more than they compute. Many more would keep each other from
/// ending everything within the time that is promised.
const AT_A_TIME: u32 = 12;

/// So many numbers in a row without a failure, and the run is over, beside those that are tried before
/// this one is known: not every run makes exactly as many calls as the one before.
const BEHIND_THE_END: u32 = 5;

/// Of a scene that mostly repeats the calls of another, each so many-th number is tried.
const SOME: u32 = 3;

/// One whole run.
struct Scene {
    name: &'static str,
    mode: Mode,
    /// Rules beside the one that is tried.
    always: &'static str,
    build: fn(Group) -> Group,
    /// The exit code if nothing fails.
    code: i32,
    /// Each so many-th number is tried, unless all have to be.
    every: u32,
}

/// A member ends; another leaves a daemon behind; all stop when they are told.
fn orderly(group: Group) -> Group {
    // Not every machine has such files.
    group
        .recorded(&NAMESPACE)
        .main("web", "child [ daemon session exit-on=TERM:0 wait ] exit-on=TERM:0 wait")
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .sidecar("last", "sleep=60 exit=3")
}

/// The same, but what is left behind stays in the process group: that is found without /proc.
fn unseen(group: Group) -> Group {
    group
        .main("web", "exit-on=TERM:0 wait")
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .sidecar("last", "child [ daemon exit-on=TERM:0 wait ] sleep=60 exit=3")
}

/// The same without a writing thread.
fn alone(group: Group) -> Group {
    orderly(group.after_words("refuse=clone3"))
}

/// The same, but nobody listens: SIGKILL in waves.
fn stubborn(group: Group) -> Group {
    group
        .main("web", "take=TERM child [ daemon session take=TERM wait ] wait")
        .sidecar("config-server", "take=TERM wait")
        .sidecar("last", "sleep=60 exit=3")
}

/// A stop request, from a shell that stays; and what members can be given.
fn stopped(group: Group) -> Group {
    fs::create_dir(group.dir().join("dir")).expect("a directory");
    group
        .after_script("ulimit -Sn 256; exec \"$@\"")
        // Its shell has to get to its trap.
        .arguments(&["--grace-period", "3s"])
        .main("web", Shell("trap 'exit 5' TERM; sleep 0.1; kill -TERM $PPID; sleep 60 & wait"))
        .key("working_dir: dir")
        .key("oom_score_adj: 1000")
        .key("no_new_privs: true")
        .sidecar("config-server", Argv(&["/bin/sleep", "60"]))
        .key("user: nobody")
}

/// What members write is relayed, that of another user too.
fn relayed(group: Group) -> Group {
    group
        .env("FATESHARE_LOG_FORMAT", "text")
        .main("web", "print=hello exit-on=TERM:0 wait")
        .sidecar("config-server", Argv(&["sh", "-c", "echo hello; echo error >&2; exec sleep 60"]))
        .key("user: nobody")
        .sidecar("last", "print=hello sleep=60 exit=3")
}

/// Profile scripts run first, and main is asked for its health where the platform asks.
fn prepared(group: Group) -> Group {
    fs::write(group.dir().join(".profile"), "export A=b\n").expect("a script");
    group
        .main("web", "exit-on=TERM:0 wait")
        .key("health_check: {type: port, port: 1}")
        .sidecar("last", "sleep=120 exit=3")
        .top("platform: cloudfoundry")
        .top("profile: .")
}

/// It can be asked, through both doors, and leaves a report and a termination message.
fn asked(group: Group) -> Group {
    orderly(group)
        .file("message", "")
        .env("FATESHARE_SOCKET", "group.sock")
        .env("FATESHARE_LISTEN", "127.0.0.1:0")
        .env("FATESHARE_REPORT", "report.json")
        .env("FATESHARE_TERMINATION_LOG", "message")
}

/// The group is recreated once.
fn recreated(group: Group) -> Group {
    orderly(group.arguments(&["--recreate=1"]))
}

/// It runs in a PID namespace of its own.
fn apart(group: Group) -> Group {
    orderly(group.arguments(&["--pid1"]))
}

/// A sidecar that cannot be executed.
fn broken(group: Group) -> Group {
    let script = group.dir().join("script");
    fs::write(&script, "#!/no/such/interpreter\n").expect("a script");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&script, mode).expect("its mode");
    group.main("web", "exit-on=TERM:0 wait").sidecar("config-server", Argv(&["./script"]))
}

fn scenes() -> Vec<Scene> {
    // What an old kernel or a strict sandbox lacks, all at once.
    const OLD: &str = "close_range:38,clone:1,pidfd_open:1,children_list:2,";
    let is_root = nix::unistd::geteuid().is_root();
    let mut scenes = Vec::new();
    for mode in [Mode::Pid1, Mode::Ordinary] {
        let mut add = |name, always, build: fn(Group) -> Group, code, every| {
            scenes.push(Scene { name, mode, always, build, code, every });
        };
        let (in_pid_1, in_ordinary) = match mode {
            Mode::Pid1 => (1, SOME),
            Mode::Ordinary => (SOME, 1),
        };
        add("orderly", "", orderly, 3, 1);
        add("stubborn", "", stubborn, 3, in_ordinary);
        // The same group as in the first scene, on another machine.
        add("alone", "", alone, 3, SOME);
        add("old", OLD, orderly, 3, SOME);
        add("no /proc", "proc:2,", unseen, 3, SOME);
        // The same group with more around it.
        add("asked", "", asked, 3, in_pid_1);
        add("broken", "", broken, 126, SOME);
        add("prepared", "", prepared, 3, SOME);
        // What is around the group does the same in both modes.
        match mode {
            Mode::Pid1 => add("recreated", "", recreated, 3, SOME),
            Mode::Ordinary => add("apart", "", apart, 3, SOME),
        }
        if is_root {
            add("stopped", "", stopped, 5, SOME);
            add("relayed", "", relayed, 3, in_ordinary);
        }
    }
    scenes
}

/// Which calls were made to fail in a run, by name.
fn failed(dir: &Path, always: &str) -> Vec<String> {
    let log = fs::read_to_string(dir.join("failed")).unwrap_or_default();
    let always: Vec<&str> = always.split(',').filter_map(|rule| rule.split(':').next()).collect();
    log.lines().filter(|name| !always.contains(name)).map(str::to_owned).collect()
}

/// One run with this failure; `None` if the run was over before.
fn run(scene: &Scene, which: &str, errno: u32) -> Option<Vec<String>> {
    let rules = format!("{}{which}:{errno}", scene.always);
    let keep = tempfile::tempdir().expect("a directory");
    let log = keep.path().join("failed");
    let end = || {
        let group = (scene.build)(Group::new(scene.mode).top("grace_period: 400ms"));
        let failing = group.env("FATESHARE_FAIL", &rules);
        failing.env("FATESHARE_FAIL_LOG", log.to_str().expect("a path in UTF-8")).start().end()
    };
    // On a starved machine who was killed may need longer to die than we wait. Where that is the
    // failure's doing it is so every time.
    let ended = catch_unwind(end).unwrap_or_else(|panic| {
        let said =
            panic.downcast_ref::<String>().is_some_and(|it| it.contains("left to the kernel"));
        if said { end() } else { resume_unwind(panic) }
    });
    judge(scene, &rules, &ended);
    let names = failed(keep.path(), scene.always);
    (!names.is_empty()).then_some(names)
}

/// The run's own code, or a clear error of ours.
fn judge(scene: &Scene, rules: &str, ended: &Ended) {
    let what = format!("{} {:?} {rules}\n{ended}", scene.name, scene.mode);
    if ended.code == Some(scene.code) {
        return;
    }
    let ours = ended.ours();
    let says = |words: &[&str]| ours.iter().any(|line| words.iter().any(|it| line.contains(it)));
    // Who could not be told to stop had to be killed.
    if ended.code == Some(137) && says(&["could not send SIGTERM to web"]) {
        return;
    }
    assert!([Some(125), Some(126), Some(127)].contains(&ended.code), "{what}");
    assert!(says(&["could not be started", "cannot", "not found"]), "{what}");
}

#[test]
fn every_call_of_a_run_may_fail() {
    if !cfg!(debug_assertions) {
        return cannot_run("calls can be made to fail in builds with debug assertions only");
    }
    let long = std::env::var("FATESHARE_TEST_LONG").is_ok_and(|value| value == "1");
    let mut names = BTreeMap::new();
    let mut total = 0;
    let scenes: Vec<Scene> = scenes().into_iter().filter(|it| it.mode.can_run()).collect();
    for (number, scene) in (0..).zip(&scenes) {
        let found =
            if long { sweep(scene, 1, 0, &ERRORS) } else { sweep(scene, scene.every, number, &[]) };
        total += found.values().sum::<u32>();
        for (name, count) in found {
            *names.entry(name).or_insert(0) += count;
        }
    }
    let is_missing = |name: &String, names: &BTreeMap<String, u32>| {
        !names.contains_key(name) && !ELSEWHERE.contains(&name.as_str())
    };
    // Not every number was tried, and no two runs make their calls in the same order: what was missed
    // fails by its name.
    let missed = seams().into_iter().filter(|name| is_missing(name, &names)).collect::<Vec<_>>();
    println!("{total} injected failures by number; by name: {missed:?}");
    for name in by_name(&scenes, &missed) {
        *names.entry(name).or_insert(0) += 1;
        total += 1;
    }
    println!("{total} injected failures of {} kinds of calls: {names:?}", names.len());
    let missing = missed.iter().filter(|name| is_missing(name, &names)).collect::<Vec<_>>();
    assert!(missing.is_empty(), "never made to fail: {missing:?}");
}

/// Calls that only a terminal brings about, or a drill (`tests/drill/faults.rs`), a pipe to write to, another user, or a failure before:
/// `terminal/faults.rs`, `output.rs`, `outside/`, `relay/faults.rs` and `local/` make them fail by their
/// names.
const ELSEWHERE: [&str; 35] = [
    "connect_socket",
    "dup2_standard",
    "dup_terminal",
    "fchmod",
    "get_window_size",
    "ioctl_fionread",
    "ioctl_tiocgdev",
    "ioctl_tiocnotty",
    "madvise",
    "memfd_create",
    "mkdir_socket",
    "open_null",
    "open_output",
    "open_peer",
    "peer_credentials",
    "posix_openpt",
    "read_cmdline",
    "read_exe",
    "read_fd_link",
    "read_ledger",
    "read_net",
    "read_status",
    "rmdir_socket",
    "send",
    "set_window_size",
    "sigqueue",
    "statfs_output",
    "suspend",
    "tcsetattr",
    "tcsetpgrp",
    "unlockpt",
    "waitid_stopped",
    "write_id_map",
    "write_in_place",
    "write_ledger",
];

/// A call that is made only when another one has failed, and that one's rule.
const AFTER: [(&str, &str); 1] = [("read_sysctl", "clone_apart:1")];

/// Number after number, each so many-th, some at a time; how often each call failed. Without errors to
/// try it is one in turn.
fn sweep(scene: &Scene, every: u32, from: u32, errors: &[u32]) -> BTreeMap<String, u32> {
    let next = AtomicU32::new(1 + from % every);
    let last = AtomicU32::new(0);
    let behind = AT_A_TIME * every + BEHIND_THE_END;
    let names = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(every, Ordering::SeqCst);
                    if number > last.load(Ordering::SeqCst) + behind {
                        return;
                    }
                    let one = [ERRORS[(number / every) as usize % ERRORS.len()]];
                    for errno in if errors.is_empty() { &one } else { errors } {
                        for name in run(scene, &number.to_string(), *errno).into_iter().flatten() {
                            last.fetch_max(number, Ordering::SeqCst);
                            *names.lock().expect("no panic").entry(name).or_insert(0) += 1;
                        }
                    }
                }
            });
        }
    });
    names.into_inner().expect("no panic")
}

/// Every call of each of these names fails, in the first scene that makes it; which did. As PID 1 first: whom we
/// cannot kill at all then dies with us.
fn by_name(scenes: &[Scene], names: &[String]) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let before = AFTER.iter().find(|(after, _)| after == name);
                    let which = before.map_or(name.clone(), |(_, it)| format!("{it},{name}"));
                    let failed = scenes.iter().find_map(|scene| run(scene, &which, 5));
                    let failed = failed.into_iter().flatten().filter(|it| it == name);
                    found.lock().expect("no panic").extend(failed.take(1));
                }
            });
        }
    });
    found.into_inner().expect("no panic")
}

/// The names of all calls that go through the seam, from the sources.
fn seams() -> BTreeSet<String> {
    let sys = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sys");
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(sys).expect("the room of the system calls").flatten() {
        let text = fs::read_to_string(entry.path()).expect("a source");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for before in ["seam::call(", "seam::checked(", "seam::raw(", "send(", "self.clone("] {
            for (at, _) in text.match_indices(before) {
                let rest = text[at + before.len()..].trim_start();
                if let Some(name) = rest.strip_prefix('"').and_then(|it| it.split('"').next()) {
                    names.insert(name.to_owned());
                }
            }
        }
    }
    assert!(names.len() > 40, "the seams were found: {names:?}");
    names
}
