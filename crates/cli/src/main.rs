//! The executable `runner`; see the crate `cli`.

/// Distinguishes jobs that run out of memory from jobs that crash.
#[global_allocator]
static ALLOCATOR: pool::worker::WatchedAllocator = pool::worker::WatchedAllocator::system();

fn main() {
    cli::main()
}
