//! Conformance: deaths that come at an awkward moment, and signals. Each test carries its row's id.

#![allow(clippy::unwrap_used)]

use std::{
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use end_to_end::{
    Case,
    blob::{Blob, Bytes},
    held,
    probe::{LIMIT, Probe, Stage, breaking, builder, finish, mark, processes, transport, until},
    workers::{Signal, end, exists, freeze, kill_off, living, run_state, send, workers_of},
};
use pool::{
    DeathCause, Executor, JobError, JobFuture, OnWorkerDeath, ResultError, ReturnWhen, Transport,
    WorkerStats, wait,
};

/// More than any socket holds.
const LARGE: usize = 20 << 20;

fn abandoned(job: &JobFuture<Probe>) -> Option<String> {
    match job.result(LIMIT) {
        Err(ResultError::Failed(JobError::Abandoned(cause))) => Some(cause.to_string()),
        _ => None,
    }
}

#[test]
fn death_03_a_panic_is_a_job_error_and_the_worker_lives_on() {
    let _case = Case::begin();
    for executor in [processes(1), breaking(1)] {
        let before = executor.submit(Probe::Pid).unwrap().result(LIMIT).unwrap();
        let job = executor.submit(Probe::Panic("soft".into())).unwrap();
        assert!(matches!(job.result(LIMIT), Err(ResultError::Failed(JobError::Panicked(_)))));
        assert_eq!(executor.submit(Probe::Pid).unwrap().result(LIMIT).unwrap(), before);
        assert_eq!(executor.broken(), None);
        finish(&executor);
    }
}

#[test]
fn death_06_workers_that_kill_each_other_leave_an_orderly_pool() {
    let _case = Case::begin();
    for _ in 0..5 {
        for executor in [processes(4), breaking(4)] {
            let stage = Stage::new();
            let killer = Probe::Then(Box::new(stage.hold()), Box::new(Probe::KillSiblings));
            let jobs: Vec<_> = (0..4).map(|_| executor.submit(killer.clone()).unwrap()).collect();
            let waiting = executor.submit(Probe::Double(4)).unwrap();
            stage.until_held(4);
            stage.release();
            let all = jobs.iter().cloned().chain([waiting.clone()]);
            assert!(wait(all, LIMIT, ReturnWhen::AllCompleted).not_done.is_empty());
            match executor.broken() {
                // Healed: the others may be tried again, and a survivor's sweep costs them a second attempt.
                None => assert!(executor.submit(Probe::Double(1)).unwrap().result(LIMIT).is_ok()),
                Some(cause) => {
                    assert!(cause.contains("ended by signal 9"), "{cause}");
                    let told: Vec<String> = jobs.iter().filter_map(abandoned).collect();
                    assert!(told.len() >= 3 && told.iter().all(|one| **one == *cause), "{told:?}");
                }
            }
            finish(&executor);
        }
    }
}

#[test]
fn death_14_a_result_counts_though_its_worker_dies_right_after_it() {
    let _case = Case::begin();
    for policy in [OnWorkerDeath::Heal, OnWorkerDeath::Break] {
        let executor = builder(1).on_worker_death(policy).build().unwrap();
        let stage = Stage::new();
        let file = stage.file("exit");
        let job = executor.submit(Probe::ExitLater(file.clone())).unwrap();
        let pid = job.result(LIMIT).unwrap();
        mark(&file);
        until("it has exited", || !exists(pid));
        assert_eq!(job.result(LIMIT).unwrap(), pid);
        if policy == OnWorkerDeath::Heal {
            assert_ne!(executor.submit(Probe::Pid).unwrap().result(LIMIT).unwrap(), pid);
        } else {
            until("the pool is broken", || executor.broken().is_some());
            assert!(executor.broken().unwrap().contains("exited with code 9"));
        }
        finish(&executor);
    }
}

#[test]
fn death_15a_a_death_amid_an_incoming_job_freezes_nobody() {
    let _case = Case::begin();
    let executor = builder::<Blob>(2).build().unwrap();
    let (one, other) = two_workers(&executor);
    freeze(one);
    freeze(other);
    let halfway = [0, 1].map(|_| executor.submit(Blob::Echo(Bytes::new(LARGE))).unwrap());
    // One goes on, and the other dies with a part of its job.
    send(other, Signal::SIGCONT);
    let first = wait(halfway.clone(), LIMIT, ReturnWhen::FirstCompleted);
    assert_eq!((first.done.len(), first.not_done.len()), (1, 1));
    kill_off(one);
    for job in &halfway {
        assert!(job.take(LIMIT).unwrap().unwrap().1 == Bytes::new(LARGE));
    }
    finish(&executor);
}

#[test]
fn death_15b_a_death_amid_an_outgoing_result_freezes_nobody() {
    let _case = Case::begin();
    // More than the way holds, and what waits for room: a ring does not carry what is larger.
    let size = match transport() {
        Transport::Rings => 200_000,
        Transport::Channel => LARGE,
    };
    for policy in [OnWorkerDeath::Heal, OnWorkerDeath::Break] {
        let executor = builder::<Blob>(2).on_worker_death(policy).build().unwrap();
        let (one, other) = two_workers(&executor);
        [one, other].into_iter().for_each(freeze);
        // Whoever runs the callback receives from that worker, and takes nothing from it until told.
        let (tell, told) = channel::<()>();
        let (entered, enters) = channel();
        executor.submit(Blob::Make(0)).unwrap().add_done_callback(move |job| {
            entered.send(job.take(LIMIT).unwrap().unwrap().0).unwrap();
            let _ = told.recv();
        });
        [one, other].into_iter().for_each(|pid| send(pid, Signal::SIGCONT));
        let worker = enters.recv().unwrap();
        let outgoing = executor.submit(Blob::Make(size)).unwrap();
        let is_full = || {
            let figures = executor.worker_stats();
            let is_it = |figures: &&WorkerStats| figures.pid.map(u64::from) == Some(worker);
            let stage_times =
                figures.iter().find(is_it).map(|figures| figures.stage_times[pool::Stage::Return]);
            stage_times > Some(Duration::from_millis(20)) && run_state(worker) == Some('S')
        };
        until("the worker has the output and waits for room", is_full);
        if policy == OnWorkerDeath::Heal {
            let other = executor.submit(Blob::Make(0)).unwrap();
            assert_ne!(other.take(LIMIT).unwrap().unwrap().0, worker, "the others are not frozen");
        }
        send(worker, Signal::SIGKILL);
        drop(tell);
        match (policy, outgoing.take(LIMIT).unwrap()) {
            (OnWorkerDeath::Heal, outcome) => assert!(outcome.unwrap().1 == Bytes::new(size)),
            (OnWorkerDeath::Break, outcome) => assert!(matches!(outcome, Err(JobError::Abandoned(_)))),
        }
        finish(&executor);
    }
}

/// The numbers of two idle workers.
fn two_workers(executor: &pool::ProcessPool<Blob>) -> (u64, u64) {
    executor.prestart();
    until("both workers have shaken hands", || {
        executor.worker_stats().iter().filter(|worker| worker.start > Duration::ZERO).count() == 2
    });
    let pids = living(executor);
    (pids[0], pids[1])
}

#[test]
fn shut_03b_a_death_after_the_pool_was_dropped_is_noticed() {
    let _case = Case::begin();
    for (policy, abandons) in [(OnWorkerDeath::Heal, false), (OnWorkerDeath::Break, true)] {
        let stage = Stage::new();
        let executor = builder(2).retries(0).on_worker_death(policy).build().unwrap();
        let jobs = [0, 1].map(|_| executor.submit(stage.hold()).unwrap());
        stage.until_held(2);
        let workers = living(&executor);
        drop(executor);
        send(workers[0], Signal::SIGKILL);
        let first = wait(jobs.clone(), LIMIT, ReturnWhen::FirstCompleted).done;
        assert!(first[0].error(LIMIT).unwrap().unwrap().to_string().contains("ended by signal 9"));
        if abandons {
            assert!(jobs.iter().all(|job| abandoned(job).is_some()));
        } else {
            stage.release();
            assert_eq!(jobs.iter().filter(|job| job.result(LIMIT).is_ok()).count(), 1);
        }
        until("both are gone", || workers.iter().all(|&pid| !exists(pid)));
    }
}

#[test]
fn shut_09_a_shutdown_whose_workers_have_gone_does_not_block() {
    let _case = Case::begin();
    for executor in (0..5).flat_map(|_| [processes(3), breaking(3)]) {
        executor.prestart();
        let jobs: Vec<_> = (0..30).flat_map(|n| executor.submit(Probe::Double(n))).collect();
        wait(jobs, LIMIT, ReturnWhen::AllCompleted);
        // Not waited for: the shutdown has to meet them in any state.
        living(&executor).into_iter().for_each(end);
        let start = Instant::now();
        finish(&executor);
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }
}

#[test]
fn shut_10_a_death_during_a_waiting_shutdown_ends_it() {
    let _case = Case::begin();
    for (policy, abandons) in [(OnWorkerDeath::Heal, false), (OnWorkerDeath::Break, true)] {
        let executor = builder(1).retries(0).on_worker_death(policy).build().unwrap();
        held!(executor, stage, held);
        let waiting = executor.submit(Probe::Double(2)).unwrap();
        let worker = living(&executor)[0];
        executor.close();
        thread::scope(|scope| {
            let shutdown = scope.spawn(|| executor.shutdown(true, false));
            send(worker, Signal::SIGKILL);
            shutdown.join().unwrap();
        });
        if abandons {
            assert!(abandoned(&held).is_some() && abandoned(&waiting).is_some());
        } else {
            let failure = held.error(LIMIT).unwrap().unwrap();
            let JobError::Crashed { death, .. } = failure else { panic!("{failure:?} instead") };
            assert_eq!((u64::from(death.pid), death.cause), (worker, DeathCause::Signalled(9)));
            assert_eq!(waiting.result(LIMIT).unwrap(), 4);
        }
        finish(&executor);
    }
}

#[test]
fn fut_06_outcomes_for_jobs_that_were_cancelled_disturb_nothing() {
    let _case = Case::begin();
    // A pool that breaks has outcomes for cancelled jobs among those for others.
    let executor = breaking(1);
    held!(executor, stage, held);
    let jobs: Vec<_> = (0..20).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
    jobs.iter().step_by(2).for_each(|job| assert!(job.cancel()));
    send(living(&executor)[0], Signal::SIGKILL);
    assert!(abandoned(&held).is_some());
    for (n, job) in jobs.iter().enumerate() {
        assert_eq!((job.result(LIMIT).is_err(), job.cancelled()), (true, n % 2 == 0));
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
            match job.result(LIMIT) {
                Ok(output) => assert_eq!(output, 2 * n),
                Err(error) => assert!(job.cancelled() && ended, "{error}"),
            }
        }
    }
    finish(&executor);
}

