//! Health checks over the network: does a port accept a connection, is a GET answered with 200?
//!
//! One question, one answer, never longer than its time. When to ask and what an answer means is
//! the core's business. The failures' words are those of Cloud Foundry's `healthcheck`.

mod http;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::sys::clock;

/// A question.
#[derive(Clone, Debug)]
pub struct Question {
    /// Where to ask: the next one when one refuses.
    pub addresses: Vec<IpAddr>,
    /// The port there.
    pub port: u16,
    /// The path to GET; `None` only connects.
    pub path: Option<String>,
    /// So long all of it may take.
    pub limit: Duration,
    /// Who asks, in the request.
    pub agent: &'static str,
}

/// The status with which this stream's other end, and whoever is connected to later, answers a GET. Here for
/// fuzzing, which brings streams of its own.
#[doc(hidden)]
pub async fn status<S, F>(
    stream: S,
    address: SocketAddr,
    path: &str,
    again: impl Fn() -> F,
) -> Result<u16, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = io::Result<S>>,
{
    http::get(stream, address, path, "fateshare", again).await
}

/// An answer that is none to worry about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Where the answer is from.
    pub address: IpAddr,
}

impl Question {
    /// Asks. The error is the reason, a sentence without capital and stop.
    pub async fn ask(&self) -> Result<Passed, String> {
        match timeout(self.limit, self.ask_without_limit()).await {
            Ok(answer) => answer,
            Err(_) => Err(format!(
                "{}: timed out after {:.2} seconds",
                self.what(),
                self.limit.as_secs_f64()
            )),
        }
    }

    async fn ask_without_limit(&self) -> Result<Passed, String> {
        let began = clock::monotonic();
        let (address, stream) = self.connect().await.map_err(|why| self.failed(&why))?;
        let passed = Passed { address: address.ip() };
        let Some(path) = &self.path else { return Ok(passed) };
        let reason = match http::get(stream, address, path, self.agent, || {
            TcpStream::connect(address)
        })
        .await
        {
            Ok(200) => return Ok(passed),
            Ok(status) => {
                let took = clock::monotonic().saturating_sub(began);
                format!("received status code {status} in {}ms", took.as_millis())
            }
            Err(reason) => reason,
        };
        Err(self.failed(&reason))
    }

    /// The first address that does not refuse.
    async fn connect(&self) -> Result<(SocketAddr, TcpStream), String> {
        let mut refused = None;
        for address in &self.addresses {
            let address = SocketAddr::new(*address, self.port);
            match TcpStream::connect(address).await {
                // Where nobody listens, the kernel may have chosen the same port for our side.
                Ok(stream) if is_itself(&stream) => refused = Some("connection refused".to_owned()),
                Ok(stream) => return Ok((address, stream)),
                Err(error) if is_missing(&error) => {
                    refused.get_or_insert_with(|| said(&error));
                }
                Err(error) => {
                    refused = Some(said(&error));
                    if error.kind() != io::ErrorKind::ConnectionRefused {
                        break;
                    }
                }
            }
        }
        Err(refused.unwrap_or_else(|| "there is no address to ask".to_owned()))
    }

    /// What was tried, as the beginning of a failure.
    fn what(&self) -> String {
        if let Some(path) = &self.path {
            return format!("failed to make HTTP request to '{path}' on port {}", self.port);
        }
        let addresses = self.addresses.iter().map(|it| SocketAddr::new(*it, self.port).to_string());
        format!("failed to make TCP connection to {}", addresses.collect::<Vec<_>>().join(" or "))
    }

    fn failed(&self, reason: &str) -> String {
        format!("{}: {reason}", self.what())
    }
}

/// Whether this machine has no such address at all, as without IPv6: not a server's answer.
pub fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    /// It has no kind of its own.
    const EAFNOSUPPORT: i32 = 97;
    matches!(error.kind(), K::AddrNotAvailable | K::NetworkUnreachable)
        || error.raw_os_error() == Some(EAFNOSUPPORT)
}

/// Whether it is connected with itself.
fn is_itself(stream: &TcpStream) -> bool {
    let (own, other) = (stream.local_addr(), stream.peer_addr());
    own.is_ok_and(|own| other.is_ok_and(|other| own == other))
}

/// The error without its number.
fn said(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset by peer".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or_default().to_lowercase()
        }
    }
}
