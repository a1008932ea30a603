//! Iterators over the outputs of maps.

use std::{fmt, num::NonZeroUsize, time::Duration};

use job::{Job, JobError, Outcome};

use super::{
    completion_queue::{CompletionOrder, InputOrder, Order},
    settings::{MapSettings, OpenSubmitter},
    stream::{MapStream, StreamItem},
};
use crate::{JobOptions, Resolved, future::deadline_after};

/// Iterator over the outputs of the jobs of an iterator, in the order of the jobs. A job that fails is an
/// `Err` in its place and does not affect the others.
///
/// It is lazy: the first call of `next`, or [`start`](Map::start), reads the first jobs. By default up to
/// 1,024 jobs are in flight, so that endless inputs work; each output that is taken lets one more job be
/// pushed. The number grows, up to 16,384, where measured costs show that short jobs would leave workers
/// idle, or while the caller waits for a long job and many later ones have ended.
///
/// Dropping it cancels the jobs that have not been started. If it was started and no output has been
/// requested, they all run instead.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, ThreadPool};
///
/// let threads = ThreadPool::new(2, ());
/// let mut outputs = threads.map([2, u64::MAX, 4].map(Square));
/// assert_eq!(outputs.next().unwrap()?, 4);
/// assert!(outputs.next().unwrap().is_err());
/// assert_eq!(outputs.next().unwrap()?, 16);
/// assert!(outputs.next().is_none());
///
/// // An endless input: it is read only a limited number of items ahead.
/// let squares = threads.map((1..).map(Square)).filter_map(Result::ok);
/// assert_eq!(squares.take_while(|square| *square < 30).collect::<Vec<_>>(), [1, 4, 9, 16, 25]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a map does nothing before it is iterated or started"]
pub struct Map<'e, J: Job, E, I: Iterator<Item = J>, O: Order<Job = J> = InputOrder<J>> {
    state: MapState<'e, J, E, I, O>,
}

/// Iterator over the outputs of the jobs of an iterator, in order of completion, each with the index of its
/// job. It has the same settings as [`Map`].
///
/// An item with [`JobError::NotReady`] or [`JobError::Refused`] has the number of submitted jobs as its
/// index.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, ThreadPool};
///
/// let (threads, mut squares) = (ThreadPool::new(2, ()), [0; 3]);
/// for (index, square) in threads.map_unordered([1, 2, 3].map(Square)) {
///     squares[index] = square?;
/// }
/// assert_eq!(squares, [1, 4, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type MapUnordered<'e, J, E, I> = Map<'e, J, E, I, CompletionOrder<J>>;

enum MapState<'e, J: Job, E, I: Iterator<Item = J>, O: Order<Job = J>> {
    Idle(MapSettings<'e, J, E, I>),
    Started(MapStream<J, I, O>),
    /// While it is being started, and if that panics.
    Starting,
    /// Closed before it was started.
    Closed,
}

impl<'e, J: Job, E, I: Iterator<Item = J>, O: Order<Job = J>> Map<'e, J, E, I, O> {
    pub(crate) fn new(executor: &'e E, submitter: OpenSubmitter<J, E>, jobs: I) -> Self {
        Map { state: MapState::Idle(MapSettings::new(executor, submitter, jobs)) }
    }

    /// Number of jobs that are read before the first output is requested [default: 1,024, and growing; see
    /// [`Map`]]. To keep all workers busy while the caller processes an output, use a small multiple of the
    /// number of workers, and more if jobs are short.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::cell::Cell;
    /// use pool::{Executor, Serial};
    ///
    /// let read = Cell::new(0);
    /// let serial = Serial::new(());
    /// let jobs = (1..).inspect(|_| read.set(read.get() + 1)).map(Square);
    /// let mut squares = serial.map(jobs).buffer(4).start();
    /// assert_eq!(read.get(), 4);
    /// squares.next();
    /// assert_eq!(read.get(), 5, "one more for the output that was taken");
    /// ```
    ///
    /// # Panics
    /// If `jobs` is 0, or the map has been started.
    pub fn buffer(self, jobs: usize) -> Self {
        let jobs = NonZeroUsize::new(jobs).expect("the buffer of a map has to have space for a job");
        self.set(|settings| (settings.buffer, settings.grows) = (Some(jobs), false))
    }

    /// Reads all jobs at once when the map is started. Not for endless inputs.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::cell::Cell;
    /// use pool::{Executor, Serial};
    ///
    /// let read = Cell::new(0);
    /// let serial = Serial::new(());
    /// let jobs = (1..=5000).inspect(|_| read.set(read.get() + 1)).map(Square);
    /// let squares = serial.map(jobs).unbuffered().start();
    /// assert_eq!(read.get(), 5000);
    /// assert_eq!(squares.count(), 5000);
    /// ```
    ///
    /// # Panics
    /// If the map has been started.
    pub fn unbuffered(self) -> Self {
        self.set(|settings| settings.buffer = None)
    }

    /// Number of jobs that are sent to a worker together, in one batch; limited by the [buffer](Map::buffer).
    /// By default the executor chooses by the measured cost of the jobs. Does not affect the outputs.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let squares = threads.map((0..1000).map(Square)).chunk_size(100);
    /// assert!(squares.flatten().eq((0..1000).map(|n| n * n)));
    /// ```
    ///
    /// # Panics
    /// If `jobs` is 0, or the map has been started.
    pub fn chunk_size(self, jobs: usize) -> Self {
        let jobs = NonZeroUsize::new(jobs).expect("a chunk has to have at least one job");
        self.set(|settings| settings.chunk_size = jobs)
    }

