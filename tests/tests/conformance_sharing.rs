//! Conformance: executors that many threads share, idle workers, and how long values live. Each test carries its
//! row's id.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    num::NonZeroUsize,
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use end_to_end::{
    Case,
    blob::{self, Blob, Bytes},
    held, on_all, on_pools,
    probe::{LIMIT, Probe, Stage, append, builder, finish, processes, until},
    workers::{living, memory},
};
use pool::{
    Executor, ProcessPool, ResultError, ReturnWhen, Serial, SubmitError, ThreadPool, as_completed, wait,
};

/// Enough to be told from everything else in a process's memory.
const LARGE: usize = 64 << 20;

fn size(jobs: usize) -> NonZeroUsize {
    NonZeroUsize::new(jobs).unwrap()
}

fn blobs() -> ProcessPool<Blob> {
    builder(1).build().unwrap()
}

#[test]
fn sub_04_a_burst_does_not_wait_for_workers_that_are_not_there_yet() {
    let _case = Case::begin();
    let stage = Stage::new();
    // A program that never introduces itself: nobody takes any job.
    let script = stage.file("worker");
    append(&script, "#!/bin/sh\nexec sleep 1000");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let executor = builder(2).worker_program(script).build().unwrap();
    let jobs: Vec<_> = (0..20_000).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
    assert!(!jobs.iter().any(|job| job.done() || job.running()));
    executor.stop(Duration::ZERO);
    assert!(jobs.iter().all(|job| job.cancelled()));
    finish(&executor);
}

#[test]
fn sub_04b_nor_for_a_thread_that_does_not_take_outcomes() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, held);
        let (tell, told) = channel::<()>();
        let (entered, enters) = channel();
        held.add_done_callback(move |_| {
            entered.send(()).unwrap();
            let _ = told.recv();
        });
        stage.release();
        enters.recv().unwrap();
        // Whoever brings the outcomes is in the callback, and stays there.
        let jobs: Vec<_> = (0..20_000).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
        drop(tell);
        for (n, job) in (0..).zip(jobs) {
            assert_eq!(job.result(LIMIT).unwrap(), 2 * n);
        }
    });
}

#[test]
fn sub_05a_the_parent_keeps_no_copy_of_a_job() {
    let _case = Case::begin();
    let own = std::process::id().into();
    let executor = blobs();
    executor.submit(Blob::Swallow(Bytes::new(1))).unwrap().take(LIMIT).unwrap().unwrap();
    let before = memory(own);
    let job = executor.submit(Blob::Swallow(Bytes::new(LARGE))).unwrap();
    assert_eq!(blob::living(), 0, "the value is gone as soon as it is encoded");
    until("the job is done", || job.done());
    // No later job displaces what was encoded, and its future is still there.
    until("what was encoded is gone", || memory(own) < before + LARGE as u64 / 2);
    let outcome = job.take(LIMIT).unwrap();
    assert_eq!(blob::living(), 1, "the output, which is ours");
    drop(outcome);
    finish(&executor);
    assert_eq!(blob::living(), 0);
}

#[test]
fn sub_05a_a_dropped_future_leaks_no_output() {
    let _case = Case::begin();
    for executor in executors() {
        drop(executor.submit(Blob::Make(10)).unwrap());
        executor.submit(Blob::Make(10)).unwrap().take(LIMIT).unwrap().unwrap();
        finish(&*executor);
        assert_eq!(blob::living(), 0);
    }
}

#[test]
fn sub_05b_the_worker_drops_the_input_as_soon_as_the_job_ends() {
    let _case = Case::begin();
    let executor = blobs();
    let (worker, _) = executor.submit(Blob::Make(0)).unwrap().take(LIMIT).unwrap().unwrap();
    let before = memory(worker);
    let job = executor.submit(Blob::Swallow(Bytes::new(LARGE))).unwrap();
    until("it has arrived", || memory(worker) > before + LARGE as u64 || job.done());
    job.take(LIMIT).unwrap().unwrap();
    // Nothing is sent to the worker meanwhile.
    until("the worker has let go of it", || memory(worker) < before + LARGE as u64 / 2);
    finish(&executor);
}

fn executors() -> Vec<Box<dyn Executor<Blob>>> {
    vec![Box::new(blobs()), Box::new(ThreadPool::new(1, ())), Box::new(Serial::new(()))]
}

