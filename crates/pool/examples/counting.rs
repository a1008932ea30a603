//! Counts to 100,000 on each of five workers, and adds up the counts without a lock.
//!
//! Threads that increment a shared number without synchronization lose increments. Jobs share nothing: each
//! returns its own count, and the calling thread adds them up.
//!
//! The second half shuts a pool down while jobs are waiting: every job is either counted or cancelled, never
//! both.
//!
//! `cargo run --release -p runner-pool --example counting`

use std::{error::Error, hint::black_box};

use pool::{Executor, Job, JobError, JobFuture, ThreadPool, error::RemoteError};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Count(u64);

impl Job for Count {
    const NAME: &'static str = "count";
    type Output = u64;
    type Error = RemoteError;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<u64, RemoteError> {
        let mut count = 0;
        // `black_box` keeps the compiler from replacing the loop by its result.
        (0..self.0).for_each(|_| count = black_box(count) + 1);
        Ok(count)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    pool::enter_if_worker::<Count>();
    let pool = ThreadPool::new(5, ());
    let mut total = 0;
    for (_index, count) in pool.map_unordered((0..5).map(|_| Count(100_000))) {
        total += count?;
    }
    println!("total of five counts: {total}");

    let jobs: Vec<JobFuture<Count>> =
        (0..200).map(|_| pool.submit(Count(100_000))).collect::<Result<_, _>>()?;
    // `cancel` returns `true` for jobs that had not been started.
    let cancelled_early = jobs[150..].iter().filter(|job| job.cancel()).count();
    // Closes the pool, cancels the jobs that have not been started, and waits for the others.
    pool.close();
    pool.cancel_waiting();
    pool.join();

    let (mut counted, mut cancelled) = (0, 0);
    for job in &jobs {
        match job.result() {
            Ok(count) => counted += count,
            Err(JobError::Cancelled) => cancelled += 1,
            Err(other) => return Err(other.into()),
        }
    }
    println!("counted or cancelled: {}", counted / 100_000 + cancelled);
    let reported_cancelled = jobs[150..].iter().filter(|job| job.is_cancelled()).count();
    println!("`cancel` and `cancelled` agree: {}", cancelled_early == reported_cancelled);
    println!("at most the configured number of workers: {}", pool.worker_stats().len() <= pool.workers());
    if let Err(refused) = pool.submit(Count(1)) {
        println!("submit after shutdown: {refused}");
    }
    Ok(())
}
