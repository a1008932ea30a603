//! Conformance: serializers that fail, panic, exit or abort. Each test name starts with the id of its row.

use end_to_end::{
    Case,
    bad_serde::{
        FailingJob, FailingValue,
        FailureKind::{self, Abort, Exit, Panic, Report},
        MESSAGE,
        Phase::{Decode, Encode},
        Target::{Error, Job, Output},
        Unserved,
    },
    probe::{TIMEOUT, builder, finish},
};
use pool::{
    Executor, JobError, JobFuture, ProcessPool,
    error::{Crashed, DeathCause, SubmitError},
    settings::OnWorkerDeath,
};

fn healing() -> ProcessPool<FailingJob> {
    builder(1).retries(1).build().unwrap()
}

fn breaking() -> ProcessPool<FailingJob> {
    builder(1).on_worker_death(OnWorkerDeath::Break).build().unwrap()
}

fn failure(job: &JobFuture<FailingJob>) -> JobError<FailingValue> {
    match job.result_timeout(TIMEOUT) {
        Err(failure) => failure,
        other => panic!("no failure but {other:?}"),
    }
}

/// Returns the id of the process that runs a successful job.
fn worker_of(executor: &ProcessPool<FailingJob>) -> u64 {
    executor.submit(FailingJob::harmless()).unwrap().result_timeout(TIMEOUT).unwrap().0
}

/// Checks under both policies that only the job fails, with the serializer's message; other jobs and the
/// worker are not affected.
fn expect_a_job_error(failing_job: impl Fn() -> FailingJob, words: &str) {
    for executor in [healing(), breaking()] {
        let before = worker_of(&executor);
        let jobs: Vec<_> = (0..20)
            .map(|n| {
                executor.submit(if n % 3 == 1 { failing_job() } else { FailingJob::harmless() }).unwrap()
            })
            .collect();
        for (n, job) in jobs.iter().enumerate() {
            if n % 3 == 1 {
                let JobError::Codec(message) = failure(job) else { panic!("{:?} instead", failure(job)) };
                assert!(message.contains(words) && message.contains(MESSAGE), "{message}");
            } else {
                assert_eq!(job.result_timeout(TIMEOUT).unwrap().0, before);
            }
        }
        assert_eq!(executor.broken(), None);
        assert_eq!(worker_of(&executor), before);
        finish(&executor);
    }
}

/// Checks that the worker dies and the cause is reported: only the job fails, or the pool breaks.
fn expect_a_death(failing_job: impl Fn() -> FailingJob, cause: DeathCause, words: &str) {
    let executor = healing();
    let before = worker_of(&executor);
    let jobs = [failing_job(), FailingJob::harmless()].map(|job| executor.submit(job).unwrap());
    let JobError::Crashed(details) = failure(&jobs[0]) else { panic!("{:?} instead", failure(&jobs[0])) };
    let Crashed { death, attempts, .. } = *details;
    assert_eq!((death.cause, attempts), (cause, 2));
    assert_ne!(jobs[1].result_timeout(TIMEOUT).unwrap().0, before);
    finish(&executor);

    let executor = breaking();
    worker_of(&executor);
    // The second job may be rejected if the pool is already broken.
    let jobs = [failing_job(), FailingJob::harmless()].map(|job| executor.submit(job));
    for job in jobs.iter().flatten() {
        let JobError::Broken(cause) = failure(job) else { panic!("{:?} instead", failure(job)) };
        assert!(cause.contains(words), "{cause}");
        assert_eq!(executor.submit(FailingJob::harmless()).err(), Some(SubmitError::Broken(cause)));
    }
    finish(&executor);
}

#[test]
fn death_07_crash_or_exit_while_the_job_is_decoded_is_a_death() {
    let _case = Case::begin();
    expect_a_death(|| FailingJob::new(Job, Decode, Exit(0)), DeathCause::Exited(0), "exited with code 0");
    expect_a_death(|| FailingJob::new(Job, Decode, Exit(4)), DeathCause::Exited(4), "exited with code 4");
    expect_a_death(|| FailingJob::new(Job, Decode, Abort), DeathCause::Signalled(6), "killed by signal 6");
}

