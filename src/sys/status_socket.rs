//! The Unix socket that a running group is asked through: its places, its owner, and who is at its
//! other end (`unix(7)`).

use std::fmt;
use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, socket};
use nix::sys::stat::{Mode, umask};

use super::{clock, process, seam};
use crate::core::Pid;

/// A path has no more room in a socket's address.
pub const LONGEST_PATH: usize = 107;

/// What a socket's name begins with, without a file system.
const ABSTRACT: &str = "fateshare";

/// What a socket's file is called where it is alone.
const FILE: &str = "fateshare.sock";

/// A user whom a user namespace does not know (`/proc/sys/fs/overflowuid`).
const OVERFLOW_USER: u32 = 65_534;

/// Where a socket is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the file system.
    File(PathBuf),
    /// In the network namespace, by its name.
    Abstract(String),
}

/// `/run/fateshare.sock`, `@fateshare-4026531836-1`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Abstract(name) => write!(f, "@{name}"),
        }
    }
}

impl Place {
    /// As [`fmt::Display`] writes it.
    pub fn parse(text: &Path) -> Self {
        match text.to_str().and_then(|text| text.strip_prefix('@')) {
            Some(name) => Self::Abstract(name.to_owned()),
            None => Self::File(text.to_owned()),
        }
    }

    /// Its address, as the kernel takes it.
    pub fn address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::File(path) => SocketAddr::from_pathname(path),
            Self::Abstract(name) => SocketAddr::from_abstract_name(name),
        }
    }
}

/// A socket that is listened to. Its files are gone when it is dropped.
#[derive(Debug)]
pub struct Socket {
    /// Never waits.
    pub listener: UnixListener,
    /// Where it is.
    pub place: Place,
    /// Held while it is ours; with its path.
    lock: Option<(File, PathBuf)>,
    /// The inode of its file: another one of that name is not ours.
    inode: Option<(u64, u64)>,
    /// A directory that was made for it.
    dir: Option<PathBuf>,
}

/// Why a place cannot be had.
#[derive(Debug)]
pub enum Taken {
    /// Somebody listens there.
    Live,
    /// The system's reason.
    Error(io::Error),
}

impl From<io::Error> for Taken {
    fn from(error: io::Error) -> Self {
        Self::Error(error)
    }
}

impl Socket {
    /// Listens at this place.
    pub fn at(place: &Place) -> Result<Self, Taken> {
        match place {
            Place::File(path) => Self::at_path(path),
            Place::Abstract(_) => {
                let listener = listen(place).map_err(|error| match error.kind() {
                    io::ErrorKind::AddrInUse => Taken::Live,
                    _ => Taken::Error(error),
                })?;
                Ok(Self { listener, place: place.clone(), lock: None, inode: None, dir: None })
            }
        }
    }

    fn at_path(path: &Path) -> Result<Self, Taken> {
        let lock_path = lock_path(path);
        let lock = lock(&lock_path)?;
        let place = Place::File(path.to_owned());
        match clear(path).and_then(|()| Ok(listen(&place)?)) {
            Ok(listener) => {
                let inode = inode(path);
                let lock = Some((lock, lock_path));
                Ok(Self { listener, place, lock, inode, dir: None })
            }
            Err(taken) => {
                let _ = fs::remove_file(&lock_path);
                Err(taken)
            }
        }
    }

    /// Listens at the first place that can be had, without being told one.
    pub fn anywhere(runtime_dir: Option<&Path>) -> io::Result<Self> {
        let uid = process::effective_user();
        let own_dir = own_dir(uid);
        let dirs = [Some(Path::new("/run")), runtime_dir, Some(&own_dir)];
        for dir in dirs.into_iter().flatten() {
            if dir == own_dir && make_own(dir, uid).is_err() {
                continue;
            }
            let path = dir.join(FILE);
            if path.as_os_str().len() > LONGEST_PATH {
                continue;
            }
            let socket = match Self::at_path(&path) {
                Err(Taken::Live) => Self::beside(&path),
                socket => socket,
            };
            if let Ok(mut socket) = socket {
                socket.dir = (dir == own_dir).then(|| own_dir.clone());
                return Ok(socket);
            }
            if dir == own_dir {
                // It was made for nothing, unless others have theirs there.
                let _ = fs::remove_dir(dir);
            }
        }
        let name = format!("{ABSTRACT}-{}-{}", process_namespace(), process::own_pid());
        // Anybody may take a name; nobody can take all of them.
        let another = format!("{name}-{}", clock::monotonic().as_nanos());
        let first = Self::at(&Place::Abstract(name));
        first.or_else(|_| Self::at(&Place::Abstract(another))).map_err(|taken| match taken {
            Taken::Live => io::Error::from(io::ErrorKind::AddrInUse),
            Taken::Error(error) => error,
        })
    }

