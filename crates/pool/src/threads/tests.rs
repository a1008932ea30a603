//! Tests of a pool through its public interface.

use std::{
    sync::{
        Barrier,
        atomic::AtomicU32,
        mpsc::{Sender, channel},
    },
    thread,
    time::Instant,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::*;
use crate::Resolved;

/// Timeout of each wait, above which a test fails.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A job that calls a function.
#[derive(Default, Serialize, Deserialize)]
struct CallJob {
    #[serde(skip)]
    function: Option<Box<dyn FnOnce() + Send>>,
}

impl CallJob {
    fn new(function: impl FnOnce() + Send + 'static) -> CallJob {
        CallJob { function: Some(Box::new(function)) }
    }
}

impl Job for CallJob {
    const NAME: &'static str = "call";
    type Output = ();
    type Error = ();
    type Context = ();

    fn run(self, (): &mut ()) -> Result<(), ()> {
        if let Some(function) = self.function {
            function();
        }
        Ok(())
    }
}

/// A sink that sends the tags of outcomes to a channel.
struct TagSender(Mutex<Sender<u64>>);

impl Sink<CallJob> for TagSender {
    fn resolve(&self, resolved: Vec<Resolved<CallJob>>) {
        // The receiver has been dropped if the test has failed.
        resolved.iter().for_each(|job| self.0.lock().send(job.tag).unwrap_or_default());
    }
}

fn wait_until(condition: &str, is_true: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < TIMEOUT, "timed out waiting until {condition}");
        thread::yield_now();
    }
}

/// Runs short jobs, so that the pool measures their cost.
fn run_short_jobs(pool: &ThreadPool<CallJob>) {
    let jobs: Vec<_> = (0..1000).map(|_| pool.submit(CallJob::default()).unwrap()).collect();
    jobs.iter().for_each(|job| job.result_timeout(TIMEOUT).unwrap());
}

fn claims(pool: &ThreadPool<CallJob>) -> u64 {
    pool.worker_stats().iter().map(|thread| thread.batches).sum()
}

#[test]
fn jobs_that_wait_for_each_other_run_concurrently() {
    let pool = ThreadPool::new(4, ());
    run_short_jobs(&pool);
    for _ in 0..20 {
        let barrier = Arc::new(Barrier::new(4));
        let job = || {
            let barrier = barrier.clone();
            let wait = move || {
                barrier.wait();
            };
            pool.submit(CallJob::new(wait)).unwrap()
        };
        let jobs: Vec<_> = (0..4).map(|_| job()).collect();
        // No caller waits for a job, so none is urgent.
        wait_until("all jobs are done", || jobs.iter().all(|job| job.is_done()));
    }
}

#[test]
fn a_long_job_does_not_delay_short_ones() {
    let pool = ThreadPool::new(2, ());
    run_short_jobs(&pool);
    let ((release, blocked), (started, starts)) = (channel::<()>(), channel());
    let long = pool.submit(CallJob::new(move || {
        started.send(()).unwrap();
        assert!(blocked.recv().is_err());
    }));
    starts.recv_timeout(TIMEOUT).unwrap();
    let short: Vec<_> = (0..100).map(|_| pool.submit(CallJob::default()).unwrap()).collect();
    wait_until("the short ones are done", || short.iter().all(|job| job.is_done()));
    assert!(!long.as_ref().unwrap().is_done());
    drop(release);
    long.unwrap().result_timeout(TIMEOUT).unwrap();
}

#[test]
fn short_jobs_are_claimed_many_at_a_time() {
    const JOBS: usize = 50_000;
    let pool = ThreadPool::new(2, ());
    assert_eq!(pool.map((0..JOBS).map(|_| CallJob::default())).filter_map(Result::ok).count(), JOBS);
    pool.join();
    assert!(claims(&pool) < JOBS as u64 / 2, "{} claims", claims(&pool));
}

#[test]
fn the_rest_of_a_claim_goes_back_to_the_queue_when_jobs_take_longer_than_before() {
    let pool = ThreadPool::new(1, ());
    let (sender, receiver) = channel();
    let mut submitter = pool.submitter(Arc::new(TagSender(Mutex::new(sender))));
    for tag in 0..1000 {
        submitter.push(tag, CallJob::default(), JobOptions::default());
    }
    submitter.flush();
    (0..1000).for_each(|tag| assert_eq!(receiver.recv_timeout(TIMEOUT), Ok(tag)));
    let (release, blocked) = channel::<()>();
    submitter.push(1000, CallJob::new(move || assert!(blocked.recv().is_err())), JobOptions::default());
    submitter.flush();
    wait_until("the job is running", || pool.shared.with_state(|state| state.queue.is_empty()));
    for tag in 1001..1051 {
        submitter.push(
            tag,
            CallJob::new(|| thread::sleep(Duration::from_micros(300))),
            JobOptions::default(),
        );
    }
    submitter.flush();
    pool.close();
    drop(release);
    (1000..1051).for_each(|tag| assert_eq!(receiver.recv_timeout(TIMEOUT), Ok(tag)));
    pool.join();
    // Each took longer than the maximum time of a claim, so each was the last job of its claim.
    let (jobs, claims) = (pool.worker_stats()[0].jobs, claims(&pool));
    assert!(jobs == 1051 && claims > 51, "{claims} claims");
}

