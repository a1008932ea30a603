//! Submitters, which accept jobs, and sinks, which receive outcomes.

use std::fmt;

use job::{Job, Outcome};
use portable::catch_panic;

use crate::{JobOptions, SubmitError, callback::run_callback, platform::print_error};

/// Handle for pushing jobs to an executor.
///
/// A submitter buffers jobs until a worker has capacity for them or there are enough of them for a batch.
/// Dropping it [flushes](Submitter::flush) it.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::*;
/// use std::sync::Arc;
/// use pool::{Executor, Serial, settings::JobOptions};
///
/// let sink = Arc::new(Collected::default()); // keeps each tag and output
/// let serial = Serial::new(());
/// let mut submitter = serial.submitter(sink.clone());
/// for (tag, n) in (0..).zip([30, 20, 10]) {
///     submitter.push(tag, Square(n), JobOptions::default());
/// }
/// submitter.flush();
/// assert_eq!(*sink.0.lock().unwrap(), [(0, Some(900)), (1, Some(400)), (2, Some(100))]);
/// ```
pub trait Submitter<J: Job>: Send {
    /// Adds a job. Never waits for a worker, except that [`Serial`](crate::Serial) runs the job before it
    /// returns. The outcome is passed to the sink under `tag`, exactly once and in all circumstances; after
    /// [`Executor::stop`](crate::Executor::stop) it is [`JobError::Cancelled`](crate::JobError::Cancelled).
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::*;
    /// use std::{sync::Arc, time::Duration};
    /// use pool::{Executor, Serial, settings::JobOptions};
    ///
    /// let (sink, serial) = (Arc::new(Collected::default()), Serial::new(()));
    /// let mut submitter = serial.submitter(sink.clone());
    /// submitter.push(0, Square(4), JobOptions::default());
    /// serial.stop(Duration::ZERO);
    /// submitter.push(1, Square(5), JobOptions::default()); // too late: it is cancelled
    /// assert_eq!(*sink.0.lock().unwrap(), [(0, Some(16)), (1, None)]);
    /// ```
    fn push(&mut self, tag: u64, job: J, options: JobOptions);

    /// Adds jobs that are sent to a worker together, in a batch without other jobs, if the executor has
    /// batches. Jobs that were pushed before are submitted first.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::*;
    /// use std::sync::Arc;
    /// use pool::{Executor, Serial, settings::JobOptions};
    ///
    /// let (sink, serial) = (Arc::new(Collected::default()), Serial::new(()));
    /// let mut submitter = serial.submitter(sink.clone());
    /// submitter.push_chunk(vec![(7, Square(4)), (8, Square(5))], JobOptions::default());
    /// assert_eq!(*sink.0.lock().unwrap(), [(7, Some(16)), (8, Some(25))]);
    /// ```
    fn push_chunk(&mut self, jobs: Vec<(u64, J)>, options: JobOptions) {
        jobs.into_iter().for_each(|(tag, job)| self.push(tag, job, options));
    }

    /// Submits the buffered jobs. Call it before waiting for more input.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::*;
    /// use std::sync::Arc;
    /// use pool::{Executor, ThreadPool, settings::JobOptions};
    ///
    /// let (sink, threads) = (Arc::new(Collected::default()), ThreadPool::new(1, ()));
    /// let mut submitter = threads.submitter(sink.clone());
    /// submitter.push(0, Square(4), JobOptions::default());
    /// submitter.flush(); // no job stays in the submitter while the program waits for input
    /// threads.join();
    /// assert_eq!(*sink.0.lock().unwrap(), [(0, Some(16))]);
    /// ```
    fn flush(&mut self);

    /// Returns whether a worker is available to start a job immediately. A hint: it may be outdated when it
    /// is read.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::*;
    /// use std::sync::Arc;
    /// use pool::{Executor, Serial};
    ///
    /// let submitter = Serial::<Square>::new(()).submitter(Arc::new(Collected::default()));
    /// assert!(submitter.has_capacity(), "the pushing thread runs the job");
    /// ```
    fn has_capacity(&self) -> bool;

    /// Number of jobs in flight that keeps all workers busy, estimated from the cost of earlier jobs; 0 while
    /// the cost is unknown.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::*;
    /// use std::sync::Arc;
    /// use pool::{Executor, Serial};
    ///
    /// let submitter = Serial::<Square>::new(()).submitter(Arc::new(Collected::default()));
    /// assert_eq!(submitter.target_backlog(), 0);
    /// ```
    fn target_backlog(&self) -> usize {
        0
    }

