//! What all rows need: the settings of this run, the jobs, and the way to a warm pool.

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

/// Everybody gets so many workers.
pub(crate) const WORKERS: usize = 2;

/// One run of the program.
pub(crate) struct Bench {
    args: Args,
    pairs: OnceCell<Vec<(u64, u64)>>,
    calibration: OnceCell<Calibration>,
}

impl Bench {
    pub(crate) fn new(args: Args) -> Bench {
        Bench { args, pairs: OnceCell::new(), calibration: OnceCell::new() }
    }

    /// Whether the row was asked for.
    pub(crate) fn wants(&self, number: &str) -> bool {
        self.args.only.is_empty() || self.args.only.iter().any(|only| only == number)
    }

    /// How often, if nothing else was asked for, this many times.
    pub(crate) fn rounds(&self, usual: usize) -> usize {
        let usual = if self.args.quick { 1 } else { usual };
        self.args.rounds.map_or(usual, usize::from)
    }

    /// A count, a hundredth of it for a quick run, but at least `least`.
    pub(crate) fn count(&self, full: usize, least: usize) -> usize {
        if self.args.quick { (full / 100).max(least) } else { full }
    }

    /// The interpreter of the Python peers, or why there is none.
    pub(crate) fn python(&self) -> std::result::Result<PathBuf, String> {
        self.args.python.clone().ok_or_else(|| self.args.no_python.clone())
    }

    /// How much arithmetic makes a nanosecond.
    pub(crate) fn calibration(&self) -> Calibration {
        *self.calibration.get_or_init(Calibration::measure)
    }

    /// The first pairs of all.
    pub(crate) fn pairs(&self, count: usize) -> &[(u64, u64)] {
        &self.pairs.get_or_init(|| pairs(MOST_PAIRS))[..count]
    }

    /// The first pairs as jobs; beyond a million they start again.
    pub(crate) fn jobs(&self, count: usize) -> impl Iterator<Item = Task> {
        self.pairs(MOST_PAIRS).iter().cycle().take(count).map(|&(a, b)| Task::Gcd(a, b))
    }

    /// The sum of the results that the first pairs must give.
    pub(crate) fn sum(&self, count: usize) -> u64 {
        let sum = |count| self.pairs(count).iter().map(|&(a, b)| gcd(a, b)).sum::<u64>();
        let (whole, rest) = (count / MOST_PAIRS, count % MOST_PAIRS);
        if whole == 0 { sum(rest) } else { whole as u64 * sum(MOST_PAIRS) + sum(rest) }
    }
}

const MOST_PAIRS: usize = 1_000_000;

/// A pool with its workers started, which has seen enough jobs to know what they cost.
pub(crate) fn warm_pool(workers: usize, jobs: impl Iterator<Item = Task>) -> Result<ProcessPool<Task>> {
    let pool = ProcessPool::<Task>::builder().workers(workers).build()?;
    pool.prestart();
    outputs(&pool, jobs)?;
    Ok(pool)
}

/// What `map` with defaults makes of the jobs.
pub(crate) fn outputs(pool: &impl Executor<Task>, jobs: impl Iterator<Item = Task>) -> Result<Vec<u64>> {
    pool.map(jobs).into_iter().map(|output| output.map_err(unresolved)).collect()
}

/// An outcome that there should have been.
pub(crate) fn unresolved(error: impl std::fmt::Debug) -> Box<dyn Error> {
    format!("a job has no result: {error:?}").into()
}

/// Sums results, unless the sum is wrong: a fast wrong answer is no answer.
pub(crate) fn checked(results: impl IntoIterator<Item = u64>, expected: u64) -> Result<()> {
    let sum: u64 = results.into_iter().fold(0, u64::wrapping_add);
    if sum == expected {
        Ok(())
    } else {
        Err(format!("wrong results: they sum up to {sum} instead of {expected}").into())
    }
}

/// How long something takes, and what it gives.
pub(crate) fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(Duration, T)> {
    let start = Instant::now();
    let result = work()?;
    Ok((start.elapsed(), result))
}

/// Nanoseconds for each of so many.
pub(crate) fn ns_each(time: Duration, count: usize) -> f64 {
    time.as_nanos() as f64 / count as f64
}
