//! Awaits two thousand jobs on one thread, with smol's executor.
//!
//! Dependent jobs are written as sequential code: each task awaits one job, creates a second one from its
//! output and awaits that, concurrently with the other tasks. See `async_tokio` for another runtime.
//!
//! `cargo run --release -p runner-pool --example async_smol`

use std::{error::Error, rc::Rc};

use pool::{Executor, Job, ProcessPool, error::RemoteError};
use serde::{Deserialize, Serialize};
use smol::LocalExecutor;

#[derive(Serialize, Deserialize)]
enum Digits {
    /// The cube of a number.
    Cube(u64),
    /// The sum of the decimal digits of a number.
    Sum(u64),
}

impl Job for Digits {
    const NAME: &'static str = "digits";
    type Output = u64;
    type Error = RemoteError;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<u64, RemoteError> {
        match self {
            Digits::Cube(n) => {
                n.checked_pow(3).ok_or_else(|| RemoteError::msg(format!("{n} is too large for its cube")))
            }
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
    // A local executor runs its tasks on the current thread, so they may share values that are not `Send`.
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
        println!("numbers that equal the digit sum of their cube: {same:?}");
        Ok::<(), Box<dyn Error>>(())
    }))?;
    pool.join();
    Ok(())
}
