//! Conformance: time limits and forced stops. Each test name starts with the id of its row.

use std::{
    num::NonZeroU64,
    time::{Duration, Instant},
};

use end_to_end::{
    Case,
    blob::{Blob, Bytes},
    block_worker, on_all, on_pools,
    probe::{Barrier, Probe, TIMEOUT, builder, finish, line_count, processes, threads},
    program,
    stateful::{Inspect, Setup},
    workers::{exists, live_pids, suspend},
};
use pool::{
    Executor, JobError, JobFuture, ProcessPool,
    error::TimedOut,
    future::{ReturnWhen, wait},
    settings::{BatchSize, JobOptions, OnWorkerDeath},
};

const SHORT: Duration = Duration::from_millis(50);

fn limit(limit: Duration) -> JobOptions {
    JobOptions::new().time_limit(limit)
}

fn timed_out(job: &JobFuture<Probe>) -> bool {
    matches!(job.result_timeout(TIMEOUT), Err(JobError::TimedOut(_)))
}

fn cancelled(job: &JobFuture<Probe>) -> bool {
    matches!(job.result_timeout(TIMEOUT), Err(JobError::Cancelled))
}

#[test]
fn tmo_01_a_job_past_its_limit_fails_and_its_worker_is_replaced() {
    let _case = Case::begin();
    for policy in [OnWorkerDeath::Replace, OnWorkerDeath::Break] {
        let executor = builder(1).time_limit(SHORT).on_worker_death(policy).build().unwrap();
        let before = executor.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap();
        let barrier = Barrier::new();
        let job = executor.submit(barrier.hold()).unwrap();
        let Err(JobError::TimedOut(details)) = job.result_timeout(TIMEOUT) else { panic!("no timeout") };
        let TimedOut { limit, attempts, .. } = *details;
        assert_eq!((limit, attempts), (SHORT, 1));
        assert_ne!(executor.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap(), before);
        assert!(!exists(before));
        assert_eq!(executor.broken(), None, "the pool itself killed the worker");
        finish(&executor);
    }
}

#[test]
fn tmo_01b_only_slow_jobs_in_a_batch_time_out() {
    let _case = Case::begin();
    for batch in [BatchSize::Auto, BatchSize::Fixed(NonZeroU64::new(6).unwrap())] {
        let executor = builder(2).time_limit(SHORT).batch_size(batch).build().unwrap();
        let barrier = Barrier::new();
        let slow = |n: u64| n % 6 == 2;
        let jobs: Vec<_> = (0..24)
            .map(|n| executor.submit(if slow(n) { barrier.hold() } else { Probe::Double(n) }).unwrap())
            .collect();
        for (n, job) in (0..).zip(&jobs) {
            if slow(n) {
                assert!(timed_out(job));
            } else {
                assert_eq!(job.result_timeout(TIMEOUT).unwrap(), 2 * n);
            }
        }
        finish(&executor);
    }
}

#[test]
fn tmo_02_a_job_that_blocks_sigterm_is_killed() {
    let _case = Case::begin();
    let executor = builder(1).grace_period(SHORT).build().unwrap();
    let barrier = Barrier::new();
    let defiant = Probe::Then(Box::new(Probe::BlockSigterm), Box::new(barrier.hold()));
    let job = executor.submit_with(defiant, limit(SHORT)).unwrap();
    assert!(timed_out(&job));
    assert_eq!(line_count(&barrier.file("started")), 1);
    assert_eq!(executor.submit(Probe::Double(1)).unwrap().result_timeout(TIMEOUT).unwrap(), 2);
    finish(&executor);
}

#[test]
fn tmo_03_in_a_map_the_limit_counts_from_each_jobs_start() {
    let _case = Case::begin();
    for batch in [BatchSize::Auto, BatchSize::Fixed(NonZeroU64::new(8).unwrap())] {
        let executor = builder(1).batch_size(batch).build().unwrap();
        let barrier = Barrier::new();
        // The last jobs wait for much longer than the limit.
        let jobs = (0..8).map(|n| if n % 3 == 1 { barrier.hold() } else { Probe::Double(n) });
        let mut outputs = executor.map(jobs).options(JobOptions::new().time_limit(SHORT));
        for n in 0..8 {
            match outputs.next().unwrap() {
                Err(JobError::TimedOut(_)) => assert_eq!(n % 3, 1),
                output => assert_eq!(output.unwrap(), 2 * n),
            }
        }
        assert!(outputs.next().is_none());
        drop(outputs);
        finish(&executor);
    }
}

#[test]
fn tmo_05_idle_workers_do_not_time_out() {
    let _case = Case::begin();
    let executor = builder(2).time_limit(SHORT).build().unwrap();
    let idle = executor.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap();
    let barrier = Barrier::new();
    // Two jobs at a time start two workers; one of them is idle while the other is slow.
    let slow = executor.submit_with(barrier.hold(), limit(6 * SHORT)).unwrap();
    barrier.wait_for_held(1);
    let other = executor.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap();
    assert!(timed_out(&slow), "six times the default limit have passed");
    assert!(exists(other));
    let after = executor.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap();
    assert!(after == other || after == idle, "a new worker was started");
    finish(&executor);
}

