//! Futures: a job's outcome, before and after it is there.
//!
//! | file | concern |
//! |---|---|
//! | `slot` | where outcomes lie, and who is told when they come |
//! | `handle` | [`JobFuture`], the caller's side of a slot |
//! | `control` | what can be done about a job |
//! | `watch` | one waiter for many slots |
//! | `wait` | [`wait`] and [`as_completed`] |

mod control;
mod handle;
mod kind;
mod slot;
mod wait;
mod watch;

pub use handle::{JobFuture, ResultError, SubmitError};
pub use wait::{AsCompleted, ReturnWhen, Unfinished, WaitResult, as_completed, wait};

pub(crate) use control::{Control, Ticket};
pub(crate) use slot::{Slot, Slots};
pub(crate) use watch::deadline_after;
