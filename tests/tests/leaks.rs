//! Descriptors, threads, processes and memory stay the same however long it goes on.
//!
//! Each test compares its last third with what there was after the first. `LEAKS=full` makes them several times as
//! long.

#![allow(clippy::unwrap_used)]

use std::{fs, num::NonZeroU64, sync::Arc};

use end_to_end::{
    Case,
    counter::Counter,
    probe::{Probe, builder, finish, processes, until},
    runner,
    workers::memory,
};
use pool::{Executor, JobOptions, ProcessPool};

/// What memory may grow by without being lost: allocators round up and keep some back.
const MARGIN: u64 = 1 << 20;

/// The largest number of jobs between pushing and resolving.
const IN_BETWEEN: u64 = 5_000;

/// A number for the normal suite, and one for whoever has time.
fn rounds(normal: u64, full: u64) -> u64 {
    if std::env::var("LEAKS").is_ok_and(|wish| wish == "full") { full } else { normal }
}

/// What a process holds.
#[derive(Debug, PartialEq, Eq)]
struct Holdings {
    descriptors: usize,
    threads: usize,
    children: usize,
}

impl Holdings {
    fn is_within(&self, other: &Holdings) -> bool {
        self.descriptors <= other.descriptors
            && self.threads <= other.threads
            && self.children <= other.children
    }
}

fn holdings() -> Holdings {
    let count = |path: &str| fs::read_dir(path).unwrap().count();
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    Holdings {
        descriptors: count("/proc/self/fd"),
        threads: count("/proc/self/task"),
        children: children.map(|list| list.split_whitespace().count()).sum(),
    }
}

fn own_memory() -> u64 {
    memory(std::process::id().into())
}

/// Runs so many rounds, and proves that the last two thirds need no more than the first: memory but for `allowed`
/// bytes.
fn expect_flat(rounds: u64, allowed: u64, mut round: impl FnMut(u64)) {
    let warm_up = rounds / 3;
    (0..warm_up).for_each(&mut round);
    let (before, memory_before) = (holdings(), own_memory());
    (warm_up..rounds).for_each(&mut round);
    // Threads end a moment after they are counted as ended.
    until("there is no more than before", || holdings().is_within(&before));
    let grown = own_memory().saturating_sub(memory_before);
    println!("{rounds} rounds: {memory_before} bytes and then {grown} more; {before:?}");
    assert!(grown <= allowed, "{memory_before} bytes of memory, and then {grown} more");
}

/// Pushes so many jobs, of numbers from `first` on, and never has too many of them under way.
fn push(pool: &ProcessPool<Probe>, counter: &Arc<Counter>, first: u64, count: u64) {
    let mut submitter = pool.submitter(counter.clone());
    for n in first..first + count {
        submitter.push(n, Probe::Double(n), JobOptions::default());
        if n % IN_BETWEEN == 0 {
            submitter.flush();
            until("some are resolved", || counter.good() + IN_BETWEEN > n || !counter.bad().is_empty());
        }
    }
    submitter.flush();
    counter.until(first + count);
}

#[test]
fn pools_that_come_and_go_leave_nothing() {
    let _case = Case::begin();
    expect_flat(rounds(200, 1_000), MARGIN, |round| {
        let pool = processes(1 + (round % 2) as usize);
        let jobs: Vec<_> = (0..3).map(|n| pool.submit(Probe::Double(n)).unwrap()).collect();
        assert!(jobs.iter().all(|job| job.result(end_to_end::probe::LIMIT).is_ok()));
        if round % 4 < 2 {
            finish(&pool);
        } else {
            drop(pool);
            // Its threads go on by themselves, and must not meet the next ones.
            until("its worker is gone", || holdings().children == 0);
        }
    });
}

#[test]
fn jobs_that_come_and_go_leave_nothing() {
    let _case = Case::begin();
    let (pool, counter) = (processes(2), Arc::new(Counter::default()));
    let count = rounds(200_000, 10_000_000) / 30;
    expect_flat(30, MARGIN, |round| push(&pool, &counter, round * count, count));
    finish(&pool);
}

#[test]
fn jobs_with_futures_and_limits_leave_nothing() {
    let _case = Case::begin();
    let pool = processes(2);
    let options = JobOptions { time_limit: Some(end_to_end::probe::LIMIT) };
    expect_flat(rounds(30, 900), MARGIN, |_| {
        let jobs = (0..1_000).map(Probe::Double).collect();
        let futures = pool.submit_many(jobs, options).unwrap();
        assert!(futures.iter().all(|job| job.result(end_to_end::probe::LIMIT).is_ok()));
    });
    finish(&pool);
}

/// Each worker leaves an entry in the figures and a report, and nothing else.
#[test]
fn workers_that_come_and_go_leave_their_figures_only() {
    let _case = Case::begin();
    let once = NonZeroU64::new(1).unwrap();
    let pool = builder(1).max_jobs_per_worker(once).build().unwrap();
    let workers = rounds(300, 2_000);
    expect_flat(workers, MARGIN + workers * 1_024, |n| {
        assert_eq!(pool.submit(Probe::Double(n)).unwrap().result(end_to_end::probe::LIMIT).unwrap(), 2 * n);
        until("it has left", || holdings().children == 0);
    });
    assert_eq!(pool.worker_stats().len() as u64, workers);
    finish(&pool);
}

#[test]
fn crashes_leave_nothing() {
    let _case = Case::begin();
    let pool = builder(1).retries(0).build().unwrap();
    let workers = rounds(150, 1_500);
    expect_flat(workers, MARGIN + workers * 1_024, |_| {
        assert!(pool.submit(Probe::Exit(1)).unwrap().result(end_to_end::probe::LIMIT).is_err());
    });
    finish(&pool);
}

#[test]
fn runner_needs_no_more_for_many_workers_than_for_few() {
    let peak = |jobs: usize| {
        let input = "{\"op\":\"sum\",\"n\":1}\n".repeat(jobs);
        let arguments = ["-w", "1", "--max-jobs-per-worker", "1"];
        let mut run = runner(arguments).stdin(input).descriptors(64).start_bare_fed();
        let (output, peak) = run.read_watching_memory();
        assert_eq!(run.wait().code(), 0);
        assert_eq!(output.iter().filter(|&&byte| byte == b'\n').count(), jobs);
        peak * 1024
    };
    let (few, many) = (peak(10), peak(200));
    println!("{few} bytes with 10 workers, {many} with 200");
    assert!(many < few + MARGIN + 200 * 1_024, "{few} bytes with 10 workers, {many} with 200");
}
