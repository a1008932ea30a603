//! A job's future, word by word: `submit`, `running`, `done`, `cancel`, `kill`, `result` with a time-out,
//! `add_done_callback`, and a `map` with a deadline.
//!
//! Nothing here depends on how fast the machine is: the job that must still be running would take an hour.
//!
//! `cargo run --release -p pool --example futures`

use std::{error::Error, sync::mpsc, thread, time::Duration};

use pool::{Executor, Job, ProcessPool};
use serde::{Deserialize, Serialize};

/// Does nothing for as long as it says: a stand-in for waiting for a disk or a network.
#[derive(Serialize, Deserialize)]
struct Wait(Duration);

impl Job for Wait {
    const NAME: &'static str = "wait";
    type Output = Duration;
    type Error = String;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<Duration, String> {
        thread::sleep(self.0);
        Ok(self.0)
    }
}

const MOMENT: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

fn main() -> Result<(), Box<dyn Error>> {
    pool::enter_if_worker::<Wait>();
    let pool = ProcessPool::builder().workers(1).build()?;

    let short = pool.submit(Wait(MOMENT))?;
    println!("short: {:?}, done: {}", short.result(None)?, short.done());

    let long = pool.submit(Wait(HOUR))?;
    let next = pool.submit(Wait(MOMENT))?;
    // There is nothing to wait for but the worker's start.
    while !long.running() {
        thread::yield_now();
    }
    println!("long: running {}, done {}; next: running {}", long.running(), long.done(), next.running());
    // A time-out ends the waiting, not the job.
    if let Err(reason) = long.result(Duration::from_millis(20)) {
        println!("long: {reason}");
    }

    let (tell, told) = mpsc::channel();
    next.add_done_callback(move |job| {
        let _ = tell.send(job.cancelled());
    });
    println!("cancelled: next {}, long {}", next.cancel(), long.cancel());
    println!("the callback was told: cancelled {}", told.recv()?);
    // A running job can only be ended together with its worker, which is replaced.
    println!("killed: long {}", long.kill());

    let times = [MOMENT, MOMENT, HOUR, MOMENT];
    for output in pool.map(times.map(Wait)).timeout(Duration::from_secs(1)) {
        match output {
            Ok(time) => println!("map: {time:?}"),
            Err(reason) => println!("map: {reason}"),
        }
    }
    // The deadline ended the iteration; the job of an hour would keep `shutdown` waiting, so it is stopped.
    pool.stop(Duration::ZERO);
    pool.join();
    Ok(())
}
