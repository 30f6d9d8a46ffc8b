//! Waiting: for a signal or for the core's next timer, and for nothing else.

use std::io;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};

use super::perform::{Shell, Slept};
use crate::sys::signals::Signals;

/// Where nothing wakes us any more, so often is looked.
const GLANCE: Duration = Duration::from_millis(10);

/// The event loop. Made before anything is started, so that a lack of descriptors starts nothing.
#[derive(Debug)]
pub(super) struct Waiter {
    runtime: Runtime,
    socket: UnixStream,
}

impl Waiter {
    pub(super) fn new(signals: &Signals) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let socket = {
            let _inside = runtime.enter();
            UnixStream::from_std(signals.socket()?)?
        };
        Ok(Self { runtime, socket })
    }

    /// Goes on until the group is over; gives the exit code.
    pub(super) fn until_over(&self, shell: &mut Shell<'_>) -> u8 {
        self.runtime.block_on(self.steps(shell))
    }

    async fn steps(&self, shell: &mut Shell<'_>) -> u8 {
        let mut slept = None;
        loop {
            // What came before the first wait has made the socket readable too: look, then sleep.
            while shell.wake(slept.take()) {}
            if let Some(code) = shell.code() {
                return code;
            }
            let since = shell.now();
            let until = shell.next_timer();
            match until {
                Some(until) => {
                    let woken = timeout(until.since(since), self.signalled()).await;
                    if let Ok(Err(error)) = woken {
                        // The timers still work, and one is armed: the group comes to its end.
                        shell.fail(format!("cannot wait for signals: {error}"));
                        sleep(GLANCE).await;
                    }
                }
                None => {
                    if let Err(error) = self.signalled().await {
                        shell.fail(format!("cannot wait for signals: {error}"));
                    }
                }
            }
            slept = until.map(|until| Slept { since, until });
        }
    }

    /// Until a signal has come. The socket is emptied before the signals are taken: one that comes
    /// in between wakes us again.
    async fn signalled(&self) -> io::Result<()> {
        self.socket.readable().await?;
        while self.socket.try_read(&mut [0; 256]).is_ok_and(|read| read > 0) {}
        Ok(())
    }
}
