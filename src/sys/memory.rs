//! Memory that is not the allocator's usual business.

use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

/// A stack of its own for a child that shares our memory. Only the pages that are touched exist,
/// and the lowest one cannot be: a stack that runs over ends that child, not our heap.
#[derive(Debug)]
pub(super) struct Stack {
    base: NonNull<c_void>,
}

const GUARD: usize = 4096;
const SIZE: NonZeroUsize = NonZeroUsize::new(64 * 1024).expect("it is not zero");

impl Stack {
    pub(super) fn new() -> io::Result<Self> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_STACK;
        // SAFETY: a new mapping at a place of the kernel's choice touches no other.
        let base = unsafe { mmap_anonymous(None, SIZE, access, flags) }?;
        let stack = Self { base };
        // SAFETY: the page belongs to the mapping that was just made, and nothing uses it.
        unsafe { mprotect(base, GUARD, ProtFlags::PROT_NONE) }?;
        Ok(stack)
    }

    /// Its upper end, from which it grows down; aligned to a page.
    pub(super) fn top(&self) -> *mut c_void {
        self.base.as_ptr().wrapping_byte_add(SIZE.get())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no child uses it any more: `clone` has returned.
        let _ = unsafe { munmap(self.base, SIZE.get()) };
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
