//! A worker with an allocator of its own, which is watched. Started by hand, it prints whether that allocator
//! is used.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering},
};

use end_to_end::probe::Probe;
use pool::worker::WatchedAllocator;

/// Number of allocations.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// The system's allocator, with allocations counted.
struct Counting;

// SAFETY: every call is passed on to the system's allocator, which keeps the contract.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: WatchedAllocator<Counting> = WatchedAllocator::new(Counting);

fn main() {
    pool::enter_if_worker::<Probe>();
    let before = COUNT.load(Ordering::Relaxed);
    drop(black_box(Box::new(1)));
    println!("counted: {}", COUNT.load(Ordering::Relaxed) - before);
}
