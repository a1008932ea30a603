//! Tests through a pool.

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

/// Longer than anything takes, and short enough to notice a hang.
const LIMIT: Duration = Duration::from_secs(60);

/// A job that calls a function.
#[derive(Default, Serialize, Deserialize)]
struct Call {
    #[serde(skip)]
    function: Option<Box<dyn FnOnce() + Send>>,
}

impl Call {
    fn new(function: impl FnOnce() + Send + 'static) -> Call {
        Call { function: Some(Box::new(function)) }
    }
}

impl Job for Call {
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

/// Sends the tags of outcomes.
struct Tags(Mutex<Sender<u64>>);

impl Sink<Call> for Tags {
    fn resolve(&self, resolved: Vec<Resolved<Call>>) {
        // The receiver is gone when a test has failed.
        resolved.iter().for_each(|job| self.0.lock().send(job.tag).unwrap_or_default());
    }
}

fn until(what: &str, is_true: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < LIMIT, "waited in vain until {what}");
        thread::yield_now();
    }
}

/// Has the pool find out that jobs cost next to nothing.
fn run_short_jobs(pool: &ThreadPool<Call>) {
    let jobs: Vec<_> = (0..1000).map(|_| pool.submit(Call::default()).unwrap()).collect();
    jobs.iter().for_each(|job| job.result(LIMIT).unwrap());
}

fn claims(pool: &ThreadPool<Call>) -> u64 {
    pool.worker_stats().iter().map(|thread| thread.batches).sum()
}

#[test]
fn jobs_that_wait_for_each_other_run_side_by_side() {
    let pool = ThreadPool::new(4, ());
    run_short_jobs(&pool);
    for _ in 0..20 {
        let barrier = Arc::new(Barrier::new(4));
        let job = || {
            let barrier = barrier.clone();
            let wait = move || {
                barrier.wait();
            };
            pool.submit(Call::new(wait)).unwrap()
        };
        let jobs: Vec<_> = (0..4).map(|_| job()).collect();
        // No caller waits for a job, so none is urgent.
        until("they have met", || jobs.iter().all(|job| job.done()));
    }
}

#[test]
fn a_long_job_holds_up_no_short_ones() {
    let pool = ThreadPool::new(2, ());
    run_short_jobs(&pool);
    let ((release, held), (started, starts)) = (channel::<()>(), channel());
    let long = pool.submit(Call::new(move || {
        started.send(()).unwrap();
        assert!(held.recv().is_err());
    }));
    starts.recv_timeout(LIMIT).unwrap();
    let short: Vec<_> = (0..100).map(|_| pool.submit(Call::default()).unwrap()).collect();
    until("the short ones are done", || short.iter().all(|job| job.done()));
    assert!(!long.as_ref().unwrap().done());
    drop(release);
    long.unwrap().result(LIMIT).unwrap();
}

#[test]
fn short_jobs_are_claimed_many_at_a_time() {
    const JOBS: usize = 50_000;
    let pool = ThreadPool::new(2, ());
    assert_eq!(pool.map((0..JOBS).map(|_| Call::default())).into_iter().flatten().count(), JOBS);
    pool.shutdown(true, false);
    assert!(claims(&pool) < JOBS as u64 / 2, "{} claims", claims(&pool));
}

#[test]
fn the_rest_of_a_claim_is_given_back_when_jobs_take_longer_than_before() {
    let pool = ThreadPool::new(1, ());
    let (tell, told) = channel();
    let mut submitter = pool.submitter(Arc::new(Tags(Mutex::new(tell))));
    for tag in 0..1000 {
        submitter.push(tag, Call::default(), JobOptions::default());
    }
    submitter.flush();
    (0..1000).for_each(|tag| assert_eq!(told.recv_timeout(LIMIT), Ok(tag)));
    let (release, held) = channel::<()>();
    submitter.push(1000, Call::new(move || assert!(held.recv().is_err())), JobOptions::default());
    submitter.flush();
    until("it runs", || pool.shared.look(|state| state.queue.is_empty()));
    for tag in 1001..1051 {
        submitter.push(tag, Call::new(|| thread::sleep(Duration::from_micros(300))), JobOptions::default());
    }
    submitter.flush();
    pool.close();
    drop(release);
    (1000..1051).for_each(|tag| assert_eq!(told.recv_timeout(LIMIT), Ok(tag)));
    pool.join();
    // Each took longer than a claim may, so each was the last of one.
    let (jobs, claims) = (pool.worker_stats()[0].jobs, claims(&pool));
    assert!(jobs == 1051 && claims > 51, "{claims} claims");
}

