//! Where fateshare is not alone, or says nothing at all.

use std::io::Write;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::page::Page;
use crate::support::running::send;
use crate::support::{Argv, proc};
use crate::{PAGE, Section, group, program, wait_for};

/// A while in which nothing comes.
const A_WHILE: Duration = Duration::from_millis(500);

#[test]
fn another_init_around_it() {
    let section = Section::new("SIGTERM from pid 1 (tini); stopping web");
    if program("tini", "tini").is_none() {
        return;
    }
    for init in [true, false] {
        let Some(group) = group() else { return };
        let group = group.main("web", "exit-on=TERM:0 wait");
        let group = if init { group.after_script("exec tini -- \"$@\"") } else { group };
        let mut running = group.start();
        running.wait_started(&["web"]);
        let fateshare = running.fateshare();
        let parent = proc::stat(fateshare).expect("it runs").parent;
        let asked = if init { parent } else { fateshare };
        send(asked, Signal::SIGTERM as i32);
        let ended = running.end();
        if init {
            section.said(&ended, 0);
        } else {
            section.gone(&ended, 0);
        }
    }
}

/// `ENTRYPOINT fateshare run` is run as `/bin/sh -c 'fateshare run'`.
#[test]
fn a_shell_around_it() {
    let text =
        Page::read(PAGE).below("### `docker stop` takes ten seconds, and fateshare says nothing");
    assert!(text.contains("ENTRYPOINT [\"/usr/bin/fateshare\", \"run\"]"), "{text}");
    if program("dash", "dash").is_none() {
        return;
    }
    let Some(group) = group() else { return };
    let script = "exec /bin/dash -c \"$*\"";
    let mut running = group.main("web", "exit-on=TERM:0 wait").after_script(script).start();
    running.wait_started(&["web"]);
    let shell = proc::stat(running.fateshare()).expect("it runs").parent;
    send(shell, Signal::SIGTERM as i32);
    thread::sleep(A_WHILE);
    assert!(!running.stderr().contains("SIGTERM"), "{}", running.stderr());
    // As the page says: the platform's SIGKILL is what ends it.
    running.signal(Signal::SIGKILL);
    let ended = running.end_killed();
    assert!(!ended.stderr.contains("ended in"), "{ended}");
}

#[test]
fn output_that_comes_late() {
    let text = Page::read(PAGE).below("### Output comes late, or all at once at the end");
    assert!(text.contains("command: [stdbuf, -oL, grep, -v, debug]"), "{text}");
    for command in [&["grep", "-v", "debug"][..], &["stdbuf", "-oL", "grep", "-v", "debug"]] {
        let Some(group) = group() else { return };
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let mut running = group.main("web", Argv(command)).stdin(reader).start();
        writer.write_all(b"a line\n").expect("it reads");
        if command[0] == "grep" {
            thread::sleep(A_WHILE);
            assert_eq!(running.stdout(), "", "it keeps the line back");
        } else {
            wait_for(&mut running, "a line");
        }
        drop(writer);
        let ended = running.end();
        assert_eq!(ended.stdout, "a line\n", "{ended}");
    }
}
