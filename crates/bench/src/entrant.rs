//! Who is compared: executors, each in one setting, and nobody.

use std::{
    cell::Cell,
    fmt::Display,
    num::{NonZeroU64, NonZeroUsize},
    thread,
    time::{Duration, Instant},
};

use pool::{BatchSize, CodecKind, Executor, Job, ProcessPool, Serial, ThreadPool, Transport};

use crate::{
    books::Books,
    error::Error,
    load::Load,
    report::ExecutorName,
    starts::Starts,
    work::{Check, Look, Work},
};

/// An executor that is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Entrant {
    pub(crate) executor: ExecutorName,
    pub(crate) workers: usize,
    /// Its name, and what it is; only processes have one.
    pub(crate) codec: Option<CodecKind>,
    /// Transport of jobs and outcomes; only processes have one.
    pub(crate) transport: Option<Transport>,
    /// Jobs in a batch, where the pool does not decide.
    pub(crate) batch: Option<NonZeroU64>,
    /// Submit each job after the outcome of the previous one has returned, instead of running a map.
    pub(crate) one_in_flight: bool,
}

impl Entrant {
    /// One job after the other.
    pub(crate) fn serial() -> Entrant {
        Entrant::without_settings(ExecutorName::Serial, 1)
    }

    /// So many threads.
    pub(crate) fn threads(workers: usize) -> Entrant {
        Entrant::without_settings(ExecutorName::Threads, workers)
    }

    /// So many processes, and otherwise what a pool is without settings.
    pub(crate) fn processes(workers: usize) -> Entrant {
        Entrant {
            codec: Some(CodecKind::default()),
            transport: Some(Transport::default()),
            ..Entrant::without_settings(ExecutorName::Processes, workers)
        }
    }

    /// An executor for which no setting applies.
    fn without_settings(executor: ExecutorName, workers: usize) -> Entrant {
        Entrant { executor, workers, codec: None, transport: None, batch: None, one_in_flight: false }
    }

    /// With batches of a given size.
    pub(crate) fn with_batch(self, batch: Option<NonZeroU64>) -> Entrant {
        Entrant { batch, ..self }
    }

    /// With another codec.
    pub(crate) fn with_codec(self, codec: CodecKind) -> Entrant {
        Entrant { codec: Some(codec), ..self }
    }

    /// Sets the transport.
    pub(crate) fn with_transport(self, transport: Transport) -> Entrant {
        Entrant { transport: Some(transport), ..self }
    }

    /// Measures round trips instead of a map.
    pub(crate) fn one_in_flight(self) -> Entrant {
        Entrant { one_in_flight: true, ..self }
    }

    /// Number of jobs in flight, where it is not the executor that decides.
    pub(crate) fn in_flight(&self) -> Option<u64> {
        self.one_in_flight.then_some(1)
    }

    /// With fewer jobs some worker would have none, or no batch would be full.
    pub(crate) fn least_jobs(&self) -> usize {
        self.workers * self.jobs_in_batch().max(2)
    }

    fn jobs_in_batch(&self) -> usize {
        self.batch.and_then(|batch| usize::try_from(batch.get()).ok()).unwrap_or(1)
    }

    fn name(&self) -> String {
        format!("{}, {} at a time", self.executor.name(), self.workers)
    }

    /// How many jobs are under way at a time, where it is not the executor that knows best: enough to fill all batches, few
    /// enough for the memory.
    fn buffer(&self, bytes: usize) -> Option<NonZeroUsize> {
        let full_batches = 4 * self.workers * self.jobs_in_batch();
        let room = MOST_BYTES.checked_div(bytes).unwrap_or(usize::MAX);
        let buffer = if room < MOST_JOBS { room.max(2 * self.workers) } else { full_batches };
        NonZeroUsize::new(buffer).filter(|_| full_batches > USUAL_JOBS || room < MOST_JOBS)
    }
}

/// How many jobs a map has under way at first, and how many it can have.
const USUAL_JOBS: usize = 1024;
const MOST_JOBS: usize = 16 * 1024;

/// How many bytes jobs may carry that are under way.
const MOST_BYTES: usize = 256 << 20;

/// An executor that is measured.
pub(crate) struct Running {
    entrant: Entrant,
    executor: AnyExecutor,
    /// What the runs on worker processes have cost since somebody last asked.
    books: Cell<Books>,
}

enum AnyExecutor {
    Serial(Serial<Load>),
    Threads(ThreadPool<Load>),
    Processes(ProcessPool<Load>),
}

impl Running {
    /// Starts it; returns when all of its workers are there.
    pub(crate) fn start(entrant: &Entrant, starts: &Starts) -> Result<Running, Error> {
        let _begun = starts.begin();
        let executor = match entrant.executor {
            ExecutorName::Serial => AnyExecutor::Serial(Serial::new(())),
            ExecutorName::Threads => AnyExecutor::Threads(ThreadPool::new(entrant.workers, ())),
            ExecutorName::Processes => AnyExecutor::Processes(start_processes(entrant)?),
        };
        Ok(Running { entrant: entrant.clone(), executor, books: Cell::default() })
    }

