//! Conformance: worker-local state and failures to create it. Each test name starts with the id of its row.

use std::{collections::BTreeMap, fs, num::NonZeroU64, path::Path, time::Duration};

use end_to_end::{
    Case,
    bad_serde::{
        FailureKind::{Abort, Exit, Panic, Report},
        MESSAGE,
        Phase::{Decode, Encode, Use},
    },
    probe::{Barrier, TIMEOUT, builder, finish, line_count, wait_until},
    program,
    stateful::{Inspect, Setup, StateSnapshot, starts},
    workers::kill_and_wait,
};
use pool::{
    Executor, JobError, JobFuture, ProcessPool, Serial, ThreadPool,
    error::{BuildError, SubmitError},
    settings::{OnWorkerDeath, ProcessPoolBuilder},
};

fn with(setup: Setup, workers: usize) -> ProcessPoolBuilder<Inspect> {
    ProcessPool::builder_with(setup).workers(workers).worker_program(program("probe-worker"))
}

fn inspect(executor: &dyn Executor<Inspect>) -> StateSnapshot {
    executor.submit(Inspect::State).unwrap().result_timeout(TIMEOUT).unwrap()
}

/// Returns the number of states that each process created.
fn logged(barrier: &Barrier) -> BTreeMap<u64, u32> {
    let mut counts = BTreeMap::new();
    for line in fs::read_to_string(barrier.file("starts")).unwrap_or_default().lines() {
        *counts.entry(line.parse().unwrap()).or_default() += 1;
    }
    counts
}

/// Returns pools of both kinds whose state fails to be created.
fn failing(setup: &Setup) -> Vec<Box<dyn Executor<Inspect>>> {
    let policies = [OnWorkerDeath::Replace, OnWorkerDeath::Break];
    let mut all: Vec<Box<dyn Executor<Inspect>>> = Vec::new();
    for policy in policies {
        all.push(Box::new(with(setup.clone(), 2).on_worker_death(policy).build().unwrap()));
    }
    all.push(Box::new(ThreadPool::new(2, setup.clone())));
    all
}

fn cause(job: &JobFuture<Inspect>) -> String {
    match job.result_timeout(TIMEOUT) {
        Err(JobError::Broken(cause)) => cause.to_string(),
        other => panic!("not abandoned but {other:?}"),
    }
}

#[test]
fn init_01_each_worker_creates_its_state_once_before_its_first_job() {
    let _case = Case::begin();
    let before = starts();
    let barrier = Barrier::new();
    let executor = with(Setup { word: "hello".into(), ..Setup::logging(&barrier) }, 2).build().unwrap();
    executor.prestart();
    let jobs: Vec<_> = (0..50).map(|_| executor.submit(Inspect::State).unwrap()).collect();
    let mut served = BTreeMap::new();
    for job in &jobs {
        let seen = job.result_timeout(TIMEOUT).unwrap();
        assert_eq!((seen.starts, seen.word.as_str()), (1, "hello"));
        *served.entry(seen.pid).or_insert(0) += 1;
    }
    assert_eq!(served.values().sum::<u64>(), 50);
    // A worker that is still starting would not be awaited by the shutdown.
    wait_until("both workers have created their state", || line_count(&barrier.file("starts")) == 2);
    finish(&executor);
    let log = logged(&barrier);
    assert!(log.len() == 2 && log.values().all(|&count| count == 1), "{log:?}");
    assert_eq!(starts(), before, "no state is created in the parent");
}

#[test]
fn init_01b_threads_and_serial_create_their_state_once() {
    let _case = Case::begin();
    for workers in [1, 3] {
        let barrier = Barrier::new();
        let executor = ThreadPool::new(workers, Setup::logging(&barrier));
        let jobs: Vec<_> = (0..50).map(|_| executor.submit(Inspect::State).unwrap()).collect();
        jobs.iter().for_each(|job| assert!(job.result_timeout(TIMEOUT).is_ok()));
        finish(&executor);
        let made: u32 = logged(&barrier).values().sum();
        assert_eq!(made as usize, executor.worker_stats().len());
    }
    let barrier = Barrier::new();
    let executor = Serial::new(Setup::logging(&barrier));
    assert_eq!((inspect(&executor).jobs, inspect(&executor).jobs), (1, 2));
    assert_eq!(logged(&barrier).values().sum::<u32>(), 1);
    finish(&executor);
}

#[test]
fn init_02a_queued_jobs_are_abandoned() {
    let _case = Case::begin();
    for kind in [Report, Panic, Exit(3), Exit(0), Abort] {
        let barrier = Barrier::new();
        let file = barrier.file("ran");
        let setup = Setup::failing(Use, kind);
        for executor in failing(&setup).into_iter().take(if matches!(kind, Report | Panic) { 3 } else { 2 }) {
            // Jobs that are submitted after the failure are rejected, which is fine.
            let jobs: Vec<_> = (0..20).flat_map(|_| executor.submit(Inspect::Mark(file.clone()))).collect();
            jobs.iter().for_each(|job| assert!(!cause(job).is_empty()));
            finish(&*executor);
        }
        assert_eq!(line_count(&file), 0, "no job ran");
    }
}

