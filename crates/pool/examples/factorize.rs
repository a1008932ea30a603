//! Finds all divisors of four numbers by trial division: serially, on threads and on processes, each timed.
//!
//! The jobs share nothing; input and output are small and the computation is long. Such jobs are worth
//! sending to another process.
//!
//! `cargo run --release -p runner-pool --example factorize`

use std::{error::Error, time::Instant};

use pool::{Executor, Job, ProcessPool, Serial, ThreadPool, error::RemoteError, settings::available_cores};
use serde::{Deserialize, Serialize};

const NUMBERS: [u64; 4] = [2_139_079, 1_214_759, 1_516_637, 1_852_285];

#[derive(Serialize, Deserialize)]
struct Factorize(u64);

impl Job for Factorize {
    const NAME: &'static str = "factorize";
    type Output = Vec<u64>;
    type Error = RemoteError;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<Vec<u64>, RemoteError> {
        if self.0 == 0 {
            return Err(RemoteError::msg("every number divides 0"));
        }
        Ok((1..=self.0).filter(|divisor| self.0.is_multiple_of(*divisor)).collect())
    }
}

fn time(executor: &impl Executor<Factorize>) -> Result<Vec<Vec<u64>>, Box<dyn Error>> {
    let start = Instant::now();
    // The outputs are in the order of the numbers, regardless of the order of completion.
    let divisors = executor.map(NUMBERS.map(Factorize)).collect::<Result<_, _>>()?;
    println!("  took {:.3} s", start.elapsed().as_secs_f64());
    executor.join();
    Ok(divisors)
}

fn main() -> Result<(), Box<dyn Error>> {
    pool::enter_if_worker::<Factorize>();
    let cores = available_cores();
    println!("serial");
    let serial = time(&Serial::new(()))?;
    println!("threads");
    let threads = time(&ThreadPool::new(cores, ()))?;
    println!("processes");
    let processes = time(&ProcessPool::builder().workers(cores).build()?)?;

    for (number, divisors) in NUMBERS.iter().zip(&serial) {
        println!("{number}: {divisors:?}");
    }
    println!("all agree: {}", serial == threads && serial == processes);
    Ok(())
}
