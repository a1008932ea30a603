//! Runs the same program on processes, on threads or serially, as chosen by an argument.
//!
//! `Executor` is dyn compatible, so the choice can be made at run time; the rest of the program is the same
//! for all three.
//!
//! `cargo run --release -p runner-pool --example switch_executor -- threads`

use std::{env, error::Error, process};

use pool::{Executor, Job, ProcessPool, Serial, ThreadPool, error::RemoteError};
use serde::{Deserialize, Serialize};

/// Counts the primes below a number.
#[derive(Serialize, Deserialize)]
struct Primes(u32);

#[derive(Serialize, Deserialize)]
struct PrimeCount {
    primes: usize,
    process: u32,
}

impl Job for Primes {
    const NAME: &'static str = "primes";
    type Output = PrimeCount;
    type Error = RemoteError;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<PrimeCount, RemoteError> {
        let is_prime = |n: &u32| (2..).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
        Ok(PrimeCount { primes: (2..self.0).filter(is_prime).count(), process: process::id() })
    }
}

fn executor(name: &str) -> Result<Box<dyn Executor<Primes>>, Box<dyn Error>> {
    Ok(match name {
        "processes" => Box::new(ProcessPool::builder().workers(2).build()?),
        "threads" => Box::new(ThreadPool::new(2, ())),
        "serial" => Box::new(Serial::new(())),
        other => {
            return Err(
                format!("unknown executor `{other}`: expected `processes`, `threads` or `serial`").into()
            );
        }
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    // Workers are started without the program's arguments, so this comes before they are parsed.
    pool::enter_if_worker::<Primes>();
    let name = env::args().nth(1).unwrap_or_else(|| "processes".to_owned());
    let executor = executor(&name)?;

    let limits = [100, 1_000, 10_000, 100_000];
    let jobs: Vec<_> = limits.iter().map(|&n| executor.submit(Primes(n))).collect::<Result<_, _>>()?;
    let mut in_workers = 0;
    for (limit, job) in limits.iter().zip(jobs) {
        // `take` moves the outcome out, so its type need not be `Clone`.
        let counted = job.join()?;
        println!("{} primes below {limit}", counted.primes);
        in_workers += usize::from(counted.process != process::id());
    }
    println!("{in_workers} of {} jobs ran in another process", limits.len());
    executor.join();
    Ok(())
}
