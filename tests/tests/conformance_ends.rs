//! Conformance: how workers end, in good order or by force. Each test carries its
//! row's id.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use end_to_end::{
    Case,
    probe::{LIMIT, Probe, Stage, breaking, builder, finish, marks, processes, until},
    tally::{Add, Fate, Plan, Sum, add, tallies},
    workers::{exists, kill_off, run_state},
};
use pool::{Executor, JobError, JobFuture, ProcessPool, ResultError, SubmitError};

#[test]
fn init_05a_the_exit_hook_runs_once_in_each_worker_and_reports() {
    let _case = Case::begin();
    let quota = std::num::NonZeroU64::new(2).unwrap();
    let executor =
        tallies(Plan { first: 100, ..Plan::default() }).max_jobs_per_worker(quota).build().unwrap();
    for number in 1..=5 {
        add(&executor, number);
    }
    executor.shutdown(true, false);
    let reports = executor.reports();
    let sums: Vec<u64> = reports.iter().map(|report| report.report.as_ref().unwrap().sum).collect();
    assert_eq!(sums, [103, 107, 105], "two jobs, two jobs, and the last one");
    assert_eq!(reports.iter().map(|report| report.worker.generation).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(executor.reports().is_empty(), "each is given once");
}

#[test]
fn init_05b_a_report_may_be_far_larger_than_a_socket() {
    let _case = Case::begin();
    let bytes = 5_000_000;
    let executor = tallies(Plan { report_bytes: bytes, ..Plan::default() }).build().unwrap();
    add(&executor, 1);
    executor.shutdown(true, false);
    let report = executor.reports().pop().unwrap().report.unwrap();
    assert_eq!(report, Sum { sum: 1, bytes: vec![7; bytes] });
}

#[test]
fn init_05c_a_failing_exit_hook_is_told_and_does_not_hang_the_shutdown() {
    let _case = Case::begin();
    for (end, told) in [
        (Fate::Error("no end".into()), "no end"),
        (Fate::Panic("on purpose".into()), "panicked: on purpose at tests/src/tally.rs"),
        (Fate::Exit(9), "the worker exited without a report: process "),
    ] {
        let executor = tallies(Plan { end, ..Plan::default() }).build().unwrap();
        assert_eq!(add(&executor, 1), 1);
        assert!(executor.shutdown_timeout(Duration::from_secs(10), false));
        let reason = executor.reports().pop().unwrap().report.unwrap_err();
        assert!(reason.starts_with(told), "{reason}");
    }
}

#[test]
fn init_05d_the_hook_runs_on_threads_and_serially_too() {
    let _case = Case::begin();
    let plan = Plan { first: 5, ..Plan::default() };
    let threads = pool::ThreadPool::<Add>::new(1, plan.clone());
    let serial = pool::Serial::<Add>::new(plan);
    let executors: [&dyn Executor<Add>; 2] = [&threads, &serial];
    for executor in executors {
        assert_eq!(executor.submit(Add(1)).unwrap().result(LIMIT).unwrap(), 6);
        executor.shutdown(true, false);
        assert_eq!(executor.reports().pop().unwrap().report.unwrap().sum, 6);
    }
}

#[test]
fn tmo_05b_an_initializer_that_takes_too_long_is_ended_and_told() {
    let _case = Case::begin();
    let stage = Stage::new();
    let plan = Plan { start: Fate::Hang(stage.file("never")), ..Plan::default() };
    let executor = tallies(plan).start_timeout(Duration::from_millis(20)).build().unwrap();
    let job = executor.submit(Add(1)).unwrap();
    let Err(ResultError::Failed(JobError::Abandoned(cause))) = job.result(LIMIT) else {
        panic!("not abandoned")
    };
    assert!(cause.starts_with("the worker was not ready in time"), "{cause}");
    assert!(executor.shutdown_timeout(Duration::from_secs(10), false));
}

#[test]
fn tmo_05c_an_exit_hook_that_takes_too_long_is_ended_and_told() {
    let _case = Case::begin();
    let stage = Stage::new();
    let plan = Plan { end: Fate::Hang(stage.file("never")), ..Plan::default() };
    let executor = tallies(plan).exit_timeout(Duration::from_millis(20)).build().unwrap();
    add(&executor, 1);
    assert!(executor.shutdown_timeout(Duration::from_secs(10), false));
    let reason = executor.reports().pop().unwrap().report.unwrap_err();
    assert!(reason.ends_with("was ended by signal 9"), "{reason}");
}

#[test]
fn kill_01_terminating_and_killing_end_jobs_and_processes_and_the_pool() {
    let _case = Case::begin();
    let ways: [fn(&ProcessPool<Probe>); 2] = [ProcessPool::terminate_workers, ProcessPool::kill_workers];
    for end in ways {
        let executor = processes(2);
        let stage = Stage::new();
        let jobs = stage.hold_many(&executor, 2);
        let waiting = executor.submit(Probe::Double(1)).unwrap();
        end(&executor);
        assert_eq!(executor.submit(Probe::Double(1)).err(), Some(SubmitError::Closed));
        assert!(executor.shutdown_timeout(Duration::from_secs(10), false));
        assert!(jobs.iter().all(JobFuture::cancelled) && waiting.cancelled());
        finish(&executor);
    }
}

#[test]
fn kill_01b_a_job_that_defies_the_polite_signal_is_killed_in_the_end() {
    let _case = Case::begin();
    let executor = builder(1).grace_period(Duration::from_millis(50)).build().unwrap();
    let stage = Stage::new();
    let job = executor.submit(Probe::Then(Box::new(Probe::Defy), Box::new(stage.hold()))).unwrap();
    stage.until_held(1);
    executor.terminate_workers();
    assert!(executor.shutdown_timeout(Duration::from_secs(10), false) && job.cancelled());
    finish(&executor);
}

#[test]
fn kill_03_killing_reaches_programs_and_pools_that_jobs_have_started() {
    let _case = Case::begin();
    let ways: [fn(&ProcessPool<Probe>); 2] = [ProcessPool::terminate_workers, ProcessPool::kill_workers];
    for end in ways {
        let executor = processes(2);
        let stage = Stage::new();
        let [program, nested] = ["program", "nested"].map(|name| stage.file(name));
        let line = format!("sleep 1000 & echo $! > {}; wait", program.display());
        let jobs = [
            executor.submit(Probe::Shell(line)).unwrap(),
            executor
                .submit(Probe::Then(Box::new(Probe::NestedLeft(1, nested.clone())), Box::new(stage.hold())))
                .unwrap(),
        ];
        stage.until_held(1);
        until("the program runs", || {
            std::fs::read_to_string(&program).is_ok_and(|text| text.ends_with('\n'))
        });
        let read = |file| std::fs::read_to_string(file).unwrap().trim().parse::<u64>().unwrap();
        let descendants = [read(&program), read(&nested)];
        assert!(descendants.into_iter().all(exists));
        end(&executor);
        assert!(executor.shutdown_timeout(Duration::from_secs(10), false));
        assert!(jobs.iter().all(JobFuture::cancelled));
        // Orphans are gone as soon as init has reaped them.
        let over = |pid| !exists(pid) || run_state(pid) == Some('Z');
        until("all descendants are gone", || descendants.into_iter().all(over));
        finish(&executor);
    }
}

#[test]
fn kill_01c_a_paused_pool_can_be_ended_and_dropped() {
    let _case = Case::begin();
    let executor = processes(2);
    let stage = Stage::new();
    let jobs = stage.hold_many(&executor, 2);
    executor.pause();
    executor.kill_workers();
    assert!(executor.shutdown_timeout(Duration::from_secs(10), false));
    assert!(jobs.iter().all(JobFuture::cancelled));
    finish(&executor);

    let executor = processes(1);
    let stage = Stage::new();
    let jobs = stage.hold_many(&executor, 1);
    executor.pause();
    drop(executor);
    stage.release();
    assert_eq!(jobs[0].result(LIMIT).unwrap(), 0, "it goes on");
}

#[test]
fn kill_01d_a_worker_that_starts_during_a_pause_stands_as_well() {
    let _case = Case::begin();
    let executor = processes(2);
    executor.pause();
    executor.prestart();
    let job = executor.submit(Probe::Double(4)).unwrap();
    let stopped = || {
        let pids = executor.worker_stats().into_iter().filter_map(|worker| worker.pid);
        pids.filter(|&pid| run_state(pid.into()) == Some('T')).count()
    };
    until("both stand", || stopped() == 2);
    assert!(!job.done());
    executor.resume();
    assert_eq!(job.result(LIMIT).unwrap(), 8);
    finish(&executor);
}

#[test]
fn kill_02a_before_any_worker_exists_both_start_nothing() {
    let _case = Case::begin();
    let ways: [fn(&ProcessPool<Probe>); 2] = [ProcessPool::terminate_workers, ProcessPool::kill_workers];
    for end in ways {
        let executor = processes(2);
        end(&executor);
        finish(&executor);
        assert!(executor.worker_stats().is_empty());
    }
}

#[test]
fn kill_02b_with_dead_workers_or_a_broken_pool_both_are_harmless() {
    let _case = Case::begin();
    let ways: [fn(&ProcessPool<Probe>); 2] = [ProcessPool::terminate_workers, ProcessPool::kill_workers];
    for end in ways {
        let executor = processes(1);
        kill_off(executor.submit(Probe::Pid).unwrap().result(LIMIT).unwrap());
        end(&executor);
        end(&executor);
        finish(&executor);

        let broken = breaking(1);
        assert!(broken.submit(Probe::Exit(1)).unwrap().result(LIMIT).is_err());
        end(&broken);
        finish(&broken);
        assert!(broken.broken().is_some());
    }
}

#[test]
fn init_01e_every_state_is_made_of_the_arguments_in_its_own_worker() {
    let _case = Case::begin();
    let stage = Stage::new();
    let starts = Some(stage.file("starts"));
    let executor = tallies(Plan { first: 1000, starts, ..Plan::default() }).build().unwrap();
    assert_eq!((add(&executor, 1), add(&executor, 2)), (1001, 1003));
    executor.shutdown(true, false);
    assert_eq!(marks(&stage.file("starts")), 1);
}
