//! Row 19: system calls of a pool with short jobs.

use std::cell::RefCell;

use pool::Executor;

use crate::{
    bench::{Bench, WORKERS, checked, outputs, warm_pool},
    report::{Goal, Row},
    rounds::{Contender, Result, alternate, median},
    syscalls::Counter,
    table::number,
};

/// Counts the system calls of the parent and its workers. Calls of `sched_yield` by polling threads wake no
/// process and are reported separately.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.count(1_000_000, 0);
    let sum = bench.sum(count);
    let ours = warm_pool(WORKERS, bench.jobs(20_000))?;
    let workers = ours.worker_stats().into_iter().filter_map(|figures| figures.pid);
    let processes: Vec<u32> = workers.chain([std::process::id()]).collect();
    let what = format!("system calls but `sched_yield`, `map` of {} gcd jobs", number(count as f64));
    let row = Row::new("19", what, "per 1,000 jobs");
    let counter = match Counter::find(&processes) {
        Ok(counter) => counter,
        Err(missing) => return Ok(vec![row.missing(missing)]),
    };
    let per_thousand = |calls: u64| calls as f64 * 1e3 / count as f64;
    let yields = RefCell::new(Vec::new());
    let run = || {
        let work = || checked(outputs(&ours, bench.jobs(count))?, sum);
        let calls = counter.count(&processes, work)?;
        yields.borrow_mut().push(per_thousand(calls.yields));
        Ok(per_thousand(calls.others))
    };
    let series = alternate(vec![Contender::new("parent and workers", run)], bench.rounds(5))?;
    let goal = Goal::at_most("parent and workers", series[0].median(), "per 1,000 jobs", [20.0, 5.0]);
    let yields = number(median(yields.into_inner()));
    let note = format!("{yields} calls of `sched_yield` per 1,000 jobs; counted with {}", counter.name());
    Ok(vec![row.figures(&series).goal(goal).note(note)])
}