/// Counts the outcomes of each tag.
struct Counts(Vec<AtomicU32>);

impl Sink<Call> for Counts {
    fn resolve(&self, resolved: Vec<Resolved<Call>>) {
        for job in resolved {
            self.0[job.tag as usize].fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn push_and_cancel(pool: &ThreadPool<Call>) -> Arc<Counts> {
    const JOBS: u64 = 2000;
    let counts = Arc::new(Counts((0..JOBS).map(|_| AtomicU32::new(0)).collect()));
    let mut submitter = pool.submitter(counts.clone());
    for tag in 0..JOBS {
        submitter.push(tag, Call::default(), JobOptions::default());
        match tag % 500 {
            99 => submitter.flush(),
            499 => submitter.cancel_waiting(),
            _ => {}
        }
    }
    counts
}

/// Futures, and for each whether it was said to be cancelled.
fn submit_and_cancel(pool: &ThreadPool<Call>) -> Vec<(JobFuture<Call>, bool)> {
    let futures: Vec<_> = (0..2000).map_while(|_| pool.submit(Call::default()).ok()).collect();
    let cancel = |(place, job): (usize, JobFuture<Call>)| {
        let cancelled = place % 7 == 0 && job.cancel();
        (job, cancelled)
    };
    futures.into_iter().enumerate().rev().map(cancel).collect()
}

#[test]
fn every_job_gets_one_outcome_whatever_happens() {
    for round in 0..30 {
        let pool = ThreadPool::new(1 + round % 4, ());
        let (counts, futures) = thread::scope(|scope| {
            let submitters = [(); 2].map(|()| scope.spawn(|| push_and_cancel(&pool)));
            let submits = [(); 2].map(|()| scope.spawn(|| submit_and_cancel(&pool)));
            // Each round ends at another point of their work.
            thread::sleep(Duration::from_micros(100 * round as u64));
            match round % 3 {
                0 => pool.close(),
                1 => pool.stop(Duration::ZERO),
                _ => pool.shutdown(false, true),
            }
            (submitters.map(|thread| thread.join().unwrap()), submits.map(|thread| thread.join().unwrap()))
        });
        pool.join();
        let mut counts = counts.iter().flat_map(|counts| &counts.0);
        assert!(counts.all(|count| count.load(Ordering::Relaxed) == 1), "round {round}");
        let is_right =
            |(job, cancelled): &(JobFuture<Call>, bool)| job.done() && (job.cancelled() || !cancelled);
        assert!(futures.iter().flatten().all(is_right), "round {round}");
    }
}

#[test]
fn threads_without_work_end_up_parked_without_a_time_limit() {
    let pool = ThreadPool::new(3, ());
    run_short_jobs(&pool);
    until("they are parked", || pool.shared.look(|state| state.threads.are_parked()));
    let running = pool.submit(Call::default()).unwrap();
    running.result(LIMIT).unwrap();
    until("they are parked again", || pool.shared.look(|state| state.threads.are_parked()));
}

#[test]
fn a_sink_is_dropped_with_its_last_outcome() {
    let pool = ThreadPool::new(1, ());
    let (tell, told) = channel();
    let sink = Arc::new(Tags(Mutex::new(tell)));
    let mut submitter = pool.submitter(sink.clone());
    submitter.push(7, Call::default(), JobOptions::default());
    drop(submitter);
    assert_eq!(told.recv_timeout(LIMIT), Ok(7));
    until("the pool has dropped it", || Arc::strong_count(&sink) == 1);
}

#[test]
fn a_refused_job_is_dropped_without_the_lock() {
    let pool = Arc::new(ThreadPool::new(1, ()));
    pool.close();
    struct Ask(Arc<ThreadPool<Call>>);
    impl Drop for Ask {
        fn drop(&mut self) {
            assert!(self.0.worker_stats().is_empty());
        }
    }
    let ask = Ask(pool.clone());
    let job = Call::new(move || drop(ask));
    assert_eq!(pool.submit(job).err(), Some(SubmitError::Closed));
}
