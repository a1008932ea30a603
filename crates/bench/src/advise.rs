//! What to run jobs on, from a sample of them.

use crate::{
    model::{Costs, Sample},
    report::ExecutorName,
};

/// What a sample of jobs has shown. Times are in nanoseconds, for a job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampled {
    /// How many jobs were run.
    pub jobs: u64,
    /// Whether these are all that there are.
    pub all: bool,
    /// How long a job runs.
    pub run_ns: f64,
    /// How much of that it uses a processor.
    pub processor_ns: f64,
    /// What it costs this process to have a job run by a worker process.
    pub parent_ns: f64,
    /// What it costs the worker beside the job.
    pub worker_ns: f64,
    /// What it costs to have a job run by a thread.
    pub thread_ns: f64,
    /// How long a worker process takes to start.
    pub start_ns: f64,
}

/// What to do, and what to expect of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Advice {
    /// On what.
    pub executor: ExecutorName,
    /// On how many.
    pub workers: usize,
    /// How many times faster than one job after the other.
    pub speedup: f64,
    /// Why.
    pub why: Why,
}

/// Why something is advised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A job is worth sending.
    WorthSending,
    /// Sending a job costs more than running it.
    TooShort,
    /// All jobs together take less than starting workers.
    TooFew,
    /// There is nothing to run beside it.
    OnlyOne,
    /// Jobs mostly wait, and need no core for that.
    Waiting,
    /// A job is worth a thread, and carries too much to be worth sending.
    CarriesMuch,
}

/// Jobs that use a processor less than this part of their time wait.
const WAITING: f64 = 0.2;

/// The most workers that are advised for jobs that wait.
const MANY: f64 = 64.0;

/// A gain has to be worth the trouble.
const WORTH: f64 = 1.1;

/// What to run such jobs on, with at most so many workers for jobs that compute.
///
/// ```
/// use bench::{Sampled, advise, report::ExecutorName};
///
/// let jobs = Sampled {
///     jobs: 100, all: false, run_ns: 1e7, processor_ns: 1e7, parent_ns: 2e4, worker_ns: 1e4, thread_ns: 300.0, start_ns: 3e6,
/// };
/// let advice = advise(&jobs, 4, 4);
/// assert_eq!((advice.executor, advice.workers), (ExecutorName::Processes, 4));
/// assert!(advice.speedup > 3.9);
/// ```
#[must_use]
pub fn advise(sampled: &Sampled, workers: usize, cores: usize) -> Advice {
    let serial = |why| Advice { executor: ExecutorName::Serial, workers: 1, speedup: 1.0, why };
    if sampled.all && sampled.jobs == 1 {
        return serial(Why::OnlyOne);
    }
    let all_ns = sampled.run_ns * sampled.jobs as f64;
    if sampled.all && all_ns < sampled.start_ns {
        return serial(Why::TooFew);
    }
    if sampled.processor_ns < WAITING * sampled.run_ns && sampled.run_ns > 10.0 * sampled.parent_ns {
        return waiting(sampled);
    }
    let processes = costs(sampled, cores).map_or(0.0, |costs| costs.speedup(sampled.run_ns, workers));
    let threads = by_threads(sampled, workers, cores);
    // Processes isolate jobs from each other, which is worth a little.
    if processes >= WORTH && processes >= 0.9 * threads {
        return Advice {
            executor: ExecutorName::Processes,
            workers,
            speedup: processes,
            why: Why::WorthSending,
        };
    }
    if threads >= WORTH {
        return Advice { executor: ExecutorName::Threads, workers, speedup: threads, why: Why::CarriesMuch };
    }
    serial(Why::TooShort)
}

/// As many at a time as fit into a core's time, and no more than there are jobs.
fn waiting(sampled: &Sampled) -> Advice {
    let busy = (sampled.processor_ns + sampled.parent_ns).max(1.0);
    let most = if sampled.all { sampled.jobs as f64 } else { MANY };
    let workers = (sampled.run_ns / busy).min(most).clamp(1.0, MANY);
    Advice {
        executor: ExecutorName::Processes,
        workers: workers as usize,
        speedup: workers.floor(),
        why: Why::Waiting,
    }
}

fn costs(sampled: &Sampled, cores: usize) -> Option<Costs> {
    let sample = Sample {
        grain_ns: sampled.run_ns,
        jobs_in_batch: 1.0,
        parent_ns: sampled.parent_ns,
        worker_ns: sampled.worker_ns,
        idle_ns: 0.0,
    };
    Costs::fit(&[sample], cores)
}

fn by_threads(sampled: &Sampled, workers: usize, cores: usize) -> f64 {
    let time = sampled.run_ns + sampled.thread_ns;
    sampled.run_ns / (time / workers.min(cores) as f64).max(sampled.thread_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOBS: Sampled = Sampled {
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
    fn the_advice_goes_by_what_a_job_takes_and_costs() {
        let advice = |jobs: Sampled| {
            let advice = advise(&jobs, 2, 2);
            (advice.executor, advice.why)
        };
        assert_eq!(advice(JOBS), (ExecutorName::Processes, Why::WorthSending));
        let tiny = Sampled { run_ns: 50.0, processor_ns: 50.0, parent_ns: 90.0, worker_ns: 20.0, ..JOBS };
        assert_eq!(advice(tiny), (ExecutorName::Serial, Why::TooShort));
        let heavy = Sampled { parent_ns: 2e6, worker_ns: 2e6, ..JOBS };
        assert_eq!(advice(heavy), (ExecutorName::Threads, Why::CarriesMuch));
        let one = Sampled { jobs: 1, all: true, ..JOBS };
        assert_eq!(advice(one), (ExecutorName::Serial, Why::OnlyOne));
        let few = Sampled { jobs: 2, all: true, ..JOBS };
        assert_eq!(advice(few), (ExecutorName::Serial, Why::TooFew));
    }

    #[test]
    fn jobs_that_wait_need_no_cores() {
        let naps = Sampled { run_ns: 1e8, processor_ns: 1e4, ..JOBS };
        let found = advise(&naps, 2, 2);
        assert_eq!((found.workers, found.why), (64, Why::Waiting));
        assert_eq!(advise(&Sampled { jobs: 5, all: true, ..naps }, 2, 2).workers, 5);
    }
}
