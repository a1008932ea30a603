//! Conformance: `shutdown` and `scope`. Each test name starts with the id of its row.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use end_to_end::{
    Case, block_worker, on_all, on_pools,
    probe::{Barrier, Probe, TIMEOUT, breaking, finish, processes, threads, wait_until},
};
use pool::{
    Executor, JobError,
    future::{ReturnWhen, as_completed, wait},
};

#[test]
fn shut_01_a_waiting_shutdown_runs_everything_and_may_be_repeated() {
    let _case = Case::begin();
    on_all!(|executor| {
        let jobs: Vec<_> = (0..300).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
        executor.join();
        assert!(jobs.iter().all(|job| job.is_done()));
        assert_eq!(jobs[299].result_timeout(Duration::ZERO).unwrap(), 598);
        executor.join();
    });
}

#[test]
fn shut_01b_a_shutdown_with_a_timeout_returns_whether_it_completed() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, held);
        assert!(!executor.shutdown_timeout(Duration::from_millis(10)));
        assert!(!held.is_done(), "the job is still running");
        barrier.release();
        assert!(executor.shutdown_timeout(TIMEOUT));
        assert_eq!(held.result_timeout(Duration::ZERO).unwrap(), 0);
    });
}

#[test]
fn shut_01c_leaving_a_scope_runs_everything_and_ends_the_workers() {
    let _case = Case::begin();
    let job = processes(2).scope(|executor| executor.submit(Probe::Double(4)).unwrap());
    assert_eq!(job.result_timeout(Duration::ZERO).unwrap(), 8);
    let job = threads(2).scope(|executor| executor.submit(Probe::Double(4)).unwrap());
    assert_eq!(job.result_timeout(Duration::ZERO).unwrap(), 8);
    let (sender, receiver) = channel();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        processes(1).scope(|executor| {
            sender.send(executor.submit(Probe::Double(4)).unwrap()).unwrap();
            panic!("on purpose");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(
        receiver.recv().unwrap().result_timeout(Duration::ZERO).unwrap(),
        8,
        "the scope did not wait for the job"
    );
}

#[test]
fn shut_02_a_shutdown_that_does_not_wait_returns_immediately() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let barrier = Barrier::new();
        let jobs = [barrier.hold(), Probe::Double(4)].map(|job| executor.submit(job).unwrap());
        barrier.wait_for_held(1);
        let start = Instant::now();
        executor.close();
        assert!(start.elapsed() < Duration::from_secs(1) && !jobs[1].is_done());
        barrier.release();
        assert_eq!(jobs[1].result_timeout(TIMEOUT).unwrap(), 8);
    });
}

#[test]
fn shut_03a_dropping_the_pool_lets_queued_jobs_finish() {
    let _case = Case::begin();
    let barrier = Barrier::new();
    let executor = processes(1);
    let jobs = [barrier.hold(), Probe::Pid, Probe::Double(4)].map(|job| executor.submit(job).unwrap());
    barrier.wait_for_held(1);
    drop(executor);
    barrier.release();
    assert_eq!(jobs[2].result_timeout(TIMEOUT).unwrap(), 8);
    let worker = jobs[1].result_timeout(TIMEOUT).unwrap();
    wait_until("the worker has exited", || !std::path::Path::new(&format!("/proc/{worker}")).exists());
}

#[test]
fn shut_04_cancelling_shutdown_cancels_what_has_not_started() {
    let _case = Case::begin();
    let executor = processes(5);
    let barrier = Barrier::new();
    let jobs: Vec<_> = (0..50).map(|_| executor.submit(barrier.hold()).unwrap()).collect();
    barrier.wait_for_held(5);
    executor.close();
    executor.cancel_waiting();
    let cancelled = jobs.iter().filter(|job| job.is_cancelled()).count();
    assert!(cancelled > 20, "only {cancelled} are cancelled");
    barrier.release();
    let waited = wait(jobs.clone(), TIMEOUT, ReturnWhen::AllCompleted);
    assert!(waited.not_done.is_empty());
    assert_eq!(jobs.iter().filter(|job| job.result_timeout(TIMEOUT).is_ok()).count(), 50 - cancelled);
    finish(&executor);
}

#[test]
fn shut_04b_a_pool_that_breaks_at_a_death_runs_the_jobs_of_starting_workers() {
    let _case = Case::begin();
    let executor = breaking(3);
    let jobs: Vec<_> = (0..50).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
    executor.close();
    executor.cancel_waiting();
    finish(&executor);
    let run: Vec<_> = jobs.iter().filter(|job| !job.is_cancelled()).collect();
    assert!(run.len() >= 3, "only {} ran", run.len());
    assert!(run.iter().all(|job| job.result_timeout(TIMEOUT).is_ok()) && !jobs[0].is_cancelled());
}

#[test]
fn shut_05_jobs_cancelled_by_shutdown_wake_waiters() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let barrier = Barrier::new();
        executor.submit(barrier.hold()).unwrap();
        barrier.wait_for_held(1);
        let jobs: Vec<_> = (0..10).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
        thread::scope(|scope| {
            let all = scope.spawn(|| wait(jobs.clone(), TIMEOUT, ReturnWhen::AllCompleted).done.len());
            let each = scope.spawn(|| as_completed(jobs.clone(), TIMEOUT).map(Result::unwrap).count());
            executor.close();
            executor.cancel_waiting();
            assert_eq!((all.join().unwrap(), each.join().unwrap()), (10, 10));
        });
        barrier.release();
    });
}

#[test]
fn shut_08_cancelling_the_only_job_before_a_shutdown_does_not_hang() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let barrier = Barrier::new();
        let held = executor.submit(barrier.hold()).unwrap();
        barrier.wait_for_held(1);
        let only = executor.submit(Probe::Double(1)).unwrap();
        barrier.release();
        held.result_timeout(TIMEOUT).unwrap();
        only.cancel();
        executor.join();
        assert!(only.is_done());
    });
}

#[test]
fn shut_11_an_unencodable_job_during_a_shutdown_fails() {
    let _case = Case::begin();
    let executor = processes(1);
    let job = executor.submit(Probe::Unencodable(())).unwrap();
    executor.close();
    assert!(matches!(job.result_timeout(TIMEOUT), Err(JobError::Codec(_))));
    finish(&executor);
}

#[test]
fn shut_12_pools_with_an_unencodable_job_each_never_deadlock() {
    let _case = Case::begin();
    for cancel in [false, true] {
        for _ in 0..10 {
            let executor = processes(2);
            let jobs = [Probe::Double(1), Probe::Unencodable(())].map(|job| executor.submit(job).unwrap());
            executor.close();
            if cancel {
                executor.cancel_waiting();
            }
            executor.join();
            assert!(jobs.iter().all(|job| job.is_done()));
            finish(&executor);
        }
    }
}
