//! Row 13: an idle pool.

use std::{thread, time::Duration};

use nix::{
    time::{clock_getcpuclockid, clock_gettime},
    unistd::{Pid, getpid},
};
use pool::Executor;

use crate::{
    bench::{Bench, warm_pool},
    report::{Goal, Row},
    rounds::{Contender, Result, alternate},
};

/// Measures the processor time of the parent and its workers.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    const WORKERS: usize = 8;
    let seconds = bench.count(10, 1);
    let ours = warm_pool(WORKERS, bench.jobs(20_000))?;
    let processes: Vec<Pid> = ours
        .worker_stats()
        .iter()
        .filter_map(|figures| Some(Pid::from_raw(i32::try_from(figures.pid?).ok()?)))
        .chain([getpid()])
        .collect();
    let run = || {
        // Cleanup after the last job may complete first.
        thread::sleep(Duration::from_millis(100));
        let before = cpu_time(&processes)?;
        thread::sleep(Duration::from_secs(seconds as u64));
        Ok((cpu_time(&processes)? - before).as_secs_f64() * 1e3)
    };
    let series = alternate(vec![Contender::new("parent and workers", run)], bench.rounds(1))?;
    let what =
        format!("{WORKERS} idle workers for {seconds} s: processor time of {} processes", processes.len());
    let goal = Goal::at_most("parent and workers", series[0].median(), "ms", [10.0, 0.5]);
    let note = "the aim is 0; the measurement itself takes part of the 0.5 ms";
    Ok(vec![Row::new("13", what, "ms").figures(&series).goal(goal).note(note)])
}

fn cpu_time(processes: &[Pid]) -> Result<Duration> {
    let clock = |&process: &Pid| Ok(Duration::from(clock_gettime(clock_getcpuclockid(process)?)?));
    processes.iter().map(clock).sum()
}
