//! Interface through which a future acts on its job.

use std::time::Duration;

/// Number by which an executor identifies a submitted job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(pub(crate) u64);

/// Operations of an executor on submitted jobs.
pub(crate) trait Control: Send + Sync {
    /// Ensures that every job that was submitted before this call has its ticket.
    fn settle(&self);

    /// Notes that a thread or task is about to wait for a job.
    fn awaited(&self) {}

    /// Processes outcomes on the calling thread, or polls for them, until `is_done` returns `true`, for at
    /// most `time`. Returns immediately if that is not worthwhile, because jobs take long or no core is idle.
    fn help(&self, time: Duration, is_done: &dyn Fn() -> bool) {
        let _ = (time, is_done);
    }

    /// Cancels the job if it has not been started; its slot is filled before this returns.
    fn cancel(&self, ticket: Ticket);

    /// Cancels the job; if it has been started, kills its worker. Returns whether that is possible.
    fn kill(&self, ticket: Ticket) -> bool;

    /// Returns whether the job has been started and has no outcome yet.
    fn is_running(&self, ticket: Ticket) -> bool;
}
