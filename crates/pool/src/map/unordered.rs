//! Maps with outputs in order of completion.

use std::{marker::PhantomData, num::NonZeroUsize, time::Duration};

use job::Job;

use super::{
    completion_queue::CompletionOrder,
    settings::Map,
    stream::{MapStream, StreamItem},
};
use crate::{Resolved, ResultError};

/// Settings of a map with outputs in order of completion that has not been started; see [`Map`].
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, ThreadPool};
///
/// let threads = ThreadPool::new(2, ());
/// let mut outputs: Vec<(usize, u64)> =
///     threads.map_unordered([Square(10), Square(20)]).into_iter().flatten().collect();
/// outputs.sort(); // their order is not defined
/// assert_eq!(outputs, [(0, 100), (1, 400)]);
/// ```
#[must_use = "a map does nothing before it is iterated"]
pub struct MapUnordered<'e, J: Job, E, I: Iterator<Item = J>>(Map<'e, J, E, I>);

impl<'e, J: Job, E, I: Iterator<Item = J>> MapUnordered<'e, J, E, I> {
    pub(crate) fn new(map: Map<'e, J, E, I>) -> Self {
        MapUnordered(map)
    }

    /// Number of items that are read before the first output is requested; see [`Map::buffer`].
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::{cell::Cell, num::NonZeroUsize};
    /// use pool::{Executor, Serial};
    ///
    /// let read = Cell::new(0);
    /// let serial = Serial::new(());
    /// let jobs = (1..).inspect(|_| read.set(read.get() + 1)).map(Square);
    /// let mut squares = serial.map_unordered(jobs).buffer(NonZeroUsize::new(4).unwrap()).into_iter();
    /// assert_eq!(read.get(), 4);
    /// squares.next();
    /// assert_eq!(read.get(), 5, "one more for the output that was taken");
    /// ```
    pub fn buffer(self, jobs: NonZeroUsize) -> Self {
        MapUnordered(self.0.buffer(jobs))
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
    /// let squares = serial.map_unordered(jobs).unbuffered().into_iter();
    /// assert_eq!(read.get(), 5000);
    /// assert_eq!(squares.count(), 5000);
    /// ```
    pub fn unbuffered(self) -> Self {
        MapUnordered(self.0.unbuffered())
    }

    /// Number of jobs that are sent to a worker together; see [`Map::chunk_size`].
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::num::NonZeroUsize;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::new(2, ());
    /// let ten = NonZeroUsize::new(10).unwrap();
    /// assert_eq!(threads.map_unordered((0..100).map(Square)).chunk_size(ten).into_iter().count(), 100);
    /// ```
    pub fn chunk_size(self, jobs: NonZeroUsize) -> Self {
        MapUnordered(self.0.chunk_size(jobs))
    }

    /// Sets a deadline for the whole map, counted from this call. When it passes, the next output is
    /// [`ResultError::TimedOut`], jobs that have not been started are cancelled, and the iteration ends.
    /// Running jobs continue; [`Executor::stop`](crate::Executor::stop) ends those, too.
    ///
    /// ```
    /// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
    /// use std::time::Duration;
    /// use pool::{Executor, ResultError, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let outputs = threads.map_unordered([Gate(1), Gate(2)]).timeout(Duration::from_millis(1));
    /// let outputs: Vec<_> = outputs.into_iter().collect(); // the gate stays closed
    /// assert!(matches!(outputs[..], [Err((_, ResultError::TimedOut))]));
    /// open();
    /// ```
    pub fn timeout(self, time: Duration) -> Self {
        MapUnordered(self.0.timeout(time))
    }

    /// Sets the time limit of each job; see [`JobOptions::time_limit`](crate::JobOptions::time_limit).
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::{Executor, JobError, ResultError, Serial};
    ///
    /// let serial = Serial::new(());
    /// let output = serial.map_unordered([Square(3)]).time_limit(Duration::from_secs(1)).into_iter().next();
    /// // Only worker processes can enforce a time limit.
    /// assert!(matches!(output, Some(Err((0, ResultError::Failed(JobError::Unsupported(_)))))));
    /// ```
    pub fn time_limit(self, limit: Duration) -> Self {
        MapUnordered(self.0.time_limit(limit))
    }
}

impl<'e, J: Job, E, I: Iterator<Item = J>> IntoIterator for MapUnordered<'e, J, E, I> {
    type Item = Result<(usize, J::Output), (usize, ResultError<J::Error>)>;
    type IntoIter = OutputsUnordered<'e, J, E, I>;

    /// Starts the map: reads the first items and submits their jobs.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let (threads, mut squares) = (ThreadPool::new(2, ()), [0; 3]);
    /// for output in threads.map_unordered([1, 2, 3].map(Square)) {
    ///     let (index, square) = output.map_err(|(index, reason)| format!("item {index}: {reason}"))?;
    ///     squares[index] = square;
    /// }
    /// assert_eq!(squares, [1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn into_iter(self) -> Self::IntoIter {
        OutputsUnordered { stream: MapStream::start(self.0), executor: PhantomData }
    }
}

/// Iterator over the outputs of a [`MapUnordered`], each with the index of its item. An item with
/// [`ResultError::TimedOut`] or [`ResultError::Refused`] has the number of submitted jobs as its index.
///
/// Dropping it cancels the jobs that have not been started. If no output has been requested, they all run
/// instead.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, ThreadPool};
///
/// let threads = ThreadPool::new(2, ());
/// let outputs = threads.map_unordered([2, u64::MAX, 4].map(Square)).into_iter();
/// let failed: Vec<usize> = outputs.filter_map(|output| output.err().map(|(index, _)| index)).collect();
/// assert_eq!(failed, [1]);
/// ```
pub struct OutputsUnordered<'e, J: Job, E, I: Iterator<Item = J>> {
    stream: MapStream<J, I, CompletionOrder<J>>,
    executor: PhantomData<&'e E>,
}

impl<J: Job, E, I: Iterator<Item = J>> OutputsUnordered<'_, J, E, I> {
    /// Ends the iteration and cancels the jobs that have not been started.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, Serial};
    ///
    /// let serial = Serial::new(());
    /// let mut outputs = serial.map_unordered((1..).map(Square)).into_iter();
    /// assert!(outputs.next().is_some());
    /// outputs.close();
    /// assert!(outputs.next().is_none());
    /// ```
    pub fn close(&mut self) {
        self.stream.close();
    }
}

impl<J: Job, E, I: Iterator<Item = J>> Iterator for OutputsUnordered<'_, J, E, I> {
    type Item = Result<(usize, J::Output), (usize, ResultError<J::Error>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.stream.next()?;
        let end = item_index(self.stream.pushed());
        Some(match next {
            StreamItem::Outcome(Resolved { tag, outcome: Ok(output) }) => Ok((item_index(tag), output)),
            StreamItem::Outcome(Resolved { tag, outcome: Err(error) }) => {
                Err((item_index(tag), ResultError::Failed(error)))
            }
            StreamItem::TimedOut => Err((end, ResultError::TimedOut)),
            StreamItem::Refused(refused) => Err((end, ResultError::Refused(refused))),
        })
    }
}

/// Returns the index of an item. It fits, because the items were produced by an iterator.
fn item_index(tag: u64) -> usize {
    usize::try_from(tag).unwrap_or(usize::MAX)
}
