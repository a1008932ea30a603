//! Jobs that crash or damage their process: only they fail, with the cause, and the pool continues.

use std::{num::NonZeroU64, time::Duration};

use end_to_end::{
    Case,
    fault::Fault,
    probe::{Probe, ProbeError, TIMEOUT, builder, finish, processes, serial, threads},
};
use pool::{
    Executor, JobError, ProcessPool,
    error::{Crashed, DeathCause, SubmitError, TimedOut},
    settings::{BatchSize, JobOptions, ProcessPoolBuilder},
};

/// Returns a builder for a pool of one worker without retries that sends nine jobs in one batch.
fn once() -> ProcessPoolBuilder<Probe> {
    builder(1).retries(0).batch_size(BatchSize::Fixed(NonZeroU64::new(9).unwrap()))
}

/// Runs a job among good ones in the same batch, checks that those succeed, and returns its failure.
fn failure_among_others(pool: &ProcessPool<Probe>, job: &Probe, options: JobOptions) -> JobError<ProbeError> {
    let jobs = (0..9).map(|n| if n == 4 { job.clone() } else { Probe::Double(n) }).collect();
    let futures = pool.submit_many(jobs, options).unwrap();
    let mut failure = None;
    for (n, future) in (0..).zip(futures) {
        match future.result_timeout(TIMEOUT) {
            Err(one) if n == 4 => failure = Some(one),
            result => assert_eq!(result.unwrap(), 2 * n, "job {n} beside {job:?}"),
        }
    }
    assert_eq!(pool.submit(Probe::Double(21)).unwrap().result_timeout(TIMEOUT).unwrap(), 42, "after {job:?}");
    assert_eq!(pool.broken(), None);
    failure.unwrap()
}

fn then(first: Fault, second: Probe) -> Probe {
    Probe::Then(Box::new(Probe::Fault(first)), Box::new(second))
}

#[test]
fn job_that_ends_its_process_fails_alone() {
    let _case = Case::begin();
    let pool = once().build().unwrap();
    for (job, cause) in [
        (Probe::Fault(Fault::NullWrite), DeathCause::Signalled(11)),
        // The handler of the runtime prints a message and aborts.
        (Probe::Fault(Fault::Recursion), DeathCause::Signalled(6)),
        (Probe::Fault(Fault::PanicInPanic), DeathCause::Signalled(6)),
        (Probe::Abort, DeathCause::Signalled(6)),
        (Probe::Exit(0), DeathCause::Exited(0)),
        (Probe::Exit(3), DeathCause::Exited(3)),
        (then(Fault::BlockSignals, Probe::Exit(4)), DeathCause::Exited(4)),
        // It can no longer send messages, and is killed.
        (then(Fault::CloseAll, Probe::Fault(Fault::Spin)), DeathCause::Signalled(9)),
        (then(Fault::CloseSockets, Probe::Fault(Fault::Wait)), DeathCause::Signalled(9)),
        (then(Fault::CloseAll, Probe::Abort), DeathCause::Signalled(6)),
    ] {
        let failure = failure_among_others(&pool, &job, JobOptions::default());
        let JobError::Crashed(details) = failure else { panic!("{job:?}: {failure:?}") };
        let Crashed { death, attempts, .. } = *details;
        assert_eq!((death.cause, attempts), (cause, 1), "{job:?}");
    }
    finish(&pool);
}

#[test]
fn unusual_panic_fails_only_the_job_and_the_worker_survives() {
    let _case = Case::begin();
    let pool = once().build().unwrap();
    for fault in [Fault::NonStringPanic, Fault::PanicInPayload] {
        let failure = failure_among_others(&pool, &Probe::Fault(fault), JobOptions::default());
        let JobError::Panicked(panic) = failure else { panic!("{fault:?}: {failure:?}") };
        assert_eq!(panic.message, "a panic without a message", "{fault:?}");
        assert!(panic.location.unwrap().starts_with("tests/src/fault.rs:"));
    }
    assert_eq!(pool.worker_stats().len(), 1);
    finish(&pool);
}

