//! Conformance: how many workers there are, and what they do before and after their jobs. Each test carries its
//! row's id.

#![allow(clippy::unwrap_used)]

use std::{path::Path, thread, time::Duration};

use end_to_end::{
    Case, held,
    nest::Nest,
    probe::{LIMIT, Probe, Stage, finish, marks, processes, until},
    program,
    tally::{Add, Fate, Plan, Sum},
    workers::{exists, kill_off, run_state},
};
use pool::{BuildError, Executor, Failure, JobFuture, NoOutcome, ProcessPool, ProcessPoolBuilder, Refused};

fn alive<E: Executor<Probe>>(executor: &E) -> Vec<u32> {
    let pids = executor.figures().into_iter().filter_map(|worker| worker.pid);
    pids.filter(|pid| Path::new(&format!("/proc/{pid}")).exists()).collect()
}

fn pid(executor: &ProcessPool<Probe>) -> u32 {
    executor.submit(Probe::Pid).unwrap().result(LIMIT).unwrap() as u32
}

fn probes() -> ProcessPoolBuilder<Probe> {
    ProcessPool::builder().worker_program(program("probe-worker"))
}

fn tallies(plan: Plan) -> ProcessPoolBuilder<Add> {
    ProcessPool::builder_with(plan).workers(1).worker_program(program("probe-worker"))
}

fn add(executor: &ProcessPool<Add>, number: u64) -> u64 {
    executor.submit(Add(number)).unwrap().result(LIMIT).unwrap()
}

fn hold(executor: &ProcessPool<Probe>, stage: &Stage, count: usize) -> Vec<JobFuture<Probe>> {
    let jobs = (0..count).map(|_| executor.submit(stage.hold()).unwrap()).collect();
    stage.until_held(count);
    jobs
}

#[test]
fn rsz_01_a_pool_shrinks_without_disturbing_jobs_and_grows_without_losing_workers() {
    let _case = Case::begin();
    let executor = processes(3);
    let stage = Stage::new();
    let jobs = hold(&executor, &stage, 3);
    let first = alive(&executor);
    executor.resize(1).unwrap();
    assert_eq!((executor.workers(), alive(&executor).len()), (1, 3), "running jobs are not disturbed");
    stage.release();
    assert!(jobs.iter().all(|job| job.result(LIMIT).is_ok()));
    until("only one worker is left", || alive(&executor).len() == 1);
    let survivor = pid(&executor);
    assert!(first.contains(&survivor));

    executor.resize(1).unwrap();
    assert_eq!(pid(&executor), survivor, "the same size changes nothing");

    executor.resize(3).unwrap();
    let stage = Stage::new();
    hold(&executor, &stage, 3);
    assert!(alive(&executor).len() == 3 && alive(&executor).contains(&survivor));
    stage.release();
    assert!(executor.resize(0).is_err() && executor.resize(100_000).is_err());
    finish(&executor);
}

#[test]
fn rsz_02_a_rapid_series_of_resizes_under_load_never_deadlocks() {
    let _case = Case::begin();
    let executor = processes(2);
    thread::scope(|scope| {
        let outputs = scope.spawn(|| {
            executor.map((0..3000).map(Probe::Double)).into_iter().map(Result::unwrap).sum::<u64>()
        });
        for size in [4, 1, 3, 2, 5, 1, 2].into_iter().cycle().take(140) {
            executor.resize(size).unwrap();
            assert!(executor.submit(Probe::Double(1)).unwrap().result(LIMIT).is_ok());
        }
        assert_eq!(outputs.join().unwrap(), (0..3000).map(|n| 2 * n).sum::<u64>());
    });
    finish(&executor);
}

#[test]
fn rsz_03a_a_worker_killed_just_after_a_resize_is_noticed() {
    let _case = Case::begin();
    let executor = processes(1);
    for size in [2, 1, 3, 1] {
        let victim = pid(&executor);
        executor.resize(size).unwrap();
        kill_off(victim.into());
        assert_ne!(pid(&executor), victim);
    }
    finish(&executor);
}

