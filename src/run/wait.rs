//! Waiting: for a signal or for the core's next timer, and for nothing else.

use anyhow::{Context, Result};
use tokio::net::UnixStream;
use tokio::runtime;
use tokio::time::timeout;

use super::perform::{Shell, Slept};

/// Goes on until the group is over; gives the exit code.
///
/// Fails only if the runtime cannot be made: then members that were started die with us.
pub(super) fn until_over(shell: &mut Shell<'_>) -> Result<u8> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .context("cannot make the event loop")?;
    runtime.block_on(steps(shell))
}

async fn steps(shell: &mut Shell<'_>) -> Result<u8> {
    let socket = shell.signals.socket().and_then(UnixStream::from_std);
    let socket = socket.context("cannot wait for signals")?;
    let mut slept = None;
    loop {
        // What came before the first wait has made the socket readable too: look, then sleep.
        while shell.wake(slept.take()) {}
        if let Some(code) = shell.code() {
            return Ok(code);
        }
        let since = shell.now();
        let until = shell.next_timer();
        let readable = async {
            // Emptied before the signals are taken: one that comes in between wakes us again.
            if socket.readable().await.is_ok() {
                while socket.try_read(&mut [0; 256]).is_ok_and(|read| read > 0) {}
            }
        };
        match until {
            Some(until) => {
                let _ = timeout(until.since(since), readable).await;
            }
            None => readable.await,
        }
        slept = until.map(|until| Slept { since, until });
    }
}
