//! Rows 4, 4b and 18: jobs submitted one by one.

use std::thread;

use pool::{Executor, JobFuture, ThreadPool};

use crate::{
    bench::{Bench, WORKERS, checked, ns_each, timed, unresolved, warm_pool},
    report::{Goal, Row},
    rounds::{Contender, Result, alternate},
    table::number,
    task::{Task, spin},
};

/// Duration of the caller's computation between two jobs in row 4b, in nanoseconds.
const BETWEEN_NS: f64 = 500.0;

/// Measures a million submits followed by all results.
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

/// Measures submits of a caller that computes in between.
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

/// Measures the same number of submits from one thread and from four.
pub(crate) fn from_threads(bench: &Bench) -> Result<Vec<Row>> {
    const THREADS: usize = 4;
    let count = bench.count(1_000_000, 0);
    let (pairs, sum) = (bench.pairs(count), bench.sum(count));
    let ours = &warm_pool(WORKERS, bench.jobs(20_000))?;
    let contender = |name: String, threads| {
        Contender::new(name, move || {
            let (time, results) = timed(|| results_of_threads(ours, pairs, threads))?;
            checked(results, sum)?;
            Ok(ns_each(time, count))
        })
    };
    let contenders =
        vec![contender(format!("{THREADS} threads"), THREADS), contender("one thread".to_owned(), 1)];
    let series = alternate(contenders, bench.rounds(5))?;
    let what = format!("{} `submit`s from {THREADS} threads, {WORKERS} workers", number(count as f64));
    let ratio = series[0].against(&series[1]);
    let goal = Goal::at_most("time from one thread", ratio, "times", [1.3, 1.0]);
    Ok(vec![Row::new("18", what, "ns a job").figures(&series).goal(goal)])
}

/// Distributes the jobs over threads, each of which submits its share and then waits for the results.
fn results_of_threads(
    executor: &impl Executor<Task>,
    pairs: &[(u64, u64)],
    threads: usize,
) -> Result<Vec<u64>> {
    thread::scope(|scope| {
        let shares = pairs.chunks(pairs.len().div_ceil(threads)).map(|share| {
            scope.spawn(move || {
                let jobs = share.iter().map(|&(a, b)| Task::Gcd(a, b));
                results(executor, jobs, 0).map_err(|error| error.to_string())
            })
        });
        // All threads have to be started before the first is joined.
        let running: Vec<_> = shares.collect();
        let mut all = Vec::with_capacity(pairs.len());
        for thread in running {
            all.extend(thread.join().map_err(|_| "a thread panicked")??);
        }
        Ok(all)
    })
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
    futures.iter().map(|future| future.result().map_err(unresolved)).collect()
}
