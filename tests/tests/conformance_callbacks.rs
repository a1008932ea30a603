//! Conformance: callbacks of futures. Each test carries its row's id.

#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
    thread,
    time::Duration,
};

use end_to_end::{
    Case, held, on_all, on_pools,
    probe::{LIMIT, Probe, Stage, finish, mishap, processes, threads, until},
};
use pool::{Executor, JobError, JobOptions, ResultError, SubmitError};

#[test]
fn cb_01a_a_callback_hears_once_of_a_success() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, held);
        let (tell, told) = channel();
        held.add_done_callback(move |job| tell.send(job.result(Duration::ZERO).ok()).unwrap());
        stage.release();
        assert_eq!(told.recv_timeout(LIMIT).unwrap(), Some(0));
        executor.shutdown(true, false);
        assert!(told.try_recv().is_err(), "called twice");
    });
}

#[test]
fn cb_01b_a_callback_hears_once_of_an_error_a_time_out_and_a_death() {
    let _case = Case::begin();
    let executor = processes(2);
    let stage = Stage::new();
    let (tell, told) = channel();
    let limit = JobOptions { time_limit: Some(Duration::from_millis(50)) };
    let jobs = [
        executor.submit(Probe::Fail(mishap(1, ""))).unwrap(),
        executor.submit_with(stage.hold(), limit).unwrap(),
        executor.submit(Probe::Exit(3)).unwrap(),
    ];
    for (index, job) in jobs.iter().enumerate() {
        let tell = tell.clone();
        job.add_done_callback(move |job| {
            let kind = match job.error(Duration::ZERO).unwrap().unwrap() {
                JobError::Failed(_) => "error",
                JobError::TimedOut { .. } => "time-out",
                JobError::Crashed { .. } => "death",
                _ => "something else",
            };
            tell.send((index, kind)).unwrap();
        });
    }
    let mut endings = [(); 3].map(|()| told.recv_timeout(LIMIT).unwrap());
    endings.sort_unstable();
    assert_eq!(endings, [(0, "error"), (1, "time-out"), (2, "death")]);
    finish(&executor);
    assert!(told.try_recv().is_err(), "called twice");
}

#[test]
fn cb_01c_a_callback_hears_once_of_a_cancellation() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, _held);
        let (tell, told) = channel();
        let job = executor.submit(Probe::Double(1)).unwrap();
        job.add_done_callback(move |job| tell.send(job.cancelled()).unwrap());
        assert!(job.cancel() && job.cancel());
        assert!(told.recv_timeout(LIMIT).unwrap());
        stage.release();
        executor.shutdown(true, false);
        assert!(told.try_recv().is_err(), "called twice");
    });
}

#[test]
fn cb_02_a_callback_added_late_runs_at_once_on_the_adding_thread() {
    let _case = Case::begin();
    on_all!(|executor| {
        let job = executor.submit(Probe::Double(3)).unwrap();
        job.result(LIMIT).unwrap();
        let (tell, told) = channel();
        job.add_done_callback(move |_| tell.send(thread::current().id()).unwrap());
        assert_eq!(told.try_recv().unwrap(), thread::current().id());
    });
}

#[test]
fn cb_03a_after_a_panicking_callback_the_others_run_and_the_outcome_stands() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, held);
        let (tell, told) = channel();
        held.add_done_callback(|_| panic!("a callback's panic, on purpose"));
        held.add_done_callback(move |_| tell.send(()).unwrap());
        stage.release();
        told.recv_timeout(LIMIT).unwrap();
        assert_eq!(held.result(LIMIT).unwrap(), 0);
    });
}

#[test]
fn cb_03b_a_panic_at_registration_is_caught_too() {
    let _case = Case::begin();
    on_all!(|executor| {
        let job = executor.submit(Probe::Double(3)).unwrap();
        job.result(LIMIT).unwrap();
        job.add_done_callback(|_| panic!("a callback's panic, on purpose"));
        assert_eq!(job.result(LIMIT).unwrap(), 6);
    });
}

#[test]
fn cb_03c_a_panicking_callback_does_not_take_the_pool_down() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        for n in 0..20 {
            let job = executor.submit(Probe::Double(n)).unwrap();
            job.add_done_callback(|_| panic!("a callback's panic, on purpose"));
            assert_eq!(job.result(LIMIT).unwrap(), 2 * n);
        }
    });
}

#[test]
fn cb_04a_chains_that_submit_from_callbacks_go_on() {
    let _case = Case::begin();
    fn step(executor: &Arc<dyn Executor<Probe>>, left: usize, done: &Arc<AtomicUsize>) {
        let (again, done) = (executor.clone(), done.clone());
        executor.submit(Probe::Double(1)).unwrap().add_done_callback(move |_| {
            done.fetch_add(1, Ordering::Relaxed);
            if left > 1 {
                step(&again, left - 1, &done);
            }
        });
    }
    let executor: Arc<dyn Executor<Probe>> = Arc::new(processes(2));
    let done = Arc::new(AtomicUsize::new(0));
    (0..4).for_each(|_| step(&executor, 200, &done));
    until("four chains of 200 have ended", || done.load(Ordering::Relaxed) == 800);
    finish(&*executor);
}

#[test]
fn cb_04b_a_callback_may_submit_what_cannot_be_encoded() {
    let _case = Case::begin();
    let executor = Arc::new(processes(1));
    let (tell, told) = channel();
    let again = executor.clone();
    executor.submit(Probe::Double(1)).unwrap().add_done_callback(move |_| {
        tell.send(again.submit(Probe::Unencodable(())).unwrap()).unwrap();
    });
    let bad = told.recv_timeout(LIMIT).unwrap();
    assert!(
        matches!(bad.result(LIMIT), Err(ResultError::Failed(JobError::Codec(words))) if words.contains("cannot be encoded"))
    );
    finish(&*executor);
}

#[test]
fn cb_05_a_pool_can_be_closed_from_a_callback() {
    let _case = Case::begin();
    let executor = Arc::new(processes(1));
    let (tell, told) = channel();
    let again = executor.clone();
    executor.submit(Probe::Double(1)).unwrap().add_done_callback(move |_| {
        again.shutdown(false, false);
        tell.send(again.submit(Probe::Double(1)).err()).unwrap();
    });
    assert_eq!(told.recv_timeout(LIMIT).unwrap(), Some(SubmitError::Closed));
    finish(&*executor);
}

#[test]
fn cb_05b_a_waiting_shutdown_in_a_callback_does_not_wait_for_itself() {
    let _case = Case::begin();
    let executors: [Arc<dyn Executor<Probe>>; 2] = [Arc::new(processes(1)), Arc::new(threads(1))];
    for executor in executors {
        held!(executor, stage, held);
        let (tell, told) = channel();
        let again = executor.clone();
        held.add_done_callback(move |_| {
            again.shutdown(true, false);
            tell.send(again.submit(Probe::Double(1)).err()).unwrap();
        });
        stage.release();
        assert_eq!(told.recv_timeout(LIMIT).unwrap(), Some(SubmitError::Closed));
        finish(&*executor);
    }
}
