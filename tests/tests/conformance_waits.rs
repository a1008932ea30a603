//! Conformance: `wait` and `as_completed`. Each test name starts with the id of its row.

use std::{
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use end_to_end::{
    Case, block_worker, on_all, on_pools,
    probe::{Barrier, Probe, TIMEOUT, finish, probe_error, processes},
};
use pool::{
    Executor,
    future::{ReturnWhen, as_completed, wait},
};

#[test]
fn ac_01_every_different_job_comes_once() {
    let _case = Case::begin();
    on_all!(|executor| {
        let jobs = [Probe::Double(1), Probe::Fail(probe_error(1, "")), Probe::Double(2)]
            .map(|job| executor.submit(job).unwrap());
        let twice = jobs.iter().chain(&jobs).cloned();
        assert_eq!(as_completed(twice, TIMEOUT).map(Result::unwrap).count(), 3);
    });
}

#[test]
fn ac_02a_a_timeout_of_zero_returns_completed_jobs() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let done = executor.submit(Probe::Double(1)).unwrap();
        done.result_timeout(TIMEOUT).unwrap();
        block_worker!(executor, barrier, held);
        let mut completed = as_completed([held, done], Duration::ZERO);
        assert_eq!(completed.next().unwrap().unwrap().result_timeout(TIMEOUT).unwrap(), 2);
        assert!(completed.next().unwrap().is_err() && completed.next().is_none());
        barrier.release();
    });
}

#[test]
fn ac_02b_a_timeout_returns_only_jobs_completed_in_time() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let quick = executor.submit(Probe::Double(1)).unwrap();
        let barrier = Barrier::new();
        let late = executor.submit(barrier.hold()).unwrap();
        barrier.wait_for_held(1);
        let mut completed = as_completed([late, quick], Duration::from_millis(100));
        assert_eq!(completed.next().unwrap().unwrap().result_timeout(TIMEOUT).unwrap(), 2);
        assert!(completed.next().unwrap().is_err() && completed.next().is_none());
        barrier.release();
    });
}

#[test]
fn ac_02c_the_error_counts_unfinished_and_distinct_jobs() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let done = executor.submit(Probe::Double(1)).unwrap();
        done.result_timeout(TIMEOUT).unwrap();
        block_worker!(executor, barrier, held);
        let mut completed = as_completed([held.clone(), done, held], Duration::ZERO);
        assert!(completed.next().unwrap().is_ok());
        assert_eq!(completed.next().unwrap().unwrap_err().to_string(), "1 (of 2) jobs unfinished");
        barrier.release();
    });
}

#[test]
fn ac_04_a_job_completed_by_the_loop_body_is_returned() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let first = executor.submit(Probe::Double(1)).unwrap();
        first.result_timeout(TIMEOUT).unwrap();
        block_worker!(executor, barrier, held);
        let mut count = 0;
        for job in as_completed([first, held], TIMEOUT) {
            job.unwrap();
            count += 1;
            barrier.release();
        }
        assert_eq!(count, 2);
    });
}

#[test]
fn wait_01_all_completed_covers_failures_cancellations_and_several_executors() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, held);
        let other = processes(1);
        let failed = other.submit(Probe::Fail(probe_error(1, ""))).unwrap();
        let cancelled = executor.submit(Probe::Double(1)).unwrap();
        cancelled.cancel();
        barrier.release();
        let waited = wait([held.clone(), failed, cancelled], TIMEOUT, ReturnWhen::AllCompleted);
        assert_eq!((waited.done.len(), waited.not_done.len()), (3, 0));
        finish(&other);
    });
}

#[test]
fn wait_02_first_completed_returns_all_that_are_done() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let done = [1, 2].map(|n| executor.submit(Probe::Double(n)).unwrap());
        done.iter().for_each(|job| assert!(job.result_timeout(TIMEOUT).is_ok()));
        block_worker!(executor, barrier, held);
        let waited =
            wait([held.clone(), done[0].clone(), done[1].clone()], TIMEOUT, ReturnWhen::FirstCompleted);
        assert_eq!((waited.done.len(), waited.not_done.len()), (2, 1));
        let releasing = thread::spawn(move || barrier.release());
        let waited = wait([held], TIMEOUT, ReturnWhen::FirstCompleted);
        assert_eq!(waited.done.len(), 1);
        releasing.join().unwrap();
    });
}

#[test]
fn wait_03a_successes_and_cancellations_do_not_end_a_wait_for_a_failure() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let good = executor.submit(Probe::Double(1)).unwrap();
        good.result_timeout(TIMEOUT).unwrap();
        block_worker!(executor, barrier, held);
        let cancelled = executor.submit(Probe::Double(1)).unwrap();
        cancelled.cancel();
        let short = Duration::from_millis(30);
        let waited = wait([good, cancelled, held], short, ReturnWhen::FirstException);
        assert_eq!((waited.done.len(), waited.not_done.len()), (2, 1));
        barrier.release();
    });
}

#[test]
fn wait_03b_the_first_failure_ends_the_wait_with_earlier_successes() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, held);
        let failed = executor.submit(Probe::Fail(probe_error(1, ""))).unwrap();
        let late = Barrier::new();
        let last = executor.submit(late.hold()).unwrap();
        barrier.release();
        let waited = wait([last, held, failed], TIMEOUT, ReturnWhen::FirstException);
        assert_eq!((waited.done.len(), waited.not_done.len()), (2, 1));
        late.release();
    });
}

#[test]
fn wait_03c_an_earlier_failure_ends_the_wait_immediately() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let failed = executor.submit(Probe::Fail(probe_error(1, ""))).unwrap();
        assert!(failed.result_timeout(TIMEOUT).is_err());
        block_worker!(executor, barrier, held);
        let waited = wait([held, failed], TIMEOUT, ReturnWhen::FirstException);
        assert_eq!((waited.done.len(), waited.not_done.len()), (1, 1));
        barrier.release();
    });
}

#[test]
fn wait_04_a_timeout_is_not_an_error() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, held);
        let start = Instant::now();
        let waited = wait([held], Duration::from_millis(40), ReturnWhen::AllCompleted);
        assert_eq!((waited.done.len(), waited.not_done.len()), (0, 1));
        assert!(start.elapsed() >= Duration::from_millis(40));
        barrier.release();
    });
}

#[test]
fn wait_05_a_job_given_twice_counts_once() {
    let _case = Case::begin();
    on_all!(|executor| {
        let job = executor.submit(Probe::Double(1)).unwrap();
        let waited = wait([job.clone(), job.clone(), job], TIMEOUT, ReturnWhen::AllCompleted);
        assert_eq!((waited.done.len(), waited.not_done.len()), (1, 0));
    });
}

#[test]
fn wait_06_jobs_that_complete_while_the_waiter_is_installed_are_not_lost() {
    let _case = Case::begin();
    on_pools!(2, |executor| {
        for _ in 0..20 {
            let jobs: Vec<_> = (0..100).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
            assert_eq!(wait(jobs, TIMEOUT, ReturnWhen::AllCompleted).done.len(), 100);
        }
    });
}

#[test]
fn wait_07_a_cancelled_job_is_done_immediately_and_wakes_waiters() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, held);
        let job = executor.submit(Probe::Double(1)).unwrap();
        let (started, waits) = channel();
        let waiter = {
            let job = job.clone();
            thread::spawn(move || {
                started.send(()).unwrap();
                wait([held, job], TIMEOUT, ReturnWhen::FirstCompleted).done.len()
            })
        };
        waits.recv().unwrap();
        assert!(job.cancel());
        assert_eq!(waiter.join().unwrap(), 1);
        barrier.release();
    });
}