    /// Who it is.
    pub(crate) fn entrant(&self) -> &Entrant {
        &self.entrant
    }

    /// Has so many jobs run; nanoseconds for each.
    pub(crate) fn run(&self, work: &Work, count: usize, look: Look) -> Result<f64, Error> {
        match &self.executor {
            AnyExecutor::Serial(executor) => self.run_on(executor, work, count, look),
            AnyExecutor::Threads(executor) => self.run_on(executor, work, count, look),
            AnyExecutor::Processes(executor) => {
                let before = Books::of(executor);
                let ns = self.run_on(executor, work, count, look)?;
                let mut books = self.books.get();
                books += Books::of(executor) - before;
                self.books.set(books);
                Ok(ns)
            }
        }
    }

    /// What the runs since the last call have cost, if they were on worker processes.
    pub(crate) fn take_books(&self) -> Option<Books> {
        Some(self.books.take()).filter(|books| books.jobs > 0.0)
    }

    fn run_on<E: Executor<Load>>(
        &self,
        executor: &E,
        work: &Work,
        count: usize,
        look: Look,
    ) -> Result<f64, Error> {
        let mut check = work.check(look);
        let time = if self.entrant.one_in_flight {
            self.round_trips(executor, work, count, &mut check)?
        } else {
            self.map(executor, work, count, &mut check)?
        };
        check.finish(count).map_err(|what| self.wrong(what))?;
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
        if let Some(buffer) = self.entrant.buffer(work.bytes()) {
            map = map.buffer(buffer);
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
            check.take(&future.result(None).map_err(|error| self.failed(executor, &error))?);
        }
        Ok(start.elapsed())
    }

    /// Error for a job without an output: if the pool is broken, that is the cause.
    fn failed(&self, executor: &impl Executor<Load>, error: &dyn Display) -> Error {
        match executor.broken() {
            Some(cause) => Error::Workers(cause.to_string()),
            None => self.wrong(error.to_string()),
        }
    }

    fn wrong(&self, what: String) -> Error {
        Error::Jobs { who: self.entrant.name(), what }
    }
}

/// Whoever is measured next has the machine for itself.
impl Drop for Running {
    fn drop(&mut self) {
        match &self.executor {
            AnyExecutor::Serial(executor) => executor.shutdown(true, true),
            AnyExecutor::Threads(executor) => executor.shutdown(true, true),
            AnyExecutor::Processes(executor) => executor.shutdown(true, true),
        }
    }
}

/// How long workers may take to start.
const LONGEST_START: Duration = Duration::from_secs(60);

fn start_processes(entrant: &Entrant) -> Result<ProcessPool<Load>, Error> {
    let mut builder = ProcessPool::builder().workers(entrant.workers);
    if let Some(codec) = entrant.codec {
        builder = builder.codec(codec);
    }
    if let Some(transport) = entrant.transport {
        builder = builder.transport(transport);
    }
    if let Some(batch) = entrant.batch {
        builder = builder.batch_size(BatchSize::Fixed(batch));
    }
    let pool = builder.build().map_err(|error| Error::Workers(error.to_string()))?;
    pool.prestart();
    wait_for_workers(&pool, LONGEST_START);
    Ok(pool)
}

/// Waits until all workers of a pool have started, so that their start is no part of what is measured. Those that do not come
/// in this time, or at all, the first run will tell of.
pub fn wait_for_workers<J: Job>(pool: &ProcessPool<J>, longest: Duration) {
    let start = Instant::now();
    let there = || pool.worker_stats().iter().filter(|worker| !worker.start.is_zero()).count();
    while there() < pool.workers() && pool.broken().is_none() && start.elapsed() < longest {
        thread::sleep(Duration::from_millis(1));
    }
}

/// The same work in a plain loop; nanoseconds for each job.
pub(crate) fn run_without_executor(work: &Work, count: usize, look: Look) -> Result<f64, Error> {
    let wrong = |what| Error::Jobs { who: "the plain loop".to_owned(), what };
    let mut check = work.check(look);
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
    fn jobs_under_way_are_enough_for_full_batches_and_few_enough_for_the_memory() {
        let buffer = |batch, bytes| {
            let entrant = Entrant::processes(2).with_batch(NonZeroU64::new(batch));
            entrant.buffer(bytes).map(NonZeroUsize::get)
        };
        assert_eq!(buffer(0, 0), None, "the pool knows best");
        assert_eq!(buffer(100, 0), None);
        assert_eq!(buffer(10_000, 0), Some(80_000));
        assert_eq!(buffer(0, 4096), None);
        assert_eq!(buffer(0, 1 << 20), Some(256));
        assert_eq!(buffer(0, 1 << 30), Some(4), "every worker has something to do");
    }

    #[test]
    fn executors_of_this_process_do_the_work() {
        let work = Work::new(5, 10);
        for entrant in [Entrant::serial(), Entrant::threads(2), Entrant::threads(2).one_in_flight()] {
            let running = Running::start(&entrant, &Starts::default()).unwrap();
            assert!(running.run(&work, 100, Look::Closely).unwrap() > 0.0);
        }
        assert!(run_without_executor(&work, 100, Look::Closely).unwrap() > 0.0);
    }
}
