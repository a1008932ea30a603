//! Conformance: `submit`. Each test name starts with the id of its row.

use std::thread;

use end_to_end::{
    Case, block_worker, on_all, on_pools,
    probe::{Barrier, Probe, TIMEOUT, finish, line_count, probe_error, processes},
};
use pool::{
    Executor, JobError,
    error::SubmitError,
    future::{ReturnWhen, wait},
};

#[test]
fn death_12_a_hundred_unencodable_jobs_and_a_hundred_good_ones_resolve() {
    let _case = Case::begin();
    let executor = processes(2);
    let jobs: Vec<_> = (0..200)
        .map(|n| executor.submit(if n < 100 { Probe::Unencodable(()) } else { Probe::Double(n) }).unwrap())
        .collect();
    for (n, job) in (0..).zip(&jobs) {
        assert_eq!(job.result_timeout(TIMEOUT).ok(), (n >= 100).then_some(n * 2));
    }
    finish(&executor);
}

#[test]
fn sub_01_any_number_of_submits_resolve() {
    let _case = Case::begin();
    on_all!(|executor| {
        let jobs: Vec<_> = (0..500).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
        for (n, job) in (0..).zip(&jobs) {
            assert_eq!(job.result_timeout(TIMEOUT).unwrap(), 2 * n);
        }
    });
    let own = u64::from(std::process::id());
    let executor = thread::spawn(|| processes(1)).join().unwrap();
    assert_ne!(executor.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap(), own);
    finish(&executor);
}

#[test]
fn sub_02a_submits_after_shutdown_are_rejected_while_jobs_drain() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, held);
        executor.close();
        assert_eq!(executor.submit(Probe::Double(1)).err(), Some(SubmitError::Closed));
        barrier.release();
        assert_eq!(held.result_timeout(TIMEOUT).unwrap(), 0);
    });
}

#[test]
fn sub_02b_submits_to_a_broken_pool_are_rejected_with_the_cause() {
    let _case = Case::begin();
    let builder = pool::ProcessPool::<Probe>::builder().workers(1).worker_program("/bin/false");
    let executor = builder.build().unwrap();
    let job = executor.submit(Probe::Double(1)).unwrap();
    let Err(JobError::Broken(cause)) = job.result_timeout(TIMEOUT) else { panic!("not abandoned") };
    assert!(cause.contains("exited with code 1"), "{cause}");
    assert_eq!(executor.submit(Probe::Double(1)).err(), Some(SubmitError::Broken(cause)));
    finish(&executor);
}

#[test]
fn sub_03_submitting_never_blocks_on_capacity() {
    let _case = Case::begin();
    on_pools!(2, |executor| {
        let barrier = Barrier::new();
        let jobs: Vec<_> = (0..30).map(|_| executor.submit(barrier.hold()).unwrap()).collect();
        barrier.wait_for_held(2);
        assert_eq!(executor.worker_stats().len(), 2);
        barrier.release();
        wait(jobs, TIMEOUT, ReturnWhen::AllCompleted);
        assert_eq!(executor.worker_stats().len(), 2);
    });
}

#[test]
fn sub_05a_dropping_a_future_does_not_cancel() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, held);
        let file = barrier.file("ran");
        drop(executor.submit(Probe::Mark(file.clone())).unwrap());
        barrier.release();
        held.result_timeout(TIMEOUT).unwrap();
        executor.join();
        assert_eq!(line_count(&file), 1);
    });
}

#[test]
fn sub_06_a_failure_is_isolated_and_the_worker_is_reused() {
    let _case = Case::begin();
    let executor = processes(1);
    let before = executor.submit(Probe::Pid).unwrap();
    let jobs = [Probe::Fail(probe_error(1, "")), Probe::Panic("x".into()), Probe::Pid]
        .map(|job| executor.submit(job).unwrap());
    assert!(jobs[0].result_timeout(TIMEOUT).is_err() && jobs[1].result_timeout(TIMEOUT).is_err());
    assert_eq!(jobs[2].result_timeout(TIMEOUT).unwrap(), before.result_timeout(TIMEOUT).unwrap());
    finish(&executor);
}
