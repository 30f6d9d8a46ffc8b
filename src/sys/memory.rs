//! Memory that is not the allocator's usual business.

use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use super::seam;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

/// A stack of its own for a child that shares our memory. Only the pages that are touched exist,
/// and the lowest one cannot be: a stack that runs over ends that child, not our heap.
#[derive(Debug)]
pub(super) struct Stack {
    base: NonNull<c_void>,
    size: NonZeroUsize,
}

/// More than a handful of system call wrappers ever need.
const USABLE: NonZeroUsize = NonZeroUsize::new(64 * 1024).expect("it is not zero");

/// 4 KiB nearly everywhere, 64 KiB on some arm64 kernels.
fn page_size() -> usize {
    // SAFETY: it takes a number and cannot touch memory of ours.
    let size = unsafe { nix::libc::sysconf(nix::libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(64 * 1024)
}

impl Stack {
    pub(super) fn new() -> io::Result<Self> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_STACK;
        let guard = page_size();
        let size = USABLE.saturating_add(guard);
        let base = seam::call("mmap", || {
            // SAFETY: a new mapping at a place of the kernel's choice touches no other.
            Ok(unsafe { mmap_anonymous(None, size, access, flags) }?)
        })?;
        let stack = Self { base, size };
        seam::call("mprotect", || {
            // SAFETY: the page belongs to the mapping that was just made, and nothing uses it.
            Ok(unsafe { mprotect(base, guard, ProtFlags::PROT_NONE) }?)
        })?;
        Ok(stack)
    }

    /// Its upper end, from which it grows down; aligned to a page.
    pub(super) fn top(&self) -> *mut c_void {
        self.base.as_ptr().wrapping_byte_add(self.size.get())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no child uses it any more: `clone` has returned.
        let _ = unsafe { munmap(self.base, self.size.get()) };
    }
}

/// Gives freed memory back to the kernel: what the command line and the spec needed would else be
/// held for the whole life of the group, in every container.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes a number and only touches memory that the allocator holds free.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}
