//! Bounds on the number and size of queued jobs, and waiting until there is room for more.
//!
//! | file | concern |
//! |---|---|
//! | `gate` | accounting of queued jobs, and admission of new ones |
//! | `load` | number and size of jobs |
//! | `waiter` | a thread or task that waits to be admitted |
//! | `admission` | admitting a job: at once, by blocking, or as a future |
//! | `admission_wait` | a task that waits to be admitted |
//! | `submit_async` | the future of a submission |
//! | `error` | error of a submission that does not wait |
//!
//! Only an executor with bounds has a [`Gate`]; without one, submitting costs one comparison. The gate has a
//! lock of its own, which is the last one that is taken: after those of the pool and of a submit buffer. No
//! other lock is taken and no waker is called under it.

mod admission;
mod admission_wait;
mod error;
mod gate;
mod load;
mod submit_async;
mod waiter;

pub use error::TrySubmitError;
pub use submit_async::SubmitAsync;

#[cfg(target_os = "linux")]
pub(crate) use admission::admit_blocking;
pub(crate) use admission::{admit, submit_async, try_submit};
pub(crate) use gate::{Gate, Granted, Limits, Permit};
pub(crate) use load::Load;
