//! Where the jobs of a map come from.

use std::time::Instant;

use job::Job;

use super::Map;
use crate::{Executor, JobFuture, Refused};

/// Takes items and submits their jobs, until there are none or the executor refuses some.
pub(super) struct Feed<'e, J: Job, E: Executor<J>, I: Iterator<Item = J>> {
    map: Map<'e, J, E, I>,
    /// How many jobs travel together.
    batch: usize,
    /// How many outputs have been taken for which no job has been submitted yet.
    owed: usize,
    /// Told after the outputs of what the executor had taken.
    refused: Option<Refused>,
}

impl<'e, J: Job, E: Executor<J>, I: Iterator<Item = J>> Feed<'e, J, E, I> {
    pub(super) fn new(map: Map<'e, J, E, I>) -> Self {
        // A batch larger than the buffer would wait for outputs that only its own jobs can bring.
        let batch = map.buffer.map_or(map.batch, |buffer| map.batch.min(buffer)).get();
        Feed { map, batch, owed: 0, refused: None }
    }

    /// Submits as many jobs as may be under way before the first output is asked for.
    pub(super) fn fill(&mut self, mut take: impl FnMut(JobFuture<J>)) {
        let mut room = self.map.buffer.map_or(usize::MAX, |most| most.get());
        while room > 0 {
            let submitted = self.submit_next(self.batch.min(room), &mut take);
            if submitted == 0 {
                return;
            }
            room -= submitted;
        }
    }

    /// An output has been taken, so another job may be under way; never where all were submitted at the start.
    pub(super) fn replace(&mut self, mut take: impl FnMut(JobFuture<J>)) {
        if self.map.buffer.is_none() {
            return;
        }
        self.owed += 1;
        if self.owed >= self.batch {
            self.owed = 0;
            self.submit_next(self.batch, &mut take);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.map.deadline
    }

    pub(super) fn take_refusal(&mut self) -> Option<Refused> {
        self.refused.take()
    }

    /// Submits up to `count` jobs and says how many.
    fn submit_next(&mut self, count: usize, take: &mut impl FnMut(JobFuture<J>)) -> usize {
        if self.refused.is_some() {
            return 0;
        }
        let jobs: Vec<J> = self.map.jobs.by_ref().take(count).collect();
        if jobs.is_empty() {
            return 0;
        }
        match self.map.executor.submit_batch(jobs, self.map.options) {
            Ok(futures) => {
                let submitted = futures.len();
                futures.into_iter().for_each(take);
                submitted
            }
            Err(refused) => {
                self.refused = Some(refused);
                0
            }
        }
    }
}
