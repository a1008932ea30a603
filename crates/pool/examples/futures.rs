//! Uses the methods of job futures: `submit`, `running`, `done`, `cancel`, `kill`, `result` with a timeout
//! and `on_done`, and a `map` with a deadline.
//!
//! The output does not depend on the speed of the machine: the job that must still be running would take an
//! hour.
//!
//! `cargo run --release -p runner-pool --example futures`

use std::{error::Error, sync::mpsc, thread, time::Duration};

use pool::{Executor, Job, ProcessPool, error::RemoteError};
use serde::{Deserialize, Serialize};

/// Sleeps for a given time, as a stand-in for waiting for a disk or a network.
#[derive(Serialize, Deserialize)]
struct Wait(Duration);

impl Job for Wait {
    const NAME: &'static str = "wait";
    type Output = Duration;
    type Error = RemoteError;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<Duration, RemoteError> {
        thread::sleep(self.0);
        Ok(self.0)
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

fn main() -> Result<(), Box<dyn Error>> {
    pool::enter_if_worker::<Wait>();
    let pool = ProcessPool::builder().workers(1).build()?;

    let short = pool.submit(Wait(MILLISECOND))?;
    println!("short: {:?}, done: {}", short.result()?, short.is_done());

    let long = pool.submit(Wait(HOUR))?;
    let next = pool.submit(Wait(MILLISECOND))?;
    // The job starts as soon as the worker process has started.
    while !long.is_running() {
        thread::yield_now();
    }
    println!(
        "long: running {}, done {}; next: running {}",
        long.is_running(),
        long.is_done(),
        next.is_running()
    );
    // A timeout ends the waiting, not the job.
    if let Err(reason) = long.result_timeout(Duration::from_millis(20)) {
        println!("long: {reason}");
    }

    let (sender, receiver) = mpsc::channel();
    next.on_done(move |job| {
        let _ = sender.send(job.is_cancelled());
    });
    println!("cancelled: next {}, long {}", next.cancel(), long.cancel());
    println!("callback: cancelled {}", receiver.recv()?);
    // A running job can only be ended by killing its worker, which is then replaced.
    println!("killed: long {}", long.kill());

    let times = [MILLISECOND, MILLISECOND, HOUR, MILLISECOND];
    for output in pool.map(times.map(Wait)).timeout(Duration::from_secs(1)) {
        match output {
            Ok(time) => println!("map: {time:?}"),
            Err(reason) => println!("map: {reason}"),
        }
    }
    // The deadline ended the iteration, but the long job is still running and `shutdown` would wait for it.
    pool.stop(Duration::ZERO);
    pool.join();
    Ok(())
}
