//! Conformance: workers that are replaced after a number of jobs. Each test name starts with the id of its
//! row.

use std::{fs, num::NonZeroU64, time::Duration};

use end_to_end::{
    Case, copy_program,
    probe::{Barrier, Probe, ProbeError, TIMEOUT, builder, finish, wait_until},
    workers::{exists, live_pids},
};
use pool::{
    Executor, JobError, JobFuture, ProcessPool,
    settings::{BatchSize, OnWorkerDeath, ProcessPoolBuilder},
};

fn quota(workers: usize, jobs: u64) -> ProcessPoolBuilder<Probe> {
    // The type excludes zero. On a busy machine starts may be so slow that a spare worker is kept.
    builder(workers).max_jobs_per_worker(NonZeroU64::new(jobs).unwrap()).spare_worker(false)
}

fn submit(executor: &ProcessPool<Probe>, jobs: usize) -> Vec<JobFuture<Probe>> {
    (0..jobs).map(|_| executor.submit(Probe::Pid).unwrap()).collect()
}

fn pids(jobs: &[JobFuture<Probe>]) -> Vec<u64> {
    jobs.iter().map(|job| job.result_timeout(TIMEOUT).unwrap()).collect()
}

/// Returns the lengths of runs of equal process ids.
fn runs(pids: &[u64]) -> Vec<usize> {
    pids.chunk_by(|one, other| one == other).map(<[u64]>::len).collect()
}

#[test]
fn mtc_01_a_worker_serves_exactly_its_quota() {
    let _case = Case::begin();
    let executor = quota(1, 3).build().unwrap();
    let mut served = Vec::new();
    for _ in 0..9 {
        served.push(executor.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap());
        assert!(live_pids(&executor).len() <= 1, "a replacement started before its predecessor exited");
    }
    assert_eq!(runs(&served), [3, 3, 3]);
    wait_until("the last worker is reaped", || !exists(served[8]));
    finish(&executor);
}

#[test]
fn mtc_01b_the_quota_counts_jobs_not_batches() {
    let _case = Case::begin();
    for batch in [
        BatchSize::Auto,
        BatchSize::Fixed(NonZeroU64::new(1).unwrap()),
        BatchSize::Fixed(NonZeroU64::new(10).unwrap()),
    ] {
        let executor = quota(1, 4).batch_size(batch).build().unwrap();
        let jobs = submit(&executor, 18);
        assert_eq!(runs(&pids(&jobs)), [4, 4, 4, 4, 2], "{batch:?}");
        finish(&executor);
    }
}

#[test]
fn mtc_02_a_backlog_larger_than_all_quotas_is_served() {
    let _case = Case::begin();
    let executor = quota(2, 2).build().unwrap();
    let jobs = submit(&executor, 30);
    let mut served = pids(&jobs);
    served.sort_unstable();
    assert!(runs(&served).iter().all(|&count| count <= 2), "{served:?}");
    finish(&executor);
}

#[test]
fn mtc_03a_a_waiting_shutdown_runs_everything_through_replacements() {
    let _case = Case::begin();
    let executor = quota(1, 2).build().unwrap();
    let jobs = submit(&executor, 9);
    executor.join();
    assert!(jobs.iter().all(|job| job.is_done()));
    assert_eq!(runs(&pids(&jobs)), [2, 2, 2, 2, 1]);
    finish(&executor);
}

#[test]
fn mtc_03b_a_shutdown_that_does_not_wait_runs_everything_too() {
    let _case = Case::begin();
    for workers in [1, 3] {
        let executor = quota(workers, 2).build().unwrap();
        let jobs = submit(&executor, 9);
        executor.close();
        assert_eq!(pids(&jobs).len(), 9);
        finish(&executor);
    }
}

