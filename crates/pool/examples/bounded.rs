//! Submits 100,000 jobs of 10 KB, 1 GB in total, through a queue of at most 10 MB, and shows the progress.
//! Prints the peak memory of this process to standard error.
//!
//! Without the bound (argument `unbounded`), the jobs that wait for a worker occupy most of the 1 GB.
//!
//! `cargo run --release -p runner-pool --example bounded`

use std::{
    error::Error,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use pool::{Executor, Job, JobFuture, ProcessPool, error::RemoteError};
use serde::{Deserialize, Serialize};

const JOBS: u64 = 100_000;
const SIZE: usize = 10_000;

/// Counts the zeros in a text.
#[derive(Serialize, Deserialize)]
struct CountZeros(String);

impl Job for CountZeros {
    const NAME: &'static str = "count-zeros";
    type Output = usize;
    type Error = RemoteError;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<usize, RemoteError> {
        Ok(self.0.bytes().filter(|&byte| byte == b'0').count())
    }
}

/// Peak resident size of this process, as the kernel reports it.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    Some(status.lines().find(|line| line.starts_with("VmHWM"))?.split_once(':')?.1.trim().to_owned())
}

fn main() -> Result<(), Box<dyn Error>> {
    pool::enter_if_worker::<CountZeros>();
    let is_bounded = std::env::args().nth(1).is_none();
    let builder = ProcessPool::<CountZeros>::builder().workers(2);
    let pool = if is_bounded { builder.max_queued_bytes(10_000_000) } else { builder }.build()?;

    let (sender, receiver) = mpsc::channel::<JobFuture<CountZeros>>();
    let consumer = thread::spawn(move || receiver.into_iter().flat_map(|job| job.result()).sum::<usize>());
    let start = Instant::now();
    let mut shown = start;
    for _ in 0..JOBS {
        sender.send(pool.submit(CountZeros("0".repeat(SIZE)))?)?; // blocks while the queue is full
        if shown.elapsed() > Duration::from_millis(500) {
            shown = Instant::now();
            let counts = pool.counts();
            eprintln!("{} of {JOBS} done, {} queued", counts.ended(), counts.queued);
        }
    }
    drop(sender);
    println!("zeros: {}", consumer.join().map_err(|_| "the consumer panicked")?);
    eprintln!("{:?}, peak memory {}", start.elapsed(), peak_memory().unwrap_or_default());
    println!("succeeded: {}", pool.counts().succeeded);
    pool.join();
    Ok(())
}
