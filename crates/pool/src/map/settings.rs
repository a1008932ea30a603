//! Settings of a map.

use std::{num::NonZeroUsize, sync::Arc, time::Instant};

use job::Job;

use crate::{JobOptions, Sink, Submitter};

/// Default number of jobs in flight before the first output is requested.
const DEFAULT_BUFFER: NonZeroUsize = NonZeroUsize::new(1024).expect("1024 is not zero");

/// Method of an executor that returns a submitter. Maps are given it as a function, because the trait
/// [`Executor`](crate::Executor) names their types.
pub(crate) type OpenSubmitter<J, E> = fn(&E, Arc<dyn Sink<J>>) -> Box<dyn Submitter<J>>;

/// Settings of a map that has not been started.
pub(super) struct MapSettings<'e, J: Job, E, I> {
    pub(super) executor: &'e E,
    /// Returns a submitter of the executor.
    pub(super) submitter: OpenSubmitter<J, E>,
    pub(super) jobs: I,
    pub(super) buffer: Option<NonZeroUsize>,
    /// Whether the buffer has the default size, which may grow.
    pub(super) grows: bool,
    pub(super) chunk_size: NonZeroUsize,
    pub(super) deadline: Option<Instant>,
    pub(super) options: JobOptions,
}

impl<'e, J: Job, E, I> MapSettings<'e, J, E, I> {
    pub(super) fn new(executor: &'e E, submitter: OpenSubmitter<J, E>, jobs: I) -> Self {
        let (deadline, options) = (None, JobOptions::default());
        let (buffer, grows, chunk_size) = (Some(DEFAULT_BUFFER), true, NonZeroUsize::MIN);
        MapSettings { executor, submitter, jobs, buffer, grows, chunk_size, deadline, options }
    }
}
