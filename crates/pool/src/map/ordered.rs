//! Maps with outputs in the order of the items.

use std::marker::PhantomData;

use job::Job;

use super::{
    completion_queue::TagOrder,
    settings::Map,
    stream::{MapStream, StreamItem},
};
use crate::ResultError;

impl<'e, J: Job, E, I: Iterator<Item = J>> IntoIterator for Map<'e, J, E, I> {
    type Item = Result<J::Output, ResultError<J::Error>>;
    type IntoIter = Outputs<'e, J, E, I>;

    /// Starts the map: reads the first items and submits their jobs.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, Serial};
    ///
    /// let mut squares = Vec::new();
    /// for square in Serial::new(()).map([1, 2, 3].map(Square)) {
    ///     squares.push(square?);
    /// }
    /// assert_eq!(squares, [1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn into_iter(self) -> Self::IntoIter {
        Outputs { stream: MapStream::start(self), executor: PhantomData }
    }
}

/// Iterator over the outputs of a [`Map`], in the order of the items. A job that fails is an `Err` in its
/// place and does not affect the others.
///
/// Dropping it cancels the jobs that have not been started. If no output has been requested, they all run
/// instead.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, ThreadPool};
///
/// let threads = ThreadPool::new(2, ());
/// let mut outputs = threads.map([2, u64::MAX, 4].map(Square)).into_iter();
/// assert_eq!(outputs.next().unwrap()?, 4);
/// assert!(outputs.next().unwrap().is_err());
/// assert_eq!(outputs.next().unwrap()?, 16);
/// assert!(outputs.next().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Outputs<'e, J: Job, E, I: Iterator<Item = J>> {
    stream: MapStream<J, I, TagOrder<J>>,
    executor: PhantomData<&'e E>,
}

impl<J: Job, E, I: Iterator<Item = J>> Outputs<'_, J, E, I> {
    /// Ends the iteration and cancels the jobs that have not been started.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, Serial};
    ///
    /// let serial = Serial::new(());
    /// let mut outputs = serial.map((1..).map(Square)).into_iter();
    /// assert!(outputs.next().is_some());
    /// outputs.close();
    /// assert!(outputs.next().is_none());
    /// ```
    pub fn close(&mut self) {
        self.stream.close();
    }
}

impl<J: Job, E, I: Iterator<Item = J>> Iterator for Outputs<'_, J, E, I> {
    type Item = Result<J::Output, ResultError<J::Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.stream.next()? {
            StreamItem::Outcome(job) => job.outcome.map_err(ResultError::Failed),
            StreamItem::TimedOut => Err(ResultError::TimedOut),
            StreamItem::Refused(refused) => Err(ResultError::Refused(refused)),
        })
    }
}
