//! Candidates of a comparison: executors, each with one setting, and the plain loop.

use std::{
    cell::Cell,
    fmt::Display,
    num::{NonZeroU64, NonZeroUsize},
    thread,
    time::{Duration, Instant},
};

use pool::{
    Executor, Job, ProcessPool, Serial, ThreadPool,
    settings::{BatchSize, CodecKind, Transport},
};

use crate::{
    cost_snapshot::CostSnapshot,
    error::Error,
    load::Load,
    report::ExecutorName,
    starts::Starts,
    work::{Check, CheckMode, Work},
};

/// An executor and its settings.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) executor: ExecutorName,
    pub(crate) workers: usize,
    /// Codec of jobs and outcomes; `None` except for processes.
    pub(crate) codec: Option<CodecKind>,
    /// Transport of jobs and outcomes; `None` except for processes.
    pub(crate) transport: Option<Transport>,
    /// Fixed number of jobs in a batch; `None` lets the pool choose.
    pub(crate) batch: Option<NonZeroU64>,
    /// Submits each job after the outcome of the previous one has returned, instead of running a map.
    pub(crate) one_in_flight: bool,
}

impl Candidate {
    /// The serial executor.
    pub(crate) fn serial() -> Candidate {
        Candidate::without_settings(ExecutorName::Serial, 1)
    }

    /// A pool of `workers` threads.
    pub(crate) fn threads(workers: usize) -> Candidate {
        Candidate::without_settings(ExecutorName::Threads, workers)
    }

    /// A pool of `workers` processes with the default settings.
    pub(crate) fn processes(workers: usize) -> Candidate {
        Candidate {
            codec: Some(CodecKind::default()),
            transport: Some(Transport::default()),
            ..Candidate::without_settings(ExecutorName::Processes, workers)
        }
    }

    /// An executor to which no setting applies.
    fn without_settings(executor: ExecutorName, workers: usize) -> Candidate {
        Candidate { executor, workers, codec: None, transport: None, batch: None, one_in_flight: false }
    }

    /// Sets the size of batches.
    pub(crate) fn with_batch(self, batch: Option<NonZeroU64>) -> Candidate {
        Candidate { batch, ..self }
    }

    /// Sets the codec.
    pub(crate) fn with_codec(self, codec: CodecKind) -> Candidate {
        Candidate { codec: Some(codec), ..self }
    }

    /// Sets the transport.
    pub(crate) fn with_transport(self, transport: Transport) -> Candidate {
        Candidate { transport: Some(transport), ..self }
    }

    /// Measures round trips instead of a map.
    pub(crate) fn one_in_flight(self) -> Candidate {
        Candidate { one_in_flight: true, ..self }
    }

    /// Number of jobs in flight; `None` where the executor chooses it.
    pub(crate) fn in_flight(&self) -> Option<u64> {
        self.one_in_flight.then_some(1)
    }

    /// Smallest number of jobs with which every worker has some and every batch is full.
    pub(crate) fn min_jobs(&self) -> usize {
        self.workers * self.jobs_in_batch().max(2)
    }

    fn jobs_in_batch(&self) -> usize {
        self.batch.and_then(|batch| usize::try_from(batch.get()).ok()).unwrap_or(1)
    }

    fn name(&self) -> String {
        format!("{}, {} at a time", self.executor.name(), self.workers)
    }

    /// Buffer of the map, in jobs: enough to fill all batches, within the limits on jobs and memory. `None`
    /// keeps the default of the executor.
    fn buffer(&self, bytes: usize) -> Option<NonZeroUsize> {
        let full_batches = 4 * self.workers * self.jobs_in_batch();
        let room = MAX_BUFFERED_BYTES.checked_div(bytes).unwrap_or(usize::MAX);
        let buffer = if room < MAX_BUFFER { room.max(2 * self.workers) } else { full_batches };
        NonZeroUsize::new(buffer).filter(|_| full_batches > DEFAULT_BUFFER || room < MAX_BUFFER)
    }
}

