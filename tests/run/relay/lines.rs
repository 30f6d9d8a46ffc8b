//! What lines look like, and that all of them come, each whole.

use std::fs;

use crate::relay::{counted, objects, of_member, relayed};
use crate::support::{Argv, Group, Mode, Shell, heavy, in_both_modes};

in_both_modes![
    each_line_has_its_members_name,
    json_is_an_object_a_line,
    raw_is_untouched,
    an_unfinished_last_line_comes_whole,
    odd_bytes_pass_through,
    a_line_that_is_too_long_is_split,
    last_words_come_before_the_verdict,
    our_first_line_is_the_first,
    floods_from_four_members_come_whole,
    what_is_relayed_is_counted,
    colours_are_for_those_who_want_them,
    another_user_opens_its_output_anew,
    a_thousand_members_are_relayed,
    too_few_descriptors_start_nothing,
    without_a_writing_thread_it_is_raw,
];

fn each_line_has_its_members_name(mode: Mode) {
    let ended = relayed(mode, "text")
        .main("web", Shell("echo one; echo two >&2; echo three; sleep 0.1"))
        .sidecar("config-server", "print=listening exit-on=TERM:0 wait")
        .start();
    let ended = ended.end();
    ended.code(0).says(&["web           | two"]);
    assert_eq!(of_member(&ended.stdout, "web"), ["one", "three"], "{ended}");
    assert!(ended.stdout.contains("web           | one\n"), "aligned\n{ended}");
    let mut group = relayed(mode, "text")
        .main("web", "until=go exit=3")
        .sidecar("config-server", "print=listening exit-on=TERM:0 wait")
        .start();
    group.until("it is shown at once", |group| {
        (of_member(&group.stdout(), "config-server") == ["listening"]).then_some(())
    });
    fs::write(group.dir().join("go"), "").expect("the trigger");
    group.end().code(3).verdict(&["web (pid ", ") exited with 3; stopping config-server"]);
}

fn json_is_an_object_a_line(mode: Mode) {
    let ended = relayed(mode, "json")
        .env("FATESHARE_LOG", "info")
        .main(
            "per \"formance\"",
            Shell("echo 'say \"hi\"'; echo oops >&2; until [ -e up ]; do sleep 0.01; done; exit 4"),
        )
        .sidecar(
            "config-server",
            Shell("echo '{\"level\":\"info\",\"n\":[1]}'; touch up; exec sleep 60"),
        )
        .start()
        .end();
    ended.code(4);
    let (out, err) = (objects(&ended.stdout), objects(&ended.stderr));
    let hi = out.iter().find(|it| it["member"] == "per \"formance\"").expect("main's line");
    assert_eq!(hi["message"], "say \"hi\"");
    assert_eq!(hi["stream"], "stdout");
    assert!(hi.get("data").is_none());
    let time = hi["time"].as_str().expect("a time");
    assert!(time.len() == 27 && time.ends_with('Z') && &time[10..11] == "T", "{time}");
    let object = out.iter().find(|it| it["member"] == "config-server").expect("its line");
    assert_eq!(object["data"]["level"], "info");
    assert_eq!(object["data"]["n"][0], 1);
    assert!(err.iter().any(|it| it["message"] == "oops" && it["stream"] == "stderr"), "{ended}");
    let ours: Vec<&str> = err
        .iter()
        .filter(|it| it["member"] == "fateshare")
        .map(|it| it["message"].as_str().expect("text"))
        .collect();
    assert!(ours[0].starts_with("group.yml: per \"formance\" + config-server"), "{ended}");
    assert!(ours.iter().any(|line| line.contains(") exited with 4; stopping")), "{ended}");
    assert!(ours.last().is_some_and(|line| line.ends_with("exit 4")), "{ended}");
}

fn raw_is_untouched(mode: Mode) {
    let ended = relayed(mode, "raw").main("web", Shell("printf 'one\\0two'")).start().end();
    assert_eq!(ended.code(0).stdout, "one\0two");
    // What is no terminal gets raw unless something else is said.
    let ended = Group::new(mode).main("web", Shell("printf 'one'")).sidecar("s", "wait").start();
    assert_eq!(ended.end().code(0).stdout, "one");
}

