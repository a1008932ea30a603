//! Jobs that really fault: only they fail, with a verdict that says how, and the pool goes on.

#![allow(clippy::unwrap_used)]

use std::{num::NonZeroU64, time::Duration};

use end_to_end::{
    Case,
    fault::Fault,
    probe::{LIMIT, Mishap, Probe, builder, finish, processes, serial, threads},
};
use pool::{
    BatchSize, DeathCause, Executor, JobError, JobOptions, ProcessPool, ProcessPoolBuilder, ResultError,
    SubmitError,
};

/// A pool of one worker that tries each job once and sends all at once.
fn once() -> ProcessPoolBuilder<Probe> {
    builder(1).retries(0).batch_size(BatchSize::Fixed(NonZeroU64::new(9).unwrap()))
}

/// Runs a job among good ones of the same batch, which must succeed, and tells how it failed.
fn failure_among_others(pool: &ProcessPool<Probe>, job: &Probe, options: JobOptions) -> JobError<Mishap> {
    let jobs = (0..9).map(|n| if n == 4 { job.clone() } else { Probe::Double(n) }).collect();
    let futures = pool.submit_many(jobs, options).unwrap();
    let mut failure = None;
    for (n, future) in (0..).zip(futures) {
        match future.result(LIMIT) {
            Err(ResultError::Failed(one)) if n == 4 => failure = Some(one),
            result => assert_eq!(result.unwrap(), 2 * n, "of {n} beside {job:?}"),
        }
    }
    assert_eq!(pool.submit(Probe::Double(21)).unwrap().result(LIMIT).unwrap(), 42, "after {job:?}");
    assert_eq!(pool.broken(), None);
    failure.unwrap()
}

fn then(first: Fault, second: Probe) -> Probe {
    Probe::Then(Box::new(Probe::Fault(first)), Box::new(second))
}

#[test]
fn a_job_that_ends_its_process_fails_alone() {
    let _case = Case::begin();
    let pool = once().build().unwrap();
    for (job, cause) in [
        (Probe::Fault(Fault::NullWrite), DeathCause::Signalled(11)),
        // The runtime's handler says what happened, and aborts.
        (Probe::Fault(Fault::Recursion), DeathCause::Signalled(6)),
        (Probe::Fault(Fault::PanicInPanic), DeathCause::Signalled(6)),
        (Probe::Abort, DeathCause::Signalled(6)),
        (Probe::Exit(0), DeathCause::Exited(0)),
        (Probe::Exit(3), DeathCause::Exited(3)),
        (then(Fault::BlockSignals, Probe::Exit(4)), DeathCause::Exited(4)),
        // It cannot be heard any more, and is killed.
        (then(Fault::CloseAll, Probe::Fault(Fault::Spin)), DeathCause::Signalled(9)),
        (then(Fault::CloseSockets, Probe::Fault(Fault::Wait)), DeathCause::Signalled(9)),
        (then(Fault::CloseAll, Probe::Abort), DeathCause::Signalled(6)),
    ] {
        let failure = failure_among_others(&pool, &job, JobOptions::default());
        let JobError::Crashed { death, attempts, .. } = failure else { panic!("{job:?}: {failure:?}") };
        assert_eq!((death.cause, attempts), (cause, 1), "{job:?}");
    }
    finish(&pool);
}

#[test]
fn a_job_that_panics_strangely_fails_alone_and_its_worker_lives_on() {
    let _case = Case::begin();
    let pool = once().build().unwrap();
    for fault in [Fault::StrangePanic, Fault::PanicInPayload] {
        let failure = failure_among_others(&pool, &Probe::Fault(fault), JobOptions::default());
        let JobError::Panicked(panic) = failure else { panic!("{fault:?}: {failure:?}") };
        assert_eq!(panic.message, "a panic without a message", "{fault:?}");
        assert!(panic.location.unwrap().starts_with("tests/src/fault.rs:"));
    }
    assert_eq!(pool.worker_stats().len(), 1);
    finish(&pool);
}

