//! Which TCP ports are taken on this machine, and by whom (`proc_pid_net(5)`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::seam;
use crate::core::Pid;

/// What a socket does with its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// It takes connections.
    Listens,
    /// Its connection is over, and the kernel remembers it for a minute: who does not set `SO_REUSEADDR`
    /// cannot listen there until then (`socket(7)`).
    Lingers,
}

/// One such socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    /// The port.
    pub port: u16,
    /// What it is used for.
    pub by: Use,
    /// The socket's number; 0 if nobody has it open.
    pub inode: u64,
}

/// All ports that are taken; nothing where `/proc` does not say.
pub fn taken() -> BTreeSet<Taken> {
    let files = ["/proc/net/tcp", "/proc/net/tcp6"];
    let texts = files.iter().filter_map(|file| seam::call("read_net", || fs::read(file)).ok());
    texts.flat_map(|text| parse(&String::from_utf8_lossy(&text))).collect()
}

pub(super) fn parse(text: &str) -> Vec<Taken> {
    text.lines().skip(1).filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Taken> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, port) = fields.get(1)?.rsplit_once(':')?;
    // The kernel's numbers (`include/net/tcp_states.h`).
    let by = match *fields.get(3)? {
        "0A" => Use::Listens,
        "04" | "05" | "06" | "08" | "09" | "0B" => Use::Lingers,
        _ => return None,
    };
    let inode = fields.get(9)?.parse().ok()?;
    Some(Taken { port: u16::from_str_radix(port, 16).ok()?, by, inode })
}

/// Which sockets these processes have open: their numbers, and whose they are. As many as are found while
/// there is time.
pub fn sockets(of: &[Pid], in_time: &dyn Fn() -> bool) -> BTreeMap<u64, Pid> {
    let mut found = BTreeMap::new();
    for pid in of {
        let entries = seam::call("read_dir", || fs::read_dir(format!("/proc/{pid}/fd")));
        for entry in entries.into_iter().flatten().flatten() {
            if !in_time() {
                return found;
            }
            let link = seam::call("read_fd_link", || fs::read_link(entry.path()));
            let inode = link.ok().and_then(|link| {
                let name = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
                name.parse().ok()
            });
            if let Some(inode) = inode {
                found.entry(inode).or_insert(*pid);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, TcpListener};

    use super::*;
    use crate::sys::process;

    #[test]
    fn a_listener_is_found_with_its_owner() {
        let listeners = [
            TcpListener::bind(("127.0.0.1", 0)).expect("a free port"),
            TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect("a free port"),
        ];
        for listener in listeners {
            let port = listener.local_addr().expect("an address").port();
            let all = taken();
            let found = all.iter().find(|it| it.port == port && it.by == Use::Listens);
            let found = found.expect("it listens");
            let own = process::own_pid();
            assert_eq!(sockets(&[Pid(i32::MAX), own], &|| true).get(&found.inode), Some(&own));
            assert!(sockets(&[own], &|| false).is_empty());
        }
    }

    #[test]
    fn lines_are_read_and_others_are_not() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1\n\
             1: 0100007F:1F91 0100007F:D431 06 00000000:00000000 03:000008E1 00000000     0        0 0 3\n\
             2: 0100007F:1F92 0100007F:D432 01 00000000:00000000 00:00000000 00000000     0        0 9 1\n\
             3: torn\n";
        let expected = [
            Taken { port: 8080, by: Use::Listens, inode: 4711 },
            Taken { port: 8081, by: Use::Lingers, inode: 0 },
        ];
        assert_eq!(parse(text), expected);
    }
}
