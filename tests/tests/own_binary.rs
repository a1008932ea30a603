//! Tests whose workers run the test binary itself: `worker!` is all that they need.

#![forbid(unsafe_code)]

use std::{env, path::PathBuf};

use end_to_end::{
    Call,
    probe::{Barrier, Probe, TIMEOUT, finish, line_count, mark},
    tally::Add,
};
use pool::{Executor, ProcessPool, error::BuildError};

pool::worker!(Probe);
pool::worker!(Add);

fn pool() -> ProcessPool<Probe> {
    ProcessPool::builder().workers(2).build().unwrap()
}

#[test]
fn test_binary_has_workers() {
    let executor = pool();
    let jobs: Vec<_> = (0..20).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
    let results: Vec<u64> = jobs.iter().map(|job| job.result_timeout(TIMEOUT).unwrap()).collect();
    assert_eq!(results, (0..20).map(|n| 2 * n).collect::<Vec<_>>());
    finish(&executor);
}

#[test]
fn test_binary_has_workers_for_other_job_types() {
    let executor: ProcessPool<Add> = ProcessPool::builder().workers(1).build().unwrap();
    let total = executor.map([1, 2, 3].map(Add)).map(Result::unwrap).last();
    assert_eq!(total, Some(6));
    finish(&executor);
}

#[test]
fn workers_of_a_test_binary_have_workers() {
    let executor = pool();
    assert_eq!(executor.submit(Probe::Double(3).nested(2)).unwrap().result_timeout(TIMEOUT).unwrap(), 6);
    finish(&executor);
}

#[test]
fn workers_of_a_test_binary_are_replaced() {
    let executor = pool();
    assert!(executor.submit(Probe::Abort).unwrap().join_timeout(TIMEOUT).is_err());
    assert_eq!(executor.submit(Probe::Double(4)).unwrap().result_timeout(TIMEOUT).unwrap(), 8);
    finish(&executor);
}

#[test]
fn job_type_without_an_entry_is_an_error() {
    let error = ProcessPool::<end_to_end::answer::Answer>::builder().build().err();
    let Some(BuildError::MissingEntry { entries, .. }) = error else { panic!("{error:?}") };
    assert!(entries.contains(&"probe") && entries.contains(&"add"), "{entries:?}");
}

#[test]
#[ignore = "started by `test_body_runs_once`"]
fn body() {
    if let Some(file) = env::var_os("BODY") {
        mark(&PathBuf::from(file));
        test_binary_has_workers();
        workers_of_a_test_binary_are_replaced();
    }
}

#[test]
fn test_body_runs_once() {
    let barrier = Barrier::new();
    let file = barrier.file("body");
    let test = env::current_exe().unwrap();
    let arguments = ["--ignored", "--exact", "body"];
    let output = Call::new(&test, arguments).with(|call| call.env("BODY", &file)).run();
    assert!(output.code() == 0 && output.text().contains("1 passed"), "{}{}", output.text(), output.stderr);
    assert_eq!(line_count(&file), 1);
}
