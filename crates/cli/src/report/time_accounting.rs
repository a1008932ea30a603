//! Time accounting of a run: time by stage of each thread and worker, and per job.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use pool::metrics::{ParentStats, Stage, StageTimes, ThreadStats, WorkerStats};
use serde::Serialize;

use crate::{thread_timers::ThreadTimers, units::format_ns};

/// Time accounting of the threads of this process.
#[derive(Debug, Default)]
pub(crate) struct ParentTimes {
    threads: Vec<ThreadStats>,
    queued: Duration,
}

impl ParentTimes {
    /// Combines the executor's threads with those of the command.
    pub(crate) fn new(executor: ParentStats, command: &ThreadTimers) -> ParentTimes {
        let ParentStats { mut threads, callers, queue_time: queued, .. } = executor;
        if let Some(mut reader) = command.reader.stats() {
            // Only the reader thread calls the executor, so the time of callers is its time.
            callers.stages().for_each(|(stage, time)| reader.stage_times.shift(Stage::Read, stage, time));
            threads.push(reader);
        }
        threads.extend(command.other_stats());
        ParentTimes { threads, queued }
    }
}

/// The object `ledger` of `--stats=json`.
#[derive(Debug, Serialize)]
pub(crate) struct TimeAccounting {
    /// Seconds of all workers together, by stage.
    workers_s: BTreeMap<&'static str, f64>,
    /// Seconds of all threads of the parent together, by stage.
    parent_s: BTreeMap<&'static str, f64>,
    /// Threads of the parent.
    threads: Vec<ThreadRow>,
    /// Seconds that jobs waited for a worker, all jobs together.
    queued_s: f64,
    #[serde(skip)]
    workers: StageTimes,
    #[serde(skip)]
    parent: StageTimes,
}

#[derive(Debug, Serialize)]
struct ThreadRow {
    name: String,
    life_s: f64,
    stages_s: BTreeMap<&'static str, f64>,
}

impl TimeAccounting {
    pub(crate) fn new(workers: &[WorkerStats], parent: &ParentTimes) -> TimeAccounting {
        let (mut of_workers, mut of_parent) = (StageTimes::default(), StageTimes::default());
        workers.iter().for_each(|worker| of_workers += &worker.stage_times);
        parent.threads.iter().for_each(|thread| of_parent += &thread.stage_times);
        let threads = parent.threads.iter().map(|thread| ThreadRow {
            name: thread.name.clone(),
            life_s: thread.lifetime.as_secs_f64(),
            stages_s: seconds(&thread.stage_times),
        });
        TimeAccounting {
            workers_s: seconds(&of_workers),
            parent_s: seconds(&of_parent),
            threads: threads.collect(),
            queued_s: parent.queued.as_secs_f64(),
            workers: of_workers,
            parent: of_parent,
        }
    }

    /// Returns a table of the stages, with the parent next to the workers.
    pub(crate) fn table(&self, jobs: u64) -> String {
        let mut text = format!(
            "{:<15} {:>11} {:>6} {:>12}   {:>11} {:>6} {:>12}\n",
            "stage", "parent s", "", "a job", "workers s", "", "a job"
        );
        for stage in Stage::ALL.into_iter().filter(|&stage| self.has_time(stage)) {
            let _ = writeln!(
                text,
                "{:<15} {}   {}",
                stage.name(),
                cells(&self.parent, stage, jobs),
                cells(&self.workers, stage, jobs)
            );
        }
        let _ = writeln!(
            text,
            "{:<15} {:>11.3} {:>6} {:>12}   {:>11.3}",
            "all",
            self.parent.total().as_secs_f64(),
            "",
            "",
            self.workers.total().as_secs_f64()
        );
        let waited = self.queued_s / jobs.max(1) as f64;
        let _ = writeln!(text, "mean wait for a worker: {} per job", format_ns(waited * 1e9));
        text
    }

    fn has_time(&self, stage: Stage) -> bool {
        !(self.parent[stage] + self.workers[stage]).is_zero()
    }
}

/// Returns the cells of a stage: seconds, share of the total, and time per job; blank if no time was spent.
fn cells(stage_times: &StageTimes, stage: Stage, jobs: u64) -> String {
    let time = stage_times[stage].as_secs_f64();
    if stage_times[stage].is_zero() {
        return format!("{:>11} {:>6} {:>12}", "", "", "");
    }
    let share = 100.0 * time / stage_times.total().as_secs_f64().max(1e-9);
    format!("{time:>11.3} {share:>5.1}% {:>12}", format_ns(time * 1e9 / jobs.max(1) as f64))
}

pub(crate) fn seconds(stage_times: &StageTimes) -> BTreeMap<&'static str, f64> {
    stage_times.stages().map(|(stage, time)| (stage.name(), time.as_secs_f64())).collect()
}
