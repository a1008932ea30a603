//! Futures: a job's outcome, before and after it is there.
//!
//! | file | concern |
//! |---|---|
//! | `slot` | where one outcome lies, and who is told when it comes |
//! | `handle` | [`JobFuture`], the caller's side of a slot |
//! | `watch` | one waiter for many slots |
//! | `wait` | [`wait`] and [`as_completed`] |

mod handle;
mod kind;
mod slot;
mod wait;
mod watch;

pub use handle::{JobFuture, NoOutcome, Refused};
pub use wait::{AsCompleted, ReturnWhen, Unfinished, Waited, as_completed, wait};

pub(crate) use handle::{Control, Ticket};
pub(crate) use slot::{Slot, SlotsSink};
pub(crate) use watch::{Watch, deadline_after};
