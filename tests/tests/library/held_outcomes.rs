//! Outcomes of jobs that have finished are delivered while a later job of their batch is running.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use end_to_end::{
    Case,
    probe::{Barrier, Probe, TIMEOUT, builder, finish, line_count, wait_until},
};
use pool::{
    Executor, JobError, JobFuture, ProcessPool,
    metrics::{Observer, PoolEvent},
    settings::{BatchSize, JobOptions, OnWorkerDeath, ProcessPoolBuilder, Transport},
};

const BOTH: [Transport; 2] = [Transport::Rings, Transport::Channel];

/// Runs enough short jobs for later batches to be large.
fn warm_up(pool: &ProcessPool<Probe>) {
    assert_eq!(pool.map((0..50_000).map(Probe::Double)).filter_map(Result::ok).count(), 50_000);
}

/// Builds a pool that is warmed up.
fn warm(builder: ProcessPoolBuilder<Probe>) -> ProcessPool<Probe> {
    let pool = builder.build().unwrap();
    warm_up(&pool);
    pool
}

fn submit(pool: &ProcessPool<Probe>, jobs: impl IntoIterator<Item = Probe>) -> Vec<JobFuture<Probe>> {
    pool.submit_many(jobs.into_iter().collect(), JobOptions::default()).unwrap()
}

fn doubles(count: u64) -> impl Iterator<Item = Probe> {
    (0..count).map(Probe::Double)
}

fn wait_for(jobs: &[JobFuture<Probe>]) {
    wait_until("the jobs before the running one are done", || jobs.iter().all(JobFuture::is_done));
}

#[test]
fn finished_jobs_do_not_wait_for_a_running_one() {
    let _case = Case::begin();
    let mut times = Vec::new();
    for (transport, workers) in BOTH.into_iter().flat_map(|transport| [(transport, 1), (transport, 2)]) {
        let pool = warm(builder(workers).transport(transport));
        for _ in 0..5 {
            let barrier = Barrier::new();
            let all = doubles(100).chain([barrier.hold()]).chain(doubles(200));
            let jobs: Vec<JobFuture<Probe>> = all.map(|job| pool.submit(job).unwrap()).collect();
            barrier.wait_for_held(1);
            let began = Instant::now();
            wait_for(&jobs[..100]);
            times.push(began.elapsed());
            assert!(!jobs[100].is_done(), "{transport}, {workers} workers");
            assert!(jobs[..100].iter().all(|job| !job.is_running()));
            barrier.release();
            let outcomes: Vec<u64> = jobs.iter().map(|job| job.result_timeout(TIMEOUT).unwrap()).collect();
            let expected = (0..100).map(|n| 2 * n).chain([0]).chain((0..200).map(|n| 2 * n));
            assert!(outcomes.into_iter().eq(expected), "{transport}, {workers} workers");
        }
        let counts = pool.counts();
        assert_eq!((counts.succeeded, counts.failed), (50_000 + 5 * 301, 0), "{transport}");
        finish(&pool);
    }
    times.sort();
    let median = times[times.len() / 2];
    assert!(median < Duration::from_millis(50), "the median is {median:?}, documented are 10 ms: {times:?}");
}

#[test]
fn jobs_between_two_running_ones_are_delivered_with_every_batch_size() {
    let _case = Case::begin();
    for (transport, size) in BOTH.into_iter().flat_map(|transport| {
        [(transport, BatchSize::Auto), (transport, BatchSize::Fixed(200.try_into().unwrap()))]
    }) {
        let pool = warm(builder(1).transport(transport).batch_size(size));
        let (first, second) = (Barrier::new(), Barrier::new());
        let all = doubles(20).chain([first.hold()]).chain(doubles(20)).chain([second.hold()]);
        let jobs = submit(&pool, all.chain(doubles(20)));
        wait_for(&jobs[..20]);
        first.release();
        wait_for(&jobs[..41]);
        assert!(!jobs[41].is_done(), "{transport}");
        second.release();
        let outcomes: Vec<u64> = jobs.iter().map(|job| job.result_timeout(TIMEOUT).unwrap()).collect();
        let part = || (0..20).map(|n| 2 * n);
        assert!(outcomes.into_iter().eq(part().chain([0]).chain(part()).chain([0]).chain(part())));
        finish(&pool);
    }
}

/// Counts the outcomes that the observer is informed of.
#[derive(Default)]
struct Received {
    outcomes: AtomicU64,
    recovered: Mutex<Vec<u64>>,
}

impl Observer for Received {
    fn on_event(&self, event: &PoolEvent) {
        match event {
            PoolEvent::OutcomesReceived { outcomes, .. } => {
                self.outcomes.fetch_add(*outcomes, Ordering::SeqCst);
            }
            PoolEvent::WorkerExited { recovered: Some((_, count)), .. } => {
                self.recovered.lock().unwrap().push(*count);
            }
            _ => {}
        }
    }
}

