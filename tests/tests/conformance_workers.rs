//! Conformance: number and environment of workers. Each test name starts with the id of its row.

use std::{thread, time::Duration};

use end_to_end::{
    Case, block_worker,
    probe::{Barrier, Probe, TIMEOUT, builder, finish, processes, wait_until},
    tally::{Add, TallyArgs, tally_builder},
    workers::{kill_and_wait, live_pids},
};
use pool::{Executor, JobError, ProcessPool, error::BuildError};

fn pid(executor: &ProcessPool<Probe>) -> u64 {
    executor.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap()
}

#[test]
fn rsz_01_a_pool_shrinks_without_disturbing_jobs_and_grows_without_losing_workers() {
    let _case = Case::begin();
    let executor = processes(3);
    let barrier = Barrier::new();
    let jobs = barrier.hold_many(&executor, 3);
    let first = live_pids(&executor);
    executor.resize(1).unwrap();
    assert_eq!((executor.workers(), live_pids(&executor).len()), (1, 3), "running jobs are not affected");
    barrier.release();
    assert!(jobs.iter().all(|job| job.result_timeout(TIMEOUT).is_ok()));
    wait_until("only one worker is left", || live_pids(&executor).len() == 1);
    let survivor = pid(&executor);
    assert!(first.contains(&survivor));

    executor.resize(1).unwrap();
    assert_eq!(pid(&executor), survivor, "the same size changes nothing");

    executor.resize(3).unwrap();
    let barrier = Barrier::new();
    barrier.hold_many(&executor, 3);
    assert!(live_pids(&executor).len() == 3 && live_pids(&executor).contains(&survivor));
    barrier.release();
    assert!(executor.resize(0).is_err() && executor.resize(100_000).is_err());
    finish(&executor);
}

#[test]
fn rsz_02_a_rapid_series_of_resizes_under_load_never_deadlocks() {
    let _case = Case::begin();
    let executor = processes(2);
    thread::scope(|scope| {
        let outputs =
            scope.spawn(|| executor.map((0..3000).map(Probe::Double)).map(Result::unwrap).sum::<u64>());
        for size in [4, 1, 3, 2, 5, 1, 2].into_iter().cycle().take(140) {
            executor.resize(size).unwrap();
            assert!(executor.submit(Probe::Double(1)).unwrap().result_timeout(TIMEOUT).is_ok());
        }
        assert_eq!(outputs.join().unwrap(), (0..3000).map(|n| 2 * n).sum::<u64>());
    });
    finish(&executor);
}

#[test]
fn rsz_03a_a_worker_killed_just_after_a_resize_is_replaced() {
    let _case = Case::begin();
    let executor = processes(1);
    for size in [2, 1, 3, 1] {
        let victim = pid(&executor);
        executor.resize(size).unwrap();
        kill_and_wait(victim);
        assert_ne!(pid(&executor), victim);
    }
    finish(&executor);
}

#[test]
fn rsz_03b_resizing_while_idle_workers_leave_ends_with_a_working_pool() {
    let _case = Case::begin();
    let executor = builder(2).idle_timeout(Duration::from_millis(1)).build().unwrap();
    for size in [3, 1, 2, 4].into_iter().cycle().take(40) {
        assert!(pid(&executor) > 0);
        executor.resize(size).unwrap();
    }
    finish(&executor);
}

#[test]
fn idle_04_idle_workers_exit_and_are_restarted_on_demand() {
    let _case = Case::begin();
    let executor = builder(2).idle_timeout(Duration::from_millis(20)).build().unwrap();
    for burst in 1..=3 {
        let barrier = Barrier::new();
        let jobs = barrier.hold_many(&executor, 2);
        barrier.release();
        assert!(jobs.iter().all(|job| job.result_timeout(TIMEOUT).is_ok()));
        wait_until("the workers have exited", || live_pids(&executor).is_empty());
        assert_eq!(executor.worker_stats().len(), 2 * burst);
    }
    finish(&executor);
}

#[test]
fn idle_05_jobs_submitted_while_workers_exit_are_run() {
    let _case = Case::begin();
    let executor = builder(2).idle_timeout(Duration::from_micros(100)).build().unwrap();
    for n in 0..60 {
        let jobs = [n, n + 1].map(|n| executor.submit(Probe::Double(n)).unwrap());
        assert_eq!(jobs.map(|job| job.result_timeout(TIMEOUT).unwrap()), [2 * n, 2 * n + 2]);
    }
    let last = executor.submit(Probe::Double(9)).unwrap();
    finish(&executor);
    assert_eq!(last.result_timeout(Duration::ZERO).unwrap(), 18, "the last job was lost in the shutdown");
}

#[test]
fn idle_06_successive_maps_reuse_workers_and_their_state() {
    let _case = Case::begin();
    let executor = tally_builder(TallyArgs::default()).build().unwrap();
    let total = |numbers: [u64; 3]| executor.map(numbers.map(Add)).map(Result::unwrap).last().unwrap();
    assert_eq!((total([1, 2, 3]), total([4, 5, 6])), (6, 21));
    executor.join();
    assert_eq!(executor.worker_stats().len(), 1);
}

#[test]
fn nest_01_a_job_may_run_a_nested_pool() {
    let _case = Case::begin();
    let executor = processes(1);
    assert_eq!(executor.submit(Probe::Double(3).nested(2)).unwrap().result_timeout(TIMEOUT).unwrap(), 6);
    executor.join();
}

#[test]
fn nest_02_nesting_is_limited() {
    let _case = Case::begin();
    let executor = processes(1);
    let nested = |pools| executor.submit(Probe::Double(3).nested(pools)).unwrap().join_timeout(TIMEOUT);
    let deepest = pool::settings::MAX_NESTING - 1;
    assert!(matches!(nested(deepest), Ok(6)));
    let Err(JobError::Failed(too_deep)) = nested(deepest + 1) else { panic!("nested deeper than the limit") };
    assert_eq!(too_deep.message, BuildError::NestedTooDeep.to_string());
    executor.join();
}

#[test]
fn cfg_06a_workers_inherit_the_environment_and_the_variables_of_the_pool() {
    let _case = Case::begin();
    for value in ["one", "two"] {
        let executor = builder(1).env("RUNNER_TEST_COLOUR", value).env("HOME", "/nowhere").build().unwrap();
        let environment = std::fs::read(format!("/proc/{}/environ", pid(&executor))).unwrap();
        let has = |wanted: &str| environment.split(|&byte| byte == 0).any(|line| line == wanted.as_bytes());
        assert!(has(&format!("RUNNER_TEST_COLOUR={value}")) && has("HOME=/nowhere"));
        assert!(has(&format!("PATH={}", std::env::var("PATH").unwrap())), "the rest is inherited");
        finish(&executor);
    }
}

#[test]
fn cfg_06b_workers_and_threads_have_names() {
    let _case = Case::begin();
    let executor = processes(1);
    block_worker!(executor, barrier, held);
    let worker = live_pids(&executor)[0];
    let line = std::fs::read(format!("/proc/{worker}/cmdline")).unwrap();
    assert!(line.starts_with(b"probe-worker worker 0\0"), "{}", String::from_utf8_lossy(&line));
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names: Vec<String> =
        tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok()).collect();
    // The system truncates names to 15 bytes.
    assert!(names.iter().any(|name| name.trim() == "runner-supervis"), "{names:?}");
    barrier.release();
    held.result_timeout(TIMEOUT).unwrap();
    finish(&executor);
}