    /// Sets a deadline for the whole map, counted from this call. When it passes, the next output is
    /// [`JobError::NotReady`], jobs that have not been started are cancelled, and the iteration ends. Running
    /// jobs continue; [`Executor::stop`](crate::Executor::stop) ends those, too.
    ///
    /// ```
    /// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
    /// use std::time::Duration;
    /// use pool::{Executor, JobError, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let outputs = threads.map([Gate(1), Gate(2)]).timeout(Duration::from_millis(1));
    /// let outputs: Vec<_> = outputs.collect(); // the gate stays closed
    /// assert!(matches!(outputs[..], [Err(JobError::NotReady)]));
    /// open();
    /// ```
    ///
    /// # Panics
    /// If the map has been started.
    pub fn timeout(self, time: Duration) -> Self {
        self.set(|settings| settings.deadline = deadline_after(time))
    }

    /// Sets the options of each job, such as a time limit.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::{Executor, JobError, Serial, settings::JobOptions};
    ///
    /// let serial = Serial::new(());
    /// let limited = JobOptions::new().time_limit(Duration::from_secs(1));
    /// let output = serial.map([Square(3)]).options(limited).next();
    /// // Only worker processes can enforce a time limit.
    /// assert!(matches!(output, Some(Err(JobError::Unsupported(_)))));
    /// ```
    ///
    /// # Panics
    /// If the map has been started.
    pub fn options(self, options: JobOptions) -> Self {
        self.set(|settings| settings.options = options)
    }

    /// Starts the map now instead of when the first output is requested: reads the first jobs and submits
    /// them.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, Serial};
    ///
    /// let serial = Serial::new(());
    /// let squares = serial.map([1, 2, 3].map(Square)).start();
    /// assert_eq!(serial.worker_stats()[0].jobs, 3);
    /// assert!(squares.flatten().eq([1, 4, 9]));
    /// ```
    pub fn start(mut self) -> Self {
        self.stream();
        self
    }

    /// Ends the iteration and cancels the jobs that have not been started. A map that has not been started
    /// reads no job.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, Serial};
    ///
    /// let serial = Serial::new(());
    /// let mut outputs = serial.map((1..).map(Square));
    /// assert!(outputs.next().is_some());
    /// outputs.close();
    /// assert!(outputs.next().is_none());
    /// ```
    pub fn close(&mut self) {
        match &mut self.state {
            MapState::Started(stream) => stream.close(),
            MapState::Idle(_) => self.state = MapState::Closed,
            MapState::Starting | MapState::Closed => {}
        }
    }

    fn set(mut self, change: impl FnOnce(&mut MapSettings<'e, J, E, I>)) -> Self {
        match &mut self.state {
            MapState::Idle(settings) => change(settings),
            MapState::Started(_) | MapState::Starting => panic!("the map has already been started"),
            MapState::Closed => {}
        }
        self
    }

    /// Returns the stream of outcomes; starts it if this is the first call. Returns `None` if the map was
    /// closed before.
    fn stream(&mut self) -> Option<&mut MapStream<J, I, O>> {
        if let MapState::Idle(_) = self.state
            && let MapState::Idle(settings) = std::mem::replace(&mut self.state, MapState::Starting)
        {
            self.state = MapState::Started(MapStream::start(settings));
        }
        match &mut self.state {
            MapState::Started(stream) => Some(stream),
            MapState::Closed => None,
            MapState::Idle(_) | MapState::Starting => panic!("the iterator of the map's jobs has panicked"),
        }
    }
}

impl<J: Job, E, I: Iterator<Item = J>, O: Order<Job = J>> fmt::Debug for Map<'_, J, E, I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            MapState::Idle(_) => "not started",
            MapState::Started(_) | MapState::Starting => "started",
            MapState::Closed => "closed",
        };
        f.debug_tuple("Map").field(&format_args!("{state}")).finish()
    }
}

impl<J: Job, E, I: Iterator<Item = J>> Iterator for Map<'_, J, E, I> {
    type Item = Outcome<J>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.stream()?.next()? {
            StreamItem::Outcome(job) => job.outcome,
            StreamItem::TimedOut => Err(JobError::NotReady),
            StreamItem::Refused(refusal) => Err(JobError::Refused(refusal)),
        })
    }
}

impl<J: Job, E, I: Iterator<Item = J>> Iterator for MapUnordered<'_, J, E, I> {
    type Item = (usize, Outcome<J>);

    fn next(&mut self) -> Option<Self::Item> {
        let stream = self.stream()?;
        let next = stream.next()?;
        Some(match next {
            StreamItem::Outcome(Resolved { tag, outcome }) => (item_index(tag), outcome),
            StreamItem::TimedOut => (item_index(stream.pushed()), Err(JobError::NotReady)),
            StreamItem::Refused(refusal) => (item_index(stream.pushed()), Err(JobError::Refused(refusal))),
        })
    }
}

/// Returns the index of a job. It fits, because the jobs were produced by an iterator.
fn item_index(tag: u64) -> usize {
    usize::try_from(tag).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Executor, Serial, sample::Byte};

    #[test]
    fn a_map_that_is_closed_before_it_is_started_reads_no_job() {
        let serial = Serial::new(());
        let jobs = std::iter::from_fn(|| -> Option<Byte> { panic!("the map has read a job") });
        let mut outputs = serial.map(jobs);
        outputs.close();
        assert!(outputs.next().is_none());
        outputs.close();
        assert!(outputs.start().timeout(Duration::ZERO).next().is_none());
    }
}
