//! What `docker events` says from now on: the engine itself remembers no more than the latest 256, of all containers.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::SystemTime;

use crate::docker::Engine;

/// A `docker events` that is listened to. It ends when this is dropped.
pub(crate) struct Listener {
    client: Child,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    /// What these further arguments let through, also if it takes a while until the engine is asked.
    pub(crate) fn new(engine: &Engine, arguments: &[&str]) -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("a time after 1970");
        let mut client = engine
            .command()
            .args(["events", "--filter=type=container", &format!("--since={}", now.as_secs())])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("docker can be run");
        let lines = BufReader::new(client.stdout.take().expect("its output")).lines();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&heard);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                writer.lock().expect("no panic").push(line);
            }
        });
        Self { client, heard }
    }

    /// The lines that have come so far.
    pub(crate) fn heard(&self) -> MutexGuard<'_, Vec<String>> {
        self.heard.lock().expect("no panic")
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}
