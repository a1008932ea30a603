//! Settings of a run, its jobs, and helpers shared by all rows.

use std::{
    cell::OnceCell,
    error::Error,
    path::PathBuf,
    time::{Duration, Instant},
};

use pool::{Executor, ProcessPool};

use crate::{
    args::Args,
    calibrate::Calibration,
    rounds::Result,
    task::{Task, gcd, pairs},
};

/// Number of workers of each contender.
pub(crate) const WORKERS: usize = 2;

/// Settings and cached inputs of one run of the program.
pub(crate) struct Bench {
    args: Args,
    pairs: OnceCell<Vec<(u64, u64)>>,
    calibration: OnceCell<Calibration>,
}

impl Bench {
    pub(crate) fn new(args: Args) -> Bench {
        Bench { args, pairs: OnceCell::new(), calibration: OnceCell::new() }
    }

    /// Returns whether a row was requested.
    pub(crate) fn includes(&self, number: &str) -> bool {
        self.args.only.is_empty() || self.args.only.iter().any(|only| only == number)
    }

    /// Returns the number of rounds; `usual` unless the options say otherwise.
    pub(crate) fn rounds(&self, usual: usize) -> usize {
        let usual = if self.args.quick { 1 } else { usual };
        self.args.rounds.map_or(usual, usize::from)
    }

    /// Returns `full`, or a hundredth of it for a quick run, but at least `least`.
    pub(crate) fn count(&self, full: usize, least: usize) -> usize {
        if self.args.quick { (full / 100).max(least) } else { full }
    }

    /// Returns the interpreter of the Python peers, or the reason why there is none.
    pub(crate) fn python(&self) -> std::result::Result<PathBuf, String> {
        self.args.python.clone().ok_or_else(|| self.args.no_python.clone())
    }

    /// Returns the calibration of the computing jobs; measured at the first call.
    pub(crate) fn calibration(&self) -> Calibration {
        *self.calibration.get_or_init(Calibration::measure)
    }

    /// Returns the first `count` pairs of numbers.
    pub(crate) fn pairs(&self, count: usize) -> &[(u64, u64)] {
        &self.pairs.get_or_init(|| pairs(MOST_PAIRS))[..count]
    }

    /// Returns `count` jobs for the pairs, which repeat after a million.
    pub(crate) fn jobs(&self, count: usize) -> impl Iterator<Item = Task> {
        self.pairs(MOST_PAIRS).iter().cycle().take(count).map(|&(a, b)| Task::Gcd(a, b))
    }

    /// Returns the expected sum of the results of the first `count` jobs.
    pub(crate) fn sum(&self, count: usize) -> u64 {
        let sum = |count| self.pairs(count).iter().map(|&(a, b)| gcd(a, b)).sum::<u64>();
        let (whole, rest) = (count / MOST_PAIRS, count % MOST_PAIRS);
        if whole == 0 { sum(rest) } else { whole as u64 * sum(MOST_PAIRS) + sum(rest) }
    }
}

const MOST_PAIRS: usize = 1_000_000;

/// Builds a pool, starts its workers and runs jobs, so that their costs have been measured.
pub(crate) fn warm_pool(workers: usize, jobs: impl Iterator<Item = Task>) -> Result<ProcessPool<Task>> {
    let pool = ProcessPool::<Task>::builder().workers(workers).build()?;
    pool.prestart();
    outputs(&pool, jobs)?;
    Ok(pool)
}

/// Returns the outputs of `map` with default options.
pub(crate) fn outputs(pool: &impl Executor<Task>, jobs: impl Iterator<Item = Task>) -> Result<Vec<u64>> {
    pool.map(jobs).map(|output| output.map_err(unresolved)).collect()
}

/// Returns the error for a missing outcome.
pub(crate) fn unresolved(error: impl std::fmt::Debug) -> Box<dyn Error> {
    format!("a job has no result: {error:?}").into()
}

/// Checks the sum of the results.
pub(crate) fn checked(results: impl IntoIterator<Item = u64>, expected: u64) -> Result<()> {
    let sum: u64 = results.into_iter().fold(0, u64::wrapping_add);
    if sum == expected {
        Ok(())
    } else {
        Err(format!("wrong results: the sum is {sum} instead of {expected}").into())
    }
}

/// Runs `work` and returns its duration and its result.
pub(crate) fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(Duration, T)> {
    let start = Instant::now();
    let result = work()?;
    Ok((start.elapsed(), result))
}

/// Returns the nanoseconds per item.
pub(crate) fn ns_each(time: Duration, count: usize) -> f64 {
    time.as_nanos() as f64 / count as f64
}
