//! The examples for platforms: Compose and Swarm run them here, and what a kubelet does is done by hand.

#[path = "../docker/mod.rs"]
mod docker;
#[path = "../docker/example.rs"]
mod example;
#[path = "../docker/listener.rs"]
mod listener;

mod compose;
mod fleet;
mod kubelet;
mod kubernetes;
#[path = "../support/python.rs"]
mod python;
mod swarm;

use std::path::Path;

use docker::Engine;

/// The name that the examples give to the image.
const IMAGE: &str = "sidecar-dependent-app";

/// A file of the examples.
fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    path.to_str().expect("a UTF-8 path").to_owned()
}

/// An engine of its own with the image in it, or why there can be none.
fn engine_with_image() -> Result<Engine, String> {
    let engine = Engine::alone()?;
    engine.docker(&["build", "--quiet", "--tag", IMAGE, example::context()]);
    Ok(engine)
}
