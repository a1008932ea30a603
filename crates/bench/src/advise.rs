//! Advice on the executor for jobs, from a sample of them.

use crate::{
    model::{FittedCosts, Sample},
    report::ExecutorName,
};

/// Measurements of a sample of jobs. Times are in nanoseconds, for a job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleStats {
    /// Number of jobs that were run.
    pub jobs: u64,
    /// True if the sample is all jobs.
    pub all: bool,
    /// Run time of a job.
    pub run_ns: f64,
    /// Processor time of a job.
    pub processor_ns: f64,
    /// Cost of a job in the parent, when it runs on a worker process.
    pub parent_ns: f64,
    /// Cost of a job in the worker process, in addition to running it.
    pub worker_ns: f64,
    /// Cost of running a job on a thread of a pool.
    pub thread_ns: f64,
    /// Start time of a worker process.
    pub start_ns: f64,
}

/// Recommended executor and the speedup to expect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Advice {
    /// The executor.
    pub executor: ExecutorName,
    /// Number of workers.
    pub workers: usize,
    /// Expected speedup over the serial executor.
    pub speedup: f64,
    /// The reason.
    pub reason: Reason,
}

/// The reason for an advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A job takes much longer than sending it.
    WorthSending,
    /// A job takes less than sending it.
    TooShort,
    /// All jobs together take less than starting a worker.
    TooFew,
    /// There is only one job.
    OnlyOne,
    /// Jobs wait most of the time and need no core for that.
    Waiting,
    /// A job is long enough for a thread, but its payload is too large to send.
    LargePayload,
}

/// Share of processor time in the run time below which a job counts as waiting.
const WAITING_CPU_SHARE: f64 = 0.2;

/// Largest number of workers that is recommended for jobs that wait.
const MAX_WAITING_WORKERS: f64 = 64.0;

/// Smallest speedup for which workers are recommended.
const MIN_SPEEDUP: f64 = 1.1;

/// Recommends an executor for jobs like those of the sample; jobs that compute get at most `workers` workers.
///
/// ```
/// use bench::{SampleStats, advise, report::ExecutorName};
///
/// let jobs = SampleStats {
///     jobs: 100, all: false, run_ns: 1e7, processor_ns: 1e7, parent_ns: 2e4, worker_ns: 1e4,
///     thread_ns: 300.0, start_ns: 3e6,
/// };
/// let advice = advise(&jobs, 4, 4);
/// assert_eq!((advice.executor, advice.workers), (ExecutorName::Processes, 4));
/// assert!(advice.speedup > 3.9);
/// ```
#[must_use]
pub fn advise(sampled: &SampleStats, workers: usize, cores: usize) -> Advice {
    let serial = |reason| Advice { executor: ExecutorName::Serial, workers: 1, speedup: 1.0, reason };
    if sampled.all && sampled.jobs == 1 {
        return serial(Reason::OnlyOne);
    }
    let all_ns = sampled.run_ns * sampled.jobs as f64;
    if sampled.all && all_ns < sampled.start_ns {
        return serial(Reason::TooFew);
    }
    if sampled.processor_ns < WAITING_CPU_SHARE * sampled.run_ns && sampled.run_ns > 10.0 * sampled.parent_ns
    {
        return waiting(sampled);
    }
    let processes = costs(sampled, cores).map_or(0.0, |costs| costs.speedup(sampled.run_ns, workers));
    let threads = by_threads(sampled, workers, cores);
    // Processes are preferred to threads with up to 10 % more speed, because they isolate jobs from each
    // other.
    if processes >= MIN_SPEEDUP && processes >= 0.9 * threads {
        return Advice {
            executor: ExecutorName::Processes,
            workers,
            speedup: processes,
            reason: Reason::WorthSending,
        };
    }
    if threads >= MIN_SPEEDUP {
        return Advice {
            executor: ExecutorName::Threads,
            workers,
            speedup: threads,
            reason: Reason::LargePayload,
        };
    }
    serial(Reason::TooShort)
}

/// Recommends as many workers as keep one core busy, and no more than there are jobs.
fn waiting(sampled: &SampleStats) -> Advice {
    let busy = (sampled.processor_ns + sampled.parent_ns).max(1.0);
    let most = if sampled.all { sampled.jobs as f64 } else { MAX_WAITING_WORKERS };
    let workers = (sampled.run_ns / busy).min(most).clamp(1.0, MAX_WAITING_WORKERS);
    Advice {
        executor: ExecutorName::Processes,
        workers: workers as usize,
        speedup: workers.floor(),
        reason: Reason::Waiting,
    }
}

fn costs(sampled: &SampleStats, cores: usize) -> Option<FittedCosts> {
    let sample = Sample {
        grain_ns: sampled.run_ns,
        jobs_in_batch: 1.0,
        parent_ns: sampled.parent_ns,
        worker_ns: sampled.worker_ns,
        idle_ns: 0.0,
    };
    FittedCosts::fit(&[sample], cores)
}

fn by_threads(sampled: &SampleStats, workers: usize, cores: usize) -> f64 {
    let time = sampled.run_ns + sampled.thread_ns;
    sampled.run_ns / (time / workers.min(cores) as f64).max(sampled.thread_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOBS: SampleStats = SampleStats {
        jobs: 1000,
        all: false,
        run_ns: 1e6,
        processor_ns: 1e6,
        parent_ns: 2e4,
        worker_ns: 1e4,
        thread_ns: 300.0,
        start_ns: 3e6,
    };

    #[test]
    fn the_advice_depends_on_run_time_and_costs() {
        let advice = |jobs: SampleStats| {
            let advice = advise(&jobs, 2, 2);
            (advice.executor, advice.reason)
        };
        assert_eq!(advice(JOBS), (ExecutorName::Processes, Reason::WorthSending));
        let tiny = SampleStats { run_ns: 50.0, processor_ns: 50.0, parent_ns: 90.0, worker_ns: 20.0, ..JOBS };
        assert_eq!(advice(tiny), (ExecutorName::Serial, Reason::TooShort));
        let heavy = SampleStats { parent_ns: 2e6, worker_ns: 2e6, ..JOBS };
        assert_eq!(advice(heavy), (ExecutorName::Threads, Reason::LargePayload));
        let one = SampleStats { jobs: 1, all: true, ..JOBS };
        assert_eq!(advice(one), (ExecutorName::Serial, Reason::OnlyOne));
        let few = SampleStats { jobs: 2, all: true, ..JOBS };
        assert_eq!(advice(few), (ExecutorName::Serial, Reason::TooFew));
    }

    #[test]
    fn waiting_jobs_get_more_workers_than_cores() {
        let naps = SampleStats { run_ns: 1e8, processor_ns: 1e4, ..JOBS };
        let found = advise(&naps, 2, 2);
        assert_eq!((found.workers, found.reason), (64, Reason::Waiting));
        assert_eq!(advise(&SampleStats { jobs: 5, all: true, ..naps }, 2, 2).workers, 5);
    }
}
