//! Conformance: worker deaths at inconvenient times, and signals. Each test name starts with the id of its
//! row.

use std::{
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use end_to_end::{
    Case,
    blob::{Blob, Bytes},
    block_worker,
    probe::{Barrier, Probe, TIMEOUT, breaking, builder, finish, mark, processes, transport, wait_until},
    workers::{
        Signal, exists, kill_and_wait, kill_if_alive, live_pids, run_state, send_signal, suspend, workers_of,
    },
};
use pool::{
    Executor, JobError, JobFuture,
    error::{Crashed, DeathCause},
    future::{ReturnWhen, wait},
    metrics::WorkerStats,
    settings::{OnWorkerDeath, Transport},
};

/// Bytes; more than any socket buffers.
const LARGE: usize = 20 << 20;

fn abandoned(job: &JobFuture<Probe>) -> Option<String> {
    match job.result_timeout(TIMEOUT) {
        Err(JobError::Broken(cause)) => Some(cause.to_string()),
        _ => None,
    }
}

#[test]
fn death_03_a_panic_is_a_job_error_and_the_worker_survives() {
    let _case = Case::begin();
    for executor in [processes(1), breaking(1)] {
        let before = executor.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap();
        let job = executor.submit(Probe::Panic("soft".into())).unwrap();
        assert!(matches!(job.result_timeout(TIMEOUT), Err(JobError::Panicked(_))));
        assert_eq!(executor.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap(), before);
        assert_eq!(executor.broken(), None);
        finish(&executor);
    }
}

#[test]
fn death_06_workers_that_kill_each_other_leave_a_consistent_pool() {
    let _case = Case::begin();
    for _ in 0..5 {
        for executor in [processes(4), breaking(4)] {
            let barrier = Barrier::new();
            let killer = Probe::Then(Box::new(barrier.hold()), Box::new(Probe::KillSiblings));
            let jobs: Vec<_> = (0..4).map(|_| executor.submit(killer.clone()).unwrap()).collect();
            let waiting = executor.submit(Probe::Double(4)).unwrap();
            barrier.wait_for_held(4);
            barrier.release();
            let all = jobs.iter().cloned().chain([waiting.clone()]);
            assert!(wait(all, TIMEOUT, ReturnWhen::AllCompleted).not_done.is_empty());
            match executor.broken() {
                // Healed: the jobs are retried, and may be killed again by a surviving job.
                None => assert!(executor.submit(Probe::Double(1)).unwrap().result_timeout(TIMEOUT).is_ok()),
                Some(cause) => {
                    assert!(cause.contains("killed by signal 9"), "{cause}");
                    let causes: Vec<String> = jobs.iter().filter_map(abandoned).collect();
                    assert!(causes.len() >= 3 && causes.iter().all(|one| **one == *cause), "{causes:?}");
                }
            }
            finish(&executor);
        }
    }
}

#[test]
fn death_14_a_result_is_kept_if_its_worker_dies_right_after_it() {
    let _case = Case::begin();
    for policy in [OnWorkerDeath::Replace, OnWorkerDeath::Break] {
        let executor = builder(1).on_worker_death(policy).build().unwrap();
        let barrier = Barrier::new();
        let file = barrier.file("exit");
        let job = executor.submit(Probe::ExitLater(file.clone())).unwrap();
        let pid = job.result_timeout(TIMEOUT).unwrap();
        mark(&file);
        wait_until("the worker has exited", || !exists(pid));
        assert_eq!(job.result_timeout(TIMEOUT).unwrap(), pid);
        if policy == OnWorkerDeath::Replace {
            assert_ne!(executor.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap(), pid);
        } else {
            wait_until("the pool is broken", || executor.broken().is_some());
            assert!(executor.broken().unwrap().contains("exited with code 9"));
        }
        finish(&executor);
    }
}

#[test]
fn death_15a_a_death_while_receiving_a_job_blocks_no_other_worker() {
    let _case = Case::begin();
    let executor = builder::<Blob>(2).build().unwrap();
    let (one, other) = two_workers(&executor);
    suspend(one);
    suspend(other);
    let halfway = [0, 1].map(|_| executor.submit(Blob::Echo(Bytes::new(LARGE))).unwrap());
    // One worker continues, and the other dies with a part of its job.
    send_signal(other, Signal::SIGCONT);
    let first = wait(halfway.clone(), TIMEOUT, ReturnWhen::FirstCompleted);
    assert_eq!((first.done.len(), first.not_done.len()), (1, 1));
    kill_and_wait(one);
    for job in &halfway {
        assert!(job.join_timeout(TIMEOUT).unwrap().1 == Bytes::new(LARGE));
    }
    finish(&executor);
}

#[test]
fn death_15b_a_death_while_sending_a_result_blocks_no_other_worker() {
    let _case = Case::begin();
    // More than the transport buffers; larger messages do not travel through a ring.
    let size = match transport() {
        Transport::Rings => 200_000,
        Transport::Channel => LARGE,
    };
    for policy in [OnWorkerDeath::Replace, OnWorkerDeath::Break] {
        let executor = builder::<Blob>(2).on_worker_death(policy).build().unwrap();
        let (one, other) = two_workers(&executor);
        [one, other].into_iter().for_each(suspend);
        // The thread that runs the callback receives from that worker, and does not continue until it is
        // unblocked.
        let (sender, receiver) = channel::<()>();
        let (entered, enters) = channel();
        executor.submit(Blob::Make(0)).unwrap().on_done(move |job| {
            entered.send(job.join_timeout(TIMEOUT).unwrap().0).unwrap();
            let _ = receiver.recv();
        });
        [one, other].into_iter().for_each(|pid| send_signal(pid, Signal::SIGCONT));
        let worker = enters.recv().unwrap();
        let outgoing = executor.submit(Blob::Make(size)).unwrap();
        let is_full = || {
            let figures = executor.worker_stats();
            let is_it = |figures: &&WorkerStats| figures.pid.map(u64::from) == Some(worker);
            let stage_times =
                figures.iter().find(is_it).map(|figures| figures.stage_times[pool::metrics::Stage::Return]);
            stage_times > Some(Duration::from_millis(20)) && run_state(worker) == Some('S')
        };
        wait_until("the worker is blocked on sending the output", is_full);
        if policy == OnWorkerDeath::Replace {
            let other = executor.submit(Blob::Make(0)).unwrap();
            assert_ne!(other.join_timeout(TIMEOUT).unwrap().0, worker, "the other worker is not blocked");
        }
        send_signal(worker, Signal::SIGKILL);
        drop(sender);
        match (policy, outgoing.join_timeout(TIMEOUT)) {
            (OnWorkerDeath::Replace, outcome) => assert!(outcome.unwrap().1 == Bytes::new(size)),
            (OnWorkerDeath::Break, outcome) => assert!(matches!(outcome, Err(JobError::Broken(_)))),
        }
        finish(&executor);
    }
}

/// Returns the process ids of two idle workers.
fn two_workers(executor: &pool::ProcessPool<Blob>) -> (u64, u64) {
    executor.prestart();
    wait_until("both workers have completed the handshake", || {
        executor.worker_stats().iter().filter(|worker| worker.start_time > Duration::ZERO).count() == 2
    });
    let pids = live_pids(executor);
    (pids[0], pids[1])
}

#[test]
fn shut_03b_a_death_after_the_pool_was_dropped_is_detected() {
    let _case = Case::begin();
    for (policy, abandons) in [(OnWorkerDeath::Replace, false), (OnWorkerDeath::Break, true)] {
        let barrier = Barrier::new();
        let executor = builder(2).retries(0).on_worker_death(policy).build().unwrap();
        let jobs = [0, 1].map(|_| executor.submit(barrier.hold()).unwrap());
        barrier.wait_for_held(2);
        let workers = live_pids(&executor);
        drop(executor);
        send_signal(workers[0], Signal::SIGKILL);
        let first = wait(jobs.clone(), TIMEOUT, ReturnWhen::FirstCompleted).done;
        assert!(first[0].error_timeout(TIMEOUT).unwrap().unwrap().to_string().contains("killed by signal 9"));
        if abandons {
            assert!(jobs.iter().all(|job| abandoned(job).is_some()));
        } else {
            barrier.release();
            assert_eq!(jobs.iter().filter(|job| job.result_timeout(TIMEOUT).is_ok()).count(), 1);
        }
        wait_until("both workers have exited", || workers.iter().all(|&pid| !exists(pid)));
    }
}

#[test]
fn shut_09_a_shutdown_without_live_workers_does_not_block() {
    let _case = Case::begin();
    for executor in (0..5).flat_map(|_| [processes(3), breaking(3)]) {
        executor.prestart();
        let jobs: Vec<_> = (0..30).flat_map(|n| executor.submit(Probe::Double(n))).collect();
        wait(jobs, TIMEOUT, ReturnWhen::AllCompleted);
        // The shutdown has to handle any state of the killed workers, so their exit is not awaited.
        live_pids(&executor).into_iter().for_each(kill_if_alive);
        let start = Instant::now();
        finish(&executor);
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }
}

#[test]
fn shut_10_a_death_ends_a_waiting_shutdown() {
    let _case = Case::begin();
    for (policy, abandons) in [(OnWorkerDeath::Replace, false), (OnWorkerDeath::Break, true)] {
        let executor = builder(1).retries(0).on_worker_death(policy).build().unwrap();
        block_worker!(executor, barrier, held);
        let waiting = executor.submit(Probe::Double(2)).unwrap();
        let worker = live_pids(&executor)[0];
        executor.close();
        thread::scope(|scope| {
            let shutdown = scope.spawn(|| executor.join());
            send_signal(worker, Signal::SIGKILL);
            shutdown.join().unwrap();
        });
        if abandons {
            assert!(abandoned(&held).is_some() && abandoned(&waiting).is_some());
        } else {
            let failure = held.error_timeout(TIMEOUT).unwrap().unwrap();
            let JobError::Crashed(details) = failure else { panic!("{failure:?} instead") };
            let Crashed { death, .. } = *details;
            assert_eq!((u64::from(death.pid), death.cause), (worker, DeathCause::Signalled(9)));
            assert_eq!(waiting.result_timeout(TIMEOUT).unwrap(), 4);
        }
        finish(&executor);
    }
}

#[test]
fn fut_06_outcomes_of_cancelled_jobs_are_dropped() {
    let _case = Case::begin();
    // A pool that breaks resolves all jobs, including those that are already cancelled.
    let executor = breaking(1);
    block_worker!(executor, barrier, held);
    let jobs: Vec<_> = (0..20).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
    jobs.iter().step_by(2).for_each(|job| assert!(job.cancel()));
    send_signal(live_pids(&executor)[0], Signal::SIGKILL);
    assert!(abandoned(&held).is_some());
    for (n, job) in jobs.iter().enumerate() {
        assert_eq!((job.result_timeout(TIMEOUT).is_err(), job.is_cancelled()), (true, n % 2 == 0));
    }
    finish(&executor);
}

#[test]
fn fut_06b_cancelling_and_killing_race_with_outcomes() {
    let _case = Case::begin();
    let executor = processes(2);
    for round in 0..20 {
        let jobs: Vec<_> = (0..30).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
        let ended: Vec<bool> = jobs
            .iter()
            .enumerate()
            .map(|(n, job)| if n == round { job.kill() } else { n % 3 == 0 && job.cancel() })
            .collect();
        for (n, (job, ended)) in (0..).zip(jobs.iter().zip(ended)) {
            match job.result_timeout(TIMEOUT) {
                Ok(output) => assert_eq!(output, 2 * n),
                Err(error) => assert!(job.is_cancelled() && ended, "{error}"),
            }
        }
    }
    finish(&executor);
}

#[test]
fn sig_01_workers_ignore_interrupts() {
    let _case = Case::begin();
    let executor = processes(2);
    block_worker!(executor, barrier, held);
    let interrupt_all = || live_pids(&executor).into_iter().for_each(|pid| send_signal(pid, Signal::SIGINT));
    interrupt_all();
    barrier.release();
    assert_eq!(held.result_timeout(TIMEOUT).unwrap(), 0);
    let mut outputs = executor.map((0..4000).map(Probe::Double)).start();
    for n in 0..4000 {
        assert_eq!(outputs.next().unwrap().unwrap(), 2 * n);
        if n % 50 == 0 {
            interrupt_all();
        }
    }
    drop(outputs);
    interrupt_all();
    // The second worker was interrupted while it was starting.
    assert_eq!(executor.submit(Probe::Double(1)).unwrap().result_timeout(TIMEOUT).unwrap(), 2);
    assert_eq!(executor.worker_stats().len(), 2, "no worker was replaced");
    finish(&executor);
}

#[test]
fn sig_01b_workers_ignore_interrupts_during_start() {
    let _case = Case::begin();
    for _ in 0..20 {
        let executor = processes(2);
        let jobs = [0, 1].map(|n| executor.submit(Probe::Double(n)).unwrap());
        while !jobs.iter().all(|job| job.is_done()) {
            live_pids(&executor).into_iter().for_each(|pid| send_signal(pid, Signal::SIGINT));
        }
        assert!(jobs.iter().all(|job| job.result_timeout(TIMEOUT).is_ok()));
        assert!(executor.worker_stats().len() <= 2, "no worker was replaced");
        finish(&executor);
    }
}

#[test]
fn sig_02_a_death_by_signal_is_reported_with_the_signal_and_reaped() {
    let _case = Case::begin();
    let signals = [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGSEGV, Signal::SIGHUP, Signal::SIGUSR1];
    for signal in signals {
        for from_outside in [true, false] {
            let executor = builder(1).retries(0).build().unwrap();
            let barrier = Barrier::new();
            let raise = Probe::Then(Box::new(barrier.hold()), Box::new(Probe::Raise(signal as i32)));
            let job = executor.submit(raise).unwrap();
            barrier.wait_for_held(1);
            let worker = live_pids(&executor)[0];
            assert_eq!(workers_of(std::process::id().into()), [worker]);
            assert!(!job.is_done(), "resolved before the worker died");
            if !from_outside || signal == Signal::SIGSEGV {
                barrier.release();
            } else {
                send_signal(worker, signal);
            }
            let failure = job.error_timeout(TIMEOUT).unwrap().unwrap();
            let JobError::Crashed(details) = failure else { panic!("{failure:?} instead") };
            let Crashed { death, .. } = *details;
            assert_eq!(death.cause, DeathCause::Signalled(signal as i32));
            assert!(!exists(worker), "resolved before the worker was reaped");
            finish(&executor);
        }
    }
}

#[test]
fn leak_01_a_broken_pool_leaves_nothing_behind() {
    let _case = Case::begin();
    for count in [1, 2, 5] {
        let executor = breaking(count);
        let barrier = Barrier::new();
        let held: Vec<_> = (1..count).map(|_| executor.submit(barrier.hold()).unwrap()).collect();
        barrier.wait_for_held(count - 1);
        let pids = live_pids(&executor);
        let cause = abandoned(&executor.submit(Probe::Exit(6)).unwrap()).unwrap();
        assert!(cause.contains("exited with code 6"), "{cause}");
        // The cause is not replaced by the deaths of the survivors, which the pool kills.
        assert!(held.iter().all(|job| abandoned(job).as_ref() == Some(&cause)));
        finish(&executor);
        assert_eq!(executor.broken().as_deref(), Some(&*cause));
        assert!(pids.iter().all(|&pid| !exists(pid)));
    }
}
