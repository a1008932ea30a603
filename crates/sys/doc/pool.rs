// Paths of the items in `pool`, which re-exports them, for the examples of the documentation.

pub mod functions {
    pub use sys::stateless::StatelessFunction;
}

pub mod worker {
    pub use sys::memory::WatchedAllocator;
}
