//! Conformance: executors shared by threads, idle workers, and lifetimes of values. Each test name starts
//! with the id of its row.

use std::{
    collections::BTreeSet,
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use end_to_end::{
    Case,
    blob::{self, Blob, Bytes},
    block_worker, on_all, on_pools,
    probe::{Barrier, Probe, TIMEOUT, append, builder, finish, processes, wait_until},
    workers::{live_pids, memory},
};
use pool::{
    Executor, JobError, ProcessPool, Serial, ThreadPool,
    error::SubmitError,
    future::{ReturnWhen, as_completed, wait},
};

/// Bytes; large enough to show in the memory use of a process.
const LARGE: usize = 64 << 20;

fn blobs() -> ProcessPool<Blob> {
    builder(1).build().unwrap()
}

#[test]
fn sub_04_submits_do_not_wait_for_workers_to_start() {
    let _case = Case::begin();
    let barrier = Barrier::new();
    // A program that never connects, so no job is assigned.
    let script = barrier.file("worker");
    append(&script, "#!/bin/sh\nexec sleep 1000");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let executor = builder(2).worker_program(script).build().unwrap();
    let jobs: Vec<_> = (0..20_000).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
    assert!(!jobs.iter().any(|job| job.is_done() || job.is_running()));
    executor.stop(Duration::ZERO);
    assert!(jobs.iter().all(|job| job.is_cancelled()));
    finish(&executor);
}

#[test]
fn sub_04b_submits_do_not_wait_for_a_blocked_callback() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, held);
        let (sender, receiver) = channel::<()>();
        let (entered, enters) = channel();
        held.on_done(move |_| {
            entered.send(()).unwrap();
            let _ = receiver.recv();
        });
        barrier.release();
        enters.recv().unwrap();
        // The thread that delivers outcomes is blocked in the callback.
        let jobs: Vec<_> = (0..20_000).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
        drop(sender);
        for (n, job) in (0..).zip(jobs) {
            assert_eq!(job.result_timeout(TIMEOUT).unwrap(), 2 * n);
        }
    });
}

#[test]
fn sub_05a_the_parent_keeps_no_copy_of_a_job() {
    let _case = Case::begin();
    let own = std::process::id().into();
    let executor = blobs();
    executor.submit(Blob::Discard(Bytes::new(1))).unwrap().join_timeout(TIMEOUT).unwrap();
    let before = memory(own);
    let job = executor.submit(Blob::Discard(Bytes::new(LARGE))).unwrap();
    assert_eq!(blob::live_count(), 0, "the value outlives its encoding");
    wait_until("the job is done", || job.is_done());
    // No later job replaces the encoded one, and its future is still alive.
    wait_until("the encoded job is freed", || memory(own) < before + LARGE as u64 / 2);
    let outcome = job.join_timeout(TIMEOUT);
    assert_eq!(blob::live_count(), 1, "only the caller holds the output");
    drop(outcome);
    finish(&executor);
    assert_eq!(blob::live_count(), 0);
}

#[test]
fn sub_05a_a_dropped_future_leaks_no_output() {
    let _case = Case::begin();
    for executor in executors() {
        drop(executor.submit(Blob::Make(10)).unwrap());
        executor.submit(Blob::Make(10)).unwrap().join_timeout(TIMEOUT).unwrap();
        finish(&*executor);
        assert_eq!(blob::live_count(), 0);
    }
}

#[test]
fn sub_05b_the_worker_drops_the_input_as_soon_as_the_job_ends() {
    let _case = Case::begin();
    let executor = blobs();
    let (worker, _) = executor.submit(Blob::Make(0)).unwrap().join_timeout(TIMEOUT).unwrap();
    let before = memory(worker);
    let job = executor.submit(Blob::Discard(Bytes::new(LARGE))).unwrap();
    wait_until("the job has arrived", || memory(worker) > before + LARGE as u64 || job.is_done());
    job.join_timeout(TIMEOUT).unwrap();
    // Nothing is sent to the worker in the meantime.
    wait_until("the worker has freed the input", || memory(worker) < before + LARGE as u64 / 2);
    finish(&executor);
}

fn executors() -> Vec<Box<dyn Executor<Blob>>> {
    vec![Box::new(blobs()), Box::new(ThreadPool::new(1, ())), Box::new(Serial::new(()))]
}

#[test]
fn map_02_the_smallest_buffer_returns_all_outputs() {
    let _case = Case::begin();
    // The types exclude zero, for the buffer and for the batch size.
    on_all!(|executor| {
        let jobs = || (0..50).map(Probe::Double);
        let ordered = executor.map(jobs()).buffer(1).timeout(TIMEOUT).start();
        assert!(ordered.map(Result::unwrap).eq((0..50).map(|n| 2 * n)));
        let unordered = executor.map_unordered(jobs()).buffer(1).timeout(TIMEOUT).start();
        assert_eq!(unordered.map(|(_, output)| output.unwrap()).sum::<u64>(), 49 * 50);
    });
}

