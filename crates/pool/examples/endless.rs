//! Maps an endless input, which is read only a few items ahead of the outputs that are taken.
//!
//! The program searches for the first number whose Collatz sequence takes 150 steps or more to reach 1: each
//! step halves an even number and replaces an odd n by 3n+1. The length of the search is not known in
//! advance, so the input is all numbers.
//!
//! `cargo run --release -p runner-pool --example endless`

use std::{cell::Cell, error::Error};

use pool::{Executor, Job, ProcessPool, error::RemoteError};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Steps(u64);

impl Job for Steps {
    const NAME: &'static str = "steps";
    type Output = u64;
    type Error = RemoteError;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<u64, RemoteError> {
        let (mut n, mut steps) = (self.0, 0);
        while n > 1 {
            let next = if n % 2 == 0 { Some(n / 2) } else { n.checked_mul(3).map(|n| n + 1) };
            n = next.ok_or_else(|| RemoteError::msg(format!("the sequence from {} overflows", self.0)))?;
            steps += 1;
        }
        Ok(steps)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    pool::enter_if_worker::<Steps>();
    let pool = ProcessPool::builder().workers(2).build()?;
    let read = Cell::new(0);
    let numbers = (1u64..).inspect(|_| read.set(read.get() + 1));

    let outputs = pool.map(numbers.map(Steps)).buffer(16);
    println!("read before the map is started: {}", read.get());

    let mut taken = 0;
    for steps in outputs {
        taken += 1;
        let steps = steps?;
        if steps >= 150 {
            println!("found: {taken}, with {steps} steps");
            // Leaving the loop drops the iterator, which cancels the jobs that have not been started.
            break;
        }
    }
    println!("read ahead of the outputs taken: {}", read.get() - taken);
    pool.join();
    Ok(())
}