#[test]
fn mtc_04_a_dropped_pool_still_replaces_workers() {
    let _case = Case::begin();
    let executor = quota(1, 1).build().unwrap();
    let barrier = Barrier::new();
    let held = executor.submit(barrier.hold()).unwrap();
    let jobs = submit(&executor, 4);
    barrier.wait_for_held(1);
    // The only worker runs its last job, and only the pool's own threads can start another one.
    drop(executor);
    barrier.release();
    assert_eq!(held.result_timeout(TIMEOUT).unwrap(), 0);
    assert_eq!(runs(&pids(&jobs)), [1, 1, 1, 1]);
}

#[test]
fn mtc_05_a_replacement_that_cannot_be_started_breaks_the_pool_with_the_reason() {
    let _case = Case::begin();
    for policy in [OnWorkerDeath::Replace, OnWorkerDeath::Break] {
        let barrier = Barrier::new();
        let file = barrier.file("worker");
        copy_program("probe-worker", &file);
        let executor = quota(1, 1).worker_program(&file).on_worker_death(policy).build().unwrap();
        let held = executor.submit(barrier.hold()).unwrap();
        let jobs = submit(&executor, 3);
        barrier.wait_for_held(1);
        fs::remove_file(&file).unwrap();
        barrier.release();
        assert_eq!(held.result_timeout(TIMEOUT).unwrap(), 0);
        for job in &jobs {
            let Err(JobError::Broken(cause)) = job.result_timeout(TIMEOUT) else { panic!("not abandoned") };
            assert!(cause.contains("cannot start") && cause.contains("No such file"), "{cause}");
            assert_eq!(executor.broken(), Some(cause));
        }
        finish(&executor);
    }
}

#[test]
fn mtc_06_a_stopped_pool_replaces_no_worker() {
    let _case = Case::begin();
    let executor = quota(1, 1).build().unwrap();
    let barrier = Barrier::new();
    let held = executor.submit(barrier.hold()).unwrap();
    let jobs = submit(&executor, 5);
    barrier.wait_for_held(1);
    executor.stop(TIMEOUT);
    barrier.release();
    assert_eq!(held.result_timeout(TIMEOUT).unwrap(), 0);
    for job in &jobs {
        assert!(matches!(job.result_timeout(TIMEOUT), Err(JobError::Cancelled)));
    }
    finish(&executor);
    assert_eq!(executor.worker_stats().len(), 1);
}

#[test]
fn mtc_06b_a_stop_during_replacements_resolves_all_jobs() {
    let _case = Case::begin();
    for workers in [1, 3] {
        let executor = quota(workers, 1).build().unwrap();
        let jobs = submit(&executor, 200);
        jobs[5].result_timeout(TIMEOUT).unwrap();
        executor.stop(Duration::ZERO);
        finish(&executor);
        let ended = jobs.iter().filter(|job| job.is_done()).count();
        assert_eq!(ended, 200);
        let good = jobs.iter().filter(|job| job.result_timeout(TIMEOUT).is_ok()).count();
        // All jobs before the sixth, except for those that the other workers were still running.
        assert!((7 - workers..200).contains(&good), "{good} succeeded");
    }
}

#[test]
fn mtc_07_a_job_that_fails_at_the_quota_and_a_shutdown() {
    let _case = Case::begin();
    let probe_error = ProbeError { code: 7, message: "on purpose".into() };
    for (workers, count) in [(1, 3), (4, 2)] {
        for policy in [OnWorkerDeath::Replace, OnWorkerDeath::Break] {
            let executor = quota(workers, 1).on_worker_death(policy).build().unwrap();
            let bad = executor.submit(Probe::Fail(probe_error.clone())).unwrap();
            let others = submit(&executor, count - 1);
            executor.close();
            assert!(matches!(bad.error_timeout(TIMEOUT), Ok(Some(JobError::Failed(e))) if e == probe_error));
            assert_eq!(pids(&others).len(), count - 1);
            finish(&executor);
            assert_eq!(executor.broken(), None, "an exit at the quota is not a death");
        }
    }
}
