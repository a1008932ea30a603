//! Computes the sums of 1..=n for four n and collects them in two ways: all at once with `wait`, and one by
//! one with `as_completed` and a timeout of 7 seconds.
//!
//! For `wait` an expired timeout is not an error: it returns which jobs are done and which are not. The
//! iterator of `as_completed` yields an error as its last item.
//!
//! `cargo run --release -p runner-pool --example sums`

use std::{error::Error, hint::black_box, time::Duration};

use pool::{
    Executor, Job, JobFuture, ProcessPool,
    error::{RemoteError, SubmitError},
    future::{ReturnWhen, as_completed, wait},
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Sum(u64);

impl Job for Sum {
    const NAME: &'static str = "sum";
    type Output = (u64, u64);
    type Error = RemoteError;
    type Context = ();

    /// Returns n, too, because outputs in order of completion cannot be identified by their position.
    fn run(self, _: &mut ()) -> Result<(u64, u64), RemoteError> {
        // `black_box` keeps the compiler from replacing the loop by the closed formula.
        let sum = (1..=self.0).try_fold(0u64, |sum, n| black_box(sum).checked_add(n));
        sum.map(|sum| (self.0, sum))
            .ok_or_else(|| RemoteError::msg(format!("the sum of 1..={} overflows", self.0)))
    }
}

fn submit_all(pool: &ProcessPool<Sum>) -> Result<Vec<JobFuture<Sum>>, SubmitError> {
    (5..=8).map(|power| pool.submit(Sum(10u64.pow(power)))).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    pool::enter_if_worker::<Sum>();
    let pool = ProcessPool::builder().workers(2).build()?;

    let waited = wait(submit_all(&pool)?, None, ReturnWhen::AllCompleted);
    println!("wait: {} done, {} not done", waited.done.len(), waited.not_done.len());
    for job in waited.done {
        let (n, sum) = job.result()?;
        println!("wait: 1..={n} gives {sum}");
    }

    for completed in as_completed(submit_all(&pool)?, Duration::from_secs(7)) {
        // If the timeout expires, the last item is an `Err` with the number of jobs without an outcome.
        let (n, sum) = completed?.result()?;
        println!("as_completed: 1..={n} gives {sum}");
    }
    pool.join();
    Ok(())
}
