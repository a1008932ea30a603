//! Jobs that come in a stream.

use std::sync::Arc;

use job::{Job, JobError};

use super::{
    block::{Block, Exit},
    gather::{Gather, Scratch},
    shared::Shared,
};
use crate::{JobOptions, Resolved, Sink, SubmitError, Submitter, stream::hand_over};

pub(crate) struct ProcessSubmitter<J: Job> {
    shared: Arc<Shared<J>>,
    sink: Arc<dyn Sink<J>>,
    gather: Arc<Gather<J>>,
    scratch: Scratch,
}

impl<J: Job> ProcessSubmitter<J> {
    pub(crate) fn new(shared: Arc<Shared<J>>, sink: Arc<dyn Sink<J>>) -> ProcessSubmitter<J> {
        let gather = shared.open_gather(Gather::to(Exit::Sink(sink.clone()), shared.ledger.callers.clone()));
        ProcessSubmitter { shared, sink, gather, scratch: Scratch::default() }
    }

    fn fail(&self, tag: u64, failure: JobError<J::Error>) {
        hand_over(&*self.sink, vec![Resolved { tag, outcome: Err(failure) }]);
    }
}

impl<J: Job> Submitter<J> for ProcessSubmitter<J> {
    fn push(&mut self, tag: u64, job: J, options: JobOptions) {
        match self.gather.add(&mut self.scratch, self.shared.recipe.codec, (tag, &job), options) {
            Ok(added) => Shared::added(&self.shared, &self.gather, added),
            Err(error) => self.fail(tag, error.into_failure()),
        }
    }

    fn push_chunk(&mut self, jobs: Vec<(u64, J)>, options: JobOptions) {
        self.flush();
        let mut block = Block::new(Exit::Sink(self.sink.clone()));
        for (tag, job) in jobs {
            if let Err(failure) = block.add(self.shared.recipe.codec, tag, &job, options) {
                self.fail(tag, failure);
            }
        }
        Shared::submit(&self.shared, block, true);
    }

    fn flush(&mut self) {
        Shared::collect(&self.shared, &self.gather);
    }

    fn has_capacity(&self) -> bool {
        self.shared.has_capacity()
    }

    fn enough(&self) -> usize {
        self.shared.enough()
    }

    fn refusal(&self) -> Option<SubmitError> {
        if self.gather.is_sealed() { self.shared.refusal() } else { None }
    }

    fn cancel_waiting(&mut self) {
        Shared::cancel_waiting(&self.shared, Some(&Exit::Sink(self.sink.clone())));
    }
}

impl<J: Job> Drop for ProcessSubmitter<J> {
    fn drop(&mut self) {
        Shared::close_gather(&self.shared, &self.gather);
    }
}