#[test]
fn a_job_that_panics_strangely_harms_no_executor() {
    let _case = Case::begin();
    for executor in [&threads(1) as &dyn Executor<Probe>, &serial(), &processes(1)] {
        for fault in [Fault::StrangePanic, Fault::PanicInPayload] {
            let result = executor.submit(Probe::Fault(fault)).unwrap().result(LIMIT);
            assert!(
                matches!(result, Err(ResultError::Failed(JobError::Panicked(_)))),
                "{fault:?}: {result:?}"
            );
            assert_eq!(executor.submit(Probe::Double(1)).unwrap().result(LIMIT).unwrap(), 2);
        }
        finish(executor);
    }
}

#[test]
fn a_job_without_end_is_ended_by_its_limit_whatever_it_ignores() {
    let _case = Case::begin();
    let pool = once().grace_period(Duration::from_millis(100)).build().unwrap();
    let limit = Duration::from_millis(150);
    for job in [
        Probe::Fault(Fault::Spin),
        Probe::Fault(Fault::Wait),
        then(Fault::BlockSignals, Probe::Fault(Fault::Spin)),
        then(Fault::IgnoreTerm, Probe::Fault(Fault::Spin)),
        then(Fault::TakeAllDescriptors, Probe::Fault(Fault::Wait)),
    ] {
        let failure = failure_among_others(&pool, &job, JobOptions { time_limit: Some(limit) });
        let JobError::TimedOut { limit: passed, attempts, .. } = failure else {
            panic!("{job:?}: {failure:?}")
        };
        assert_eq!((passed, attempts), (limit, 1), "{job:?}");
    }
    finish(&pool);
}

#[test]
fn what_a_job_does_to_its_process_stays_there() {
    let _case = Case::begin();
    let before = std::env::current_dir().unwrap();
    for fault in [Fault::ChangeFolder, Fault::BlockSignals, Fault::IgnoreTerm, Fault::TakeAllDescriptors] {
        let pool = once().build().unwrap();
        assert_eq!(pool.submit(Probe::Fault(fault)).unwrap().result(LIMIT).unwrap(), 0);
        for n in 0..20 {
            assert_eq!(pool.submit(Probe::Double(n)).unwrap().result(LIMIT).unwrap(), 2 * n, "{fault:?}");
        }
        // The next worker is not affected, and this one leaves.
        assert!(pool.submit(Probe::Exit(1)).unwrap().result(LIMIT).is_err());
        assert_eq!(pool.submit(Probe::Shell("exit 3".into())).unwrap().result(LIMIT).unwrap(), 3);
        assert_eq!(pool.worker_stats().len(), 2, "{fault:?}");
        finish(&pool);
    }
    assert_eq!(std::env::current_dir().unwrap(), before);
}

#[test]
fn a_worker_that_heeds_no_signal_still_leaves_when_it_is_told_to() {
    let _case = Case::begin();
    for fault in [Fault::BlockSignals, Fault::IgnoreTerm] {
        let pool = processes(1);
        pool.submit(Probe::Fault(fault)).unwrap().result(LIMIT).unwrap();
        finish(&pool);
        assert!(pool.reports().iter().all(|report| report.report.is_ok()));
    }
}

#[test]
fn a_copy_that_a_job_leaves_behind_hides_no_death() {
    let _case = Case::begin();
    for fault in [Fault::ForkAndAbort, Fault::DetachAndAbort] {
        let pool = once().build().unwrap();
        let job = pool.submit(Probe::Fault(fault)).unwrap();
        let Err(ResultError::Failed(JobError::Crashed { death, .. })) = job.result(Duration::from_secs(10))
        else {
            panic!("the death is not noticed: {fault:?}")
        };
        assert_eq!(death.cause, DeathCause::Signalled(6));
        finish(&pool);
    }
}

#[test]
fn a_job_that_spoils_its_channel_and_returns_keeps_its_outcome() {
    let _case = Case::begin();
    for fault in [Fault::CloseSockets, Fault::CloseAll, Fault::Scribble] {
        let pool = once().build().unwrap();
        let job = pool.submit(Probe::Fault(fault)).unwrap();
        let result = job.result(LIMIT);
        assert!(result.is_ok(), "{fault:?}: {result:?}");
        assert!(!matches!(pool.submit(Probe::Double(1)), Err(SubmitError::Broken(_))), "{fault:?}");
        finish(&pool);
    }
}
