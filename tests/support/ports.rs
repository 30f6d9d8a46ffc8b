//! Ports for the servers of tests: nobody else's, whoever tests on this machine at the same time.

use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::socket::sockopt::ReuseAddr;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, setsockopt, socket};

/// Below what the kernel gives to connections (`ip_local_port_range`): one of those may be taken at any
/// moment, and be in use for a minute after its end.
const FIRST: u16 = 10_000;
const COUNT: u16 = 22_000;

/// A port that is free on every address, for as long as this process lives.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
    let chance = now.wrapping_mul(2_654_435_761).wrapping_add(process::id().wrapping_mul(40_503));
    for _ in 0..COUNT {
        let number = chance.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % u32::from(COUNT);
        let port = FIRST + u16::try_from(number).expect("it is below the count");
        let name = SocketAddr::from_abstract_name(format!("fateshare-test-port-{port}"));
        // Between here and the server's start nobody else may choose it.
        let Ok(ours) = UnixListener::bind_addr(&name.expect("a name")) else { continue };
        if nobody_listens(port) {
            std::mem::forget(ours);
            return port;
        }
    }
    panic!("no port is free");
}

/// Without listening: what another test starts meanwhile has our descriptors until it executes its program, and a
/// listener would take connections that long.
fn nobody_listens(port: u16) -> bool {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None).expect("a socket");
    setsockopt(&socket, ReuseAddr, &true).expect("an option");
    bind(socket.as_raw_fd(), &SockaddrIn::new(0, 0, 0, 0, port)).is_ok()
}