    /// Listens beside a socket that is somebody's.
    pub fn beside(path: &Path) -> Result<Self, Taken> {
        let file = format!("fateshare-{}.sock", process::own_pid());
        Self::at_path(&path.with_file_name(file))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A file system that has become read-only keeps them; then they are stale, and no harm.
        if let Place::File(path) = &self.place
            && inode(path) == self.inode
        {
            let _ = seam::call("unlink_socket", || fs::remove_file(path));
        }
        // Behind the socket: whoever has the lock finds nothing there.
        if let Some((_, path)) = &self.lock {
            let _ = seam::call("unlink_socket", || fs::remove_file(path));
        }
        // Others may have theirs there.
        if let Some(dir) = &self.dir {
            let _ = seam::call("rmdir_socket", || fs::remove_dir(dir));
        }
    }
}

fn listen(place: &Place) -> io::Result<UnixListener> {
    let address = place.address()?;
    // Who may ask is told by credentials. Not `chmod` afterwards: in somebody else's directory the name
    // could lead elsewhere by then.
    let before = umask(Mode::from_bits_truncate(0o111));
    let listener = seam::call("bind_socket", || UnixListener::bind_addr(&address));
    umask(before);
    let listener = listener?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// The lock of a socket, for as long as the file is open. Whoever leaves removes the file: one that
/// was removed meanwhile is no lock.
fn lock(path: &Path) -> Result<File, Taken> {
    const TRIES: usize = 10;
    for _ in 0..TRIES {
        let file = seam::call("open_lock", || {
            File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
                .open(path)
        });
        let file = file.map_err(|error| {
            io::Error::new(error.kind(), format!("its lock {}: {error}", path.display()))
        })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Taken::Live),
            Err(TryLockError::Error(error)) => return Err(Taken::Error(error)),
        }
        let held = file.metadata()?;
        if held.len() > 0 {
            let why = format!("{} is there and is no lock", path.display());
            return Err(Taken::Error(io::Error::new(io::ErrorKind::AlreadyExists, why)));
        }
        let there = fs::symlink_metadata(path);
        if there.is_ok_and(|it| (it.dev(), it.ino()) == (held.dev(), held.ino())) {
            return Ok(file);
        }
    }
    Err(Taken::Live)
}

/// Removes what a predecessor that was killed has left, and nothing else.
fn clear(path: &Path) -> Result<(), Taken> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            // Other programs have no lock of ours.
            if is_listened_to(path)? {
                return Err(Taken::Live);
            }
            Ok(fs::remove_file(path)?)
        }
        Ok(_) => {
            let why = "a file is there that is no socket";
            Err(Taken::Error(io::Error::new(io::ErrorKind::AlreadyExists, why)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Taken::Error(error)),
    }
}

/// Whether anybody has this socket open. Never waits.
fn is_listened_to(path: &Path) -> io::Result<bool> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    let address = UnixAddr::new(path)?;
    let connected = seam::call("connect_socket", || Ok(connect(socket.as_raw_fd(), &address)?));
    Ok(!connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
}

/// Which file this is.
fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

fn own_dir(uid: u32) -> PathBuf {
    PathBuf::from(format!("/tmp/fateshare-{uid}"))
}

/// A directory in which nobody else can put anything; whoever was there first might have made it a trap.
/// All may pass through: members of other users may ask.
fn make_own(dir: &Path, uid: u32) -> io::Result<()> {
    match seam::call("mkdir_socket", || fs::DirBuilder::new().mode(0o700).create(dir)) {
        // Whatever our umask is. Nobody else can have put another one in its place: /tmp is sticky.
        Ok(()) => fs::set_permissions(dir, Permissions::from_mode(0o711))?,
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Err(_) => {}
    }
    if is_of(dir, uid) { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

/// Whether this is a directory in which only this user, and root, can put anything.
fn is_of(dir: &Path, uid: u32) -> bool {
    const OTHERS_WRITE: u32 = 0o022;
    fs::symlink_metadata(dir)
        .is_ok_and(|found| found.is_dir() && found.uid() == uid && found.mode() & OTHERS_WRITE == 0)
}

/// The inode of our PID namespace; 0 where it cannot be seen.
fn process_namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |found| found.ino())
}

/// Where a group may listen that nobody has named, and whose it then is.
pub fn places(runtime_dir: Option<&Path>) -> Vec<(Place, u32)> {
    let uid = process::effective_user();
    let mut dirs = vec![(PathBuf::from("/run"), 0)];
    dirs.extend(runtime_dir.map(|dir| (dir.to_owned(), uid)));
    dirs.push((own_dir(uid), uid));
    if uid == 0 {
        // Root may look at everybody's.
        for (parent, before) in [("/tmp", "fateshare-"), ("/run/user", "")] {
            for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let owner = name.to_str().and_then(|name| name.strip_prefix(before)?.parse().ok());
                dirs.extend(owner.map(|owner| (entry.path(), owner)));
            }
        }
    }
    let mut places = Vec::new();
    // Where others can put something, anybody may listen.
    for (dir, owner) in dirs.into_iter().filter(|(dir, owner)| is_of(dir, *owner)) {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let is_ours = name.to_str().is_some_and(is_socket_name);
            if is_ours && entry.file_type().is_ok_and(|it| it.is_socket()) {
                places.push((Place::File(entry.path()), owner));
            }
        }
    }
    places.extend(abstract_places().into_iter().map(|place| (place, uid)));
    places.sort();
    places.dedup_by(|one, other| one.0 == other.0);
    places
}

