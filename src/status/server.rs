//! The server: who may ask, how many at a time and for how long, and what there is to ask for.
//!
//! It shares the supervisor's thread: nothing here waits but in `await`, every step is short, and
//! while nobody asks nothing runs. Who has connected and says nothing costs no wake-up either: time is
//! measured from the first byte to the end of the answer.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use http_body_util::{Either, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{AbortHandle, JoinHandle, yield_now};
use tokio::time::sleep;

use super::Board;
use super::answer::Answers;
use super::metrics;
use super::stream::Events;
use crate::sys::process;
use crate::sys::status_socket::{Peer, Socket, may_be_anybody, peer};

/// So many connections at a time through each door; one more takes the place of the oldest of whoever
/// has the most.
pub const MOST_CONNECTIONS: usize = 32;

/// So many of those who are only told that they may not ask.
const MOST_REFUSED: usize = 4;

/// From the first byte of a request to the last of its answer; a stream of events has no end.
pub(super) const LONGEST: Duration = Duration::from_secs(10);

/// So long a request's head may be, and so many lines.
const LARGEST_HEAD: usize = 16 * 1024;
const MOST_HEADERS: usize = 64;

/// When nobody can be let in, for want of descriptors: until it is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// So often those who ask have their turn when the group is over.
const LAST_TURNS: usize = 64;

/// The doors, before the event loop runs.
#[derive(Debug)]
pub struct Server {
    board: Board,
    socket: Option<Socket>,
    probes: Option<TcpListener>,
    /// So many connections at a time through each door.
    most: usize,
}

/// Through which door somebody came.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The Unix socket, and is entitled.
    Entitled,
    /// The Unix socket, and is not: this user.
    Refused(u32),
    /// TCP: probes and metrics only.
    Probes,
}

/// The doors while the event loop runs. Nobody comes in any more once they are closed; whoever has is let go when
/// the process ends.
#[derive(Debug)]
pub struct Open {
    /// Its files go when the group is over.
    _place: Option<Socket>,
    is_used: Arc<AtomicBool>,
    doors: Vec<JoinHandle<()>>,
}

impl Server {
    /// Serves this board through these. Neither is waited for. `spare` descriptors are nobody else's.
    pub fn new(
        board: Board,
        socket: Option<Socket>,
        probes: Option<TcpListener>,
        spare: u64,
    ) -> Self {
        // Two doors, with as many again to spare.
        let most = usize::try_from(spare / 4).unwrap_or(usize::MAX).clamp(1, MOST_CONNECTIONS);
        Self { board, socket, probes, most }
    }

    /// Opens the doors. Called within the event loop.
    pub fn open(self) -> io::Result<Open> {
        let is_used = Arc::new(AtomicBool::new(false));
        let mut doors = Vec::new();
        let most = self.most;
        if let Some(socket) = &self.socket {
            let listener = tokio::net::UnixListener::from_std(socket.listener.try_clone()?)?;
            let (board, is_used) = (self.board.clone(), Arc::clone(&is_used));
            doors.push(tokio::spawn(async move {
                let (mut entitled, mut refused) =
                    (Pool::new(most), Pool::new(MOST_REFUSED.min(most)));
                let mut pace = Pace::default();
                loop {
                    let Ok((stream, _)) = listener.accept().await else {
                        sleep(PAUSE).await;
                        continue;
                    };
                    is_used.store(true, Ordering::Relaxed);
                    let Ok(peer) = peer(&stream) else { continue };
                    let (door, pool) = if is_entitled(&board, peer) {
                        (Door::Entitled, &mut entitled)
                    } else {
                        (Door::Refused(peer.uid), &mut refused)
                    };
                    let board = board.clone();
                    pool.admit(peer.pid, async move {
                        if stream.readable().await.is_ok() {
                            serve(stream, board, door).await;
                        }
                    });
                    pace.keep().await;
                }
            }));
        }
        if let Some(probes) = self.probes {
            let listener = tokio::net::TcpListener::from_std(probes)?;
            let (board, is_used) = (self.board, Arc::clone(&is_used));
            doors.push(tokio::spawn(async move {
                let mut pool = Pool::new(most);
                let mut pace = Pace::default();
                loop {
                    let Ok((stream, from)) = listener.accept().await else {
                        sleep(PAUSE).await;
                        continue;
                    };
                    is_used.store(true, Ordering::Relaxed);
                    let board = board.clone();
                    pool.admit(from.ip(), async move {
                        if stream.readable().await.is_ok() {
                            serve(stream, board, Door::Probes).await;
                        }
                    });
                    pace.keep().await;
                }
            }));
        }
        Ok(Open { _place: self.socket, is_used, doors })
    }
}

impl Open {
    /// The group is over: whoever listens hears that, if it listens now.
    pub async fn close(self) {
        if self.is_used.load(Ordering::Relaxed) {
            for _ in 0..LAST_TURNS {
                yield_now().await;
            }
        }
        // The last flush may take a while: whoever comes now is refused, and does not wait for that.
        for door in &self.doors {
            door.abort();
        }
        yield_now().await;
    }
}

/// How fast connections are let in: whoever was let in comes before the next one, and who only connects
/// and hangs up gets no more than a small share of the processor.
#[derive(Default)]
struct Pace(u32);

impl Pace {
    async fn keep(&mut self) {
        const AT_ONCE: u32 = 4;
        const PAUSE: Duration = Duration::from_millis(1);
        self.0 += 1;
        if self.0.is_multiple_of(AT_ONCE) {
            sleep(PAUSE).await;
        } else {
            yield_now().await;
        }
    }
}

