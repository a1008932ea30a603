//! Conformance: serializers that report, panic, exit or abort, on every side. Each test carries its row's id.

#![allow(clippy::unwrap_used)]

use end_to_end::{
    Case,
    probe::{LIMIT, builder, finish},
    trap::{
        Manner::{self, Abort, Exit, Panic, Report},
        Trapped, Unserved, Value, WORDS,
        What::{Error, Job, Output},
        When::{Decoded, Encoded},
    },
};
use pool::{DeathCause, Executor, JobError, JobFuture, OnWorkerDeath, ProcessPool, ResultError, SubmitError};

fn healing() -> ProcessPool<Trapped> {
    builder(1).retries(1).build().unwrap()
}

fn breaking() -> ProcessPool<Trapped> {
    builder(1).on_worker_death(OnWorkerDeath::Break).build().unwrap()
}

fn failure(job: &JobFuture<Trapped>) -> JobError<Value> {
    match job.result(LIMIT) {
        Err(ResultError::Failed(failure)) => failure,
        other => panic!("no failure but {other:?}"),
    }
}

/// The process that runs a job with which nothing goes wrong.
fn worker_of(executor: &ProcessPool<Trapped>) -> u64 {
    executor.submit(Trapped::harmless()).unwrap().result(LIMIT).unwrap().0
}

/// Only the job fails, with the serializer's words, under both policies: its neighbours and its worker go on.
fn expect_a_job_error(trapped: impl Fn() -> Trapped, words: &str) {
    for executor in [healing(), breaking()] {
        let before = worker_of(&executor);
        let jobs: Vec<_> = (0..20)
            .map(|n| executor.submit(if n % 3 == 1 { trapped() } else { Trapped::harmless() }).unwrap())
            .collect();
        for (n, job) in jobs.iter().enumerate() {
            if n % 3 == 1 {
                let JobError::Codec(told) = failure(job) else { panic!("{:?} instead", failure(job)) };
                assert!(told.contains(words) && told.contains(WORDS), "{told}");
            } else {
                assert_eq!(job.result(LIMIT).unwrap().0, before);
            }
        }
        assert_eq!(executor.broken(), None);
        assert_eq!(worker_of(&executor), before);
        finish(&executor);
    }
}

/// The worker dies of it, and the cause is told: only the job fails, or the pool breaks.
fn expect_a_death(trapped: impl Fn() -> Trapped, cause: DeathCause, words: &str) {
    let executor = healing();
    let before = worker_of(&executor);
    let jobs = [trapped(), Trapped::harmless()].map(|job| executor.submit(job).unwrap());
    let JobError::Crashed { death, attempts, .. } = failure(&jobs[0]) else {
        panic!("{:?} instead", failure(&jobs[0]))
    };
    assert_eq!((death.cause, attempts), (cause, 2));
    assert_ne!(jobs[1].result(LIMIT).unwrap().0, before);
    finish(&executor);

    let executor = breaking();
    worker_of(&executor);
    // The second may be refused: the pool breaks at some moment.
    let jobs = [trapped(), Trapped::harmless()].map(|job| executor.submit(job));
    for job in jobs.iter().flatten() {
        let JobError::Abandoned(told) = failure(job) else { panic!("{:?} instead", failure(job)) };
        assert!(told.contains(words), "{told}");
        assert_eq!(executor.submit(Trapped::harmless()).err(), Some(SubmitError::Broken(told)));
    }
    finish(&executor);
}

#[test]
fn death_07_crash_or_exit_while_the_job_is_decoded_is_a_death() {
    let _case = Case::begin();
    expect_a_death(|| Trapped::new(Job, Decoded, Exit(0)), DeathCause::Exited(0), "exited with code 0");
    expect_a_death(|| Trapped::new(Job, Decoded, Exit(4)), DeathCause::Exited(4), "exited with code 4");
    expect_a_death(|| Trapped::new(Job, Decoded, Abort), DeathCause::Signalled(6), "ended by signal 6");
}

