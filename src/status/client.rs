//! The client: which groups run here, and what each says of itself.

use std::io;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::runtime::Builder;
use tokio::task::JoinError;
use tokio::time::{sleep, timeout};

use super::Status;
use crate::core::Pid;
use crate::spec::on_one_line;
use crate::sys::process;
use crate::sys::status_socket::{self, LONGEST_PATH, Peer, Place, peer};

/// So long one group may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// Longer than any answer.
const LARGEST: usize = 16 * 1024 * 1024;

/// So many places are looked at.
const MOST_PLACES: usize = 64;

/// A group that was found.
#[derive(Debug)]
pub struct Found {
    /// Where it was asked.
    pub place: Place,
    /// What it says of itself, or why that is not known.
    pub status: Result<Status, String>,
    /// Whether it is our own user's.
    pub own: bool,
}

/// Asks the group at this socket; without one all that are found where groups listen by themselves: then
/// those are left out that give no answer, if any other does. Fails when there is none.
pub fn ask(socket: Option<&Path>, runtime_dir: Option<&Path>) -> Result<Vec<Found>, String> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.map_err(|error| format!("cannot make an event loop: {error}"))?;
    let places: Vec<(Place, Option<u32>)> = if let Some(path) = socket {
        vec![(Place::parse(path), None)]
    } else {
        let places = status_socket::places(runtime_dir).into_iter();
        places.take(MOST_PLACES).map(|(place, owner)| (place, Some(owner))).collect()
    };
    let is_named = socket.is_some();
    // All at the same time: one that does not answer must not keep us from the others.
    let answers = runtime.block_on(async {
        let ask = |(place, owner): (Place, Option<u32>)| {
            let asked = place.clone();
            let answer = tokio::spawn(async move {
                let answer = timeout(PATIENCE, ask_patiently(&asked, owner)).await;
                let why = format!("does not answer within {}s", PATIENCE.as_secs());
                answer.unwrap_or(Err(Refusal::Silent(why)))
            });
            (place, answer)
        };
        let mut answers = Vec::new();
        for (place, answer) in places.into_iter().map(ask).collect::<Vec<_>>() {
            let failed = |error: JoinError| Err(Refusal::Silent(error.to_string()));
            answers.push((place, answer.await.unwrap_or_else(failed)));
        }
        answers
    });
    let mut found = Vec::new();
    let mut silent = Vec::new();
    let mut passed_over = None;
    for (place, answer) in answers {
        match answer {
            Ok((status, own)) => found.push(Found { place, status: Ok(status), own }),
            Err(Refusal::Nobody(why)) if is_named => return Err(format!("{place}: {why}")),
            Err(Refusal::Stranger(why)) if is_named => silent.push((place, why)),
            Err(Refusal::Silent(why)) => silent.push((place, why)),
            // Put there to be asked, maybe.
            Err(Refusal::Stranger(why)) => {
                passed_over.get_or_insert_with(|| format!("{place} {}", shown(&why)));
            }
            // What somebody who was killed has left.
            Err(Refusal::Nobody(_) | Refusal::Crowd) => {}
        }
    }
    if found.is_empty() {
        let found_silent =
            |(place, why): (_, String)| Found { place, status: Err(shown(&why)), own: false };
        found.extend(silent.into_iter().map(found_silent));
    }
    if found.is_empty() {
        let others = passed_over.map(|why| format!(" ({why})")).unwrap_or_default();
        return Err(format!(
            "no group runs here that can be asked{others}: where it listens elsewhere, name its socket with \
             --socket"
        ));
    }
    Ok(found)
}

/// What a server says goes to a terminal: one short line, whoever it was.
#[doc(hidden)]
pub fn shown(why: &str) -> String {
    const LONGEST: usize = 300;
    let line = on_one_line(why);
    line[..line.floor_char_boundary(LONGEST)].to_owned()
}

/// Where there is a crowd before us, or we are driven out by one, it is tried again.
async fn ask_patiently(place: &Place, owner: Option<u32>) -> Result<(Status, bool), Refusal> {
    loop {
        match ask_one(place, owner).await {
            Err(Refusal::Crowd) => sleep(PAUSE).await,
            answer => return answer,
        }
    }
}

/// Why there is no answer.
#[doc(hidden)]
#[derive(Debug)]
pub enum Refusal {
    /// Too many ask just now.
    Crowd,
    /// Nobody is there.
    Nobody(String),
    /// Somebody is whom we do not believe.
    Stranger(String),
    /// Somebody is, and gives no answer, or none that is one.
    Silent(String),
}

async fn ask_one(place: &Place, owner: Option<u32>) -> Result<(Status, bool), Refusal> {
    let stream = connect(place).await.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Refusal::Crowd,
        io::ErrorKind::ConnectionRefused => Refusal::Nobody("nobody listens there".to_owned()),
        io::ErrorKind::NotFound => Refusal::Nobody("no such socket".to_owned()),
        _ => Refusal::Nobody(error.to_string()),
    })?;
    let server = peer(&stream).map_err(|error| Refusal::Silent(error.to_string()))?;
    if !is_trusted(place, owner, server) {
        let user = server.uid;
        let why = format!("is user {user}'s, who could tell anything: not asked");
        return Err(Refusal::Stranger(why));
    }
    Ok((converse(stream).await?, server.uid == process::effective_user()))
}

/// One question, one answer, whoever gives it. Here for fuzzing, which brings a stream of its own.
#[doc(hidden)]
pub async fn converse<S>(stream: S) -> Result<Status, Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Refusal::Silent(error.to_string()))?;
    tokio::spawn(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = hyper::Uri::from_static("/v1/status");
    request.headers_mut().insert(HOST, HeaderValue::from_static("fateshare"));
    // Hung up on before the answer.
    let answer = sender.send_request(request).await.map_err(|_| Refusal::Crowd)?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), LARGEST).collect().await;
    let body = body.map_err(|error| Refusal::Silent(error.to_string()))?.to_bytes();
    if status != StatusCode::OK {
        return Err(Refusal::Silent(String::from_utf8_lossy(&body).trim().to_owned()));
    }
    serde_json::from_slice(&body)
        .map_err(|error| Refusal::Silent(format!("its answer cannot be read: {error}")))
}

async fn connect(place: &Place) -> io::Result<UnixStream> {
    match place {
        Place::File(path) if path.as_os_str().len() > LONGEST_PATH => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a socket's path has no more than {LONGEST_PATH} bytes"),
        )),
        Place::File(path) => UnixStream::connect(path).await,
        Place::Abstract(name) => {
            let mut path = vec![0];
            path.extend_from_slice(name.as_bytes());
            UnixStream::connect(std::ffi::OsStr::new(&*String::from_utf8_lossy(&path))).await
        }
    }
}

/// Whether what this server says can be believed: root's and our own. Root believes whoever's it has to
/// be: the place's owner, or the process in an abstract name.
fn is_trusted(place: &Place, owner: Option<u32>, server: Peer) -> bool {
    let own = process::effective_user();
    if server.uid == 0 || server.uid == own {
        return true;
    }
    let named = match place {
        Place::File(_) => owner.is_none_or(|owner| owner == server.uid),
        Place::Abstract(name) => {
            let pid = name.split('-').nth(2).and_then(|it| it.parse().ok()).map(Pid);
            pid == Some(server.pid)
        }
    };
    own == 0 && named
}