/// Connections through one door. When there is one too many, whoever has the most loses the oldest of
/// them: who has a single one is not driven out by a crowd from one place.
pub(super) struct Pool<K> {
    most: usize,
    pub(super) tasks: VecDeque<(K, AbortHandle)>,
}

impl<K: Copy + Ord> Pool<K> {
    pub(super) fn new(most: usize) -> Self {
        Self { most, tasks: VecDeque::new() }
    }

    pub(super) fn admit(
        &mut self,
        whose: K,
        connection: impl Future<Output = ()> + Send + 'static,
    ) {
        self.tasks.retain(|(_, task)| !task.is_finished());
        if self.tasks.len() >= self.most
            && let Some((_, oldest)) = self.crowded(whose).and_then(|at| self.tasks.remove(at))
        {
            oldest.abort();
        }
        self.tasks.push_back((whose, tokio::spawn(connection).abort_handle()));
    }

    /// The oldest connection of whoever has the most, with the new one.
    fn crowded(&self, new: K) -> Option<usize> {
        let mut counts = BTreeMap::from([(new, 1)]);
        for (whose, _) in &self.tasks {
            *counts.entry(*whose).or_insert(0) += 1;
        }
        let most = counts.values().max().copied()?;
        // Who is new and has the most may have none to lose.
        let of_them = self.tasks.iter().position(|(whose, _)| counts.get(whose) == Some(&most));
        of_them.or((!self.tasks.is_empty()).then_some(0))
    }
}

/// Root may ask, our own user, and the users of members. A number that may stand for anybody may not.
fn is_entitled(board: &Board, peer: Peer) -> bool {
    if may_be_anybody(peer.uid) {
        return false;
    }
    let uid = peer.uid;
    uid == 0 || uid == process::effective_user() || board.lock().users.contains(&uid)
}

/// One connection: one request, one answer. Here for fuzzing, which brings a stream of its own.
#[doc(hidden)]
pub async fn serve<S>(stream: S, board: Board, door: Door)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let streams = Arc::new(AtomicBool::new(false));
    let endless = Arc::clone(&streams);
    let service = service_fn(move |request: Request<Incoming>| {
        let (board, endless) = (board.clone(), Arc::clone(&endless));
        async move { Ok::<_, Infallible>(answer(&request, &board, door, &endless).await) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut limit = Some(Box::pin(sleep(LONGEST)));
    poll_fn(|context| {
        // Its failures are the client's.
        if connection.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        if streams.load(Ordering::Relaxed) {
            limit = None;
        }
        match &mut limit {
            Some(limit) => limit.as_mut().poll(context),
            None => Poll::Pending,
        }
    })
    .await;
}

type Answer = Response<Either<Full<Bytes>, Events>>;

async fn answer<B>(
    request: &Request<B>,
    board: &Board,
    door: Door,
    endless: &AtomicBool,
) -> Answer {
    if let Door::Refused(uid) = door {
        let text = format!(
            "user {uid} may not ask: root may, fateshare's own user, and those of its members\n"
        );
        return plain(StatusCode::FORBIDDEN, text);
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    match (door, request.uri().path()) {
        (Door::Entitled, "/v1/status") => {
            typed(StatusCode::OK, "application/json", Answers::of(board).await.status)
        }
        (Door::Entitled, "/v1/events") => match since(request.uri().query()) {
            Ok(from) => {
                endless.store(true, Ordering::Relaxed);
                let mut answer = Response::new(Either::Right(Events::new(board.clone(), from)));
                let kind = HeaderValue::from_static("application/x-ndjson");
                answer.headers_mut().insert(CONTENT_TYPE, kind);
                answer
            }
            Err(why) => plain(StatusCode::BAD_REQUEST, why),
        },
        (Door::Entitled | Door::Probes, "/metrics") => {
            typed(StatusCode::OK, metrics::CONTENT_TYPE, Answers::of(board).await.metrics)
        }
        (Door::Probes, "/livez") => probe(dying(board)),
        (Door::Probes, "/readyz") => probe(board.lock().unreadiness()),
        (Door::Probes, _) => {
            plain(StatusCode::NOT_FOUND, "try /livez, /readyz or /metrics\n".to_owned())
        }
        (Door::Entitled | Door::Refused(_), _) => {
            plain(StatusCode::NOT_FOUND, "try /v1/status, /v1/events or /metrics\n".to_owned())
        }
    }
}

/// Whether the group does not live on. Why is nothing for strangers: it names processes.
fn dying(board: &Board) -> Option<String> {
    let decided = board.lock().story.decided.is_some();
    decided.then(|| "the group is stopping".to_owned())
}

fn probe(trouble: Option<String>) -> Answer {
    match trouble {
        None => plain(StatusCode::OK, "ok\n".to_owned()),
        Some(why) => plain(StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
    }
}

/// The first event that is wanted: the one behind `?since=`, else the first of all.
fn since(query: Option<&str>) -> Result<u64, String> {
    let mut from = 0;
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let Some(value) = pair.strip_prefix("since=") else {
            return Err(
                "the only parameter is since=SEQ, the last event that is known\n".to_owned()
            );
        };
        let number: u64 =
            value.parse().map_err(|_| "since: not the number of an event\n".to_owned())?;
        from = number.saturating_add(1);
    }
    Ok(from)
}

fn plain(status: StatusCode, text: String) -> Answer {
    typed(status, "text/plain; charset=utf-8", text)
}

fn typed(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(text.into())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