#[test]
fn map_11_the_iterator_keeps_no_returned_output() {
    let _case = Case::begin();
    fn check<E: Executor<Blob>>(executor: &E) {
        let jobs = || (1..=6).map(Blob::Make);
        // All other outputs are in flight or in the buffer.
        let mut ordered = executor.map(jobs()).unbuffered().start();
        let first = ordered.next().unwrap().unwrap();
        assert_eq!(first.1.length(), 1);
        let others = ordered.by_ref().inspect(|output| assert!(output.is_ok())).count();
        assert_eq!((others, blob::live_count()), (5, 1), "dropped outputs are freed");
        drop(first);
        assert_eq!(blob::live_count(), 0, "the iterator keeps an output");
        drop(ordered);
        let mut unordered = executor.map_unordered(jobs()).buffer(2).start();
        assert_eq!(unordered.by_ref().inspect(|(_, output)| assert!(output.is_ok())).count(), 6);
        assert_eq!(blob::live_count(), 0);
        drop(unordered);
        finish(executor);
    }
    check(&blobs());
    check(&ThreadPool::<Blob>::new(1, ()));
    check(&Serial::<Blob>::new(()));
}

#[test]
fn ac_03_as_completed_keeps_no_returned_job() {
    let _case = Case::begin();
    for executor in executors() {
        let jobs: Vec<_> = (0..5).map(|n| executor.submit(Blob::Make(n)).unwrap()).collect();
        assert!(wait(jobs.clone(), TIMEOUT, ReturnWhen::AllCompleted).not_done.is_empty());
        let mut left = jobs.len();
        for job in as_completed(jobs, TIMEOUT) {
            assert_eq!(blob::live_count(), left);
            drop(job.unwrap());
            left -= 1;
            // The thread that delivered the outcome may still hold it; the iterator is still alive.
            wait_until("the job is freed", || blob::live_count() == left);
        }
        finish(&*executor);
    }
}

#[test]
fn idle_02_as_many_workers_are_started_as_there_are_jobs_at_a_time() {
    let _case = Case::begin();
    for count in 1..=4 {
        on_pools!(6, |executor| {
            let barrier = Barrier::new();
            let jobs: Vec<_> = (0..count).map(|_| executor.submit(barrier.hold()).unwrap()).collect();
            barrier.wait_for_held(count);
            assert_eq!(executor.worker_stats().len(), count);
            barrier.release();
            wait(jobs, TIMEOUT, ReturnWhen::AllCompleted);
        });
    }
}

#[test]
fn idle_03_more_workers_than_cores_run_at_once() {
    let _case = Case::begin();
    let count = 4 * pool::settings::available_cores() + 3;
    let executor = processes(count);
    let barrier = Barrier::new();
    let hold = || Probe::Then(Box::new(barrier.hold()), Box::new(Probe::Pid));
    let jobs: Vec<_> = (0..count).map(|_| executor.submit(hold()).unwrap()).collect();
    // No job ends before all have started.
    barrier.wait_for_held(count);
    barrier.release();
    let pids: BTreeSet<u64> = jobs.iter().map(|job| job.result_timeout(TIMEOUT).unwrap()).collect();
    assert_eq!(pids.len(), count);
    finish(&executor);
}

#[test]
fn idle_03b_blocked_jobs_delay_others_but_lose_none() {
    let _case = Case::begin();
    on_pools!(2, |executor| {
        let barrier = Barrier::new();
        let blocked: Vec<_> = (0..2).map(|_| executor.submit(barrier.hold()).unwrap()).collect();
        let jobs: Vec<_> = (0..100).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
        barrier.wait_for_held(2);
        assert!(!jobs.iter().any(|job| job.is_done()));
        barrier.release();
        for (n, job) in (0..).zip(&jobs) {
            assert_eq!(job.result_timeout(TIMEOUT).unwrap(), 2 * n);
        }
        assert!(blocked.iter().all(|job| job.result_timeout(TIMEOUT).is_ok()));
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

/// Maps, submits and cancels jobs, and checks all outcomes.
fn mix<E: Executor<Probe>>(executor: &E, base: u64) {
    for round in 0..5 {
        let base = base + 100 * round;
        let mut outputs =
            executor.map((base..base + 40).map(Probe::Double)).buffer(1 + base as usize % 7).start();
        let jobs: Vec<_> = (base..base + 30).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
        jobs.iter().step_by(3).for_each(|job| _ = job.cancel());
        assert!(outputs.by_ref().map(Result::unwrap).eq((base..base + 40).map(|n| 2 * n)));
        for (n, job) in (base..).zip(&jobs) {
            match job.result_timeout(TIMEOUT) {
                Ok(output) => assert_eq!(output, 2 * n),
                Err(error) => assert!(job.is_cancelled() && (n - base).is_multiple_of(3), "{error}"),
            }
        }
    }
}

#[test]
fn conc_02_a_submit_that_races_with_a_shutdown_is_run_or_rejected() {
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
                    executor.close();
                    if cancel {
                        executor.cancel_waiting();
                    }
                    if round % 2 == 0 {
                        executor.join();
                    }
                    for thread in submitting {
                        for (n, job) in (0..).zip(thread.join().unwrap()) {
                            match job.result_timeout(TIMEOUT) {
                                Ok(output) => assert_eq!(output, 2 * n),
                                Err(error) => assert!(cancel && job.is_cancelled(), "{error}"),
                            }
                        }
                    }
                });
            });
        }
    }
}

/// Submits jobs until one is rejected, and returns the accepted ones.
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
        assert!(start.elapsed() < TIMEOUT, "never rejected");
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
                live_pids(&executor).into_iter().for_each(end_to_end::workers::kill_if_alive);
                let _ = executor.submit(Probe::Abort);
            } else {
                executor.stop(Duration::ZERO);
            }
            for job in submitting.join().unwrap() {
                assert!(!matches!(job.result_timeout(TIMEOUT), Err(JobError::NotReady)));
            }
        });
        finish(&executor);
        assert_eq!(executor.broken().is_some(), breaks);
    }
}