/// Default buffer of a map in jobs, and the largest to which it grows by itself.
const DEFAULT_BUFFER: usize = 1024;
const MAX_BUFFER: usize = 16 * 1024;

/// Upper bound of the payload of all jobs in the buffer, in bytes.
const MAX_BUFFERED_BYTES: usize = 256 << 20;

/// A started candidate.
pub(crate) struct Running {
    candidate: Candidate,
    executor: AnyExecutor,
    /// Costs of the runs on worker processes since the last [`Running::take_costs`].
    costs: Cell<CostSnapshot>,
}

enum AnyExecutor {
    Serial(Serial<Load>),
    Threads(ThreadPool<Load>),
    Processes(ProcessPool<Load>),
}

impl Running {
    /// Starts the executor; returns when all of its workers have started.
    pub(crate) fn start(candidate: &Candidate, starts: &Starts) -> Result<Running, Error> {
        let _begun = starts.begin();
        let executor = match candidate.executor {
            ExecutorName::Serial => AnyExecutor::Serial(Serial::new(())),
            ExecutorName::Threads => AnyExecutor::Threads(ThreadPool::new(candidate.workers, ())),
            ExecutorName::Processes => AnyExecutor::Processes(start_processes(candidate)?),
        };
        Ok(Running { candidate: candidate.clone(), executor, costs: Cell::default() })
    }

    /// The candidate that runs.
    pub(crate) fn candidate(&self) -> &Candidate {
        &self.candidate
    }

    /// Runs `count` jobs and checks their outputs; returns nanoseconds for each job.
    pub(crate) fn run(&self, work: &Work, count: usize, mode: CheckMode) -> Result<f64, Error> {
        match &self.executor {
            AnyExecutor::Serial(executor) => self.run_on(executor, work, count, mode),
            AnyExecutor::Threads(executor) => self.run_on(executor, work, count, mode),
            AnyExecutor::Processes(executor) => {
                let before = CostSnapshot::of(executor);
                let ns = self.run_on(executor, work, count, mode)?;
                let mut costs = self.costs.get();
                costs += CostSnapshot::of(executor) - before;
                self.costs.set(costs);
                Ok(ns)
            }
        }
    }

    /// Returns and resets the costs of the runs since the last call; `None` unless they were on worker
    /// processes.
    pub(crate) fn take_costs(&self) -> Option<CostSnapshot> {
        Some(self.costs.take()).filter(|costs| costs.jobs > 0.0)
    }

    fn run_on<E: Executor<Load>>(
        &self,
        executor: &E,
        work: &Work,
        count: usize,
        mode: CheckMode,
    ) -> Result<f64, Error> {
        let mut check = work.check(mode);
        let time = if self.candidate.one_in_flight {
            self.round_trips(executor, work, count, &mut check)?
        } else {
            self.map(executor, work, count, &mut check)?
        };
        check.finish(count).map_err(|cause| self.wrong(cause))?;
        Ok(time.as_nanos() as f64 / count as f64)
    }

    fn map<E: Executor<Load>>(
        &self,
        executor: &E,
        work: &Work,
        count: usize,
        check: &mut Check<'_>,
    ) -> Result<Duration, Error> {
        let mut map = executor.map(work.jobs(count));
        if let Some(buffer) = self.candidate.buffer(work.bytes()) {
            map = map.buffer(buffer.get());
        }
        let start = Instant::now();
        for output in map {
            check.take(&output.map_err(|error| self.failed(executor, &error))?);
        }
        Ok(start.elapsed())
    }

    /// Submits each job after the output of the previous one has returned.
    fn round_trips<E: Executor<Load>>(
        &self,
        executor: &E,
        work: &Work,
        count: usize,
        check: &mut Check<'_>,
    ) -> Result<Duration, Error> {
        let start = Instant::now();
        for job in work.jobs(count) {
            let future = executor.submit(job).map_err(|error| self.failed(executor, &error))?;
            check.take(&future.result().map_err(|error| self.failed(executor, &error))?);
        }
        Ok(start.elapsed())
    }

