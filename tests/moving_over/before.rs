//! What is there before: supervisord with a listener, tini with bash, foreman.

use nix::sys::signal::Signal;

use crate::page::Page;
use crate::stage::{APP, Image, SIDECAR};
use crate::{PAGE, Scene, assert_table, can_run};

/// The folder of each, and what its headings begin with.
pub(crate) const TOOLS: [(&str, &str); 3] =
    [("supervisord", "supervisord"), ("tini-bash", "tini and bash"), ("foreman", "foreman")];

/// supervisord calls a program that ends sooner one that cannot be started.
const UP: [&str; 3] = [
    "success: end-together entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)",
    "success: config-server entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)",
    "success: web entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)",
];

/// Without what foreman writes before a program's line: the label is missing where the program has ended before
/// foreman reads that line.
fn unlabelled(text: &str) -> String {
    let of_a_program =
        |said: &&str| ["app: ", "config-server: "].iter().any(|it| said.starts_with(it));
    let bare = text.lines().map(|line| {
        line.split_once("| ").map(|(_, said)| said).filter(of_a_program).unwrap_or(line)
    });
    bare.collect::<Vec<_>>().join("\n")
}

/// Plays each scene, and compares with the page's table and quotes.
fn check(folder: &str, column: &str, ready: &[&str]) {
    let page = Page::read(PAGE);
    let (_, heading) = TOOLS.iter().find(|(name, _)| *name == folder).expect("it is one of them");
    let dockerfile = page.block(&format!("### {heading}: before"), "dockerfile");
    for scene in Scene::ALL {
        let image = Image::new(&format!("{folder}/before"), &dockerfile);
        let seen = scene.play(image, ready);
        assert_table(&page, column, scene, &seen);
        if scene == Scene::Killed {
            let quoted = page.block(&format!("### {heading}: the sidecar is killed"), "");
            page.quotes(&unlabelled(&quoted), &unlabelled(&seen.output));
        }
        if scene == Scene::Stopped {
            let quoted = page.block(&format!("### {heading}: a stop request"), "");
            page.quotes(&unlabelled(&quoted), &unlabelled(&seen.output));
            let says_nothing = page.below(&format!("### {heading}: a stop request"));
            if says_nothing.contains("Nothing more: ") {
                assert_eq!(quoted.lines().count(), seen.output.lines().count(), "{seen:?}");
            }
        }
    }
}

#[test]
fn supervisord_with_a_listener() {
    if can_run("supervisord", "supervisor") {
        check("supervisord", "supervisord, listener", &UP);
    }
}

#[test]
fn tini_and_bash() {
    if can_run("tini", "tini") && can_run("bash", "bash") {
        check("tini-bash", "tini, bash", &[]);
    }
}

#[test]
fn foreman() {
    if can_run("foreman", "ruby-foreman") {
        check("foreman", "foreman", &[]);
    }
}

fn supervisord() -> (Page, Image) {
    let page = Page::read(PAGE);
    let dockerfile = page.block("### supervisord: before", "dockerfile");
    let image =
        Image::new("supervisord/before", &dockerfile).with_file("supervisord.conf", |text| {
            let (programs, _) = text.split_once("\n[eventlistener:").expect("the listener");
            programs.to_owned()
        });
    (page, image)
}

/// Without the listener and with `autorestart=false` the app is left alone.
#[test]
fn supervisord_without_the_listener_goes_on() {
    if !can_run("supervisord", "supervisor") {
        return;
    }
    let (page, image) = supervisord();
    let container = image.start();
    container.wait_until_it_serves();
    container.wait_for(&UP[1..]);
    container.signal(SIDECAR, Signal::SIGKILL);
    container.wait_for(&["exited: config-server (terminated by SIGKILL; not expected)"]);
    // Nothing more comes, so there is nothing to wait for but a while.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert!(container.runs(APP) && !container.runs(SIDECAR), "{}", container.output());
    let quoted = &page.blocks("### supervisord: without the listener")[0];
    page.quotes(&quoted.text, &container.output());
    container.stop();
    assert_eq!(container.end().code, Some(0));
}

/// Without the listener and with the default of `autorestart` the sidecar is started again.
#[test]
fn supervisord_without_the_listener_restarts() {
    if !can_run("supervisord", "supervisor") {
        return;
    }
    let (page, image) = supervisord();
    let image = image.with_file("supervisord.conf", |text| text.replace("autorestart=false\n", ""));
    let container = image.start();
    container.wait_until_it_serves();
    container.wait_for(&UP[1..]);
    let first = container.pid(SIDECAR);
    container.signal(SIDECAR, Signal::SIGKILL);
    let again = || {
        let said = container.output().matches("success: config-server entered RUNNING").count();
        (said == 2).then_some(())
    };
    let again = crate::support::poll(crate::support::LIMIT, again);
    assert!(again.is_some(), "{}", container.output());
    assert_ne!(container.pid(SIDECAR), first);
    let quoted = &page.blocks("### supervisord: without the listener")[1];
    page.quotes(&quoted.text, &container.output());
    container.stop();
    assert_eq!(container.end().code, Some(0));
}

/// With `-g` tini sends the signal to the app too, and still ends when bash does.
#[test]
fn tini_with_g_does_not_wait() {
    if !can_run("tini", "tini") || !can_run("bash", "bash") {
        return;
    }
    let page = Page::read(PAGE);
    let dockerfile = page.block("### tini and bash: before", "dockerfile");
    let container = Image::new("tini-bash/before", &dockerfile).with_option("-g").start();
    container.wait_until_it_serves();
    let open = container.with_open_request();
    container.stop();
    let seen = container.end();
    drop(open);
    assert_eq!(seen.code, Some(143), "{seen:?}");
    assert!(!seen.output.contains("app: stopped"), "{seen:?}");
}

/// Whoever is killed before bash comes to its `wait -n` is not waited for any more.
#[test]
fn bash_misses_who_was_killed_before_it_waits() {
    if !can_run("tini", "tini") || !can_run("bash", "bash") {
        return;
    }
    let page = Page::read(PAGE);
    let dockerfile = page.block("### tini and bash: before", "dockerfile");
    let image = Image::new("tini-bash/before", &dockerfile).with_file("start.sh", |text| {
        text.replace("wait -n\n", "until [ -e go ]; do sleep 0.01; done\necho waiting\nwait -n\n")
    });
    let go = image.path("go");
    let container = image.start();
    container
        .wait_for(&["app: listening on port 8080", "config-server: listening on localhost:8082"]);
    container.signal(SIDECAR, Signal::SIGKILL);
    container.wait_for(&["./config-server"]);
    std::fs::write(go, "").expect("the trigger");
    container.wait_for(&["waiting"]);
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(container.runs(APP) && !container.runs(SIDECAR), "{}", container.output());
    container.stop();
    assert_eq!(container.end().code, Some(143));
}
