//! Five workers count to 100,000 each, and the total is exact, without a lock.
//!
//! Five threads that add to one shared number lose additions unless a lock guards it. Jobs have nothing to share: each
//! counts for itself and returns what it counted, and one thread, the caller's, merges the counts.
//!
//! The second half ends a pool in the middle of its work: every job is either counted or cancelled, never both.
//!
//! `cargo run --release -p pool --example counting`

use std::{error::Error, hint::black_box};

use pool::{Executor, Job, JobError, JobFuture, ResultError, ThreadPool};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Count(u64);

impl Job for Count {
    const NAME: &'static str = "count";
    type Output = u64;
    type Error = String;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<u64, String> {
        let mut count = 0;
        // Each addition is really done.
        (0..self.0).for_each(|_| count = black_box(count) + 1);
        Ok(count)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    pool::enter_if_worker::<Count>();
    let pool = ThreadPool::new(5, ());
    let mut total = 0;
    for count in pool.map_unordered((0..5).map(|_| Count(100_000))) {
        let (_place, count) = count.map_err(|(place, reason)| format!("job {place}: {reason}"))?;
        total += count;
    }
    println!("five times 100000 makes {total}");

    let jobs: Vec<JobFuture<Count>> =
        (0..200).map(|_| pool.submit(Count(100_000))).collect::<Result<_, _>>()?;
    // True for a job that had not been started, and now never will be.
    let by_hand = jobs[150..].iter().filter(|job| job.cancel()).count();
    // Takes no more jobs, cancels those that have not been started, and waits for the others to end.
    pool.shutdown(true, true);

    let (mut counted, mut cancelled) = (0, 0);
    for job in &jobs {
        match job.result(None) {
            Ok(count) => counted += count,
            Err(ResultError::Failed(JobError::Cancelled)) => cancelled += 1,
            Err(other) => return Err(other.into()),
        }
    }
    println!("counted or cancelled: {}", counted / 100_000 + cancelled);
    let out_of_fifty = jobs[150..].iter().filter(|job| job.cancelled()).count();
    println!("`cancel` told the truth: {}", by_hand == out_of_fifty);
    println!("no more workers than allowed: {}", pool.worker_stats().len() <= pool.workers());
    if let Err(refused) = pool.submit(Count(1)) {
        println!("afterwards {refused}");
    }
    Ok(())
}
