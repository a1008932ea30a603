//! Conformance: time limits, and stops that do not wait. Each test carries its row's id.

#![allow(clippy::unwrap_used)]

use std::{
    num::NonZeroU64,
    time::{Duration, Instant},
};

use end_to_end::{
    Case,
    blob::{Blob, Bytes},
    held, on_all, on_pools,
    probe::{LIMIT, Probe, Stage, builder, finish, marks, processes, threads},
    program,
    stateful::{Look, Setup},
    workers::{exists, freeze, living},
};
use pool::{
    BatchSize, Executor, JobError, JobFuture, JobOptions, OnWorkerDeath, ProcessPool, ResultError,
    ReturnWhen, wait,
};

const SHORT: Duration = Duration::from_millis(50);

fn limit(limit: Duration) -> JobOptions {
    JobOptions { time_limit: Some(limit) }
}

fn timed_out(job: &JobFuture<Probe>) -> bool {
    matches!(job.result(LIMIT), Err(ResultError::Failed(JobError::TimedOut { .. })))
}

fn cancelled(job: &JobFuture<Probe>) -> bool {
    matches!(job.result(LIMIT), Err(ResultError::Failed(JobError::Cancelled)))
}

#[test]
fn tmo_01_a_job_past_its_limit_is_told_and_its_worker_replaced() {
    let _case = Case::begin();
    for policy in [OnWorkerDeath::Heal, OnWorkerDeath::Break] {
        let executor = builder(1).time_limit(SHORT).on_worker_death(policy).build().unwrap();
        let before = executor.submit(Probe::Pid).unwrap().result(LIMIT).unwrap();
        let stage = Stage::new();
        let job = executor.submit(stage.hold()).unwrap();
        let Err(ResultError::Failed(JobError::TimedOut { limit, attempts, .. })) = job.result(LIMIT) else {
            panic!("no timeout")
        };
        assert_eq!((limit, attempts), (SHORT, 1));
        assert_ne!(executor.submit(Probe::Pid).unwrap().result(LIMIT).unwrap(), before);
        assert!(!exists(before));
        assert_eq!(executor.broken(), None, "it was the pool that ended it");
        finish(&executor);
    }
}

#[test]
fn tmo_01b_only_the_slow_ones_among_fast_ones_expire() {
    let _case = Case::begin();
    for batch in [BatchSize::Auto, BatchSize::Fixed(NonZeroU64::new(6).unwrap())] {
        let executor = builder(2).time_limit(SHORT).batch_size(batch).build().unwrap();
        let stage = Stage::new();
        let slow = |n: u64| n % 6 == 2;
        let jobs: Vec<_> = (0..24)
            .map(|n| executor.submit(if slow(n) { stage.hold() } else { Probe::Double(n) }).unwrap())
            .collect();
        for (n, job) in (0..).zip(&jobs) {
            if slow(n) {
                assert!(timed_out(job));
            } else {
                assert_eq!(job.result(LIMIT).unwrap(), 2 * n);
            }
        }
        finish(&executor);
    }
}

#[test]
fn tmo_02_a_job_that_defies_the_polite_signal_is_ended_after_all() {
    let _case = Case::begin();
    let executor = builder(1).grace_period(SHORT).build().unwrap();
    let stage = Stage::new();
    let defiant = Probe::Then(Box::new(Probe::Defy), Box::new(stage.hold()));
    let job = executor.submit_with(defiant, limit(SHORT)).unwrap();
    assert!(timed_out(&job));
    assert_eq!(marks(&stage.file("started")), 1);
    assert_eq!(executor.submit(Probe::Double(1)).unwrap().result(LIMIT).unwrap(), 2);
    finish(&executor);
}

#[test]
fn tmo_03_in_a_map_the_limit_counts_from_each_jobs_start() {
    let _case = Case::begin();
    for batch in [BatchSize::Auto, BatchSize::Fixed(NonZeroU64::new(8).unwrap())] {
        let executor = builder(1).batch_size(batch).build().unwrap();
        let stage = Stage::new();
        // The last ones wait for much longer than the limit.
        let jobs = (0..8).map(|n| if n % 3 == 1 { stage.hold() } else { Probe::Double(n) });
        let mut outputs = executor.map(jobs).time_limit(SHORT).into_iter();
        for n in 0..8 {
            match outputs.next().unwrap() {
                Err(ResultError::Failed(JobError::TimedOut { .. })) => assert_eq!(n % 3, 1),
                output => assert_eq!(output.unwrap(), 2 * n),
            }
        }
        assert!(outputs.next().is_none());
        drop(outputs);
        finish(&executor);
    }
}

#[test]
fn tmo_05_idle_workers_do_not_expire() {
    let _case = Case::begin();
    let executor = builder(2).time_limit(SHORT).build().unwrap();
    let idle = executor.submit(Probe::Pid).unwrap().result(LIMIT).unwrap();
    let stage = Stage::new();
    // Two jobs at a time, so that there are two workers; one of them idles while the other is slow.
    let slow = executor.submit_with(stage.hold(), limit(6 * SHORT)).unwrap();
    stage.until_held(1);
    let other = executor.submit(Probe::Pid).unwrap().result(LIMIT).unwrap();
    assert!(timed_out(&slow), "six limits have passed meanwhile");
    assert!(exists(other));
    let after = executor.submit(Probe::Pid).unwrap().result(LIMIT).unwrap();
    assert!(after == other || after == idle, "no new worker was needed");
    finish(&executor);
}

