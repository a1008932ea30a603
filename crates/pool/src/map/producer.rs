//! Reads the items of a map and pushes their jobs.
//!
//! The *window* is the maximum number of jobs in flight. Unless the caller has set it, it grows up to
//! [`MAX_WINDOW`]: to the number of jobs that keeps the workers busy, and to twice its size when the iterator
//! waits for one outcome while half a window of later ones is queued.

use std::{num::NonZeroUsize, sync::Arc, time::Instant};

use job::Job;

use super::settings::MapSettings;
use crate::{JobOptions, Sink, SubmitError, Submitter};

/// Maximum size in jobs of a window that the caller has not set.
const MAX_WINDOW: usize = 16 * 1024;

/// Reads items and pushes their jobs until there are no more items or the executor refuses jobs. The tags are
/// the indexes of the items.
pub(super) struct Producer<J: Job, I> {
    jobs: I,
    submitter: Box<dyn Submitter<J>>,
    /// Maximum number of jobs in flight; `None` if unlimited.
    window: Option<usize>,
    /// Whether the window may grow.
    grows: bool,
    /// Number of jobs that are sent together.
    chunk_size: usize,
    options: JobOptions,
    deadline: Option<Instant>,
    pushed: u64,
    returned: u64,
    /// Why the executor refused a job; returned after the outputs of the jobs that it had accepted.
    refused: Option<SubmitError>,
    ended: bool,
}

impl<J: Job, I: Iterator<Item = J>> Producer<J, I> {
    /// Starts a map: pushes jobs until the window is full.
    pub(super) fn start<E>(map: MapSettings<'_, J, E, I>, sink: Arc<dyn Sink<J>>) -> Self {
        let MapSettings { executor, submitter, jobs, buffer, grows, chunk_size, deadline, options } = map;
        // A chunk larger than the window would wait for outputs of its own jobs.
        let chunk_size = buffer.map_or(chunk_size, |buffer| chunk_size.min(buffer)).get();
        let mut producer = Producer {
            jobs,
            submitter: submitter(executor, sink),
            window: buffer.map(NonZeroUsize::get),
            grows,
            chunk_size,
            options,
            deadline,
            pushed: 0,
            returned: 0,
            refused: None,
            ended: false,
        };
        producer.grow_window();
        producer.fill();
        producer.submitter.flush();
        producer
    }

    /// Records that an output was returned, and pushes a job in its place, unless all were pushed at the
    /// start.
    pub(super) fn note_output(&mut self) {
        self.returned += 1;
        if self.window.is_some() {
            self.fill();
        }
    }

    /// Submits all buffered jobs and, if workers lack jobs, more of them. Called before waiting for an
    /// outcome.
    pub(super) fn flush_before_wait(&mut self) {
        if self.growable_window().is_some() && self.submitter.has_capacity() {
            return self.double_window();
        }
        if self.grow_window() {
            self.fill();
        }
        self.submitter.flush();
    }

    /// Grows the window to the number of jobs that keeps the workers busy, where that is known. Returns
    /// whether it has grown.
    fn grow_window(&mut self) -> bool {
        let Some(window) = self.growable_window() else { return false };
        let wanted = self.submitter.target_backlog().min(MAX_WINDOW);
        self.window = Some(window.max(wanted));
        window < wanted
    }

    /// Number of queued outcomes behind a missing one at which the window should grow.
    pub(super) fn backlog_limit(&self) -> usize {
        self.growable_window().map_or(usize::MAX, |window| window / 2)
    }

    /// Doubles the window and fills it.
    pub(super) fn double_window(&mut self) {
        self.window = self.window.map(|window| 2 * window);
        self.fill();
        self.submitter.flush();
    }

    /// Returns the window if it may grow and jobs are left to fill it.
    fn growable_window(&self) -> Option<usize> {
        self.window.filter(|&window| self.grows && !self.ended && window < MAX_WINDOW)
    }

    /// Number of jobs that have been pushed.
    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Number of pushed jobs whose outputs have not been returned.
    pub(super) fn in_flight(&self) -> u64 {
        self.pushed - self.returned
    }

    pub(super) fn take_refusal(&mut self) -> Option<SubmitError> {
        self.refused.take()
    }

    /// Pushes no more jobs and cancels those that have not been started.
    pub(super) fn cancel(&mut self) {
        self.ended = true;
        self.submitter.cancel_waiting();
    }

    /// Pushes jobs until the window is full.
    fn fill(&mut self) {
        while !self.ended && self.room() >= self.chunk_size {
            match self.submitter.submit_error() {
                None if self.chunk_size == 1 => self.push_one(),
                None => self.push_chunk(),
                // Stored only if there is one: moving an option of this size takes longer than encoding a
                // short job.
                Some(refused) => (self.refused, self.ended) = (Some(refused), true),
            }
        }
    }

    fn room(&self) -> usize {
        let in_flight = usize::try_from(self.in_flight()).unwrap_or(usize::MAX);
        self.window.map_or(usize::MAX, |window| window.saturating_sub(in_flight))
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

    fn push_chunk(&mut self) {
        let jobs: Vec<(u64, J)> = (self.pushed..).zip(self.jobs.by_ref().take(self.chunk_size)).collect();
        self.ended = jobs.len() < self.chunk_size;
        self.pushed += jobs.len() as u64;
        if !jobs.is_empty() {
            self.submitter.push_chunk(jobs, self.options);
        }
    }
}
