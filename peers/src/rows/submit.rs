//! Rows 4 and 4b: jobs submitted one by one.

use pool::{Executor, JobFuture, ThreadPool};

use crate::{
    bench::{Bench, WORKERS, checked, ns_each, timed, unresolved, warm_pool},
    report::{Goal, Row},
    rounds::{Contender, Result, alternate},
    table::number,
    task::{Task, spin},
};

/// What the caller of row 4b computes between two jobs, in nanoseconds.
const BETWEEN_NS: f64 = 500.0;

/// A million, then all results.
pub(crate) fn at_once(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.count(1_000_000, 0);
    let ours = warm_pool(WORKERS, bench.jobs(20_000))?;
    let threads = ThreadPool::new(WORKERS, ());
    let contenders = vec![
        contender(bench, "ProcessPool", &ours, count, 0),
        contender(bench, "ThreadPool", &threads, count, 0),
    ];
    let series = alternate(contenders, bench.rounds(5))?;
    let what = format!("{} `submit`s of gcd jobs, then all results", number(count as f64));
    let goal = Goal::at_most("ProcessPool", series[0].median(), "ns a job", [110.0, 80.0]);
    Ok(vec![Row::new("4", what, "ns a job").figures(&series).goal(goal)])
}

/// The caller has something else to do, too.
pub(crate) fn between(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.count(1_000_000, 0);
    let turns = bench.calibration().spin_turns(BETWEEN_NS);
    let ours = warm_pool(WORKERS, bench.jobs(20_000))?;
    let alone = move || {
        let (time, ()) = timed(|| {
            (0..count).for_each(|_| {
                spin(turns);
            });
            Ok(())
        })?;
        Ok(ns_each(time, count))
    };
    let contenders =
        vec![contender(bench, "ProcessPool", &ours, count, turns), Contender::new("the caller alone", alone)];
    let series = alternate(contenders, bench.rounds(5))?;
    let what = format!("{} `submit`s by a caller that computes 500 ns in between", number(count as f64));
    let ratio = series[0].against(&series[1]);
    let goal = Goal::at_most("time of the caller alone", ratio, "times", [1.2, 1.1]);
    Ok(vec![Row::new("4b", what, "ns a job").figures(&series).goal(goal)])
}

fn contender<'a>(
    bench: &'a Bench,
    name: &str,
    executor: &'a impl Executor<Task>,
    count: usize,
    turns: u64,
) -> Contender<'a> {
    let sum = bench.sum(count);
    Contender::new(name, move || {
        let (time, results) = timed(|| results(executor, bench.jobs(count), turns))?;
        checked(results, sum)?;
        Ok(ns_each(time, count))
    })
}

fn results(executor: &impl Executor<Task>, jobs: impl Iterator<Item = Task>, turns: u64) -> Result<Vec<u64>> {
    let submit = |job| {
        spin(turns);
        executor.submit(job)
    };
    let futures: Vec<JobFuture<Task>> = jobs.map(submit).collect::<std::result::Result<_, _>>()?;
    futures.iter().map(|future| future.result(None).map_err(unresolved)).collect()
}
