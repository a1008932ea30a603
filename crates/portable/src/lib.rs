//! Catching panics of user code, and polling before blocking: parts of the process pool that thread pools
//! need as well, on every platform.
//!
//! Internal; unstable; use `runner-pool`.

mod catch;
mod poll;

pub use catch::catch_panic;
pub use poll::Poller;
