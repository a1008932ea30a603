//! Conformance: the workers' state, and what follows if it cannot be made. Each test carries its row's id.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, num::NonZeroU64, path::Path, time::Duration};

use end_to_end::{
    Case,
    probe::{LIMIT, Stage, builder, finish, marks, until},
    program,
    stateful::{Look, Seen, Setup, starts},
    trap::{
        Manner::{Abort, Exit, Panic, Report},
        WORDS,
        When::{Decoded, Encoded, Used},
    },
    workers::kill_off,
};
use pool::{
    BuildError, Executor, JobError, JobFuture, OnWorkerDeath, ProcessPool, ProcessPoolBuilder, ResultError,
    Serial, SubmitError, ThreadPool,
};

fn with(setup: Setup, workers: usize) -> ProcessPoolBuilder<Look> {
    ProcessPool::builder_with(setup).workers(workers).worker_program(program("probe-worker"))
}

fn look(executor: &dyn Executor<Look>) -> Seen {
    executor.submit(Look::Around).unwrap().result(LIMIT).unwrap()
}

/// How often each process made a state.
fn logged(stage: &Stage) -> BTreeMap<u64, u32> {
    let mut counts = BTreeMap::new();
    for line in fs::read_to_string(stage.file("starts")).unwrap_or_default().lines() {
        *counts.entry(line.parse().unwrap()).or_default() += 1;
    }
    counts
}

/// Pools of both kinds whose state cannot be made in this way.
fn failing(setup: &Setup) -> Vec<Box<dyn Executor<Look>>> {
    let policies = [OnWorkerDeath::Heal, OnWorkerDeath::Break];
    let mut all: Vec<Box<dyn Executor<Look>>> = Vec::new();
    for policy in policies {
        all.push(Box::new(with(setup.clone(), 2).on_worker_death(policy).build().unwrap()));
    }
    all.push(Box::new(ThreadPool::new(2, setup.clone())));
    all
}

fn cause(job: &JobFuture<Look>) -> String {
    match job.result(LIMIT) {
        Err(ResultError::Failed(JobError::Abandoned(cause))) => cause.to_string(),
        other => panic!("not abandoned but {other:?}"),
    }
}

#[test]
fn init_01_each_worker_makes_its_state_once_before_its_first_job() {
    let _case = Case::begin();
    let before = starts();
    let stage = Stage::new();
    let executor = with(Setup { word: "hello".into(), ..Setup::logging(&stage) }, 2).build().unwrap();
    executor.prestart();
    let jobs: Vec<_> = (0..50).map(|_| executor.submit(Look::Around).unwrap()).collect();
    let mut served = BTreeMap::new();
    for job in &jobs {
        let seen = job.result(LIMIT).unwrap();
        assert_eq!((seen.starts, seen.word.as_str()), (1, "hello"));
        *served.entry(seen.pid).or_insert(0) += 1;
    }
    assert_eq!(served.values().sum::<u64>(), 50);
    // One that has not come to it would not be waited for.
    until("both workers have made theirs", || marks(&stage.file("starts")) == 2);
    finish(&executor);
    let log = logged(&stage);
    assert!(log.len() == 2 && log.values().all(|&count| count == 1), "{log:?}");
    assert_eq!(starts(), before, "nothing of it happens in the parent");
}

#[test]
fn init_01b_threads_and_the_plain_loop_make_theirs_once_too() {
    let _case = Case::begin();
    for workers in [1, 3] {
        let stage = Stage::new();
        let executor = ThreadPool::new(workers, Setup::logging(&stage));
        let jobs: Vec<_> = (0..50).map(|_| executor.submit(Look::Around).unwrap()).collect();
        jobs.iter().for_each(|job| assert!(job.result(LIMIT).is_ok()));
        finish(&executor);
        let made: u32 = logged(&stage).values().sum();
        assert_eq!(made as usize, executor.worker_stats().len());
    }
    let stage = Stage::new();
    let executor = Serial::new(Setup::logging(&stage));
    assert_eq!((look(&executor).jobs, look(&executor).jobs), (1, 2));
    assert_eq!(logged(&stage).values().sum::<u32>(), 1);
    finish(&executor);
}

#[test]
fn init_02a_queued_jobs_are_abandoned() {
    let _case = Case::begin();
    for manner in [Report, Panic, Exit(3), Exit(0), Abort] {
        let stage = Stage::new();
        let file = stage.file("ran");
        let setup = Setup::wrong(Used, manner);
        for executor in failing(&setup).into_iter().take(if matches!(manner, Report | Panic) { 3 } else { 2 })
        {
            // A submit that comes after the failure is refused, which is as well.
            let jobs: Vec<_> = (0..20).flat_map(|_| executor.submit(Look::Mark(file.clone()))).collect();
            jobs.iter().for_each(|job| assert!(!cause(job).is_empty()));
            finish(&*executor);
        }
        assert_eq!(marks(&file), 0, "no job ran");
    }
}

