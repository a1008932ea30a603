//! A job that runs a pool of its own in its worker.

use pool::{Executor, Job, ProcessPool};
use serde::{Deserialize, Serialize};

use crate::{probe::LIMIT, program};

/// Runs a smaller one of itself in a pool of its own; yields how many pools there were.
#[derive(Debug, Serialize, Deserialize)]
pub struct Nest(pub u32);

impl Job for Nest {
    const NAME: &'static str = "nest";
    type Output = u32;
    type Error = String;
    type Context = ();

    fn run(self, (): &mut ()) -> Result<u32, String> {
        if self.0 == 0 {
            return Ok(0);
        }
        let builder = ProcessPool::builder().workers(1).worker_program(program("probe-worker"));
        let pool = builder.build().map_err(|error| error.to_string())?;
        let inner = pool.submit(Nest(self.0 - 1)).map_err(|error| error.to_string())?;
        match inner.take(LIMIT) {
            Ok(Ok(pools)) => Ok(pools + 1),
            Ok(Err(pool::Failure::Failed(error))) => Err(error),
            other => Err(format!("{other:?}")),
        }
    }
}
