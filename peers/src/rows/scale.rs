//! Rows 11 and 12: many jobs and many workers.

use crate::{
    bench::{Bench, WORKERS, checked, ns_each, outputs, timed, unresolved, warm_pool},
    report::{Goal, Row},
    rounds::{Contender, Result, alternate, median},
    table::number,
    task::Task,
};
use pool::Executor;

/// Numbers of jobs, each with the number of repetitions per round.
const COUNTS: [(usize, usize); 3] = [(10_000, 50), (1_000_000, 3), (10_000_000, 1)];

/// Measures whether the cost per job depends on the number of jobs.
pub(crate) fn counts(bench: &Bench) -> Result<Vec<Row>> {
    let ours = warm_pool(WORKERS, bench.jobs(20_000))?;
    let contenders = COUNTS.map(|(count, repeats)| {
        let count = bench.count(count, 1_000);
        let sum = bench.sum(count);
        let ours = &ours;
        let run = move || {
            let (time, found) = timed(|| summed(ours, bench.jobs(count)))?;
            checked([found], sum)?;
            Ok(ns_each(time, count))
        };
        Contender::new(format!("{} jobs", number(count as f64)), move || {
            Ok(median((0..repeats).map(|_| run()).collect::<Result<_>>()?))
        })
    });
    let series = alternate(contenders.into(), bench.rounds(5))?;
    let medians: Vec<f64> = series.iter().map(|series| series.median()).collect();
    let most = medians.iter().copied().fold(0.0, f64::max);
    let least = medians.iter().copied().fold(f64::INFINITY, f64::min);
    let goal = Goal::at_most("the slowest against the fastest", most / least, "times", [1.15, 1.1]);
    Ok(vec![Row::new("11", "`map` of few and of many gcd jobs", "ns a job").figures(&series).goal(goal)])
}

/// Sums the results without storing them.
fn summed(pool: &impl Executor<Task>, jobs: impl Iterator<Item = Task>) -> Result<u64> {
    pool.map(jobs).try_fold(0, |sum: u64, output| Ok(sum + output.map_err(unresolved)?))
}

/// Measures waiting jobs on many workers.
pub(crate) fn workers(bench: &Bench) -> Result<Vec<Row>> {
    const MANY: usize = 64;
    let count = bench.count(64_000, 6_400);
    let sleep = |micros| (0..count).map(move |_| Task::Sleep(micros));
    let ours = warm_pool(MANY, sleep(0).take(6_400))?;
    let ideal = (count / MANY) as f64 * 0.01;
    let run = || {
        let (time, results) = timed(|| outputs(&ours, sleep(10_000)))?;
        checked(results, count as u64 * 10_000)?;
        Ok(time.as_secs_f64())
    };
    let series = alternate(vec![Contender::new("ProcessPool", run)], bench.rounds(1))?;
    let what = format!("{} jobs of `sleep 0.01` on 64 workers, against {ideal} s", number(count as f64));
    let part = 100.0 * ideal / series[0].median();
    let goal = Goal::at_least("of the ideal", part, "%", [90.0, 97.0]);
    Ok(vec![Row::new("12", what, "s").figures(&series).goal(goal)])
}
