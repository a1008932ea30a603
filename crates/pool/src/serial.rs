//! The serial executor: runs each job on the thread that submits it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{self, Poll},
    time::{Duration, Instant},
};

use job::{Context, Job, JobError, Outcome, WorkerId, WorkerStats};
use parking_lot::Mutex;

use crate::{
    Executor, JobFuture, JobOptions, Resolved, Sink, SubmitError, Submitter, WorkerReport,
    counts::{Counts, OutcomeCounts, PartialCounts},
    future::{Slot, Slots, deadline_after},
    run::{finish_context, run_here, start_context},
    sealed::Sealed,
    stream::hand_over,
};

/// The calling thread.
const ONLY_WORKER: WorkerId = WorkerId { slot: 0, generation: 0 };

/// Runs each job on the calling thread while it is pushed or submitted. A panic is caught; a crash ends the
/// program.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, Serial};
///
/// let serial = Serial::new(());
/// let job = serial.submit(Square(9))?;
/// assert!(job.is_done(), "it ran before `submit` returned");
/// assert_eq!(job.result()?, 81);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Serial<J: Job> {
    shared: Arc<SerialShared<J>>,
}

struct SerialShared<J: Job> {
    args: <J::Context as Context>::Args,
    start: Instant,
    closed: AtomicBool,
    stopped: AtomicBool,
    broken: Mutex<Option<Arc<str>>>,
    /// Created by the first job. The lock is held while a job runs.
    context: Mutex<Option<J::Context>>,
    stats: Mutex<WorkerStats>,
    /// Number of jobs that were submitted.
    submitted: AtomicU64,
    outcomes: OutcomeCounts,
    reports: Mutex<Vec<WorkerReport<J>>>,
}

impl<J: Job> Serial<J> {
    /// Creates an executor. Jobs run one at a time, even if several threads submit them, in one context that
    /// is created from `args` before the first job. If the context cannot be created, that job fails and the
    /// executor is [broken](Executor::broken).
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, Serial};
    ///
    /// let serial = Serial::<Square>::new(()); // `Square` needs no context, so its arguments are `()`
    /// assert_eq!(serial.map([Square(2)]).filter_map(Result::ok).next(), Some(4));
    /// ```
    #[must_use]
    pub fn new(args: <J::Context as Context>::Args) -> Serial<J> {
        let stats = WorkerStats::new(ONLY_WORKER);
        let shared = SerialShared {
            args,
            start: Instant::now(),
            closed: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            broken: Mutex::new(None),
            context: Mutex::new(None),
            stats: Mutex::new(stats),
            submitted: AtomicU64::new(0),
            outcomes: OutcomeCounts::default(),
            reports: Mutex::new(Vec::new()),
        };
        Serial { shared: Arc::new(shared) }
    }
}

impl<J: Job> Sealed for Serial<J> {
    /// Waits while another thread runs a job.
    fn poll_end(&self, _: &mut task::Context<'_>) -> Poll<()> {
        self.join();
        Poll::Ready(())
    }
}

impl<J: Job> Default for Serial<J>
where
    <J::Context as Context>::Args: Default,
{
    /// Creates an executor whose context is created from default arguments.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, Serial};
    ///
    /// assert_eq!(Serial::default().submit(Square(3))?.result()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn default() -> Serial<J> {
        Serial::new(Default::default())
    }
}

impl<J: Job> Executor<J> for Serial<J> {
    fn submitter(&self, sink: Arc<dyn Sink<J>>) -> Box<dyn Submitter<J>> {
        Box::new(SerialSubmitter { shared: self.shared.clone(), sink })
    }

    fn submit_with(&self, job: J, options: JobOptions) -> Result<JobFuture<J>, SubmitError> {
        if let Some(refused) = self.shared.submit_error() {
            return Err(refused);
        }
        let slots = Slots::new(1, None);
        let future = JobFuture::new(Slot::new(&slots, 0), options);
        slots.fill(0, self.shared.count(|| self.shared.run(job, options)));
        Ok(future)
    }

    fn workers(&self) -> usize {
        1
    }

    fn cancel_waiting(&self) {}

    fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
    }

    fn stop(&self, _: Duration) {
        self.close();
        self.shared.stopped.store(true, Ordering::Release);
    }

    fn shutdown_timeout(&self, time: Duration) -> bool {
        self.close();
        // The lock is held while a job runs.
        let context = match deadline_after(time) {
            Some(deadline) => self.shared.context.try_lock_until(deadline),
            None => Some(self.shared.context.lock()),
        };
        let Some(mut context) = context else { return false };
        if let Some(context) = context.take() {
            let report = finish_context(context);
            self.shared.reports.lock().push(WorkerReport { worker: ONLY_WORKER, report });
        }
        true
    }

    fn reports(&self) -> Vec<WorkerReport<J>> {
        std::mem::take(&mut self.shared.reports.lock())
    }

    fn worker_stats(&self) -> Vec<WorkerStats> {
        vec![self.shared.stats.lock().clone()]
    }

    fn counts(&self) -> Counts {
        let mut outcomes = PartialCounts::default();
        self.shared.outcomes.add_to(&mut outcomes);
        // Read last: each job is counted as submitted before its outcome.
        outcomes.add_submitted(self.shared.submitted.load(Ordering::Acquire));
        outcomes.complete()
    }

    fn broken(&self) -> Option<Arc<str>> {
        self.shared.broken.lock().clone()
    }
}

impl<J: Job> fmt::Debug for Serial<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serial").finish_non_exhaustive()
    }
}

impl<J: Job> Drop for Serial<J> {
    fn drop(&mut self) {
        self.close();
        self.join();
    }
}

impl<J: Job> SerialShared<J> {
    /// Returns why a job would be refused.
    fn submit_error(&self) -> Option<SubmitError> {
        if let Some(cause) = &*self.broken.lock() {
            return Some(SubmitError::Broken(cause.clone()));
        }
        self.closed.load(Ordering::Acquire).then_some(SubmitError::Closed)
    }

    /// Counts a job while `run` runs it.
    fn count(&self, run: impl FnOnce() -> Outcome<J>) -> Outcome<J> {
        self.submitted.fetch_add(1, Ordering::Release);
        let outcome = run();
        match &outcome {
            Ok(_) => self.outcomes.add(1, 0),
            Err(failure) => self.outcomes.add_failed(1, failure),
        }
        outcome
    }

    fn run(&self, job: J, options: JobOptions) -> Outcome<J> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(JobError::Cancelled);
        }
        let mut context = self.context.lock();
        let start = Instant::now();
        let outcome = match self.get_or_create(&mut context) {
            Ok(context) => run_here(job, options.unsupported_here(), context),
            Err(cause) => return Err(JobError::Broken(cause)),
        };
        let end = Instant::now();
        let mut stats = self.stats.lock();
        stats.jobs += 1;
        stats.batches += 1;
        stats.busy += end - start;
        stats.lifetime = end - self.start;
        outcome
    }

    /// Returns the context; creates it if this is the first job.
    fn get_or_create<'a>(&self, context: &'a mut Option<J::Context>) -> Result<&'a mut J::Context, Arc<str>> {
        if let Some(cause) = &*self.broken.lock() {
            return Err(cause.clone());
        }
        match context {
            Some(context) => Ok(context),
            None => match start_context(self.args.clone()) {
                Ok(created) => Ok(context.insert(created)),
                Err(cause) => {
                    let cause: Arc<str> = cause.into();
                    *self.broken.lock() = Some(cause.clone());
                    Err(cause)
                }
            },
        }
    }
}

struct SerialSubmitter<J: Job> {
    shared: Arc<SerialShared<J>>,
    sink: Arc<dyn Sink<J>>,
}

impl<J: Job> Submitter<J> for SerialSubmitter<J> {
    fn push(&mut self, tag: u64, job: J, options: JobOptions) {
        let closed = self.shared.closed.load(Ordering::Acquire);
        let run = || if closed { Err(JobError::Cancelled) } else { self.shared.run(job, options) };
        let outcome = self.shared.count(run);
        // Not buffered, because the next job may take long.
        hand_over(&*self.sink, vec![Resolved { tag, outcome }]);
    }

    fn flush(&mut self) {}

    fn has_capacity(&self) -> bool {
        true
    }

    fn submit_error(&self) -> Option<SubmitError> {
        self.shared.submit_error()
    }

    fn cancel_waiting(&mut self) {}
}
