//! The worker's side of the process pool.
//!
//! Internal; unstable; use `runner-pool`.
//!
//! A worker is a process that was given a [`Role`](wire::Role), which names the rendezvous and the descriptor
//! of the shared page. It joins its parent, shakes hands, starts its [`Context`](job::Context), and then
//! answers batches of jobs with batches of outcomes until the parent closes the link or is gone. When the
//! link is closed, it sends the final report of its context.

mod entries;
mod entry;
mod handshake;
mod lookahead;
mod run;
mod sampler;
mod work;

pub use entries::worker_entries;
pub use entry::{enter_before_main, enter_if_worker, is_unserved_worker, is_worker, serve_as_worker};
pub use sys::memory::WatchedAllocator;

pub use handshake::{Terms, handshake, send_report};
pub use work::work;
