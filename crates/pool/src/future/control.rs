//! What a future can have done about its job.

use std::time::Duration;

/// How an executor recognises a job that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(pub(crate) u64);

/// What can be done about a job that was submitted.
pub(crate) trait Control: Send + Sync {
    /// Sees to it that every job that was submitted has its ticket.
    fn settle(&self);

    /// Somebody is about to wait for a job.
    fn awaited(&self) {}

    /// Does on this thread what brings outcomes about, or polls, until `is_done` or for `time` at the most. Returns at once if
    /// that is not worth it, because jobs take long or no core is idle.
    fn help(&self, time: Duration, is_done: &dyn Fn() -> bool) {
        let _ = (time, is_done);
    }

    /// Cancels the job if it has not been started; its slot is filled before this returns.
    fn cancel(&self, ticket: Ticket);

    /// Cancels the job, and kills the worker that has it if it has been started; says whether that can be done.
    fn kill(&self, ticket: Ticket) -> bool;

    /// Whether the job has been started and has no outcome yet.
    fn is_running(&self, ticket: Ticket) -> bool;
}