#[test]
fn tmo_05b_the_initializer_does_not_count() {
    let _case = Case::begin();
    let setup = Setup { start_delay: 4 * SHORT, ..Setup::default() };
    let building = ProcessPool::builder_with(setup).workers(1).worker_program(program("probe-worker"));
    let executor = building.time_limit(SHORT).build().unwrap();
    assert_eq!(executor.submit(Inspect::State).unwrap().result_timeout(TIMEOUT).unwrap().jobs, 1);
    finish(&executor);
}

#[test]
fn tmo_05c_zero_and_maximum_limits_work() {
    let _case = Case::begin();
    let executor = processes(1);
    let barrier = Barrier::new();
    assert!(timed_out(&executor.submit_with(barrier.hold(), limit(Duration::ZERO)).unwrap()));
    let job = executor.submit_with(Probe::Double(3), limit(Duration::MAX)).unwrap();
    assert_eq!(job.result_timeout(TIMEOUT).unwrap(), 6);
    finish(&executor);
    // A thread cannot be killed, so time limits are not supported.
    let executor = threads(1);
    let job = executor.submit_with(Probe::Double(3), limit(TIMEOUT)).unwrap();
    assert!(matches!(job.result_timeout(TIMEOUT), Err(JobError::Unsupported(_))));
    finish(&executor);
}

#[test]
fn force_01_a_stop_waits_neither_for_queued_nor_for_endless_jobs() {
    let _case = Case::begin();
    for policy in [OnWorkerDeath::Replace, OnWorkerDeath::Break] {
        let executor = builder(2).on_worker_death(policy).build().unwrap();
        let barrier = Barrier::new();
        let jobs: Vec<_> = (0..102).map(|_| executor.submit(barrier.hold()).unwrap()).collect();
        barrier.wait_for_held(2);
        let start = Instant::now();
        executor.stop(Duration::ZERO);
        finish(&executor);
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        assert!(jobs.iter().all(cancelled));
        assert_eq!(executor.broken(), None);
        let fresh = processes(1);
        assert_eq!(fresh.submit(Probe::Double(2)).unwrap().result_timeout(TIMEOUT).unwrap(), 4);
        finish(&fresh);
    }
}

#[test]
fn force_02_no_waiter_of_a_stopped_executor_hangs() {
    let _case = Case::begin();
    on_pools!(2, |executor| {
        let barrier = Barrier::new();
        let jobs: Vec<_> = (0..20).map(|_| executor.submit(barrier.hold()).unwrap()).collect();
        barrier.wait_for_held(2);
        executor.stop(Duration::ZERO);
        // A thread continues until its job ends.
        barrier.release();
        let waited = wait(jobs.clone(), TIMEOUT, ReturnWhen::AllCompleted);
        assert!(waited.not_done.is_empty());
        let stopped = jobs.iter().filter(|job| job.is_cancelled()).count();
        assert!(stopped >= 18, "{stopped}");
        executor.stop(Duration::ZERO);
    });
    on_all!(|executor| {
        let job = executor.submit(Probe::Double(1)).unwrap();
        executor.stop(TIMEOUT);
        executor.stop(Duration::ZERO);
        assert!(wait([job], TIMEOUT, ReturnWhen::AllCompleted).not_done.is_empty());
        assert!(executor.submit(Probe::Double(1)).is_err());
    });
}

#[test]
fn force_03_a_stop_during_very_large_jobs_is_prompt() {
    let _case = Case::begin();
    let executor = builder::<Blob>(1).build().unwrap();
    let worker = executor.submit(Blob::Make(0)).unwrap().join_timeout(TIMEOUT).unwrap().0;
    // The worker stops reading, so the first job stays partly written.
    suspend(worker);
    let jobs: Vec<_> =
        (0..4).map(|_| executor.submit(Blob::Discard(Bytes::new(20 << 20))).unwrap()).collect();
    let start = Instant::now();
    let could_be: Vec<bool> = jobs.iter().map(|job| job.cancel()).collect();
    assert!(!could_be[0] && could_be[3], "the first is being sent, the last is not");
    executor.stop(Duration::ZERO);
    for job in &jobs {
        assert!(matches!(job.join_timeout(TIMEOUT), Err(JobError::Cancelled)));
    }
    finish(&executor);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(live_pids(&executor).is_empty());
}

#[test]
fn force_01b_running_jobs_complete_in_the_grace_period() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, held);
        let waiting = executor.submit(Probe::Mark(barrier.file("ran"))).unwrap();
        executor.stop(TIMEOUT);
        assert!(cancelled(&waiting));
        barrier.release();
        assert_eq!(held.result_timeout(TIMEOUT).unwrap(), 0);
        executor.join();
        assert_eq!(line_count(&barrier.file("ran")), 0);
    });
}
