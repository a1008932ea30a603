//! Conformance: jobs and outputs larger than any buffer. Each test name starts with the id of its row.

use std::{
    num::NonZeroU64,
    time::{Duration, Instant},
};

use end_to_end::{
    Case,
    blob::{Blob, Bytes, VirtualBytes},
    probe::{TIMEOUT, builder, finish},
    workers::{Signal, kill_and_wait, send_signal, suspend},
};
use pool::{Executor, JobError, ProcessPool, settings::OnWorkerDeath};

/// Bytes; more than any socket buffers.
const LARGE: usize = 20 << 20;

fn worker_of(executor: &ProcessPool<Blob>) -> u64 {
    executor.submit(Blob::Make(0)).unwrap().join_timeout(TIMEOUT).unwrap().0
}

#[test]
fn large_01_a_hundred_megabytes_make_the_round_trip_intact() {
    let _case = Case::begin();
    let executor = builder::<Blob>(1).build().unwrap();
    let job = executor.submit(Blob::Echo(Bytes::new(100_000_000))).unwrap();
    let (_, bytes) = job.join_timeout(TIMEOUT).unwrap();
    assert!(bytes == Bytes::new(100_000_000));
    finish(&executor);
}

#[test]
#[ignore = "takes 6.3 GB and, on a small machine, 40 s"]
fn large_01b_more_than_two_gib_are_sent_without_overflow() {
    let _case = Case::begin();
    let executor = builder::<Blob>(1).build().unwrap();
    let job = executor.submit(Blob::VirtualBytes(VirtualBytes(2049))).unwrap();
    assert_eq!(job.join_timeout(TIMEOUT).unwrap().1.length(), 2049);
    finish(&executor);
}

#[test]
fn large_01c_more_than_four_gib_are_rejected_with_a_message() {
    let _case = Case::begin();
    let executor = builder::<Blob>(1).build().unwrap();
    let job = executor.submit(Blob::VirtualBytes(VirtualBytes(4097))).unwrap();
    let Err(JobError::Codec(message)) = job.join_timeout(TIMEOUT) else { panic!("not rejected") };
    assert!(message.contains("exceeds the limit of 4 GiB"), "{message}");
    let small = executor.submit(Blob::VirtualBytes(VirtualBytes(3))).unwrap();
    assert_eq!(small.join_timeout(TIMEOUT).unwrap().1.length(), 3);
    finish(&executor);
}

#[test]
fn large_02_a_death_while_receiving_a_large_job_blocks_nothing() {
    let _case = Case::begin();
    for policy in [OnWorkerDeath::Replace, OnWorkerDeath::Break] {
        let executor = builder::<Blob>(1).on_worker_death(policy).build().unwrap();
        let worker = worker_of(&executor);
        suspend(worker);
        let jobs = [0, 1].map(|_| executor.submit(Blob::Echo(Bytes::new(LARGE))).unwrap());
        kill_and_wait(worker);
        for job in &jobs {
            match (policy, job.join_timeout(TIMEOUT)) {
                (OnWorkerDeath::Replace, outcome) => assert!(outcome.unwrap().1 == Bytes::new(LARGE)),
                (OnWorkerDeath::Break, outcome) => assert!(matches!(outcome, Err(JobError::Broken(_)))),
            }
        }
        finish(&executor);
    }
}

#[test]
fn large_02b_a_death_before_a_large_job_is_received_blocks_nothing() {
    let _case = Case::begin();
    for policy in [OnWorkerDeath::Replace, OnWorkerDeath::Break] {
        let executor = builder::<Blob>(1).retries(0).on_worker_death(policy).build().unwrap();
        let worker = worker_of(&executor);
        suspend(worker);
        let dying = executor.submit(Blob::Exit).unwrap();
        // Sent on the same link, whose reader exits before it reads this job.
        let large = executor.submit(Blob::Echo(Bytes::new(LARGE))).unwrap();
        send_signal(worker, Signal::SIGCONT);
        let (dying, large) = (dying.join_timeout(TIMEOUT), large.join_timeout(TIMEOUT));
        match policy {
            OnWorkerDeath::Replace => {
                assert!(matches!(dying, Err(JobError::Crashed(_))));
                assert!(large.unwrap().1 == Bytes::new(LARGE));
            }
            OnWorkerDeath::Break => {
                assert!(matches!(dying, Err(JobError::Broken(_))));
                assert!(matches!(large, Err(JobError::Broken(_))));
            }
        }
        finish(&executor);
    }
}

#[test]
fn large_03_a_stop_during_a_large_job_is_prompt() {
    let _case = Case::begin();
    for policy in [OnWorkerDeath::Replace, OnWorkerDeath::Break] {
        let executor = builder::<Blob>(1).on_worker_death(policy).build().unwrap();
        suspend(worker_of(&executor));
        let job = executor.submit(Blob::Echo(Bytes::new(LARGE))).unwrap();
        let start = Instant::now();
        executor.stop(Duration::ZERO);
        assert!(matches!(job.join_timeout(TIMEOUT), Err(JobError::Cancelled)));
        finish(&executor);
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        assert_eq!(executor.broken(), None);
    }
}

#[test]
fn large_04a_large_outputs_of_leaving_workers_arrive_complete() {
    let _case = Case::begin();
    for workers in [1, 2] {
        let quota = NonZeroU64::new(1).unwrap();
        let executor = builder::<Blob>(workers).max_jobs_per_worker(quota).build().unwrap();
        let lengths: Vec<usize> = (0..6).map(|n| (n + 1) << 20).collect();
        let jobs: Vec<_> = lengths.iter().map(|&n| executor.submit(Blob::Make(n)).unwrap()).collect();
        executor.close();
        for (job, &length) in jobs.iter().zip(&lengths) {
            assert!(job.join_timeout(TIMEOUT).unwrap().1 == Bytes::new(length));
        }
        finish(&executor);
    }
}

#[test]
fn large_04b_large_errors_of_leaving_workers_arrive_complete() {
    let _case = Case::begin();
    let executor = builder::<Blob>(1).max_jobs_per_worker(NonZeroU64::new(1).unwrap()).build().unwrap();
    let jobs: Vec<_> = (0..4).map(|_| executor.submit(Blob::Fail(4 << 20)).unwrap()).collect();
    executor.join();
    for job in &jobs {
        let Err(JobError::Failed(bytes)) = job.join_timeout(TIMEOUT) else { panic!("no error") };
        assert!(bytes == Bytes::new(4 << 20));
    }
    finish(&executor);
}
