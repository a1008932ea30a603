//! Computes four greatest common divisors by counting down: serially, on two threads and on two processes,
//! each timed.
//!
//! In Python only processes use a second core. Here threads do, too, and start faster; the advantage of
//! processes is isolation: a crash of one job affects neither other jobs nor the program.
//!
//! `cargo run --release -p runner-pool --example gcd`

use std::{error::Error, time::Instant};

use pool::{Executor, Job, ProcessPool, Serial, ThreadPool, error::RemoteError};
use serde::{Deserialize, Serialize};

const PAIRS: [(u64, u64); 4] =
    [(1_963_309, 2_265_973), (2_030_677, 3_814_172), (1_551_645, 2_229_620), (2_039_045, 2_020_802)];

#[derive(Serialize, Deserialize)]
struct Gcd(u64, u64);

impl Job for Gcd {
    const NAME: &'static str = "gcd";
    type Output = u64;
    type Error = RemoteError;
    type Context = ();

    /// Slow on purpose: the job is a load for comparing executors.
    fn run(self, _: &mut ()) -> Result<u64, RemoteError> {
        let Gcd(a, b) = self;
        let mut candidates = (1..=a.min(b)).rev();
        candidates
            .find(|divisor| a.is_multiple_of(*divisor) && b.is_multiple_of(*divisor))
            .ok_or_else(|| RemoteError::msg(format!("{a} and {b} have no positive common divisor to try")))
    }
}

fn time(name: &str, executor: &impl Executor<Gcd>) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let jobs = PAIRS.map(|(a, b)| Gcd(a, b));
    let divisors: Vec<u64> = executor.map(jobs).collect::<Result<_, _>>()?;
    let elapsed = start.elapsed();
    println!("{name}: {divisors:?}");
    println!("  took {:.3} s", elapsed.as_secs_f64());
    executor.join();
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    pool::enter_if_worker::<Gcd>();
    time("serial", &Serial::new(()))?;
    time("threads", &ThreadPool::new(2, ()))?;
    // Workers are started on demand, so the time includes starting them.
    time("processes", &ProcessPool::builder().workers(2).build()?)
}
