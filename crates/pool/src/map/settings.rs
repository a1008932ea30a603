//! Settings of a map.

use std::{
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use job::Job;

use crate::{JobOptions, Sink, Submitter, future::deadline_after};

/// Default number of jobs in flight before the first output is requested.
const DEFAULT_BUFFER: NonZeroUsize = NonZeroUsize::new(1024).expect("1024 is not zero");

/// Method of an executor that returns a submitter. Maps are given it as a function, because the trait
/// [`Executor`](crate::Executor) names their types.
pub(super) type OpenSubmitter<J, E> = fn(&E, Arc<dyn Sink<J>>) -> Box<dyn Submitter<J>>;

/// Settings of a map that has not been started; [`IntoIterator`] starts it.
///
/// By default up to 1,024 jobs are in flight, so that endless inputs work; each output that is taken lets one
/// more job be pushed. The number grows, up to 16,384, where measured costs show that short jobs would leave
/// workers idle, or while the caller waits for a long job and many later ones are done.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, ThreadPool};
///
/// let threads = ThreadPool::new(2, ());
/// // An endless input: it is read only a limited number of items ahead.
/// let squares = threads.map((1..).map(Square)).into_iter().flatten();
/// assert_eq!(squares.take_while(|square| *square < 30).collect::<Vec<_>>(), [1, 4, 9, 16, 25]);
/// ```
#[must_use = "a map does nothing before it is iterated"]
pub struct Map<'e, J: Job, E, I: Iterator<Item = J>> {
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

impl<'e, J: Job, E, I: Iterator<Item = J>> Map<'e, J, E, I> {
    pub(crate) fn new(executor: &'e E, submitter: OpenSubmitter<J, E>, jobs: I) -> Self {
        let (deadline, options) = (None, JobOptions::default());
        let (buffer, grows, chunk_size) = (Some(DEFAULT_BUFFER), true, NonZeroUsize::MIN);
        Map { executor, submitter, jobs, buffer, grows, chunk_size, deadline, options }
    }

    /// Number of items that are read before the first output is requested [default: 1,024, and growing; see
    /// [`Map`]]. To keep all workers busy while the caller processes an output, use a small multiple of the
    /// number of workers, and more if jobs are short.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::{cell::Cell, num::NonZeroUsize};
    /// use pool::{Executor, Serial};
    ///
    /// let read = Cell::new(0);
    /// let serial = Serial::new(());
    /// let jobs = (1..).inspect(|_| read.set(read.get() + 1)).map(Square);
    /// let mut squares = serial.map(jobs).buffer(NonZeroUsize::new(4).unwrap()).into_iter();
    /// assert_eq!(read.get(), 4);
    /// squares.next();
    /// assert_eq!(read.get(), 5, "one more for the output that was taken");
    /// ```
    pub fn buffer(mut self, jobs: NonZeroUsize) -> Self {
        (self.buffer, self.grows) = (Some(jobs), false);
        self
    }

    /// Reads all items at once when the map is started. Not for endless inputs.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::cell::Cell;
    /// use pool::{Executor, Serial};
    ///
    /// let read = Cell::new(0);
    /// let serial = Serial::new(());
    /// let jobs = (1..=5000).inspect(|_| read.set(read.get() + 1)).map(Square);
    /// let squares = serial.map(jobs).unbuffered().into_iter();
    /// assert_eq!(read.get(), 5000);
    /// assert_eq!(squares.count(), 5000);
    /// ```
    pub fn unbuffered(mut self) -> Self {
        self.buffer = None;
        self
    }

    /// Number of jobs that are sent to a worker together, in one batch; limited by the [buffer](Map::buffer).
    /// By default the executor chooses by the measured cost of the jobs. Does not affect the outputs.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::num::NonZeroUsize;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let hundred = NonZeroUsize::new(100).unwrap();
    /// let squares = threads.map((0..1000).map(Square)).chunk_size(hundred).into_iter();
    /// assert!(squares.flatten().eq((0..1000).map(|n| n * n)));
    /// ```
    pub fn chunk_size(mut self, jobs: NonZeroUsize) -> Self {
        self.chunk_size = jobs;
        self
    }

    /// Sets a deadline for the whole map, counted from this call. When it passes, the next output is
    /// [`ResultError::TimedOut`](crate::ResultError::TimedOut), jobs that have not been started are
    /// cancelled, and the iteration ends. Running jobs continue; [`Executor::stop`](crate::Executor::stop)
    /// ends those, too.
    ///
    /// ```
    /// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
    /// use std::time::Duration;
    /// use pool::{Executor, ResultError, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let outputs = threads.map([Gate(1), Gate(2)]).timeout(Duration::from_millis(1));
    /// let outputs: Vec<_> = outputs.into_iter().collect(); // the gate stays closed
    /// assert!(matches!(outputs[..], [Err(ResultError::TimedOut)]));
    /// open();
    /// ```
    pub fn timeout(mut self, time: Duration) -> Self {
        self.deadline = deadline_after(time);
        self
    }

    /// Sets the time limit of each job; see [`JobOptions::time_limit`].
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::{Executor, JobError, ResultError, Serial};
    ///
    /// let serial = Serial::new(());
    /// let output = serial.map([Square(3)]).time_limit(Duration::from_secs(1)).into_iter().next();
    /// // Only worker processes can enforce a time limit.
    /// assert!(matches!(output, Some(Err(ResultError::Failed(JobError::Unsupported(_))))));
    /// ```
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.options.time_limit = Some(limit);
        self
    }
}
