//! Memory of shared data that processes use again: it is not shared by two values, it is limited, and nothing
//! of it is left.

use std::{process, sync::Arc};

use end_to_end::{
    Case,
    large_data::{Answer, Large, open_files, sum},
    probe::{TIMEOUT, finish, transport, wait_until},
    program,
    workers::{kill_and_wait, live_pids},
};
use pool::{
    Executor, ProcessPool,
    data::{Blob, Shared},
    settings::{ProcessPoolBuilder, Transport},
};

const LENGTH: usize = 1_000_000;

/// Length in bytes of data that is too large to be copied into memory that was used before.
const TOO_LARGE: usize = 40_000_000;

fn builder(workers: usize) -> ProcessPoolBuilder<Large> {
    let builder = ProcessPool::builder_with(Shared::default()).workers(workers);
    builder.worker_program(program("probe-worker")).transport(transport())
}

fn run(pool: &dyn Executor<Large>, job: Large) -> Answer {
    pool.submit(job).unwrap().join_timeout(TIMEOUT).unwrap()
}

/// Returns bytes that are all the same.
fn bytes(byte: u8, length: usize) -> Blob {
    Blob::with_len(length, |bytes| bytes.fill(byte)).unwrap()
}

fn is_all(byte: u8, blob: &Blob) -> bool {
    blob.len() >= LENGTH && blob.iter().all(|&one| one == byte)
}

fn own_pid() -> u64 {
    process::id().into()
}

#[test]
fn outputs_keep_their_contents() {
    let _case = Case::begin();
    let pool = builder(2).build().unwrap();
    // Of different lengths, so that memory is used for shorter and longer data in turn.
    let length = |n: u8| LENGTH + usize::from(n % 7) * 10_000;
    let one_by_one: Vec<_> = (0..40).map(|n| run(&pool, Large::Echo(bytes(n, length(n))))).collect();
    let jobs: Vec<_> = (0..40).map(|n| pool.submit(Large::Echo(bytes(n, length(n)))).unwrap()).collect();
    let together: Vec<_> = jobs.iter().map(|job| job.join_timeout(TIMEOUT).unwrap()).collect();
    for answers in [&one_by_one, &together] {
        for (n, answer) in (0..).zip(answers) {
            assert!(is_all(n, answer.blob()) && answer.blob().len() == length(n), "output {n} has changed");
        }
    }
    finish(&pool);
}

#[test]
fn arguments_keep_their_contents() {
    let _case = Case::begin();
    let pool = builder(2).build().unwrap();
    let lasting = bytes(7, LENGTH);
    let jobs: Vec<_> = (0..40)
        .map(|n| {
            // Dropped here while its job runs.
            let job = if n % 4 == 0 { lasting.clone() } else { bytes(n, LENGTH) };
            pool.submit(Large::Sum(job)).unwrap()
        })
        .collect();
    for (n, job) in (0..).zip(&jobs) {
        let byte = if n % 4 == 0 { 7 } else { u64::from(n as u8) };
        assert_eq!(job.join_timeout(TIMEOUT).unwrap().sum, byte * LENGTH as u64, "argument {n} has changed");
    }
    assert!(is_all(7, &lasting));
    finish(&pool);
}

#[test]
fn few_files_are_kept_and_none_when_they_are_not_used() {
    let _case = Case::begin();
    let pool = builder(1).build().unwrap();
    let mut most = 0;
    for n in 0..100 {
        let answer = run(&pool, Large::Echo(bytes(n, LENGTH)));
        most = most.max(open_files(answer.pid)).max(open_files(own_pid()));
        assert!(is_all(n, answer.blob()));
    }
    assert!(most <= 4, "{most} files are open");
    let worker = live_pids(&pool)[0];
    wait_until("an idle pool has freed its memory", || open_files(own_pid()) == 0 && open_files(worker) == 0);
    // Data that is dropped while the pool is idle.
    drop(bytes(1, LENGTH));
    wait_until("it is freed, too", || open_files(own_pid()) == 0);
    finish(&pool);
}

#[test]
fn closed_pool_keeps_no_memory() {
    let _case = Case::begin();
    let pool = builder(2).build().unwrap();
    // Memory is kept from the first job on. The data before is in a file that an answer has open as well.
    drop(run(&pool, Large::Echo(bytes(0, LENGTH))));
    let answers: Vec<_> = (0..10).map(|n| run(&pool, Large::Echo(bytes(n, LENGTH)))).collect();
    finish(&pool);
    assert_eq!(open_files(own_pid()), 0);
    drop((answers, bytes(1, LENGTH)));
    assert_eq!(open_files(own_pid()), 0);
}

#[test]
fn killed_workers_leave_no_memory() {
    let _case = Case::begin();
    let pool = builder(2).build().unwrap();
    for round in 0..5 {
        let jobs: Vec<_> = (0..10).map(|n| pool.submit(Large::Echo(bytes(n, LENGTH))).unwrap()).collect();
        jobs[0].join_timeout(TIMEOUT).unwrap();
        live_pids(&pool).into_iter().for_each(kill_and_wait);
        for (n, job) in (1..).zip(&jobs[1..]) {
            let answer = job.join_timeout(TIMEOUT).unwrap();
            assert!(is_all(n, answer.blob()), "output {n} of round {round}");
        }
    }
    finish(&pool);
    wait_until("nothing is kept", || open_files(own_pid()) == 0);
}

#[test]
fn workers_with_limited_address_space_keep_nothing() {
    let _case = Case::begin();
    let pool = builder(1).max_memory(2 << 30).build().unwrap();
    let pid = run(&pool, Large::Make(LENGTH)).pid;
    wait_until("the worker has closed its file", || open_files(pid) == 0);
    let answers = [Large::Make(LENGTH), Large::CountFiles(Vec::new())].map(|job| run(&pool, job));
    assert_eq!(answers[1].sum, 0, "the worker keeps a file for the next job");
    finish(&pool);
}

#[test]
fn large_data_and_data_on_the_channel_is_passed_as_before() {
    let _case = Case::begin();
    let pool = builder(1).build().unwrap();
    let answer = run(&pool, Large::Echo(bytes(1, TOO_LARGE)));
    assert_eq!((sum(answer.blob()), open_files(own_pid())), (TOO_LARGE as u64, 1));
    finish(&pool);
    let pool = builder(1).transport(Transport::Channel).build().unwrap();
    assert!((0..5).all(|n| is_all(n, run(&pool, Large::Echo(bytes(n, LENGTH))).blob())));
    finish(&pool);
}

#[test]
fn output_is_passed_on_and_changed_without_another_copy() {
    let _case = Case::begin();
    let pool = Arc::new(builder(1).build().unwrap());
    let blob = run(&*pool, Large::Make(LENGTH)).blob().clone();
    let passed = run(&*pool, Large::Echo(blob.clone()));
    assert!(is_all(1, passed.blob()));
    let start = blob.as_ptr();
    let mut changed = blob.clone().into_private().unwrap();
    changed[0] = 9;
    assert!(is_all(1, &blob), "it is not the only one");
    let mut changed = blob.into_private().unwrap();
    changed[0] = 9;
    assert_eq!((changed.as_ptr(), changed[1]), (start, 1));
    assert!(is_all(1, passed.blob()));
    finish(&*pool);
}
