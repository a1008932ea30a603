//! Processor time and stage times of runs on worker processes, on both sides.

use std::ops::{AddAssign, Sub};

use pool::{
    Executor, Job, ProcessPool,
    metrics::{Stage, StageTimes},
};
use sys::clock;

use crate::report::{Side, StageTime};

/// Monotonic counters, or the difference between two readings of them. Times are in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CostSnapshot {
    /// Jobs whose outcomes were received.
    pub jobs: f64,
    /// Batches whose outcomes were received.
    pub batches: f64,
    /// Processor time of this process, all threads.
    pub parent: f64,
    /// Processor time of the workers.
    pub workers: f64,
    /// Processor time of the calling thread.
    caller: f64,
    of_callers: [f64; Stage::COUNT],
    of_threads: [f64; Stage::COUNT],
    of_workers: [f64; Stage::COUNT],
}

impl CostSnapshot {
    /// Reads the counters of a pool. Call it from the thread that submits the jobs, because it includes the
    /// processor time of the calling thread.
    #[must_use]
    pub fn of<J: Job>(pool: &ProcessPool<J>) -> CostSnapshot {
        let (workers, parent) = (pool.worker_stats(), pool.parent_stats());
        let (mut of_workers, mut of_threads) = (StageTimes::default(), StageTimes::default());
        workers.iter().for_each(|worker| of_workers += &worker.stage_times);
        parent.threads.iter().for_each(|lane| of_threads += &lane.stage_times);
        CostSnapshot {
            jobs: workers.iter().map(|worker| worker.jobs as f64).sum(),
            batches: workers.iter().map(|worker| worker.batches as f64).sum(),
            parent: clock::processor_time().as_nanos() as f64,
            workers: workers.iter().map(|worker| worker.cpu_time.as_nanos() as f64).sum(),
            caller: clock::thread_processor_time().as_nanos() as f64,
            of_callers: nanos(&parent.callers),
            of_threads: nanos(&of_threads),
            of_workers: nanos(&of_workers),
        }
    }

    /// Time that the workers spent in a stage, in nanoseconds.
    #[must_use]
    pub fn of_workers(&self, stage: Stage) -> f64 {
        self.of_workers[stage as usize]
    }

    /// Returns the time for a job in each stage, of all threads and workers together, without stages that
    /// only wait.
    pub(crate) fn stages(&self) -> Vec<StageTime> {
        let mut parent = self.of_threads;
        parent.iter_mut().zip(self.of_callers).for_each(|(all, callers)| *all += callers);
        // Time that the caller spent outside the pool: it takes items and handles their outputs.
        let in_the_pool: f64 = self.of_callers.iter().sum();
        parent[Stage::Read as usize] += (self.caller - in_the_pool).max(0.0);
        let of = |side, stage_times: [f64; Stage::COUNT]| {
            Stage::ALL.into_iter().filter(|stage| is_work(*stage)).filter_map(move |stage| {
                let ns = stage_times[stage as usize] / self.jobs.max(1.0);
                (ns > 0.0).then(|| StageTime { stage: stage.name().to_owned(), side, ns })
            })
        };
        of(Side::Parent, parent).chain(of(Side::Worker, self.of_workers)).collect()
    }
}

/// Returns whether a stage does work, instead of waiting for it.
fn is_work(stage: Stage) -> bool {
    !matches!(stage, Stage::Wait | Stage::Poll | Stage::Start | Stage::Exit | Stage::Queue)
}

fn nanos(stage_times: &StageTimes) -> [f64; Stage::COUNT] {
    Stage::ALL.map(|stage| stage_times[stage].as_nanos() as f64)
}

fn each(
    one: [f64; Stage::COUNT],
    other: [f64; Stage::COUNT],
    with: impl Fn(f64, f64) -> f64,
) -> [f64; Stage::COUNT] {
    std::array::from_fn(|stage| with(one[stage], other[stage]))
}

impl CostSnapshot {
    fn with(self, other: CostSnapshot, with: impl Fn(f64, f64) -> f64 + Copy) -> CostSnapshot {
        CostSnapshot {
            jobs: with(self.jobs, other.jobs),
            batches: with(self.batches, other.batches),
            parent: with(self.parent, other.parent),
            workers: with(self.workers, other.workers),
            caller: with(self.caller, other.caller),
            of_callers: each(self.of_callers, other.of_callers, with),
            of_threads: each(self.of_threads, other.of_threads, with),
            of_workers: each(self.of_workers, other.of_workers, with),
        }
    }
}

impl Sub for CostSnapshot {
    type Output = CostSnapshot;

    fn sub(self, earlier: CostSnapshot) -> CostSnapshot {
        self.with(earlier, |now, then| now - then)
    }
}

impl AddAssign for CostSnapshot {
    fn add_assign(&mut self, more: CostSnapshot) {
        *self = self.with(more, |all, more| all + more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_per_job_and_without_waiting() {
        let mut costs = CostSnapshot { jobs: 10.0, caller: 900.0, ..CostSnapshot::default() };
        costs.of_callers[Stage::Encode as usize] = 400.0;
        costs.of_threads[Stage::Wait as usize] = 1e6;
        costs.of_threads[Stage::Merge as usize] = 50.0;
        costs.of_workers[Stage::Run as usize] = 600.0;
        let stages: Vec<_> =
            costs.stages().into_iter().map(|time| (time.stage, time.side, time.ns)).collect();
        let expected = [
            ("take", Side::Parent, 50.0),
            ("encode", Side::Parent, 40.0),
            ("merge", Side::Parent, 5.0),
            ("run", Side::Worker, 60.0),
        ];
        assert!(stages.iter().map(|(stage, side, ns)| (stage.as_str(), *side, *ns)).eq(expected));
        let mut twice = costs;
        twice += costs;
        assert_eq!(twice - costs, costs);
    }
}
