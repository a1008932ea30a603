//! Runs a job that sleeps for 10 seconds with a time limit of 100 ms: its worker is killed, the outcome is a
//! timeout, and the pool continues with another worker.
//!
//! Only processes can be killed, so a job with a time limit fails on threads and on the serial executor.
//!
//! `cargo run --release -p runner-pool --example limits`

use std::{
    error::Error,
    thread,
    time::{Duration, Instant},
};

use pool::{Executor, Job, JobError, ProcessPool, ThreadPool, error::RemoteError, settings::JobOptions};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Sleep(Duration);

impl Job for Sleep {
    const NAME: &'static str = "sleep";
    type Output = Duration;
    type Error = RemoteError;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<Duration, RemoteError> {
        thread::sleep(self.0);
        Ok(self.0)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    pool::enter_if_worker::<Sleep>();
    let long = Duration::from_secs(10);
    let limited = JobOptions::new().time_limit(Duration::from_millis(100));
    // A worker is sent SIGTERM, and SIGKILL if it has not exited after the grace period.
    let pool = ProcessPool::builder().workers(1).grace_period(Duration::from_millis(500)).build()?;

    let start = Instant::now();
    let job = pool.submit_with(Sleep(long), limited)?;
    match job.result() {
        Err(JobError::TimedOut(timeout)) => {
            println!("ran longer than {:?}, in attempt {}", timeout.limit, timeout.attempts);
        }
        other => println!("unexpected: {other:?}"),
    }
    println!("ended before 10 s: {}", start.elapsed() < long);

    let short = Duration::from_millis(1);
    println!("next job: {:?}", pool.submit(Sleep(short))?.result()?);
    for worker in pool.worker_stats() {
        println!("{}: {} jobs", worker.worker, worker.jobs);
    }
    pool.join();

    if let Err(reason) = ThreadPool::new(1, ()).submit_with(Sleep(short), limited)?.result() {
        println!("on a thread: {reason}");
    }
    Ok(())
}
