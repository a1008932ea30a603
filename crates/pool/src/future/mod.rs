//! Futures of submitted jobs.
//!
//! | file | concern |
//! |---|---|
//! | `slot` | storage of outcomes, and notification when they arrive |
//! | `handle` | [`JobFuture`], the caller's handle to a slot |
//! | `control` | operations of an executor on a job |
//! | `watch` | waiting for many slots on one thread |
//! | `wait` | [`wait`] and [`as_completed`] |

mod control;
mod handle;
mod kind;
mod slot;
mod wait;
mod watch;

pub use crate::shutdown::Shutdown;
pub use handle::JobFuture;
#[doc(inline)]
pub use job::Outcome;
pub use wait::{AsCompleted, ReturnWhen, Unfinished, WaitResult, as_completed, wait};

pub(crate) use control::{Control, Ticket};
pub(crate) use slot::{Slot, Slots};
pub(crate) use watch::deadline_after;