#[test]
fn map_02_the_smallest_buffer_gives_everything() {
    let _case = Case::begin();
    // Zero cannot be written, for the buffer as for the jobs of a batch.
    on_all!(|executor| {
        let jobs = || (0..50).map(Probe::Double);
        let ordered = executor.map(jobs()).buffer(size(1)).timeout(LIMIT).into_iter();
        assert!(ordered.map(Result::unwrap).eq((0..50).map(|n| 2 * n)));
        let unordered = executor.map_unordered(jobs()).buffer(size(1)).timeout(LIMIT).into_iter();
        assert_eq!(unordered.map(|output| output.unwrap().1).sum::<u64>(), 49 * 50);
    });
}

#[test]
fn map_11_the_iterator_keeps_no_output_that_it_has_given() {
    let _case = Case::begin();
    fn check<E: Executor<Blob>>(executor: &E) {
        let jobs = || (1..=6).map(Blob::Make);
        // All but the given ones are under way or wait to be given.
        let mut ordered = executor.map(jobs()).unbuffered().into_iter();
        let first = ordered.next().unwrap().unwrap();
        assert_eq!(first.1.length(), 1);
        let others = ordered.by_ref().inspect(|output| assert!(output.is_ok())).count();
        assert_eq!((others, blob::living()), (5, 1), "what was given and dropped is gone");
        drop(first);
        assert_eq!(blob::living(), 0, "while the iterator is still there");
        drop(ordered);
        let mut unordered = executor.map_unordered(jobs()).buffer(size(2)).into_iter();
        assert_eq!(unordered.by_ref().inspect(|output| assert!(output.is_ok())).count(), 6);
        assert_eq!(blob::living(), 0);
        drop(unordered);
        finish(executor);
    }
    check(&blobs());
    check(&ThreadPool::<Blob>::new(1, ()));
    check(&Serial::<Blob>::new(()));
}

#[test]
fn ac_03_as_completed_gives_up_what_it_gives() {
    let _case = Case::begin();
    for executor in executors() {
        let jobs: Vec<_> = (0..5).map(|n| executor.submit(Blob::Make(n)).unwrap()).collect();
        assert!(wait(jobs.clone(), LIMIT, ReturnWhen::AllCompleted).not_done.is_empty());
        let mut left = jobs.len();
        for job in as_completed(jobs, LIMIT) {
            assert_eq!(blob::living(), left);
            drop(job.unwrap());
            left -= 1;
            // The thread that brought the outcome may be about to let go of it; the iterator is still there.
            until("nobody has the job any more", || blob::living() == left);
        }
        finish(&*executor);
    }
}

#[test]
fn idle_02_as_many_workers_are_started_as_there_are_jobs_at_a_time() {
    let _case = Case::begin();
    for count in 1..=4 {
        on_pools!(6, |executor| {
            let stage = Stage::new();
            let jobs: Vec<_> = (0..count).map(|_| executor.submit(stage.hold()).unwrap()).collect();
            stage.until_held(count);
            assert_eq!(executor.worker_stats().len(), count);
            stage.release();
            wait(jobs, LIMIT, ReturnWhen::AllCompleted);
        });
    }
}

#[test]
fn idle_03_all_workers_run_at_once_even_if_they_outnumber_the_processors() {
    let _case = Case::begin();
    let count = 4 * pool::available_cores() + 3;
    let executor = processes(count);
    let stage = Stage::new();
    let hold = || Probe::Then(Box::new(stage.hold()), Box::new(Probe::Pid));
    let jobs: Vec<_> = (0..count).map(|_| executor.submit(hold()).unwrap()).collect();
    // A barrier: none ends before all have begun.
    stage.until_held(count);
    stage.release();
    let pids: BTreeSet<u64> = jobs.iter().map(|job| job.result(LIMIT).unwrap()).collect();
    assert_eq!(pids.len(), count);
    finish(&executor);
}

