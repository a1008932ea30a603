//! Watching a pool of processes at work.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use job::{BatchId, Death, MonotonicInstant, WorkerId};
use wire::catch_panic;

/// Somebody who is told what happens in a [`ProcessPool`](crate::ProcessPool), such as a timeline or a log; see
/// [`ProcessPoolBuilder::observer`](crate::ProcessPoolBuilder::observer).
///
/// ```standalone_crate
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use std::sync::{Arc, Mutex};
/// use pool::{Executor, Observer, PoolEvent, ProcessPool};
///
/// /// How many workers there have been, and how many jobs they were sent.
/// #[derive(Default)]
/// struct Counts(Mutex<(u64, u64)>);
///
/// impl Observer for Counts {
///     fn note(&self, event: &PoolEvent) {
///         let mut counts = self.0.lock().unwrap();
///         match event {
///             PoolEvent::WorkerStarting { .. } => counts.0 += 1,
///             PoolEvent::BatchSent { jobs, .. } => counts.1 += jobs.iter().cloned().flatten().count() as u64,
///             _ => {}
///         }
///     }
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     pool::enter_if_worker::<Square>();
///     let counts = Arc::new(Counts::default());
///     let pool = ProcessPool::builder().workers(1).observer(counts.clone()).build()?;
///     assert_eq!(pool.map((0..100).map(Square)).into_iter().flatten().count(), 100);
///     pool.shutdown(true, false);
///     assert_eq!(*counts.0.lock().unwrap(), (1, 100));
///     Ok(())
/// }
/// ```
pub trait Observer: Send + Sync {
    /// Something happens. Called a few times a batch, by whatever thread brings it about or learns of it, while the pool can
    /// be used; that thread then goes on, so the pool waits for this. What happens at one worker is told in order, but for
    /// batches that are sent to it, which can overtake each other and be sent to one that is gone.
    ///
    /// ```
    /// use pool::{Observer, PoolEvent};
    ///
    /// struct Log;
    ///
    /// impl Observer for Log {
    ///     fn note(&self, event: &PoolEvent) {
    ///         if let PoolEvent::WorkerExited { worker, left: false, cause, .. } = event {
    ///             eprintln!("{worker} died: {cause}");
    ///         }
    ///     }
    /// }
    /// ```
    fn note(&self, event: &PoolEvent);

    /// Whether the worker is to note how long each job of this batch takes, for [`PoolEvent::OutcomesReceived`]. That costs a look
    /// at the clock a job. By default it does.
    ///
    /// ```
    /// use pool::{BatchId, Observer, PoolEvent};
    ///
    /// struct Sampling;
    ///
    /// impl Observer for Sampling {
    ///     fn note(&self, _: &PoolEvent) {}
    ///
    ///     fn wants_durations(&self, batch: BatchId) -> bool {
    ///         batch.0 % 100 == 0
    ///     }
    /// }
    /// assert!(!Sampling.wants_durations(BatchId(150)));
    /// ```
    fn wants_durations(&self, batch: BatchId) -> bool {
        let _ = batch;
        true
    }
}

