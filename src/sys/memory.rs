//! Memory that is not the allocator's usual business.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::slice;

use super::seam;
use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, mprotect, munmap};

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
pub fn page_size() -> usize {
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

/// Forgets the pages of the program that were needed to start, nearly all of it: those that are needed again are
/// taken from the file again. What is mapped has to be taken apart when we end, and counts as ours where nobody else
/// runs the same program.
pub fn forget_program() -> io::Result<()> {
    unsafe extern "C" {
        static __executable_start: u8;
        static etext: u8;
    }
    let (first, end) = (&raw const __executable_start, &raw const etext);
    let size = end.addr().saturating_sub(first.addr());
    let Some(first) = NonNull::new(first.cast_mut().cast::<c_void>()) else { return Ok(()) };
    seam::call("madvise_program", || {
        // SAFETY: linkers put all that is ever written behind the end of the code (only for models of memory
        // that Rust does not use there is code behind that), so the file has the same.
        match unsafe { madvise(first, size, MmapAdvise::MADV_DONTNEED) } {
            // Between its parts nothing may be mapped; all else is done.
            Ok(()) | Err(Errno::ENOMEM) => Ok(()),
            Err(error) => Err(error.into()),
        }
    })
}

/// A buffer that exists only while something is in it.
#[derive(Debug)]
pub struct Buffer {
    base: NonNull<c_void>,
    size: NonZeroUsize,
}

// SAFETY: the mapping is its owner's alone, whichever thread that is.
unsafe impl Send for Buffer {}

impl Buffer {
    /// A buffer of this many bytes.
    pub fn new(size: NonZeroUsize) -> io::Result<Self> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let base = seam::call("mmap", || {
            // SAFETY: a new mapping at a place of the kernel's choice touches no other.
            Ok(unsafe { mmap_anonymous(None, size, access, MapFlags::MAP_PRIVATE) }?)
        })?;
        Ok(Self { base, size })
    }

    /// What is in it: zeroes where nothing was written.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: so many bytes are mapped, initialised by the kernel, and borrowed with `self`.
        unsafe { slice::from_raw_parts_mut(self.base.as_ptr().cast(), self.size.get()) }
    }

    /// Forgets what is in it, and gives its pages back to the kernel.
    pub fn give_back(&mut self) {
        // Then the pages stay.
        let _ = seam::call("madvise", || {
            // SAFETY: the mapping is ours, private and anonymous: it reads as zeroes afterwards.
            Ok(unsafe { madvise(self.base, self.size.get(), MmapAdvise::MADV_DONTNEED) }?)
        });
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing is borrowed from it any more.
        let _ = unsafe { munmap(self.base, self.size.get()) };
    }
}

/// A file that exists in memory alone, closed on exec (`memfd_create(2)`).
pub fn file() -> io::Result<File> {
    let made =
        seam::call("memfd_create", || Ok(memfd_create(c"fateshare", MFdFlags::MFD_CLOEXEC)?))?;
    Ok(File::from(made))
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

/// Keeps all threads to one store of memory: a second one would be pages of its own in every
/// container, for a few short lines (`M_ARENA_MAX` of `mallopt(3)`).
pub fn share_one_store() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes numbers; called before there is a second thread.
    unsafe {
        nix::libc::mallopt(nix::libc::M_ARENA_MAX, 1);
    }
}
