//! Descriptors, threads, processes and memory do not grow with the number of jobs, pools and workers.
//!
//! Each test compares its end with the state after the first third. `LEAKS=full` makes the tests several
//! times as long.

use std::{fs, num::NonZeroU64, sync::Arc};

use end_to_end::{
    Case,
    counter::Counter,
    probe::{Probe, builder, finish, processes, wait_until},
    runner,
    workers::memory,
};
use pool::{Executor, ProcessPool, settings::JobOptions};

/// Tolerated growth of memory in bytes: allocators round up and cache.
const MARGIN: u64 = 1 << 20;

/// Maximum number of jobs that are pushed and not resolved.
const MAX_IN_FLIGHT: u64 = 5_000;

/// Returns the number of rounds of the normal suite or of `LEAKS=full`.
fn rounds(normal: u64, full: u64) -> u64 {
    if std::env::var("LEAKS").is_ok_and(|length| length == "full") { full } else { normal }
}

/// Resources of this process.
#[derive(Debug, PartialEq, Eq)]
struct Resources {
    descriptors: usize,
    threads: usize,
    children: usize,
}

impl Resources {
    fn is_within(&self, other: &Resources) -> bool {
        self.descriptors <= other.descriptors
            && self.threads <= other.threads
            && self.children <= other.children
    }
}

fn resources() -> Resources {
    let count = |path: &str| fs::read_dir(path).unwrap().count();
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    Resources {
        descriptors: count("/proc/self/fd"),
        threads: count("/proc/self/task"),
        children: children.map(|list| list.split_whitespace().count()).sum(),
    }
}

fn own_memory() -> u64 {
    memory(std::process::id().into())
}

/// Runs the rounds and checks that the last two thirds use no more resources than the first; memory may grow
/// by `allowed` bytes.
fn expect_flat(rounds: u64, allowed: u64, mut round: impl FnMut(u64)) {
    let warm_up = rounds / 3;
    (0..warm_up).for_each(&mut round);
    let (before, memory_before) = (resources(), own_memory());
    (warm_up..rounds).for_each(&mut round);
    // A thread exits shortly after its `join` returns.
    wait_until("no resources have been leaked", || resources().is_within(&before));
    let grown = own_memory().saturating_sub(memory_before);
    println!("{rounds} rounds: {memory_before} bytes and then {grown} more; {before:?}");
    assert!(grown <= allowed, "{memory_before} bytes of memory, and then {grown} more");
}

/// Pushes `count` jobs with numbers from `first` on, at most about [`MAX_IN_FLIGHT`] of them unresolved.
fn push(pool: &ProcessPool<Probe>, counter: &Arc<Counter>, first: u64, count: u64) {
    let mut submitter = pool.submitter(counter.clone());
    for n in first..first + count {
        submitter.push(n, Probe::Double(n), JobOptions::default());
        if n % MAX_IN_FLIGHT == 0 {
            submitter.flush();
            wait_until("some jobs are resolved", || {
                counter.good() + MAX_IN_FLIGHT > n || !counter.bad().is_empty()
            });
        }
    }
    submitter.flush();
    counter.wait_for(first + count);
}

#[test]
fn pools_leak_nothing() {
    let _case = Case::begin();
    expect_flat(rounds(200, 1_000), MARGIN, |round| {
        let pool = processes(1 + (round % 2) as usize);
        let jobs: Vec<_> = (0..3).map(|n| pool.submit(Probe::Double(n)).unwrap()).collect();
        assert!(jobs.iter().all(|job| job.result_timeout(end_to_end::probe::TIMEOUT).is_ok()));
        if round % 4 < 2 {
            finish(&pool);
        } else {
            drop(pool);
            // The threads of the dropped pool still run, and must end before the next round.
            wait_until("its worker has exited", || resources().children == 0);
        }
    });
}

#[test]
fn jobs_leak_nothing() {
    let _case = Case::begin();
    let (pool, counter) = (processes(2), Arc::new(Counter::default()));
    let count = rounds(200_000, 10_000_000) / 30;
    expect_flat(30, MARGIN, |round| push(&pool, &counter, round * count, count));
    finish(&pool);
}

#[test]
fn jobs_with_futures_and_limits_leak_nothing() {
    let _case = Case::begin();
    let pool = processes(2);
    let options = JobOptions::new().time_limit(end_to_end::probe::TIMEOUT);
    expect_flat(rounds(30, 900), MARGIN, |_| {
        let jobs = (0..1_000).map(Probe::Double).collect();
        let futures = pool.submit_many(jobs, options).unwrap();
        assert!(futures.iter().all(|job| job.result_timeout(end_to_end::probe::TIMEOUT).is_ok()));
    });
    finish(&pool);
}

/// Each worker leaves an entry in the statistics and a report, and nothing else.
#[test]
fn replaced_workers_leave_only_their_statistics() {
    let _case = Case::begin();
    let once = NonZeroU64::new(1).unwrap();
    let pool = builder(1).max_jobs_per_worker(once).build().unwrap();
    let workers = rounds(300, 2_000);
    expect_flat(workers, MARGIN + workers * 1_024, |n| {
        assert_eq!(
            pool.submit(Probe::Double(n)).unwrap().result_timeout(end_to_end::probe::TIMEOUT).unwrap(),
            2 * n
        );
        wait_until("the worker has exited", || resources().children == 0);
    });
    assert_eq!(pool.worker_stats().len() as u64, workers);
    finish(&pool);
}

#[test]
fn crashes_leak_nothing() {
    let _case = Case::begin();
    let pool = builder(1).retries(0).build().unwrap();
    let workers = rounds(150, 1_500);
    expect_flat(workers, MARGIN + workers * 1_024, |_| {
        assert!(pool.submit(Probe::Exit(1)).unwrap().result_timeout(end_to_end::probe::TIMEOUT).is_err());
    });
    finish(&pool);
}

#[test]
fn memory_does_not_grow_with_the_number_of_workers() {
    let peak = |jobs: usize| {
        let input = "{\"op\":\"sum\",\"n\":1}\n".repeat(jobs);
        let arguments = ["-w", "1", "--max-jobs-per-worker", "1"];
        let mut run = runner(arguments).stdin(input).descriptors(64).start_with_input();
        let (output, peak) = run.read_watching_memory();
        assert_eq!(run.wait().code(), 0);
        assert_eq!(output.iter().filter(|&&byte| byte == b'\n').count(), jobs);
        peak * 1024
    };
    let (few, many) = (peak(10), peak(200));
    println!("{few} bytes with 10 workers, {many} with 200");
    assert!(many < few + MARGIN + 200 * 1_024, "{few} bytes with 10 workers, {many} with 200");
}
