//! A job whose output is a result itself.

use pool::Job;
use serde::{Deserialize, Serialize};

use crate::probe::Mishap;

/// Succeeds with what it holds, be it an error.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer(pub Result<(), Mishap>);

impl Job for Answer {
    const NAME: &'static str = "answer";
    type Output = Result<(), Mishap>;
    type Error = Mishap;
    type Context = ();

    fn run(self, (): &mut ()) -> Result<Self::Output, Mishap> {
        Ok(self.0)
    }
}
