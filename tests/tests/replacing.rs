//! Workers that are replaced: by number of jobs, by size, and by a spare worker.

use std::{num::NonZeroU64, sync::Arc};

use end_to_end::{
    Case, gcd_jobs,
    probe::{Barrier, Probe, TIMEOUT, builder, finish, wait_until},
    program, runner,
    workers::{exists, kill_and_wait},
};
use parking_lot::Mutex;
use pool::{
    Executor, JobFuture, ProcessPool,
    metrics::{Observer, PoolEvent, WorkerId},
    settings::ProcessPoolBuilder,
};

#[test]
fn workers_reach_their_quotas_at_different_times() {
    let _case = Case::begin();
    let quota = NonZeroU64::new(800).unwrap();
    let executor = builder(4).max_jobs_per_worker(quota).build().unwrap();
    assert_eq!(executor.map((0..20_000).map(Probe::Double)).filter_map(Result::ok).count(), 20_000);
    finish(&executor);
    let served: Vec<(u32, u64)> =
        executor.worker_stats().iter().map(|worker| (worker.worker.slot, worker.jobs)).collect();
    assert!(served.iter().all(|&(_, jobs)| jobs <= 800), "{served:?}");
    // The last worker of each slot may not reach its quota.
    let most = |slot| served.iter().filter(|served| served.0 == slot).map(|served| served.1).max();
    let mut quotas: Vec<u64> = (0..4).filter_map(most).collect();
    quotas.sort_unstable();
    quotas.dedup();
    assert!(quotas.len() == 4 && quotas[0] >= 700, "{quotas:?} of {served:?}");
}

#[test]
fn command_line_replaces_workers_within_their_quota() {
    let (jobs, expected) = gcd_jobs(5_000);
    let arguments = ["-w", "3", "--max-jobs-per-worker", "100", "--stats=json", "-q"];
    let output = runner(arguments).stdin(jobs).run();
    assert_eq!((output.code(), output.text() == expected), (0, true), "{}", output.stderr);
    let stats = output.stderr.lines().find_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let workers = stats.unwrap()["workers"].as_array().unwrap().clone();
    let jobs: Vec<u64> = workers.iter().map(|worker| worker["jobs"].as_u64().unwrap()).collect();
    assert!(jobs.iter().all(|&jobs| jobs <= 100) && jobs.iter().sum::<u64>() == 5_000, "{jobs:?}");
}

#[test]
fn idle_worker_that_has_become_too_large_is_replaced_before_its_next_job() {
    let _case = Case::begin();
    let executor = builder(1).recycle_rss(150 << 20).build().unwrap();
    let barrier = Barrier::new();
    // The job leaves a process of 200 MB behind, which counts as its worker's.
    let full = barrier.file("full");
    let script = format!(
        "(head -c 200000000 /dev/zero; touch {}; sleep 1000) | tail -c 200000000 >/dev/null &
         while [ ! -e {0} ]; do sleep 0.01; done",
        full.display()
    );
    let jobs = Probe::Then(Box::new(Probe::Shell(script)), Box::new(Probe::Pid));
    let first = executor.submit(jobs).unwrap().result_timeout(TIMEOUT).unwrap();
    wait_until("the idle worker has been replaced or has exited", || !exists(first));
    let second = executor.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap();
    assert_ne!(first, second);
    finish(&executor);
}

/// Records when workers become ready and are sent batches.
#[derive(Default)]
struct Log(Mutex<Vec<(WorkerId, Step)>>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Ready,
    Sent,
}

impl Observer for Log {
    fn on_event(&self, event: &PoolEvent) {
        let step = match event {
            PoolEvent::WorkerReady { worker, .. } => (*worker, Step::Ready),
            PoolEvent::BatchSent { worker, .. } => (*worker, Step::Sent),
            _ => return,
        };
        self.0.lock().push(step);
    }
}

/// Returns a pool of workers that take 100 ms to start.
fn slow(workers: usize, log: &Arc<Log>) -> ProcessPoolBuilder<Probe> {
    let script = format!("sleep 0.1; exec {}", program("probe-worker").display());
    let shell = builder(workers).worker_program("/bin/sh").worker_args(["-c".to_owned(), script]);
    shell.observer(log.clone())
}

/// A pool whose three workers hold a job each, with a spare worker that is ready.
struct Held {
    executor: ProcessPool<Probe>,
    barrier: Barrier,
    jobs: Vec<JobFuture<Probe>>,
    log: Arc<Log>,
}

const SPARE: WorkerId = WorkerId { slot: 3, generation: 0 };

impl Held {
    fn new() -> Held {
        let log = Arc::new(Log::default());
        let quota = NonZeroU64::new(7).unwrap();
        let executor = slow(3, &log).max_jobs_per_worker(quota).build().unwrap();
        let barrier = Barrier::new();
        let jobs = barrier.hold_many(&executor, 3);
        wait_until("the spare worker is ready", || log.0.lock().contains(&(SPARE, Step::Ready)));
        Held { executor, barrier, jobs, log }
    }
}

#[test]
fn spare_worker_replaces_a_crashed_one_before_another_is_started() {
    let _case = Case::begin();
    let Held { executor, barrier, jobs, .. } = &Held::new();
    let waiting = executor.submit(Probe::Pid).unwrap();
    let victim = executor.worker_stats()[1].pid.unwrap();
    kill_and_wait(victim.into());
    let pid = waiting.result_timeout(TIMEOUT).unwrap();
    let stats = executor.worker_stats();
    let spare = stats.iter().find(|worker| worker.worker == SPARE).unwrap();
    assert_eq!(spare.pid.map(u64::from), Some(pid));
    barrier.release();
    jobs.iter().for_each(|job| assert_eq!(job.result_timeout(TIMEOUT).unwrap(), 0));
    finish(executor);
}

#[test]
fn spare_worker_replaces_one_that_has_reached_its_quota() {
    let _case = Case::begin();
    let Held { executor, barrier, jobs, log } = &Held::new();
    barrier.release();
    jobs.iter().for_each(|job| assert_eq!(job.result_timeout(TIMEOUT).unwrap(), 0));
    assert!(!log.0.lock().contains(&(SPARE, Step::Sent)), "it ran a job before it had a place");
    let more = (0..60).map(|_| executor.submit(Probe::Pid).unwrap()).collect::<Vec<_>>();
    more.iter().for_each(|job| assert!(job.result_timeout(TIMEOUT).is_ok()));
    finish(executor);
    let steps = log.0.lock();
    let first = |wanted: (WorkerId, Step)| steps.iter().position(|&step| step == wanted);
    let is_replacement = |&(worker, step): &(WorkerId, Step)| step == Step::Ready && worker.generation > 0;
    let replaced = steps.iter().position(is_replacement).unwrap_or(steps.len());
    assert!(first((SPARE, Step::Sent)).is_some_and(|sent| sent < replaced), "{steps:?}");
    assert!(executor.worker_stats().iter().all(|worker| worker.jobs <= 7));
}

#[test]
fn pool_without_a_spare_worker_has_as_many_processes_as_workers() {
    let _case = Case::begin();
    let log = Arc::new(Log::default());
    let quota = NonZeroU64::new(2).unwrap();
    let executor = slow(3, &log).max_jobs_per_worker(quota).spare_worker(false).build().unwrap();
    assert_eq!(executor.map((0..12).map(Probe::Double)).filter_map(Result::ok).count(), 12);
    finish(&executor);
    assert!(log.0.lock().iter().all(|(worker, _)| worker.slot < 3));
}
