//! Waiting: for a signal, a hang-up of the terminal, an answer to a health check, a count of kills for
//! lack of memory, or the core's next timer, and nothing else.

use std::fs::File;
use std::future::{pending, poll_fn};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, timeout};

use super::perform::Shell;
use super::probes::Answered;
use crate::status::server::Server;
use crate::sys::cgroup::Memory;
use crate::sys::signals::Signals;
use crate::sys::terminal::Terminal;

/// Where nothing wakes us any more, so often is looked.
const GLANCE: Duration = Duration::from_millis(10);

/// So many steps of those who ask us something are made before it is looked what has come: a crowd of
/// them must delay no signal, and drive nobody out who has only just come.
const STEPS_BETWEEN_LOOKS: u32 = 8;

/// So much room the runtime keeps for what the kernel tells at a time: there are hardly more descriptors, and what
/// has no room is told the next time. Its own choice would be 12 KiB in every container.
const EVENTS_AT_A_TIME: usize = 64;

/// The event loop. Made before anything is started, so that a lack of descriptors starts nothing.
#[derive(Debug)]
pub(super) struct Waiter {
    runtime: Runtime,
    socket: UnixStream,
    /// The terminal, until it is hung up.
    terminal: Option<AsyncFd<OwnedFd>>,
    /// What the kernel says of our memory.
    memory: Option<AsyncFd<Rc<File>>>,
    answers: UnboundedReceiver<Answered>,
}

/// What has woken us.
#[derive(Debug)]
enum Woken {
    Signalled,
    Counted,
    HungUp,
    Answered(Answered),
}

impl Waiter {
    pub(super) fn new(
        signals: &Signals,
        terminal: Option<Terminal>,
        memory: Option<&Memory>,
        answers: UnboundedReceiver<Answered>,
    ) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .event_interval(STEPS_BETWEEN_LOOKS)
            .max_io_events_per_tick(EVENTS_AT_A_TIME)
            .build()?;
        let inside = runtime.enter();
        let socket = UnixStream::from_std(signals.socket()?)?;
        let watched = terminal.map(|terminal| watch(terminal.to_watch()?));
        let terminal = watched.transpose().unwrap_or_else(|error| {
            tracing::warn!("cannot watch the terminal for a hang-up: {error}");
            None
        });
        let watched = memory.and_then(Memory::to_watch).map(watch);
        let memory = watched.transpose().unwrap_or_else(|error| {
            // Then it is looked at when there are ends.
            tracing::debug!("cannot watch the count of out-of-memory kills: {error}");
            None
        });
        drop(inside);
        Ok(Self { runtime, socket, terminal, memory, answers })
    }

    /// Goes on until the group is over; gives the exit code. Whoever asks meanwhile is answered.
    pub(super) fn until_over(self, shell: &mut Shell<'_>, server: Server) -> u8 {
        // Never taken apart: what ends next is the process.
        let mut kept = ManuallyDrop::new(self);
        let Self { runtime, socket, terminal, memory, answers } = &mut *kept;
        let mut sources = Sources { socket, terminal, memory, answers };
        runtime.block_on(async {
            let open = server.open().inspect_err(|error| {
                tracing::warn!("nobody can ask for the status: {error}");
            });
            let code = steps(&mut sources, shell).await;
            if let Ok(open) = open {
                open.close().await;
            }
            code
        })
    }
}

/// What wakes us.
struct Sources<'a> {
    socket: &'a UnixStream,
    terminal: &'a mut Option<AsyncFd<OwnedFd>>,
    memory: &'a mut Option<AsyncFd<Rc<File>>>,
    answers: &'a mut UnboundedReceiver<Answered>,
}

async fn steps(sources: &mut Sources<'_>, shell: &mut Shell<'_>) -> u8 {
    loop {
        // What came before the first wait has made the socket readable too: look, then sleep.
        while {
            shell.let_ends_come_together();
            shell.wake()
        } {}
        if let Some(code) = shell.code() {
            return code;
        }
        let woken = match shell.next_timer() {
            Some(until) => {
                let woken = woken(sources);
                timeout(until.since(shell.now()), woken).await.unwrap_or(Ok(Woken::Signalled))
            }
            None => woken(sources).await,
        };
        match woken {
            // Every wake-up looks at the signals, and at the count.
            Ok(Woken::Signalled | Woken::Counted) => {}
            Ok(Woken::Answered(answered)) => shell.answered(answered),
            Ok(Woken::HungUp) => {
                *sources.terminal = None;
                shell.hung_up();
            }
            Err(error) => {
                // A timer is armed from now on: the group comes to its end.
                shell.fail(format!("cannot wait for signals: {error}"));
                sleep(GLANCE).await;
            }
        }
    }
}

/// Of the terminal nothing but a hang-up wakes us: what is typed is main's. Of the memory nothing but a
/// change: its file can always be read.
#[expect(deprecated, reason = "its successor asks for a promise that an OwnedFd or a File keeps")]
fn watch<T: AsRawFd>(file: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(file, Interest::PRIORITY)
}

/// Until a signal has come, an answer, a change of the memory's count, or the terminal is gone. The
/// socket is emptied before the signals are taken: one that comes in between wakes us again.
async fn woken(sources: &mut Sources<'_>) -> io::Result<Woken> {
    let Sources { socket, terminal, memory, answers } = sources;
    let (terminal, memory) = (terminal.as_ref(), memory.as_ref());
    let mut counted = pin!(counted(memory));
    let woken = poll_fn(|context| {
        if terminal.is_some_and(|terminal| is_hung_up(terminal, context)) {
            return Poll::Ready(Ok(Woken::HungUp));
        }
        if let Poll::Ready(Some(answered)) = answers.poll_recv(context) {
            return Poll::Ready(Ok(Woken::Answered(answered)));
        }
        if let Poll::Ready(signalled) = socket.poll_read_ready(context) {
            return Poll::Ready(signalled.map(|()| Woken::Signalled));
        }
        counted.as_mut().poll(context).map(|()| Ok(Woken::Counted))
    });
    let woken = woken.await?;
    while socket.try_read(&mut [0; 256]).is_ok_and(|read| read > 0) {}
    Ok(woken)
}

/// Until the kernel has counted something of the memory. The look at the count, which has it told again,
/// comes behind this: a change in between is seen there.
async fn counted(memory: Option<&AsyncFd<Rc<File>>>) {
    match memory {
        Some(memory) => match memory.ready(Interest::PRIORITY).await {
            Ok(mut guard) => guard.clear_ready(),
            Err(_) => pending().await,
        },
        None => pending().await,
    }
}

fn is_hung_up(terminal: &AsyncFd<OwnedFd>, context: &mut Context<'_>) -> bool {
    loop {
        match terminal.poll_read_ready(context) {
            Poll::Ready(Ok(mut guard)) => {
                if guard.ready().is_read_closed() {
                    return true;
                }
                guard.clear_ready();
            }
            Poll::Ready(Err(_)) | Poll::Pending => return false,
        }
    }
}