/// A sink that counts the outcomes of each tag.
struct OutcomeCounts(Vec<AtomicU32>);

impl Sink<CallJob> for OutcomeCounts {
    fn resolve(&self, resolved: Vec<Resolved<CallJob>>) {
        for job in resolved {
            self.0[job.tag as usize].fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn push_and_cancel(pool: &ThreadPool<CallJob>) -> Arc<OutcomeCounts> {
    const JOBS: u64 = 2000;
    let counts = Arc::new(OutcomeCounts((0..JOBS).map(|_| AtomicU32::new(0)).collect()));
    let mut submitter = pool.submitter(counts.clone());
    for tag in 0..JOBS {
        submitter.push(tag, CallJob::default(), JobOptions::default());
        match tag % 500 {
            99 => submitter.flush(),
            499 => submitter.cancel_waiting(),
            _ => {}
        }
    }
    counts
}

/// Returns futures, each with the result of its `cancel` or `false`.
fn submit_and_cancel(pool: &ThreadPool<CallJob>) -> Vec<(JobFuture<CallJob>, bool)> {
    let futures: Vec<_> = (0..2000).map_while(|_| pool.submit(CallJob::default()).ok()).collect();
    let cancel = |(index, job): (usize, JobFuture<CallJob>)| {
        let cancelled = index % 7 == 0 && job.cancel();
        (job, cancelled)
    };
    futures.into_iter().enumerate().rev().map(cancel).collect()
}

#[test]
fn every_job_gets_one_outcome_when_the_pool_is_closed_or_stopped() {
    for round in 0..30 {
        let pool = ThreadPool::new(1 + round % 4, ());
        let (counts, futures) = thread::scope(|scope| {
            let submitters = [(); 2].map(|()| scope.spawn(|| push_and_cancel(&pool)));
            let submits = [(); 2].map(|()| scope.spawn(|| submit_and_cancel(&pool)));
            // Each round ends at a different point of their work.
            thread::sleep(Duration::from_micros(100 * round as u64));
            match round % 3 {
                0 => pool.close(),
                1 => pool.stop(Duration::ZERO),
                _ => {
                    pool.close();
                    pool.cancel_waiting();
                }
            }
            (submitters.map(|thread| thread.join().unwrap()), submits.map(|thread| thread.join().unwrap()))
        });
        pool.join();
        let mut counts = counts.iter().flat_map(|counts| &counts.0);
        assert!(counts.all(|count| count.load(Ordering::Relaxed) == 1), "round {round}");
        let is_right = |(job, cancelled): &(JobFuture<CallJob>, bool)| {
            job.is_done() && (job.is_cancelled() || !cancelled)
        };
        assert!(futures.iter().flatten().all(is_right), "round {round}");
    }
}

#[test]
fn idle_threads_end_up_parked_without_a_timeout() {
    let pool = ThreadPool::new(3, ());
    run_short_jobs(&pool);
    wait_until("the threads are parked", || pool.shared.with_state(|state| state.threads.are_parked()));
    let running = pool.submit(CallJob::default()).unwrap();
    running.result_timeout(TIMEOUT).unwrap();
    wait_until("the threads are parked again", || pool.shared.with_state(|state| state.threads.are_parked()));
}

#[test]
fn a_sink_is_dropped_with_its_last_outcome() {
    let pool = ThreadPool::new(1, ());
    let (sender, receiver) = channel();
    let sink = Arc::new(TagSender(Mutex::new(sender)));
    let mut submitter = pool.submitter(sink.clone());
    submitter.push(7, CallJob::default(), JobOptions::default());
    drop(submitter);
    assert_eq!(receiver.recv_timeout(TIMEOUT), Ok(7));
    wait_until("the pool has dropped the sink", || Arc::strong_count(&sink) == 1);
}

#[test]
fn a_refused_job_is_dropped_without_the_lock() {
    let pool = Arc::new(ThreadPool::new(1, ()));
    pool.close();
    struct StatsOnDrop(Arc<ThreadPool<CallJob>>);
    impl Drop for StatsOnDrop {
        fn drop(&mut self) {
            assert!(self.0.worker_stats().is_empty());
        }
    }
    let stats_on_drop = StatsOnDrop(pool.clone());
    let job = CallJob::new(move || drop(stats_on_drop));
    assert_eq!(pool.submit(job).err(), Some(SubmitError::Closed));
}
