//! An endless input: `map` reads it only a few items ahead of the outputs that are taken.
//!
//! The question: which is the first number whose way to 1, by halving even numbers and taking 3n + 1 of odd ones, has
//! 150 steps or more? Nobody knows beforehand how far to search, so the input is every number that there is.
//!
//! `cargo run --release -p pool --example endless`

use std::{cell::Cell, error::Error, num::NonZeroUsize};

use pool::{Executor, Job, ProcessPool};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Steps(u64);

impl Job for Steps {
    const NAME: &'static str = "steps";
    type Output = u64;
    type Error = String;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<u64, String> {
        let (mut n, mut steps) = (self.0, 0);
        while n > 1 {
            let next = if n % 2 == 0 { Some(n / 2) } else { n.checked_mul(3).map(|n| n + 1) };
            n = next.ok_or_else(|| format!("the way from {} leads too high", self.0))?;
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

    let buffer = NonZeroUsize::new(16).ok_or("a buffer holds something")?;
    let outputs = pool.map(numbers.map(Steps)).buffer(buffer);
    println!("read before the map is started: {}", read.get());

    let mut taken = 0;
    for steps in outputs {
        taken += 1;
        let steps = steps?;
        if steps >= 150 {
            println!("found: {taken}, with {steps} steps");
            // Leaving the loop drops the iterator, which cancels what has been read but not started.
            break;
        }
    }
    println!("read ahead of what was taken: {}", read.get() - taken);
    pool.shutdown(true, false);
    Ok(())
}
