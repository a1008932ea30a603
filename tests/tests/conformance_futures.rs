//! Conformance: states of futures. Each test name starts with the id of its row.

use std::{
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use end_to_end::{
    Case,
    answer::Answer,
    block_worker, on_all, on_pools,
    probe::{Probe, TIMEOUT, builder, finish, line_count, probe_error},
};
use pool::{
    Executor, JobError, JobFuture,
    future::{ReturnWhen, wait},
};

#[test]
fn fut_01_predicates_form_one_truth_table() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, held);
        let states = |job: &JobFuture<Probe>| (job.is_running(), job.is_cancelled(), job.is_done());
        let pending = executor.submit(Probe::Double(1)).unwrap();
        let cancelled = executor.submit(Probe::Double(1)).unwrap();
        assert!(cancelled.cancel());
        assert_eq!(states(&held), (true, false, false));
        assert_eq!(states(&pending), (false, false, false));
        assert_eq!(states(&cancelled), (false, true, true));
        barrier.release();
        assert_eq!(pending.result_timeout(TIMEOUT).unwrap(), 2);
        assert_eq!(states(&pending), (false, false, true));
        assert_eq!(states(&held), (false, false, true));
    });
}

#[test]
fn fut_01b_many_threads_see_the_same_finished_job() {
    let _case = Case::begin();
    on_all!(|executor| {
        let job = executor.submit(Probe::Double(4)).unwrap();
        wait([job.clone()], TIMEOUT, ReturnWhen::AllCompleted);
        let seen =
            || (job.is_done(), job.is_cancelled(), job.is_running(), job.result_timeout(Duration::ZERO).ok());
        thread::scope(|scope| {
            let polls =
                [(); 8].map(|()| scope.spawn(|| (0..1000).all(|_| seen() == (true, false, false, Some(8)))));
            assert!(polls.into_iter().all(|poll| poll.join().unwrap()));
        });
    });
}

#[test]
fn fut_02a_a_cancelled_pending_job_never_runs() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, held);
        let file = barrier.file("ran");
        let job = executor.submit(Probe::Mark(file.clone())).unwrap();
        assert!(job.cancel() && job.is_cancelled());
        barrier.release();
        assert_eq!(held.result_timeout(TIMEOUT).unwrap(), 0);
        executor.join();
        assert_eq!(line_count(&file), 0);
    });
}

#[test]
fn fut_02b_cancelling_twice_changes_nothing() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, _held);
        let job = executor.submit(Probe::Double(1)).unwrap();
        assert!(job.cancel() && job.cancel());
        assert!(matches!(job.result_timeout(TIMEOUT), Err(JobError::Cancelled)));
        barrier.release();
    });
}

#[test]
fn fut_02c_a_running_or_finished_job_cannot_be_cancelled() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, held);
        assert!(!held.cancel() && held.is_running());
        barrier.release();
        assert_eq!(held.result_timeout(TIMEOUT).unwrap(), 0);
        assert!(!held.cancel() && !held.is_cancelled());
        assert_eq!(held.result_timeout(TIMEOUT).unwrap(), 0);
    });
}

#[test]
fn fut_03_a_zero_timeout_never_blocks_and_a_positive_one_waits() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, held);
        let cancelled = executor.submit(Probe::Double(1)).unwrap();
        cancelled.cancel();
        assert!(matches!(held.result_timeout(Duration::ZERO), Err(JobError::NotReady)));
        assert!(matches!(held.error_timeout(Duration::ZERO), Err(JobError::NotReady)));
        assert!(matches!(cancelled.result_timeout(Duration::ZERO), Err(JobError::Cancelled)));
        assert!(matches!(cancelled.error_timeout(Duration::ZERO), Err(JobError::Cancelled)));
        let start = Instant::now();
        assert!(matches!(held.result_timeout(Duration::from_millis(50)), Err(JobError::NotReady)));
        assert!(start.elapsed() >= Duration::from_millis(50));
        assert!(held.is_running(), "the job is not affected");
        barrier.release();
        held.result_timeout(TIMEOUT).unwrap();
    });
    on_all!(|executor| {
        let good = executor.submit(Probe::Double(4)).unwrap();
        let bad = executor.submit(Probe::Fail(probe_error(5, "no"))).unwrap();
        wait([good.clone(), bad.clone()], TIMEOUT, ReturnWhen::AllCompleted);
        assert_eq!(good.result_timeout(Duration::ZERO).unwrap(), 8);
        assert!(good.error_timeout(Duration::ZERO).unwrap().is_none());
        assert!(matches!(
            bad.error_timeout(Duration::ZERO), Ok(Some(JobError::Failed(e))) if e == probe_error(5, "no")
        ));
    });
}

