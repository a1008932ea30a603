//! Observers of the events of a process pool.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use job::{BatchId, Death, MonotonicInstant, WorkerId};
use portable::catch_panic;

use crate::{callback::run_callback, platform::print_error};

/// Receiver of the events of a [`ProcessPool`](crate::ProcessPool), such as a timeline or a log; see
/// [`ProcessPoolBuilder::observer`](crate::settings::ProcessPoolBuilder::observer).
///
/// ```standalone_crate
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use std::sync::{Arc, Mutex};
/// use pool::{Executor, ProcessPool, metrics::{Observer, PoolEvent}};
///
/// /// Number of workers that were started, and number of jobs that were sent to them.
/// #[derive(Default)]
/// struct Counts(Mutex<(u64, u64)>);
///
/// impl Observer for Counts {
///     fn on_event(&self, event: &PoolEvent) {
///         let mut counts = self.0.lock().unwrap();
///         match event {
///             PoolEvent::WorkerStarting { .. } => counts.0 += 1,
///             PoolEvent::BatchSent { jobs, .. } => {
///                 counts.1 += jobs.iter().cloned().flatten().count() as u64;
///             }
///             _ => {}
///         }
///     }
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     pool::enter_if_worker::<Square>();
///     let counts = Arc::new(Counts::default());
///     let pool = ProcessPool::builder().workers(1).observer(counts.clone()).build()?;
///     assert_eq!(pool.map((0..100).map(Square)).filter_map(Result::ok).count(), 100);
///     pool.join();
///     assert_eq!(*counts.0.lock().unwrap(), (1, 100));
///     Ok(())
/// }
/// ```
pub trait Observer: Send + Sync {
    /// Called for each event, a few times per batch, while the pool is in use. The call is made on the thread
    /// that causes or detects the event, and the pool waits until it returns. Events of one worker are
    /// reported in order, except [`PoolEvent::BatchSent`]: batches can overtake each other, and a batch can
    /// be sent to a worker that has exited.
    ///
    /// ```
    /// use pool::metrics::{Observer, PoolEvent};
    ///
    /// struct Log;
    ///
    /// impl Observer for Log {
    ///     fn on_event(&self, event: &PoolEvent) {
    ///         if let PoolEvent::WorkerExited { worker, expected: false, cause, .. } = event {
    ///             eprintln!("{worker} died: {cause}");
    ///         }
    ///     }
    /// }
    /// ```
    fn on_event(&self, event: &PoolEvent);

    /// Returns whether the worker should measure the duration of each job of this batch, for
    /// [`PoolEvent::OutcomesReceived`]. That costs one clock reading per job. Returns `true` by default.
    ///
    /// ```
    /// use pool::metrics::{BatchId, Observer, PoolEvent};
    ///
    /// struct Sampling;
    ///
    /// impl Observer for Sampling {
    ///     fn on_event(&self, _: &PoolEvent) {}
    ///
    ///     fn needs_durations(&self, batch: BatchId) -> bool {
    ///         batch.0 % 100 == 0
    ///     }
    /// }
    /// assert!(!Sampling.needs_durations(BatchId(150)));
    /// ```
    fn needs_durations(&self, batch: BatchId) -> bool {
        let _ = batch;
        true
    }
}

