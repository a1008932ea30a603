//! Conformance: the states of futures, callbacks and `submit`. Each test carries its row's id.

#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
    thread,
    time::{Duration, Instant},
};

use end_to_end::{
    Case, held, on_all, on_pools,
    probe::{LIMIT, Mishap, Probe, Stage, finish, marks, processes, until},
};
use pool::{Executor, Failure, JobFuture, NoOutcome, Refused, ReturnWhen, wait};

fn mishap(code: i32, words: &str) -> Mishap {
    Mishap { code, words: words.to_owned() }
}

#[test]
fn fut_01_predicates_form_one_truth_table() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, held);
        let states = |job: &JobFuture<Probe>| (job.running(), job.cancelled(), job.done());
        let pending = executor.submit(Probe::Double(1)).unwrap();
        let cancelled = executor.submit(Probe::Double(1)).unwrap();
        assert!(cancelled.cancel());
        assert_eq!(states(&held), (true, false, false));
        assert_eq!(states(&pending), (false, false, false));
        assert_eq!(states(&cancelled), (false, true, true));
        stage.release();
        assert_eq!(pending.result(LIMIT).unwrap(), 2);
        assert_eq!(states(&pending), (false, false, true));
        assert_eq!(states(&held), (false, false, true));
    });
}

#[test]
fn fut_02a_a_cancelled_pending_job_never_runs() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, held);
        let file = stage.file("ran");
        let job = executor.submit(Probe::Mark(file.clone())).unwrap();
        assert!(job.cancel() && job.cancelled());
        stage.release();
        assert_eq!(held.result(LIMIT).unwrap(), 0);
        executor.shutdown(true, false);
        assert_eq!(marks(&file), 0);
    });
}

#[test]
fn fut_02b_cancelling_twice_changes_nothing() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, _held);
        let job = executor.submit(Probe::Double(1)).unwrap();
        assert!(job.cancel() && job.cancel());
        assert!(matches!(job.result(LIMIT), Err(NoOutcome::Failed(Failure::Cancelled))));
        stage.release();
    });
}

#[test]
fn fut_02c_a_running_or_finished_job_cannot_be_cancelled() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, held);
        assert!(!held.cancel() && held.running());
        stage.release();
        assert_eq!(held.result(LIMIT).unwrap(), 0);
        assert!(!held.cancel() && !held.cancelled());
        assert_eq!(held.result(LIMIT).unwrap(), 0);
    });
}

#[test]
fn fut_03_a_zero_timeout_never_blocks_and_a_positive_one_waits() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, held);
        let cancelled = executor.submit(Probe::Double(1)).unwrap();
        cancelled.cancel();
        assert!(matches!(held.result(Duration::ZERO), Err(NoOutcome::TimedOut)));
        assert!(matches!(held.error(Duration::ZERO), Err(NoOutcome::TimedOut)));
        assert!(matches!(cancelled.result(Duration::ZERO), Err(NoOutcome::Failed(Failure::Cancelled))));
        assert!(matches!(cancelled.error(Duration::ZERO), Err(NoOutcome::Failed(Failure::Cancelled))));
        let start = Instant::now();
        assert!(matches!(held.result(Duration::from_millis(50)), Err(NoOutcome::TimedOut)));
        assert!(start.elapsed() >= Duration::from_millis(50));
        assert!(held.running(), "the job is left alone");
        stage.release();
        held.result(LIMIT).unwrap();
    });
    on_all!(|executor| {
        let good = executor.submit(Probe::Double(4)).unwrap();
        let bad = executor.submit(Probe::Fail(mishap(5, "no"))).unwrap();
        wait([good.clone(), bad.clone()], LIMIT, ReturnWhen::AllCompleted);
        assert_eq!(good.result(Duration::ZERO).unwrap(), 8);
        assert!(good.error(Duration::ZERO).unwrap().is_none());
        assert!(matches!(bad.error(Duration::ZERO), Ok(Some(Failure::Failed(m))) if m == mishap(5, "no")));
    });
}

#[test]
fn fut_04a_completion_wakes_a_blocked_thread() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, held);
        let waiter = thread::spawn(move || held.result(None).unwrap());
        stage.release();
        assert_eq!(waiter.join().unwrap(), 0);
    });
}

