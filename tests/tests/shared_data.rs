//! Data that is shared between processes: it is in memory once, and nothing of it is left.

use std::process;

use end_to_end::{
    Case,
    large_data::{Answer, Forgery, Large, memory_field, open_files, sum},
    probe::{Barrier, TIMEOUT, finish, transport, wait_until},
    program,
    workers::{Signal, kill_and_wait, live_pids, send_signal, suspend},
};
use pool::{
    Executor, JobError, JobFuture, ProcessPool, Serial, ThreadPool,
    data::{Blob, Shared},
    functions::{Executable, FunctionPool, Spawn},
    settings::{CodecKind, ProcessPoolBuilder},
};

const LARGE: usize = 100_000_000;

/// Memory in bytes that a worker may use for other things.
const MARGIN: u64 = 10_000_000;

fn builder(workers: usize) -> ProcessPoolBuilder<Large> {
    with_state(workers, Shared::default())
}

fn with_state(workers: usize, state: Shared<u64>) -> ProcessPoolBuilder<Large> {
    let builder = ProcessPool::builder_with(state).workers(workers);
    builder.worker_program(program("probe-worker")).transport(transport())
}

fn pool(workers: usize) -> ProcessPool<Large> {
    builder(workers).build().unwrap()
}

fn submit(pool: &dyn Executor<Large>, job: Large) -> JobFuture<Large> {
    pool.submit(job).unwrap()
}

/// Returns the outcome of a job.
fn outcome(future: &JobFuture<Large>) -> Result<Answer, JobError<String>> {
    future.join_timeout(TIMEOUT)
}

fn run(pool: &dyn Executor<Large>, job: Large) -> Answer {
    outcome(&submit(pool, job)).unwrap()
}

fn ones(length: usize) -> Blob {
    Blob::with_len(length, |bytes| bytes.fill(1)).unwrap()
}

/// Waits until this process has no file with shared data open.
fn wait_until_closed() {
    wait_until("no data is left", || open_files(own_pid()) == 0);
}

fn own_pid() -> u64 {
    process::id().into()
}

#[test]
fn argument_and_output_are_not_copied() {
    let _case = Case::begin();
    let pool = pool(1);
    let answer = run(&pool, Large::Sum(ones(LARGE)));
    assert_eq!(answer.sum, LARGE as u64);
    assert!(answer.own_memory < MARGIN, "{answer:?}");
    let before = memory_field(own_pid(), "Anonymous:");
    let answer = run(&pool, Large::Make(LARGE));
    assert!(answer.own_memory < MARGIN, "{answer:?}");
    assert_eq!(sum(answer.blob()), LARGE as u64);
    assert!(memory_field(own_pid(), "Anonymous:") < before + MARGIN);
    let echo = run(&pool, Large::Echo(answer.blob().clone()));
    assert_eq!(echo.blob(), answer.blob());
    assert!(echo.own_memory < MARGIN, "{echo:?}");
    drop((answer, echo));
    finish(&pool);
    wait_until_closed();
}

#[test]
fn clones_in_a_job_take_one_descriptor() {
    let _case = Case::begin();
    let pool = pool(1);
    let blob = ones(100_000);
    let blobs = vec![blob.clone(), blob.clone(), blob, ones(100_000)];
    assert_eq!(run(&pool, Large::CountFiles(blobs)).sum, 2);
    finish(&pool);
}

