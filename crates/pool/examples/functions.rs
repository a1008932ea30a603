//! Runs plain functions, closures and functions with `#[job]` on one pool, without a job type.
//!
//! `cargo run --release -p runner-pool --example functions`

use std::{collections::BTreeMap, error::Error, time::Duration};

use pool::{
    error::RemoteError,
    functions::{FunctionCall, FunctionPool, Spawn},
    settings::JobOptions,
};

/// A plain function with several parameters.
fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A plain function with a structured argument and result.
fn count(words: Vec<String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    words.into_iter().for_each(|word| *counts.entry(word).or_default() += 1);
    counts
}

/// A function with an error of its own. It is found by its name, in any build of the program.
#[pool::job]
fn square(n: u64) -> Result<u64, RemoteError> {
    n.checked_mul(n).ok_or_else(|| RemoteError::msg(format!("{n} squared overflows")))
}

/// A function that needs the isolation of a process.
#[pool::job]
fn crash() {
    std::process::abort();
}

fn main() -> Result<(), Box<dyn Error>> {
    let pool = FunctionPool::builder().workers(2).retries(0).build()?;

    let words: Vec<String> = "to be or not to be".split(' ').map(str::to_owned).collect();
    let divisor = pool.spawn(gcd, (2_u64.pow(40), 6_u64.pow(20)))?;
    let counts = pool.spawn(count, words.clone())?;
    let longest = pool.spawn(|words: Vec<String>| words.iter().map(String::len).max(), words)?;
    println!("greatest common divisor: {}", divisor.join()?);
    println!("words: {:?}", counts.join()?);
    println!("longest word: {:?}", longest.join()?);

    let squares: Result<Vec<u64>, _> = pool.run_all((1..=5).map(square::job)).collect();
    println!("squares: {:?}", squares?);
    println!("called directly: {:?}", square(7));
    if let Err(error) = pool.run(square::job(u64::MAX))?.join() {
        println!("failed: {error}");
    }

    let crashed = pool.run(crash::job())?.join();
    println!("crashed: {:?}", crashed.map_err(|error| error.signal_name()));
    let limited = JobOptions::new().time_limit(Duration::from_millis(50));
    let nap = pool.run_with(FunctionCall::new(std::thread::sleep, Duration::MAX), limited)?;
    println!("timed out: {}", nap.join().is_err_and(|error| error.is_timeout()));
    Ok(())
}
