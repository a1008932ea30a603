//! Conformance: jobs and outputs larger than any buffer. Each test carries its row's id.

#![allow(clippy::unwrap_used)]

use std::{
    num::NonZeroU64,
    time::{Duration, Instant},
};

use end_to_end::{
    Case,
    blob::{Blob, Bytes, Void},
    probe::{LIMIT, builder, finish},
    workers::{Signal, freeze, kill_off, send},
};
use pool::{Executor, JobError, OnWorkerDeath, ProcessPool};

/// More than any socket holds.
const LARGE: usize = 20 << 20;

fn worker_of(executor: &ProcessPool<Blob>) -> u64 {
    executor.submit(Blob::Make(0)).unwrap().take(LIMIT).unwrap().unwrap().0
}

#[test]
fn large_01_a_hundred_megabytes_make_the_round_trip_intact() {
    let _case = Case::begin();
    let executor = builder::<Blob>(1).build().unwrap();
    let job = executor.submit(Blob::Echo(Bytes::new(100_000_000))).unwrap();
    let (_, bytes) = job.take(LIMIT).unwrap().unwrap();
    assert!(bytes == Bytes::new(100_000_000));
    finish(&executor);
}

#[test]
#[ignore = "takes 6.3 GB and, on a small machine, 40 s"]
fn large_01b_more_than_two_gib_are_sent_without_overflow() {
    let _case = Case::begin();
    let executor = builder::<Blob>(1).build().unwrap();
    let job = executor.submit(Blob::Void(Void(2049))).unwrap();
    assert_eq!(job.take(LIMIT).unwrap().unwrap().1.length(), 2049);
    finish(&executor);
}

#[test]
fn large_01c_more_than_four_gib_are_refused_in_words() {
    let _case = Case::begin();
    let executor = builder::<Blob>(1).build().unwrap();
    let job = executor.submit(Blob::Void(Void(4097))).unwrap();
    let Err(JobError::Codec(told)) = job.take(LIMIT).unwrap() else { panic!("not refused") };
    assert!(told.contains("exceeds the limit of 4 GiB"), "{told}");
    assert_eq!(executor.submit(Blob::Void(Void(3))).unwrap().take(LIMIT).unwrap().unwrap().1.length(), 3);
    finish(&executor);
}

#[test]
fn large_02_a_death_amid_a_large_job_leaves_nobody_stuck() {
    let _case = Case::begin();
    for policy in [OnWorkerDeath::Heal, OnWorkerDeath::Break] {
        let executor = builder::<Blob>(1).on_worker_death(policy).build().unwrap();
        let worker = worker_of(&executor);
        freeze(worker);
        let jobs = [0, 1].map(|_| executor.submit(Blob::Echo(Bytes::new(LARGE))).unwrap());
        kill_off(worker);
        for job in &jobs {
            match (policy, job.take(LIMIT).unwrap()) {
                (OnWorkerDeath::Heal, outcome) => assert!(outcome.unwrap().1 == Bytes::new(LARGE)),
                (OnWorkerDeath::Break, outcome) => assert!(matches!(outcome, Err(JobError::Abandoned(_)))),
            }
        }
        finish(&executor);
    }
}

#[test]
fn large_02b_a_job_that_exits_before_a_large_one_does_so_too() {
    let _case = Case::begin();
    for policy in [OnWorkerDeath::Heal, OnWorkerDeath::Break] {
        let executor = builder::<Blob>(1).retries(0).on_worker_death(policy).build().unwrap();
        let worker = worker_of(&executor);
        freeze(worker);
        let dying = executor.submit(Blob::Exit).unwrap();
        // Sent on the same link, whose reader is gone before it comes to it.
        let large = executor.submit(Blob::Echo(Bytes::new(LARGE))).unwrap();
        send(worker, Signal::SIGCONT);
        let (dying, large) = (dying.take(LIMIT).unwrap(), large.take(LIMIT).unwrap());
        match policy {
            OnWorkerDeath::Heal => {
                assert!(matches!(dying, Err(JobError::Crashed { .. })));
                assert!(large.unwrap().1 == Bytes::new(LARGE));
            }
            OnWorkerDeath::Break => {
                assert!(matches!(dying, Err(JobError::Abandoned(_))));
                assert!(matches!(large, Err(JobError::Abandoned(_))));
            }
        }
        finish(&executor);
    }
}

#[test]
fn large_03_a_stop_amid_a_large_job_is_prompt() {
    let _case = Case::begin();
    for policy in [OnWorkerDeath::Heal, OnWorkerDeath::Break] {
        let executor = builder::<Blob>(1).on_worker_death(policy).build().unwrap();
        freeze(worker_of(&executor));
        let job = executor.submit(Blob::Echo(Bytes::new(LARGE))).unwrap();
        let start = Instant::now();
        executor.stop(Duration::ZERO);
        assert!(matches!(job.take(LIMIT).unwrap(), Err(JobError::Cancelled)));
        finish(&executor);
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        assert_eq!(executor.broken(), None);
    }
}

#[test]
fn large_04a_large_outputs_arrive_whole_though_their_workers_leave() {
    let _case = Case::begin();
    for workers in [1, 2] {
        let quota = NonZeroU64::new(1).unwrap();
        let executor = builder::<Blob>(workers).max_jobs_per_worker(quota).build().unwrap();
        let lengths: Vec<usize> = (0..6).map(|n| (n + 1) << 20).collect();
        let jobs: Vec<_> = lengths.iter().map(|&n| executor.submit(Blob::Make(n)).unwrap()).collect();
        executor.shutdown(false, false);
        for (job, &length) in jobs.iter().zip(&lengths) {
            assert!(job.take(LIMIT).unwrap().unwrap().1 == Bytes::new(length));
        }
        finish(&executor);
    }
}

#[test]
fn large_04b_so_do_large_errors() {
    let _case = Case::begin();
    let executor = builder::<Blob>(1).max_jobs_per_worker(NonZeroU64::new(1).unwrap()).build().unwrap();
    let jobs: Vec<_> = (0..4).map(|_| executor.submit(Blob::Fail(4 << 20)).unwrap()).collect();
    executor.shutdown(true, false);
    for job in &jobs {
        let Err(JobError::Failed(bytes)) = job.take(LIMIT).unwrap() else { panic!("no error") };
        assert!(bytes == Bytes::new(4 << 20));
    }
    finish(&executor);
}
