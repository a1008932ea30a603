//! A library that uses a pool without owning `main`: jobs that examine the worker that they run in.

use std::fs;

use pool::{Executor, Job, ProcessPool};
use serde::{Deserialize, Serialize};

use crate::waiting::TIMEOUT;

pool::worker!(Check);

/// Examines or ends its worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum Check {
    /// Returns the number of threads of the worker.
    Threads,
    /// Returns the signals that the worker ignores, as a hexadecimal mask.
    IgnoredSignals,
    /// Returns the target of a descriptor of the worker.
    Descriptor(u32),
    /// Calls itself this many times.
    Recurse(u64),
    /// Prints to standard output.
    Print(String),
}

impl Job for Check {
    const NAME: &'static str = "entry-check";
    type Output = String;
    type Error = String;
    type Context = ();

    fn run(self, (): &mut ()) -> Result<String, String> {
        let file_error = |error: std::io::Error| error.to_string();
        match self {
            Check::Threads => Ok(fs::read_dir("/proc/self/task").map_err(file_error)?.count().to_string()),
            Check::IgnoredSignals => {
                let status = fs::read_to_string("/proc/self/status").map_err(file_error)?;
                let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
                Ok(mask.unwrap_or_default().trim().to_owned())
            }
            Check::Descriptor(number) => {
                let target = fs::read_link(format!("/proc/self/fd/{number}")).map_err(file_error)?;
                Ok(target.display().to_string())
            }
            Check::Recurse(depth) => Ok(recurse(depth).to_string()),
            Check::Print(text) => {
                print!("{text}");
                Ok(String::new())
            }
        }
    }
}

/// Uses at least a kilobyte of stack for each level.
fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 128]);
    if depth == 0 { frame[0] } else { recurse(depth - 1) + std::hint::black_box(frame)[127] }
}

/// Runs a check on a worker of the calling program.
///
/// # Errors
/// The message of the error if the check fails or the worker dies.
///
/// # Panics
/// If the pool cannot be built.
pub fn run(check: Check) -> Result<String, String> {
    let pool = ProcessPool::builder().workers(1).retries(0).build().expect("cannot build the pool");
    let result = pool.submit(check).expect("the pool is closed").result_timeout(TIMEOUT);
    pool.join();
    result.map_err(|error| error.to_string())
}
