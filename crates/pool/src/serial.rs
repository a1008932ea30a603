//! One job after the other, in the thread that pushes them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use job::{Context, Job, JobError, Outcome, WorkerId, WorkerStats};
use parking_lot::Mutex;

use crate::{
    Executor, JobFuture, JobOptions, Resolved, Sink, SubmitError, Submitter, WorkerReport,
    future::{Slot, Slots, deadline_after},
    run::{finish_context, run_here, start_context},
    stream::hand_over,
};

/// The thread that calls.
const ONLY_WORKER: WorkerId = WorkerId { slot: 0, generation: 0 };

/// Runs each job when it is pushed or submitted. A panic is caught; a crash takes the program with it.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, Serial};
///
/// let serial = Serial::new(());
/// let job = serial.submit(Square(9))?;
/// assert!(job.done(), "it ran before `submit` returned");
/// assert_eq!(job.result(None)?, 81);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Serial<J: Job> {
    shared: Arc<Shared<J>>,
}

struct Shared<J: Job> {
    args: <J::Context as Context>::Args,
    start: Instant,
    closed: AtomicBool,
    stopped: AtomicBool,
    broken: Mutex<Option<Arc<str>>>,
    /// Made by the first job. Whoever holds it runs a job.
    context: Mutex<Option<J::Context>>,
    figures: Mutex<WorkerStats>,
    reports: Mutex<Vec<WorkerReport<J>>>,
}

impl<J: Job> Serial<J> {
    /// Jobs run one at a time, whoever pushes them, in one state made of `args` before the first of them. If it cannot
    /// be made, that job fails and the executor is [broken](Executor::broken).
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, Serial};
    ///
    /// let serial = Serial::<Square>::new(()); // `Square` needs no state, so its arguments are `()`
    /// assert_eq!(serial.map([Square(2)]).into_iter().flatten().next(), Some(4));
    /// ```
    #[must_use]
    pub fn new(args: <J::Context as Context>::Args) -> Serial<J> {
        let figures = WorkerStats::new(ONLY_WORKER);
        let shared = Shared {
            args,
            start: Instant::now(),
            closed: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            broken: Mutex::new(None),
            context: Mutex::new(None),
            figures: Mutex::new(figures),
            reports: Mutex::new(Vec::new()),
        };
        Serial { shared: Arc::new(shared) }
    }
}

impl<J: Job> Executor<J> for Serial<J> {
    fn submitter(&self, sink: Arc<dyn Sink<J>>) -> Box<dyn Submitter<J>> {
        Box::new(SerialSubmitter { shared: self.shared.clone(), sink })
    }

    fn submit_with(&self, job: J, options: JobOptions) -> Result<JobFuture<J>, SubmitError> {
        if let Some(refused) = self.shared.refusal() {
            return Err(refused);
        }
        let slots = Slots::new(1, None);
        let future = JobFuture::new(Slot::new(&slots, 0));
        slots.fill(0, self.shared.run(job, options));
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

    fn join_timeout(&self, time: Duration) -> bool {
        // Whoever runs a job holds the state.
        let context = match deadline_after(time) {
            Some(deadline) => self.shared.context.try_lock_until(deadline),
            None => Some(self.shared.context.lock()),
        };
        let Some(mut context) = context else { return false };
        if let Some(state) = context.take() {
            let report = finish_context(state);
            self.shared.reports.lock().push(WorkerReport { worker: ONLY_WORKER, report });
        }
        true
    }

    fn reports(&self) -> Vec<WorkerReport<J>> {
        std::mem::take(&mut self.shared.reports.lock())
    }

    fn worker_stats(&self) -> Vec<WorkerStats> {
        vec![self.shared.figures.lock().clone()]
    }

    fn broken(&self) -> Option<Arc<str>> {
        self.shared.broken.lock().clone()
    }
}

impl<J: Job> Drop for Serial<J> {
    fn drop(&mut self) {
        self.close();
        self.join();
    }
}

impl<J: Job> Shared<J> {
    /// Why a job would not be taken.
    fn refusal(&self) -> Option<SubmitError> {
        if let Some(cause) = &*self.broken.lock() {
            return Some(SubmitError::Broken(cause.clone()));
        }
        self.closed.load(Ordering::Acquire).then_some(SubmitError::Closed)
    }

    fn run(&self, job: J, options: JobOptions) -> Outcome<J> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(JobError::Cancelled);
        }
        let mut context = self.context.lock();
        let start = Instant::now();
        let outcome = match self.ready(&mut context) {
            Ok(context) => run_here(job, options, context),
            Err(cause) => return Err(JobError::Abandoned(cause)),
        };
        let end = Instant::now();
        let mut figures = self.figures.lock();
        figures.jobs += 1;
        figures.batches += 1;
        figures.busy += end - start;
        figures.life = end - self.start;
        outcome
    }

    /// The state, made now if this is the first job.
    fn ready<'a>(&self, context: &'a mut Option<J::Context>) -> Result<&'a mut J::Context, Arc<str>> {
        if let Some(cause) = &*self.broken.lock() {
            return Err(cause.clone());
        }
        match context {
            Some(context) => Ok(context),
            None => match start_context(self.args.clone()) {
                Ok(made) => Ok(context.insert(made)),
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
    shared: Arc<Shared<J>>,
    sink: Arc<dyn Sink<J>>,
}

impl<J: Job> Submitter<J> for SerialSubmitter<J> {
    fn push(&mut self, tag: u64, job: J, options: JobOptions) {
        let late = self.shared.closed.load(Ordering::Acquire);
        let outcome = if late { Err(JobError::Cancelled) } else { self.shared.run(job, options) };
        // At once: the next job may take long.
        hand_over(&*self.sink, vec![Resolved { tag, outcome }]);
    }

    fn flush(&mut self) {}

    fn has_capacity(&self) -> bool {
        true
    }

    fn refusal(&self) -> Option<SubmitError> {
        self.shared.refusal()
    }

    fn cancel_waiting(&mut self) {}
}
