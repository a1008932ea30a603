//! Two thousand jobs awaited on one thread, under smol's executor.
//!
//! Jobs that depend on each other read like plain code: each task here awaits one job, makes a second one of its
//! output, and awaits that, while the others do the same. See `async_tokio` for another runtime.
//!
//! `cargo run --release -p pool --example async_smol`

use std::{error::Error, rc::Rc};

use pool::{Executor, Job, ProcessPool};
use serde::{Deserialize, Serialize};
use smol::LocalExecutor;

#[derive(Serialize, Deserialize)]
enum Digits {
    /// n to the power of 3.
    Cube(u64),
    /// The sum of the decimal digits.
    Sum(u64),
}

impl Job for Digits {
    const NAME: &'static str = "digits";
    type Output = u64;
    type Error = String;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<u64, String> {
        match self {
            Digits::Cube(n) => n.checked_pow(3).ok_or_else(|| format!("{n} is too large for its cube")),
            Digits::Sum(n) => Ok(n.to_string().bytes().map(|digit| u64::from(digit - b'0')).sum()),
        }
    }
}

async fn digits_of_cube(pool: Rc<ProcessPool<Digits>>, n: u64) -> Result<(u64, u64), Box<dyn Error>> {
    let cube = pool.submit(Digits::Cube(n))?.await?;
    let sum = pool.submit(Digits::Sum(cube))?.await?;
    Ok((n, sum))
}

fn main() -> Result<(), Box<dyn Error>> {
    pool::enter_if_worker::<Digits>();
    let pool = Rc::new(ProcessPool::builder().workers(2).build()?);
    // A local executor runs its tasks on the thread that drives it, so they may share what cannot go to another one.
    let local = LocalExecutor::new();
    smol::block_on(local.run(async {
        let tasks: Vec<_> = (0..1000).map(|n| local.spawn(digits_of_cube(pool.clone(), n))).collect();
        let mut same = Vec::new();
        let mut jobs = 0;
        for task in tasks {
            let (n, sum) = task.await?;
            jobs += 2;
            if n == sum {
                same.push(n);
            }
        }
        println!("{jobs} jobs were awaited on one thread");
        println!("numbers that the digits of their cube add up to: {same:?}");
        Ok::<(), Box<dyn Error>>(())
    }))?;
    pool.shutdown(true, false);
    Ok(())
}