#[test]
fn tmo_05b_the_making_of_a_workers_state_does_not_count() {
    let _case = Case::begin();
    let setup = Setup { takes: 4 * SHORT, ..Setup::default() };
    let building = ProcessPool::builder_with(setup).workers(1).worker_program(program("probe-worker"));
    let executor = building.time_limit(SHORT).build().unwrap();
    assert_eq!(executor.submit(Look::Around).unwrap().result(LIMIT).unwrap().jobs, 1);
    finish(&executor);
}

#[test]
fn tmo_05c_no_time_at_all_and_all_the_time_there_is() {
    let _case = Case::begin();
    let executor = processes(1);
    let stage = Stage::new();
    assert!(timed_out(&executor.submit_with(stage.hold(), limit(Duration::ZERO)).unwrap()));
    let job = executor.submit_with(Probe::Double(3), limit(Duration::MAX)).unwrap();
    assert_eq!(job.result(LIMIT).unwrap(), 6);
    finish(&executor);
    // Nothing can end a thread, and nothing is promised.
    let executor = threads(1);
    let job = executor.submit_with(Probe::Double(3), limit(LIMIT)).unwrap();
    assert!(matches!(job.result(LIMIT), Err(ResultError::Failed(JobError::Unsupported(_)))));
    finish(&executor);
}

#[test]
fn force_01_a_stop_does_not_wait_for_what_is_queued_or_endless() {
    let _case = Case::begin();
    for policy in [OnWorkerDeath::Heal, OnWorkerDeath::Break] {
        let executor = builder(2).on_worker_death(policy).build().unwrap();
        let stage = Stage::new();
        let jobs: Vec<_> = (0..102).map(|_| executor.submit(stage.hold()).unwrap()).collect();
        stage.until_held(2);
        let start = Instant::now();
        executor.stop(Duration::ZERO);
        finish(&executor);
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        assert!(jobs.iter().all(cancelled));
        assert_eq!(executor.broken(), None);
        let fresh = processes(1);
        assert_eq!(fresh.submit(Probe::Double(2)).unwrap().result(LIMIT).unwrap(), 4);
        finish(&fresh);
    }
}

#[test]
fn force_02_no_waiter_of_a_stopped_executor_hangs() {
    let _case = Case::begin();
    on_pools!(2, |executor| {
        let stage = Stage::new();
        let jobs: Vec<_> = (0..20).map(|_| executor.submit(stage.hold()).unwrap()).collect();
        stage.until_held(2);
        executor.stop(Duration::ZERO);
        // A thread goes on until its job ends by itself.
        stage.release();
        let waited = wait(jobs.clone(), LIMIT, ReturnWhen::AllCompleted);
        assert!(waited.not_done.is_empty());
        let stopped = jobs.iter().filter(|job| job.cancelled()).count();
        assert!(stopped >= 18, "{stopped}");
        executor.stop(Duration::ZERO);
    });
    on_all!(|executor| {
        let job = executor.submit(Probe::Double(1)).unwrap();
        executor.stop(LIMIT);
        executor.stop(Duration::ZERO);
        assert!(wait([job], LIMIT, ReturnWhen::AllCompleted).not_done.is_empty());
        assert!(executor.submit(Probe::Double(1)).is_err());
    });
}

#[test]
fn force_03_a_stop_amid_very_large_jobs_is_prompt() {
    let _case = Case::begin();
    let executor = builder::<Blob>(1).build().unwrap();
    let worker = executor.submit(Blob::Make(0)).unwrap().take(LIMIT).unwrap().unwrap().0;
    // It reads no more, so the first job stays half written.
    freeze(worker);
    let jobs: Vec<_> =
        (0..4).map(|_| executor.submit(Blob::Swallow(Bytes::new(20 << 20))).unwrap()).collect();
    let start = Instant::now();
    let could_be: Vec<bool> = jobs.iter().map(|job| job.cancel()).collect();
    assert!(!could_be[0] && could_be[3], "the first is being sent, the last is not");
    executor.stop(Duration::ZERO);
    for job in &jobs {
        assert!(matches!(job.take(LIMIT), Ok(Err(JobError::Cancelled))));
    }
    finish(&executor);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(living(&executor).is_empty());
}

#[test]
fn force_01b_a_grace_period_lets_running_jobs_end_and_starts_no_others() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, held);
        let waiting = executor.submit(Probe::Mark(stage.file("ran"))).unwrap();
        executor.stop(LIMIT);
        assert!(cancelled(&waiting));
        stage.release();
        assert_eq!(held.result(LIMIT).unwrap(), 0);
        executor.join();
        assert_eq!(marks(&stage.file("ran")), 0);
    });
}