#[test]
fn idle_03b_blocked_jobs_delay_others_but_lose_none() {
    let _case = Case::begin();
    on_pools!(2, |executor| {
        let stage = Stage::new();
        let blocked: Vec<_> = (0..2).map(|_| executor.submit(stage.hold()).unwrap()).collect();
        let jobs: Vec<_> = (0..100).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
        stage.until_held(2);
        assert!(!jobs.iter().any(|job| job.done()));
        stage.release();
        for (n, job) in (0..).zip(&jobs) {
            assert_eq!(job.result(LIMIT).unwrap(), 2 * n);
        }
        assert!(blocked.iter().all(|job| job.result(LIMIT).is_ok()));
    });
}

#[test]
fn conc_01_ten_threads_share_a_pool() {
    let _case = Case::begin();
    on_all!(|executor| {
        thread::scope(|scope| {
            for me in 0..10 {
                let executor = &executor;
                scope.spawn(move || mix(executor, 1000 * me));
            }
        });
    });
}

/// Maps, submits and cancels, and checks everything that comes of it.
fn mix<E: Executor<Probe>>(executor: &E, base: u64) {
    for round in 0..5 {
        let base = base + 100 * round;
        let mut outputs = executor
            .map((base..base + 40).map(Probe::Double))
            .buffer(size(1 + base as usize % 7))
            .into_iter();
        let jobs: Vec<_> = (base..base + 30).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
        jobs.iter().step_by(3).for_each(|job| _ = job.cancel());
        assert!(outputs.by_ref().map(Result::unwrap).eq((base..base + 40).map(|n| 2 * n)));
        for (n, job) in (base..).zip(&jobs) {
            match job.result(LIMIT) {
                Ok(output) => assert_eq!(output, 2 * n),
                Err(error) => assert!(job.cancelled() && (n - base).is_multiple_of(3), "{error}"),
            }
        }
    }
}

#[test]
fn conc_02_a_submit_that_races_with_a_shutdown_is_run_or_refused() {
    let _case = Case::begin();
    for cancel in [false, true] {
        for round in 0..5 {
            on_pools!(2, |executor| {
                let (accepted, first) = channel();
                thread::scope(|scope| {
                    let submitting: Vec<_> = (0..4)
                        .map(|_| (accepted.clone(), &executor))
                        .map(|(accepted, executor)| scope.spawn(move || until_refused(executor, &accepted)))
                        .collect();
                    (0..10 * round + 1).for_each(|_| first.recv().unwrap());
                    executor.shutdown(round % 2 == 0, cancel);
                    for thread in submitting {
                        for (n, job) in (0..).zip(thread.join().unwrap()) {
                            match job.result(LIMIT) {
                                Ok(output) => assert_eq!(output, 2 * n),
                                Err(error) => assert!(cancel && job.cancelled(), "{error}"),
                            }
                        }
                    }
                });
            });
        }
    }
}

/// Submits until that is refused: what was accepted.
fn until_refused<E: Executor<Probe>>(
    executor: &E,
    accepted: &std::sync::mpsc::Sender<()>,
) -> Vec<pool::JobFuture<Probe>> {
    let mut jobs = Vec::new();
    let start = Instant::now();
    for n in 0.. {
        match executor.submit(Probe::Double(n)) {
            Ok(job) => jobs.push(job),
            Err(refused) => {
                assert_eq!(refused, SubmitError::Closed);
                break;
            }
        }
        accepted.send(()).unwrap();
        assert!(start.elapsed() < LIMIT, "never refused");
    }
    jobs
}

#[test]
fn conc_02b_a_submit_that_races_with_a_stop_or_a_break_is_resolved() {
    let _case = Case::begin();
    for breaks in [false, true] {
        let executor = end_to_end::probe::breaking(2);
        let (accepted, first) = channel();
        thread::scope(|scope| {
            let submitting = scope.spawn(|| {
                let mut jobs = Vec::new();
                while let Ok(job) = executor.submit(Probe::Double(1)) {
                    jobs.push(job);
                    let _ = accepted.send(());
                }
                jobs
            });
            first.recv().unwrap();
            if breaks {
                living(&executor).into_iter().for_each(end_to_end::workers::end);
                let _ = executor.submit(Probe::Abort);
            } else {
                executor.stop(Duration::ZERO);
            }
            for job in submitting.join().unwrap() {
                assert!(!matches!(job.result(LIMIT), Err(ResultError::TimedOut)));
            }
        });
        finish(&executor);
        assert_eq!(executor.broken().is_some(), breaks);
    }
}
