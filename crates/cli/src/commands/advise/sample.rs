//! Runs a sample of the jobs on a worker process, and measures their run time and cost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bench::{CostSnapshot, SampleStats, Starts, wait_for_workers};
use ops::{Builtin, Method};
use pool::{
    Executor, JobError, ProcessPool, ThreadPool,
    metrics::Stage,
    settings::JobOptions,
    stream::{Resolved, Sink, Submitter},
};

use crate::{
    error::RunError,
    input::InputSource,
    plan::Plan,
    run::{JobConsumer, JobReader, ReadEnd, ReadJob},
};

/// Largest number of jobs in a sample.
const MAX_JOBS: u64 = 1_000;

/// Time limit for reading jobs.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// Time limit for the start of workers, and for jobs that are running after reading has stopped.
const JOIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Number of nearly empty jobs that are run to measure the cost of a job.
const EMPTY_JOBS: u64 = 50_000;

/// Run time in nanoseconds from which jobs are sent in small batches, so that the cost is that of the sample
/// and not that of empty jobs.
const LONG_NS: f64 = 1e5;

/// Runs a sample and returns its measurements; `None` if no job has been run.
pub(super) fn sample(
    plan: &Plan,
    sources: Vec<InputSource>,
    starts: &Starts,
) -> Result<Option<SampleStats>, RunError> {
    // On a separate pool, because its batch sizes adapt to empty jobs.
    let empty = cost_of_empty_jobs(&start(plan, starts)?);
    let pool = start(plan, starts)?;
    let (before, done) = (CostSnapshot::of(&pool), Arc::new(RunCount::default()));
    let read = run_sample(plan, sources, &pool, &done)?;
    if !pool.shutdown_timeout(JOIN_TIMEOUT) {
        pool.stop(Duration::ZERO);
        pool.join();
    }
    if let Some(cause) = pool.broken() {
        return Err(RunError::PoolFailed(cause.to_string()));
    }
    let mut jobs = CostSnapshot::of(&pool) - before;
    let done = done.0.load(Ordering::Relaxed);
    // A single job that was stopped before its end counts as run.
    jobs.jobs = (done as f64).max(if jobs.of_workers(Stage::Run) > 1e6 { 1.0 } else { 0.0 });
    let all = read.all && (done == read.jobs || read.jobs == 1);
    Ok((jobs.jobs > 0.0).then(|| sampled(&jobs, &empty, all, &pool, plan)))
}

fn start(plan: &Plan, starts: &Starts) -> Result<ProcessPool<Builtin>, RunError> {
    let _starting = starts.begin();
    let pool = plan.make_processes(1, None).map_err(RunError::Pool)?;
    pool.prestart();
    wait_for_workers(&pool, JOIN_TIMEOUT);
    Ok(pool)
}

/// Number of jobs that were read, and whether these are all.
struct Read {
    jobs: u64,
    all: bool,
}

/// Reads jobs until the sample is complete, and submits them to the pool.
fn run_sample(
    plan: &Plan,
    sources: Vec<InputSource>,
    pool: &ProcessPool<Builtin>,
    done: &Arc<RunCount>,
) -> Result<Read, RunError> {
    let mut sample = SampleConsumer {
        submitter: pool.submitter(done.clone()),
        taken: 0,
        until: Instant::now() + READ_TIMEOUT,
    };
    match JobReader::new(plan).read_all(sources, &mut sample) {
        Ok(()) => Ok(Read { jobs: sample.taken, all: true }),
        Err(end) => failure(end).map_or(Ok(Read { jobs: sample.taken, all: false }), Err),
    }
}

/// Error of an input. Stopping after the sample is not an error.
fn failure(end: ReadEnd) -> Option<RunError> {
    match end {
        ReadEnd::Failed(error) => Some(error),
        ReadEnd::Closed | ReadEnd::InvalidJob => None,
    }
}

/// Submits jobs until the sample is complete.
struct SampleConsumer {
    submitter: Box<dyn Submitter<Builtin>>,
    taken: u64,
    until: Instant,
}

impl JobConsumer for SampleConsumer {
    fn consume(&mut self, job: ReadJob, _: &[u8], _: &str) -> Result<(), ReadEnd> {
        if self.taken == MAX_JOBS || Instant::now() >= self.until {
            return Err(ReadEnd::Closed);
        }
        if let Ok(job) = job {
            self.submitter.push(self.taken, job.job, JobOptions::new().time_limit(job.limit));
            self.taken += 1;
        }
        Ok(())
    }

    fn flush(&mut self) {
        self.submitter.flush();
    }
}

/// Number of jobs that have been run. Their outcomes are dropped.
#[derive(Default)]
struct RunCount(AtomicU64);

impl Sink<Builtin> for RunCount {
    fn resolve(&self, resolved: Vec<Resolved<Builtin>>) {
        let run = resolved.iter().filter(|job| !matches!(job.outcome, Err(JobError::Cancelled)));
        self.0.fetch_add(run.count() as u64, Ordering::Relaxed);
    }
}

/// Costs of nearly empty jobs, in batches of the largest size.
fn cost_of_empty_jobs(pool: &ProcessPool<Builtin>) -> CostSnapshot {
    let empty = |count| pool.map((0..count).map(|_| empty_job())).count();
    empty(EMPTY_JOBS / 4);
    let before = CostSnapshot::of(pool);
    empty(EMPTY_JOBS);
    CostSnapshot::of(pool) - before
}

fn empty_job() -> Builtin {
    Builtin::Gcd { a: 1u64.into(), b: 1u64.into(), method: Method::Fast }
}

fn sampled(
    jobs: &CostSnapshot,
    empty: &CostSnapshot,
    all: bool,
    pool: &ProcessPool<Builtin>,
    plan: &Plan,
) -> SampleStats {
    let (each, each_empty) = (jobs.jobs.max(1.0), empty.jobs.max(1.0));
    let run_ns = (jobs.of_workers(Stage::Run) / each).max(1.0);
    let long = run_ns >= LONG_NS;
    // Time of the worker for jobs in addition to running them.
    let overhead = |costs: &CostSnapshot| -> f64 {
        [Stage::Decode, Stage::EncodeOutcome, Stage::Return].map(|stage| costs.of_workers(stage)).iter().sum()
    };
    let start = pool.worker_stats().iter().map(|worker| worker.start_time).max().unwrap_or_default();
    SampleStats {
        jobs: jobs.jobs as u64,
        all,
        run_ns,
        processor_ns: (jobs.workers / each).min(run_ns),
        parent_ns: if long { jobs.parent / each } else { empty.parent / each_empty },
        worker_ns: if long { overhead(jobs) / each } else { overhead(empty) / each_empty },
        thread_ns: thread_cost(plan),
        start_ns: nanos(start),
    }
}

/// Cost of running a job on a thread of a pool, in nanoseconds.
fn thread_cost(plan: &Plan) -> f64 {
    let threads = ThreadPool::new(plan.workers, plan.limits.clone());
    let start = Instant::now();
    let done = threads.map((0..EMPTY_JOBS / 4).map(|_| empty_job())).count();
    let time = nanos(start.elapsed());
    threads.join();
    time / done.max(1) as f64
}

fn nanos(time: Duration) -> f64 {
    time.as_nanos() as f64
}
