//! Where the jobs of a map come from.

use std::{sync::Arc, time::Instant};

use job::Job;

use super::Map;
use crate::{Executor, JobOptions, Sink, SubmitError, Submitter};

/// The most jobs under way at a time where the caller has not said how many.
const MOST_UNDER_WAY: usize = 16 * 1024;

/// Takes items and pushes their jobs, until there are none or the executor refuses some. Their tags count them.
pub(super) struct Feed<J: Job, I> {
    jobs: I,
    submitter: Box<dyn Submitter<J>>,
    /// How many may be under way; all that there are if there is no such number.
    buffer: Option<usize>,
    /// Whether the buffer may grow.
    grows: bool,
    /// How many jobs travel together.
    chunk_size: usize,
    options: JobOptions,
    deadline: Option<Instant>,
    pushed: u64,
    taken: u64,
    /// Told after the outputs of what the executor had taken.
    refused: Option<SubmitError>,
    ended: bool,
}

impl<J: Job, I: Iterator<Item = J>> Feed<J, I> {
    /// Starts a map: as many jobs are pushed as may be under way.
    pub(super) fn start<E: Executor<J>>(map: Map<'_, J, E, I>, sink: Arc<dyn Sink<J>>) -> Self {
        let Map { executor, jobs, buffer, grows, chunk_size, deadline, options } = map;
        // A chunk_size larger than the buffer would wait for outputs that only its own jobs can bring.
        let chunk_size = buffer.map_or(chunk_size, |buffer| chunk_size.min(buffer)).get();
        let (submitter, buffer) = (executor.submitter(sink), buffer.map(std::num::NonZeroUsize::get));
        let mut feed = Feed {
            jobs,
            submitter,
            buffer,
            grows,
            chunk_size,
            options,
            deadline,
            pushed: 0,
            taken: 0,
            refused: None,
            ended: false,
        };
        feed.widen();
        feed.fill();
        feed.submitter.flush();
        feed
    }

    /// An output has been taken, so another job may be under way; never where all were pushed at the start.
    pub(super) fn replace(&mut self) {
        self.taken += 1;
        if self.buffer.is_some() {
            self.fill();
        }
    }

    /// To be called before waiting: nothing that is needed stays behind.
    pub(super) fn before_waiting(&mut self) {
        if self.growing().is_some() && self.submitter.has_capacity() {
            return self.grow();
        }
        if self.widen() {
            self.fill();
        }
        self.submitter.flush();
    }

    /// Has as many jobs under way as the workers can do with, where that is known; whether those are more than before.
    fn widen(&mut self) -> bool {
        let Some(buffer) = self.growing() else { return false };
        let enough = self.submitter.enough().min(MOST_UNDER_WAY);
        self.buffer = Some(buffer.max(enough));
        buffer < enough
    }

    /// With how many outputs behind one that takes long there should be more jobs under way.
    pub(super) fn crowd(&self) -> usize {
        self.growing().map_or(usize::MAX, |buffer| buffer / 2)
    }

    /// Has twice as many jobs under way from now on.
    pub(super) fn grow(&mut self) {
        self.buffer = self.buffer.map(|buffer| 2 * buffer);
        self.fill();
        self.submitter.flush();
    }

    /// The buffer, if it may grow and that would change anything.
    fn growing(&self) -> Option<usize> {
        self.buffer.filter(|&buffer| self.grows && !self.ended && buffer < MOST_UNDER_WAY)
    }

    /// How many jobs have been pushed.
    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// How many outputs are still to come of what has been pushed.
    pub(super) fn under_way(&self) -> u64 {
        self.pushed - self.taken
    }

    pub(super) fn take_refusal(&mut self) -> Option<SubmitError> {
        self.refused.take()
    }

    /// Has no more jobs started.
    pub(super) fn cancel(&mut self) {
        self.ended = true;
        self.submitter.cancel_waiting();
    }

    /// Pushes as many jobs as there is room for.
    fn fill(&mut self) {
        while !self.ended && self.room() >= self.chunk_size {
            match self.submitter.refusal() {
                None if self.chunk_size == 1 => self.push_one(),
                None => self.push_batch(),
                // Stored only where there is one: to move an option of this size takes longer than to encode a short job.
                Some(refused) => (self.refused, self.ended) = (Some(refused), true),
            }
        }
    }

    fn room(&self) -> usize {
        let under_way = usize::try_from(self.under_way()).unwrap_or(usize::MAX);
        self.buffer.map_or(usize::MAX, |most| most.saturating_sub(under_way))
    }

    fn push_one(&mut self) {
        match self.jobs.next() {
            Some(job) => {
                self.submitter.push(self.pushed, job, self.options);
                self.pushed += 1;
            }
            None => self.ended = true,
        }
    }

    fn push_batch(&mut self) {
        let jobs: Vec<(u64, J)> = (self.pushed..).zip(self.jobs.by_ref().take(self.chunk_size)).collect();
        self.ended = jobs.len() < self.chunk_size;
        self.pushed += jobs.len() as u64;
        if !jobs.is_empty() {
            self.submitter.push_chunk(jobs, self.options);
        }
    }
}
