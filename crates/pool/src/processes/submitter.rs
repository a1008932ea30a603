//! Submission of a stream of jobs.

use std::sync::Arc;

use job::{Job, JobError};

use super::{
    block::{Block, OutcomeTarget},
    flush::{cancel_waiting_for, flush, on_push, unregister_buffer},
    shared::ProcessShared,
    submit_buffer::{Scratch, SubmitBuffer},
    transaction::submit_block,
};
use crate::{JobOptions, Resolved, Sink, SubmitError, Submitter, stream::hand_over};

pub(crate) struct ProcessSubmitter<J: Job> {
    shared: Arc<ProcessShared<J>>,
    sink: Arc<dyn Sink<J>>,
    buffer: Arc<SubmitBuffer<J>>,
    scratch: Scratch,
}

impl<J: Job> ProcessSubmitter<J> {
    pub(crate) fn new(shared: Arc<ProcessShared<J>>, sink: Arc<dyn Sink<J>>) -> ProcessSubmitter<J> {
        let buffer = shared.register_buffer(SubmitBuffer::new(
            OutcomeTarget::Sink(sink.clone()),
            shared.accounting.callers.clone(),
        ));
        ProcessSubmitter { shared, sink, buffer, scratch: Scratch::default() }
    }

    /// Resolves a job that cannot be encoded.
    fn fail(&self, tag: u64, failure: JobError<J::Error>) {
        self.shared.outcome_counts.add_unencodable(1);
        hand_over(&*self.sink, vec![Resolved { tag, outcome: Err(failure) }]);
    }
}

impl<J: Job> Submitter<J> for ProcessSubmitter<J> {
    fn push(&mut self, tag: u64, job: J, options: JobOptions) {
        match self.buffer.push(&mut self.scratch, self.shared.spawn_config.codec, (tag, &job), options) {
            Ok(hint) => on_push(&self.shared, &self.buffer, hint, options.get_priority()),
            Err(error) => self.fail(tag, error.into_job_error()),
        }
    }

    fn push_chunk(&mut self, jobs: Vec<(u64, J)>, options: JobOptions) {
        self.flush();
        let mut block = Block::new(OutcomeTarget::Sink(self.sink.clone()));
        for (tag, job) in jobs {
            if let Err(failure) = block.add(self.shared.spawn_config.codec, tag, &job, options) {
                self.fail(tag, failure);
            }
        }
        submit_block(&self.shared, block, true);
    }

    fn flush(&mut self) {
        flush(&self.shared, &self.buffer);
    }

    fn has_capacity(&self) -> bool {
        self.shared.flush_flags.has_capacity()
    }

    fn target_backlog(&self) -> usize {
        self.shared.sufficient_in_flight()
    }

    fn submit_error(&self) -> Option<SubmitError> {
        if self.buffer.is_sealed() { self.shared.submit_error() } else { None }
    }

    fn cancel_waiting(&mut self) {
        cancel_waiting_for(&self.shared, &OutcomeTarget::Sink(self.sink.clone()));
    }
}

impl<J: Job> Drop for ProcessSubmitter<J> {
    fn drop(&mut self) {
        unregister_buffer(&self.shared, &self.buffer);
    }
}