#[test]
fn sig_01_an_interrupt_to_the_workers_changes_nothing() {
    let _case = Case::begin();
    let executor = processes(2);
    held!(executor, stage, held);
    let interrupt_all = || living(&executor).into_iter().for_each(|pid| send(pid, Signal::SIGINT));
    interrupt_all();
    stage.release();
    assert_eq!(held.result(LIMIT).unwrap(), 0);
    let mut outputs = executor.map((0..4000).map(Probe::Double)).into_iter();
    for n in 0..4000 {
        assert_eq!(outputs.next().unwrap().unwrap(), 2 * n);
        if n % 50 == 0 {
            interrupt_all();
        }
    }
    drop(outputs);
    interrupt_all();
    // The second worker was interrupted while it started.
    assert_eq!(executor.submit(Probe::Double(1)).unwrap().result(LIMIT).unwrap(), 2);
    assert_eq!(executor.worker_stats().len(), 2, "none had to be replaced");
    finish(&executor);
}

#[test]
fn sig_01b_not_even_while_they_start() {
    let _case = Case::begin();
    for _ in 0..20 {
        let executor = processes(2);
        let jobs = [0, 1].map(|n| executor.submit(Probe::Double(n)).unwrap());
        while !jobs.iter().all(|job| job.done()) {
            living(&executor).into_iter().for_each(|pid| send(pid, Signal::SIGINT));
        }
        assert!(jobs.iter().all(|job| job.result(LIMIT).is_ok()));
        assert!(executor.worker_stats().len() <= 2, "none had to be replaced");
        finish(&executor);
    }
}

