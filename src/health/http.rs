//! The HTTP part: one GET, its redirects on the same host and port, the status at the end.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::said;

/// So many redirects are followed.
const MOST_REDIRECTS: usize = 10;

/// So much of a body is read, and for so long, so that the server need not see its connection cut.
const MOST_BODY: usize = 64 * 1024;
const LONGEST_BODY: Duration = Duration::from_millis(50);

/// So much of an address is shown.
const MOST_SHOWN: usize = 200;

/// The status of the last answer. `again` connects once more, for the next redirect.
pub(super) async fn get<S, F>(
    stream: S,
    address: SocketAddr,
    path: &str,
    agent: &'static str,
    again: impl Fn() -> F,
) -> Result<u16, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = io::Result<S>>,
{
    let mut stream = Some(stream);
    let mut path = path.to_owned();
    for _ in 0..=MOST_REDIRECTS {
        let stream = match stream.take() {
            Some(stream) => stream,
            None => again().await.map_err(|error| said(&error))?,
        };
        let response = ask(stream, address, &path, agent).await?;
        let status = response.status().as_u16();
        let location = response.headers().get(LOCATION).cloned();
        // The status is the answer, be the body endless.
        let _ = timeout(LONGEST_BODY, drain(response)).await;
        match location {
            Some(location) if matches!(status, 301 | 302 | 303 | 307 | 308) => {
                path = target(&location, address, &path)?;
            }
            _ => return Ok(status),
        }
    }
    Err(format!("stopped after {MOST_REDIRECTS} redirects"))
}

async fn ask<S>(
    stream: S,
    address: SocketAddr,
    path: &str,
    agent: &'static str,
) -> Result<Response<Incoming>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| explain(&error))?;
    // It ends when the sender is gone.
    tokio::spawn(connection);
    let request = Request::get(path)
        .header(HOST, address.to_string())
        .header(USER_AGENT, agent)
        // Who redirects to HTTPS what does not come from a router would never be healthy.
        .header("X-Forwarded-Proto", "https")
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("cannot ask for '{}': {error}", path.escape_debug()))?;
    sender.send_request(request).await.map_err(|error| explain(&error))
}

async fn drain(mut response: Response<Incoming>) {
    let mut read = 0;
    while read < MOST_BODY
        && let Some(Ok(frame)) = response.frame().await
    {
        read += frame.data_ref().map_or(0, Bytes::len);
    }
}

/// Where a redirect leads, if it is the same server.
fn target(location: &HeaderValue, address: SocketAddr, path: &str) -> Result<String, String> {
    // Without its query: that may hold a token.
    let shown = String::from_utf8_lossy(location.as_bytes());
    let shown: String =
        shown.split(['?', '#']).next().unwrap_or_default().chars().take(MOST_SHOWN).collect();
    let not_followed = |why: &str| format!("redirects to {shown:?}: {why}");
    let text = location.to_str().map_err(|_| not_followed("that is no URL"))?;
    let text = text.split('#').next().unwrap_or_default();
    if text.starts_with("//") {
        return Err(not_followed("another server is not asked"));
    }
    if text.starts_with('/') {
        return Ok(text.to_owned());
    }
    let has_scheme = text.split(['/', '?']).next().is_some_and(|first| first.contains(':'));
    if !has_scheme {
        // Relative to the folder of what was asked; of a query, to the path itself.
        let (path, _) = path.split_once('?').unwrap_or((path, ""));
        let folder =
            if text.starts_with('?') { path } else { &path[..=path.rfind('/').unwrap_or(0)] };
        return Ok(format!("{folder}{text}"));
    }
    let uri: Uri = text.parse().map_err(|_| not_followed("that is no URL"))?;
    let same_port = uri.port_u16().unwrap_or(80) == address.port();
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let same_host =
        host == address.ip().to_string() || (host == "localhost" && address.ip().is_loopback());
    if uri.scheme_str() != Some("http") || !same_port || !same_host {
        return Err(not_followed("another server is not asked"));
    }
    Ok(uri.path_and_query().map_or("/".to_owned(), ToString::to_string))
}

/// What lies behind an error of the library.
fn explain(error: &hyper::Error) -> String {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(error) = inner.downcast_ref::<io::Error>() {
            return said(error);
        }
        source = inner.source();
    }
    if error.is_incomplete_message() || error.is_canceled() {
        return "the connection was closed without an answer".to_owned();
    }
    format!("no HTTP answer: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_on_the_server() {
        let address: SocketAddr = "127.0.0.1:8080".parse().expect("an address");
        let follow = |location: &str| {
            target(&HeaderValue::from_str(location).expect("a header"), address, "/a/b?c=/d")
        };
        for (location, path) in [
            ("/health", "/health"),
            ("/health?full=1#top", "/health?full=1"),
            ("other", "/a/other"),
            ("other?x=1:2", "/a/other?x=1:2"),
            ("?x", "/a/b?x"),
            ("http://127.0.0.1:8080/x", "/x"),
            ("http://localhost:8080", "/"),
        ] {
            assert_eq!(follow(location), Ok(path.to_owned()), "{location}");
        }
        for location in [
            "https://127.0.0.1:8080/",
            "http://127.0.0.1/",
            "http://127.0.0.1:8081/",
            "http://example.com:8080/",
            "//example.com/",
            "http://[",
        ] {
            assert!(follow(location).is_err(), "{location}");
        }
    }
}
