//! A file that only we and a copy of ours have: what the copy writes down is there whatever becomes of
//! it, and is read while it lives.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::seam;

/// Such a file; clones share it. Members do not get it.
#[derive(Clone, Debug)]
pub struct Ledger {
    file: Arc<File>,
}

impl Ledger {
    /// An empty one, in memory (`memfd_create(2)`): it is nowhere to be found, and gone with its last user.
    pub fn new() -> io::Result<Self> {
        let made = seam::call("memfd_create", || {
            Ok(memfd_create(c"fateshare-ledger", MFdFlags::MFD_CLOEXEC)?)
        });
        Ok(Self { file: Arc::new(File::from(made?)) })
    }

    /// Adds this at its end. Never waits for a reader.
    pub fn add(&self, bytes: &[u8]) -> io::Result<()> {
        seam::call("write_ledger", || (&*self.file).write_all(bytes))
    }

    /// What stands there from this offset on.
    pub fn read_from(&self, offset: u64) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut piece = [0; 16 * 1024];
        loop {
            let at = offset + all.len() as u64;
            match seam::call("read_ledger", || self.file.read_at(&mut piece, at))? {
                0 => return Ok(all),
                read => all.extend_from_slice(&piece[..read]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_read_in_order_by_both() {
        let ledger = Ledger::new().expect("memory");
        let copy = ledger.clone();
        copy.add(b"one\n").expect("room");
        assert_eq!(ledger.read_from(0).expect("it can be read"), b"one\n");
        copy.add("x".repeat(40_000).as_bytes()).expect("room");
        assert_eq!(ledger.read_from(4).expect("it can be read").len(), 40_000);
        assert!(ledger.read_from(40_004).expect("it can be read").is_empty());
    }
}
