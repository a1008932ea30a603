//! The worker's side of the pool.
//!
//! A worker is a process that was given a [`Role`](wire::Role), which names the rendezvous and the shared
//! page's descriptor. It joins its parent, shakes hands, makes its [`Context`](job::Context), and then
//! answers batches of jobs with batches of outcomes until the parent closes the link, when it reports what its
//! context has to say at the end, or is gone.

mod ahead;
mod entry;
mod handshake;
mod run;
mod samples;
mod work;

pub use entry::{enter_if_worker, is_stray_worker, is_worker, serve_as_worker};
pub use sys::memory::WatchedAllocator;

pub use handshake::{Terms, handshake, send_report};
pub use work::work;
