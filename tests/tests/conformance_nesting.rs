//! Conformance: jobs that start processes and nested pools. Each test name starts with the id of its row.

use std::{fs, path::Path, time::Duration};

use end_to_end::{
    Call, Case,
    probe::{Barrier, Probe, TIMEOUT, builder, finish, processes, wait_until},
    program,
    workers::run_state,
};
use nix::sys::signal::Signal;
use pool::Executor;

#[test]
fn nest_01_a_job_may_start_processes() {
    let _case = Case::begin();
    let executor = processes(2);
    for (line, code) in [("exit 5", 5), ("sh -c 'exit 6'", 6), ("true | cat", 0)] {
        assert_eq!(
            executor.submit(Probe::Shell(line.into())).unwrap().result_timeout(TIMEOUT).unwrap(),
            code
        );
    }
    finish(&executor);
}

#[test]
fn nest_01b_a_job_may_use_a_pool() {
    let _case = Case::begin();
    let executor = processes(2);
    let jobs: Vec<_> = (0..4).map(|n| executor.submit(Probe::Double(n).nested(1)).unwrap()).collect();
    for (n, job) in (0..).zip(&jobs) {
        assert_eq!(job.result_timeout(TIMEOUT).unwrap(), 2 * n);
    }
    finish(&executor);
}

#[test]
fn nest_03_a_worker_does_not_wait_for_nested_workers() {
    let _case = Case::begin();
    let barrier = Barrier::new();
    let output = Call::new(&program("exit-probe"), [Path::new("nest"), &barrier.file("")]).run();
    assert_eq!(output.code(), 0);
    assert_eq!(output.text(), "Ok(8)\ndone\n");
    assert_eq!(&*output.stderr, "");
    assert!(output.elapsed < Duration::from_secs(5), "{:?}", output.elapsed);
    let inner: u64 = fs::read_to_string(barrier.file("inner")).unwrap().parse().unwrap();
    // Init reaps the orphan at some later time.
    wait_until("the inner worker has exited", || matches!(run_state(inner), None | Some('Z')));
}

#[test]
fn nest_03b_nested_workers_exit_if_the_worker_dies() {
    let _case = Case::begin();
    let executor = builder(1).retries(0).build().unwrap();
    let barrier = Barrier::new();
    let file = barrier.file("inner");
    let dying = Probe::Then(
        Box::new(Probe::NestedLeft(4, file.clone())),
        Box::new(Probe::Raise(Signal::SIGKILL as i32)),
    );
    assert!(executor.submit(dying).unwrap().result_timeout(TIMEOUT).is_err());
    let inner: u64 = fs::read_to_string(file).unwrap().parse().unwrap();
    // Init reaps the orphan at some later time.
    wait_until("the inner worker has exited", || matches!(run_state(inner), None | Some('Z')));
    finish(&executor);
}