#[test]
fn init_02b_from_then_on_every_submit_is_refused() {
    let _case = Case::begin();
    for executor in failing(&Setup::wrong(Used, Report)) {
        let told = cause(&executor.submit(Look::Around).unwrap());
        assert!(executor.broken().is_some());
        for _ in 0..3 {
            assert_eq!(executor.submit(Look::Around).err(), Some(SubmitError::Broken(told.as_str().into())));
        }
        finish(&*executor);
    }
}

#[test]
fn init_02c_its_own_words_are_the_cause() {
    let _case = Case::begin();
    for (manner, words) in
        [(Report, WORDS), (Panic, WORDS), (Exit(3), "exited with code 3"), (Abort, "signal 6")]
    {
        let setup = Setup::wrong(Used, manner);
        for executor in failing(&setup).into_iter().take(if words == WORDS { 3 } else { 2 }) {
            let told = cause(&executor.submit(Look::Around).unwrap());
            assert!(told.contains(words), "{told}");
            finish(&*executor);
        }
    }
    let executor = Serial::new(Setup::wrong(Used, Report));
    assert!(cause(&executor.submit(Look::Around).unwrap()).contains(WORDS));
    assert!(matches!(executor.submit(Look::Around).err(), Some(SubmitError::Broken(_))));
    finish(&executor);
}

#[test]
fn init_02d_so_it_is_if_its_data_cannot_be_transferred() {
    let _case = Case::begin();
    for manner in [Report, Panic] {
        let built = with(Setup::wrong(Encoded, manner), 1).build();
        let Err(BuildError::Context(told)) = built else { panic!("it could be built") };
        assert!(told.to_string().contains(WORDS), "{told}");
    }
    for (manner, words) in [(Report, WORDS), (Panic, WORDS), (Exit(3), "exited with code 3")] {
        for policy in [OnWorkerDeath::Heal, OnWorkerDeath::Break] {
            let executor = with(Setup::wrong(Decoded, manner), 2).on_worker_death(policy).build().unwrap();
            let jobs = [Look::Around, Look::Around].map(|job| executor.submit(job).unwrap());
            for job in &jobs {
                assert!(cause(job).contains(words), "{}", cause(job));
            }
            finish(&executor);
        }
    }
}

#[test]
fn init_03_a_state_that_cannot_be_made_leaks_nothing() {
    let _case = Case::begin();
    // What ten of them would leave, the end of the case would find: processes, threads and descriptors.
    for _ in 0..10 {
        for executor in failing(&Setup::wrong(Used, Report)) {
            cause(&executor.submit(Look::Around).unwrap());
            finish(&*executor);
        }
    }
}

#[test]
fn init_04_every_replacement_makes_its_state_once() {
    let _case = Case::begin();
    let stage = Stage::new();
    let quota = NonZeroU64::new(2);
    let recycling = with(Setup::logging(&stage), 1).max_jobs_per_worker(quota.unwrap()).build().unwrap();
    let served: Vec<(u64, u64, u64)> = (0..6)
        .map(|_| {
            let seen = look(&recycling);
            (seen.pid, seen.starts, seen.jobs)
        })
        .collect();
    assert!(served.chunks(2).all(|two| two[0].0 == two[1].0 && (two[0].2, two[1].2) == (1, 2)), "{served:?}");
    assert!(served.iter().all(|&(_, starts, _)| starts == 1));
    finish(&recycling);
    let log = logged(&stage);
    assert!(log.len() == 3 && log.values().all(|&count| count == 1), "{log:?}");
}

#[test]
fn init_04b_so_do_those_that_replace_a_dead_one() {
    let _case = Case::begin();
    let stage = Stage::new();
    let executor = with(Setup::logging(&stage), 1).retries(0).build().unwrap();
    let first = look(&executor).pid;
    assert!(executor.submit(Look::Exit).unwrap().result(LIMIT).is_err());
    let second = look(&executor);
    kill_off(second.pid);
    let third = look(&executor);
    assert_eq!((second.jobs, third.jobs), (1, 1));
    finish(&executor);
    let log = logged(&stage);
    assert!(log.len() == 3 && log.values().all(|&count| count == 1), "{log:?}");
    assert!(first != second.pid && second.pid != third.pid);
}

#[test]
fn init_01c_a_slow_state_keeps_jobs_waiting_and_can_be_stopped() {
    let _case = Case::begin();
    let stage = Stage::new();
    let executor = with(Setup { takes: LIMIT, ..Setup::logging(&stage) }, 1).build().unwrap();
    let job = executor.submit(Look::Around).unwrap();
    until("the state is being made", || marks(&stage.file("starts")) == 1);
    assert!(!job.done());
    executor.stop(Duration::ZERO);
    assert!(matches!(job.result(LIMIT), Err(ResultError::Failed(JobError::Cancelled))));
    finish(&executor);
    assert!(!Path::new(&format!("/proc/{}", logged(&stage).keys().next().unwrap())).exists());
}

#[test]
fn init_01d_default_arguments_will_do() {
    let _case = Case::begin();
    let executor = builder::<Look>(1).build().unwrap();
    assert_eq!(look(&executor).word, "");
    finish(&executor);
}
