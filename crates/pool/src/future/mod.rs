//! Futures of submitted jobs: waiting for several of them, handles that end a job, and futures of
//! submissions.

// | file | concern |
// |---|---|
// | `slot` | storage of outcomes, and notification when they arrive |
// | `handle` | `JobFuture`, the caller's handle to a slot |
// | `result` | copies of its outcome |
// | `identity` | tags and ids of jobs |
// | `abort` | `AbortHandle` and `CancelOnDrop`, which end a job |
// | `control` | operations of an executor on a job |
// | `watch` | waiting for many slots on one thread |
// | `wait` | `wait` and `as_completed` |

mod abort;
mod control;
mod handle;
mod identity;
mod kind;
mod result;
mod slot;
mod wait;
mod watch;

#[cfg(target_os = "linux")]
pub use crate::processes::SubmitOffThread;
pub use crate::{pressure::SubmitAsync, shutdown::Shutdown};
pub use abort::{AbortHandle, CancelOnDrop};
pub use handle::JobFuture;
#[doc(inline)]
pub use job::Outcome;
pub use wait::{AsCompleted, ReturnWhen, Unfinished, WaitResult, as_completed, wait};

pub(crate) use control::{Control, Ticket};
pub(crate) use slot::{Slot, Slots};
pub(crate) use watch::deadline_after;
