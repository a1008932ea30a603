//! What a future can have done about its job.

use crate::poll::Poller;

/// How an executor recognises a job that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(pub(crate) u64);

/// What can be done about a job that was submitted.
pub(crate) trait Control: Send + Sync {
    /// Sees to it that every job that was submitted has its ticket.
    fn settle(&self);

    /// Somebody is about to wait for a job.
    fn awaited(&self) {}

    /// Poller for a thread that waits for a job, if polling is worth it: jobs are short, and a core is idle.
    fn poller(&self) -> Option<&Poller> {
        None
    }

    /// Cancels the job if it has not been started; its slot is filled before this returns.
    fn cancel(&self, ticket: Ticket);

    /// Cancels the job, and kills the worker that has it if it has been started; says whether that can be done.
    fn kill(&self, ticket: Ticket) -> bool;

    /// Whether the job has been started and has no outcome yet.
    fn is_running(&self, ticket: Ticket) -> bool;
}
