// Sample job of the documentation's examples, and a sink for its outcomes.

use std::sync::Mutex;

use pool::{Job, error::RemoteError, stream::{Resolved, Sink}};
use serde::{Deserialize, Serialize};

/// Squares a number; fails if the square needs more than 64 bits.
#[derive(Serialize, Deserialize)]
pub struct Square(pub u64);

impl Job for Square {
    const NAME: &'static str = "square";
    type Output = u64;
    type Error = RemoteError;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<u64, RemoteError> {
        self.0.checked_mul(self.0).ok_or_else(|| RemoteError::msg(format!("{} squared overflows", self.0)))
    }
}

pool::worker!(Square);

/// A sink that stores each tag with the job's output, or `None` if the job failed.
#[derive(Default)]
pub struct Collected(pub Mutex<Vec<(u64, Option<u64>)>>);

impl Sink<Square> for Collected {
    fn resolve(&self, resolved: Vec<Resolved<Square>>) {
        let pairs = resolved.into_iter().map(|job| (job.tag, job.outcome.ok()));
        self.0.lock().unwrap().extend(pairs);
    }
}
