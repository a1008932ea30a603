//! Conformance: `shutdown` and `scope`. Each test carries its row's id.

#![allow(clippy::unwrap_used)]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use end_to_end::{
    Case, held, on_all, on_pools,
    probe::{LIMIT, Probe, Stage, finish, processes, threads, until},
};
use pool::{Executor, JobError, ResultError, ReturnWhen, as_completed, wait};

#[test]
fn shut_01_a_waiting_shutdown_runs_everything_and_may_be_repeated() {
    let _case = Case::begin();
    on_all!(|executor| {
        let jobs: Vec<_> = (0..300).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
        executor.shutdown(true, false);
        assert!(jobs.iter().all(|job| job.done()));
        assert_eq!(jobs[299].result(Duration::ZERO).unwrap(), 598);
        executor.shutdown(true, false);
    });
}

#[test]
fn shut_01b_a_shutdown_within_a_time_tells_whether_all_is_over() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, held);
        assert!(!executor.shutdown_timeout(Duration::from_millis(10), false));
        assert!(!held.done(), "it goes on");
        stage.release();
        assert!(executor.shutdown_timeout(LIMIT, false));
        assert_eq!(held.result(Duration::ZERO).unwrap(), 0);
    });
}

#[test]
fn shut_01c_leaving_a_scope_runs_everything_and_takes_the_workers_along() {
    let _case = Case::begin();
    let job = processes(2).scope(|executor| executor.submit(Probe::Double(4)).unwrap());
    assert_eq!(job.result(Duration::ZERO).unwrap(), 8);
    let job = threads(2).scope(|executor| executor.submit(Probe::Double(4)).unwrap());
    assert_eq!(job.result(Duration::ZERO).unwrap(), 8);
    let (tell, told) = channel();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        processes(1).scope(|executor| {
            tell.send(executor.submit(Probe::Double(4)).unwrap()).unwrap();
            panic!("on purpose");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(told.recv().unwrap().result(Duration::ZERO).unwrap(), 8, "the scope waited for it");
}

#[test]
fn shut_02_a_shutdown_that_does_not_wait_returns_at_once() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let stage = Stage::new();
        let jobs = [stage.hold(), Probe::Double(4)].map(|job| executor.submit(job).unwrap());
        stage.until_held(1);
        let start = Instant::now();
        executor.shutdown(false, false);
        assert!(start.elapsed() < Duration::from_secs(1) && !jobs[1].done());
        stage.release();
        assert_eq!(jobs[1].result(LIMIT).unwrap(), 8);
    });
}

#[test]
fn shut_03a_dropping_the_pool_lets_queued_jobs_finish() {
    let _case = Case::begin();
    let stage = Stage::new();
    let executor = processes(1);
    let jobs = [stage.hold(), Probe::Pid, Probe::Double(4)].map(|job| executor.submit(job).unwrap());
    stage.until_held(1);
    drop(executor);
    stage.release();
    assert_eq!(jobs[2].result(LIMIT).unwrap(), 8);
    let worker = jobs[1].result(LIMIT).unwrap();
    until("the worker is gone", || !std::path::Path::new(&format!("/proc/{worker}")).exists());
}

#[test]
fn shut_04_cancelling_shutdown_cancels_what_has_not_started() {
    let _case = Case::begin();
    let executor = processes(5);
    let stage = Stage::new();
    let jobs: Vec<_> = (0..50).map(|_| executor.submit(stage.hold()).unwrap()).collect();
    stage.until_held(5);
    executor.shutdown(false, true);
    let cancelled = jobs.iter().filter(|job| job.cancelled()).count();
    assert!(cancelled > 20, "only {cancelled} are cancelled");
    stage.release();
    let waited = wait(jobs.clone(), LIMIT, ReturnWhen::AllCompleted);
    assert!(waited.not_done.is_empty());
    assert_eq!(jobs.iter().filter(|job| job.result(LIMIT).is_ok()).count(), 50 - cancelled);
    finish(&executor);
}

#[test]
fn shut_05_jobs_cancelled_by_shutdown_wake_waiters() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let stage = Stage::new();
        executor.submit(stage.hold()).unwrap();
        stage.until_held(1);
        let jobs: Vec<_> = (0..10).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
        thread::scope(|scope| {
            let all = scope.spawn(|| wait(jobs.clone(), LIMIT, ReturnWhen::AllCompleted).done.len());
            let each = scope.spawn(|| as_completed(jobs.clone(), LIMIT).map(Result::unwrap).count());
            executor.shutdown(false, true);
            assert_eq!((all.join().unwrap(), each.join().unwrap()), (10, 10));
        });
        stage.release();
    });
}

#[test]
fn shut_08_cancelling_the_only_job_before_a_shutdown_does_not_hang() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let stage = Stage::new();
        let held = executor.submit(stage.hold()).unwrap();
        stage.until_held(1);
        let only = executor.submit(Probe::Double(1)).unwrap();
        stage.release();
        held.result(LIMIT).unwrap();
        only.cancel();
        executor.shutdown(true, false);
        assert!(only.done());
    });
}

#[test]
fn shut_11_an_unencodable_job_and_a_shutdown_at_once() {
    let _case = Case::begin();
    let executor = processes(1);
    let job = executor.submit(Probe::Unencodable(())).unwrap();
    executor.shutdown(false, false);
    assert!(matches!(job.result(LIMIT), Err(ResultError::Failed(JobError::Codec(_)))));
    finish(&executor);
}

#[test]
fn shut_12_pools_with_an_unencodable_job_each_never_deadlock() {
    let _case = Case::begin();
    for cancel in [false, true] {
        for _ in 0..10 {
            let executor = processes(2);
            let jobs = [Probe::Double(1), Probe::Unencodable(())].map(|job| executor.submit(job).unwrap());
            executor.shutdown(true, cancel);
            assert!(jobs.iter().all(|job| job.done()));
            finish(&executor);
        }
    }
}