fn is_socket_name(name: &str) -> bool {
    let number = name.strip_prefix("fateshare-").and_then(|rest| rest.strip_suffix(".sock"));
    name == FILE
        || number.is_some_and(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()))
}

/// The names of our PID namespace's groups in our network namespace.
fn abstract_places() -> Vec<Place> {
    names_in(&fs::read("/proc/net/unix").unwrap_or_default(), process_namespace())
}

/// The names of a PID namespace's groups in `/proc/net/unix`.
pub(super) fn names_in(text: &[u8], namespace: u64) -> Vec<Place> {
    let prefix = format!("@{ABSTRACT}-{namespace}-");
    let name = |line: &str| {
        let name = line.split_ascii_whitespace().nth(7)?;
        let rest = name.strip_prefix(&prefix)?;
        rest.split('-').next()?.parse::<i32>().ok()?;
        Some(Place::Abstract(name[1..].to_owned()))
    };
    String::from_utf8_lossy(text).lines().filter_map(name).collect()
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its number, 0 if it is outside our PID namespace.
    pub pid: Pid,
    /// Its user.
    pub uid: u32,
}

/// Who made this connection, or listened when it was made (`SO_PEERCRED`).
pub fn peer(connection: &impl AsFd) -> io::Result<Peer> {
    let found =
        seam::call("peer_credentials", || Ok(getsockopt(&connection.as_fd(), PeerCredentials)?))?;
    Ok(Peer { pid: Pid(found.pid()), uid: found.uid() })
}

/// Whether this number may stand for anybody: in a user namespace all users that it does not know share one.
pub fn may_be_anybody(uid: u32) -> bool {
    let map = || fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    uid == OVERFLOW_USER && !map().split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    #[test]
    fn a_socket_has_one_owner_and_leaves_nothing() {
        let folder = folder();
        let path = folder.path().join(FILE);
        let place = Place::File(path.clone());
        let one = Socket::at(&place).expect("a free place");
        assert!(matches!(Socket::at(&place), Err(Taken::Live)));
        let beside = Socket::beside(&path).expect("a place beside it");
        assert_eq!(path.metadata().expect("it is there").mode() & 0o777, 0o666);
        let connection = UnixStream::connect(&path).expect("it listens");
        let peer = peer(&connection).expect("a peer");
        assert_eq!((peer.pid, peer.uid), (process::own_pid(), process::effective_user()));
        drop((one, beside));
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0);
    }

    #[test]
    fn what_a_killed_one_has_left_is_replaced_and_nothing_else() {
        let folder = folder();
        let path = folder.path().join(FILE);
        drop(UnixListener::bind(&path).expect("a socket"));
        fs::write(lock_path(&path), "").expect("a lock that nobody holds");
        drop(Socket::at(&Place::File(path.clone())).expect("a stale one is replaced"));

        let other = UnixListener::bind(&path).expect("another program's");
        assert!(matches!(Socket::at(&Place::File(path.clone())), Err(Taken::Live)));
        UnixStream::connect(&path).expect("it still listens");
        drop(other);
        fs::remove_file(&path).expect("its socket");

        fs::write(&path, "precious").expect("a file");
        let refused = Socket::at(&Place::File(path.clone()));
        assert!(matches!(refused, Err(Taken::Error(_))), "{refused:?}");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "precious");

        fs::remove_file(&path).expect("the file");
        fs::write(lock_path(&path), "precious").expect("a file");
        let refused = Socket::at(&Place::File(path.clone()));
        assert!(matches!(refused, Err(Taken::Error(_))), "{refused:?}");
        assert_eq!(fs::read_to_string(lock_path(&path)).expect("it is there"), "precious");
    }

    #[test]
    fn names_are_known_again() {
        assert!(is_socket_name("fateshare.sock") && is_socket_name("fateshare-17.sock"));
        for other in ["fateshare-.sock", "fateshare-x.sock", "fateshare.sock.lock", "a.sock"] {
            assert!(!is_socket_name(other), "{other}");
        }
        let name = format!("{ABSTRACT}-{}-4711", process_namespace());
        let socket = Socket::at(&Place::Abstract(name)).expect("a free name");
        assert!(abstract_places().contains(&socket.place));
        assert_eq!(Place::parse(Path::new(&socket.place.to_string())), socket.place);
        assert!(matches!(Socket::at(&socket.place), Err(Taken::Live)));
    }
}
