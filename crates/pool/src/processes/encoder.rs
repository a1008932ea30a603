//! Encoding of jobs on a thread of the pool.
//!
//! The thread is started for the first job and exits when there are no more. It submits the jobs one after
//! another, waiting for room in the queue if need be, so the jobs that wait for it are not encoded yet.

use std::sync::Arc;

use job::Job;
use wire::catch_panic;

use super::{encode_queue::SubmitOffThread, shared::ProcessShared, submit::submit_waiting};
use crate::{JobOptions, SubmitError, future::Control};

/// Queues a job for the encoding thread, which is started if needed. If it cannot be started, the calling
/// thread does its work.
pub(super) fn submit_off_thread<J: Job>(
    shared: &Arc<ProcessShared<J>>,
    control: &Arc<dyn Control>,
    job: J,
    options: JobOptions,
) -> SubmitOffThread<J> {
    let (future, start) = shared.encoder.push(job, options);
    if start {
        let (thread_shared, thread_control) = (shared.clone(), control.clone());
        let work = move || encode_all(&thread_shared, &thread_control);
        if shared.threads.spawn("runner-encoder".into(), work).is_err() {
            encode_all(shared, control);
        }
    }
    future
}

/// Encodes and submits jobs until there are no more. Jobs whose futures were dropped are dropped, too.
fn encode_all<J: Job>(shared: &Arc<ProcessShared<J>>, control: &Arc<dyn Control>) {
    while let Some((job, options, reply)) = shared.encoder.pop() {
        // The thread must not end with jobs left in its queue because one of them panics when it is encoded
        // or dropped.
        let submit = || {
            let job = job;
            if reply.is_wanted() {
                reply.answer(submit_waiting(shared, control, &job, options));
            }
        };
        if let Err(panic) = catch_panic(submit) {
            sys::stream::print_error(&format!("a job panicked while it was submitted or dropped: {panic}"));
            // Without effect if the panic came after the answer.
            reply.answer(Err(SubmitError::Closed));
        }
    }
}