#[test]
fn init_02b_later_submits_are_rejected() {
    let _case = Case::begin();
    for executor in failing(&Setup::failing(Use, Report)) {
        let cause = cause(&executor.submit(Inspect::State).unwrap());
        assert!(executor.broken().is_some());
        for _ in 0..3 {
            assert_eq!(
                executor.submit(Inspect::State).err(),
                Some(SubmitError::Broken(cause.as_str().into()))
            );
        }
        finish(&*executor);
    }
}

#[test]
fn init_02c_the_error_message_is_the_cause() {
    let _case = Case::begin();
    for (kind, words) in
        [(Report, MESSAGE), (Panic, MESSAGE), (Exit(3), "exited with code 3"), (Abort, "signal 6")]
    {
        let setup = Setup::failing(Use, kind);
        for executor in failing(&setup).into_iter().take(if words == MESSAGE { 3 } else { 2 }) {
            let cause = cause(&executor.submit(Inspect::State).unwrap());
            assert!(cause.contains(words), "{cause}");
            finish(&*executor);
        }
    }
    let executor = Serial::new(Setup::failing(Use, Report));
    assert!(cause(&executor.submit(Inspect::State).unwrap()).contains(MESSAGE));
    assert!(matches!(executor.submit(Inspect::State).err(), Some(SubmitError::Broken(_))));
    finish(&executor);
}

#[test]
fn init_02d_arguments_that_cannot_be_transferred_break_the_pool() {
    let _case = Case::begin();
    for kind in [Report, Panic] {
        let built = with(Setup::failing(Encode, kind), 1).build();
        let Err(BuildError::Context(error)) = built else { panic!("the pool was built") };
        assert!(error.to_string().contains(MESSAGE), "{error}");
    }
    for (kind, words) in [(Report, MESSAGE), (Panic, MESSAGE), (Exit(3), "exited with code 3")] {
        for policy in [OnWorkerDeath::Replace, OnWorkerDeath::Break] {
            let executor = with(Setup::failing(Decode, kind), 2).on_worker_death(policy).build().unwrap();
            let jobs = [Inspect::State, Inspect::State].map(|job| executor.submit(job).unwrap());
            for job in &jobs {
                assert!(cause(job).contains(words), "{}", cause(job));
            }
            finish(&executor);
        }
    }
}

#[test]
fn init_03_a_failing_initializer_leaks_nothing() {
    let _case = Case::begin();
    // The guard of the test finds leaked processes, threads and descriptors.
    for _ in 0..10 {
        for executor in failing(&Setup::failing(Use, Report)) {
            cause(&executor.submit(Inspect::State).unwrap());
            finish(&*executor);
        }
    }
}

#[test]
fn init_04_every_replacement_creates_its_state_once() {
    let _case = Case::begin();
    let barrier = Barrier::new();
    let quota = NonZeroU64::new(2);
    let recycling = with(Setup::logging(&barrier), 1).max_jobs_per_worker(quota.unwrap()).build().unwrap();
    let served: Vec<(u64, u64, u64)> = (0..6)
        .map(|_| {
            let seen = inspect(&recycling);
            (seen.pid, seen.starts, seen.jobs)
        })
        .collect();
    assert!(served.chunks(2).all(|two| two[0].0 == two[1].0 && (two[0].2, two[1].2) == (1, 2)), "{served:?}");
    assert!(served.iter().all(|&(_, starts, _)| starts == 1));
    finish(&recycling);
    let log = logged(&barrier);
    assert!(log.len() == 3 && log.values().all(|&count| count == 1), "{log:?}");
}

#[test]
fn init_04b_replacements_of_dead_workers_create_their_state_once() {
    let _case = Case::begin();
    let barrier = Barrier::new();
    let executor = with(Setup::logging(&barrier), 1).retries(0).build().unwrap();
    let first = inspect(&executor).pid;
    assert!(executor.submit(Inspect::Exit).unwrap().result_timeout(TIMEOUT).is_err());
    let second = inspect(&executor);
    kill_and_wait(second.pid);
    let third = inspect(&executor);
    assert_eq!((second.jobs, third.jobs), (1, 1));
    finish(&executor);
    let log = logged(&barrier);
    assert!(log.len() == 3 && log.values().all(|&count| count == 1), "{log:?}");
    assert!(first != second.pid && second.pid != third.pid);
}

#[test]
fn init_01c_jobs_wait_for_a_slow_initializer_which_can_be_stopped() {
    let _case = Case::begin();
    let barrier = Barrier::new();
    let executor = with(Setup { start_delay: TIMEOUT, ..Setup::logging(&barrier) }, 1).build().unwrap();
    let job = executor.submit(Inspect::State).unwrap();
    wait_until("the state is being created", || line_count(&barrier.file("starts")) == 1);
    assert!(!job.is_done());
    executor.stop(Duration::ZERO);
    assert!(matches!(job.result_timeout(TIMEOUT), Err(JobError::Cancelled)));
    finish(&executor);
    assert!(!Path::new(&format!("/proc/{}", logged(&barrier).keys().next().unwrap())).exists());
}

#[test]
fn init_01d_default_arguments_are_used() {
    let _case = Case::begin();
    let executor = builder::<Inspect>(1).build().unwrap();
    assert_eq!(inspect(&executor).word, "");
    finish(&executor);
}
