//! Where the time of a run went: the time of each thread and worker by stage, and for a job.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use pool::{ParentStats, Stage, StageTimes, ThreadStats, WorkerStats};
use serde::Serialize;

use crate::{thread_timers::ThreadTimers, units::format_ns};

/// What the threads of this process did.
#[derive(Debug, Default)]
pub(crate) struct ParentTimes {
    lanes: Vec<ThreadStats>,
    queued: Duration,
}

impl ParentTimes {
    /// The executor's threads, and those that bring jobs and take records away.
    pub(crate) fn new(executor: ParentStats, command: &ThreadTimers) -> ParentTimes {
        let ParentStats { mut lanes, callers, queued } = executor;
        if let Some(mut intake) = command.reader.stats() {
            // Nobody else calls the executor.
            callers.stages().for_each(|(stage, time)| intake.stage_times.shift(Stage::Take, stage, time));
            lanes.push(intake);
        }
        lanes.extend(command.other_stats());
        ParentTimes { lanes, queued }
    }
}

/// What `--stats=json` says of where the time went.
#[derive(Debug, Serialize)]
pub(crate) struct TimeAccounting {
    /// Seconds that the workers spent, all together, by stage.
    workers_s: BTreeMap<&'static str, f64>,
    /// Seconds that the threads of the parent spent, all together, by stage.
    parent_s: BTreeMap<&'static str, f64>,
    /// Each thread of the parent.
    threads: Vec<Thread>,
    /// Seconds that jobs waited for a worker, all of them together.
    queued_s: f64,
    #[serde(skip)]
    workers: StageTimes,
    #[serde(skip)]
    parent: StageTimes,
}

#[derive(Debug, Serialize)]
struct Thread {
    name: String,
    life_s: f64,
    stages_s: BTreeMap<&'static str, f64>,
}

impl TimeAccounting {
    pub(crate) fn new(workers: &[WorkerStats], parent: &ParentTimes) -> TimeAccounting {
        let (mut of_workers, mut of_parent) = (StageTimes::default(), StageTimes::default());
        workers.iter().for_each(|worker| of_workers += &worker.stage_times);
        parent.lanes.iter().for_each(|lane| of_parent += &lane.stage_times);
        let threads = parent.lanes.iter().map(|lane| Thread {
            name: lane.name.clone(),
            life_s: lane.life.as_secs_f64(),
            stages_s: seconds(&lane.stage_times),
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

    /// A table of the stages, those of the parent beside those of the workers.
    pub(crate) fn table(&self, jobs: u64) -> String {
        let mut text = format!(
            "{:<15} {:>11} {:>6} {:>12}   {:>11} {:>6} {:>12}\n",
            "stage", "parent s", "", "a job", "workers s", "", "a job"
        );
        for stage in Stage::ALL.into_iter().filter(|&stage| self.is_known(stage)) {
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
        let _ = writeln!(text, "a job waited {} for a worker", format_ns(waited * 1e9));
        text
    }

    fn is_known(&self, stage: Stage) -> bool {
        !(self.parent[stage] + self.workers[stage]).is_zero()
    }
}

/// Seconds, share of all, and time for a job; nothing where nothing was spent.
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
