//! Defines a job type with its own error type in a program that is its own worker, and shows the outcomes of
//! jobs that return an error, panic or crash.
//!
//! Each failure is reported in the place of its job; the other jobs have their outputs.
//!
//! `cargo run --release -p runner-pool --example own_worker`

use std::{error::Error, process};

use pool::{Executor, Job, JobError, ProcessPool};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
enum Task {
    Divide(i64, i64),
    Panic,
    Abort,
}

/// Returned from the worker unchanged, so that the caller can match on it.
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
enum TaskError {
    #[error("{dividend} cannot be divided by zero")]
    ByZero { dividend: i64 },
    #[error("the quotient is too large")]
    Overflow,
}

impl Job for Task {
    const NAME: &'static str = "task";
    type Output = i64;
    type Error = TaskError;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<i64, TaskError> {
        match self {
            Task::Divide(dividend, 0) => Err(TaskError::ByZero { dividend }),
            Task::Divide(dividend, divisor) => dividend.checked_div(divisor).ok_or(TaskError::Overflow),
            Task::Panic => panic!("this job is broken"),
            Task::Abort => process::abort(),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // First thing in `main`: a worker is this program started again, and there this call never returns.
    pool::enter_if_worker::<Task>();
    let pool = ProcessPool::builder().workers(2).retries(1).build()?;
    let jobs = [
        Task::Divide(10, 2),
        Task::Divide(7, 0),
        Task::Panic,
        Task::Abort,
        Task::Divide(i64::MIN, -1),
        Task::Divide(9, 3),
    ];
    for (index, output) in pool.map(jobs).enumerate() {
        match output {
            Ok(quotient) => println!("{index}: {quotient}"),
            Err(failure) => println!("{index}: {}", explain(&failure)),
        }
    }
    pool.join();
    Ok(())
}

fn explain(failure: &JobError<TaskError>) -> String {
    match failure {
        JobError::Failed(TaskError::ByZero { dividend }) => format!("{dividend} cannot be divided by zero"),
        JobError::Panicked(panic) => format!("panicked with \"{}\"", panic.message),
        JobError::Crashed(crash) => {
            let signal = crash.death.signal_name().unwrap_or("no signal");
            format!("its worker was killed by {signal}, {} times", crash.attempts)
        }
        other => other.to_string(),
    }
}