#[test]
fn rsz_03b_resizing_while_idle_workers_leave_ends_with_a_working_pool() {
    let _case = Case::begin();
    let executor = probes().workers(2).idle_timeout(Duration::from_millis(1)).build().unwrap();
    for size in [3, 1, 2, 4].into_iter().cycle().take(40) {
        assert!(pid(&executor) > 0);
        executor.resize(size).unwrap();
    }
    finish(&executor);
}

#[test]
fn idle_04_unused_workers_leave_and_come_back_with_new_work() {
    let _case = Case::begin();
    let executor = probes().workers(2).idle_timeout(Duration::from_millis(20)).build().unwrap();
    for burst in 1..=3 {
        let stage = Stage::new();
        let jobs = hold(&executor, &stage, 2);
        stage.release();
        assert!(jobs.iter().all(|job| job.result(LIMIT).is_ok()));
        until("the workers have left", || alive(&executor).is_empty());
        assert_eq!(executor.figures().len(), 2 * burst);
    }
    finish(&executor);
}

#[test]
fn idle_05_jobs_that_come_just_as_workers_leave_are_not_stranded() {
    let _case = Case::begin();
    let executor = probes().workers(2).idle_timeout(Duration::from_micros(100)).build().unwrap();
    for n in 0..60 {
        let jobs = [n, n + 1].map(|n| executor.submit(Probe::Double(n)).unwrap());
        assert_eq!(jobs.map(|job| job.result(LIMIT).unwrap()), [2 * n, 2 * n + 2]);
    }
    let last = executor.submit(Probe::Double(9)).unwrap();
    finish(&executor);
    assert_eq!(last.result(Duration::ZERO).unwrap(), 18, "nor by a shutdown");
}

#[test]
fn idle_06_successive_maps_reuse_workers_and_their_state() {
    let _case = Case::begin();
    let executor = tallies(Plan::default()).build().unwrap();
    let total =
        |numbers: [u64; 3]| executor.map(numbers.map(Add)).into_iter().map(Result::unwrap).last().unwrap();
    assert_eq!((total([1, 2, 3]), total([4, 5, 6])), (6, 21));
    executor.shutdown(true, false);
    assert_eq!(executor.figures().len(), 1);
}

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
        (Fate::Exit(9), "it left without a word: process "),
    ] {
        let executor = tallies(Plan { end, ..Plan::default() }).build().unwrap();
        assert_eq!(add(&executor, 1), 1);
        assert!(executor.shutdown_within(Duration::from_secs(10), false));
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
    let executor = tallies(plan).start_limit(Duration::from_millis(20)).build().unwrap();
    let job = executor.submit(Add(1)).unwrap();
    let Err(NoOutcome::Failed(Failure::Abandoned(cause))) = job.result(LIMIT) else {
        panic!("not abandoned")
    };
    assert!(cause.starts_with("the worker was not ready in time"), "{cause}");
    assert!(executor.shutdown_within(Duration::from_secs(10), false));
}

#[test]
fn tmo_05c_an_exit_hook_that_takes_too_long_is_ended_and_told() {
    let _case = Case::begin();
    let stage = Stage::new();
    let plan = Plan { end: Fate::Hang(stage.file("never")), ..Plan::default() };
    let executor = tallies(plan).exit_limit(Duration::from_millis(20)).build().unwrap();
    add(&executor, 1);
    assert!(executor.shutdown_within(Duration::from_secs(10), false));
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
        let jobs = hold(&executor, &stage, 2);
        let waiting = executor.submit(Probe::Double(1)).unwrap();
        end(&executor);
        assert_eq!(executor.submit(Probe::Double(1)).err(), Some(Refused::Closed));
        assert!(executor.shutdown_within(Duration::from_secs(10), false));
        assert!(jobs.iter().all(JobFuture::cancelled) && waiting.cancelled());
        finish(&executor);
    }
}

