//! `docker run -it` with a shell, from a terminal: it reads what is typed, Ctrl-C ends what it runs
//! and not the shell, and its exit code is the container's.

use std::io::Write;

use crate::container::Container;
use crate::docker::wait_until;
use crate::pool::Job;
use crate::scenes::{Inside, showing_log};
use crate::{Stage, images};

/// Shells, and how each is asked to be one for people.
const SHELLS: [(&str, &[&str]); 3] = [
    ("dash", &["/bin/dash", "-i"]),
    ("bash", &["/bin/bash", "--norc", "-i"]),
    ("busybox", &["/bin/busybox", "sh", "-i"]),
];

/// With the shell alone: what Docker does without us. And with fateshare: the same.
pub(crate) fn jobs<'a>(stage: &'a Stage<'_>) -> Vec<Job<'a>> {
    let mut jobs = Vec::new();
    if stage.images.has("debian") {
        for (name, shell) in SHELLS {
            for alone in [true, false] {
                let with = if alone { "alone" } else { "under fateshare" };
                let title = format!("-it with {name} {with}");
                jobs.push(Job::new(title, move || interactive(stage, name, shell, alone)));
            }
        }
    }
    jobs
}

fn interactive(stage: &Stage<'_>, name: &str, shell: &[&str], alone: bool) {
    let image = images::name("debian", "TERM");
    let id = format!("terminal-{name}-{alone}");
    let options = ["--env=PS1=ready> ", "--env=TERM=dumb", "--env=FATESHARE_LOG_FORMAT=raw"];
    let sidecar = "--sidecar=config-server=/fixture - config-server exit-on=TERM:0 wait";
    let entry = format!("--entrypoint={}", shell[0]);
    let (options, args) = if alone {
        ([&options[..], &[&entry]].concat(), shell[1..].to_vec())
    } else {
        (options.to_vec(), [&[sidecar, "--"], shell].concat())
    };
    let (mut container, mut keyboard) =
        Container::run_on_terminal(stage.engine, (&image, &id), &options, &args);
    showing_log(&mut container, |container| {
        let mut enter = |line: &str| keyboard.write_all(line.as_bytes()).expect("keys");
        wait_until("a prompt", || prompts(container));
        let inside = Inside::of(container);
        enter("echo $((40+2))\r");
        wait_until("an answer", || container.log().iter().any(|line| line == "42"));

        enter("sleep 100\r");
        let sleeps = |container: &Container<'_>| {
            let now = Inside::of(container).processes;
            now.iter().any(|process| process.command.last().is_some_and(|word| word == "100"))
        };
        wait_until("sleep to run", || sleeps(container));
        enter("\u{3}");
        wait_until("Ctrl-C to end sleep", || !sleeps(container));
        wait_until("the prompt again", || prompts(container));

        enter("exit 7\r");
        assert_eq!(container.wait_for_exit(), Some(7));
        inside.wait_for_end();
        if !alone {
            let log = container.log();
            let verdict = |line: &&String| line.starts_with("fateshare: main (pid ");
            let verdict: Vec<&String> = log.iter().filter(verdict).collect();
            let [verdict] = verdict[..] else { panic!("not one verdict: {verdict:?}") };
            assert!(verdict.ends_with(" exited with 7; stopping config-server"), "{verdict}");
        }
    });
}

/// Whether the last that it wrote is the prompt; busybox then clears the rest, and asks where it is.
fn prompts(container: &Container<'_>) -> bool {
    // Our own first line may come late, on a machine that has much to do.
    let line = container.last_line();
    let line = line.split("fateshare: ").next().unwrap_or_default();
    let after = line.rsplit_once("ready> ").map(|(_, after)| after);
    after.is_some_and(|after| after.replace("\u{1b}[J", "").replace("\u{1b}[6n", "").is_empty())
}