/// Something that happens in a [`ProcessPool`](crate::ProcessPool).
///
/// ```
/// use std::time::Duration;
/// use pool::{BatchId, MonotonicInstant, PoolEvent, WorkerId};
///
/// let event = PoolEvent::OutcomesReceived {
///     worker: WorkerId { slot: 0, generation: 0 },
///     batch: BatchId(12),
///     outcomes: 400,
///     last: true,
///     began: MonotonicInstant(1_000_000),
///     busy: Duration::from_micros(900),
///     durations: None,
///     bytes: 2_000,
///     at: MonotonicInstant(1_950_000),
/// };
/// let PoolEvent::OutcomesReceived { began, busy, at, .. } = event else { unreachable!() };
/// assert_eq!(at.since(began + busy), Duration::from_micros(50), "on their way, or waiting to be taken");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PoolEvent {
    /// A worker is being started.
    WorkerStarting {
        /// The worker; one of a later generation takes the place of another.
        worker: WorkerId,
        /// When that was decided.
        at: MonotonicInstant,
    },
    /// It has started, and its state has been made.
    WorkerReady {
        /// The worker.
        worker: WorkerId,
        /// Its process.
        pid: u32,
        /// When it was known to be ready.
        at: MonotonicInstant,
    },
    /// It could not be started, or ended before it was ready.
    WorkerStartFailed {
        /// The worker.
        worker: WorkerId,
        /// Its process, if there was one.
        pid: Option<u32>,
        /// Why, in words.
        cause: Arc<str>,
        /// When that was known.
        at: MonotonicInstant,
    },
    /// A batch is about to be sent.
    BatchSent {
        /// The worker that it goes to.
        worker: WorkerId,
        /// The batch.
        batch: BatchId,
        /// Its jobs, in order: what they were [pushed](crate::Submitter::push) under, or their places in the map; of those with a
        /// future their numbers in the order of submission. A job that is sent again is sent in another batch.
        jobs: Vec<RangeInclusive<u64>>,
        /// Its size.
        bytes: u64,
        /// When.
        at: MonotonicInstant,
    },
    /// A worker is asked to give back all jobs that it has not begun with, because others have nothing to do.
    BatchesRecalled {
        /// The worker.
        worker: WorkerId,
        /// It keeps batches from this number on.
        below: BatchId,
        /// When.
        at: MonotonicInstant,
    },
    /// A worker has returned outcomes: those of the first jobs of a batch that had none yet.
    OutcomesReceived {
        /// The worker.
        worker: WorkerId,
        /// The batch.
        batch: BatchId,
        /// How many.
        outcomes: u64,
        /// Whether no more of this batch will come. Jobs without an outcome are then given to others, or cancelled.
        last: bool,
        /// When the worker began with them, as it says.
        began: MonotonicInstant,
        /// How long they took it, as it says.
        busy: Duration,
        /// How long each of the jobs took, in nanoseconds, one after the other since `began`, if that was
        /// [asked](Observer::wants_durations); 4 seconds stand for more.
        durations: Option<Vec<u32>>,
        /// Their size.
        bytes: u64,
        /// When they were received.
        at: MonotonicInstant,
    },
    /// A worker that had been ready is gone.
    WorkerExited {
        /// The worker.
        worker: WorkerId,
        /// How it ended.
        death: Death,
        /// Whether it left because the pool no longer needed it.
        left: bool,
        /// How it ended, and what for if the pool has killed it, in words.
        cause: Arc<str>,
        /// The batch that it was in, and the place of the job in it.
        running: Option<(BatchId, u64)>,
        /// A batch of which it had finished more jobs than it had returned outcomes of, and how many more: these are not
        /// lost.
        kept: Option<(BatchId, u64)>,
        /// When it was buried.
        at: MonotonicInstant,
    },
}

/// Who watches, if anybody does. An observer that panics misses something, and takes nothing else down.
#[derive(Default)]
pub(crate) struct Audience(Option<Arc<dyn Observer>>);

impl Audience {
    pub(crate) fn new(observer: Option<Arc<dyn Observer>>) -> Audience {
        Audience(observer)
    }

    /// Says what happens. To be called without any lock.
    #[inline]
    pub(crate) fn hear(&self, event: impl FnOnce() -> PoolEvent) {
        if let Some(observer) = &self.0
            && let Err(panic) = catch_panic(|| observer.note(&event()))
        {
            sys::stream::print_error(&format!("an observer panicked: {panic}"));
        }
    }

    /// Whether it wants to know how long each job of a batch takes.
    #[inline]
    pub(crate) fn wants_durations(&self, batch: BatchId) -> bool {
        let wants = |observer: &Arc<dyn Observer>| catch_panic(|| observer.wants_durations(batch));
        self.0.as_ref().is_some_and(|observer| wants(observer).unwrap_or(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Panics;

    impl Observer for Panics {
        fn note(&self, _: &PoolEvent) {
            panic!("seen too much");
        }

        fn wants_durations(&self, _: BatchId) -> bool {
            panic!("cannot decide");
        }
    }

    #[test]
    fn nobody_wants_to_hear_anything() {
        let nobody = Audience::default();
        nobody.hear(|| unreachable!());
        assert!(!nobody.wants_durations(BatchId(0)));
    }

    #[test]
    fn who_panics_misses_something() {
        let audience = Audience::new(Some(Arc::new(Panics)));
        audience.hear(|| PoolEvent::WorkerStarting {
            worker: WorkerId { slot: 0, generation: 0 },
            at: MonotonicInstant(0),
        });
        assert!(!audience.wants_durations(BatchId(0)));
    }
}
