//! The system's allocator, which counts. One thread is counted right, and targets have one.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;
static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

/// What `work` gives, and how many octets it has allocated, whether it freed them or not.
pub fn measured<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATED.load(Relaxed);
    let done = work();
    (done, ALLOCATED.load(Relaxed).wrapping_sub(before))
}

struct Counting;

impl Counting {
    fn count(len: usize) {
        // Not as one step: that costs more than counting right for several threads is worth here.
        ALLOCATED.store(ALLOCATED.load(Relaxed).wrapping_add(len), Relaxed);
    }
}

// SAFETY: all is left to the system's allocator, which keeps to the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size());
        // SAFETY: our caller keeps to the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size());
        // SAFETY: our caller keeps to the same contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        Self::count(len);
        // SAFETY: our caller keeps to the same contract.
        unsafe { System.realloc(pointer, layout, len) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: our caller keeps to the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}