#[test]
fn sig_02_an_end_by_a_signal_is_told_as_that_signal_and_the_worker_is_reaped() {
    let _case = Case::begin();
    let signals = [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGSEGV, Signal::SIGHUP, Signal::SIGUSR1];
    for signal in signals {
        for from_outside in [true, false] {
            let executor = builder(1).retries(0).build().unwrap();
            let stage = Stage::new();
            let raise = Probe::Then(Box::new(stage.hold()), Box::new(Probe::Raise(signal as i32)));
            let job = executor.submit(raise).unwrap();
            stage.until_held(1);
            let worker = living(&executor)[0];
            assert_eq!(workers_of(std::process::id().into()), [worker]);
            assert!(!job.done(), "nothing is told of the living");
            if !from_outside || signal == Signal::SIGSEGV {
                stage.release();
            } else {
                send(worker, signal);
            }
            let failure = job.error(LIMIT).unwrap().unwrap();
            let JobError::Crashed { death, .. } = failure else { panic!("{failure:?} instead") };
            assert_eq!(death.cause, DeathCause::Signalled(signal as i32));
            assert!(!exists(worker), "what is told of the dead is told after their burial");
            finish(&executor);
        }
    }
}

#[test]
fn leak_01_nothing_is_left_of_a_pool_that_broke() {
    let _case = Case::begin();
    for count in [1, 2, 5] {
        let executor = breaking(count);
        let stage = Stage::new();
        let held: Vec<_> = (1..count).map(|_| executor.submit(stage.hold()).unwrap()).collect();
        stage.until_held(count - 1);
        let pids = living(&executor);
        let cause = abandoned(&executor.submit(Probe::Exit(6)).unwrap()).unwrap();
        assert!(cause.contains("exited with code 6"), "{cause}");
        // The survivors, whom the pool kills, do not become the cause.
        assert!(held.iter().all(|job| abandoned(job).as_ref() == Some(&cause)));
        finish(&executor);
        assert_eq!(executor.broken().as_deref(), Some(&*cause));
        assert!(pids.iter().all(|&pid| !exists(pid)));
    }
}