#[test]
fn functions_share_data_too() {
    fn own_memory() -> u64 {
        memory_field(process::id().into(), "Anonymous:")
    }
    fn add_up(blob: Blob) -> (u64, u64, Blob) {
        (sum(&blob), own_memory(), blob)
    }
    fn refuse(blob: Blob) -> Result<(), Blob> {
        Err(blob)
    }
    let _case = Case::begin();
    let pool = FunctionPool::builder().workers(1).build().unwrap();
    let blob = ones(LARGE);
    let call = pool.spawn(add_up, blob.clone()).unwrap();
    let (total, memory, back) = call.join_timeout(TIMEOUT).unwrap();
    assert_eq!((total, back == blob), (LARGE as u64, true));
    assert!(memory < MARGIN, "{memory}");
    match pool.try_spawn(refuse, blob.clone()).unwrap().join_timeout(TIMEOUT) {
        Err(JobError::Failed(back)) => assert_eq!(back, blob),
        other => panic!("{other:?}"),
    }
    drop(call);
    finish(&pool);
    let threads = ThreadPool::new(1, Executable::default());
    let (_, _, same) = threads.spawn(add_up, blob.clone()).unwrap().join_timeout(TIMEOUT).unwrap();
    assert_eq!(same.as_ptr(), blob.as_ptr());
    finish(&threads);
    drop((blob, back, same));
    wait_until_closed();
}

#[test]
fn state_of_several_workers_is_in_memory_once() {
    let _case = Case::begin();
    let items = LARGE / size_of::<u64>();
    let pool = with_state(3, Shared::with_len(items, |items| items.fill(1)).unwrap()).build().unwrap();
    wait_until("three workers have read their state", || {
        let jobs: Vec<_> = (0..30).map(|_| submit(&pool, Large::State)).collect();
        jobs.iter().for_each(|job| assert_eq!(outcome(job).unwrap().sum, items as u64));
        let pids = live_pids(&pool);
        let have_read = |pid: &u64| memory_field(*pid, "Rss:") > LARGE as u64;
        pids.len() == 3 && pids.iter().all(have_read)
    });
    let all: u64 = live_pids(&pool).iter().map(|&pid| memory_field(pid, "Pss:")).sum();
    assert!(all < LARGE as u64 + 3 * MARGIN, "{all}");
    finish(&pool);
    drop(pool);
    wait_until_closed();
}

#[test]
fn all_executors_and_codecs_pass_data() {
    let _case = Case::begin();
    for length in [0, 1000, 1_000_000] {
        for &codec in CodecKind::ALL {
            let pool = builder(1).codec(codec).build().unwrap();
            assert_eq!(run(&pool, Large::Echo(ones(length))).blob(), &ones(length), "{codec}");
            assert_eq!(run(&pool, Large::Sum(ones(length).to_vec().into())).sum, length as u64, "{codec}");
            finish(&pool);
        }
        let threads = ThreadPool::<Large>::new(1, Shared::default());
        let serial = Serial::<Large>::new(Shared::default());
        for executor in [&threads as &dyn Executor<Large>, &serial] {
            let sent = ones(length);
            let address = sent.as_ptr();
            assert_eq!(run(executor, Large::Echo(sent)).blob().as_ptr(), address);
            finish(executor);
        }
    }
}

#[test]
fn memory_and_descriptors_are_freed_per_job() {
    let _case = Case::begin();
    let pool = pool(1);
    let kept = submit(&pool, Large::Make(1_000_000));
    for _ in 0..100 {
        run(&pool, Large::Sum(ones(1_000_000)));
        run(&pool, Large::Make(1_000_000));
        drop(submit(&pool, Large::Make(1_000_000)));
    }
    let worker = live_pids(&pool)[0];
    wait_until("no file is left", || open_files(own_pid()) == 0);
    wait_until("the worker has closed all files", || open_files(worker) == 0);
    let blob = outcome(&kept).unwrap().blob().clone();
    // The blob does not depend on its worker.
    finish(&pool);
    assert_eq!((sum(&blob), open_files(own_pid())), (1_000_000, 0));
}

#[test]
fn job_with_data_is_retried() {
    let _case = Case::begin();
    let (pool, barrier) = (pool(1), Barrier::new());
    let answer = run(&pool, Large::ExitOnce(ones(1_000_000), barrier.file("tried")));
    assert_eq!((answer.sum, pool.worker_stats().len()), (1_000_000, 2));
    finish(&pool);
}

