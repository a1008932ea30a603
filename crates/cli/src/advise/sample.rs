//! Runs some jobs on a worker process, and sees what they take and cost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bench::{Books, Sampled, Starts, wait_for_workers};
use ops::{Builtin, Method};
use pool::{Executor, JobError, JobOptions, ProcessPool, Resolved, Sink, Stage, Submitter, ThreadPool};

use super::failure;
use crate::{
    error::RunError,
    input::InputSource,
    plan::Plan,
    run::{JobConsumer, JobReader, ReadEnd, ReadJob},
};

/// The most jobs in a sample.
const MOST_JOBS: u64 = 1_000;

/// No more jobs are read after this.
const TIME: Duration = Duration::from_secs(1);

/// Those that have been read may take this long in addition.
const MORE_TIME: Duration = Duration::from_secs(2);

/// How many empty jobs show what a job costs that is nearly nothing.
const EMPTY_JOBS: u64 = 50_000;

/// Jobs that run longer travel few at a time, in nanoseconds: what they cost is what the sample has cost.
const LONG_NS: f64 = 1e5;

/// What some of the jobs take and cost; `None` if none of them has been run.
pub(super) fn sample(
    plan: &Plan,
    sources: Vec<InputSource>,
    starts: &Starts,
) -> Result<Option<Sampled>, RunError> {
    // On a pool of their own: what they teach it would not fit the jobs that follow.
    let empty = of_empty_jobs(&start(plan, starts)?);
    let pool = start(plan, starts)?;
    let (before, done) = (Books::of(&pool), Arc::new(Done::default()));
    let read = take_some(plan, sources, &pool, &done)?;
    pool.close();
    if !pool.join_timeout(MORE_TIME) {
        pool.stop(Duration::ZERO);
        pool.join();
    }
    if let Some(cause) = pool.broken() {
        return Err(RunError::PoolFailed(cause.to_string()));
    }
    let mut jobs = Books::of(&pool) - before;
    let done = done.0.load(Ordering::Relaxed);
    // One that has been ended before its end has run all the same.
    jobs.jobs = (done as f64).max(if jobs.of_workers(Stage::Run) > 1e6 { 1.0 } else { 0.0 });
    let all = read.all && (done == read.jobs || read.jobs == 1);
    Ok((jobs.jobs > 0.0).then(|| sampled(&jobs, &empty, all, &pool, plan)))
}

fn start(plan: &Plan, starts: &Starts) -> Result<ProcessPool<Builtin>, RunError> {
    let _begun = starts.begin();
    let pool = plan.make_processes(1, None).map_err(RunError::Pool)?;
    pool.prestart();
    wait_for_workers(&pool, MORE_TIME);
    Ok(pool)
}

/// What has been read.
struct Read {
    jobs: u64,
    all: bool,
}

/// Reads jobs and has them run.
fn take_some(
    plan: &Plan,
    sources: Vec<InputSource>,
    pool: &ProcessPool<Builtin>,
    done: &Arc<Done>,
) -> Result<Read, RunError> {
    let mut few = Few { submitter: pool.submitter(done.clone()), taken: 0, until: Instant::now() + TIME };
    match JobReader::new(plan).read_all(sources, &mut few) {
        Ok(()) => Ok(Read { jobs: few.taken, all: true }),
        Err(end) => failure(end).map_or(Ok(Read { jobs: few.taken, all: false }), Err),
    }
}

/// Takes jobs until there are enough for a sample.
struct Few {
    submitter: Box<dyn Submitter<Builtin>>,
    taken: u64,
    until: Instant,
}

impl JobConsumer for Few {
    fn consume(&mut self, job: ReadJob, _: &[u8], _: &str) -> Result<(), ReadEnd> {
        if self.taken == MOST_JOBS || Instant::now() >= self.until {
            return Err(ReadEnd::Closed);
        }
        if let Ok(job) = job {
            self.submitter.push(self.taken, job.job, JobOptions { time_limit: job.limit });
            self.taken += 1;
        }
        Ok(())
    }

    fn flush(&mut self) {
        self.submitter.flush();
    }
}

/// How many jobs have been run; nobody wants their outcomes.
#[derive(Default)]
struct Done(AtomicU64);

impl Sink<Builtin> for Done {
    fn resolve(&self, resolved: Vec<Resolved<Builtin>>) {
        let run = resolved.iter().filter(|job| !matches!(job.outcome, Err(JobError::Cancelled)));
        self.0.fetch_add(run.count() as u64, Ordering::Relaxed);
    }
}

/// What jobs cost that are nearly nothing, in batches as large as they get.
fn of_empty_jobs(pool: &ProcessPool<Builtin>) -> Books {
    let empty = |count| pool.map((0..count).map(|_| empty_job())).into_iter().count();
    empty(EMPTY_JOBS / 4);
    let before = Books::of(pool);
    empty(EMPTY_JOBS);
    Books::of(pool) - before
}

fn empty_job() -> Builtin {
    Builtin::Gcd { a: 1u64.into(), b: 1u64.into(), method: Method::Fast }
}

fn sampled(jobs: &Books, empty: &Books, all: bool, pool: &ProcessPool<Builtin>, plan: &Plan) -> Sampled {
    let (each, each_empty) = (jobs.jobs.max(1.0), empty.jobs.max(1.0));
    let run_ns = (jobs.of_workers(Stage::Run) / each).max(1.0);
    let long = run_ns >= LONG_NS;
    // What the worker did for jobs beside running them.
    let beside = |books: &Books| -> f64 {
        [Stage::Decode, Stage::EncodeOutcome, Stage::Return].map(|stage| books.of_workers(stage)).iter().sum()
    };
    let start = pool.worker_stats().iter().map(|worker| worker.start).max().unwrap_or_default();
    Sampled {
        jobs: jobs.jobs as u64,
        all,
        run_ns,
        processor_ns: (jobs.workers / each).min(run_ns),
        parent_ns: if long { jobs.parent / each } else { empty.parent / each_empty },
        worker_ns: if long { beside(jobs) / each } else { beside(empty) / each_empty },
        thread_ns: on_threads(plan),
        start_ns: nanos(start),
    }
}

/// What it costs to have a job run by a thread, in nanoseconds.
fn on_threads(plan: &Plan) -> f64 {
    let threads = ThreadPool::new(plan.workers, plan.limits.clone());
    let start = Instant::now();
    let done = threads.map((0..EMPTY_JOBS / 4).map(|_| empty_job())).into_iter().count();
    let time = nanos(start.elapsed());
    threads.shutdown(true, false);
    time / done.max(1) as f64
}

fn nanos(time: Duration) -> f64 {
    time.as_nanos() as f64
}
