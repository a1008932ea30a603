//! Outputs as they come.

use std::{marker::PhantomData, num::NonZeroUsize, time::Duration};

use job::Job;

use super::{
    Map,
    arrivals::AsTheyCome,
    stream::{Arrived, Stream},
};
use crate::{Executor, Resolved, ResultError};

/// A map whose outputs come in any order and which has not been started; see [`Map`] for its settings.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, ThreadPool};
///
/// let threads = ThreadPool::new(2, ());
/// let mut outputs: Vec<(usize, u64)> =
///     threads.map_unordered([Square(10), Square(20)]).into_iter().flatten().collect();
/// outputs.sort(); // they come in any order
/// assert_eq!(outputs, [(0, 100), (1, 400)]);
/// ```
#[must_use = "a map does nothing before it is iterated"]
pub struct MapUnordered<'e, J: Job, E: Executor<J>, I: Iterator<Item = J>>(Map<'e, J, E, I>);

impl<'e, J: Job, E: Executor<J>, I: Iterator<Item = J>> MapUnordered<'e, J, E, I> {
    pub(crate) fn new(map: Map<'e, J, E, I>) -> Self {
        MapUnordered(map)
    }

    /// How many items are taken before the first output is asked for; 1,024 by default.
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
    /// assert_eq!(read.get(), 5, "one in place of the one that was taken");
    /// ```
    pub fn buffer(self, jobs: NonZeroUsize) -> Self {
        MapUnordered(self.0.buffer(jobs))
    }

    /// Takes all items at once when the map is started. Not for endless inputs.
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

    /// How many jobs travel to a worker together; see [`Map::chunk_size`].
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

    /// An overall deadline, counted from this call. When it passes, the next output is
    /// [`ResultError::TimedOut`], what has not been started is cancelled, and the iterator has ended. Jobs that
    /// run go on; [`Executor::stop`] ends those too.
    ///
    /// ```
    /// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
    /// use std::time::Duration;
    /// use pool::{Executor, ResultError, ThreadPool};
    ///
    /// let threads = ThreadPool::new(1, ());
    /// let outputs = threads.map_unordered([Gate(1), Gate(2)]).timeout(Duration::from_millis(1));
    /// let outputs: Vec<_> = outputs.into_iter().collect(); // nobody opens the gate
    /// assert!(matches!(outputs[..], [Err((_, ResultError::TimedOut))]));
    /// open();
    /// ```
    pub fn timeout(self, time: Duration) -> Self {
        MapUnordered(self.0.timeout(time))
    }

    /// A time limit for each of the jobs; see [`JobOptions::time_limit`](crate::JobOptions::time_limit).
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::{Executor, JobError, ResultError, Serial};
    ///
    /// let serial = Serial::new(());
    /// let output = serial.map_unordered([Square(3)]).time_limit(Duration::from_secs(1)).into_iter().next();
    /// // Only worker processes can keep jobs to a limit.
    /// assert!(matches!(output, Some(Err((0, ResultError::Failed(JobError::Unsupported(_)))))));
    /// ```
    pub fn time_limit(self, limit: Duration) -> Self {
        MapUnordered(self.0.time_limit(limit))
    }
}

impl<'e, J: Job, E: Executor<J>, I: Iterator<Item = J>> IntoIterator for MapUnordered<'e, J, E, I> {
    type Item = Result<(usize, J::Output), (usize, ResultError<J::Error>)>;
    type IntoIter = OutputsUnordered<'e, J, E, I>;

    /// Starts the map: takes the first items and submits their jobs.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let (threads, mut squares) = (ThreadPool::new(2, ()), [0; 3]);
    /// for output in threads.map_unordered([1, 2, 3].map(Square)) {
    ///     let (place, square) = output.map_err(|(place, reason)| format!("item {place}: {reason}"))?;
    ///     squares[place] = square;
    /// }
    /// assert_eq!(squares, [1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn into_iter(self) -> Self::IntoIter {
        OutputsUnordered { stream: Stream::start(self.0), executor: PhantomData }
    }
}

/// The outputs of a [`MapUnordered`], each once, with the place of its item.
///
/// Dropping it cancels the jobs that have not been started, if any output was asked for; before that they all run.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, ThreadPool};
///
/// let threads = ThreadPool::new(2, ());
/// let outputs = threads.map_unordered([2, u64::MAX, 4].map(Square)).into_iter();
/// let failed: Vec<usize> = outputs.filter_map(|output| output.err().map(|(place, _)| place)).collect();
/// assert_eq!(failed, [1]);
/// ```
pub struct OutputsUnordered<'e, J: Job, E: Executor<J>, I: Iterator<Item = J>> {
    stream: Stream<J, I, AsTheyCome<J>>,
    executor: PhantomData<&'e E>,
}

impl<J: Job, E: Executor<J>, I: Iterator<Item = J>> OutputsUnordered<'_, J, E, I> {
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

impl<J: Job, E: Executor<J>, I: Iterator<Item = J>> Iterator for OutputsUnordered<'_, J, E, I> {
    type Item = Result<(usize, J::Output), (usize, ResultError<J::Error>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.stream.next()?;
        let after_all = place(self.stream.pushed());
        Some(match next {
            Arrived::Outcome(Resolved { tag, outcome: Ok(output) }) => Ok((place(tag), output)),
            Arrived::Outcome(Resolved { tag, outcome: Err(error) }) => {
                Err((place(tag), ResultError::Failed(error)))
            }
            Arrived::Late => Err((after_all, ResultError::TimedOut)),
            Arrived::Refused(refused) => Err((after_all, ResultError::Refused(refused))),
        })
    }
}

/// Items are counted by an iterator, so their number fits.
fn place(tag: u64) -> usize {
    usize::try_from(tag).unwrap_or(usize::MAX)
}
