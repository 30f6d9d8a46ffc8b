//! The machine's network addresses.

use std::io;
use std::net::Ipv4Addr;

use nix::ifaddrs::getifaddrs;

use super::seam;

/// The first IPv4 address that is not loopback's (`getifaddrs(3)`); `None` if there is none.
pub fn first_address() -> io::Result<Option<Ipv4Addr>> {
    let all = seam::call("getifaddrs", || Ok(getifaddrs()?))?;
    let addresses = all.filter_map(|it| Some(it.address?.as_sockaddr_in()?.ip()));
    Ok(addresses.into_iter().find(|address| !address.is_loopback()))
}
