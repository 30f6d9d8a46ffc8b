//! What this room's readers make of any bytes: the parts of them that make no system call, by themselves.
//!
//! The program never comes here; fuzzing does, which has no machine whose files it could change.

use std::path::PathBuf;

use super::ports::Taken;
use super::procfs::Stat;
use super::status_socket::Place;
use super::users::{Account, Unknown};
use super::{cgroup, executable, ports, procfs, status_socket, users};
use crate::spec::UserName;

/// Who a user is by these `/etc/passwd` and `/etc/group`.
pub fn account(
    user: &UserName,
    own_gid: u32,
    passwd: &[u8],
    group: &[u8],
) -> Result<Account, Unknown> {
    let read = |path: &str| {
        let file = if path == "/etc/passwd" { passwd } else { group };
        Ok(Some(file.to_vec()))
    };
    users::resolve(user, own_gid, &read)
}

/// A process by this `/proc/PID/stat`.
pub fn process(text: &[u8]) -> Option<Stat> {
    procfs::parse(text)
}

/// Where the memory's control group may be, by these `/proc/self/cgroup` and `/proc/self/mountinfo`.
pub fn memory_groups(groups: &[u8], mounts: &[u8]) -> Vec<PathBuf> {
    cgroup::folders(groups, mounts).into_iter().map(|(_, folder)| folder).collect()
}

/// How often the kernel has killed, by this `memory.events` or `memory.oom_control`.
pub fn kills(text: &[u8]) -> Option<u64> {
    cgroup::kills(text)
}

/// The ports that are taken, by this `/proc/net/tcp`.
pub fn ports(text: &[u8]) -> Vec<Taken> {
    ports::parse(&String::from_utf8_lossy(text))
}

/// Where groups of a PID namespace listen, by this `/proc/net/unix`.
pub fn sockets(text: &[u8], namespace: u64) -> Vec<Place> {
    status_socket::names_in(text, namespace)
}

/// What a program that begins so needs to be executed.
pub fn interpreter(head: &[u8]) -> Option<String> {
    executable::interpreter(head)
}
