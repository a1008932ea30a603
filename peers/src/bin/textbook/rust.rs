//! Runs with this library.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use peers::rounds::Result;
use pool::{
    Executor, JobFuture, ProcessPool, Serial, ThreadPool,
    error::SubmitError,
    future::{ReturnWhen, as_completed, wait},
};

use crate::{
    await_all::await_all,
    experiments::{Collect, LIMIT_SECONDS, Measured, Run, Way},
    work::Work,
};

/// Duration of the warm-up job of each worker: long enough that the next such job starts another worker.
const NAP_MILLIS: u64 = 50;

/// Performs a run on a new executor.
pub(crate) fn measure(run: &Run) -> Result<Measured> {
    match run.way {
        Way::Series => measure_on(run, || Ok(Serial::new(()))),
        Way::Threads => measure_on(run, || Ok(ThreadPool::new(run.workers, ()))),
        Way::Processes => measure_on(run, || Ok(ProcessPool::builder().workers(run.workers).build()?)),
    }
}

/// Measures without the end of the workers, as in the text.
fn measure_on<E: Executor<Work>>(run: &Run, make: impl FnOnce() -> Result<E>) -> Result<Measured> {
    let mut start = Instant::now();
    let executor = make()?;
    if !run.with_start {
        map(&executor, vec![Work::Wait(NAP_MILLIS); executor.workers()])?;
        start = Instant::now();
    }
    let results = collect(&executor, run)?;
    let seconds = start.elapsed().as_secs_f64();
    executor.join();
    Ok(Measured { seconds, results })
}

fn collect(executor: &impl Executor<Work>, run: &Run) -> Result<Vec<Vec<u64>>> {
    let jobs = run.jobs.clone();
    match run.collect {
        Collect::Map => map(executor, jobs),
        Collect::Wait => {
            let waited = wait(submit(executor, jobs)?, None, ReturnWhen::AllCompleted);
            waited.done.iter().map(|job| job.result().map_err(unresolved)).collect()
        }
        Collect::AsCompleted => {
            let completed = as_completed(submit(executor, jobs)?, Duration::from_secs(LIMIT_SECONDS));
            let mut results: Vec<Vec<u64>> =
                completed.map(|job| job?.result().map_err(unresolved)).collect::<Result<_>>()?;
            // Results arrive in any order; in the text they increase with their jobs.
            results.sort_unstable();
            Ok(results)
        }
        Collect::Await => {
            await_all(submit(executor, jobs)?).into_iter().map(|job| job.map_err(unresolved)).collect()
        }
    }
}

fn map(executor: &impl Executor<Work>, jobs: Vec<Work>) -> Result<Vec<Vec<u64>>> {
    executor.map(jobs).map(|output| output.map_err(unresolved)).collect()
}

fn submit(
    executor: &impl Executor<Work>,
    jobs: Vec<Work>,
) -> std::result::Result<Vec<JobFuture<Work>>, SubmitError> {
    jobs.into_iter().map(|job| executor.submit(job)).collect()
}

/// Returns the error for a missing outcome.
fn unresolved(error: impl Debug) -> Box<dyn std::error::Error> {
    format!("a job has no result: {error:?}").into()
}
