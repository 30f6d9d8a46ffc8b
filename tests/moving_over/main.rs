//! `docs/moving-over.md`: what others do when a sidecar is killed, and what `fateshare` does in their place.
//!
//! Each folder of `examples/moving-over` is run twice, as PID 1: what is there before with the real program, as
//! Debian packages it, and what is written in its place. What the page quotes was said, and what its table says
//! happened.

#[path = "../support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each test uses its part of the support"
)]
mod support;

mod before;
mod document;
mod page;
mod stage;

use nix::sys::signal::Signal;

use page::Page;
use stage::{APP, Container, Image, SIDECAR, Seen};
use support::{Mode, cannot_run, find_program};

const PAGE: &str = "docs/moving-over.md";
const TABLE: &str = "## What each does";

/// What can happen to a container; each is a part of the page's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    Killed,
    Finished,
    Broken,
    Stopped,
}

impl Scene {
    const ALL: [Self; 4] = [Self::Killed, Self::Finished, Self::Broken, Self::Stopped];

    /// As the table says it.
    fn words(self) -> &'static str {
        match self {
            Self::Killed => "the sidecar is killed",
            Self::Finished => "the sidecar exits with 0",
            Self::Broken => "the sidecar exits with 2",
            Self::Stopped => "a stop request",
        }
    }

    /// Makes it happen, once these have been said too.
    fn play(self, image: Image, ready: &[&str]) -> Seen {
        if self == Self::Broken {
            return image.with_a_broken_sidecar().start().end();
        }
        let container: Container = image.start();
        container.wait_until_it_serves();
        container.wait_for(ready);
        match self {
            Self::Killed => container.signal(SIDECAR, Signal::SIGKILL),
            Self::Finished => container.signal(SIDECAR, Signal::SIGTERM),
            Self::Stopped => container.stop(),
            Self::Broken => {}
        }
        container.end()
    }
}

/// What the table says of a scene is what was seen.
#[track_caller]
fn assert_table(page: &Page, column: &str, scene: Scene, seen: &Seen) {
    let words = scene.words();
    let code = seen.code.expect("it exits").to_string();
    let cell = |what: &str| page.cell(TABLE, &format!("{words}: {what}"), column);
    assert_eq!(cell("exit code"), code, "{column}, {words}\n{seen:?}");
    if scene != Scene::Broken {
        // It says so when it is asked to stop; else it was killed together with PID 1.
        let told = seen.output.lines().any(|line| line.ends_with("app: stopped"));
        let gets = if told { "SIGTERM" } else { "SIGKILL" };
        assert_eq!(cell("the app gets"), gets, "{column}, {words}\n{seen:?}");
    }
}

/// Whether this can run here; says why not.
fn can_run(program: &str, package: &str) -> bool {
    if find_program(program).is_none() {
        cannot_run(&format!("the Debian package {package} is not installed"));
        return false;
    }
    Mode::Pid1.can_run()
}

/// Each `after/fateshare.yml` does the same as the others: what the page's last quotes say.
#[test]
fn with_fateshare_in_their_place() {
    if !Mode::Pid1.can_run() {
        return;
    }
    let page = Page::read(PAGE);
    for (tool, heading) in before::TOOLS {
        let folder = format!("{tool}/after");
        let dockerfile = page.block(&format!("### {heading}: after"), "dockerfile");
        for scene in Scene::ALL {
            let seen = scene.play(Image::new(&folder, &dockerfile), &[]);
            assert_table(&page, "fateshare", scene, &seen);
            let quoted = match scene {
                Scene::Killed => "### fateshare: the sidecar is killed",
                Scene::Finished => "### fateshare: the sidecar exits with 0",
                Scene::Stopped => "### fateshare: a stop request",
                Scene::Broken => continue,
            };
            page.quotes(&page.block(quoted, ""), &seen.output);
        }
        let container = Image::new(&folder, &dockerfile).start();
        container.wait_until_it_serves();
        let open = container.with_open_request();
        container.signal(SIDECAR, Signal::SIGKILL);
        let seen = container.end();
        drop(open);
        assert!(seen.output.contains("app: stopped"), "{APP} may finish its work\n{seen:?}");
        assert_eq!(seen.code, Some(137), "{seen:?}");
    }
}
