//! Row 16: overhead of the time accounting.

use pool::{Executor, ProcessPool};

use crate::{
    bench::{Bench, WORKERS, checked, ns_each, outputs, timed},
    report::{Goal, Row},
    rounds::{Contender, Result, alternate},
    table::number,
    task::Task,
};

/// Measures the same jobs with and without time accounting.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.count(1_000_000, 0);
    let (with, without) = (pool(bench, true)?, pool(bench, false)?);
    let contenders =
        vec![contender(bench, "with the ledger", &with, count), contender(bench, "without", &without, count)];
    let series = alternate(contenders, bench.rounds(10))?;
    let what = format!("`map` of {} gcd jobs with and without the ledger", number(count as f64));
    let ratio = series[0].against(&series[1]);
    let goal = Goal::at_most("time of the map without", ratio, "times", [1.02, 1.01]);
    Ok(vec![Row::new("16", what, "ns a job").figures(&series).goal(goal)])
}

fn pool(bench: &Bench, ledger: bool) -> Result<ProcessPool<Task>> {
    let pool = ProcessPool::<Task>::builder().workers(WORKERS).time_accounting(ledger).build()?;
    pool.prestart();
    outputs(&pool, bench.jobs(20_000))?;
    Ok(pool)
}

fn contender<'a>(bench: &'a Bench, name: &str, pool: &'a impl Executor<Task>, count: usize) -> Contender<'a> {
    let sum = bench.sum(count);
    Contender::new(name, move || {
        let (time, results) = timed(|| outputs(pool, bench.jobs(count)))?;
        checked(results, sum)?;
        Ok(ns_each(time, count))
    })
}