#[test]
fn fut_04a_completion_wakes_a_blocked_thread() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, held);
        let waiter = thread::spawn(move || held.result().unwrap());
        barrier.release();
        assert_eq!(waiter.join().unwrap(), 0);
    });
}

#[test]
fn fut_04b_cancellation_wakes_a_blocked_thread() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, _held);
        let job = executor.submit(Probe::Double(1)).unwrap();
        let (started, waits) = channel();
        let waiter = {
            let job = job.clone();
            thread::spawn(move || {
                started.send(()).unwrap();
                job.result().is_err()
            })
        };
        waits.recv().unwrap();
        assert!(job.cancel());
        assert!(waiter.join().unwrap());
        barrier.release();
    });
}

#[test]
fn fut_05_an_outcome_can_be_read_repeatedly_and_taken_once() {
    let _case = Case::begin();
    on_all!(|executor| {
        let job = executor.submit(Probe::Double(4)).unwrap();
        for _ in 0..3 {
            assert_eq!(job.result_timeout(TIMEOUT).unwrap(), 8);
        }
        assert_eq!(job.join_timeout(TIMEOUT).unwrap(), 8);
        assert!(matches!(job.join_timeout(TIMEOUT), Err(JobError::Taken)));
        assert!(matches!(job.result_timeout(TIMEOUT), Err(JobError::Taken)));
        assert!(job.is_done() && !job.is_cancelled());
    });
}

#[test]
fn fut_07a_an_empty_error_still_fails() {
    let _case = Case::begin();
    on_all!(|executor| {
        let job = executor.submit(Probe::Fail(probe_error(0, ""))).unwrap();
        assert!(
            matches!(job.error_timeout(TIMEOUT), Ok(Some(JobError::Failed(e))) if e == probe_error(0, ""))
        );
    });
}

#[test]
fn fut_07b_a_job_whose_output_is_an_err_succeeds() {
    let _case = Case::begin();
    for answer in [Ok(()), Err(probe_error(0, ""))] {
        let executor = builder::<Answer>(1).build().unwrap();
        assert_eq!(executor.submit(Answer(answer.clone())).unwrap().result_timeout(TIMEOUT).unwrap(), answer);
        executor.join();
    }
}

#[test]
fn fut_08_a_failure_keeps_its_type_and_a_panic_its_location() {
    let _case = Case::begin();
    on_all!(|executor| {
        let job = executor.submit(Probe::Fail(probe_error(-7, "seven"))).unwrap();
        assert!(matches!(
            job.error_timeout(TIMEOUT), Ok(Some(JobError::Failed(e))) if e == probe_error(-7, "seven")
        ));
        let job = executor.submit(Probe::Panic("oh no".into())).unwrap();
        let Ok(Some(JobError::Panicked(panic))) = job.error_timeout(TIMEOUT) else { panic!("no panic") };
        assert_eq!(panic.message, "oh no");
        assert!(panic.location.as_ref().unwrap().contains("probe.rs:"), "{panic}");
        let shown = job.error_timeout(TIMEOUT).unwrap().unwrap().to_string();
        assert!(shown.contains("oh no") && shown.contains("probe.rs:"), "{shown}");
    });
}

#[test]
fn fut_08b_a_panic_has_a_backtrace_on_request() {
    let _case = Case::begin();
    let executor = builder(1).env("RUST_BACKTRACE", "1").build().unwrap();
    let job = executor.submit(Probe::Panic("oh no".into())).unwrap();
    let Ok(Some(JobError::Panicked(panic))) = job.error_timeout(TIMEOUT) else { panic!("no panic") };
    let backtrace = panic.backtrace.clone().unwrap();
    assert!(backtrace.contains("probe"), "{backtrace}");
    assert!(format!("{panic:#}").contains(&backtrace) && !panic.to_string().contains(&backtrace));
    finish(&executor);
}

#[test]
fn fut_09_debug_output_names_the_state() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, held);
        let pending = executor.submit(Probe::Double(1)).unwrap();
        let cancelled = executor.submit(Probe::Double(1)).unwrap();
        cancelled.cancel();
        let failed = executor.submit(Probe::Fail(probe_error(1, ""))).unwrap();
        assert_eq!(
            format!("{held:?} {pending:?} {cancelled:?}"),
            "JobFuture(running) JobFuture(pending) JobFuture(cancelled)"
        );
        barrier.release();
        wait([held.clone(), failed.clone()], TIMEOUT, ReturnWhen::AllCompleted);
        assert_eq!(format!("{held:?} {failed:?}"), "JobFuture(succeeded) JobFuture(failed)");
    });
}