    /// Returns why the executor accepts no more jobs, or `None` if it does. Jobs that are pushed nevertheless
    /// are cancelled.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::*;
    /// use std::sync::Arc;
    /// use pool::{Executor, Serial, error::SubmitError};
    ///
    /// let serial = Serial::<Square>::new(());
    /// let submitter = serial.submitter(Arc::new(Collected::default()));
    /// assert_eq!(submitter.submit_error(), None);
    /// serial.close();
    /// assert_eq!(submitter.submit_error(), Some(SubmitError::Closed));
    /// ```
    fn submit_error(&self) -> Option<SubmitError>;

    /// Cancels the jobs with this submitter's sink that have not been started.
    ///
    /// ```
    /// # mod gate { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/gate.rs")); } use gate::*;
    /// use std::sync::{Arc, mpsc};
    /// use pool::{Executor, ThreadPool, settings::JobOptions, stream::{Resolved, Sink}};
    ///
    /// struct Forward(mpsc::Sender<(u64, bool)>);
    ///
    /// impl Sink<Gate> for Forward {
    ///     fn resolve(&self, resolved: Vec<Resolved<Gate>>) {
    ///         resolved.iter().for_each(|job| drop(self.0.send((job.tag, job.outcome.is_ok()))));
    ///     }
    /// }
    ///
    /// let (sender, receiver) = mpsc::channel();
    /// let one_thread = ThreadPool::new(1, ());
    /// let mut submitter = one_thread.submitter(Arc::new(Forward(sender)));
    /// submitter.push(0, Gate(1), JobOptions::default());
    /// arrival(); // waits until the job runs
    /// submitter.push(1, Gate(2), JobOptions::default());
    /// submitter.cancel_waiting();
    /// open();
    /// assert_eq!([receiver.recv()?, receiver.recv()?], [(1, false), (0, true)]);
    /// # Ok::<(), mpsc::RecvError>(())
    /// ```
    fn cancel_waiting(&mut self);
}

/// Receiver of outcomes.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use std::sync::{Arc, Mutex, mpsc};
/// use pool::{Executor, ThreadPool, settings::JobOptions, stream::{Resolved, Sink}};
///
/// struct Forward(Mutex<mpsc::Sender<Resolved<Square>>>);
///
/// impl Sink<Square> for Forward {
///     fn resolve(&self, resolved: Vec<Resolved<Square>>) {
///         let sender = self.0.lock().unwrap();
///         // The receiver may have been dropped; sending then fails, which is not an error here.
///         resolved.into_iter().for_each(|job| drop(sender.send(job)));
///     }
/// }
///
/// let (sender, receiver) = mpsc::channel();
/// let threads = ThreadPool::new(2, ());
/// let mut submitter = threads.submitter(Arc::new(Forward(Mutex::new(sender))));
/// submitter.push(7, Square(3), JobOptions::default());
/// drop(submitter);
/// let Resolved { tag, outcome } = receiver.recv()?;
/// assert_eq!((tag, outcome?), (7, 9));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Sink<J: Job>: Send + Sync {
    /// Receives outcomes, in any order. Called on whichever thread has the outcomes, so it must not wait for
    /// other outcomes. A panic is caught and printed to standard error.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::*;
    /// use pool::{JobError, stream::{Resolved, Sink}};
    ///
    /// let sink = Collected::default();
    /// sink.resolve(vec![Resolved { tag: 5, outcome: Err(JobError::Cancelled) }]);
    /// assert_eq!(*sink.0.lock().unwrap(), [(5, None)]);
    /// ```
    fn resolve(&self, resolved: Vec<Resolved<J>>);
}

/// Passes outcomes to a sink. If the sink panics, its outcomes count as delivered, and the panic is only
/// printed.
pub(crate) fn hand_over<J: Job>(sink: &dyn Sink<J>, resolved: Vec<Resolved<J>>) {
    if let Err(panic) = catch_panic(|| run_callback(|| sink.resolve(resolved))) {
        print_error(&format!("a sink panicked: {panic}"));
    }
}

/// The outcome of the job that was pushed under `tag`.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::stream::Resolved;
///
/// let resolved = Resolved::<Square> { tag: 5, outcome: Ok(25) };
/// assert_eq!(resolved.outcome.unwrap_or_default(), resolved.tag * resolved.tag);
/// ```
pub struct Resolved<J: Job> {
    /// Tag under which the job was pushed.
    pub tag: u64,
    /// Outcome of the job.
    pub outcome: Outcome<J>,
}

impl<J: Job> fmt::Debug for Resolved<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolved").field("tag", &self.tag).finish_non_exhaustive()
    }
}
