//! The same program on processes, on threads or in series, chosen by one word.
//!
//! `Executor` can be used as `dyn Executor`, so the choice can be made while the program runs; everything after it
//! is the same for all three.
//!
//! `cargo run --release -p pool --example switch_executor -- threads`

use std::{env, error::Error, process};

use pool::{Executor, Job, ProcessPool, Serial, ThreadPool};
use serde::{Deserialize, Serialize};

/// Counts the primes below its number.
#[derive(Serialize, Deserialize)]
struct Primes(u32);

#[derive(Serialize, Deserialize)]
struct Counted {
    primes: usize,
    process: u32,
}

impl Job for Primes {
    const NAME: &'static str = "primes";
    type Output = Counted;
    type Error = String;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<Counted, String> {
        let is_prime = |n: &u32| (2..).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
        Ok(Counted { primes: (2..self.0).filter(is_prime).count(), process: process::id() })
    }
}

fn executor(word: &str) -> Result<Box<dyn Executor<Primes>>, Box<dyn Error>> {
    Ok(match word {
        "processes" => Box::new(ProcessPool::builder().workers(2).build()?),
        "threads" => Box::new(ThreadPool::new(2, ())),
        "serial" => Box::new(Serial::new(())),
        other => return Err(format!("`{other}` is neither `processes` nor `threads` nor `serial`").into()),
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    // Workers have arguments of their own, so this comes before the program looks at its own.
    pool::enter_if_worker::<Primes>();
    let word = env::args().nth(1).unwrap_or_else(|| "processes".to_owned());
    let executor = executor(&word)?;

    let limits = [100, 1_000, 10_000, 100_000];
    let jobs: Vec<_> = limits.iter().map(|&n| executor.submit(Primes(n))).collect::<Result<_, _>>()?;
    let mut elsewhere = 0;
    for (limit, job) in limits.iter().zip(jobs) {
        // The outcome is moved out: it need not be something that can be cloned.
        let counted = job.take(None)??;
        println!("{} primes below {limit}", counted.primes);
        elsewhere += usize::from(counted.process != process::id());
    }
    println!("{elsewhere} of {} jobs ran in another process", limits.len());
    executor.shutdown(true, false);
    Ok(())
}