fn an_unfinished_last_line_comes_whole(mode: Mode) {
    let ended = relayed(mode, "text")
        .main("web", Shell("printf one; printf err >&2; sleep 0.1; printf ' line\\n and half'"))
        .start()
        .end();
    ended.code(0).says(&["web | err"]);
    assert_eq!(ended.stdout, "web | one line\nweb |  and half\n", "{ended}");
}

fn odd_bytes_pass_through(mode: Mode) {
    let group = relayed(mode, "text");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let script = "printf 'a\\rb\\r\\n\\n\\0\\377\\303\\n\\033[31mred\\n'";
    let running = group.main("web", Shell(script)).stdout(writer).start();
    running.end().code(0);
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut { reader }, &mut bytes).expect("all of it");
    assert_eq!(bytes, b"web | a\rb\r\nweb | \nweb | \0\xff\xc3\nweb | \x1b[31mred\n");
    let ended = relayed(mode, "json").main("web", Shell(script)).start().end();
    let messages: Vec<_> =
        objects(&ended.stdout).into_iter().map(|it| it["message"].clone()).collect();
    assert_eq!(messages, ["a\rb\r", "", "\0\u{fffd}\u{fffd}", "\u{1b}[31mred"], "{ended}");
}

fn a_line_that_is_too_long_is_split(mode: Mode) {
    let script = "head -c 100000 /dev/zero | tr '\\0' x; echo; echo next";
    let ended = relayed(mode, "text")
        .env("FATESHARE_LOG", "debug")
        .main("web", Shell(script))
        .start()
        .end();
    let lengths: Vec<usize> =
        of_member(&ended.stdout, "web").iter().map(|line| line.len()).collect();
    assert_eq!(lengths, [61_440, 38_560, 4]);
    let counts = counted(&ended, "web", "stdout").expect("counts");
    assert!(counts.starts_with("3 lines, 100006 bytes, 1 split"), "{counts}");
    let ended = relayed(mode, "json").main("web", Shell(script)).start().end();
    let partial: Vec<bool> =
        objects(&ended.stdout).iter().map(|it| it.get("partial").is_some()).collect();
    assert_eq!(partial, [true, false, false]);
}

/// What a member wrote before it died explains why; it stands above the line that says so.
fn last_words_come_before_the_verdict(mode: Mode) {
    for _ in 0..10 {
        let script = "seq 2000 >&2; echo last words >&2; exit 7";
        let ended = relayed(mode, "text")
            .main("web", "exit-on=TERM:0 wait")
            .sidecar("config-server", Shell(script))
            .start()
            .end();
        ended.code(7).verdict(&["config-server (pid ", ") exited with 7; stopping web"]);
        let at = |text: &str| ended.stderr.find(text).unwrap_or_else(|| panic!("{text}\n{ended}"));
        assert!(at("| last words\n") < at(") exited with 7; stopping"), "{ended}");
        assert_eq!(of_member(&ended.stderr, "config-server").len(), 2_001, "{ended}");
    }
}

fn our_first_line_is_the_first(mode: Mode) {
    for _ in 0..10 {
        let ended = relayed(mode, "text")
            .main("web", Shell("echo up >&2; exit 1"))
            .sidecar("config-server", Shell("echo up >&2; exec sleep 60"))
            .start()
            .end();
        let first = ended.stderr.lines().next().unwrap_or_default();
        assert!(first.starts_with("fateshare: group.yml: web + config-server"), "{ended}");
    }
}

fn floods_from_four_members_come_whole(mode: Mode) {
    const LINES: usize = 50_000;
    let _alone = heavy();
    let script = |name: &str| {
        format!(
            "yes {} | head -n {LINES}; echo >> done; exec $FIXTURE $LOG {name} exit-on=TERM:0 wait",
            name.repeat(20)
        )
    };
    let scripts = ["m0", "m1", "m2", "m3"].map(script);
    let mut group = relayed(mode, "text").main("m0", Shell(&scripts[0]));
    for (name, script) in ["m1", "m2", "m3"].into_iter().zip(&scripts[1..]) {
        group = group.sidecar(name, Shell(script));
    }
    let mut group = group.start();
    group.wait_started(&["m0", "m1", "m2", "m3"]);
    group.signal(nix::sys::signal::Signal::SIGTERM);
    let ended = group.end();
    for name in ["m0", "m1", "m2", "m3"] {
        let lines = of_member(&ended.stdout, name);
        let whole = name.repeat(20);
        assert_eq!(lines.len(), LINES, "{name}");
        assert!(lines.iter().all(|line| *line == whole), "{name}: none is torn");
    }
    assert_eq!(ended.stdout.lines().count(), 4 * LINES);
}

