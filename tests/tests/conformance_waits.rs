//! Conformance: `wait` and `as_completed`. Each test carries its row's id.

#![allow(clippy::unwrap_used)]

use std::{
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use end_to_end::{
    Case, held, on_all, on_pools,
    probe::{LIMIT, Probe, Stage, finish, mishap, processes},
};
use pool::{Executor, ReturnWhen, as_completed, wait};

#[test]
fn ac_01_every_different_job_comes_once() {
    let _case = Case::begin();
    on_all!(|executor| {
        let jobs = [Probe::Double(1), Probe::Fail(mishap(1, "")), Probe::Double(2)]
            .map(|job| executor.submit(job).unwrap());
        let twice = jobs.iter().chain(&jobs).cloned();
        assert_eq!(as_completed(twice, LIMIT).map(Result::unwrap).count(), 3);
    });
}

#[test]
fn ac_02a_a_timeout_of_zero_still_yields_what_is_done() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let done = executor.submit(Probe::Double(1)).unwrap();
        done.result(LIMIT).unwrap();
        held!(executor, stage, held);
        let mut completed = as_completed([held, done], Duration::ZERO);
        assert_eq!(completed.next().unwrap().unwrap().result(LIMIT).unwrap(), 2);
        assert!(completed.next().unwrap().is_err() && completed.next().is_none());
        stage.release();
    });
}

#[test]
fn ac_02b_a_timeout_yields_what_came_in_time_and_not_what_is_late() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let quick = executor.submit(Probe::Double(1)).unwrap();
        let stage = Stage::new();
        let late = executor.submit(stage.hold()).unwrap();
        stage.until_held(1);
        let mut completed = as_completed([late, quick], Duration::from_millis(100));
        assert_eq!(completed.next().unwrap().unwrap().result(LIMIT).unwrap(), 2);
        assert!(completed.next().unwrap().is_err() && completed.next().is_none());
        stage.release();
    });
}

#[test]
fn ac_02c_the_error_tells_how_many_of_how_many_different_jobs_are_unfinished() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let done = executor.submit(Probe::Double(1)).unwrap();
        done.result(LIMIT).unwrap();
        held!(executor, stage, held);
        let mut completed = as_completed([held.clone(), done, held], Duration::ZERO);
        assert!(completed.next().unwrap().is_ok());
        assert_eq!(completed.next().unwrap().unwrap_err().to_string(), "1 (of 2) jobs unfinished");
        stage.release();
    });
}

#[test]
fn ac_04_a_job_completed_by_the_loops_body_is_seen() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let first = executor.submit(Probe::Double(1)).unwrap();
        first.result(LIMIT).unwrap();
        held!(executor, stage, held);
        let mut count = 0;
        for job in as_completed([first, held], LIMIT) {
            job.unwrap();
            count += 1;
            stage.release();
        }
        assert_eq!(count, 2);
    });
}

#[test]
fn wait_01_all_completed_takes_failures_cancellations_and_several_executors() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, held);
        let other = processes(1);
        let failed = other.submit(Probe::Fail(mishap(1, ""))).unwrap();
        let cancelled = executor.submit(Probe::Double(1)).unwrap();
        cancelled.cancel();
        stage.release();
        let waited = wait([held.clone(), failed, cancelled], LIMIT, ReturnWhen::AllCompleted);
        assert_eq!((waited.done.len(), waited.not_done.len()), (3, 0));
        finish(&other);
    });
}

#[test]
fn wait_02_first_completed_returns_all_that_are_done() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let done = [1, 2].map(|n| executor.submit(Probe::Double(n)).unwrap());
        done.iter().for_each(|job| assert!(job.result(LIMIT).is_ok()));
        held!(executor, stage, held);
        let waited =
            wait([held.clone(), done[0].clone(), done[1].clone()], LIMIT, ReturnWhen::FirstCompleted);
        assert_eq!((waited.done.len(), waited.not_done.len()), (2, 1));
        let releasing = thread::spawn(move || stage.release());
        let waited = wait([held], LIMIT, ReturnWhen::FirstCompleted);
        assert_eq!(waited.done.len(), 1);
        releasing.join().unwrap();
    });
}

#[test]
fn wait_03a_successes_and_cancellations_do_not_end_a_wait_for_a_failure() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let good = executor.submit(Probe::Double(1)).unwrap();
        good.result(LIMIT).unwrap();
        held!(executor, stage, held);
        let cancelled = executor.submit(Probe::Double(1)).unwrap();
        cancelled.cancel();
        let short = Duration::from_millis(30);
        let waited = wait([good, cancelled, held], short, ReturnWhen::FirstException);
        assert_eq!((waited.done.len(), waited.not_done.len()), (2, 1));
        stage.release();
    });
}

#[test]
fn wait_03b_the_first_failure_ends_it_with_earlier_successes_among_the_done() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, held);
        let failed = executor.submit(Probe::Fail(mishap(1, ""))).unwrap();
        let late = Stage::new();
        let last = executor.submit(late.hold()).unwrap();
        stage.release();
        let waited = wait([last, held, failed], LIMIT, ReturnWhen::FirstException);
        assert_eq!((waited.done.len(), waited.not_done.len()), (2, 1));
        late.release();
    });
}

#[test]
fn wait_03c_one_that_has_failed_already_ends_it_at_once() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let failed = executor.submit(Probe::Fail(mishap(1, ""))).unwrap();
        assert!(failed.result(LIMIT).is_err());
        held!(executor, stage, held);
        let waited = wait([held, failed], LIMIT, ReturnWhen::FirstException);
        assert_eq!((waited.done.len(), waited.not_done.len()), (1, 1));
        stage.release();
    });
}

#[test]
fn wait_04_a_timeout_is_no_error() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, held);
        let start = Instant::now();
        let waited = wait([held], Duration::from_millis(40), ReturnWhen::AllCompleted);
        assert_eq!((waited.done.len(), waited.not_done.len()), (0, 1));
        assert!(start.elapsed() >= Duration::from_millis(40));
        stage.release();
    });
}

#[test]
fn wait_05_a_job_given_twice_counts_once() {
    let _case = Case::begin();
    on_all!(|executor| {
        let job = executor.submit(Probe::Double(1)).unwrap();
        let waited = wait([job.clone(), job.clone(), job], LIMIT, ReturnWhen::AllCompleted);
        assert_eq!((waited.done.len(), waited.not_done.len()), (1, 0));
    });
}

#[test]
fn wait_06_jobs_that_complete_while_the_waiter_is_installed_are_not_lost() {
    let _case = Case::begin();
    on_pools!(2, |executor| {
        for _ in 0..20 {
            let jobs: Vec<_> = (0..100).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
            assert_eq!(wait(jobs, LIMIT, ReturnWhen::AllCompleted).done.len(), 100);
        }
    });
}

#[test]
fn wait_07_a_cancelled_job_is_done_at_once_and_wakes_waiters() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, held);
        let job = executor.submit(Probe::Double(1)).unwrap();
        let (told, waits) = channel();
        let waiter = {
            let job = job.clone();
            thread::spawn(move || {
                told.send(()).unwrap();
                wait([held, job], LIMIT, ReturnWhen::FirstCompleted).done.len()
            })
        };
        waits.recv().unwrap();
        assert!(job.cancel());
        assert_eq!(waiter.join().unwrap(), 1);
        stage.release();
    });
}
