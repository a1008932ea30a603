//! Conformance: `wait` and `as_completed`. Each test carries its row's id.

#![allow(clippy::unwrap_used)]

use std::{
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use end_to_end::{
    Case, held, on_all, on_pools,
    probe::{LIMIT, Mishap, Probe, Stage, finish, processes},
};
use pool::{Executor, ReturnWhen, as_completed, wait};

fn mishap(code: i32, words: &str) -> Mishap {
    Mishap { code, words: words.to_owned() }
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
fn wait_03_first_exception_is_ended_by_a_failure_only() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let good = executor.submit(Probe::Double(1)).unwrap();
        good.result(LIMIT).unwrap();
        held!(executor, stage, held);
        let cancelled = executor.submit(Probe::Double(1)).unwrap();
        cancelled.cancel();
        let short = Duration::from_millis(30);
        let waited = wait([good.clone(), cancelled.clone(), held.clone()], short, ReturnWhen::FirstException);
        assert_eq!(
            (waited.done.len(), waited.not_done.len()),
            (2, 1),
            "neither success nor cancellation ends it"
        );
        let failed = executor.submit(Probe::Fail(mishap(1, ""))).unwrap();
        let late = Stage::new();
        let last = executor.submit(late.hold()).unwrap();
        stage.release();
        let waited = wait([last.clone(), good, failed.clone()], LIMIT, ReturnWhen::FirstException);
        assert_eq!((waited.done.len(), waited.not_done.len()), (2, 1));
        let waited = wait([last, failed], LIMIT, ReturnWhen::FirstException);
        assert_eq!(
            (waited.done.len(), waited.not_done.len()),
            (1, 1),
            "one that has failed already ends it at once"
        );
        late.release();
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
fn ac_02_the_timeout_is_an_overall_deadline() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let done = executor.submit(Probe::Double(1)).unwrap();
        done.result(LIMIT).unwrap();
        held!(executor, stage, held);
        for timeout in [Duration::ZERO, Duration::from_millis(30)] {
            let given = [held.clone(), done.clone(), held.clone()];
            let mut completed = as_completed(given, timeout);
            assert_eq!(completed.next().unwrap().unwrap().result(LIMIT).unwrap(), 2);
            let unfinished = completed.next().unwrap().unwrap_err();
            assert_eq!(unfinished.to_string(), "1 (of 2) jobs unfinished");
            assert!(completed.next().is_none());
        }
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