#[test]
fn kill_01b_a_job_that_defies_the_polite_signal_is_killed_in_the_end() {
    let _case = Case::begin();
    let executor = probes().workers(1).kill_after(Duration::from_millis(50)).build().unwrap();
    let stage = Stage::new();
    let job = executor.submit(Probe::Then(Box::new(Probe::Defy), Box::new(stage.hold()))).unwrap();
    stage.until_held(1);
    executor.terminate_workers();
    assert!(executor.shutdown_within(Duration::from_secs(10), false) && job.cancelled());
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
        assert!(executor.shutdown_within(Duration::from_secs(10), false));
        assert!(jobs.iter().all(JobFuture::cancelled));
        // Orphans are gone as soon as init has reaped them.
        let over = |pid| !exists(pid) || run_state(pid) == Some('Z');
        until("all descendants are gone", || descendants.into_iter().all(over));
        finish(&executor);
    }
}

#[test]
fn kill_02a_before_any_worker_exists_both_start_nothing() {
    let _case = Case::begin();
    let ways: [fn(&ProcessPool<Probe>); 2] = [ProcessPool::terminate_workers, ProcessPool::kill_workers];
    for end in ways {
        let executor = processes(2);
        end(&executor);
        finish(&executor);
        assert!(executor.figures().is_empty());
    }
}

#[test]
fn kill_02b_with_dead_workers_or_a_broken_pool_both_are_harmless() {
    let _case = Case::begin();
    let ways: [fn(&ProcessPool<Probe>); 2] = [ProcessPool::terminate_workers, ProcessPool::kill_workers];
    for end in ways {
        let executor = processes(1);
        kill_off(pid(&executor).into());
        end(&executor);
        end(&executor);
        finish(&executor);

        let broken = end_to_end::probe::breaking(1);
        assert!(broken.submit(Probe::Exit(1)).unwrap().result(LIMIT).is_err());
        end(&broken);
        finish(&broken);
        assert!(broken.broken().is_some());
    }
}

#[test]
fn nest_01_a_job_may_run_a_pool_of_its_own() {
    let _case = Case::begin();
    let executor = ProcessPool::builder().workers(1).worker_program(program("probe-worker")).build().unwrap();
    assert_eq!(executor.submit(Nest(2)).unwrap().result(LIMIT).unwrap(), 2);
    executor.shutdown(true, false);
}

#[test]
fn nest_02_pools_nest_to_a_limit_and_no_deeper() {
    let _case = Case::begin();
    let executor = ProcessPool::builder().workers(1).worker_program(program("probe-worker")).build().unwrap();
    let deepest = pool::MAX_DEPTH - 1;
    assert_eq!(executor.submit(Nest(deepest)).unwrap().result(LIMIT).unwrap(), deepest);
    let too_deep = executor.submit(Nest(deepest + 1)).unwrap().take(LIMIT).unwrap();
    assert!(matches!(too_deep, Err(Failure::Failed(words)) if words == BuildError::TooDeep.to_string()));
    executor.shutdown(true, false);
}

#[test]
fn cfg_06a_workers_have_the_environment_with_the_pools_own_variables() {
    let _case = Case::begin();
    for value in ["one", "two"] {
        let executor =
            probes().workers(1).env("RUNNER_TEST_COLOUR", value).env("HOME", "/nowhere").build().unwrap();
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
    held!(executor, stage, held);
    let worker = alive(&executor)[0];
    let line = std::fs::read(format!("/proc/{worker}/cmdline")).unwrap();
    assert!(line.starts_with(b"runner-worker\0"), "{}", String::from_utf8_lossy(&line));
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names: Vec<String> =
        tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok()).collect();
    assert!(names.iter().any(|name| name.trim() == "runner-0.0"), "{names:?}");
    stage.release();
    held.result(LIMIT).unwrap();
    finish(&executor);
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