#[test]
fn death_07b_a_panic_while_the_job_is_decoded_is_a_job_error() {
    let _case = Case::begin();
    expect_a_job_error(|| Trapped::new(Job, Decoded, Panic), "decoding panicked");
}

#[test]
fn death_08_an_error_while_the_job_is_decoded_is_that_jobs_error() {
    let _case = Case::begin();
    expect_a_job_error(|| Trapped::new(Job, Decoded, Report), "cannot decode");
}

#[test]
fn death_08b_a_job_type_that_the_worker_does_not_know_breaks_the_pool_and_is_named() {
    let _case = Case::begin();
    for policy in [OnWorkerDeath::Heal, OnWorkerDeath::Break] {
        let executor = builder::<Unserved>(2).on_worker_death(policy).build().unwrap();
        let job = executor.submit(Unserved).unwrap();
        let Err(ResultError::Failed(JobError::Abandoned(told))) = job.result(LIMIT) else {
            panic!("not abandoned")
        };
        assert!(told.contains("`unserved`") || told.contains("\"unserved\""), "{told}");
        finish(&executor);
    }
}

#[test]
fn death_09_crash_while_the_output_is_encoded_is_a_death() {
    let _case = Case::begin();
    for what in [Output, Error] {
        let trapped = |manner: Manner| move || Trapped::new(what, Encoded, manner);
        expect_a_death(trapped(Abort), DeathCause::Signalled(6), "ended by signal 6");
        expect_a_death(trapped(Exit(0)), DeathCause::Exited(0), "exited with code 0");
        expect_a_death(trapped(Exit(8)), DeathCause::Exited(8), "exited with code 8");
    }
}

#[test]
fn death_10_an_output_or_error_that_cannot_be_encoded_is_that_jobs_error() {
    let _case = Case::begin();
    for what in [Output, Error] {
        expect_a_job_error(|| Trapped::new(what, Encoded, Report), "cannot encode");
        expect_a_job_error(|| Trapped::new(what, Encoded, Panic), "encoding panicked");
    }
}

#[test]
fn death_11_a_job_that_cannot_be_encoded_fails_alone() {
    let _case = Case::begin();
    expect_a_job_error(|| Trapped::new(Job, Encoded, Report), "cannot encode");
    expect_a_job_error(|| Trapped::new(Job, Encoded, Panic), "encoding panicked");
}

#[test]
fn death_11b_in_a_map_too() {
    let _case = Case::begin();
    let executor = healing();
    for manner in [Report, Panic] {
        let jobs = [Trapped::harmless(), Trapped::new(Job, Encoded, manner), Trapped::harmless()];
        let good: Vec<bool> = executor.map(jobs).into_iter().map(|output| output.is_ok()).collect();
        assert_eq!(good, [true, false, true]);
    }
    finish(&executor);
}

#[test]
fn death_13_an_output_or_error_that_cannot_be_decoded_is_that_jobs_error() {
    let _case = Case::begin();
    for what in [Output, Error] {
        expect_a_job_error(|| Trapped::new(what, Decoded, Report), "cannot decode");
        expect_a_job_error(|| Trapped::new(what, Decoded, Panic), "decoding panicked");
    }
}

#[test]
fn leak_01b_no_serializer_that_goes_wrong_leaves_anything_behind() {
    let _case = Case::begin();
    for (what, when) in
        [(Job, Encoded), (Job, Decoded), (Output, Encoded), (Output, Decoded), (Error, Encoded)]
    {
        for manner in [Report, Panic, Exit(1)] {
            // Where the parent would exit, it would do so at its own request.
            if matches!((what, when, manner), (Job, Encoded, Exit(_)) | (Output, Decoded, Exit(_))) {
                continue;
            }
            for executor in [healing(), breaking()] {
                let job = executor.submit(Trapped::new(what, when, manner)).unwrap();
                executor.shutdown(false, false);
                assert!(job.result(LIMIT).is_err());
                finish(&executor);
                assert_eq!(executor.broken().is_some(), job_broke(&job));
            }
        }
    }
}

fn job_broke(job: &JobFuture<Trapped>) -> bool {
    matches!(failure(job), JobError::Abandoned(_))
}