fn what_is_relayed_is_counted(mode: Mode) {
    let ended = relayed(mode, "text")
        .env("FATESHARE_LOG", "debug")
        .main("web", Shell("echo one; echo two; printf three >&2"))
        .sidecar("config-server", "exit-on=TERM:0 wait")
        .start()
        .end();
    assert_eq!(counted(&ended, "web", "stdout").as_deref(), Some("2 lines, 8 bytes"), "{ended}");
    assert_eq!(counted(&ended, "web", "stderr").as_deref(), Some("1 line, 5 bytes"), "{ended}");
    assert_eq!(counted(&ended, "config-server", "stdout"), None, "{ended}");
}

fn colours_are_for_those_who_want_them(mode: Mode) {
    let shown = |arguments: &[&str]| {
        let group = relayed(mode, "text").main("web", Shell("echo hi")).arguments(arguments);
        group.start().end().code(0).stdout.clone()
    };
    assert_eq!(shown(&[]), "web | hi\n", "a file sees none");
    assert_eq!(shown(&["--color", "always"]), "\x1b[0;36mweb |\x1b[0m hi\n");
    assert_eq!(shown(&["--color=never"]), "web | hi\n");
}

/// `echo hi > /dev/stdout` is how many programs log in containers.
fn another_user_opens_its_output_anew(mode: Mode) {
    if !nix::unistd::geteuid().is_root() {
        return crate::support::cannot_run("only root can start members of other users");
    }
    for (user, format) in [("nobody", "text"), ("12345", "json")] {
        let script = "echo out > /dev/stdout; echo err > /dev/stderr";
        let ended = relayed(mode, format)
            .main("web", Shell(script))
            .key(&format!("user: \"{user}\""))
            .start()
            .end();
        ended.code(0);
        assert!(ended.stdout.contains("out") && ended.stderr.contains("err"), "{ended}");
        ended.silent_about("enied");
    }
}

fn a_thousand_members_are_relayed(mode: Mode) {
    let _alone = heavy();
    let mut group = relayed(mode, "text").main("m0", "print=here exit-on=TERM:0 wait");
    for number in 1..1_000 {
        group = group.sidecar(&format!("m{number}"), "print=here exit-on=TERM:0 wait");
    }
    let mut group = group.top("grace_period: 60s").start();
    group.until("all have written", |group| {
        (group.stdout().matches("| here\n").count() == 1_000).then_some(())
    });
    group.signal(nix::sys::signal::Signal::SIGTERM);
    let ended = group.end();
    ended.code(0).says(&["nobody had to be killed"]);
}

fn too_few_descriptors_start_nothing(mode: Mode) {
    let mut group = relayed(mode, "text")
        .after_script("ulimit -n 64; exec \"$@\"")
        .main("web", "print=here wait");
    for number in 0..30 {
        group = group.sidecar(&format!("s{number}"), "wait");
    }
    let ended = group.start().end();
    ended.code(125).says(&[
        "relaying the output of 31 members takes 86 descriptors, and the limit is 64: raise it",
        "or use --log-format raw",
    ]);
    assert_eq!(ended.log, "", "nothing was started\n{ended}");
}

/// Old seccomp profiles refuse `clone3`, and the C library makes threads with nothing else.
fn without_a_writing_thread_it_is_raw(mode: Mode) {
    let ended = relayed(mode, "text")
        .after_words("refuse=clone3")
        .main("web", "print=hello exit=3")
        .sidecar("config-server", Argv(&["/bin/sleep", "60"]))
        .start()
        .end();
    ended.code(3).says(&[
        "cannot start the writing thread: Operation not permitted",
        "members' output is passed on as it is",
    ]);
    assert_eq!(ended.stdout, "hello\n", "{ended}");
}
