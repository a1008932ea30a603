//! Tests whose workers run the test binary itself. A worker has no arguments, so the test harness runs all
//! tests, and the first line of any of them turns the process into a worker.

use end_to_end::{
    probe::{Probe, TIMEOUT, finish},
    tally::Add,
};
use pool::{Executor, ProcessPool, enter_if_worker};

/// Has to be the first line of each test.
fn enter() {
    enter_if_worker::<Probe>();
    enter_if_worker::<Add>();
}

fn pool() -> ProcessPool<Probe> {
    ProcessPool::builder().workers(2).build().unwrap()
}

#[test]
fn test_binary_has_workers() {
    enter();
    let executor = pool();
    let jobs: Vec<_> = (0..20).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
    let results: Vec<u64> = jobs.iter().map(|job| job.result_timeout(TIMEOUT).unwrap()).collect();
    assert_eq!(results, (0..20).map(|n| 2 * n).collect::<Vec<_>>());
    finish(&executor);
}

#[test]
fn test_binary_has_workers_for_other_job_types() {
    enter();
    let executor: ProcessPool<Add> = ProcessPool::builder().workers(1).build().unwrap();
    let total = executor.map([1, 2, 3].map(Add)).map(Result::unwrap).last();
    assert_eq!(total, Some(6));
    finish(&executor);
}

#[test]
fn workers_of_a_test_binary_have_workers() {
    enter();
    let executor = pool();
    assert_eq!(executor.submit(Probe::Double(3).nested(2)).unwrap().result_timeout(TIMEOUT).unwrap(), 6);
    finish(&executor);
}

#[test]
fn workers_of_a_test_binary_are_replaced() {
    enter();
    let executor = pool();
    assert!(executor.submit(Probe::Abort).unwrap().join_timeout(TIMEOUT).is_err());
    assert_eq!(executor.submit(Probe::Double(4)).unwrap().result_timeout(TIMEOUT).unwrap(), 8);
    finish(&executor);
}