/// Event in a [`ProcessPool`](crate::ProcessPool).
///
/// ```
/// use std::time::Duration;
/// use pool::metrics::PoolEvent;
///
/// /// Returns how long outcomes were in transit, or waited to be received.
/// fn transit_time(event: &PoolEvent) -> Option<Duration> {
///     match event {
///         PoolEvent::OutcomesReceived { started, busy, at, .. } => Some(at.since(*started + *busy)),
///         _ => None,
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PoolEvent {
    /// A worker is being started.
    WorkerStarting {
        /// The worker; a generation above 0 means that it replaces an earlier worker of the same slot.
        worker: WorkerId,
        /// Time of the decision to start it.
        at: MonotonicInstant,
    },
    /// A worker has started and created its context.
    WorkerReady {
        /// The worker.
        worker: WorkerId,
        /// Process ID of the worker.
        pid: u32,
        /// Time when the pool received the worker's message that it is ready.
        at: MonotonicInstant,
    },
    /// A worker could not be started, or exited before it was ready.
    WorkerStartFailed {
        /// The worker.
        worker: WorkerId,
        /// Process ID of the worker, if the process was started.
        pid: Option<u32>,
        /// Description of the cause.
        cause: Arc<str>,
        /// Time when the failure was detected.
        at: MonotonicInstant,
    },
    /// A batch is about to be sent.
    BatchSent {
        /// The worker that it is sent to.
        worker: WorkerId,
        /// The batch.
        batch: BatchId,
        /// Jobs of the batch, in order: the tags under which they were
        /// [pushed](crate::stream::Submitter::push), their indexes in the map, or the
        /// [tags](crate::settings::JobOptions::tag) of jobs with a future, which have their id instead if
        /// they have no tag. A job that is sent again is sent in another batch.
        jobs: Vec<RangeInclusive<u64>>,
        /// The same jobs, in the same order, by their ids in the pool. For jobs with a future, these are
        /// those that [`JobFuture::id`](crate::JobFuture::id) returns.
        ids: Vec<RangeInclusive<u64>>,
        /// Size of the batch in bytes.
        bytes: u64,
        /// Time before sending.
        at: MonotonicInstant,
    },
    /// A worker is asked to return the jobs that it has not started, because other workers are idle.
    BatchesRecalled {
        /// The worker.
        worker: WorkerId,
        /// Batches below this number are affected; later ones are not returned.
        keep_below: BatchId,
        /// Time of the request.
        at: MonotonicInstant,
    },
    /// A worker has returned outcomes: those of the next jobs of a batch, in order. Some of them may have
    /// been delivered before, while the worker was running a later job of the batch.
    OutcomesReceived {
        /// The worker.
        worker: WorkerId,
        /// The batch.
        batch: BatchId,
        /// Number of outcomes.
        outcomes: u64,
        /// Whether these are the last outcomes of the batch. Jobs that have none by then are assigned to
        /// other workers, or cancelled.
        last: bool,
        /// Time when the first of these jobs was started, as reported by the worker.
        started: MonotonicInstant,
        /// Time that the jobs took together, as reported by the worker.
        busy: Duration,
        /// Duration of each job in nanoseconds, in order, the first one starting at `started`; present if
        /// [`needs_durations`](Observer::needs_durations) returned `true`. Durations are capped at
        /// [`u32::MAX`] ns, about 4.3 seconds.
        durations: Option<Vec<u32>>,
        /// Size of the outcomes in bytes.
        bytes: u64,
        /// Time when the outcomes were received.
        at: MonotonicInstant,
    },
    /// A worker that was ready has exited.
    WorkerExited {
        /// The worker.
        worker: WorkerId,
        /// Process ID, and exit code or signal.
        death: Death,
        /// Whether it exited because the pool no longer needed it.
        expected: bool,
        /// Description of how it ended and, if the pool killed it, why.
        cause: Arc<str>,
        /// Batch of the job that it was running, and the index of the job in the batch.
        running: Option<(BatchId, u64)>,
        /// Batch of which the worker had finished more jobs than it had returned outcomes for, and the number
        /// of these outcomes, which are recovered or were delivered before.
        recovered: Option<(BatchId, u64)>,
        /// Time when it was reaped.
        at: MonotonicInstant,
    },
}

/// The observer of a pool, if there is one. If it panics, the panic is printed and that event is lost to it.
#[derive(Default)]
pub(crate) struct Observers(Option<Arc<dyn Observer>>);

impl Observers {
    pub(crate) fn new(observer: Option<Arc<dyn Observer>>) -> Observers {
        Observers(observer)
    }

    /// Passes an event to the observer. The caller must not hold a lock.
    #[inline]
    pub(crate) fn notify(&self, event: impl FnOnce() -> PoolEvent) {
        if let Some(observer) = &self.0
            && let Err(panic) = catch_panic(|| run_callback(|| observer.on_event(&event())))
        {
            print_error(&format!("an observer panicked: {panic}"));
        }
    }

    /// Returns whether the observer needs the duration of each job of a batch; `false` without an observer or
    /// if it panics.
    #[inline]
    pub(crate) fn needs_durations(&self, batch: BatchId) -> bool {
        let ask = |observer: &Arc<dyn Observer>| {
            catch_panic(|| run_callback(|| observer.needs_durations(batch))).unwrap_or(false)
        };
        self.0.as_ref().is_some_and(ask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callback::in_callback;

    struct Panics;

    impl Observer for Panics {
        fn on_event(&self, _: &PoolEvent) {
            panic!("note failed");
        }

        fn needs_durations(&self, _: BatchId) -> bool {
            panic!("needs_durations failed");
        }
    }

    #[test]
    fn without_an_observer_no_event_is_built() {
        let none = Observers::default();
        none.notify(|| unreachable!());
        assert!(!none.needs_durations(BatchId(0)));
    }

    #[test]
    fn an_observer_is_called_as_a_callback() {
        struct AsksWhether;
        impl Observer for AsksWhether {
            fn on_event(&self, _: &PoolEvent) {}

            fn needs_durations(&self, _: BatchId) -> bool {
                in_callback()
            }
        }
        assert!(Observers::new(Some(Arc::new(AsksWhether))).needs_durations(BatchId(0)));
    }

    #[test]
    fn panics_of_an_observer_are_caught() {
        let observers = Observers::new(Some(Arc::new(Panics)));
        observers.notify(|| PoolEvent::WorkerStarting {
            worker: WorkerId { slot: 0, generation: 0 },
            at: MonotonicInstant(0),
        });
        assert!(!observers.needs_durations(BatchId(0)));
    }
}