#[test]
fn death_after_the_delivery_neither_loses_nor_repeats_jobs() {
    let _case = Case::begin();
    for transport in BOTH {
        let received = Arc::new(Received::default());
        let pool = warm(builder(1).transport(transport).retries(0).observer(received.clone()));
        let barrier = Barrier::new();
        let marks = |name: &str| vec![Probe::Mark(barrier.file(name)); 50];
        let crash = Probe::Then(Box::new(barrier.hold()), Box::new(Probe::Exit(3)));
        let jobs = submit(&pool, marks("before").into_iter().chain([crash]).chain(marks("after")));
        wait_for(&jobs[..50]);
        barrier.release();
        let outcomes: Vec<_> = jobs.iter().map(|job| job.result_timeout(TIMEOUT)).collect();
        assert!(matches!(outcomes[50], Err(JobError::Crashed(_))), "{transport}");
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 100, "{transport}");
        let runs = ["before", "after"].map(|name| line_count(&barrier.file(name)));
        assert_eq!(runs, [50, 50], "{transport}");
        let counts = pool.counts();
        assert_eq!((counts.succeeded, counts.failed, counts.running), (50_100, 1, 0), "{transport}");
        finish(&pool);
        let recovered: u64 = received.recovered.lock().unwrap().iter().sum();
        let all = received.outcomes.load(Ordering::SeqCst) + recovered;
        assert_eq!(all, 50_100, "{transport}: each outcome is reported once ({recovered} recovered)");
    }
}

#[test]
fn retry_time_limit_and_kill_concern_the_running_job_only() {
    let _case = Case::begin();
    for transport in BOTH {
        let pool = warm(builder(1).transport(transport).retries(1));
        let barrier = Barrier::new();
        let (tried, marked) = (barrier.file("tried"), barrier.file("marked"));
        let line = format!("echo >> {tried:?}; [ $(wc -l < {tried:?}) = 2 ] || kill -9 $PPID");
        let again = Probe::Then(Box::new(barrier.hold()), Box::new(Probe::Shell(line)));
        let jobs = submit(&pool, vec![Probe::Mark(marked.clone()); 20].into_iter().chain([again]));
        wait_for(&jobs[..20]);
        barrier.release();
        assert_eq!(jobs[20].result_timeout(TIMEOUT).unwrap(), 0, "{transport}");

        warm_up(&pool);
        let barrier = Barrier::new();
        let jobs = submit(&pool, vec![Probe::Mark(marked.clone()); 20].into_iter().chain([barrier.hold()]));
        wait_for(&jobs[..20]);
        assert!(jobs[20].kill());
        assert!(matches!(jobs[20].result_timeout(TIMEOUT), Err(JobError::Cancelled)), "{transport}");

        warm_up(&pool);
        let barrier = Barrier::new();
        let limit = JobOptions::default().time_limit(Duration::from_millis(400));
        let held = vec![Probe::Mark(marked.clone()); 20].into_iter().chain([barrier.hold()]);
        let jobs = pool.submit_many(held.chain(doubles(20)).collect(), limit).unwrap();
        wait_for(&jobs[..20]);
        let outcomes: Vec<_> = jobs.iter().map(|job| job.result_timeout(TIMEOUT)).collect();
        assert!(matches!(outcomes[20], Err(JobError::TimedOut(_))), "{transport}: {:?}", outcomes[20]);
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 40, "{transport}");
        assert_eq!(line_count(&marked), 60, "{transport}");
        finish(&pool);
    }
}

#[test]
fn delivered_outcomes_survive_the_break_of_the_pool() {
    let _case = Case::begin();
    let pool = warm(builder(1).on_worker_death(OnWorkerDeath::Break));
    let barrier = Barrier::new();
    let crash = Probe::Then(Box::new(barrier.hold()), Box::new(Probe::Exit(3)));
    let jobs = submit(&pool, doubles(20).chain([crash]).chain(doubles(20)));
    wait_for(&jobs[..20]);
    barrier.release();
    let broken = jobs[20..].iter().map(|job| job.result_timeout(TIMEOUT));
    assert_eq!(broken.filter(|outcome| matches!(outcome, Err(JobError::Broken(_)))).count(), 21);
    let outcomes: Vec<u64> = jobs[..20].iter().map(|job| job.result_timeout(TIMEOUT).unwrap()).collect();
    assert!(outcomes.into_iter().eq((0..20).map(|n| 2 * n)));
    finish(&pool);
}

#[test]
fn outcomes_are_delivered_while_a_callback_blocks() {
    let _case = Case::begin();
    let pool = warm(builder(1));
    let [start, first, second] = [(); 3].map(|()| Barrier::new());
    let begin = [start.hold()].into_iter().chain(doubles(20)).chain([first.hold()]);
    let jobs = submit(&pool, begin.chain(doubles(20)).chain([second.hold()]));
    // Called on the thread that delivers the first outcomes, before the others are.
    let later = jobs[22..42].to_vec();
    let (sender, blocked) = mpsc::channel();
    jobs[0].on_done(move |_| {
        sender.send(()).unwrap();
        wait_for(&later);
    });
    start.release();
    // From now on the supervisor is blocked.
    blocked.recv_timeout(TIMEOUT).unwrap();
    first.release();
    wait_for(&jobs[..42]);
    second.release();
    jobs[42].result_timeout(TIMEOUT).unwrap();
    finish(&pool);
}

#[test]
fn collection_goes_on_after_a_pause() {
    let _case = Case::begin();
    let pool = warm(builder(1));
    let (first, second) = (Barrier::new(), Barrier::new());
    let all = doubles(20).chain([first.hold()]).chain(doubles(20)).chain([second.hold()]);
    let jobs = submit(&pool, all.chain(doubles(20)));
    wait_for(&jobs[..20]);
    pool.pause();
    first.release();
    // There is no event to wait for: meanwhile the clock finds the pool paused.
    std::thread::sleep(Duration::from_millis(20));
    pool.resume();
    wait_for(&jobs[..41]);
    second.release();
    jobs.iter().for_each(|job| assert!(job.result_timeout(TIMEOUT).is_ok()));
    finish(&pool);
}
