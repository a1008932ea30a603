//! Flushing of submit buffers by producers, and closing and emptying the pool. The [flush
//! policy](super::flush_policy) says when producers flush.

use std::{sync::Arc, time::Duration};

#[cfg(doc)]
use job::JobError;
use job::{Job, JobRange};
use sched::Event;
use sys::clock;

use super::{
    block::OutcomeTarget,
    flush_policy::FLUSH_DELAY,
    shared::ProcessShared,
    submit_buffer::{FlushHint, SubmitBuffer},
    transaction::Transaction,
};

/// Flushes the buffer for the last time and unregisters it.
pub(super) fn unregister_buffer<J: Job>(shared: &Arc<ProcessShared<J>>, buffer: &Arc<SubmitBuffer<J>>) {
    flush(shared, buffer);
    shared.state.lock().buffers.retain(|other| !Arc::ptr_eq(other, buffer));
}

/// Flushes the buffer after a push, or schedules a flush, if needed.
pub(super) fn on_push<J: Job>(
    shared: &Arc<ProcessShared<J>>,
    buffer: &SubmitBuffer<J>,
    hint: FlushHint,
    priority: i32,
) {
    let flags = &shared.flush_flags;
    if hint == FlushHint::Now || flags.may_overtake(priority) || flags.flush_now() {
        flush(shared, buffer);
    } else if flags.has_capacity() && !flags.set_flush_scheduled(true) {
        shared.state.lock().flush_at = Some(clock::now() + FLUSH_DELAY);
        shared.clock_wakeup.notify_all();
    }
}

/// Moves all jobs of the buffer to the scheduler.
pub(super) fn flush<J: Job>(shared: &Arc<ProcessShared<J>>, buffer: &SubmitBuffer<J>) {
    let mut transaction = Transaction::begin(shared);
    for block in buffer.drain() {
        transaction.submit(block, false);
    }
    transaction.commit();
}

/// Stops accepting jobs; buffered ones still run.
pub(super) fn close<J: Job>(shared: &Arc<ProcessShared<J>>) {
    let mut transaction = Transaction::begin(shared);
    transaction.state.buffers.iter().for_each(|buffer| buffer.seal());
    transaction.flush_all();
    transaction.apply(Event::Closed);
    transaction.commit();
}

/// Stops the pool as [broken](JobError::Broken): jobs that are assigned to a worker fail for this cause, the
/// others are cancelled.
pub(super) fn break_off<J: Job>(shared: &Arc<ProcessShared<J>>, grace: Duration, cause: &str) {
    let mut transaction = Transaction::begin(shared);
    transaction.state.buffers.iter().for_each(|buffer| buffer.seal());
    transaction.flush_all();
    if let Some(all) = JobRange::new(0, u64::MAX) {
        transaction.apply(Event::Cancelled(all));
    }
    transaction.state.note_cause(cause);
    // What is left are the jobs in flight, which the broken pool abandons.
    transaction.apply(Event::ResourceLost);
    transaction.apply(Event::Stopped { grace, terminate: !grace.is_zero() });
    transaction.commit();
}

/// Cancels the jobs that are not assigned to a worker.
pub(super) fn cancel_waiting<J: Job>(shared: &Arc<ProcessShared<J>>) {
    let mut transaction = Transaction::begin(shared);
    transaction.flush_all();
    transaction.apply(Event::WaitingCancelled);
    transaction.commit();
}

/// Cancels the jobs that are not assigned to a worker and whose outcomes go to `target`.
pub(super) fn cancel_waiting_for<J: Job>(shared: &Arc<ProcessShared<J>>, target: &OutcomeTarget<J>) {
    let mut transaction = Transaction::begin(shared);
    transaction.flush_all();
    let unresolved = transaction.state.blocks.unresolved_for(target);
    // In reverse, so that no job is started in place of one that has just been cancelled.
    unresolved.into_iter().rev().for_each(|jobs| transaction.apply(Event::Cancelled(jobs)));
    transaction.commit();
}
