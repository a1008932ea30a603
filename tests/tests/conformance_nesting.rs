//! Conformance: jobs that start processes and have pools of their own. Each test carries its row's id.

#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, time::Duration};

use end_to_end::{
    Call, Case,
    probe::{LIMIT, Probe, Stage, builder, finish, processes, until},
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
        assert_eq!(executor.submit(Probe::Shell(line.into())).unwrap().result(LIMIT).unwrap(), code);
    }
    finish(&executor);
}

#[test]
fn nest_01b_a_job_may_have_a_pool_of_its_own() {
    let _case = Case::begin();
    let executor = processes(2);
    let jobs: Vec<_> = (0..4).map(|n| executor.submit(Probe::Double(n).nested(1)).unwrap()).collect();
    for (n, job) in (0..).zip(&jobs) {
        assert_eq!(job.result(LIMIT).unwrap(), 2 * n);
    }
    finish(&executor);
}

#[test]
fn nest_03_a_worker_does_not_wait_for_the_workers_of_a_pool_in_it() {
    let _case = Case::begin();
    let stage = Stage::new();
    let output = Call::new(&program("exit-probe"), [Path::new("nest"), &stage.file("")]).run();
    assert_eq!((output.code(), output.text(), &*output.stderr), (0, "Ok(8)\ndone\n", ""));
    assert!(output.elapsed < Duration::from_secs(5), "{:?}", output.elapsed);
    let inner: u64 = fs::read_to_string(stage.file("inner")).unwrap().parse().unwrap();
    // An orphan is reaped whenever the system comes to it.
    until("the inner worker has ended", || matches!(run_state(inner), None | Some('Z')));
}

#[test]
fn nest_03b_nor_is_anything_left_if_the_worker_dies() {
    let _case = Case::begin();
    let executor = builder(1).retries(0).build().unwrap();
    let stage = Stage::new();
    let file = stage.file("inner");
    let dying = Probe::Then(
        Box::new(Probe::NestedLeft(4, file.clone())),
        Box::new(Probe::Raise(Signal::SIGKILL as i32)),
    );
    assert!(executor.submit(dying).unwrap().result(LIMIT).is_err());
    let inner: u64 = fs::read_to_string(file).unwrap().parse().unwrap();
    // An orphan is reaped whenever the system comes to it.
    until("the inner worker has ended", || matches!(run_state(inner), None | Some('Z')));
    finish(&executor);
}
