//! A job type of one's own with an error type of its own, in a program that is its own worker; and what becomes of
//! jobs that report an error, panic, or take their process down.
//!
//! Each mishap is reported in its job's place, and the jobs around it have their outputs.
//!
//! `cargo run --release -p pool --example own_worker`

use std::{error::Error, process};

use pool::{DeathCause, Executor, Job, JobError, ProcessPool, ResultError};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
enum Errand {
    Divide(i64, i64),
    Panic,
    Abort,
}

/// Travels back from the worker as it is, so that the caller can match on it.
#[derive(Debug, Serialize, Deserialize)]
enum Trouble {
    ByZero { dividend: i64 },
    Overflow,
}

impl Job for Errand {
    const NAME: &'static str = "errand";
    type Output = i64;
    type Error = Trouble;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<i64, Trouble> {
        match self {
            Errand::Divide(dividend, 0) => Err(Trouble::ByZero { dividend }),
            Errand::Divide(dividend, divisor) => dividend.checked_div(divisor).ok_or(Trouble::Overflow),
            Errand::Panic => panic!("this job is broken"),
            Errand::Abort => process::abort(),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // Before anything else: in a worker, which is this program started again, it never returns.
    pool::enter_if_worker::<Errand>();
    let pool = ProcessPool::builder().workers(2).retries(1).build()?;
    let jobs = [
        Errand::Divide(10, 2),
        Errand::Divide(7, 0),
        Errand::Panic,
        Errand::Abort,
        Errand::Divide(i64::MIN, -1),
        Errand::Divide(9, 3),
    ];
    for (place, output) in pool.map(jobs).into_iter().enumerate() {
        match output {
            Ok(quotient) => println!("{place}: {quotient}"),
            Err(ResultError::Failed(failure)) => println!("{place}: {}", explain(&failure)),
            Err(other) => return Err(format!("no outcome: {other}").into()),
        }
    }
    pool.shutdown(true, false);
    Ok(())
}

fn explain(failure: &JobError<Trouble>) -> String {
    match failure {
        JobError::Failed(Trouble::ByZero { dividend }) => format!("{dividend} cannot be divided by zero"),
        JobError::Failed(Trouble::Overflow) => "the quotient is too large".to_owned(),
        JobError::Panicked(panic) => format!("panicked with \"{}\"", panic.message),
        JobError::Crashed { death, attempts, .. } => match death.cause {
            DeathCause::Signalled(signal) => format!("its worker died of signal {signal}, {attempts} times"),
            DeathCause::Exited(code) => format!("its worker exited with {code}, {attempts} times"),
        },
        other => other.to_string(),
    }
}
