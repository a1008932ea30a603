//! Runs some jobs on a worker process, and sees what they take and cost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bench::{Sampled, Starts};
use builtin::{Builtin, Method};
use pool::{Executor, Failure, Inlet, JobOptions, ProcessPool, Resolved, Sink, Spent, Stage, ThreadPool};

use super::failure;
use crate::{
    error::RunError,
    input::Source,
    plan::Plan,
    run::{Intake, IntakeEnd, TakenJob, Taker},
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
    sources: Vec<Source>,
    starts: &Starts,
) -> Result<Option<Sampled>, RunError> {
    // On a pool of their own: what they teach it would not fit the jobs that follow.
    let empty = Cost::of_empty_jobs(&start(plan, starts)?);
    let pool = start(plan, starts)?;
    let (before, done) = (Cost::of(&pool), Arc::new(Done::default()));
    let read = take_some(plan, sources, &pool, &done)?;
    pool.close();
    if !pool.join_within(MORE_TIME) {
        pool.stop(Duration::ZERO);
        pool.join();
    }
    if let Some(cause) = pool.broken() {
        return Err(RunError::Broken(cause.to_string()));
    }
    let mut jobs = Cost::of(&pool).since(&before);
    let done = done.0.load(Ordering::Relaxed);
    // One that has been ended before its end has run all the same.
    jobs.jobs = (done as f64).max(if jobs.run > 1e6 { 1.0 } else { 0.0 });
    let all = read.all && (done == read.jobs || read.jobs == 1);
    Ok((jobs.jobs > 0.0).then(|| sampled(&jobs, &empty, all, &pool, plan)))
}

fn start(plan: &Plan, starts: &Starts) -> Result<ProcessPool<Builtin>, RunError> {
    let _begun = starts.begin();
    let pool = plan.make_processes(1, None).map_err(RunError::Pool)?;
    pool.prestart();
    let start = Instant::now();
    let ready = || pool.figures().iter().any(|worker| !worker.start.is_zero());
    while !ready() && pool.broken().is_none() && start.elapsed() < MORE_TIME {
        std::thread::sleep(Duration::from_millis(1));
    }
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
    sources: Vec<Source>,
    pool: &ProcessPool<Builtin>,
    done: &Arc<Done>,
) -> Result<Read, RunError> {
    let mut few = Few { inlet: pool.inlet(done.clone()), taken: 0, until: Instant::now() + TIME };
    match Intake::new(plan).read_all(sources, &mut few) {
        Ok(()) => Ok(Read { jobs: few.taken, all: true }),
        Err(end) => failure(end).map_or(Ok(Read { jobs: few.taken, all: false }), Err),
    }
}

/// Takes jobs until there are enough for a sample.
struct Few {
    inlet: Box<dyn Inlet<Builtin>>,
    taken: u64,
    until: Instant,
}

impl Taker for Few {
    fn take(&mut self, job: TakenJob, _: &[u8], _: &str) -> Result<(), IntakeEnd> {
        if self.taken == MOST_JOBS || Instant::now() >= self.until {
            return Err(IntakeEnd::NotWanted);
        }
        if let Ok(job) = job {
            self.inlet.push(self.taken, job.job, JobOptions { limit: job.limit });
            self.taken += 1;
        }
        Ok(())
    }

    fn flush(&mut self) {
        self.inlet.flush();
    }
}

/// How many jobs have been run; nobody wants their outcomes.
#[derive(Default)]
struct Done(AtomicU64);

impl Sink<Builtin> for Done {
    fn resolve(&self, resolved: Vec<Resolved<Builtin>>) {
        let run = resolved.iter().filter(|job| !matches!(job.outcome, Err(Failure::Cancelled)));
        self.0.fetch_add(run.count() as u64, Ordering::Relaxed);
    }
}

/// Times in nanoseconds, all jobs together.
#[derive(Clone, Debug, Default)]
struct Cost {
    jobs: f64,
    run: f64,
    /// What the worker did for jobs beside running them.
    worker: f64,
    worker_processor: f64,
    parent_processor: f64,
}

impl Cost {
    fn of(pool: &ProcessPool<Builtin>) -> Cost {
        let mut spent = Spent::default();
        let (mut jobs, mut worker_processor) = (0, Duration::ZERO);
        for worker in pool.figures() {
            spent += &worker.spent;
            jobs += worker.jobs;
            worker_processor += worker.processor;
        }
        let beside = [Stage::Decode, Stage::EncodeOutcome, Stage::Return];
        Cost {
            jobs: jobs as f64,
            run: nanos(spent[Stage::Run]),
            worker: beside.iter().map(|&stage| nanos(spent[stage])).sum(),
            worker_processor: nanos(worker_processor),
            parent_processor: nanos(sys::clock::processor_time()),
        }
    }

    fn since(&self, earlier: &Cost) -> Cost {
        Cost {
            jobs: self.jobs - earlier.jobs,
            run: self.run - earlier.run,
            worker: self.worker - earlier.worker,
            worker_processor: self.worker_processor - earlier.worker_processor,
            parent_processor: self.parent_processor - earlier.parent_processor,
        }
    }

    /// Of jobs that are nearly nothing, in frames as large as they get.
    fn of_empty_jobs(pool: &ProcessPool<Builtin>) -> Cost {
        let empty = |count| pool.map((0..count).map(|_| empty_job())).into_iter().count();
        empty(EMPTY_JOBS / 4);
        let before = Cost::of(pool);
        empty(EMPTY_JOBS);
        Cost::of(pool).since(&before)
    }
}

fn empty_job() -> Builtin {
    Builtin::Gcd { a: 1u64.into(), b: 1u64.into(), method: Method::Fast }
}

fn sampled(jobs: &Cost, empty: &Cost, all: bool, pool: &ProcessPool<Builtin>, plan: &Plan) -> Sampled {
    let (each, each_empty) = (jobs.jobs.max(1.0), empty.jobs.max(1.0));
    let run_ns = (jobs.run / each).max(1.0);
    let long = run_ns >= LONG_NS;
    let start = pool.figures().iter().map(|worker| worker.start).max().unwrap_or_default();
    Sampled {
        jobs: jobs.jobs as u64,
        all,
        run_ns,
        processor_ns: (jobs.worker_processor / each).min(run_ns),
        parent_ns: if long { jobs.parent_processor / each } else { empty.parent_processor / each_empty },
        worker_ns: if long { jobs.worker / each } else { empty.worker / each_empty },
        thread_ns: on_threads(plan),
        start_ns: nanos(start),
    }
}

/// What it costs to have a job run by a thread, in nanoseconds.
fn on_threads(plan: &Plan) -> f64 {
    let threads = ThreadPool::new(plan.workers, plan.limits.clone());
    let done = AtomicU64::new(0);
    let start = Instant::now();
    for _ in threads.map((0..EMPTY_JOBS / 4).map(|_| empty_job())) {
        done.fetch_add(1, Ordering::Relaxed);
    }
    let time = nanos(start.elapsed());
    threads.shutdown(true, false);
    time / done.into_inner().max(1) as f64
}

fn nanos(time: Duration) -> f64 {
    time.as_nanos() as f64
}