#[test]
fn fut_04b_cancellation_wakes_a_blocked_thread() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, _held);
        let job = executor.submit(Probe::Double(1)).unwrap();
        let (told, waits) = channel();
        let waiter = {
            let job = job.clone();
            thread::spawn(move || {
                told.send(()).unwrap();
                job.result(None).is_err()
            })
        };
        waits.recv().unwrap();
        assert!(job.cancel());
        assert!(waiter.join().unwrap());
        stage.release();
    });
}

#[test]
fn fut_05_reading_an_outcome_again_gives_the_same_and_taking_it_is_told() {
    let _case = Case::begin();
    on_all!(|executor| {
        let job = executor.submit(Probe::Double(4)).unwrap();
        for _ in 0..3 {
            assert_eq!(job.result(LIMIT).unwrap(), 8);
        }
        assert_eq!(job.take(LIMIT).unwrap().unwrap(), 8);
        assert!(matches!(job.take(LIMIT), Err(NoOutcome::Taken)));
        assert!(matches!(job.result(LIMIT), Err(NoOutcome::Taken)));
        assert!(job.done() && !job.cancelled());
    });
}

#[test]
fn fut_07_an_empty_error_still_fails() {
    let _case = Case::begin();
    on_all!(|executor| {
        let job = executor.submit(Probe::Fail(mishap(0, ""))).unwrap();
        assert!(
            matches!(job.result(LIMIT), Err(NoOutcome::Failed(Failure::Failed(m))) if m == mishap(0, ""))
        );
    });
}

#[test]
fn fut_08_a_failure_keeps_its_type_and_a_panic_its_place() {
    let _case = Case::begin();
    on_all!(|executor| {
        let job = executor.submit(Probe::Fail(mishap(-7, "seven"))).unwrap();
        assert!(matches!(job.error(LIMIT), Ok(Some(Failure::Failed(m))) if m == mishap(-7, "seven")));
        let job = executor.submit(Probe::Panic("oh no".into())).unwrap();
        let Ok(Some(Failure::Panicked(panic))) = job.error(LIMIT) else { panic!("no panic") };
        assert_eq!(panic.message, "oh no");
        assert!(panic.location.as_ref().unwrap().contains("probe.rs:"), "{panic}");
        let shown = job.error(LIMIT).unwrap().unwrap().to_string();
        assert!(shown.contains("oh no") && shown.contains("probe.rs:"), "{shown}");
    });
}

#[test]
fn fut_09_debug_output_names_the_state() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, held);
        let pending = executor.submit(Probe::Double(1)).unwrap();
        let cancelled = executor.submit(Probe::Double(1)).unwrap();
        cancelled.cancel();
        let failed = executor.submit(Probe::Fail(mishap(1, ""))).unwrap();
        assert_eq!(
            format!("{held:?} {pending:?} {cancelled:?}"),
            "JobFuture(running) JobFuture(pending) JobFuture(cancelled)"
        );
        stage.release();
        wait([held.clone(), failed.clone()], LIMIT, ReturnWhen::AllCompleted);
        assert_eq!(format!("{held:?} {failed:?}"), "JobFuture(succeeded) JobFuture(failed)");
    });
}

#[test]
fn cb_01_a_callback_runs_once_for_every_kind_of_ending() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, held);
        let (tell, told) = channel();
        let jobs = [Probe::Double(3), Probe::Fail(mishap(1, "")), Probe::Double(5)]
            .map(|job| executor.submit(job).unwrap());
        for (index, job) in jobs.iter().enumerate() {
            let tell = tell.clone();
            job.add_done_callback(move |job| {
                tell.send((index, job.result(Duration::ZERO).ok(), job.cancelled())).unwrap();
            });
        }
        jobs[2].cancel();
        assert_eq!(told.recv_timeout(LIMIT).unwrap(), (2, None, true));
        stage.release();
        held.result(LIMIT).unwrap();
        let mut endings: Vec<_> = (0..2).map(|_| told.recv_timeout(LIMIT).unwrap()).collect();
        endings.sort();
        assert_eq!(endings, [(0, Some(6), false), (1, None, false)]);
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
fn cb_03_a_panicking_callback_harms_nothing() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, held);
        let (tell, told) = channel();
        held.add_done_callback(|_| panic!("a callback's panic, on purpose"));
        held.add_done_callback(move |_| tell.send(()).unwrap());
        stage.release();
        told.recv_timeout(LIMIT).unwrap();
        assert_eq!(held.result(LIMIT).unwrap(), 0);
        held.add_done_callback(|_| panic!("another, at registration"));
        assert_eq!(executor.submit(Probe::Double(1)).unwrap().result(LIMIT).unwrap(), 2);
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
        matches!(bad.result(LIMIT), Err(NoOutcome::Failed(Failure::Codec(words))) if words.contains("cannot be encoded"))
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
    assert_eq!(told.recv_timeout(LIMIT).unwrap(), Some(Refused::Closed));
    finish(&*executor);
}