#[test]
fn unusual_panic_affects_no_executor() {
    let _case = Case::begin();
    for executor in [&threads(1) as &dyn Executor<Probe>, &serial(), &processes(1)] {
        for fault in [Fault::NonStringPanic, Fault::PanicInPayload] {
            let result = executor.submit(Probe::Fault(fault)).unwrap().result_timeout(TIMEOUT);
            assert!(matches!(result, Err(JobError::Panicked(_))), "{fault:?}: {result:?}");
            assert_eq!(executor.submit(Probe::Double(1)).unwrap().result_timeout(TIMEOUT).unwrap(), 2);
        }
        finish(executor);
    }
}

#[test]
fn endless_job_is_killed_at_its_time_limit() {
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
        let failure = failure_among_others(&pool, &job, JobOptions::new().time_limit(limit));
        let JobError::TimedOut(details) = failure else { panic!("{job:?}: {failure:?}") };
        let TimedOut { limit: passed, attempts, .. } = *details;
        assert_eq!((passed, attempts), (limit, 1), "{job:?}");
    }
    finish(&pool);
}

#[test]
fn changes_to_the_process_stay_in_the_worker() {
    let _case = Case::begin();
    let before = std::env::current_dir().unwrap();
    for fault in [Fault::ChangeDirectory, Fault::BlockSignals, Fault::IgnoreTerm, Fault::TakeAllDescriptors] {
        let pool = once().build().unwrap();
        assert_eq!(pool.submit(Probe::Fault(fault)).unwrap().result_timeout(TIMEOUT).unwrap(), 0);
        for n in 0..20 {
            assert_eq!(
                pool.submit(Probe::Double(n)).unwrap().result_timeout(TIMEOUT).unwrap(),
                2 * n,
                "{fault:?}"
            );
        }
        // The next worker is not affected.
        assert!(pool.submit(Probe::Exit(1)).unwrap().result_timeout(TIMEOUT).is_err());
        assert_eq!(pool.submit(Probe::Shell("exit 3".into())).unwrap().result_timeout(TIMEOUT).unwrap(), 3);
        assert_eq!(pool.worker_stats().len(), 2, "{fault:?}");
        finish(&pool);
    }
    assert_eq!(std::env::current_dir().unwrap(), before);
}

#[test]
fn worker_without_signals_exits_on_shutdown() {
    let _case = Case::begin();
    for fault in [Fault::BlockSignals, Fault::IgnoreTerm] {
        let pool = processes(1);
        pool.submit(Probe::Fault(fault)).unwrap().result_timeout(TIMEOUT).unwrap();
        finish(&pool);
        assert!(pool.reports().iter().all(|report| report.report.is_ok()));
    }
}

#[test]
fn forked_child_does_not_hide_a_death() {
    let _case = Case::begin();
    for fault in [Fault::ForkAndAbort, Fault::DetachAndAbort] {
        let pool = once().build().unwrap();
        let job = pool.submit(Probe::Fault(fault)).unwrap();
        let Err(JobError::Crashed(details)) = job.result_timeout(Duration::from_secs(10)) else {
            panic!("the death is not noticed: {fault:?}")
        };
        let Crashed { death, .. } = *details;
        assert_eq!(death.cause, DeathCause::Signalled(6));
        finish(&pool);
    }
}

#[test]
fn job_that_damages_its_channel_keeps_its_outcome() {
    let _case = Case::begin();
    for fault in [Fault::CloseSockets, Fault::CloseAll, Fault::WriteGarbage] {
        let pool = once().build().unwrap();
        let job = pool.submit(Probe::Fault(fault)).unwrap();
        let result = job.result_timeout(TIMEOUT);
        assert!(result.is_ok(), "{fault:?}: {result:?}");
        assert!(!matches!(pool.submit(Probe::Double(1)), Err(SubmitError::Broken(_))), "{fault:?}");
        finish(&pool);
    }
}
