//! A job that sleeps for 10 seconds is given a tenth of one: its worker is killed, the verdict says why, and the pool
//! goes on with another worker.
//!
//! Only a process can be ended from outside. On threads and in series a job with a time limit is refused.
//!
//! `cargo run --release -p pool --example limits`

use std::{
    error::Error,
    thread,
    time::{Duration, Instant},
};

use pool::{Executor, Job, JobError, JobOptions, ProcessPool, ResultError, ThreadPool};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Sleep(Duration);

impl Job for Sleep {
    const NAME: &'static str = "sleep";
    type Output = Duration;
    type Error = String;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<Duration, String> {
        thread::sleep(self.0);
        Ok(self.0)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    pool::enter_if_worker::<Sleep>();
    let long = Duration::from_secs(10);
    let tenth = JobOptions { time_limit: Some(Duration::from_millis(100)) };
    // A worker is first asked by SIGTERM; one that does not go within this time is killed by SIGKILL.
    let pool = ProcessPool::builder().workers(1).grace_period(Duration::from_millis(500)).build()?;

    let start = Instant::now();
    let job = pool.submit_with(Sleep(long), tenth)?;
    match job.result(None) {
        Err(ResultError::Failed(JobError::TimedOut { limit, attempts, .. })) => {
            println!("ran longer than {limit:?}, in attempt {attempts}");
        }
        other => println!("unexpected: {other:?}"),
    }
    println!("ended before its time: {}", start.elapsed() < long);

    let short = Duration::from_millis(1);
    println!("the pool goes on: {:?}", pool.submit(Sleep(short))?.result(None)?);
    for worker in pool.worker_stats() {
        println!("{}: {} jobs", worker.worker, worker.jobs);
    }
    pool.shutdown(true, false);

    if let Err(reason) = ThreadPool::new(1, ()).submit_with(Sleep(short), tenth)?.result(None) {
        println!("on a thread: {reason}");
    }
    Ok(())
}
