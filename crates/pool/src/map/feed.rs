//! Where the jobs of a map come from.

use std::time::Instant;

use job::Job;

use super::Map;
use crate::{Executor, JobFuture, Refused};

/// Takes items and submits their jobs, until there are none or the executor refuses one.
pub(super) struct Feed<'e, J: Job, E: Executor<J>, I: Iterator<Item = J>> {
    map: Map<'e, J, E, I>,
    /// Told after the outputs of what the executor had taken.
    refused: Option<Refused>,
}

impl<'e, J: Job, E: Executor<J>, I: Iterator<Item = J>> Feed<'e, J, E, I> {
    pub(super) fn new(map: Map<'e, J, E, I>) -> Self {
        Feed { map, refused: None }
    }

    /// Submits as many jobs as may be under way before the first output is asked for.
    pub(super) fn fill(&mut self, mut take: impl FnMut(JobFuture<J>)) {
        let most = self.map.buffer.map_or(usize::MAX, |most| most.get());
        (0..most).map_while(|_| self.submit_next()).for_each(&mut take);
    }

    /// The job in place of one whose output has been taken; none where all were submitted at the start.
    pub(super) fn replace(&mut self) -> Option<JobFuture<J>> {
        self.map.buffer.and_then(|_| self.submit_next())
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.map.deadline
    }

    pub(super) fn take_refusal(&mut self) -> Option<Refused> {
        self.refused.take()
    }

    fn submit_next(&mut self) -> Option<JobFuture<J>> {
        if self.refused.is_some() {
            return None;
        }
        let job = self.map.jobs.next()?;
        match self.map.executor.submit_with(job, self.map.options) {
            Ok(future) => Some(future),
            Err(refused) => {
                self.refused = Some(refused);
                None
            }
        }
    }
}