#[test]
fn death_07b_a_panic_while_the_job_is_decoded_is_a_job_error() {
    let _case = Case::begin();
    expect_a_job_error(|| FailingJob::new(Job, Decode, Panic), "decoding panicked");
}

#[test]
fn death_08_an_error_while_the_job_is_decoded_is_that_jobs_error() {
    let _case = Case::begin();
    expect_a_job_error(|| FailingJob::new(Job, Decode, Report), "cannot decode");
}

#[test]
fn death_08b_an_unknown_job_type_breaks_the_pool_and_is_named() {
    let _case = Case::begin();
    for policy in [OnWorkerDeath::Replace, OnWorkerDeath::Break] {
        let executor = builder::<Unserved>(2).on_worker_death(policy).build().unwrap();
        let job = executor.submit(Unserved).unwrap();
        let Err(JobError::Broken(cause)) = job.result_timeout(TIMEOUT) else { panic!("not abandoned") };
        assert!(cause.contains("`unserved`") || cause.contains("\"unserved\""), "{cause}");
        finish(&executor);
    }
}

#[test]
fn death_09_crash_while_the_output_is_encoded_is_a_death() {
    let _case = Case::begin();
    for target in [Output, Error] {
        let failing_job = |kind: FailureKind| move || FailingJob::new(target, Encode, kind);
        expect_a_death(failing_job(Abort), DeathCause::Signalled(6), "killed by signal 6");
        expect_a_death(failing_job(Exit(0)), DeathCause::Exited(0), "exited with code 0");
        expect_a_death(failing_job(Exit(8)), DeathCause::Exited(8), "exited with code 8");
    }
}

#[test]
fn death_10_an_output_or_error_that_cannot_be_encoded_is_that_jobs_error() {
    let _case = Case::begin();
    for target in [Output, Error] {
        expect_a_job_error(|| FailingJob::new(target, Encode, Report), "cannot encode");
        expect_a_job_error(|| FailingJob::new(target, Encode, Panic), "encoding panicked");
    }
}

#[test]
fn death_11_a_job_that_cannot_be_encoded_fails_alone() {
    let _case = Case::begin();
    expect_a_job_error(|| FailingJob::new(Job, Encode, Report), "cannot encode");
    expect_a_job_error(|| FailingJob::new(Job, Encode, Panic), "encoding panicked");
}

#[test]
fn death_11b_an_unencodable_job_in_a_map_fails_alone() {
    let _case = Case::begin();
    let executor = healing();
    for kind in [Report, Panic] {
        let jobs = [FailingJob::harmless(), FailingJob::new(Job, Encode, kind), FailingJob::harmless()];
        let good: Vec<bool> = executor.map(jobs).map(|output| output.is_ok()).collect();
        assert_eq!(good, [true, false, true]);
    }
    finish(&executor);
}

#[test]
fn death_13_an_output_or_error_that_cannot_be_decoded_is_that_jobs_error() {
    let _case = Case::begin();
    for target in [Output, Error] {
        expect_a_job_error(|| FailingJob::new(target, Decode, Report), "cannot decode");
        expect_a_job_error(|| FailingJob::new(target, Decode, Panic), "decoding panicked");
    }
}

#[test]
fn leak_01b_failing_serializers_leak_nothing() {
    let _case = Case::begin();
    for (target, phase) in [(Job, Encode), (Job, Decode), (Output, Encode), (Output, Decode), (Error, Encode)]
    {
        for kind in [Report, Panic, Exit(1)] {
            // These would exit the parent, that is, the test itself.
            if matches!((target, phase, kind), (Job, Encode, Exit(_)) | (Output, Decode, Exit(_))) {
                continue;
            }
            for executor in [healing(), breaking()] {
                let job = executor.submit(FailingJob::new(target, phase, kind)).unwrap();
                executor.close();
                assert!(job.result_timeout(TIMEOUT).is_err());
                finish(&executor);
                assert_eq!(executor.broken().is_some(), job_broke(&job));
            }
        }
    }
}

fn job_broke(job: &JobFuture<FailingJob>) -> bool {
    matches!(failure(job), JobError::Broken(_))
}
