//! A heap that ends the run when one input takes too much of it: a few bytes must not cost a container its memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::abort;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So much may be in use at a time for one input, which is a few thousand bytes.
const MOST: usize = 128 << 20;

static USED: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// The system's, counted.
pub(crate) struct Bounded;

/// From here on it is one input's.
pub(crate) fn begin() {
    LIMIT.store(USED.load(Ordering::Relaxed) + MOST, Ordering::Relaxed);
}

/// What comes is nobody's.
pub(crate) fn end() {
    LIMIT.store(usize::MAX, Ordering::Relaxed);
}

fn take(bytes: usize) {
    let used = USED.fetch_add(bytes, Ordering::Relaxed) + bytes;
    if used > LIMIT.load(Ordering::Relaxed) {
        end();
        eprintln!("one input takes more than {} MiB", MOST >> 20);
        // libFuzzer writes the input down.
        abort();
    }
}

// SAFETY: everything is the system's allocator's, which is asked with what we are asked with.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        take(size);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
