//! Row 17: jobs with a large argument and a large result.

use std::{hint::black_box, time::Duration};

use pool::{Executor, ProcessPool};

use crate::{
    bench::{Bench, WORKERS, timed, unresolved},
    report::{Goal, Row},
    rounds::{Contender, Result, alternate},
    table::number,
    task::{Bytes, Load, Output},
};

/// Number of jobs per round.
const COUNT: usize = 8;

/// Measures with one job in flight, so that the time is that of the copies, independent of the number of
/// cores.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let size = bench.count(100_000_000, 0);
    let bytes = Bytes::new(size);
    let ours = ProcessPool::<Load>::builder().workers(WORKERS).build()?;
    ours.prestart();
    round_trip(&ours, &bytes)?;
    let contenders = vec![
        Contender::new("ProcessPool", || mean(|| round_trip(&ours, &bytes))),
        Contender::new("copies into fresh memory", || mean(|| copies(&bytes))),
    ];
    let series = alternate(contenders, bench.rounds(5))?;
    let what = format!(
        "`submit().take()`, argument and result of {} MB each, {COUNT} jobs",
        number(size as f64 / 1e6)
    );
    let ratio = series[0].against(&series[1]);
    let goal = Goal::at_most("time of the copies", ratio, "times", [3.0, 2.3]);
    let note = "the copies: argument and result, each allocated and filled in one process";
    Ok(vec![Row::new("17", what, "ms a job").figures(&series).goal(goal).note(note)])
}

/// Returns the mean of several jobs in milliseconds.
fn mean(job: impl Fn() -> Result<Duration>) -> Result<f64> {
    let all: Duration = (0..COUNT).map(|_| job()).sum::<Result<_>>()?;
    Ok(all.as_secs_f64() * 1e3 / COUNT as f64)
}

/// Returns the time of one job; the result is checked after the measurement.
fn round_trip(pool: &impl Executor<Load>, bytes: &Bytes) -> Result<Duration> {
    let job = Load::Payload { turns: 0, bytes: bytes.clone() };
    let (time, outcome) = timed(|| Ok(pool.submit(job)?.join()))?;
    match outcome.map_err(unresolved)? {
        Output::Payload(_, returned) if returned.resemble(bytes) => Ok(time),
        _ => Err("wrong result: not the bytes of the argument".into()),
    }
}

fn copies(bytes: &Bytes) -> Result<Duration> {
    let copy = || black_box(bytes.as_slice().to_vec());
    let (time, _) = timed(|| Ok((copy(), copy())))?;
    Ok(time)
}
