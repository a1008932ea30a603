//! A worker for the built-in jobs only: for `runner --worker-bin`, and for tests, whose own binaries cannot
//! be workers.

/// Distinguishes jobs that run out of memory from jobs that crash.
#[global_allocator]
static ALLOCATOR: serve::WatchedAllocator = serve::WatchedAllocator::system();

fn main() {
    serve::serve_as_worker::<ops::Builtin>()
}