    /// Returns the error for a job without an output: the cause of the pool's failure if the pool is broken.
    fn failed(&self, executor: &impl Executor<Load>, error: &dyn Display) -> Error {
        match executor.broken() {
            Some(cause) => Error::Workers(cause.to_string()),
            None => self.wrong(error.to_string()),
        }
    }

    fn wrong(&self, cause: String) -> Error {
        Error::Jobs { executor: self.candidate.name(), cause }
    }
}

/// Shuts the executor down, so that the next measurement has the machine for itself.
impl Drop for Running {
    fn drop(&mut self) {
        let executor: &dyn Executor<Load> = match &self.executor {
            AnyExecutor::Serial(executor) => executor,
            AnyExecutor::Threads(executor) => executor,
            AnyExecutor::Processes(executor) => executor,
        };
        executor.close();
        executor.cancel_waiting();
        executor.join();
    }
}

/// Time limit for the start of all workers.
const START_TIMEOUT: Duration = Duration::from_secs(60);

fn start_processes(candidate: &Candidate) -> Result<ProcessPool<Load>, Error> {
    let mut builder = ProcessPool::builder().workers(candidate.workers);
    if let Some(codec) = candidate.codec {
        builder = builder.codec(codec);
    }
    if let Some(transport) = candidate.transport {
        builder = builder.transport(transport);
    }
    if let Some(batch) = candidate.batch {
        builder = builder.batch_size(BatchSize::Fixed(batch));
    }
    let pool = builder.build().map_err(|error| Error::Workers(error.to_string()))?;
    pool.prestart();
    wait_for_workers(&pool, START_TIMEOUT);
    Ok(pool)
}

/// Waits until all workers of a pool have started, the pool is broken, or `timeout` has passed, so that
/// starting is not part of what is measured. Workers that have not started are reported by the first run.
pub fn wait_for_workers<J: Job>(pool: &ProcessPool<J>, timeout: Duration) {
    let start = Instant::now();
    let started = || pool.worker_stats().iter().filter(|worker| !worker.start_time.is_zero()).count();
    while started() < pool.workers() && pool.broken().is_none() && start.elapsed() < timeout {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Runs `count` jobs in a plain loop and checks their outputs; returns nanoseconds for each job.
pub(crate) fn run_without_executor(work: &Work, count: usize, mode: CheckMode) -> Result<f64, Error> {
    let wrong = |cause| Error::Jobs { executor: "the plain loop".to_owned(), cause };
    let mut check = work.check(mode);
    let start = Instant::now();
    for job in work.jobs(count) {
        check.take(&job.run(&mut ()).map_err(wrong)?);
    }
    let time = start.elapsed();
    check.finish(count).map_err(wrong)?;
    Ok(time.as_nanos() as f64 / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_fills_batches_within_the_memory_limit() {
        let buffer = |batch, bytes| {
            let candidate = Candidate::processes(2).with_batch(NonZeroU64::new(batch));
            candidate.buffer(bytes).map(NonZeroUsize::get)
        };
        assert_eq!(buffer(0, 0), None, "the pool's default");
        assert_eq!(buffer(100, 0), None);
        assert_eq!(buffer(10_000, 0), Some(80_000));
        assert_eq!(buffer(0, 4096), None);
        assert_eq!(buffer(0, 1 << 20), Some(256));
        assert_eq!(buffer(0, 1 << 30), Some(4), "every worker has jobs");
    }

    #[test]
    fn serial_and_thread_executors_run_the_work() {
        let work = Work::new(5, 10);
        for candidate in [Candidate::serial(), Candidate::threads(2), Candidate::threads(2).one_in_flight()] {
            let running = Running::start(&candidate, &Starts::default()).unwrap();
            assert!(running.run(&work, 100, CheckMode::Full).unwrap() > 0.0);
        }
        assert!(run_without_executor(&work, 100, CheckMode::Full).unwrap() > 0.0);
    }
}