#[test]
fn sub_01_any_number_of_submits_resolve() {
    let _case = Case::begin();
    on_all!(|executor| {
        let jobs: Vec<_> = (0..500).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
        for (n, job) in (0..).zip(&jobs) {
            assert_eq!(job.result(LIMIT).unwrap(), 2 * n);
        }
    });
    let own = u64::from(std::process::id());
    let executor = thread::spawn(|| processes(1)).join().unwrap();
    assert_ne!(executor.submit(Probe::Pid).unwrap().result(LIMIT).unwrap(), own);
    finish(&executor);
}

#[test]
fn sub_02a_submits_after_shutdown_are_refused_while_jobs_drain() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, held);
        executor.shutdown(false, false);
        assert_eq!(executor.submit(Probe::Double(1)).err(), Some(Refused::Closed));
        stage.release();
        assert_eq!(held.result(LIMIT).unwrap(), 0);
    });
}

#[test]
fn sub_02b_submits_to_a_broken_pool_are_refused_with_the_cause() {
    let _case = Case::begin();
    let builder = pool::ProcessPool::<Probe>::builder().workers(1).worker_program("/bin/false");
    let executor = builder.build().unwrap();
    let job = executor.submit(Probe::Double(1)).unwrap();
    let Err(NoOutcome::Failed(Failure::Abandoned(cause))) = job.result(LIMIT) else {
        panic!("not abandoned")
    };
    assert!(cause.contains("exited with code 1"), "{cause}");
    assert_eq!(executor.submit(Probe::Double(1)).err(), Some(Refused::Broken(cause)));
    finish(&executor);
}

#[test]
fn sub_03_submitting_never_blocks_on_capacity() {
    let _case = Case::begin();
    on_pools!(2, |executor| {
        let stage = Stage::new();
        let jobs: Vec<_> = (0..30).map(|_| executor.submit(stage.hold()).unwrap()).collect();
        stage.until_held(2);
        assert_eq!(executor.figures().len(), 2);
        stage.release();
        wait(jobs, LIMIT, ReturnWhen::AllCompleted);
        assert_eq!(executor.figures().len(), 2);
    });
}

#[test]
fn sub_05a_dropping_a_future_does_not_cancel() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, held);
        let file = stage.file("ran");
        drop(executor.submit(Probe::Mark(file.clone())).unwrap());
        stage.release();
        held.result(LIMIT).unwrap();
        executor.shutdown(true, false);
        assert_eq!(marks(&file), 1);
    });
}

#[test]
fn sub_06_a_failure_is_isolated_and_the_worker_is_reused() {
    let _case = Case::begin();
    let executor = processes(1);
    let before = executor.submit(Probe::Pid).unwrap();
    let jobs = [Probe::Fail(mishap(1, "")), Probe::Panic("x".into()), Probe::Pid]
        .map(|job| executor.submit(job).unwrap());
    assert!(jobs[0].result(LIMIT).is_err() && jobs[1].result(LIMIT).is_err());
    assert_eq!(jobs[2].result(LIMIT).unwrap(), before.result(LIMIT).unwrap());
    finish(&executor);
}

#[test]
fn death_12_a_hundred_unencodable_jobs_and_a_hundred_good_ones_resolve() {
    let _case = Case::begin();
    let executor = processes(2);
    let jobs: Vec<_> = (0..200)
        .map(|n| executor.submit(if n < 100 { Probe::Unencodable(()) } else { Probe::Double(n) }).unwrap())
        .collect();
    for (n, job) in (0..).zip(&jobs) {
        assert_eq!(job.result(LIMIT).ok(), (n >= 100).then_some(n * 2));
    }
    finish(&executor);
}
