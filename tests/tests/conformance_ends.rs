//! Conformance: orderly and forced ends of workers. Each test name starts with the id of its row.

use std::time::Duration;

use end_to_end::{
    Case,
    probe::{Barrier, Probe, TIMEOUT, breaking, builder, finish, line_count, processes, wait_until},
    tally::{Add, HookAction, Sum, TallyArgs, add, tally_builder},
    workers::{exists, kill_and_wait, run_state},
};
use pool::{Executor, JobError, JobFuture, ProcessPool, error::SubmitError};

#[test]
fn init_05a_the_exit_hook_runs_once_in_each_worker_and_reports() {
    let _case = Case::begin();
    let quota = std::num::NonZeroU64::new(2).unwrap();
    let executor = tally_builder(TallyArgs { first: 100, ..TallyArgs::default() })
        .max_jobs_per_worker(quota)
        .build()
        .unwrap();
    for number in 1..=5 {
        add(&executor, number);
    }
    executor.join();
    let reports = executor.reports();
    let sums: Vec<u64> = reports.iter().map(|report| report.report.as_ref().unwrap().sum).collect();
    assert_eq!(sums, [103, 107, 105], "two jobs, two jobs, and the last one");
    assert_eq!(reports.iter().map(|report| report.worker.generation).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(executor.reports().is_empty(), "each report is returned once");
}

#[test]
fn init_05b_a_report_may_be_larger_than_a_socket_buffer() {
    let _case = Case::begin();
    let bytes = 5_000_000;
    let executor = tally_builder(TallyArgs { report_bytes: bytes, ..TallyArgs::default() }).build().unwrap();
    add(&executor, 1);
    executor.join();
    let report = executor.reports().pop().unwrap().report.unwrap();
    assert_eq!(report, Sum { sum: 1, bytes: vec![7; bytes] });
}

#[test]
fn init_05c_a_failing_exit_hook_is_reported_and_does_not_block_the_shutdown() {
    let _case = Case::begin();
    for (end, expected) in [
        (HookAction::Error("no end".into()), "no end"),
        (HookAction::Panic("on purpose".into()), "panicked: on purpose at tests/src/tally.rs"),
        (HookAction::Exit(9), "the worker exited without a report: process "),
    ] {
        let executor = tally_builder(TallyArgs { end, ..TallyArgs::default() }).build().unwrap();
        assert_eq!(add(&executor, 1), 1);
        assert!(executor.shutdown_timeout(Duration::from_secs(10)));
        let reason = executor.reports().pop().unwrap().report.unwrap_err();
        assert!(reason.starts_with(expected), "{reason}");
    }
}

#[test]
fn init_05d_the_exit_hook_runs_on_threads_and_serially() {
    let _case = Case::begin();
    let args = TallyArgs { first: 5, ..TallyArgs::default() };
    let threads = pool::ThreadPool::<Add>::new(1, args.clone());
    let serial = pool::Serial::<Add>::new(args);
    let executors: [&dyn Executor<Add>; 2] = [&threads, &serial];
    for executor in executors {
        assert_eq!(executor.submit(Add(1)).unwrap().result_timeout(TIMEOUT).unwrap(), 6);
        executor.join();
        assert_eq!(executor.reports().pop().unwrap().report.unwrap().sum, 6);
    }
}

#[test]
fn tmo_05b_a_slow_initializer_is_killed_and_reported() {
    let _case = Case::begin();
    let barrier = Barrier::new();
    let args = TallyArgs { start: HookAction::Hang(barrier.file("never")), ..TallyArgs::default() };
    let executor = tally_builder(args).start_timeout(Duration::from_millis(20)).build().unwrap();
    let job = executor.submit(Add(1)).unwrap();
    let Err(JobError::Broken(cause)) = job.result_timeout(TIMEOUT) else { panic!("not abandoned") };
    assert!(cause.starts_with("the worker was not ready in time"), "{cause}");
    assert!(executor.shutdown_timeout(Duration::from_secs(10)));
}

#[test]
fn tmo_05c_a_slow_exit_hook_is_killed_and_reported() {
    let _case = Case::begin();
    let barrier = Barrier::new();
    let args = TallyArgs { end: HookAction::Hang(barrier.file("never")), ..TallyArgs::default() };
    let executor = tally_builder(args).exit_timeout(Duration::from_millis(20)).build().unwrap();
    add(&executor, 1);
    assert!(executor.shutdown_timeout(Duration::from_secs(10)));
    let reason = executor.reports().pop().unwrap().report.unwrap_err();
    assert!(reason.ends_with("was killed by signal 9 (SIGKILL)"), "{reason}");
}

#[test]
fn kill_01_terminate_and_kill_end_jobs_workers_and_the_pool() {
    let _case = Case::begin();
    let ways: [fn(&ProcessPool<Probe>); 2] = [ProcessPool::terminate_workers, ProcessPool::kill_workers];
    for end in ways {
        let executor = processes(2);
        let barrier = Barrier::new();
        let jobs = barrier.hold_many(&executor, 2);
        let waiting = executor.submit(Probe::Double(1)).unwrap();
        end(&executor);
        assert_eq!(executor.submit(Probe::Double(1)).err(), Some(SubmitError::Closed));
        assert!(executor.shutdown_timeout(Duration::from_secs(10)));
        assert!(jobs.iter().all(JobFuture::is_cancelled) && waiting.is_cancelled());
        finish(&executor);
    }
}

#[test]
fn kill_01b_a_job_that_blocks_sigterm_is_killed_after_the_grace_period() {
    let _case = Case::begin();
    let executor = builder(1).grace_period(Duration::from_millis(50)).build().unwrap();
    let barrier = Barrier::new();
    let job = executor.submit(Probe::Then(Box::new(Probe::BlockSigterm), Box::new(barrier.hold()))).unwrap();
    barrier.wait_for_held(1);
    executor.terminate_workers();
    assert!(executor.shutdown_timeout(Duration::from_secs(10)) && job.is_cancelled());
    finish(&executor);
}

#[test]
fn kill_01d_breaking_off_fails_what_workers_have_and_cancels_the_rest() {
    let _case = Case::begin();
    for grace in [Duration::ZERO, Duration::from_secs(1)] {
        for executor in [processes(2), breaking(2)] {
            let barrier = Barrier::new();
            let jobs = barrier.hold_many(&executor, 2);
            let waiting = executor.submit(Probe::Double(1)).unwrap();
            executor.break_off(grace, "enough");
            assert_eq!(executor.submit(Probe::Double(1)).err(), Some(SubmitError::Broken("enough".into())));
            assert!(executor.shutdown_timeout(Duration::from_secs(10)));
            for job in jobs {
                let outcome = job.join_timeout(TIMEOUT);
                assert!(matches!(outcome, Err(JobError::Broken(cause)) if &*cause == "enough"));
            }
            assert!(waiting.is_cancelled());
            finish(&executor);
        }
    }
}

#[test]
fn kill_03_killing_reaches_programs_and_pools_that_jobs_have_started() {
    let _case = Case::begin();
    let ways: [fn(&ProcessPool<Probe>); 2] = [ProcessPool::terminate_workers, ProcessPool::kill_workers];
    for end in ways {
        let executor = processes(2);
        let barrier = Barrier::new();
        let [program, nested] = ["program", "nested"].map(|name| barrier.file(name));
        let line = format!("sleep 1000 & echo $! > {}; wait", program.display());
        let jobs = [
            executor.submit(Probe::Shell(line)).unwrap(),
            executor
                .submit(Probe::Then(Box::new(Probe::NestedLeft(1, nested.clone())), Box::new(barrier.hold())))
                .unwrap(),
        ];
        barrier.wait_for_held(1);
        wait_until("the program runs", || {
            std::fs::read_to_string(&program).is_ok_and(|text| text.ends_with('\n'))
        });
        let read = |file| std::fs::read_to_string(file).unwrap().trim().parse::<u64>().unwrap();
        let descendants = [read(&program), read(&nested)];
        assert!(descendants.into_iter().all(exists));
        end(&executor);
        assert!(executor.shutdown_timeout(Duration::from_secs(10)));
        assert!(jobs.iter().all(JobFuture::is_cancelled));
        // Orphans disappear when init has reaped them.
        let over = |pid| !exists(pid) || run_state(pid) == Some('Z');
        wait_until("all descendants have exited", || descendants.into_iter().all(over));
        finish(&executor);
    }
}

#[test]
fn kill_01c_a_paused_pool_can_be_ended_and_dropped() {
    let _case = Case::begin();
    let executor = processes(2);
    let barrier = Barrier::new();
    let jobs = barrier.hold_many(&executor, 2);
    executor.pause();
    executor.kill_workers();
    assert!(executor.shutdown_timeout(Duration::from_secs(10)));
    assert!(jobs.iter().all(JobFuture::is_cancelled));
    finish(&executor);

    let executor = processes(1);
    let barrier = Barrier::new();
    let jobs = barrier.hold_many(&executor, 1);
    executor.pause();
    drop(executor);
    barrier.release();
    assert_eq!(jobs[0].result_timeout(TIMEOUT).unwrap(), 0, "the job completes");
}

#[test]
fn kill_01d_a_worker_that_starts_during_a_pause_is_stopped() {
    let _case = Case::begin();
    let executor = processes(2);
    executor.pause();
    executor.prestart();
    let job = executor.submit(Probe::Double(4)).unwrap();
    let stopped = || {
        let pids = executor.worker_stats().into_iter().filter_map(|worker| worker.pid);
        pids.filter(|&pid| run_state(pid.into()) == Some('T')).count()
    };
    wait_until("both workers are stopped", || stopped() == 2);
    assert!(!job.is_done());
    executor.resume();
    assert_eq!(job.result_timeout(TIMEOUT).unwrap(), 8);
    finish(&executor);
}

#[test]
fn kill_02a_terminate_and_kill_start_no_workers() {
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
fn kill_02b_terminate_and_kill_accept_dead_workers_and_broken_pools() {
    let _case = Case::begin();
    let ways: [fn(&ProcessPool<Probe>); 2] = [ProcessPool::terminate_workers, ProcessPool::kill_workers];
    for end in ways {
        let executor = processes(1);
        kill_and_wait(executor.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap());
        end(&executor);
        end(&executor);
        finish(&executor);

        let broken = breaking(1);
        assert!(broken.submit(Probe::Exit(1)).unwrap().result_timeout(TIMEOUT).is_err());
        end(&broken);
        finish(&broken);
        assert!(broken.broken().is_some());
    }
}

#[test]
fn init_01e_each_worker_creates_its_state_from_the_arguments() {
    let _case = Case::begin();
    let barrier = Barrier::new();
    let starts = Some(barrier.file("starts"));
    let executor = tally_builder(TallyArgs { first: 1000, starts, ..TallyArgs::default() }).build().unwrap();
    assert_eq!((add(&executor, 1), add(&executor, 2)), (1001, 1003));
    executor.join();
    assert_eq!(line_count(&barrier.file("starts")), 1);
}
