//! Awaits two thousand jobs on one thread, with tokio's single-threaded runtime.
//!
//! A `JobFuture` is a `Future` that does not depend on a runtime, so it works with the tasks, timeouts and
//! `select` of any runtime. See `async_smol` for another one.
//!
//! `cargo run --release -p runner-pool --example async_tokio`

use std::{error::Error, hint, thread, time::Duration};

use pool::{Executor, Job, JobError, ProcessPool, error::RemoteError};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
enum Work {
    Square(u64),
    Forever,
}

impl Job for Work {
    const NAME: &'static str = "work";
    type Output = u64;
    type Error = RemoteError;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<u64, RemoteError> {
        match self {
            Work::Square(n) => {
                n.checked_mul(n).ok_or_else(|| RemoteError::msg(format!("{n} squared overflows")))
            }
            Work::Forever => loop {
                hint::spin_loop();
            },
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // No `#[tokio::main]`, because a worker process must not start a runtime.
    pool::enter_if_worker::<Work>();
    let pool = ProcessPool::builder().workers(2).build()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(run(&pool))?;
    pool.join();
    Ok(())
}

async fn run(pool: &ProcessPool<Work>) -> Result<(), Box<dyn Error>> {
    let main_thread = thread::current().id();
    let mut tasks = Vec::new();
    for n in 0..2000 {
        let job = pool.submit(Work::Square(n))?;
        tasks.push(tokio::spawn(async move { (job.await, thread::current().id()) }));
    }
    let (mut sum, mut on_this_thread) = (0, 0);
    for task in tasks {
        let (square, thread) = task.await?;
        sum += square?;
        on_this_thread += u32::from(thread == main_thread);
    }
    println!("the squares below 2000 add up to {sum}");
    println!("{on_this_thread} jobs were awaited on one thread");

    // A timeout does not end the job. Awaiting the future by reference keeps it, so that the job can be
    // killed.
    let mut endless = pool.submit(Work::Forever)?;
    if tokio::time::timeout(Duration::from_millis(50), &mut endless).await.is_err() {
        println!("killed after the timeout: {}", endless.kill());
    }
    println!("cancelled: {}", matches!(endless.await, Err(JobError::Cancelled)));
    Ok(())
}