#[test]
fn crash_affects_no_other_outcome() {
    let _case = Case::begin();
    let pool = builder(1).retries(0).build().unwrap();
    let jobs: Vec<_> =
        (0..20).map(|n| submit(&pool, if n % 4 == 3 { Large::Exit } else { Large::Make(100_000) })).collect();
    for (n, job) in jobs.iter().enumerate() {
        match outcome(job) {
            Ok(answer) => assert_eq!(sum(answer.blob()), 100_000),
            Err(error) => assert!(n % 4 == 3 && matches!(error, JobError::Crashed(_)), "{n}: {error}"),
        }
    }
    finish(&pool);
    drop(jobs);
    wait_until_closed();
}

#[test]
fn killed_worker_loses_no_data_and_no_descriptor() {
    let _case = Case::begin();
    let pool = pool(1);
    let worker = run(&pool, Large::Make(0)).pid;
    for _ in 0..5 {
        let jobs: Vec<_> = (0..10).map(|_| submit(&pool, Large::Make(200_000))).collect();
        outcome(&jobs[0]).unwrap();
        live_pids(&pool).into_iter().for_each(kill_and_wait);
        jobs[1..].iter().for_each(|job| assert_eq!(sum(outcome(job).unwrap().blob()), 200_000));
    }
    assert!(!live_pids(&pool).contains(&worker));
    // A worker that is stopped while jobs with data are on their way to it.
    let worker = run(&pool, Large::Make(0)).pid;
    suspend(worker);
    let jobs: Vec<_> = (0..3).map(|_| submit(&pool, Large::Sum(ones(200_000)))).collect();
    assert!(open_files(own_pid()) >= 3);
    send_signal(worker, Signal::SIGCONT);
    jobs.iter().for_each(|job| assert_eq!(outcome(job).unwrap().sum, 200_000));
    finish(&pool);
    wait_until_closed();
}

#[test]
fn data_is_passed_on_to_a_nested_pool() {
    let _case = Case::begin();
    let pool = pool(1);
    let answer = run(&pool, Large::Nested(ones(LARGE)));
    assert_eq!(answer.sum, LARGE as u64);
    assert!(answer.own_memory < MARGIN, "{answer:?}");
    finish(&pool);
}

#[test]
fn forged_references_fail_their_job_only() {
    let _case = Case::begin();
    let pool = pool(1);
    for forgery in [Forgery::NoDescriptor, Forgery::Unsealed, Forgery::OtherProcess(process::id())] {
        let Err(JobError::Codec(message)) = outcome(&submit(&pool, Large::Forge(forgery))) else {
            panic!("{forgery:?} is accepted")
        };
        assert!(message.to_string().contains("a file that was not sent"), "{forgery:?}: {message}");
    }
    run(&pool, Large::Sum(ones(100)));
    assert_eq!(pool.worker_stats().len(), 1);
    finish(&pool);
}

#[test]
fn size_of_data_counts_towards_max_outcome() {
    let _case = Case::begin();
    let pool = builder(1).max_outcome(200_000).build().unwrap();
    assert_eq!(run(&pool, Large::Make(190_000)).blob().len(), 190_000);
    let Err(JobError::Codec(message)) = outcome(&submit(&pool, Large::Make(210_000))) else {
        panic!("more than the maximum is accepted")
    };
    assert!(message.to_string().contains("exceeds `max_outcome` (200000 bytes)"), "{message}");
    finish(&pool);
}

#[test]
fn data_is_created_without_a_descriptor() {
    let _case = Case::begin();
    let pool = pool(1);
    for descriptors in [3, 100] {
        assert_eq!(**run(&pool, Large::MakeWithin(descriptors)).blob(), [0; 100_000]);
    }
    finish(&pool);
}

#[test]
fn writer_that_failed_once_fails_for_ever() {
    let _case = Case::begin();
    let pool = pool(1);
    let Err(JobError::Failed(errors)) = outcome(&submit(&pool, Large::WriteWithin(99_999))) else {
        panic!("more is written than the limit allows")
    };
    let errors: Vec<&str> = errors.lines().collect();
    assert!(errors.len() == 3 && errors.iter().all(|error| *error == errors[0]), "{errors:?}");
    finish(&pool);
}
