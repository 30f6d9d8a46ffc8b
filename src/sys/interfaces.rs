//! The machine's network addresses.

use std::io;
use std::net::Ipv4Addr;
use std::ptr;

use nix::libc;

use super::seam;

/// The first IPv4 address that is not loopback's (`getifaddrs(3)`); `None` if there is none.
///
/// Raw: nix's iterator finds none in the optimised static binary, where it finds them everywhere else.
pub fn first_address() -> io::Result<Option<Ipv4Addr>> {
    let mut first: *mut libc::ifaddrs = ptr::null_mut();
    seam::checked("getifaddrs", || {
        // SAFETY: it writes a pointer to a list that is ours to free.
        unsafe { libc::getifaddrs(&raw mut first) }
    })?;
    let mut found = None;
    let mut next = first;
    while found.is_none() && !next.is_null() {
        // SAFETY: it is an element of the list, which is not freed yet.
        let interface = unsafe { ptr::read(next) };
        found = ipv4(interface.ifa_addr).filter(|address| !address.is_loopback());
        next = interface.ifa_next;
    }
    if !first.is_null() {
        // SAFETY: it was made by the call above, and nothing leads into it any more.
        unsafe { libc::freeifaddrs(first) };
    }
    Ok(found)
}

/// The IPv4 address that this is, if it is one.
fn ipv4(address: *const libc::sockaddr) -> Option<Ipv4Addr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: whatever its kind is, it begins with its family.
    let family = unsafe { ptr::read_unaligned(address.cast::<libc::sa_family_t>()) };
    if libc::c_int::from(family) != libc::AF_INET {
        return None;
    }
    // SAFETY: of this family it is as long as that.
    let address = unsafe { ptr::read_unaligned(address.cast::<libc::sockaddr_in>()) };
    // The bytes are in the network's order, whatever ours is.
    Some(Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_an_address_that_one_can_listen_on() {
        if let Some(address) = first_address().expect("the list") {
            assert!(!address.is_loopback());
            std::net::TcpListener::bind((address, 0)).expect("it is ours");
        }
    }
}
